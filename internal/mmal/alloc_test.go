package mmal

import (
	"context"
	"testing"
)

// pump is a Transport and a firmware with one component and one buffer that goes round without an allocation: each word
// on fill has the firmware send the buffer, each on back says that it has it again.
type pump struct {
	fill, back chan struct{}
	replies    chan []byte
	bulks      chan uint64 // cookies of receives
	closed     chan struct{}
	filled     []byte // the buffer, its context aside
	data       []byte // of its bulk transfer
}

const contextAt = 36 // of a buffer message

func newPump(length int) *pump {
	p := &pump{
		fill:    make(chan struct{}),
		back:    make(chan struct{}),
		replies: make(chan []byte, 1),
		bulks:   make(chan uint64, 1),
		closed:  make(chan struct{}),
	}
	m := BufferMessage{Buffer: BufferAddress{Component: 1, Port: 1}, Length: uint32(length)}
	if length <= MaxShortPayload {
		m.InMessage = uint32(length)
	} else {
		p.data = make([]byte, (length+3)&^3)
	}
	p.filled = Append(nil, Header{ID: BufferToHost}, &m)
	return p
}

func (p *pump) Send(msg, _ []byte) error {
	h, err := DecodeHeader(msg)
	if err != nil {
		return err
	}
	switch h.ID {
	case BufferFromHost:
		copy(p.filled[contextAt:contextAt+4], msg[contextAt:])
		select {
		case p.back <- struct{}{}:
		case <-p.closed:
		}
	case ComponentCreate:
		p.replies <- answer(h, &CreateReply{Component: 1, Outputs: 1})[0].msg
	case PortInfoGet:
		p.replies <- answer(h, &PortInfo{Handle: 1})[0].msg
	default:
		p.replies <- answer(h, &Reply{})[0].msg
	}
	return nil
}

func (p *pump) PostReceive(_ int, cookie uint64) error {
	p.bulks <- cookie
	return nil
}

func (p *pump) Receive() (Delivery, error) {
	select {
	case msg := <-p.replies:
		return Delivery{Kind: DeliveryMessage, Data: msg}, nil
	case <-p.fill:
		return Delivery{Kind: DeliveryMessage, Data: p.filled}, nil
	case cookie := <-p.bulks:
		return Delivery{Kind: DeliveryBulk, Data: p.data, Cookie: cookie}, nil
	case <-p.closed:
		return Delivery{}, ErrClosed
	}
}

func (p *pump) Close() error {
	close(p.closed)
	return nil
}

// round returns a function that has the buffer go round once, and the number of bytes that the handler got so far.
func round(tb testing.TB, length int) (once func(), handled func() int) {
	tb.Helper()
	p := newPump(length)
	c := New(p, nil)
	ctx, cancel := context.WithCancel(tb.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	})
	comp, err := c.CreateComponent(ctx, "ril.x", nil)
	if err != nil {
		tb.Fatal(err)
	}
	total := 0
	err = comp.Outputs[0].Enable(ctx, Buffers{1, 65536}, func(b *Buffer) {
		total += len(b.Data)
		b.Release()
	})
	if err != nil {
		tb.Fatal(err)
	}
	<-p.back
	once = func() {
		p.fill <- struct{}{}
		<-p.back
	}
	return once, func() int { return total }
}

var roundTrips = map[string]int{"short": 100, "bulk": 65533}

func TestBufferRoundTripAllocates(t *testing.T) {
	for name, length := range roundTrips {
		t.Run(name, func(t *testing.T) {
			const rounds = 200
			once, handled := round(t, length)
			once() // the first round makes the memory that the others use
			if got := testing.AllocsPerRun(rounds, once); got != 0 {
				t.Errorf("%v allocations, want none", got)
			}
			if got, want := handled(), (rounds+2)*length; got != want { // AllocsPerRun runs it once more
				t.Errorf("handled %d bytes, want %d", got, want)
			}
		})
	}
}

func BenchmarkBufferRoundTrip(b *testing.B) {
	for name, length := range roundTrips {
		b.Run(name, func(b *testing.B) {
			once, _ := round(b, length)
			b.ReportAllocs()
			for b.Loop() {
				once()
			}
		})
	}
}
