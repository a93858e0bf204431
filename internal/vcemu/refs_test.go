package vcemu

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
)

// TestEverySixthByReference runs the whole graph: HQ encoder on a tunnel, LQ through references that the host forwards
// every sixth frame to the ISP, tunnelled to a second encoder.
func TestEverySixthByReference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{Logger: loud(t)})
		defer stop()
		r := newRig(t, v, 320, 240, 30)
		_, in, hq := r.newEncoder(r.out(0).Format, 500_000)
		r.connect(r.out(0), in)

		isp := r.create("ril.isp")
		ispIn := r.commit(r.port(isp, mmal.PortInput, 0), r.out(1).Format)
		ispOut := r.commit(r.port(isp, mmal.PortOutput, 0), raw(mmal.EncodingI420, 160, 120, 5))
		r.componentEnable(isp)
		_, lqIn, lq := r.newEncoder(ispOut.Format, 100_000)
		r.connect(ispOut, lqIn)
		r.enable(ispOut, 3, ispOut.Port.Min.Size)
		r.enable(ispIn, 2, 128)
		r.componentEnable(r.camera)
		r.enable(r.out(0), 3, 128)
		refs := r.out(1)
		r.enable(refs, 3, 128)

		var big, small assembler
		seen, returned := 0, 0
		r.onBuffer = func(g *got) {
			switch {
			case g.Buffer.Component == hq.Component:
				big.add(g)
				r.give(hq, g.Buffer.Context, 65536)
			case g.Buffer.Component == lq.Component:
				small.add(g)
				r.give(lq, g.Buffer.Context, 65536)
			case g.Buffer.Component == refs.Component:
				if g.Length != 128 || g.InMessage != 128 {
					t.Errorf("reference of %d bytes, %d in the message", g.Length, g.InMessage)
				}
				if seen%6 != 0 {
					r.give(refs, g.Buffer.Context, 128)
				} else {
					m := g.BufferMessage
					m.Buffer = mmal.BufferAddress{Component: ispIn.Component, Port: ispIn.Handle, Context: 1000 + g.Buffer.Context}
					r.send(ispIn, m)
				}
				seen++
			case g.Buffer.Component == ispIn.Component:
				if g.Length != 0 || g.status != mmal.Success || g.Flags != 0 {
					t.Errorf("input buffer returned with length %d, status %v, flags %v", g.Length, g.status, g.Flags)
				}
				returned++
				r.give(refs, g.Buffer.Context-1000, 128)
			}
		}
		r.enable(hq, 3, 65536)
		r.enable(lq, 3, 65536)
		for i := range uint32(3) {
			r.give(hq, 100+i, 65536)
			r.give(lq, 200+i, 65536)
			r.give(refs, 300+i, 128)
		}
		r.capture(true)
		r.until(func() bool { return len(small.frames()) == 10 })

		first := small.frames()[0].pts
		for i, f := range small.frames() {
			if want := first + int64(i)*200_000; f.pts < want-1 || f.pts > want+1 {
				t.Errorf("small frame %d: pts %d, want %d", i, f.pts, want)
			}
		}
		if got := len(big.frames()); got < 54 || got > 55 {
			t.Errorf("%d big frames, want 54 or 55", got)
		}
		if returned < 9 || returned > 10 {
			t.Errorf("%d input buffers came back, want 9 or 10", returned)
		}
		s := v.Stats()
		if s.SensorDropped != 0 || s.BadBuffers != 0 || s.BulkMismatches != 0 {
			t.Errorf("stats: %+v", s)
		}
		r.tr.Close()
		synctest.Wait()
		if s := v.Stats(); s.ImagesInUse != 0 || s.Components != 0 {
			t.Errorf("after close: %+v", s)
		}
	})
}

