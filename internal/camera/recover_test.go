package camera_test

import (
	"context"
	"image"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu"
	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
)

// onlyLQ is the encoder of the small stream.
func onlyLQ(e vcemu.EncoderStats) bool { return e.Width == 160 }

// onlyHQ is that of the large one.
func onlyHQ(e vcemu.EncoderStats) bool { return e.Width == 320 }

// gap is the longest time without a picture after the since-th.
func gap(units []unit, since int) (longest time.Duration) {
	for i := max(1, since); i < len(units); i++ {
		longest = max(longest, units[i].pts-units[i-1].pts)
	}
	return longest
}

// TestRecovery lets VideoCore fail in each of its ways. Pictures come again in time, in the order of one clock, beginning
// with a key frame, and a stream that is not concerned loses none where it says so.
func TestRecovery(t *testing.T) {
	const lasting = vcemu.FaultTime
	tests := []struct {
		name      string
		kinds     []vcemu.FaultKind
		concerned func(vcemu.EncoderStats) bool
		quirks    vcemu.Quirks
		gap       time.Duration // at most, of the streams concerned
		others    bool          // go on without a gap
		steps     [3]int        // streams rebuilt alone, pipelines rebuilt, connections, at least
	}{
		{"one encoder stalls", []vcemu.FaultKind{vcemu.Stall}, onlyLQ, vcemu.Quirks{}, 2600 * time.Millisecond, true, [3]int{1, 0, 0}},
		{"one stalls and holds up all", []vcemu.FaultKind{vcemu.Stall}, onlyHQ, vcemu.Quirks{StallHoldsImages: true}, 3 * time.Second, false, [3]int{0, 1, 0}},
		{"both stall", []vcemu.FaultKind{vcemu.Stall}, nil, vcemu.Quirks{}, 3 * time.Second, false, [3]int{0, 1, 0}},
		{"one locks up", []vcemu.FaultKind{vcemu.Lockup}, onlyLQ, vcemu.Quirks{}, 4 * time.Second, false, [3]int{1, 0, 1}},
		{"both lock up", []vcemu.FaultKind{vcemu.Lockup}, nil, vcemu.Quirks{}, 4 * time.Second, false, [3]int{0, 1, 1}},
		{"a bulk transfer never completes", []vcemu.FaultKind{vcemu.LoseBulk}, nil, vcemu.Quirks{}, 3 * time.Second, false, [3]int{0, 0, 1}},
		{"sensor stops with a word", []vcemu.FaultKind{vcemu.SensorError}, nil, vcemu.Quirks{}, time.Second, false, [3]int{0, 1, 0}},
		{"service closes", []vcemu.FaultKind{vcemu.Disconnect}, nil, vcemu.Quirks{}, time.Second, false, [3]int{0, 0, 1}},
		{"silent", []vcemu.FaultKind{vcemu.Silence}, nil, vcemu.Quirks{}, lasting + 5*time.Second, false, [3]int{0, 0, 1}},
		{"camera is refused for a while", []vcemu.FaultKind{vcemu.RefuseCamera, vcemu.SensorError}, nil, vcemu.Quirks{}, lasting + 5*time.Second, false, [3]int{0, 1, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, testConfig(), vcemu.Config{Quirks: tt.quirks})
				time.Sleep(2500 * time.Millisecond)
				hq, lq := len(r.snapshot("hq")), len(r.snapshot("lq"))
				for _, k := range tt.kinds {
					if err := r.vc.Inject(k, tt.concerned); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(20 * time.Second)
				st := r.camera.Status()
				r.stop()
				if err := <-r.ended; err != nil {
					t.Errorf("camera ended with %v", err)
				}
				for name, since := range map[string]int{"hq": hq, "lq": lq} {
					units := r.units[name]
					checkOrder(t, name, units)
					limit := tt.gap
					if tt.others && name == "hq" {
						limit = 34 * time.Millisecond
					}
					longest := gap(units, since)
					t.Logf("%s: longest gap %v", name, longest.Round(time.Millisecond))
					if longest > limit {
						t.Errorf("%s: gap of %v, want %v", name, longest, limit)
					}
					if last := time.Since(st.Streams[name].LastFrame); last > time.Second {
						t.Errorf("%s: no pictures at the end", name)
					}
				}
				got := [3]int{sum(st.Recovery.Streams), st.Recovery.Pipelines, st.Recovery.Reconnects}
				for i := range got {
					if got[i] < tt.steps[i] || tt.steps[i] == 0 && i < 2 && got[i] > 0 && tt.steps[2] == 0 {
						t.Errorf("steps were %v, want %v", got, tt.steps)
					}
				}
				if st.State != camera.Streaming || st.LastError == nil {
					t.Errorf("state is %v, last error %v", st.State, st.LastError)
				}
				checkBack(t, r.log.String(), tt.gap)
			})
		})
	}
}

