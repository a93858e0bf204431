package slots

import (
	"encoding/binary"
	"fmt"
	"sync"
)

// Memory is the guest's RAM, at guest-physical addresses. This package passes no address that is outside the bounds,
// whatever the guest says, and no word's address that is not a multiple of 4; all words are little-endian.
//
// Both sides look at words that the other one changes, without a lock: an event's fired and armed, tx_pos,
// slot_queue_recycle. A side sets fired and then looks whether armed is set; the other sets armed and then looks
// whether fired is set; if both missed it, the wake-up would be lost for good. So Load32 and Store32 must be
// sequentially consistent with each other and with the guest's barriers, as atomic.Uint32 is, and order what Read and
// Write do: what was written before a Store32 is seen by who loads its value. Plain moves are not enough, not even on
// amd64, where a load may overtake an earlier store; and nothing else would order them, for the doorbell, which
// would be a system call, is what gets lost. A guest whose processors run as threads of QEMU on an amd64 host has its
// barriers made barriers of the host's, so that atomics on the shared mapping meet them.
type Memory interface {
	// Bounds returns the address of the first byte and the number of bytes; the sum does not exceed 4 GiB.
	Bounds() (base, size uint32)
	Load32(addr uint32) uint32
	Store32(addr, value uint32)
	// Read and Write copy bytes, which nobody changes meanwhile if the guest obeys the protocol; if it does not, they
	// copy anything.
	Read(addr uint32, p []byte)
	Write(addr uint32, p []byte)
}

// RAM is a Memory for two sides in one process, which both use its methods; a lock orders them.
type RAM struct {
	base uint32
	mu   sync.Mutex
	data []byte
}

// NewRAM makes size bytes of zeroes at address base.
func NewRAM(base, size uint32) *RAM {
	return &RAM{base: base, data: make([]byte, size)}
}

// Bounds implements Memory.
func (r *RAM) Bounds() (base, size uint32) { return r.base, uint32(len(r.data)) }

// Load32 implements Memory.
func (r *RAM) Load32(addr uint32) uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return binary.LittleEndian.Uint32(r.at(addr, 4))
}

// Store32 implements Memory.
func (r *RAM) Store32(addr, value uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	binary.LittleEndian.PutUint32(r.at(addr, 4), value)
}

// Read implements Memory.
func (r *RAM) Read(addr uint32, p []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	copy(p, r.at(addr, len(p)))
}

// Write implements Memory.
func (r *RAM) Write(addr uint32, p []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	copy(r.at(addr, len(p)), p)
}

// at returns n bytes. It panics outside the bounds, which is a mistake of the caller's.
func (r *RAM) at(addr uint32, n int) []byte {
	if addr < r.base || uint64(addr)+uint64(n) > uint64(r.base)+uint64(len(r.data)) {
		panic(fmt.Sprintf("%d bytes at %#x are not in RAM", n, addr))
	}
	return r.data[addr-r.base:][:n]
}

// within says whether the n bytes at addr are all in m.
func within(m Memory, addr uint32, n uint64) bool {
	base, size := m.Bounds()
	return addr >= base && n <= uint64(size) && uint64(addr-base) <= uint64(size)-n
}
