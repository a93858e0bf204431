package camera_test

import (
	"bytes"
	"context"
	"errors"
	"image/jpeg"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu"
)

// unit is what a test keeps of an access unit.
type unit struct {
	pts   time.Duration
	idr   bool
	types string // of the NAL units, one digit each
	bytes int
}

// recorder is the sink of all streams of a test.
type recorder struct {
	mu     sync.Mutex
	units  map[string][]unit
	stills []camera.Still
}

func (r *recorder) sink(name string) camera.Sink {
	return func(au camera.AccessUnit) {
		u := unit{pts: au.PTS, idr: au.IDR}
		for _, n := range au.NALs {
			u.types += string('0' + rune(n[0]&0x1f))
			u.bytes += len(n)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.units[name] = append(r.units[name], u)
	}
}

func (r *recorder) still(s camera.Still) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stills = append(r.stills, s)
}

// testConfig is small, so that a second of it is coded in a fraction of one.
func testConfig() camera.Config {
	stream := func(name string, w, h int, fps float64) camera.StreamConfig {
		return camera.StreamConfig{
			Name: name, Width: w, Height: h, FrameRate: fps, Bitrate: 500_000,
			KeyFrameInterval: time.Second, Profile: "high",
		}
	}
	return camera.Config{
		Width: 320, Height: 240, FrameRate: 30,
		Controls: camera.Controls{
			Zoom: [4]float64{0, 0, 1, 1}, Brightness: 50, ExposureMode: "auto", MeterMode: "average", AWBMode: "auto",
			DRCStrength: "off", FlickerAvoid: "off", VideoDenoise: true, ImageEffect: "none",
		},
		Streams:  []camera.StreamConfig{stream("hq", 320, 240, 30), stream("lq", 160, 120, 5)},
		Snapshot: camera.SnapshotConfig{Width: 200, Height: 150, Quality: 85, Interval: 2 * time.Second},
	}
}

// rig is a camera on an emulated VideoCore, inside a synctest bubble.
type rig struct {
	*recorder
	camera *camera.Camera
	vc     *vcemu.VideoCore
	log    *bytes.Buffer
	stop   context.CancelFunc
	ended  chan error
}

func start(t *testing.T, cfg camera.Config, emu vcemu.Config) *rig {
	t.Helper()
	return startTampered(t, cfg, emu, nil)
}

// startTampered is start with something between the camera and VideoCore.
func startTampered(t *testing.T, cfg camera.Config, emu vcemu.Config, between *tamper) *rig {
	t.Helper()
	r := &rig{recorder: &recorder{units: make(map[string][]unit)}, log: &bytes.Buffer{}, ended: make(chan error, 1)}
	for i := range cfg.Streams {
		cfg.Streams[i].Sink = r.sink(cfg.Streams[i].Name)
	}
	cfg.Snapshot.Sink = r.still
	log := slog.New(slog.NewTextHandler(r.log, nil))
	var err error
	if r.vc, err = vcemu.New(emu); err != nil {
		t.Fatal(err)
	}
	open := r.vc.Dial
	if between != nil {
		open = func(ctx context.Context) (mmal.Transport, error) {
			transport, err := r.vc.Dial(ctx)
			return &tampered{Transport: transport, tamper: between}, err
		}
	}
	if r.camera, err = camera.New(cfg, open, log); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var vcDone sync.WaitGroup
	vcCtx, vcCancel := context.WithCancel(t.Context())
	vcDone.Go(func() { r.vc.Run(vcCtx) })
	r.stop = cancel
	go func() {
		err := r.camera.Run(ctx)
		synctest.Wait()
		st := r.vc.Stats()
		if st.Components != 0 || st.ImagesInUse != 0 {
			t.Errorf("after the end: %d components and %d images left in VideoCore", st.Components, st.ImagesInUse)
		}
		if st.BadMessages+st.BadBuffers+st.BulkMismatches+st.MutableShared != 0 {
			t.Errorf("VideoCore complains: %+v", st)
		}
		vcCancel()
		vcDone.Wait()
		r.ended <- err
	}()
	return r
}

