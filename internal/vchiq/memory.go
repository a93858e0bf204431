package vchiq

import (
	"fmt"
	"math/bits"
	"structs"
	"sync"
	"unsafe"
)

const (
	pageSize = 4096
	// maxTransfer bounds one bulk transfer, in bytes.
	maxTransfer = 16 << 20
	// classes are the sizes of memory for transfers: pageSize doubled 0 to 12 times.
	classes = 13
	// keptEach and keptBytes bound the memory that waits to be used again, of one class and of all.
	keptEach  = 16
	keptBytes = 32 << 20
)

// arena has all that requests point to, in pages that never move. A field belongs to the goroutine that makes its
// request. It has pointers to mapped memory only, which the garbage collector neither knows nor needs to.
type arena struct {
	_         structs.HostLayout
	getConfig getConfig
	config    config
	create    createService
	await     awaitCompletion
	records   [batch]completion
	buffers   [batch]unsafe.Pointer
	message   queueMessage
	element   element
	bulks     [2]queueBulk
}

// newArena maps an arena; mem is what to unmap.
func newArena() (a *arena, mem []byte, err error) {
	mem, err = mapMemory(int(unsafe.Sizeof(arena{})+pageSize-1) &^ (pageSize - 1))
	if err != nil {
		return nil, nil, err
	}
	return (*arena)(unsafe.Pointer(unsafe.SliceData(mem))), mem, nil
}

// pages is mapped memory for one transfer.
type pages struct {
	mem   []byte
	class int
}

// pool lends memory for transfers and uses it again. What it has mapped stays mapped, at least while it is lent.
type pool struct {
	mu    sync.Mutex
	free  [classes][]*pages
	bytes int // in free
	all   map[*pages]struct{}
}

// classOf is the smallest class for size bytes, of which there must be at least one.
func classOf(size int) int { return bits.Len(uint(size-1) / pageSize) }

// get lends memory of at least size bytes, from 1 to maxTransfer. Its content is arbitrary.
func (p *pool) get(size int) (*pages, error) {
	class := classOf(size)
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free[class]); n > 0 {
		m := p.free[class][n-1]
		p.free[class] = p.free[class][:n-1]
		p.bytes -= len(m.mem)
		return m, nil
	}
	mem, err := mapMemory(pageSize << class)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes for a bulk transfer: %w", pageSize<<class, err)
	}
	m := &pages{mem: mem, class: class}
	if p.all == nil {
		p.all = make(map[*pages]struct{})
	}
	p.all[m] = struct{}{}
	return m, nil
}

// put takes lent memory back, which the kernel must be through with. nil is allowed.
func (p *pool) put(m *pages) {
	if m == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free[m.class]) < keptEach && p.bytes+len(m.mem) <= keptBytes {
		p.free[m.class] = append(p.free[m.class], m)
		p.bytes += len(m.mem)
		return
	}
	delete(p.all, m)
	_ = unmapMemory(m.mem) // fails only for addresses that are none
	m.mem = nil
}

// unmap ends the pool and all that it has lent.
func (p *pool) unmap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for m := range p.all {
		_ = unmapMemory(m.mem)
		m.mem = nil
	}
	p.all, p.free, p.bytes = nil, [classes][]*pages{}, 0
}

// ring is a queue of bounded length that allocates nothing.
type ring[T any] struct {
	items   []T
	first   int
	waiting int
}

func newRing[T any](size int) ring[T] { return ring[T]{items: make([]T, size)} }

// push appends an item. The caller knows that there is room.
func (r *ring[T]) push(item T) {
	r.items[(r.first+r.waiting)%len(r.items)] = item
	r.waiting++
}

// pop takes the oldest item out. The caller knows that there is one.
func (r *ring[T]) pop() T {
	var none T
	item := r.items[r.first]
	r.items[r.first] = none
	r.first = (r.first + 1) % len(r.items)
	r.waiting--
	return item
}
