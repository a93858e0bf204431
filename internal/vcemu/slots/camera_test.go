package slots

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu"
)

const (
	mmalName    = 'm'<<24 | 'm'<<16 | 'a'<<8 | 'l'
	hqName      = "hq"
	lqName      = "lq"
	testSeconds = 3
)

// withCamera runs f with a guest that is connected to an emulated camera.
func withCamera(t *testing.T, cfg vcemu.Config, f func(r rig, emu *vcemu.VideoCore)) {
	t.Helper()
	emu, err := vcemu.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { emu.Run(ctx) })
	synctest.Wait()
	r := connected(t, MMAL(emu))
	f(r, emu)
	synctest.Wait()
	if s := emu.Stats(); s.Components != 0 || s.Sessions != 0 || s.ImagesInUse != 0 {
		t.Errorf("left in VideoCore: %+v", s)
	}
	if s := r.vc.Stats(); s.Services != 0 {
		t.Errorf("left open: %+v", s)
	}
	r.stop()
	cancel()
	wg.Wait()
}

// footage is what a camera delivered.
type footage struct {
	mu     sync.Mutex
	frames map[string][]time.Duration
	stills int
}

// film makes a camera on the guest's MMAL service.
func film(t *testing.T, r rig) (*camera.Camera, *footage) {
	t.Helper()
	f := &footage{frames: make(map[string][]time.Duration)}
	stream := func(name string, w, h int, fps float64) camera.StreamConfig {
		return camera.StreamConfig{
			Name: name, Width: w, Height: h, FrameRate: fps, Bitrate: 500_000, KeyFrameInterval: time.Second,
			Profile: "high",
			Sink: func(au camera.AccessUnit) {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.frames[name] = append(f.frames[name], au.PTS)
			},
		}
	}
	cfg := camera.Config{
		Width: 320, Height: 240, FrameRate: 30,
		Controls: camera.Controls{
			Zoom: [4]float64{0, 0, 1, 1}, Brightness: 50, ExposureMode: "auto", MeterMode: "average", AWBMode: "auto",
			DRCStrength: "off", FlickerAvoid: "off", VideoDenoise: true, ImageEffect: "none",
		},
		Streams: []camera.StreamConfig{stream(hqName, 320, 240, 30), stream(lqName, 160, 120, 5)},
		Snapshot: camera.SnapshotConfig{
			Width: 200, Height: 150, Quality: 85, Interval: 2 * time.Second,
			Sink: func(s camera.Still) {
				if _, err := jpeg.Decode(bytes.NewReader(s.JPEG)); err != nil {
					t.Errorf("still: %v", err)
				}
				f.mu.Lock()
				defer f.mu.Unlock()
				f.stills++
			},
		},
	}
	opened := false // a camera that has lost its connection makes no other one, and then wants a restart
	open := func(context.Context) (mmal.Transport, error) {
		if opened {
			return nil, fmt.Errorf("%w: %w", camera.ErrPermanent, mmal.ErrClosed)
		}
		opened = true
		if c := r.dial(mmalName, 16, 10); c != nil {
			return c, nil
		}
		return nil, errors.New("refused")
	}
	c, err := camera.New(cfg, open, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, f
}

// TestCamera streams through the slots, and holds that no frame is lost on the way.
func TestCamera(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		withCamera(t, vcemu.Config{}, func(r rig, emu *vcemu.VideoCore) {
			c, f := film(t, r)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- c.Run(ctx) }()
			time.Sleep(testSeconds * time.Second)
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("camera ended with %v", err)
			}
			for name, fps := range map[string]int{hqName: 30, lqName: 5} {
				frames := f.frames[name]
				if n := len(frames); n < fps*testSeconds-2 {
					t.Errorf("%s: %d frames in %d s", name, n, testSeconds)
				}
				for i := 1; i < len(frames); i++ {
					period := time.Second / time.Duration(fps)
					if gap := frames[i] - frames[i-1]; gap > period+time.Microsecond {
						t.Errorf("%s: gap of %v before frame %d", name, gap, i)
					}
				}
			}
			if f.stills == 0 {
				t.Error("no still")
			}
			s, st := r.vc.Stats(), emu.Stats()
			if s.ProtocolErrors+s.BulkMismatches+st.BadMessages+st.BadBuffers+st.SensorDropped != 0 {
				t.Errorf("complaints: %+v %+v", s, st)
			}
		})
	})
}

