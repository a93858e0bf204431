package slots

import (
	"errors"
	"fmt"
)

const (
	pageSize = 4096
	pageMask = pageSize - 1
	// maxBulk bounds a bulk transfer: several times a picture of the largest sensor.
	maxBulk = 64 << 20
	// pageListHeader is the bytes before the addresses: length word, type half, offset half.
	pageListHeader = 8

	// Types of page list; those from listFragments on name the fragment buffer to use.
	listWrite     = 0 // ARM sends
	listRead      = 1 // ARM receives
	listFragments = 2
)

// errPageList is what all complaints about page lists wrap.
var errPageList = errors.New("bad page list")

// span is contiguous guest memory.
type span struct {
	addr, size uint32
}

// pageList is where the bytes of a bulk transfer are in guest memory.
//
// ARM's caches are not coherent with VideoCore's transfers. So a receive that begins or ends within a cache line leaves
// out these parts: the head, up to the first whole line, goes to the first line of a fragment buffer, and the tail,
// which is what was transferred into the last line, to the buffer's second line. ARM copies them where they belong.
type pageList struct {
	size   uint32
	offset uint32 // of the first byte in its page
	spans  []span
	// fragment is the address of the fragment buffer, two cache lines; 0 if none is wanted.
	fragment uint32
	line     uint32 // bytes of a cache line, a power of two
}

// fragments is the array of fragment buffers.
type fragments struct {
	addr, count, line uint32
}

// readPageList reads a page list of size bytes at addr, and checks all that it says. receive is ARM's direction.
func readPageList(m Memory, f fragments, addr, size uint32, receive bool) (pageList, error) {
	l := pageList{size: size, line: f.line}
	switch {
	case size == 0 || size > maxBulk:
		return l, fmt.Errorf("%w: transfer of %d bytes", errPageList, size)
	case addr%4 != 0 || !within(m, addr, pageListHeader):
		return l, fmt.Errorf("%w: at %#x", errPageList, addr)
	}
	length, half := m.Load32(addr), m.Load32(addr+4)
	typ := half & 0xffff
	l.offset = half >> 16
	switch {
	case length != size:
		return l, fmt.Errorf("%w: %d bytes for a transfer of %d", errPageList, length, size)
	case l.offset >= pageSize:
		return l, fmt.Errorf("%w: offset %d", errPageList, l.offset)
	case receive != (typ != listWrite):
		return l, fmt.Errorf("%w: type %d in the wrong direction", errPageList, typ)
	}
	if typ >= listFragments {
		n := typ - listFragments
		at := uint64(f.addr) + uint64(n)*2*uint64(f.line)
		if n >= f.count || at > 0xffffffff || !within(m, uint32(at), 2*uint64(f.line)) {
			return l, fmt.Errorf("%w: fragment buffer %d", errPageList, n)
		}
		l.fragment = uint32(at)
	}
	return l, l.readPages(m, addr+pageListHeader)
}

// readPages reads the addresses: the page, and in the bits below how many pages follow it.
func (l *pageList) readPages(m Memory, addr uint32) error {
	rest, offset := l.size, l.offset
	pages := (l.offset + l.size + pageMask) / pageSize
	for pages > 0 {
		if !within(m, addr, 4) {
			return fmt.Errorf("%w: beyond RAM", errPageList)
		}
		entry := m.Load32(addr)
		addr += 4
		page, n := entry&^uint32(pageMask), entry&pageMask+1
		if n > pages {
			return fmt.Errorf("%w: run of %d pages where %d remain", errPageList, n, pages)
		}
		if !within(m, page, uint64(n)*pageSize) {
			return fmt.Errorf("%w: %d pages at %#x", errPageList, n, page)
		}
		pages -= n
		s := span{page + offset, min(n*pageSize-offset, rest)}
		l.spans = append(l.spans, s)
		rest -= s.size
		offset = 0
	}
	return nil
}

// write puts p, of at most l.size bytes, where a receive wants it.
func (l *pageList) write(m Memory, p []byte) {
	var head, tail uint32
	actual := uint32(len(p))
	if l.fragment != 0 {
		head = min(-l.offset&(l.line-1), actual)
		if head < actual {
			tail = (l.offset + actual) & (l.line - 1)
		}
		m.Write(l.fragment, p[:head])
		m.Write(l.fragment+l.line, p[actual-tail:])
	}
	var pos uint32
	for _, s := range l.spans {
		// The part of this span that is in [head, actual-tail).
		from, to := max(pos, head), min(pos+s.size, actual-tail)
		if from < to {
			m.Write(s.addr+from-pos, p[from:to])
		}
		pos += s.size
	}
}

// read returns the first n bytes of what ARM sends, at most l.size.
func (l *pageList) read(m Memory, n int) []byte {
	p := make([]byte, n)
	rest := p
	for _, s := range l.spans {
		part := rest[:min(len(rest), int(s.size))]
		m.Read(s.addr, part)
		rest = rest[len(part):]
	}
	return p
}
