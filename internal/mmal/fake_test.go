package mmal

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// says is one message of the firmware's, and the bulk transfer behind it if that is not nil.
type says struct {
	msg, bulk []byte
}

// fake is a firmware as a function over messages: what it says when it hears msg, and bulk right behind it. It is called
// on the client's writing goroutine only.
type fake func(h Header, msg, bulk []byte) []says

// answer is a reply to the request with header h.
func answer(h Header, m Message) []says {
	return []says{{msg: Append(nil, Header{ID: h.ID, Context: h.Context}, m)}}
}

// silent hears requests of that id but does not answer them.
func silent(id MessageID, next fake) fake {
	return func(h Header, msg, bulk []byte) []says {
		if h.ID == id {
			return nil
		}
		return next(h, msg, bulk)
	}
}

// fail refuses requests of that id, with nothing behind the status.
func fail(id MessageID, status Status, next fake) fake {
	return func(h Header, msg, bulk []byte) []says {
		if h.ID == id {
			return answer(h, &Reply{Status: status})
		}
		return next(h, msg, bulk)
	}
}

// failNth refuses the n-th request of that id, counted from 0, and no other.
func failNth(n int, id MessageID, status Status, next fake) fake {
	refuse := fail(id, status, nil)
	return func(h Header, msg, bulk []byte) []says {
		if h.ID == id {
			n--
			if n == -1 {
				return refuse(h, msg, bulk)
			}
		}
		return next(h, msg, bulk)
	}
}

// expect takes the ids of all messages to come, in order.
func expect(t *testing.T, next fake, ids ...MessageID) fake {
	t.Cleanup(func() {
		synctest.Wait()
		if len(ids) > 0 {
			t.Errorf("firmware was not asked %v", ids)
		}
	})
	return func(h Header, msg, bulk []byte) []says {
		if len(ids) == 0 || ids[0] != h.ID {
			t.Errorf("firmware got %v, want %v next", h.ID, ids)
		} else {
			ids = ids[1:]
		}
		return next(h, msg, bulk)
	}
}

// receive is a bulk receive that the client asked for.
type receive struct {
	size   int
	cookie uint64
}

// wire is a Transport with a fake at its other end. As in VCHIQ, messages do not wait for bulk transfers, and the n-th
// transfer goes to the n-th receive.
type wire struct {
	fake   fake
	toHost chan Delivery
	closed chan struct{}
	once   sync.Once
	last   []byte // reading goroutine's: memory of the last delivery

	mu      sync.Mutex
	sendErr error    // what Send answers from now on
	heard   []Header // of the client's messages
	sent    [][]byte // bulk transfers without a receive
	wanted  []receive
	posted  []int // sizes of all receives
}

func newWire(f fake) *wire {
	return &wire{fake: f, toHost: make(chan Delivery, 1024), closed: make(chan struct{})}
}

// Send implements Transport.
func (w *wire) Send(msg, bulk []byte) error {
	h, err := DecodeHeader(msg)
	if err != nil {
		return err
	}
	w.mu.Lock()
	err = w.sendErr
	w.heard = append(w.heard, h)
	w.mu.Unlock()
	select {
	case <-w.closed:
		return fmt.Errorf("send: %w", ErrClosed)
	default:
	}
	if err != nil {
		return err
	}
	for _, s := range w.fake(h, bytes.Clone(msg), bytes.Clone(bulk)) {
		w.say(s.msg, s.bulk)
	}
	return nil
}

// PostReceive implements Transport.
func (w *wire) PostReceive(size int, cookie uint64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wanted = append(w.wanted, receive{size, cookie})
	w.posted = append(w.posted, size)
	w.match()
	return nil
}

// Receive implements Transport. What the client may not look at any more is overwritten.
func (w *wire) Receive() (Delivery, error) {
	for i := range w.last {
		w.last[i] = 0xdd
	}
	select {
	case d := <-w.toHost:
		w.last = d.Data
		return d, nil
	case <-w.closed:
		return Delivery{}, fmt.Errorf("receive: %w", ErrClosed)
	}
}

// Close implements Transport.
func (w *wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

// say sends the client a message, and a bulk transfer if that is not nil.
func (w *wire) say(msg, bulk []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if msg != nil {
		w.toHost <- Delivery{Kind: DeliveryMessage, Data: bytes.Clone(msg)}
	}
	if bulk != nil {
		w.sent = append(w.sent, bytes.Clone(bulk))
		w.match()
	}
}

// match completes the transfers that are wanted. The caller holds mu.
func (w *wire) match() {
	for len(w.sent) > 0 && len(w.wanted) > 0 {
		data, want := w.sent[0], w.wanted[0]
		w.sent, w.wanted = w.sent[1:], w.wanted[1:]
		d := Delivery{Kind: DeliveryBulk, Data: data, Cookie: want.cookie}
		if len(data) != want.size {
			d = Delivery{Kind: DeliveryBulkAborted, Cookie: want.cookie}
		}
		w.toHost <- d
	}
}

// abort ends the oldest receive without data.
func (w *wire) abort() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.toHost <- Delivery{Kind: DeliveryBulkAborted, Cookie: w.wanted[0].cookie}
	w.wanted = w.wanted[1:]
}

