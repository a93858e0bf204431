package mmal

// Buffer is a buffer header of this client's: at any time either the firmware has it, or the handler of its port.
// Those of an input port that neither has are there for Send.
type Buffer struct {
	// Data is what the firmware filled in. It is valid until the handler returns.
	Data  []byte
	Flags BufferFlags
	// PTS is in microseconds on the clock that CAMERA_CONFIG chose, or TimeUnknown.
	PTS int64

	port    *Port
	index   uint16      // in Client.buffers
	state   bufferState // guarded by the client's mu
	context uint32      // while away
	length  uint32      // announced by the firmware
	payload []byte      // to send, for an input port
	short   [MaxShortPayload]byte
}

// bufferState says who has a buffer.
type bufferState int

const (
	atHome   bufferState = iota // the handler, or nobody
	queued                      // the writing goroutine, to give it to the firmware
	away                        // the firmware
	arriving                    // the reading goroutine: its data, or its turn, is still to come
)

// slot is a place in the table of buffers. Its generation makes each context new, so that what the firmware says of a
// buffer that it should no longer have is seen to be stale.
type slot struct {
	buffer     *Buffer
	generation uint16
}

// Port is the port that the buffer belongs to.
func (b *Buffer) Port() *Port { return b.port }

// Release gives a buffer of an output port back to the firmware to be filled again. It does nothing for a buffer of an
// input port, which is free again when the handler returns, for one that has been released already, and for one whose
// port is disabled. It never blocks.
func (b *Buffer) Release() {
	p := b.port
	c := p.component.client
	c.mu.Lock()
	ok := p.typ != PortInput && p.enabled && b.state == atHome && c.isCurrent(b)
	if ok {
		b.state = queued
	}
	c.mu.Unlock()
	if ok {
		c.queue(b)
	}
}

// isCurrent says that a buffer's port has not dropped it. The caller holds c.mu.
func (c *Client) isCurrent(b *Buffer) bool { return c.buffers[b.index].buffer == b }

// Send gives the firmware a buffer of an input port: the reference to an opaque image inside the message, all other
// data by bulk transfer. Data must stay as it is until the buffer comes back. It returns the buffer, or nil if the
// firmware or the handler has them all or the port is disabled. A buffer that had not gone yet when the port is disabled
// does not come back.
func (p *Port) Send(data []byte, flags BufferFlags, pts int64) *Buffer {
	c := p.component.client
	c.mu.Lock()
	var free *Buffer
	for _, b := range p.buffers {
		if p.enabled && b.state == atHome {
			free = b
			break
		}
	}
	if free != nil {
		free.state = queued
		free.payload, free.Flags, free.PTS = data, flags, pts
	}
	c.mu.Unlock()
	if free != nil {
		c.queue(free)
	}
	return free
}

// queue hands a buffer to the writing goroutine. Its state has just become queued, so that it is in the queue only once;
// the queue has room for more buffers than there are.
func (c *Client) queue(b *Buffer) {
	select {
	case c.returns <- b:
	case <-c.done:
	}
}

// hasRoom says whether there may be n more buffers.
func (c *Client) hasRoom(n uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	room := uint32(maxBuffers)
	for _, s := range c.buffers {
		if s.buffer != nil && room > 0 {
			room--
		}
	}
	return n <= room
}

// addBuffers makes the buffers of a port that has just been enabled. Any that a failed Disable left are forgotten.
func (p *Port) addBuffers(n Buffers, handler func(*Buffer)) []*Buffer {
	p.dropBuffers()
	c := p.component.client
	c.mu.Lock()
	defer c.mu.Unlock()
	p.enabled, p.handler, p.allHome = true, handler, nil
	p.info.Port.Buffers = n
	p.capacity = n.Size
	for range n.Num {
		p.buffers = append(p.buffers, c.newBuffer(p))
	}
	return p.buffers
}

// newBuffer finds a place in the table for a buffer of p's. The caller holds c.mu.
func (c *Client) newBuffer(p *Port) *Buffer {
	b := &Buffer{port: p}
	for i := range c.buffers {
		if c.buffers[i].buffer == nil {
			c.buffers[i].buffer, b.index = b, uint16(i)
			return b
		}
	}
	b.index = uint16(len(c.buffers))
	c.buffers = append(c.buffers, slot{buffer: b})
	return b
}

