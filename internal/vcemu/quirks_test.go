package vcemu

import (
	"bytes"
	"image/jpeg"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// TestLoseStalledIFrameRequest asks for a key frame while the encoder's output has no buffers, then gives it some.
func TestLoseStalledIFrameRequest(t *testing.T) {
	for _, c := range []struct {
		name   string
		quirks Quirks
		want   int // key frames after the stall
	}{
		{"kept", Quirks{}, 1},
		{"lost", Quirks{LoseStalledIFrameRequest: true}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, stop := machine(t, Config{Quirks: c.quirks, Logger: loud(t)})
				defer stop()
				s := newStream(t, v, func(_, out target, r *rig) {
					r.must("period", r.set(out, &mmal.Uint32{ID: mmal.ParamIntraPeriod, Value: 0}))
				})
				request := func() {
					s.must("I frame", s.set(s.coded, &mmal.Boolean{ID: mmal.ParamRequestIFrame, Value: true}))
				}
				keys := func(frames int) (n int) {
					start := len(s.asm.frames())
					for _, f := range s.frames(start + frames)[start:] {
						if f.flags&mmal.FlagKeyFrame != 0 {
							n++
						}
					}
					return n
				}
				s.start(3)
				s.frames(5)
				forward := s.onBuffer
				var held []*got
				s.onBuffer = func(g *got) { held = append(held, g) }
				s.until(func() bool { return len(held) == 3 })
				request()
				s.onBuffer = forward
				for _, g := range held {
					forward(g)
				}
				if got := keys(20); got != c.want {
					t.Errorf("%d key frames after a request in a stall, want %d", got, c.want)
				}
				time.Sleep(time.Second / 30)
				request()
				if got := keys(20); got != 1 {
					t.Errorf("%d key frames after a request in time, want 1", got)
				}
			})
		})
	}
}

// TestCodedOffset has offsets in the messages of coded buffers, which change nothing else.
func TestCodedOffset(t *testing.T) {
	for _, q := range []Quirks{{}, {CodedOffset: true}, {CodedOffset: true, ShortPayloads: true}} {
		synctest.Test(t, func(t *testing.T) {
			v, stop := machine(t, Config{Quirks: q, Logger: loud(t)})
			defer stop()
			s := newStream(t, v, nil)
			s.start(3)
			s.frames(5)
			for _, b := range s.buffers {
				if got := b.Offset != 0; got != q.CodedOffset {
					t.Fatalf("%+v: offset %d", q, b.Offset)
				}
			}
			s.judge(5)
		})
	}
}

// TestCodedOffsetInFullBuffers makes a JPEG that takes several buffers.
func TestCodedOffsetInFullBuffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{Quirks: Quirks{CodedOffset: true}, Logger: loud(t)})
		defer stop()
		r := newRig(t, v, 640, 480, 30)
		i420 := r.commit(r.out(0), raw(mmal.EncodingI420, 640, 480, 30))
		encoder := r.create("ril.image_encode")
		in := r.commit(r.port(encoder, mmal.PortInput, 0), i420.Format)
		out := r.commit(r.port(encoder, mmal.PortOutput, 0), raw(mmal.EncodingJPEG, 640, 480, 0))
		r.must("quality", r.set(out, &mmal.Uint32{ID: mmal.ParamJPEGQuality, Value: 100}))
		r.componentEnable(encoder)
		r.componentEnable(r.camera)
		r.connect(i420, in)
		r.enable(i420, 1, i420.Port.Min.Size)
		const size = 32768
		r.enable(out, 1, size)
		r.give(out, 1, size)
		r.capture(true)
		var data []byte
		for done := false; !done; {
			r.until(func() bool { return len(r.buffers) == 1 })
			b := r.buffers[0]
			r.buffers = nil
			data = append(data, b.data...)
			done = b.Flags&mmal.FlagFrameEnd != 0
			if b.Offset == 0 || done != (b.Offset+b.Length < size) {
				t.Fatalf("%d bytes at %d of %d, flags %v", b.Length, b.Offset, size, b.Flags)
			}
			r.give(out, 1, size)
		}
		if len(data) < size {
			t.Errorf("the picture has only %d bytes", len(data))
		}
		if _, err := jpeg.Decode(bytes.NewReader(data)); err != nil {
			t.Error(err)
		}
	})
}

func TestNoSidewaysVideo(t *testing.T) {
	for _, c := range []struct {
		quirk    bool
		port     uint32
		rotation int32
		want     mmal.Status
	}{
		{false, videoPort, 90, mmal.Success},
		{false, videoPort, 270, mmal.Success},
		{true, videoPort, 0, mmal.Success},
		{true, videoPort, 90, mmal.EInval},
		{true, videoPort, 180, mmal.Success},
		{true, videoPort, 270, mmal.EInval},
		{true, previewPort, 90, mmal.Success},
		{true, stillPort, 270, mmal.Success},
	} {
		synctest.Test(t, func(t *testing.T) {
			v, stop := machine(t, Config{Quirks: Quirks{NoSidewaysVideo: c.quirk}})
			defer stop()
			h := dial(t, v)
			p := h.port(h.create("ril.camera"), mmal.PortOutput, c.port)
			if got := h.set(p, &mmal.Int32{ID: mmal.ParamRotation, Value: c.rotation}); got != c.want {
				t.Errorf("%+v: got %v", c, got)
			}
		})
	}
}
