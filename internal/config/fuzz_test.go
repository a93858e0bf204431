package config_test

import (
	"bytes"
	"errors"
	"math"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/camkrazy/camkrazy/internal/config"
)

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatalf("examples: %v, %v", files, err)
	}
	for _, name := range append(files, "camera.yaml") {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("a: &a [*a, *a]\nb: !!map {<<: *a}\n? c\n: |\n  d\n---\n%e\n"))
	f.Add([]byte("camera: {zoom: [.1, 1e3, 0o17, -.inf], iso: \"\\x41\", 'x': >-\n y\n}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := config.Parse(bytes.NewReader(data))
		again, errAgain := config.Parse(bytes.NewReader(data))
		if diff := cmp.Diff(cfg, again); diff != "" {
			t.Errorf("a second Parse differs (-first +second):\n%s", diff)
		}
		if err != nil {
			checkErrors(t, err, errAgain)
			return
		}
		checkCamera(t, cfg.Camera)
		checkStreams(t, cfg)
		checkRest(t, cfg)
	})
}

func checkErrors(t *testing.T, err, again error) {
	if again == nil || err.Error() != again.Error() {
		t.Errorf("a second Parse differs:\n%v\n%v", err, again)
	}
	errs, ok := errors.AsType[config.Errors](err)
	if !ok || len(errs) == 0 {
		t.Fatalf("%v is no Errors", err)
	}
	if !slices.IsSortedFunc(errs, func(a, b *config.Error) int { return a.Line - b.Line }) {
		t.Errorf("not in the order of lines:\n%v", errs)
	}
	if lines := strings.Count(errs.Error(), "\n") + 1; lines != len(errs) {
		t.Errorf("%d errors are %d lines:\n%v", len(errs), lines, errs)
	}
}

func within[T int | float64 | time.Duration](t *testing.T, name string, v, lo, hi T) {
	t.Helper()
	if !(v >= lo && v <= hi) {
		t.Errorf("%s is %v, outside %v..%v", name, v, lo, hi)
	}
}

func oneOf(t *testing.T, name, v, allowed string) {
	t.Helper()
	if !slices.Contains(strings.Split(allowed, " "), v) {
		t.Errorf("%s is %q, not one of %s", name, v, allowed)
	}
}

func checkSize(t *testing.T, name string, w, h, maxW, maxH int) {
	t.Helper()
	within(t, name+" width", w, 64, maxW)
	within(t, name+" height", h, 64, maxH)
	if w%2 != 0 || h%2 != 0 {
		t.Errorf("%s %dx%d has an odd side", name, w, h)
	}
}

func checkCamera(t *testing.T, c config.Camera) {
	within(t, "number", c.Number, 0, 1)
	checkSize(t, "camera", c.Width, c.Height, 4056, 3040)
	within(t, "framerate", c.FrameRate, 0.1, 200)
	within(t, "sensor_mode", c.SensorMode, 0, 7)
	oneOf(t, "rotation", strconv.Itoa(c.Rotation), "0 90 180 270")
	z := c.Zoom
	for _, v := range z {
		within(t, "zoom", v, 0, 1)
	}
	if z[2] == 0 || z[3] == 0 || z[0]+z[2] > 1.000001 || z[1]+z[3] > 1.000001 {
		t.Errorf("zoom %v is not inside the picture", z)
	}
	within(t, "brightness", c.Brightness, 0, 100)
	within(t, "contrast", c.Contrast, -100, 100)
	within(t, "saturation", c.Saturation, -100, 100)
	within(t, "sharpness", c.Sharpness, -100, 100)
	within(t, "iso", c.ISO, 0, 1600)
	within(t, "shutter_speed", c.ShutterSpeed.Seconds(), 0, 1/c.FrameRate+1e-6)
	within(t, "exposure_compensation", c.ExposureCompensation, -25, 25)
	for _, gain := range []float64{c.AnalogGain, c.DigitalGain} {
		if gain != 0 {
			within(t, "gain", gain, 1, 64)
		}
	}
	oneOf(t, "exposure_mode", c.ExposureMode, "off auto night nightpreview backlight spotlight sports snow beach verylong fixedfps antishake fireworks")
	oneOf(t, "meter_mode", c.MeterMode, "average spot backlit matrix")
	oneOf(t, "awb_mode", c.AWBMode, "off auto sunlight cloudy shade tungsten fluorescent incandescent flash horizon greyworld")
	within(t, "awb_gains", min(c.AWBGains[0], c.AWBGains[1]), 0, 8)
	within(t, "awb_gains", max(c.AWBGains[0], c.AWBGains[1]), 0, 8)
	if (c.AWBMode == "off") != (c.AWBGains[0]*c.AWBGains[1] > 0) {
		t.Errorf("awb_mode %s with awb_gains %v", c.AWBMode, c.AWBGains)
	}
	oneOf(t, "drc_strength", c.DRCStrength, "off low medium high")
	oneOf(t, "flicker_avoid", c.FlickerAvoid, "off auto 50hz 60hz")
	if uv := c.ColorEffects; uv != nil {
		within(t, "color_effects", uv[0], 0, 255)
		within(t, "color_effects", uv[1], 0, 255)
	}
	within(t, "annotate.size", c.Annotate.Size, 6, 160)
	if !regexp.MustCompile(`^[\n -~]{0,255}$`).MatchString(c.Annotate.Text) {
		t.Errorf("annotate.text is %q", c.Annotate.Text)
	}
}