// retire stops giving buffers to the firmware and returns a channel that is closed when it has none left.
func (p *Port) retire() <-chan struct{} {
	c := p.component.client
	c.mu.Lock()
	defer c.mu.Unlock()
	p.enabled = false
	if p.allHome == nil {
		p.allHome = make(chan struct{})
	}
	p.checkHome()
	return p.allHome
}

// checkHome says, once, that all buffers of a retired port are home. The caller holds the client's mu.
func (p *Port) checkHome() {
	if p.allHome == nil || p.outstanding != 0 {
		return
	}
	select {
	case <-p.allHome:
	default:
		close(p.allHome)
	}
}

// dropBuffers forgets the buffers of a port, those that are out with the firmware included.
func (p *Port) dropBuffers() {
	c := p.component.client
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range p.buffers {
		c.buffers[b.index].buffer = nil
	}
	p.enabled, p.buffers, p.outstanding = false, nil, 0
	p.checkHome()
}

// depart fills in the message that gives b to the firmware, and what of its payload goes by bulk transfer. It says no
// if the port has been disabled since b was queued.
func (c *Client) depart(b *Buffer, m *BufferMessage) (bulk []byte, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := b.port
	s := &c.buffers[b.index]
	if !p.enabled || b.state != queued || s.buffer != b {
		return nil, false
	}
	s.generation++
	if s.generation == 0 {
		s.generation = 1
	}
	b.state = away
	b.context = uint32(s.generation)<<16 | uint32(b.index)
	p.outstanding++
	*m = BufferMessage{
		Buffer:   BufferAddress{Component: p.component.handle, Port: p.info.Handle, Context: b.context},
		Data:     b.context,
		Capacity: p.capacity,
		PTS:      TimeUnknown,
		DTS:      TimeUnknown,
	}
	if p.typ != PortInput {
		return nil, true
	}
	m.Flags, m.PTS = b.Flags, b.PTS
	m.Length = uint32(len(b.payload))
	if len(b.payload) == 0 || p.info.Format.Encoding == EncodingOpaque && len(b.payload) <= MaxShortPayload {
		m.InMessage = uint32(copy(m.Short[:], b.payload))
		return nil, true
	}
	return padded(b.payload), true
}

// padded returns data at the length that a bulk transfer of it has.
func padded(data []byte) []byte {
	if pad := -len(data) & 3; pad != 0 {
		return append(data[:len(data):len(data)], make([]byte, pad)...)
	}
	return data
}

// arrive finds the buffer that a message of the firmware's brings back; nil if the firmware should not have it.
func (c *Client) arrive(m *BufferMessage) *Buffer {
	c.mu.Lock()
	defer c.mu.Unlock()
	index := int(m.Buffer.Context & 0xffff)
	if index >= len(c.buffers) {
		return nil
	}
	b := c.buffers[index].buffer
	if b == nil || b.state != away || b.context != m.Buffer.Context ||
		b.port.component.handle != m.Buffer.Component || b.port.info.Handle != m.Buffer.Port {
		return nil
	}
	b.state = arriving
	b.payload = nil
	b.length, b.Flags, b.PTS = m.Length, m.Flags, m.PTS
	b.Data = b.short[:copy(b.short[:], m.Short[:min(m.InMessage, MaxShortPayload)])]
	return b
}

// deliver passes a buffer that has come home to its port's handler, unless the port has dropped it meanwhile. One from
// an output port with nothing in it goes straight back, unless it is the end of a frame or of all.
func (c *Client) deliver(b *Buffer) {
	if b == nil {
		return
	}
	p := b.port
	c.mu.Lock()
	current, handler := c.isCurrent(b), p.handler
	if p.typ != PortInput {
		b.state = atHome
	}
	c.mu.Unlock()
	if !current {
		return
	}
	if p.typ != PortInput && b.length == 0 && len(b.Data) == 0 && b.Flags&(FlagEOS|FlagFrameEnd) == 0 {
		b.Release()
	} else {
		handler(b)
	}
	c.handled(b)
}

// handled takes note that a buffer's handler is through with it, though it may keep one of an output port.
func (c *Client) handled(b *Buffer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isCurrent(b) {
		return
	}
	p := b.port
	if p.typ == PortInput {
		b.state = atHome
	}
	p.outstanding--
	p.checkHome()
}