// TestKilledClient lets a client die in the middle of everything, as the guest's kernel does it, many times.
func TestKilledClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		withCamera(t, vcemu.Config{}, func(r rig, emu *vcemu.VideoCore) {
			for i := range 25 {
				c, f := film(t, r)
				ended := make(chan error, 1)
				go func() { ended <- c.Run(context.Background()) }()
				time.Sleep(200*time.Millisecond + time.Duration(i)*7*time.Millisecond)
				r.mu.Lock()
				var victim *client
				for _, c := range r.clients {
					if c.open {
						victim = c
					}
				}
				r.mu.Unlock()
				victim.Close()
				if s := emu.Stats(); s.Components != 0 || s.Sessions != 0 {
					t.Fatalf("after kill %d: %+v", i, s)
				}
				if err := <-ended; err == nil {
					t.Error("camera ended without an error")
				}
				if i > 10 && len(f.frames[hqName]) == 0 {
					t.Errorf("start %d brought no frame", i)
				}
			}
			if s := r.vc.Stats(); s.Opened != 25 || s.ProtocolErrors+s.BulkMismatches != 0 {
				t.Errorf("%+v", s)
			}
		})
	})
}

// TestFaults holds that whatever VideoCore does, the camera ends by itself or goes on.
func TestFaults(t *testing.T) {
	faults := []struct {
		name string
		do   func(r rig)
		ends bool // with an error, in a minute
	}{
		{"silent at start", func(r rig) { r.vc.Tamper(Silence(mmal.ComponentCreate)) }, true},
		{"silent mid-request", func(r rig) { r.vc.Tamper(Silence(mmal.PortInfoSet)) }, true},
		{"silent at buffers", func(r rig) { r.vc.Tamper(Silence(mmal.BufferToHost)) }, true},
		{"garbage for a reply", func(r rig) { r.vc.Tamper(Garbage(mmal.PortAction)) }, true},
		{"garbage for a buffer", func(r rig) { r.vc.Tamper(Garbage(mmal.BufferToHost)) }, true},
		{"unknown port", func(r rig) { r.vc.Tamper(UnknownPort()) }, false},
		{"buffer twice", func(r rig) { r.vc.Tamper(Twice()) }, false},
		{"no service", func(r rig) { r.vc.Inject(uint8(data), 9, 3000, []byte("nobody")) }, false},
	}
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				withCamera(t, vcemu.Config{}, func(r rig, emu *vcemu.VideoCore) {
					c, f := film(t, r)
					fault.do(r)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					ended := make(chan error, 1)
					go func() { ended <- c.Run(ctx) }()
					if fault.ends {
						select {
						case err := <-ended:
							if err == nil {
								t.Error("camera ended without an error")
							}
							t.Logf("ended with %v", err)
						case <-time.After(time.Minute):
							t.Error("camera hangs")
							cancel()
							<-ended
						}
						return
					}
					time.Sleep(testSeconds * time.Second)
					cancel()
					if err := <-ended; err != nil {
						t.Errorf("camera ended with %v", err)
					}
					if n := len(f.frames[hqName]); n < 25*testSeconds {
						t.Errorf("%d frames in %d s", n, testSeconds)
					}
				})
			})
		})
	}
}

// TestCloseByVideoCore takes the service from a camera.
func TestCloseByVideoCore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		withCamera(t, vcemu.Config{}, func(r rig, emu *vcemu.VideoCore) {
			c, _ := film(t, r)
			ended := make(chan error, 1)
			go func() { ended <- c.Run(context.Background()) }()
			time.Sleep(time.Second)
			r.vc.CloseServices()
			if err := <-ended; err == nil || !strings.Contains(err.Error(), mmal.ErrClosed.Error()) {
				t.Errorf("camera ended with %v", err)
			}
		})
	})
}

// TestMute stops all, and goes on.
func TestMute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := connected(t)
		c := r.dial(echoName, 5, 3)
		r.vc.Mute(true)
		c.Send(ask(0, false), nil)
		synctest.Wait()
		if len(c.ready) != 0 {
			t.Error("an answer from a mute VideoCore")
		}
		r.vc.Mute(false)
		mustReceive(t, c, mmal.DeliveryMessage)
		c.Close()
		r.check(t)
	})
}