// receives are the sizes of all receives that the client asked for.
func (w *wire) receives() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.posted)
}

// requests are the headers of the client's messages of that id.
func (w *wire) requests(id MessageID) []Header {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.heard), func(h Header) bool { return h.ID != id })
}

// rig is a running client with a fake firmware, inside a bubble of synctest.
type rig struct {
	*testing.T
	*wire
	client *Client
	cancel context.CancelCauseFunc
	ended  chan error
	logged lockedBuffer
}

// lockedBuffer is text that several goroutines write.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// start runs a client. The test ends it, with end if it matters how; the bubble sees to it that no goroutine is left.
func start(t *testing.T, f fake) *rig {
	t.Helper()
	r := &rig{T: t, wire: newWire(f), ended: make(chan error, 1)}
	r.client = New(r.wire, slog.New(slog.NewTextHandler(&r.logged, nil)))
	ctx, cancel := context.WithCancelCause(t.Context())
	r.cancel = cancel
	go func() { r.ended <- r.client.Run(ctx) }()
	t.Cleanup(func() { cancel(nil) })
	return r
}

// end waits for the client, which must have a reason to end.
func (r *rig) end() error {
	r.Helper()
	synctest.Wait()
	select {
	case err := <-r.ended:
		return err
	default:
		r.Fatal("Run has not returned")
		return nil
	}
}

// wantLog requires that the client has logged a line with all the words.
func (r *rig) wantLog(words ...string) {
	r.Helper()
	synctest.Wait()
	for line := range strings.Lines(r.logged.String()) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			return
		}
	}
	r.Errorf("no line with %q in the log:\n%s", words, r.logged.String())
}

// firmware hears what any component would; each has the same ports.
type firmware struct {
	inputs, outputs uint32
	pairs           bool // enabling one end of a tunnel enables the other
	keeps           int  // buffers that DISABLE does not give back

	mu         sync.Mutex
	components uint32
	destroyed  []uint32
	clients    []uint32 // the components' ids on the client's side
	ports      map[PortAddress]*fakePort
	parameters map[ParameterID][]byte
	actions    []string
}

// fakePort is a port's state; held are the buffers that the client has given to it, with bulk behind it.
type fakePort struct {
	format Format
	block  PortBlock
	peer   PortAddress
	held   []BufferMessage
	bulks  [][]byte
	given  []uint32 // contexts of all buffers ever given
}

func newFirmware(inputs, outputs uint32) *firmware {
	return &firmware{
		inputs:     inputs,
		outputs:    outputs,
		ports:      make(map[PortAddress]*fakePort),
		parameters: make(map[ParameterID][]byte),
	}
}

// handleOf is the port's handle in messages.
func handleOf(component uint32, t PortType, index uint32) PortAddress {
	return PortAddress{Component: component, Port: component + uint32(t)<<4 + index}
}

func (f *firmware) port(a PortAddress) *fakePort {
	if f.ports[a] == nil {
		f.ports[a] = &fakePort{block: PortBlock{Min: Buffers{1, 128}, Advised: Buffers{3, 8192}}}
	}
	return f.ports[a]
}

// hear is a fake.
func (f *firmware) hear(h Header, msg, bulk []byte) []says {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch h.ID {
	case GetVersion:
		return answer(h, &Version{Major: 16, Minor: 1, Minimum: 10})
	case ComponentCreate:
		return f.create(h, msg)
	case ComponentDestroy:
		var req ComponentRequest
		Decode(msg, &req)
		f.destroyed = append(f.destroyed, req.Component)
	case PortInfoGet, PortInfoSet:
		return f.portInfo(h, msg)
	case PortAction:
		return f.action(h, msg)
	case PortParameterSet:
		var req ParameterSetRequest
		Decode(msg, &req)
		f.parameters[req.ID] = bytes.Clone(req.Value)
	case PortParameterGet:
		var req ParameterGetRequest
		Decode(msg, &req)
		value := f.parameters[req.ID]
		return answer(h, &ParameterGetReply{ID: req.ID, Size: uint32(len(value) + parameterHeader), Value: value})
	case BufferFromHost:
		var m BufferMessage
		Decode(msg, &m)
		p := f.port(PortAddress{m.Buffer.Component, m.Buffer.Port})
		p.held = append(p.held, m)
		p.bulks = append(p.bulks, bulk)
		p.given = append(p.given, m.Buffer.Context)
		return nil
	}
	return answer(h, &Reply{})
}

