package vcemu

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// faulty is a camera whose two encoders, of different bit rates, look at the same images.
type faulty struct {
	*rig
	comps [2]uint32
	coded [2]target
	count [2]int    // of buffers with the end of a picture, by encoder
	size  [2]uint32 // of the last picture but key frames
}

func newFaulty(t *testing.T, v *VideoCore) *faulty {
	t.Helper()
	f := &faulty{rig: newRig(t, v, 160, 128, 30)}
	for i := range 2 {
		var in target
		f.comps[i], in, f.coded[i] = f.newEncoder(f.out(uint32(i)).Format, uint32(300_000*(i+1)))
		f.connect(f.out(uint32(i)), in)
		f.enable(f.out(uint32(i)), 3, 128)
		f.enable(f.coded[i], 3, 65536)
	}
	f.onBuffer = func(g *got) {
		for i := range 2 {
			if g.Buffer.Component != f.coded[i].Component || g.Flags&mmal.FlagFrameEnd == 0 {
				continue
			}
			if g.Flags&mmal.FlagConfig == 0 {
				f.count[i]++
			}
			if g.Flags&(mmal.FlagConfig|mmal.FlagKeyFrame) == 0 {
				f.size[i] = g.Length
			}
		}
		for i := range 2 {
			if g.Buffer.Component == f.coded[i].Component && g.Length > 0 {
				f.give(f.coded[i], g.Buffer.Context, 65536)
			}
		}
	}
	f.componentEnable(f.splitter)
	f.componentEnable(f.camera)
	for i := range 2 {
		for n := range 3 {
			f.give(f.coded[i], uint32(100*i+n+1), 65536)
		}
	}
	f.capture(true)
	f.run(t, time.Second)
	return f
}

// run handles what comes in a while, and returns how many pictures that was.
func (f *faulty) run(t *testing.T, d time.Duration) [2]int {
	t.Helper()
	before := f.count
	ctxEnd := time.Now().Add(d)
	for time.Now().Before(ctxEnd) {
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		f.drain()
	}
	return [2]int{f.count[0] - before[0], f.count[1] - before[1]}
}

// drain handles what is there already.
func (f *faulty) drain() {
	tr := f.tr.(*inproc)
	for {
		tr.mu.Lock()
		n := len(tr.ready)
		tr.mu.Unlock()
		if n == 0 || f.pump() != nil {
			return
		}
	}
}

// answered says whether a request is answered within 2 s.
func (f *faulty) answered(t *testing.T, id mmal.MessageID, m mmal.Message) bool {
	t.Helper()
	f.context++
	if err := f.tr.Send(mmal.Append(nil, mmal.Header{ID: id, Context: f.context}, m), nil); err != nil {
		t.Fatal(err)
	}
	f.run(t, 2*time.Second)
	return f.replies[f.context] != nil
}

// second is the encoder of 600 kbit/s.
func second(e EncoderStats) bool { return e.BitRate == 600_000 }