// end stops the camera and checks that it stopped well.
func (r *rig) end(t *testing.T) {
	t.Helper()
	began := time.Now()
	r.stop()
	if err := <-r.ended; err != nil {
		t.Errorf("camera ended with %v", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("camera took %v to stop", took)
	}
	if strings.Contains(r.log.String(), "did not come down") {
		t.Errorf("log says:\n%s", r.log)
	}
}

// checkStream checks rate, clock and key frames of what a stream delivered.
func checkStream(t *testing.T, name string, units []unit, fps, seconds int) {
	t.Helper()
	if n := len(units); n < fps*seconds-2 || n > fps*seconds+1 {
		t.Errorf("%s: got %d pictures in %d s, want %d", name, n, seconds, fps*seconds)
	}
	period := time.Second / time.Duration(fps)
	for i, u := range units {
		if i > 0 {
			if step := u.pts - units[i-1].pts; step < period-time.Microsecond || step > period+time.Microsecond {
				t.Fatalf("%s: picture %d comes %v after the one before, want %v", name, i, step, period)
			}
		}
		if idr := i%fps == 0; u.idr != idr {
			t.Fatalf("%s: picture %d: IDR is %v, want %v", name, i, u.idr, idr)
		}
		if want := map[bool]string{true: "7865", false: "1"}[u.idr]; u.types != want {
			t.Fatalf("%s: picture %d has NAL units %s, want %s", name, i, u.types, want)
		}
	}
}

func TestStreams(t *testing.T) {
	quirks := map[string]vcemu.Quirks{
		"most likely firmware": {},
		"short payloads":       {ShortPayloads: true, CutSPS: true, ConfigPTSZero: true},
		"headers on open":      {HeaderOnOpen: true, PTSOnFirstFragment: true},
		"tiny fragments":       {MaxFragment: 100, ShortPayloads: true, CutSPS: true},
		"no ISP":               {NoISP: true},
		"tunnels one by one":   {SingleEndEnable: true},
		"old firmware":         {CameraInfoV1: true, NoAnnotateV4: true, EmptyEncodingList: true, NoLiveBitRate: true},
	}
	for name, q := range quirks {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const seconds = 3
				r := start(t, testConfig(), vcemu.Config{Quirks: q})
				time.Sleep(seconds * time.Second)
				r.end(t)
				checkStream(t, "hq", r.units["hq"], 30, seconds)
				checkStream(t, "lq", r.units["lq"], 5, seconds)
				if hq, lq := r.units["hq"], r.units["lq"]; len(hq) > 0 && len(lq) > 0 && hq[0].pts != lq[0].pts {
					t.Errorf("first pictures were taken at %v and %v: not the same frame", hq[0].pts, lq[0].pts)
				}
				checkStills(t, r.stills, 2)
				if st := r.vc.Stats(); st.SensorDropped != 0 {
					t.Errorf("sensor dropped %d frames although time stands still while others work", st.SensorDropped)
				}
			})
		})
	}
}

func checkStills(t *testing.T, stills []camera.Still, count int) {
	t.Helper()
	if len(stills) != count {
		t.Errorf("got %d stills, want %d", len(stills), count)
	}
	for i, s := range stills {
		img, err := jpeg.DecodeConfig(bytes.NewReader(s.JPEG))
		if err != nil || img.Width != 200 || img.Height != 150 {
			t.Errorf("still %d: got %dx%d, %v, want 200x150", i, img.Width, img.Height, err)
		}
		if s.PTS <= 0 {
			t.Errorf("still %d: has no time", i)
		}
	}
}

// TestRefusedGate holds the second best way to a slower stream, where the firmware keeps frames to itself.
func TestRefusedGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, testConfig(), vcemu.Config{Quirks: vcemu.Quirks{RefuseOpaqueToARM: true}})
		time.Sleep(3 * time.Second)
		link := r.camera.Status().Streams["lq"].Link
		r.end(t)
		checkStream(t, "lq", r.units["lq"], 30, 3)
		if !strings.Contains(link, "camera's frame rate") || !strings.Contains(link, "EINVAL") {
			t.Errorf("status says that lq is linked by %q", link)
		}
		if !strings.Contains(r.log.String(), "EINVAL") {
			t.Errorf("log does not name the status:\n%s", r.log)
		}
	})
}

