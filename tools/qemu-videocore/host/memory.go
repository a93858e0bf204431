package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"unsafe"
)

const (
	// ramBase is where QEMU's virt machine has its memory.
	ramBase = 0x40000000
	// MaxRAM is the most memory that a guest can have, in bytes: VideoCore's addresses have 32 bits.
	MaxRAM = 3 << 30
	// sharedMemory is Linux's folder for files that never go to a disk.
	sharedMemory = "/dev/shm"
)

// memory is the guest's RAM, mapped from the file that QEMU maps too. It implements slots.Memory. The words' order is
// this machine's, which has to be little-endian as the guest's is.
type memory struct {
	data []byte
}

// newFolder makes a folder for the guest's RAM of that size: in memory if there is room for it, else on the disk.
func newFolder(size int64) (string, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(sharedMemory, &fs); err == nil && fs.Bavail > uint64(2*size)/uint64(fs.Bsize) {
		return os.MkdirTemp(sharedMemory, "videocore")
	}
	return os.MkdirTemp("", "videocore")
}

// newMemory makes the file, full of zeroes, and maps it.
func newMemory(path string, size int64) (*memory, error) {
	if size <= 0 || size > MaxRAM || size%(1<<20) != 0 {
		return nil, fmt.Errorf("guest memory of %d bytes: want whole MiB, up to %d", size, MaxRAM>>20)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := file.Truncate(size); err != nil {
		return nil, err
	}
	data, err := syscall.Mmap(int(file.Fd()), 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", filepath.Base(path), err)
	}
	return &memory{data}, nil
}

// unmap ends the mapping, after which no other method may be called.
func (m *memory) unmap() error {
	if m.data == nil {
		return errors.New("unmap guest memory: a second time")
	}
	data := m.data
	m.data = nil
	return syscall.Munmap(data)
}

// Bounds implements slots.Memory.
func (m *memory) Bounds() (base, size uint32) { return ramBase, uint32(len(m.data)) }

// Load32 implements slots.Memory.
func (m *memory) Load32(addr uint32) uint32 { return m.word(addr).Load() }

// Store32 implements slots.Memory.
func (m *memory) Store32(addr, value uint32) { m.word(addr).Store(value) }

// Read implements slots.Memory.
func (m *memory) Read(addr uint32, p []byte) { copy(p, m.at(addr, len(p))) }

// Write implements slots.Memory.
func (m *memory) Write(addr uint32, p []byte) { copy(m.at(addr, len(p)), p) }

// word is the aligned word at addr, as something that the guest's processors change at the same time.
func (m *memory) word(addr uint32) *atomic.Uint32 {
	if addr%4 != 0 {
		panic(fmt.Sprintf("word at %#x is not aligned", addr))
	}
	return (*atomic.Uint32)(unsafe.Pointer(&m.at(addr, 4)[0]))
}

// at returns n bytes. It panics outside the bounds, which is a mistake of the caller's.
func (m *memory) at(addr uint32, n int) []byte {
	if addr < ramBase || uint64(addr)-ramBase+uint64(n) > uint64(len(m.data)) {
		panic(fmt.Sprintf("%d bytes at %#x are not in the guest's memory", n, addr))
	}
	return m.data[addr-ramBase:][:n]
}