// checkBack holds that the log says once that pictures are back, after it has said that they have stopped, and how long
// they were away.
func checkBack(t *testing.T, log string, gap time.Duration) {
	t.Helper()
	const watchPeriod = 250 * time.Millisecond
	before, after, _ := strings.Cut(log, `msg="pictures are back" away=`)
	text, after, _ := strings.Cut(after, "\n")
	away, err := time.ParseDuration(text)
	if err != nil || away <= 0 || away > gap+watchPeriod || !strings.Contains(before, "pictures have stopped") || strings.Contains(after, "pictures") {
		t.Errorf("the log tells it otherwise:\n%s", log)
	}
}

func sum(m map[string]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

// checkOrder holds that times rise, and that what comes after a gap can be decoded.
func checkOrder(t *testing.T, name string, units []unit) {
	t.Helper()
	for i := 1; i < len(units); i++ {
		step := units[i].pts - units[i-1].pts
		if step <= 0 {
			t.Fatalf("%s: picture %d is %v older than the one before", name, i, -step)
		}
		if step > 300*time.Millisecond && !units[i].idr {
			t.Fatalf("%s: picture %d comes %v after the one before, and is no key frame", name, i, step)
		}
	}
}

// TestFrozen has encoders go on with an old picture: bytes flow, and nothing moves.
func TestFrozen(t *testing.T) {
	tests := []struct {
		name      string
		concerned func(vcemu.EncoderStats) bool
		steps     [2]int // streams rebuilt alone, pipelines rebuilt
	}{
		{"one", onlyLQ, [2]int{1, 0}},
		{"all, and the snapshots", nil, [2]int{0, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				cfg.Snapshot.Interval = 10 * time.Second
				r := start(t, cfg, vcemu.Config{})
				time.Sleep(2500 * time.Millisecond)
				if err := r.vc.Inject(vcemu.Freeze, tt.concerned); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2300 * time.Millisecond)
				st := r.camera.Status()
				time.Sleep(30 * time.Second)
				later := r.camera.Status()
				r.end(t)
				if got := [2]int{sum(st.Recovery.Streams), st.Recovery.Pipelines}; got != tt.steps {
					t.Errorf("after 2.3 s the steps were %v, want %v\n%s", got, tt.steps, r.log)
				}
				if got := [2]int{sum(later.Recovery.Streams), later.Recovery.Pipelines}; got != tt.steps || later.Recovery.Reconnects > 0 {
					t.Errorf("after 30 s the steps were %+v, want no more", later.Recovery)
				}
				if c := later.Streams["lq"].Content; c != camera.Moving {
					t.Errorf("content is %v", c)
				}
				checkOrder(t, "hq", r.units["hq"])
				checkOrder(t, "lq", r.units["lq"])
			})
		})
	}
}

// TestFrozenOften has pictures freeze many times, each time soon after the time before: as rebuilding helps each time, no
// freeze has to last for longer because of those before.
func TestFrozenOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Snapshot.Interval = 10 * time.Second
		r := start(t, cfg, vcemu.Config{})
		for i, concerned := range []func(vcemu.EncoderStats) bool{onlyLQ, onlyHQ, nil, onlyLQ, onlyLQ, nil, onlyHQ, onlyLQ} {
			time.Sleep(20 * time.Second)
			if err := r.vc.Inject(vcemu.Freeze, concerned); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2300 * time.Millisecond)
			st := r.camera.Status()
			if got := sum(st.Recovery.Streams) + st.Recovery.Pipelines; got != i+1 || st.Recovery.Reconnects > 0 {
				t.Errorf("2.3 s after freeze %d the steps were %+v", i+1, st.Recovery)
			}
		}
		r.end(t)
		checkOrder(t, "hq", r.units["hq"])
		checkOrder(t, "lq", r.units["lq"])
	})
}

// TestSnapshotsRecover has the JPEG encoder stall: it is made anew, and the streams lose nothing.
func TestSnapshotsRecover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, testConfig(), vcemu.Config{})
		time.Sleep(2500 * time.Millisecond)
		if err := r.vc.Inject(vcemu.Stall, func(e vcemu.EncoderStats) bool { return e.JPEG }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(9500 * time.Millisecond)
		st := r.camera.Status()
		r.end(t)
		if st.Recovery.Streams["snapshot"] != 1 || st.Recovery.Pipelines > 0 {
			t.Errorf("steps were %+v", st.Recovery)
		}
		if age := time.Since(st.Snapshot.Last.Taken); age > 3*time.Second {
			t.Errorf("the newest snapshot is %v old", age)
		}
		checkStream(t, "hq", r.units["hq"], 30, 12)
	})
}