func checkStreams(t *testing.T, cfg config.Config) {
	within(t, "number of streams", len(cfg.Streams), 1, 3)
	names := make(map[string]bool)
	for _, s := range cfg.Streams {
		if names[s.Name] || !regexp.MustCompile(`^[a-z0-9_-]{1,32}$`).MatchString(s.Name) {
			t.Errorf("stream name %q", s.Name)
		}
		names[s.Name] = true
		checkSize(t, s.Name, s.Width, s.Height, 1920, 1920)
		within(t, "framerate", s.FrameRate, 0.0999, cfg.Camera.FrameRate)
		if each := cfg.Camera.FrameRate / s.FrameRate; math.Abs(each-math.Round(each)) > 1e-6 {
			t.Errorf("framerate %v is one of %v frames", s.FrameRate, each)
		}
		within(t, "bitrate", s.Bitrate, 0, 25_000_000)
		if s.Bitrate < 10_000 && (s.Bitrate != 0 || s.QP == 0) {
			t.Errorf("bitrate %d with qp %d", s.Bitrate, s.QP)
		}
		within(t, "keyframe_interval", s.KeyframeInterval, 100*time.Millisecond, time.Minute)
		oneOf(t, "profile", s.Profile, "baseline constrained main high")
		oneOf(t, "level", s.Level, " 3 3.1 3.2 4 4.1 4.2")
		oneOf(t, "intra_refresh", s.IntraRefresh, " cyclic adaptive both cyclicrows")
		within(t, "qp", s.QP, 0, 51)
		within(t, "min_qp", s.MinQP, 0, 51)
		within(t, "max_qp", s.MaxQP, 0, 51)
		if s.MaxQP > 0 && s.MinQP > s.MaxQP || s.QP > 0 && s.MinQP+s.MaxQP > 0 {
			t.Errorf("qp %d, min_qp %d, max_qp %d", s.QP, s.MinQP, s.MaxQP)
		}
	}
}

func checkRest(t *testing.T, cfg config.Config) {
	checkSize(t, "snapshot", cfg.Snapshot.Width, cfg.Snapshot.Height, 3280, 2464)
	within(t, "quality", cfg.Snapshot.Quality, 1, 100)
	if cfg.Snapshot.Interval != 0 {
		within(t, "interval", cfg.Snapshot.Interval, 200*time.Millisecond, time.Hour)
	}
	names := make(map[string]bool)
	for _, u := range cfg.Users {
		if u.Name == "" || u.Password == "" || strings.Contains(u.Name, ":") || names[u.Name] {
			t.Errorf("user %+v", u)
		}
		names[u.Name] = true
	}
	ports := make(map[string]bool)
	for _, addr := range []string{cfg.RTSP.Addr, cfg.RTSP.TLSAddr, cfg.HTTP.Addr, cfg.HTTP.TLSAddr} {
		if addr == "" {
			continue
		}
		_, port, err := net.SplitHostPort(addr)
		number, errNumber := strconv.Atoi(port)
		if err != nil || errNumber != nil || number < 1 || number > 65535 || ports[port] {
			t.Errorf("address %q", addr)
		}
		ports[port] = true
	}
}
