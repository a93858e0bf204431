package vcemu

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
)

// stream is a camera whose video port feeds an encoder through the splitter.
type stream struct {
	*rig
	coded   target
	buffers []*got // with something in them
	asm     assembler
	size    uint32
}

// newStream makes a stream that runs once its buffers are given and CAPTURE is set.
func newStream(t *testing.T, v *VideoCore, setup func(in, out target, r *rig)) *stream {
	t.Helper()
	r := newRig(t, v, 320, 240, 30)
	_, in, out := r.newEncoder(r.out(0).Format, 2_000_000)
	if setup != nil {
		setup(in, out, r)
	}
	r.connect(r.out(0), in)
	r.componentEnable(r.camera)
	r.enable(r.out(0), 3, 128)
	s := &stream{rig: r, coded: out, size: 65536}
	r.onBuffer = func(g *got) {
		if g.Length > 0 {
			s.buffers = append(s.buffers, g)
			s.asm.add(g)
			r.give(out, g.Buffer.Context, s.size)
		}
	}
	return s
}

func (s *stream) start(buffers uint32) {
	s.t.Helper()
	s.enable(s.coded, buffers, s.size)
	for i := range buffers {
		s.give(s.coded, 1+i, s.size)
	}
	s.capture(true)
}

func (s *stream) frames(n int) []picture {
	s.t.Helper()
	s.until(func() bool { return len(s.asm.frames()) >= n })
	return s.asm.frames()
}

// annexB is the whole bitstream.
func (s *stream) annexB() []byte {
	var b []byte
	for _, p := range s.asm.pictures {
		b = append(b, p.data...)
	}
	return b
}

// NAL unit types (ITU-T H.264 table 7-1).
const (
	nalSlice = 1
	nalIDR   = 5
	nalSPS   = 7
)

// nalType is the type of the NAL unit that b starts with, behind a start code of four bytes; 0 if there is none.
func nalType(b []byte) int {
	if !bytes.HasPrefix(b, []byte{0, 0, 0, 1}) || len(b) < 5 {
		return 0
	}
	return int(b[4] & 31)
}

func TestEncoderQuirks(t *testing.T) {
	const config = mmal.FlagConfig
	for _, c := range []struct {
		name   string
		quirks Quirks
		want   []mmal.BufferFlags // of the first buffers
		sizes  []uint32           // of the first buffers; 0 any
		pts    int64              // of the first buffer
	}{
		{"likely", Quirks{}, []mmal.BufferFlags{config | mmal.FlagNALEnd, config | mmal.FlagNALEnd | mmal.FlagFrameEnd}, nil, mmal.TimeUnknown},
		{"cut SPS", Quirks{CutSPS: true}, []mmal.BufferFlags{config, config | mmal.FlagNALEnd, config | mmal.FlagNALEnd | mmal.FlagFrameEnd}, []uint32{7}, mmal.TimeUnknown},
		{"pts zero", Quirks{ConfigPTSZero: true}, []mmal.BufferFlags{config | mmal.FlagNALEnd, config | mmal.FlagNALEnd | mmal.FlagFrameEnd}, nil, 0},
		{"short payloads", Quirks{ShortPayloads: true}, []mmal.BufferFlags{config | mmal.FlagNALEnd, config | mmal.FlagNALEnd | mmal.FlagFrameEnd}, nil, mmal.TimeUnknown},
		{"fragments", Quirks{MaxFragment: 1000}, []mmal.BufferFlags{config | mmal.FlagNALEnd, config | mmal.FlagNALEnd | mmal.FlagFrameEnd, mmal.FlagKeyFrame, mmal.FlagKeyFrame}, []uint32{0, 0, 1000, 1000}, mmal.TimeUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, stop := machine(t, Config{Quirks: c.quirks, Logger: loud(t)})
				defer stop()
				s := newStream(t, v, nil)
				s.start(3)
				frames := s.frames(3)
				for i, want := range c.want {
					if got := s.buffers[i].Flags; got != want {
						t.Errorf("buffer %d: flags %v, want %v", i, got, want)
					}
				}
				for i, want := range c.sizes {
					if got := s.buffers[i].Length; want != 0 && got != want {
						t.Errorf("buffer %d: %d bytes, want %d", i, got, want)
					}
				}
				if got := s.buffers[0].PTS; got != c.pts {
					t.Errorf("pts %d, want %d", got, c.pts)
				}
				for _, b := range s.buffers {
					if got := b.InMessage > 0; got != (c.quirks.ShortPayloads && b.Length <= 128) {
						t.Errorf("%d bytes in the message: %v", b.Length, got)
					}
				}
				if nalType(s.annexB()) != nalSPS || nalType(frames[0].data) != nalIDR {
					t.Error("no SPS, or no IDR, at the start")
				}
			})
		})
	}
}

func TestHeaderOnOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{Quirks: Quirks{HeaderOnOpen: true}})
		defer stop()
		s := newStream(t, v, nil)
		s.enable(s.coded, 3, 65536)
		for i := range uint32(3) {
			s.give(s.coded, 1+i, 65536)
		}
		s.until(func() bool { return len(s.asm.pictures) == 1 })
		s.capture(true)
		s.frames(2)
		if got := len(s.asm.pictures); got != 3 {
			t.Errorf("%d pictures, want the parameter sets and two frames", got)
		}
	})
}

func TestHeadersWithFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{})
		defer stop()
		s := newStream(t, v, func(_, out target, r *rig) {
			control := r.port(out.Component, mmal.PortControl, 0)
			r.must("headers with frame", r.set(control, &mmal.Boolean{ID: paramHeadersWithFrame, Value: true}))
		})
		s.start(3)
		f := s.frames(1)[0]
		if f.flags != mmal.FlagKeyFrame && f.flags != mmal.FlagKeyFrame|mmal.FlagFrameEnd|mmal.FlagNALEnd || nalType(f.data) != nalSPS {
			t.Errorf("flags %v, data % x", f.flags, f.data[:8])
		}
	})
}

// TestRingWraps makes so many bytes that pictures lie over the ring's end, where they are cut.
func TestRingWraps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{Logger: loud(t)})
		defer stop()
		s := newStream(t, v, func(_, out target, r *rig) {
			r.must("period", r.set(out, &mmal.Uint32{ID: mmal.ParamIntraPeriod, Value: 1}))
			r.must("quantiser", r.set(out, &mmal.Uint32{ID: mmal.ParamMaxQuant, Value: 12}))
		})
		s.start(4)
		s.frames(60)
		at, cut := 0, 0
		for _, b := range s.buffers {
			at += int(b.Length)
			if at%ringSize == 0 && b.Flags&mmal.FlagNALEnd == 0 {
				cut++
			}
		}
		if want := at / ringSize; want == 0 || cut != want {
			t.Errorf("%d bytes were cut %d times at the ring's end, want %d", at, cut, want)
		}
		s.judge(60)
	})
}

// judge lets ffmpeg decode the stream and reads the stamps of what comes out.
func (s *stream) judge(want int) {
	s.t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		s.t.Skip("ffmpeg is not installed: nobody to judge the stream")
	}
	dir := s.t.TempDir()
	in, out := filepath.Join(dir, "in.h264"), filepath.Join(dir, "out.yuv")
	if err := os.WriteFile(in, s.annexB(), 0o600); err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(path, "-v", "error", "-xerror", "-f", "h264", "-i", in, "-vsync", "0", "-f", "rawvideo", "-pix_fmt", "yuv420p", out)
	if log, err := cmd.CombinedOutput(); err != nil || len(log) > 0 {
		s.t.Fatalf("ffmpeg: %v\n%s", err, log)
	}
	yuv, err := os.ReadFile(out)
	if err != nil {
		s.t.Fatal(err)
	}
	const size = 320 * 240 * 3 / 2
	if got := len(yuv) / size; got < want {
		s.t.Fatalf("ffmpeg decoded %d pictures, want %d", got, want)
	}
	first := uint32(0)
	for i := range want {
		n, ok := scene.ReadStamp(yuv[i*size:], 320, 320, 240)
		if i == 0 {
			first = n
		}
		if !ok || n != first+uint32(i) {
			s.t.Fatalf("picture %d: stamp %d, %v; the first is %d", i, n, ok, first)
		}
	}
}

func TestLiveParameters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{Logger: loud(t)})
		defer stop()
		s := newStream(t, v, func(_, out target, r *rig) {
			r.must("period", r.set(out, &mmal.Uint32{ID: mmal.ParamIntraPeriod, Value: 0}))
		})
		s.start(3)
		keys := func() (n int) {
			for _, f := range s.asm.frames() {
				if f.flags&mmal.FlagKeyFrame != 0 {
					n++
				}
			}
			return n
		}
		s.frames(30)
		if got := keys(); got != 1 {
			t.Errorf("%d key frames, want the first only", got)
		}
		s.must("I frame", s.set(s.coded, &mmal.Boolean{ID: mmal.ParamRequestIFrame, Value: true}))
		s.frames(len(s.asm.frames()) + 3)
		if got := keys(); got != 2 {
			t.Errorf("%d key frames after a request, want 2", got)
		}
		s.must("period", s.set(s.coded, &mmal.Uint32{ID: mmal.ParamIntraPeriod, Value: 2}))
		s.frames(len(s.asm.frames()) + 10)
		if got := keys(); got < 6 {
			t.Errorf("%d key frames with every second one, want 6 or more", got)
		}
		if r := s.get(s.coded, mmal.ParamStatistics, 48); r.Status != mmal.Success || len(r.Value) != 40 || r.Value[4] == 0 {
			t.Errorf("statistics: %+v", r)
		}
		s.judge(40)
	})
}

