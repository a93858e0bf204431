package mmal

import (
	"context"
	"fmt"
	"time"
)

// receiver is the state of the reading goroutine, kept so that a buffer costs no allocation.
type receiver struct {
	f      fields
	header Header
	buffer BufferMessage
	event  EventMessage
	// arrivals are buffers of the firmware's in the order of their messages, from the first one whose bulk transfer
	// is still under way.
	arrivals []arrival
	cookie   uint64 // of the last bulk receive that was asked for
	// offsetSeen says that the log tells already of offsets in buffers.
	offsetSeen bool
}

// arrival is one buffer or event in the order of the firmware's messages.
type arrival struct {
	buffer *Buffer // nil if its data is to be thrown away
	bulk   bool    // its data is still to come
	cookie uint64
	at     time.Duration // after Client.began, not 0
}

// sender is the state of the writing goroutine.
type sender struct {
	f      fields
	header Header
	buffer BufferMessage
}

// write sends what others have queued until ctx is done: the only goroutine that may block in Transport.Send.
func (c *Client) write(ctx context.Context) error {
	for {
		var err error
		select {
		case msg := <-c.requests:
			err = c.transport.Send(msg, nil)
		case b := <-c.returns:
			err = c.give(b)
		case <-ctx.Done():
			return nil
		}
		if err != nil {
			return fmt.Errorf("send message: %w", err)
		}
	}
}

// give sends a buffer to the firmware, unless its port has been disabled meanwhile.
func (c *Client) give(b *Buffer) error {
	m := &c.tx.buffer
	payload, ok := c.depart(b, m)
	if !ok {
		return nil
	}
	c.tx.header = Header{ID: BufferFromHost}
	c.tx.f = fields{b: c.tx.f.b[:0]}
	c.tx.header.fields(&c.tx.f)
	m.fields(&c.tx.f)
	return c.transport.Send(c.tx.f.b, payload)
}

// read handles what the firmware sends until the transport ends.
func (c *Client) read() error {
	for {
		d, err := c.transport.Receive()
		if err != nil {
			return fmt.Errorf("receive message: %w", err)
		}
		switch d.Kind {
		case DeliveryMessage:
			err = c.message(d.Data)
		case DeliveryBulk, DeliveryBulkAborted:
			err = c.bulk(d)
		}
		if err != nil {
			return err
		}
	}
}

// message handles one message of the firmware's.
func (c *Client) message(msg []byte) error {
	rx := &c.rx
	rx.f = fields{b: msg, decoding: true}
	rx.header.fields(&rx.f)
	if rx.f.bad {
		return fmt.Errorf("%w: message of %d bytes without a header", ErrProtocol, len(msg))
	}
	switch rx.header.ID {
	case BufferToHost:
		rx.buffer.fields(&rx.f)
		if rx.f.bad {
			return fmt.Errorf("%w: buffer message of %d bytes", ErrProtocol, len(msg))
		}
		return c.bufferArrived(&rx.buffer, rx.header.Status)
	case EventToHost:
		rx.event.fields(&rx.f)
		if rx.f.bad {
			return fmt.Errorf("%w: event message of %d bytes", ErrProtocol, len(msg))
		}
		return c.eventArrived(&rx.event)
	default:
		c.complete(rx.header, msg)
		return nil
	}
}

// bufferArrived takes a buffer back from the firmware; its data may still be under way. One whose header has a status
// failed: nothing follows it, whatever its length says (the kernel's MMAL driver, mmal-vchiq.c, reads it so too).
func (c *Client) bufferArrived(m *BufferMessage, failure Status) error {
	b := c.arrive(m)
	if b == nil {
		c.log.Warn("buffer that the firmware does not have", "context", m.Buffer.Context, "length", m.Length)
	}
	if m.Offset != 0 && !c.rx.offsetSeen {
		c.rx.offsetSeen = true
		c.log.Info("firmware gives buffers an offset, which is taken as its own", "offset", m.Offset)
	}
	switch {
	case failure != Success:
		c.log.Warn("firmware could not fill a buffer", "status", failure)
		if b != nil {
			b.Flags |= FlagTransmissionFailed
			b.Data = nil
		}
		return c.inOrder(arrival{buffer: b})
	case m.ZeroCopy || m.InMessage != 0 || m.Length == 0 && m.Flags&FlagEOS == 0:
		return c.inOrder(arrival{buffer: b})
	case m.Length == 0: // an end of stream without data still has its transfer
		return c.expectBulk(b, 8)
	default:
		return c.expectBulk(b, m.Length)
	}
}

// expectBulk asks for the bulk transfer that follows a message; wanted or not, it has to be asked for.
func (c *Client) expectBulk(b *Buffer, length uint32) error {
	if length > maxBulk {
		return fmt.Errorf("%w: bulk transfer of %d bytes announced", ErrProtocol, length)
	}
	c.rx.cookie++
	if err := c.transport.PostReceive(int(length+3)&^3, c.rx.cookie); err != nil {
		return fmt.Errorf("receive bulk transfer of %d bytes: %w", length, err)
	}
	c.rx.arrivals = append(c.rx.arrivals, arrival{b, true, c.rx.cookie, max(time.Since(c.began), 1)})
	c.noteOwed()
	return nil
}

// inOrder delivers a buffer that is complete, behind those which came before it and are not.
func (c *Client) inOrder(a arrival) error {
	if len(c.rx.arrivals) > 0 {
		c.rx.arrivals = append(c.rx.arrivals, a)
		return nil
	}
	c.deliver(a.buffer)
	return nil
}

// bulk completes the oldest arrival that waits for its data, and delivers it and those that waited only for it.
func (c *Client) bulk(d Delivery) error {
	rx := &c.rx
	if len(rx.arrivals) == 0 || rx.arrivals[0].cookie != d.Cookie {
		return fmt.Errorf("%w: bulk transfer out of order", ErrProtocol)
	}
	if b := rx.arrivals[0].buffer; b != nil {
		b.Data = d.Data[:min(int(b.length), len(d.Data))]
		if d.Kind == DeliveryBulkAborted {
			b.Flags |= FlagTransmissionFailed
		}
		c.deliver(b)
	}
	n := 1
	for ; n < len(rx.arrivals) && !rx.arrivals[n].bulk; n++ {
		c.deliver(rx.arrivals[n].buffer)
	}
	rx.arrivals = append(rx.arrivals[:0], rx.arrivals[n:]...)
	c.noteOwed()
	return nil
}

// noteOwed tells Owed of the oldest arrival, which always waits for its data.
func (c *Client) noteOwed() {
	var since time.Duration
	if len(c.rx.arrivals) > 0 {
		since = c.rx.arrivals[0].at
	}
	c.owed.Store(int64(since))
}

// eventArrived passes an event to the component's owner.
func (c *Client) eventArrived(m *EventMessage) error {
	if m.Length > uint32(len(m.Data)) {
		c.log.Warn("event too large for its message", "event", m.Cmd, "length", m.Length)
		return c.expectBulk(nil, m.Length)
	}
	c.mu.Lock()
	comp := c.components[m.ClientComponent]
	c.mu.Unlock()
	if comp == nil {
		c.log.Warn("event of an unknown component", "event", m.Cmd, "component", m.ClientComponent)
		return nil
	}
	if comp.onEvent != nil {
		comp.onEvent(Event{PortType: m.PortType, PortIndex: m.PortIndex, Cmd: m.Cmd, Data: m.Data[:m.Length]})
	}
	return nil
}
