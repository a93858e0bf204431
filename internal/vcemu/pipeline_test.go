package vcemu

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// picture is what an encoder sent up to one FRAME_END.
type picture struct {
	data      []byte
	flags     mmal.BufferFlags // of the first fragment
	pts       int64
	fragments int
}

// assembler makes pictures of buffers.
type assembler struct {
	pictures []picture
	part     picture
}

func (a *assembler) add(g *got) {
	if a.part.fragments == 0 {
		a.part.flags, a.part.pts = g.Flags, g.PTS
	}
	a.part.data = append(a.part.data, g.data...)
	a.part.fragments++
	if g.Flags&mmal.FlagFrameEnd != 0 {
		a.pictures = append(a.pictures, a.part)
		a.part = picture{}
	}
}

// frames are the pictures without the parameter sets.
func (a *assembler) frames() []picture {
	var f []picture
	for _, p := range a.pictures {
		if p.flags&mmal.FlagConfig == 0 {
			f = append(f, p)
		}
	}
	return f
}

func TestCameraToEncoder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{Logger: loud(t)})
		defer stop()
		r := newRig(t, v, 320, 240, 30)
		_, in, coded := r.newEncoder(r.out(0).Format, 500_000)
		r.must("period", r.set(coded, &mmal.Uint32{ID: mmal.ParamIntraPeriod, Value: 15}))
		r.must("inline", r.set(coded, &mmal.Boolean{ID: mmal.ParamInlineHeader, Value: true}))
		r.connect(r.out(0), in)
		r.componentEnable(r.camera)
		r.enable(r.out(0), 3, 128)
		var a assembler
		r.onBuffer = func(g *got) {
			if g.Length > 0 {
				a.add(g)
			}
			r.give(coded, g.Buffer.Context, 65536)
		}
		r.enable(coded, 3, 65536)
		for i := range uint32(3) {
			r.give(coded, 100+i, 65536)
		}
		r.capture(true)
		start := time.Now()
		r.until(func() bool { return len(a.frames()) == 45 })
		if got, want := time.Since(start), 1500*time.Millisecond; got < want-40*time.Millisecond || got > want+40*time.Millisecond {
			t.Errorf("45 frames took %v, want %v", got, want)
		}
		frames := a.frames()
		for i, f := range frames {
			if key := f.flags&mmal.FlagKeyFrame != 0; key != (i%15 == 0) {
				t.Errorf("frame %d: key frame %v", i, key)
			}
			if want := frames[0].pts + (int64(i)*1_000_000+15)/30; f.pts < want-1 || f.pts > want+1 {
				t.Errorf("frame %d: pts %d, want %d", i, f.pts, want)
			}
		}
		if frames[0].pts < uptime.Microseconds() {
			t.Errorf("pts %d is before boot plus %v", frames[0].pts, uptime)
		}
		if got := len(a.pictures) - len(frames); got != 3 {
			t.Errorf("%d pairs of parameter sets, want 3", got)
		}
		s := v.Stats()
		if s.SensorDropped != 0 || s.BadBuffers != 0 || s.BadMessages != 0 || s.BulkMismatches != 0 || s.MutableShared != 0 {
			t.Errorf("stats: %+v", s)
		}
		if err := r.tr.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		s = v.Stats()
		if s.ImagesInUse != 0 || s.Components != 0 || s.Sessions != 0 {
			t.Errorf("after close: %+v", s)
		}
	})
}