// TestSlowStreamOfFullSize has the encoder take frames from ARM without a scaler between.
func TestSlowStreamOfFullSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Streams[1].Width, cfg.Streams[1].Height, cfg.Streams[1].FrameRate = 320, 240, 10
		r := start(t, cfg, vcemu.Config{})
		time.Sleep(2 * time.Second)
		r.end(t)
		checkStream(t, "hq", r.units["hq"], 30, 2)
		checkStream(t, "lq", r.units["lq"], 10, 2)
	})
}

func TestThreeStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		third := cfg.Streams[0]
		third.Name, third.Width, third.Height = "third", 240, 180
		cfg.Streams = append(cfg.Streams, third)
		r := start(t, cfg, vcemu.Config{})
		time.Sleep(2 * time.Second)
		r.end(t)
		checkStream(t, "hq", r.units["hq"], 30, 2)
		checkStream(t, "lq", r.units["lq"], 5, 2)
		checkStream(t, "third", r.units["third"], 30, 2)
	})
}

// TestKeyFrameRequests holds that a viewer's wish is granted at once and that many wishes share one key frame.
func TestKeyFrameRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Streams[0].KeyFrameInterval = 10 * time.Second
		r := start(t, cfg, vcemu.Config{})
		time.Sleep(time.Second + 5*time.Millisecond)
		asked := len(r.snapshot("hq"))
		for range 20 {
			r.camera.RequestKeyFrame("hq")
		}
		r.camera.RequestKeyFrame("no such stream")
		time.Sleep(time.Second)
		r.end(t)
		var idrs []int
		for i, u := range r.units["hq"] {
			if u.idr {
				idrs = append(idrs, i)
			}
		}
		if len(idrs) < 2 || len(idrs) > 3 || idrs[1] < asked || idrs[1] > asked+2 {
			t.Errorf("got key frames at %v, want one at 0 and one or two from %d on", idrs, asked)
		}
	})
}

func (r *recorder) snapshot(name string) []unit {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]unit(nil), r.units[name]...)
}

func TestTakeStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Snapshot.Interval = 0
		r := start(t, cfg, vcemu.Config{})
		time.Sleep(time.Second)
		for range 3 {
			still, err := r.camera.TakeStill(t.Context(), camera.StillOptions{})
			if err != nil {
				t.Fatal(err)
			}
			checkStills(t, []camera.Still{still}, 1)
		}
		r.end(t)
		checkStills(t, r.stills, 3)
	})
}

// TestNoCameraCure holds that what to do fits what was found.
func TestNoCameraCure(t *testing.T) {
	for number, tt := range []struct {
		emu  vcemu.Config
		want string
	}{
		{vcemu.Config{NoCamera: true}, "no camera found; take the power off and check the ribbon cable"},
		{vcemu.Config{}, "no camera found at camera.number: 1, for the firmware sees 1, counted from 0; write camera.number: 0, or"},
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg := testConfig()
			cfg.Number = number
			r := start(t, cfg, tt.emu)
			time.Sleep(time.Second)
			if err := r.camera.Status().LastError; err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			r.end(t)
		})
	}
}