// TestReferencesHeldStarveTheCamera holds all references: the sensor goes on and drops frames, which the stamps show.
func TestReferencesHeldStarveTheCamera(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{})
		defer stop()
		r := newRig(t, v, 320, 240, 25)
		isp := r.create("ril.isp")
		in := r.commit(r.port(isp, mmal.PortInput, 0), r.out(1).Format)
		picture := r.commit(r.port(isp, mmal.PortOutput, 0), raw(mmal.EncodingI420, 320, 240, 0))
		r.componentEnable(isp)
		r.componentEnable(r.camera)
		r.enable(picture, 1, picture.Port.Min.Size)
		r.enable(in, 3, 128)
		refs := r.out(1)
		r.enable(refs, 8, 128)
		for i := range uint32(8) {
			r.give(refs, 1+i, 128)
		}
		r.capture(true)
		r.until(func() bool { return len(r.buffers) == 3 })
		time.Sleep(time.Second)
		synctest.Wait()
		const late = 7 // frames in a grace
		if s := v.Stats(); s.SensorDropped != 25-late || s.ImagesInUse != 3 {
			t.Fatalf("dropped %d frames with %d images in use, want all of a second less the grace and 3", s.SensorDropped, s.ImagesInUse)
		}
		held := r.buffers
		r.buffers = nil
		stamp := func(g *got) uint32 {
			r.give(picture, 50, picture.Port.Min.Size)
			m := g.BufferMessage
			m.Buffer = mmal.BufferAddress{Component: in.Component, Port: in.Handle, Context: 90}
			r.send(in, m)
			var n uint32
			for done := false; !done; {
				r.until(func() bool { return len(r.buffers) > 0 })
				b := r.buffers[0]
				r.buffers = r.buffers[1:]
				switch b.Buffer.Context {
				case 50:
					var ok bool
					if n, ok = scene.ReadStamp(b.data, int(picture.Format.Video.Width), 320, 240); !ok {
						t.Error("no stamp")
					}
				case 90:
					done = true
				default:
					held = append(held, b)
				}
			}
			return n
		}
		for i, want := range []uint32{0, 1, 2} {
			g := held[i]
			if got := stamp(g); got != want {
				t.Errorf("stamp %d, want %d", got, want)
			}
		}
		r.give(refs, held[0].Buffer.Context, 128) // its image is free for the next frame
		r.until(func() bool { return len(r.buffers) > 0 || len(held) > 3 })
		next := append(held[3:], r.buffers...)[0]
		r.buffers = nil
		if got := stamp(next); got <= 20 {
			t.Errorf("stamp %d after 18 lost frames, want more than 20", got)
		}
	})
}

// TestBadReferences sends to the ISP what is no image, or no longer one.
func TestBadReferences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{})
		defer stop()
		r := newRig(t, v, 320, 240, 25)
		isp := r.create("ril.isp")
		in := r.commit(r.port(isp, mmal.PortInput, 0), r.out(1).Format)
		r.enable(in, 3, 128)
		r.componentEnable(r.camera)
		refs := r.out(1)
		r.enable(refs, 3, 128)
		r.give(refs, 1, 128)
		r.capture(true)
		r.until(func() bool { return len(r.buffers) == 1 })
		good := r.buffers[0].BufferMessage
		good.Buffer = mmal.BufferAddress{Component: in.Component, Port: in.Handle, Context: 9}
		r.capture(false)

		for _, c := range []struct {
			name   string
			change func(*mmal.BufferMessage)
		}{
			{"garbage", func(m *mmal.BufferMessage) { m.Short = [128]byte{1, 2, 3} }},
			{"another token", func(m *mmal.BufferMessage) { m.Short[4]++ }},
			{"short", func(m *mmal.BufferMessage) { m.Length, m.InMessage = 64, 64 }},
			{"announced but absent", func(m *mmal.BufferMessage) { m.InMessage = 0 }},
			{"length is not the payload's", func(m *mmal.BufferMessage) { m.Length = 127 }},
			{"stale", func(*mmal.BufferMessage) { r.give(refs, 1, 128) }},
		} {
			m := good
			c.change(&m)
			r.buffers = nil
			r.send(in, m)
			r.until(func() bool { return len(r.buffers) == 1 })
			b := r.buffers[0]
			if b.Buffer.Context != 9 || b.status != mmal.EInval || b.Flags&mmal.FlagTransmissionFailed == 0 || b.Length != 0 {
				t.Errorf("%s: context %d, status %v, flags %v, length %d", c.name, b.Buffer.Context, b.status, b.Flags, b.Length)
			}
		}
		if got := v.Stats().BadBuffers; got != 6 {
			t.Errorf("%d bad buffers, want 6", got)
		}
	})
}
