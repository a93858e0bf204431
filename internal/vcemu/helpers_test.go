package vcemu

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// machine runs a VideoCore for a test; the returned function stops it and waits for its end.
func machine(t testing.TB, cfg Config) (*VideoCore, func()) {
	t.Helper()
	v, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := v.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	stop := func() { cancel(); wg.Wait() }
	return v, stop
}

// loud is a logger for tests that fail.
func loud(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// host is a client that speaks raw messages, on the test's goroutine only.
type host struct {
	t       testing.TB
	tr      mmal.Transport
	context uint32
	cookie  uint64
	arrived []*got // in the order of their messages
	pending []*got // those whose bulk transfer is awaited
	events  []mmal.EventMessage
	// onBuffer handles a complete buffer; nil keeps it in buffers.
	onBuffer func(*got)
	buffers  []*got
	replies  map[uint32][]byte
}

// got is a buffer from the firmware.
type got struct {
	mmal.BufferMessage
	status  mmal.Status
	data    []byte
	waiting bool
}

// target is a port as its owner knows it.
type target struct {
	mmal.PortInfo
}

func dial(t testing.TB, v *VideoCore) *host {
	t.Helper()
	tr, err := v.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return &host{t: t, tr: tr, replies: make(map[uint32][]byte)}
}

// pump handles one delivery.
func (h *host) pump() error {
	d, err := h.tr.Receive()
	if err != nil {
		return err
	}
	if d.Kind != mmal.DeliveryMessage {
		g := h.pending[0]
		h.pending = h.pending[1:]
		g.data = append([]byte(nil), d.Data...)
		g.waiting = false
		g.data = g.data[:min(len(g.data), int(g.Length))]
		h.settle()
		return nil
	}
	head, err := mmal.DecodeHeader(d.Data)
	if err != nil {
		h.t.Fatalf("firmware sent: %v", err)
	}
	switch head.ID {
	case mmal.BufferToHost:
		h.buffer(head, d.Data)
	case mmal.EventToHost:
		var m mmal.EventMessage
		if err := mmal.Decode(d.Data, &m); err != nil {
			h.t.Fatal(err)
		}
		h.events = append(h.events, m)
	default:
		h.replies[head.Context] = append([]byte(nil), d.Data...)
	}
	return nil
}

func (h *host) buffer(head mmal.Header, msg []byte) {
	g := &got{status: head.Status}
	if err := mmal.Decode(msg, &g.BufferMessage); err != nil {
		h.t.Fatal(err)
	}
	g.data = append([]byte(nil), g.Short[:g.InMessage]...)
	if g.Length > 0 && g.InMessage == 0 {
		g.waiting = true
		h.pending = append(h.pending, g)
		h.cookie++
		if err := h.tr.PostReceive(int(g.Length+3)&^3, h.cookie); err != nil && !errors.Is(err, mmal.ErrClosed) {
			h.t.Fatal(err)
		}
	}
	h.arrived = append(h.arrived, g)
	h.settle()
}

func (h *host) settle() {
	for len(h.arrived) > 0 && !h.arrived[0].waiting {
		g := h.arrived[0]
		h.arrived = h.arrived[1:]
		if h.onBuffer != nil {
			h.onBuffer(g)
		} else {
			h.buffers = append(h.buffers, g)
		}
	}
}

// until pumps until done says so.
func (h *host) until(done func() bool) {
	h.t.Helper()
	for !done() {
		if err := h.pump(); err != nil {
			h.t.Fatal(err)
		}
	}
}

// ask sends a request and returns its reply, whole.
func (h *host) ask(id mmal.MessageID, m mmal.Message) []byte {
	h.t.Helper()
	h.context++
	key := h.context
	if err := h.tr.Send(mmal.Append(nil, mmal.Header{ID: id, Context: key}, m), nil); err != nil {
		h.t.Fatal(err)
	}
	h.until(func() bool { return h.replies[key] != nil })
	reply := h.replies[key]
	delete(h.replies, key)
	return reply
}

func (h *host) status(id mmal.MessageID, m mmal.Message) mmal.Status {
	h.t.Helper()
	var r mmal.Reply
	if err := mmal.Decode(h.ask(id, m), &r); err != nil {
		h.t.Fatal(err)
	}
	return r.Status
}

// must fails the test if the status is not Success.
func (h *host) must(what string, s mmal.Status) {
	h.t.Helper()
	if s != mmal.Success {
		h.t.Fatalf("%s: %v", what, s)
	}
}

func (h *host) tryCreate(name string) mmal.CreateReply {
	h.t.Helper()
	var r mmal.CreateReply
	m := h.ask(mmal.ComponentCreate, &mmal.CreateRequest{ClientComponent: 7, Name: name, PID: 1})
	if err := mmal.Decode(m, &r); err != nil {
		h.t.Fatal(err)
	}
	return r
}

func (h *host) create(name string) uint32 {
	h.t.Helper()
	r := h.tryCreate(name)
	h.must("create "+name, r.Status)
	return r.Component
}

func (h *host) port(component uint32, typ mmal.PortType, index uint32) target {
	h.t.Helper()
	var p target
	m := h.ask(mmal.PortInfoGet, &mmal.PortInfoRequest{Component: component, Type: typ, Index: index})
	if err := mmal.Decode(m, &p.PortInfo); err != nil {
		h.t.Fatal(err)
	}
	return p
}

func (h *host) tryCommit(p target, f mmal.Format) mmal.Status {
	h.t.Helper()
	var info mmal.PortInfo
	req := &mmal.PortInfoUpdate{
		PortInfoRequest: mmal.PortInfoRequest{Component: p.Component, Type: p.Type, Index: p.Index},
		Port:            p.Port, Format: f,
	}
	if err := mmal.Decode(h.ask(mmal.PortInfoSet, req), &info); err != nil {
		h.t.Fatal(err)
	}
	return info.Status
}

func (h *host) commit(p target, f mmal.Format) target {
	h.t.Helper()
	h.must("commit "+p.String(), h.tryCommit(p, f))
	return h.port(p.Component, p.Type, p.Index)
}

func (p target) String() string { return p.Type.String() }

func (h *host) set(p target, m mmal.Parameter) mmal.Status {
	h.t.Helper()
	return h.setRaw(p, m.ParameterID(), mmal.AppendParameter(nil, m))
}

func (h *host) setRaw(p target, id mmal.ParameterID, value []byte) mmal.Status {
	h.t.Helper()
	return h.status(mmal.PortParameterSet, &mmal.ParameterSetRequest{
		Component: p.Component, Port: p.Handle, ID: id, Value: value,
	})
}

func (h *host) get(p target, id mmal.ParameterID, size uint32) mmal.ParameterGetReply {
	h.t.Helper()
	var r mmal.ParameterGetReply
	m := h.ask(mmal.PortParameterGet, &mmal.ParameterGetRequest{
		Component: p.Component, Port: p.Handle, ID: id, Size: size,
	})
	if err := mmal.Decode(m, &r); err != nil {
		h.t.Fatal(err)
	}
	return r
}

func (h *host) action(p target, a mmal.Action, block mmal.Buffers, peer target) mmal.Status {
	h.t.Helper()
	req := &mmal.PortActionRequest{
		Component: p.Component, Port: p.Handle, Action: a,
		Block: mmal.PortBlock{Buffers: block},
		Peer:  mmal.PortAddress{Component: peer.Component, Port: peer.Handle},
	}
	return h.status(mmal.PortAction, req)
}

func (h *host) enable(p target, num, size uint32) {
	h.t.Helper()
	h.must("enable "+p.String(), h.action(p, mmal.ActionEnable, mmal.Buffers{Num: num, Size: size}, target{}))
}

func (h *host) connect(out, in target) {
	h.t.Helper()
	h.must("connect", h.action(out, mmal.ActionConnect, mmal.Buffers{}, in))
}

// tunnel connects two ports, first giving the input the output's format, and enables both.
func (h *host) tunnel(out, in target) {
	h.t.Helper()
	in = h.commit(in, out.Format)
	h.connect(out, in)
	h.enable(out, 3, 128)
}

func (h *host) componentEnable(component uint32) {
	h.t.Helper()
	h.must("enable component", h.status(mmal.ComponentEnable, &mmal.ComponentRequest{Component: component}))
}

// give sends an empty buffer to an output port.
func (h *host) give(p target, context, capacity uint32) {
	h.t.Helper()
	h.send(p, mmal.BufferMessage{
		Buffer: mmal.BufferAddress{Component: p.Component, Port: p.Handle, Context: context},
		Data:   context, Capacity: capacity, PTS: mmal.TimeUnknown, DTS: mmal.TimeUnknown,
	})
}

func (h *host) send(p target, m mmal.BufferMessage) {
	h.t.Helper()
	if err := h.tr.Send(mmal.Append(nil, mmal.Header{ID: mmal.BufferFromHost}, &m), nil); err != nil {
		h.t.Fatal(err)
	}
}

// opaque is a format of opaque images.
func opaque(width, height int32, fps int32) mmal.Format {
	return raw(mmal.EncodingOpaque, width, height, fps)
}

func raw(encoding mmal.FourCC, width, height int32, fps int32) mmal.Format {
	return mmal.Format{
		Type: mmal.ESVideo, Encoding: encoding, Variant: mmal.EncodingI420,
		Video: mmal.VideoFormat{
			Width: uint32(width+31) &^ 31, Height: uint32(height+15) &^ 15,
			Crop:        mmal.Rect{Width: width, Height: height},
			FrameRate:   mmal.Rational{Num: fps, Den: 1},
			PixelAspect: mmal.Rational{Num: 1, Den: 1},
		},
	}
}

// rig is a camera that is set up, but not enabled.
type rig struct {
	*host
	camera     uint32
	control    target
	preview    target
	video      target
	sink       uint32
	splitter   uint32
	splitterIn target
}

// newRig makes camera (preview to a null sink) and splitter.
func newRig(t testing.TB, v *VideoCore, width, height, fps int32) *rig {
	t.Helper()
	r := &rig{host: dial(t, v)}
	r.camera = r.create("ril.camera")
	r.control = r.port(r.camera, mmal.PortControl, 0)
	r.enable(r.control, 0, 0)
	r.must("config", r.set(r.control, &mmal.CameraConfig{
		MaxStillsWidth: uint32(width), MaxStillsHeight: uint32(height),
		MaxVideoWidth: uint32(width), MaxVideoHeight: uint32(height), VideoFrames: 3,
		Timestamps: mmal.TimestampRaw,
	}))
	r.preview = r.commit(r.port(r.camera, mmal.PortOutput, 0), opaque(width, height, fps))
	r.video = r.commit(r.port(r.camera, mmal.PortOutput, 1), opaque(width, height, fps))
	r.sink = r.create("null_sink")
	r.tunnel(r.preview, r.port(r.sink, mmal.PortInput, 0))
	r.splitter = r.create("ril.video_splitter")
	r.splitterIn = r.port(r.splitter, mmal.PortInput, 0)
	r.tunnel(r.video, r.splitterIn)
	return r
}

// out is an output of the splitter.
func (r *rig) out(i uint32) target { return r.port(r.splitter, mmal.PortOutput, i) }

// newEncoder makes an enabled H.264 encoder whose input has the format, and returns its ports.
func (h *host) newEncoder(f mmal.Format, bitrate uint32) (comp uint32, in, out target) {
	h.t.Helper()
	comp = h.create("ril.video_encode")
	in = h.commit(h.port(comp, mmal.PortInput, 0), f)
	h.must("immutable", h.set(in, &mmal.Boolean{ID: mmal.ParamImmutableInput, Value: true}))
	out = h.port(comp, mmal.PortOutput, 0)
	f.Encoding, f.Bitrate = mmal.EncodingH264, bitrate
	out.Port.Buffers = mmal.Buffers{Num: 3, Size: 65536}
	out = h.commit(out, f)
	h.componentEnable(comp)
	return comp, in, out
}

func (r *rig) capture(on bool) {
	r.t.Helper()
	r.must("capture", r.set(r.video, &mmal.Boolean{ID: mmal.ParamCapture, Value: on}))
}