func TestNoCamera(t *testing.T) {
	tests := []struct {
		name string
		emu  vcemu.Config
		cfg  func(*camera.Config)
		want error // that ends the camera, or is shown while it asks again
		asks camera.State
	}{
		{"none found", vcemu.Config{NoCamera: true}, func(*camera.Config) {}, camera.ErrNoCamera, camera.NoCamera},
		{"no second one", vcemu.Config{}, func(c *camera.Config) { c.Number = 1 }, camera.ErrNoCamera, camera.NoCamera},
		{"no support", vcemu.Config{NoCamera: true, Quirks: vcemu.Quirks{CameraInfoV1: true}}, func(*camera.Config) {},
			camera.ErrNoSupport, ""},
		{"not there when enabled", vcemu.Config{NoCamera: true, Quirks: vcemu.Quirks{CameraInfoV1: true, NoCameraAtEnable: true}},
			func(*camera.Config) {}, mmal.ENoSpc, camera.NoCamera},
		{"in use", vcemu.Config{Quirks: vcemu.Quirks{CameraRefusal: mmal.ENoSpc, CameraRefusalAt: vcemu.AtEnable}},
			func(*camera.Config) {}, camera.ErrInUse, camera.NoCamera},
		{"too little memory for a camera", vcemu.Config{Quirks: vcemu.Quirks{CameraRefusal: mmal.ENoMem}}, func(*camera.Config) {},
			camera.ErrRefused, camera.NoCamera},
		{"too little memory for its images", vcemu.Config{Quirks: vcemu.Quirks{CameraRefusal: mmal.ENoMem, CameraRefusalAt: vcemu.AtCommit}},
			func(*camera.Config) {}, camera.ErrMemory, camera.Recovering},
		{"too little memory to start", vcemu.Config{Quirks: vcemu.Quirks{CameraRefusal: mmal.ENoMem, CameraRefusalAt: vcemu.AtEnable}},
			func(*camera.Config) {}, camera.ErrMemory, camera.Recovering},
		{"Camera Module 3", vcemu.Config{Quirks: vcemu.Quirks{SensorName: "imx708"}}, func(*camera.Config) {}, camera.ErrImpossible, ""},
		{"Global Shutter", vcemu.Config{Quirks: vcemu.Quirks{SensorName: "IMX296"}}, func(*camera.Config) {}, camera.ErrImpossible, ""},
		{"unknown name", vcemu.Config{}, func(c *camera.Config) { c.Controls.AWBMode = "moonlight" }, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				tt.cfg(&cfg)
				r := start(t, cfg, tt.emu)
				var err error
				if tt.asks != "" {
					time.Sleep(time.Hour)
					st := r.camera.Status()
					if err = st.LastError; st.State != tt.asks {
						t.Errorf("after an hour: %v, want %v", st.State, tt.asks)
					}
					if n := st.Recovery; n.Restarts+n.Reboots > 0 || n.Reconnects > 100 {
						t.Errorf("in an hour: %+v", n)
					}
					r.end(t)
				} else {
					err = <-r.ended
				}
				if err == nil || tt.want != nil && !errors.Is(err, tt.want) || strings.Contains(err.Error(), "\n") {
					t.Errorf("got %v, want one line with %v", err, tt.want)
				}
			})
		})
	}
}

// TestUnknownSensor holds that a sensor that nobody has written of is tried.
func TestUnknownSensor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.FrameRate, cfg.Streams[0].FrameRate = 20, 20
		cfg.Streams = cfg.Streams[:1]
		r := start(t, cfg, vcemu.Config{Quirks: vcemu.Quirks{SensorName: "toshh2c"}})
		time.Sleep(time.Second)
		r.end(t)
		checkStream(t, "hq", r.units["hq"], 20, 1)
		if !strings.Contains(r.log.String(), "nothing is known of this sensor's modes") {
			t.Errorf("log says:\n%s", r.log)
		}
	})
}

// TestVideoCoreGone has the service end under the camera's feet, for good.
func TestVideoCoreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vc, err := vcemu.New(vcemu.Config{})
		if err != nil {
			t.Fatal(err)
		}
		cfg := testConfig()
		for i := range cfg.Streams {
			cfg.Streams[i].Sink = func(camera.AccessUnit) {}
		}
		cam, err := camera.New(cfg, vc.Dial, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go vc.Run(ctx)
		go func() { ended <- cam.Run(t.Context()) }()
		time.Sleep(time.Second)
		began := time.Now()
		cancel()
		time.Sleep(100 * time.Millisecond)
		if st := cam.Status(); st.State != camera.Recovering || !errors.Is(st.LastError, mmal.ErrClosed) && !errors.Is(st.LastError, vcemu.ErrNotRunning) {
			t.Errorf("state is %v, %v", st.State, st.LastError)
		}
		if err := <-ended; !errors.Is(err, vcemu.ErrNotRunning) {
			t.Errorf("got %v, want ErrNotRunning", err)
		}
		if took := time.Since(began); took < 20*time.Second || took > 25*time.Second {
			t.Errorf("asks for a restart after %v, want 20 s of attempts", took)
		}
		if st := cam.Status().State; st != camera.Stopped {
			t.Errorf("state is %v", st)
		}
	})
}
