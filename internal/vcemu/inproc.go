package vcemu

import (
	"fmt"
	"slices"
	"sync"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

const (
	// maxBulks is how many bulk transfers VCHIQ lets a service have under way in one direction.
	maxBulks = 4
	// longQueue is the length from which on the firmware executes no further request.
	longQueue = 512
	// poison overwrites what a client must not look at any more.
	poison = 0xdd
)

// inproc carries a session's messages within the process, with VCHIQ's semantics: messages keep their order; the n-th
// bulk receive that is posted gets the n-th bulk transfer, and both must be of the same size; at most four transfers
// are under way, and while a fifth waits, so does all that was sent after it.
type inproc struct {
	vc      *VideoCore
	session *session

	mu      sync.Mutex
	change  sync.Cond // ready or closed changed
	ready   []delivery
	waiting []transmission // not even begun, for maxBulks are under way
	sent    [][]byte       // bulk transfers under way
	posted  []posted
	small   [][]byte // memory of deliveries that the client has done with, for messages
	large   [][]byte // the same, for bulk transfers
	last    []byte   // memory of the last delivery
	closed  bool
}

type delivery struct {
	kind   mmal.DeliveryKind
	data   []byte
	cookie uint64
}

// transmission is one message and the bulk transfer behind it, nil if there is none.
type transmission struct {
	msg, bulk []byte
}

type posted struct {
	size   int
	cookie uint64
}

func newInproc(v *VideoCore) *inproc {
	t := &inproc{vc: v}
	t.change.L = &t.mu
	return t
}

// Send implements mmal.Transport.
func (t *inproc) Send(msg, bulk []byte) error { return t.session.feed(msg, bulk) }

// PostReceive implements mmal.Transport.
func (t *inproc) PostReceive(size int, cookie uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return fmt.Errorf("post bulk receive: %w", mmal.ErrClosed)
	case size <= 0:
		return fmt.Errorf("post bulk receive of %d bytes: no room", size)
	}
	t.posted = append(t.posted, posted{size, cookie})
	t.match()
	return nil
}

// Receive implements mmal.Transport.
func (t *inproc) Receive() (mmal.Delivery, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.recycle(t.last)
	t.last = nil
	for len(t.ready) == 0 {
		if t.closed {
			return mmal.Delivery{}, fmt.Errorf("receive: %w", mmal.ErrClosed)
		}
		t.change.Wait()
	}
	d := t.ready[0]
	t.ready = slices.Delete(t.ready, 0, 1)
	if len(t.ready)+len(t.waiting) == longQueue {
		t.change.Broadcast() // the session may wait
	}
	t.last = d.data
	return mmal.Delivery{Kind: d.kind, Data: d.data, Cookie: d.cookie}, nil
}

// Close implements mmal.Transport.
func (t *inproc) Close() error {
	t.session.close()
	return nil
}

// transmit implements link.
func (t *inproc) transmit(msg, bulk []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	x := transmission{msg: t.copy(msg)}
	if bulk != nil {
		x.bulk = t.copy(bulk)
	}
	t.waiting = append(t.waiting, x)
	t.match()
}

// match begins what may begin and completes the bulk transfers that are wanted.
func (t *inproc) match() {
	for {
		switch {
		case len(t.sent) > 0 && len(t.posted) > 0:
			t.complete(t.sent[0], t.posted[0])
			t.sent = slices.Delete(t.sent, 0, 1)
			t.posted = slices.Delete(t.posted, 0, 1)
		case len(t.waiting) > 0 && (t.waiting[0].bulk == nil || len(t.sent) < maxBulks):
			x := t.waiting[0]
			t.waiting = slices.Delete(t.waiting, 0, 1)
			t.deliver(delivery{kind: mmal.DeliveryMessage, data: x.msg})
			if x.bulk != nil {
				t.sent = append(t.sent, x.bulk)
			}
		default:
			return
		}
	}
}

func (t *inproc) complete(data []byte, p posted) {
	if len(data) != p.size {
		t.vc.count.bulkMismatches.Add(1)
		t.vc.log.Error("bulk transfer and receive differ in size", "transfer", len(data), "receive", p.size)
		data = data[:min(len(data), p.size)]
	}
	t.deliver(delivery{kind: mmal.DeliveryBulk, data: data, cookie: p.cookie})
}

func (t *inproc) deliver(d delivery) {
	t.ready = append(t.ready, d)
	t.change.Broadcast()
}

// wait implements link.
func (t *inproc) wait() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.ready)+len(t.waiting) > longQueue && !t.closed {
		t.change.Wait()
	}
}

// shut implements link.
func (t *inproc) shut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, p := range t.posted {
		t.deliver(delivery{kind: mmal.DeliveryBulkAborted, cookie: p.cookie})
	}
	t.posted, t.waiting, t.sent = nil, nil, nil
	t.change.Broadcast()
}

// copy returns b's bytes in memory that the transport owns.
func (t *inproc) copy(b []byte) []byte {
	list := t.list(len(b))
	for i := len(*list) - 1; i >= 0; i-- {
		if m := (*list)[i]; cap(m) >= len(b) {
			*list = slices.Delete(*list, i, i+1)
			return append(m[:0], b...)
		}
	}
	return append(make([]byte, 0, max(len(b), mmal.MaxMessage)), b...)
}

// list is where memory of that size waits to be used again.
func (t *inproc) list(size int) *[][]byte {
	if size <= mmal.MaxMessage {
		return &t.small
	}
	return &t.large
}

// recycle takes back the memory of a delivery that the client may not look at any more.
func (t *inproc) recycle(b []byte) {
	const most = 16
	list := t.list(cap(b))
	if b == nil || len(*list) >= most {
		return
	}
	for i := range b {
		b[i] = poison
	}
	*list = append(*list, b)
}