// TestStuckSink has nobody take a stream's pictures: what is behind the camera has to be restarted.
func TestStuckSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vc, err := vcemu.New(vcemu.Config{})
		if err != nil {
			t.Fatal(err)
		}
		cfg := testConfig()
		release := make(chan struct{})
		cfg.Streams[0].Sink = func(camera.AccessUnit) { <-release }
		cfg.Streams[1].Sink = func(camera.AccessUnit) {}
		cam, err := camera.New(cfg, vc.Dial, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { vc.Run(ctx) })
		began := time.Now()
		err = cam.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "stream hq: pictures come from the encoder, but are not taken") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("ended after %v", took)
		}
		close(release)
		cancel()
		wg.Wait()
	})
}

// painting is a scene that never changes, but for somebody who walks past now and then.
type painting struct {
	striped bool
	every   time.Duration // somebody comes; 0: nobody
	stays   time.Duration
}

func (p painting) Draw(dst *image.YCbCr, n uint32, at time.Duration, _ time.Time) error {
	dark := byte(20)
	if p.every > 0 && at%p.every > p.every-p.stays {
		dark += byte(n % 100)
	}
	for i := range dst.Y {
		dst.Y[i] = dark
		if p.striped && i/8%2 == 0 {
			dst.Y[i] = 200
		}
	}
	for i := range dst.Cb {
		dst.Cb[i], dst.Cr[i] = 128, 128
	}
	return nil
}

// TestStillWorld has a sensor without noise look at what never changes. Where all is of one colour, as behind a cap, that is
// said, and nothing is done. Anything else costs a few steps, ever more rarely, and never a restart.
func TestStillWorld(t *testing.T) {
	tests := []struct {
		name    string
		scene   painting
		content camera.Content
		lasts   time.Duration
		most    int // steps
	}{
		{"covered lens", painting{}, camera.Uniform, 2 * time.Minute, 0},
		{"painting", painting{striped: true}, camera.Unchanging, 2 * time.Minute, 5},
		{"gallery", painting{striped: true, every: 50 * time.Second, stays: 12 * time.Second}, camera.Unchanging, 6 * time.Minute, 7},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				cfg.FrameRate, cfg.Streams[0].FrameRate, cfg.Streams[1].FrameRate = 10, 10, 5
				cfg.Snapshot.Interval = 30 * time.Second
				r := start(t, cfg, vcemu.Config{
					Unstamped: true,
					Scene:     func(int, int) (scene.Source, error) { return tt.scene, nil },
				})
				time.Sleep(tt.lasts)
				st := r.camera.Status()
				r.end(t)
				n := sum(st.Recovery.Streams) + st.Recovery.Pipelines + st.Recovery.Reconnects
				t.Logf("%d steps: %+v", n, st.Recovery)
				if n > tt.most || st.Recovery.Restarts > 0 {
					t.Errorf("%d steps were taken, want at most %d", n, tt.most)
				}
				if st.Streams["hq"].Content != tt.content && tt.most == 0 {
					t.Errorf("content is %v, want %v", st.Streams["hq"].Content, tt.content)
				}
			})
		})
	}
}

// TestLongExposure has no picture come for as long as three exposures take, which the pictures have been set to meanwhile:
// that is no trouble.
func TestLongExposure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The emulated sensor keeps its rate: what makes the pictures rare is what is between.
		var slow atomic.Bool
		between := &tamper{received: func(h mmal.Header, msg []byte) bool {
			var m mmal.BufferMessage
			if !slow.Load() || h.ID != mmal.BufferToHost || mmal.Decode(msg, &m) != nil || m.Length == 0 {
				return true
			}
			return false
		}}
		cfg := testConfig()
		cfg.Snapshot.Interval = 0
		r := startTampered(t, cfg, vcemu.Config{}, between)
		time.Sleep(2 * time.Second)
		controls := cfg.Controls
		controls.ShutterSpeed = 6 * time.Second
		if err := r.camera.SetControls(t.Context(), controls); err != nil {
			t.Fatal(err)
		}
		slow.Store(true)
		time.Sleep(18 * time.Second)
		st := r.camera.Status()
		r.stop()
		<-r.ended
		if st.LastError != nil {
			t.Errorf("trouble: %v", st.LastError)
		}
	})
}