func TestFaults(t *testing.T) {
	disable := func(f *faulty, i int) *mmal.PortActionRequest {
		return &mmal.PortActionRequest{Component: f.coded[i].Component, Port: f.coded[i].Handle, Action: mmal.ActionDisable}
	}
	destroy := func(f *faulty, i int) *mmal.ComponentRequest { return &mmal.ComponentRequest{Component: f.comps[i]} }
	tests := []struct {
		name      string
		kind      FaultKind
		concerned func(EncoderStats) bool
		quirks    Quirks
		check     func(t *testing.T, f *faulty)
	}{
		{"one stalls", Stall, second, Quirks{}, func(t *testing.T, f *faulty) {
			if n := f.run(t, time.Second); n[0] < 28 || n[1] > 0 {
				t.Errorf("got %d pictures, want 30 and 0", n)
			}
			if !f.answered(t, mmal.PortAction, disable(f, 1)) || !f.answered(t, mmal.ComponentDestroy, destroy(f, 1)) {
				t.Error("a stalled encoder does not answer")
			}
		}},
		{"all stall", Stall, nil, Quirks{}, func(t *testing.T, f *faulty) {
			if n := f.run(t, time.Second); n != [2]int{} {
				t.Errorf("got %d pictures, want none", n)
			}
		}},
		{"one stalls and holds its images", Stall, second, Quirks{StallHoldsImages: true}, func(t *testing.T, f *faulty) {
			f.run(t, time.Second)
			if n := f.run(t, time.Second); n != [2]int{} {
				t.Errorf("got %d pictures, want none of either", n)
			}
		}},
		{"one freezes", Freeze, second, Quirks{}, func(t *testing.T, f *faulty) {
			f.run(t, 2*time.Second)
			if n := f.run(t, time.Second); n[0] < 28 || n[1] < 28 {
				t.Errorf("got %d pictures, want 30 of each", n)
			}
			if f.size[1] > 30 || f.size[0] < 60 {
				t.Errorf("the last pictures have %d bytes, want few of the second only", f.size)
			}
		}},
		{"lock-up", Lockup, second, Quirks{}, func(t *testing.T, f *faulty) {
			if f.answered(t, mmal.PortAction, disable(f, 1)) || f.answered(t, mmal.ComponentDestroy, destroy(f, 1)) {
				t.Error("an encoder that has locked up answers")
			}
			if !f.answered(t, mmal.PortAction, disable(f, 0)) {
				t.Error("the other one does not answer")
			}
		}},
		{"bulk", LoseBulk, nil, Quirks{}, func(t *testing.T, f *faulty) {
			f.run(t, time.Second)
			if n := f.run(t, time.Second); n != [2]int{} {
				t.Errorf("got %d pictures, want none", n)
			}
		}},
		{"sensor", SensorError, nil, Quirks{}, func(t *testing.T, f *faulty) {
			f.run(t, time.Second)
			if n := f.run(t, time.Second); n != [2]int{} || len(f.events) != 1 || f.events[0].Cmd != mmal.EventError {
				t.Errorf("got %d pictures and events %v, want none and an error", n, f.events)
			}
			again := &mmal.ComponentRequest{Component: f.camera}
			f.answered(t, mmal.ComponentDisable, again)
			f.answered(t, mmal.ComponentEnable, again)
			if n := f.run(t, time.Second); n != [2]int{} {
				t.Errorf("got %d pictures of a camera that was not made anew", n)
			}
		}},
		{"silence", Silence, nil, Quirks{}, func(t *testing.T, f *faulty) {
			if f.answered(t, mmal.GetVersion, &mmal.Version{}) {
				t.Error("a request is answered")
			}
			f.run(t, FaultTime)
			if f.replies[f.context] == nil || !f.answered(t, mmal.GetVersion, &mmal.Version{}) {
				t.Error("requests are not answered when it is over")
			}
		}},
		{"disconnect", Disconnect, nil, Quirks{}, func(t *testing.T, f *faulty) {
			f.drain()
			if _, err := f.tr.Receive(); !errors.Is(err, mmal.ErrClosed) {
				t.Errorf("got %v", err)
			}
		}},
		{"no camera", RefuseCamera, nil, Quirks{}, func(t *testing.T, f *faulty) {
			if n := f.run(t, time.Second); n[0] < 28 {
				t.Errorf("got %d pictures, want all, for the camera is there", n)
			}
			if s := f.tryCreate("ril.camera").Status; s != mmal.ENoMem {
				t.Errorf("create: got %v", s)
			}
			again := &mmal.ComponentRequest{Component: f.camera}
			f.status(mmal.ComponentDisable, again)
			if s := f.status(mmal.ComponentEnable, again); s != mmal.ENoSpc {
				t.Errorf("enable: got %v", s)
			}
			f.run(t, FaultTime)
			f.must("enable", f.status(mmal.ComponentEnable, again))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, stop := machine(t, Config{Quirks: tt.quirks})
				defer stop()
				f := newFaulty(t, v)
				if err := v.Inject(tt.kind, tt.concerned); err != nil {
					t.Fatal(err)
				}
				tt.check(t, f)
				f.tr.Close()
			})
		})
	}
}

func TestNothingToFail(t *testing.T) {
	v, stop := machine(t, Config{})
	defer stop()
	for _, k := range []FaultKind{Stall, Freeze, Lockup, LoseBulk, SensorError, Disconnect} {
		if err := v.Inject(k, nil); !errors.Is(err, ErrNothing) {
			t.Errorf("%v: got %v", k, err)
		}
	}
}
