package vcemu

import (
	"slices"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

const (
	// ringSize is the encoder's output ring in bytes. What lies over its end leaves in two buffers.
	ringSize = 512 << 10
	// maxBacklog is how many bytes may wait for buffers before an encoder takes no further image.
	maxBacklog = ringSize / 2
	// codedOffset is where Quirks.CodedOffset has the payload begin in the firmware's buffer.
	codedOffset = 64
)

// outlet cuts coded pictures into the buffers that the host gives to an output port. Guarded by VideoCore.mu.
type outlet struct {
	port    *port
	waiting []coded
	backlog int      // bytes of waiting
	at      int      // in the ring: the end of what was sent
	uncut   bool     // MINIMISE_FRAGMENTATION: the ring's end is of no importance
	spare   [][]byte // memory of pictures that are sent
	scratch []byte
	sent    sentCount
	fault   *encoderFault // of the encoder whose outlet it is
}

// sentCount is what STATISTICS tells.
type sentCount struct {
	buffers, frames, largest uint32
	bytes                    uint64
}

// coded is a unit that ends with a buffer of its own: a parameter set or a whole picture.
type coded struct {
	data  []byte // what is left
	whole []byte // all of it, to be used again; nil if it belongs to somebody else
	flags mmal.BufferFlags
	last  mmal.BufferFlags // further ones, of the last fragment
	pts   int64
	first int // length of the first fragment, 0 as long as possible
	begun bool
}

// memory is for a picture to be pushed.
func (o *outlet) memory() []byte {
	if n := len(o.spare); n > 0 {
		m := o.spare[n-1]
		o.spare = o.spare[:n-1]
		return m[:0]
	}
	return nil
}

// push queues a unit and sends what there are buffers for.
func (o *outlet) push(c coded) {
	o.waiting = append(o.waiting, c)
	o.backlog += len(c.data)
	o.drain()
}

// clear forgets what waits.
func (o *outlet) clear() {
	o.waiting, o.backlog = nil, 0
}

// drain sends what there are buffers for.
func (o *outlet) drain() {
	for len(o.waiting) > 0 && len(o.port.buffers) > 0 && o.port.enabled && !o.fault.stalled {
		c := &o.waiting[0]
		b := o.port.buffers[0]
		o.port.buffers = slices.Delete(o.port.buffers, 0, 1)
		n := o.fragment(c, b)
		o.send(c, b, n)
		c.data = c.data[n:]
		o.backlog -= n
		if len(c.data) == 0 {
			if c.whole != nil {
				o.spare = append(o.spare, c.whole)
			}
			o.waiting = slices.Delete(o.waiting, 0, 1)
		}
	}
}

// fragment says how much of a unit goes into a buffer.
func (o *outlet) fragment(c *coded, b hostBuffer) int {
	n := min(len(c.data), int(b.capacity)-o.offset(), int(o.port.want.Size)-o.offset())
	if most := o.port.comp.vc.cfg.Quirks.MaxFragment; most > 0 {
		n = min(n, most)
	}
	if !c.begun && c.first > 0 {
		n = min(n, c.first)
	}
	if !o.uncut {
		n = min(n, ringSize-o.at)
	}
	return n
}

// offset is where payloads begin in the firmware's buffers. What is transferred begins with the payload.
func (o *outlet) offset() int {
	if o.port.comp.vc.cfg.Quirks.CodedOffset {
		return codedOffset
	}
	return 0
}

func (o *outlet) send(c *coded, b hostBuffer, n int) {
	quirks := &o.port.comp.vc.cfg.Quirks
	m := o.port.message(b)
	m.Offset, m.Length, m.Flags = uint32(o.offset()), uint32(n), c.flags
	if n == len(c.data) {
		m.Flags |= c.last
	}
	if !c.begun || !quirks.PTSOnFirstFragment {
		m.PTS = c.pts
	}
	c.begun = true
	o.at = (o.at + n) % ringSize
	o.count(m, n)
	if n <= mmal.MaxShortPayload && quirks.ShortPayloads {
		m.InMessage = uint32(copy(m.Short[:], c.data[:n]))
		o.port.sendBuffer(mmal.Success, m, nil)
		return
	}
	if n == 0 {
		o.port.sendBuffer(mmal.Success, m, nil)
		return
	}
	o.scratch = append(o.scratch[:0], c.data[:n]...)
	for len(o.scratch)%4 != 0 {
		o.scratch = append(o.scratch, 0)
	}
	o.port.sendBuffer(mmal.Success, m, o.scratch)
}

func (o *outlet) count(m *mmal.BufferMessage, n int) {
	o.sent.buffers++
	o.sent.bytes += uint64(n)
	o.sent.largest = max(o.sent.largest, uint32(n))
	if m.Flags&mmal.FlagFrameEnd != 0 {
		o.sent.frames++
	}
}