func (f *firmware) create(h Header, msg []byte) []says {
	var req CreateRequest
	Decode(msg, &req)
	f.components++
	f.clients = append(f.clients, req.ClientComponent)
	return answer(h, &CreateReply{Component: f.components << 8, Inputs: f.inputs, Outputs: f.outputs})
}

func (f *firmware) portInfo(h Header, msg []byte) []says {
	var req PortInfoRequest
	Decode(msg, &req)
	a := handleOf(req.Component, req.Type, req.Index)
	p := f.port(a)
	if h.ID == PortInfoSet {
		var set PortInfoUpdate
		Decode(msg, &set)
		p.format, p.block.Buffers = set.Format, set.Port.Buffers
		if req.Type == PortInput {
			for i := range f.outputs {
				f.port(handleOf(req.Component, PortOutput, i)).format = set.Format
			}
		}
	}
	return answer(h, &PortInfo{
		Component: req.Component, Type: req.Type, Index: req.Index, Found: true,
		Handle: a.Port, Port: p.block, Format: p.format,
	})
}

func (f *firmware) action(h Header, msg []byte) []says {
	var req PortActionRequest
	Decode(msg, &req)
	a := PortAddress{req.Component, req.Port}
	p := f.port(a)
	f.actions = append(f.actions, fmt.Sprintf("%v %#x", req.Action, req.Port))
	var out []says
	switch req.Action {
	case ActionConnect:
		p.peer = req.Peer
		f.port(req.Peer).peer = a
	case ActionEnable, ActionDisable:
		p.block.Enabled = req.Action == ActionEnable
		if p.peer != (PortAddress{}) && f.pairs {
			f.port(p.peer).block.Enabled = p.block.Enabled
		}
		if req.Action == ActionDisable {
			for len(p.held) > f.keeps {
				m := p.take()
				out = append(out, says{msg: Append(nil, Header{ID: BufferToHost}, &m)})
			}
		}
	case ActionFlush:
		for len(p.held) > 0 {
			m := p.take()
			out = append(out, says{msg: Append(nil, Header{ID: BufferToHost}, &m)})
		}
	}
	return append(out, answer(h, &Reply{})...)
}

// take takes the oldest buffer, empty.
func (p *fakePort) take() BufferMessage {
	m := p.held[0]
	p.held, p.bulks = p.held[1:], p.bulks[1:]
	m.Length, m.InMessage, m.Flags = 0, 0, 0
	return m
}

// held are the buffers that the firmware has of a port, once all is quiet.
func (f *firmware) held(p *Port) []BufferMessage {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.port(p.peerAddress()).held)
}

// contexts are those of the buffers that the firmware has of a port.
func (f *firmware) contexts(p *Port) []uint32 {
	var all []uint32
	for _, m := range f.held(p) {
		all = append(all, m.Buffer.Context)
	}
	return all
}

// next takes the oldest buffer of a port.
func (f *firmware) next(t *testing.T, p *Port) BufferMessage {
	t.Helper()
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	fp := f.port(p.peerAddress())
	if len(fp.held) == 0 {
		t.Fatalf("firmware has no buffer of %v", p)
	}
	return fp.take()
}

// done are the port actions so far.
func (f *firmware) done() []string {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.actions)
}

// short is a buffer message that holds its data itself.
func short(m BufferMessage, data string, flags BufferFlags) []byte {
	m.Length, m.InMessage, m.Flags, m.PTS = uint32(len(data)), uint32(len(data)), flags, 42
	copy(m.Short[:], data)
	return Append(nil, Header{ID: BufferToHost}, &m)
}

// inBulk is a buffer message whose data follows by bulk transfer.
func inBulk(m BufferMessage, length int, flags BufferFlags) []byte {
	m.Length, m.InMessage, m.Flags, m.PTS = uint32(length), 0, flags, 42
	return Append(nil, Header{ID: BufferToHost}, &m)
}

// pattern is n bytes that are all different from their neighbours, and from those of another seed.
func pattern(n, seed int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + seed*31)
	}
	return b
}

// bulkOf is data at the length at which it is transferred.
func bulkOf(data []byte) []byte {
	if len(data) == 0 {
		return make([]byte, 8)
	}
	return append(bytes.Clone(data), make([]byte, -len(data)&3)...)
}