// TestSlowHostStopsTheCamera gives the encoder no buffers: in the end the sensor drops frames and time goes on.
func TestSlowHostStopsTheCamera(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{Logger: loud(t)})
		defer stop()
		s := newStream(t, v, func(_, out target, r *rig) {
			r.must("period", r.set(out, &mmal.Uint32{ID: mmal.ParamIntraPeriod, Value: 1}))
			r.must("quantiser", r.set(out, &mmal.Uint32{ID: mmal.ParamMaxQuant, Value: 12}))
		})
		s.enable(s.coded, 3, 65536)
		s.capture(true)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		before := v.Stats()
		if before.SensorDropped < 30 || before.SensorFrames < 140 || before.SensorFrames > 150 || before.ImagesInUse != 3 || before.Encoders[0].Waiting != 3 {
			t.Errorf("after 5 s without buffers: %+v", before)
		}
		for i := range uint32(3) {
			s.give(s.coded, 1+i, 65536)
		}
		n := int(before.SensorFrames - before.SensorDropped)
		f := s.frames(n + 30)
		if got := f[n-1].pts - f[n-2].pts; got > 34_000 {
			t.Errorf("a jump of %d us before the gap", got)
		}
		if got := f[n].pts - f[n-1].pts; got < 1_000_000 {
			t.Errorf("a jump of %d us at the gap", got)
		}
		if after := v.Stats(); after.SensorDropped > before.SensorDropped+1 {
			t.Errorf("frames are still dropped: %d, then %d", before.SensorDropped, after.SensorDropped)
		}
	})
}

// TestReopen disables and enables the encoder's output: the stream begins anew.
func TestReopen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{Logger: loud(t)})
		defer stop()
		s := newStream(t, v, nil)
		s.start(3)
		s.frames(10)
		s.must("disable", s.action(s.coded, mmal.ActionDisable, mmal.Buffers{}, target{}))
		s.asm, s.buffers = assembler{}, nil
		s.start(3)
		f := s.frames(5)
		if s.asm.pictures[0].flags&mmal.FlagConfig == 0 || f[0].flags&mmal.FlagKeyFrame == 0 {
			t.Errorf("begins with flags %v, %v", s.asm.pictures[0].flags, f[0].flags)
		}
		s.judge(5)
	})
}

// TestMutableInput runs an encoder behind a splitter that may draw over the shared images.
func TestMutableInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{})
		defer stop()
		s := newStream(t, v, func(in, _ target, r *rig) {
			r.must("mutable", r.set(in, &mmal.Boolean{ID: mmal.ParamImmutableInput, Value: false}))
		})
		s.start(3)
		s.frames(3)
		if got := v.Stats().MutableShared; got != 1 {
			t.Errorf("counted %d times, want once", got)
		}
	})
}

// TestFlushForgetsPictures lets pictures wait for buffers and flushes: what comes next begins with a new picture.
func TestFlushForgetsPictures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{Quirks: Quirks{MaxFragment: 500}})
		defer stop()
		s := newStream(t, v, nil)
		s.onBuffer = func(g *got) { s.buffers = append(s.buffers, g) }
		s.enable(s.coded, 3, 65536)
		for i := range uint32(3) {
			s.give(s.coded, 1+i, 65536)
		}
		s.capture(true)
		s.until(func() bool { return len(s.buffers) == 3 })
		if f := s.buffers[2].Flags; f != mmal.FlagKeyFrame {
			t.Fatalf("third buffer has flags %v, want the first part of an IDR", f)
		}
		s.must("flush", s.action(s.coded, mmal.ActionFlush, mmal.Buffers{}, target{}))
		s.give(s.coded, 4, 65536)
		s.until(func() bool { return len(s.buffers) == 4 })
		if b := s.buffers[3]; nalType(b.data) != nalSlice {
			t.Errorf("after the flush: % x", b.data[:8])
		}
	})
}

// TestSplitterWaitsForAll has one output without buffers, which stops the other.
func TestSplitterWaitsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{})
		defer stop()
		s := newStream(t, v, nil)
		refs := s.out(3)
		s.enable(refs, 1, 128)
		s.start(3)
		time.Sleep(time.Second)
		synctest.Wait()
		if st := v.Stats(); st.Encoders[0].Frames != 0 || st.SensorDropped < 19 {
			t.Errorf("with an output without buffers: %+v", st)
		}
		s.must("disable", s.action(refs, mmal.ActionDisable, mmal.Buffers{}, target{}))
		s.frames(10)
	})
}

// TestConcurrentClients runs requests of many clients beside a stream.
func TestConcurrentClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{})
		defer stop()
		s := newStream(t, v, nil)
		s.start(3)
		done := make(chan struct{})
		for range 4 {
			h := dial(t, v)
			go func() {
				defer func() { done <- struct{}{} }()
				for range 50 {
					comp := h.create("ril.isp")
					h.commit(h.port(comp, mmal.PortInput, 0), opaque(320, 240, 0))
					h.componentEnable(comp)
					time.Sleep(5 * time.Millisecond)
					h.must("destroy", h.status(mmal.ComponentDestroy, &mmal.ComponentRequest{Component: comp}))
				}
				h.tr.Close()
			}()
		}
		s.frames(20)
		for range 4 {
			<-done
		}
		synctest.Wait()
		if st := v.Stats(); st.Components != 4 || st.Sessions != 1 || st.SensorDropped != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}
