package config_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/camkrazy/camkrazy/internal/config"
)

// contractDefaults are the values that the contract's example shows, written out by hand.
func contractDefaults() config.Config {
	return config.Config{
		Camera: config.Camera{
			Width: 1640, Height: 1232, FrameRate: 30,
			Zoom:         [4]float64{0, 0, 1, 1},
			Brightness:   50,
			ExposureMode: "auto",
			MeterMode:    "average",
			AWBMode:      "auto",
			DRCStrength:  "off",
			FlickerAvoid: "off",
			VideoDenoise: true,
			ImageDenoise: true,
			ImageEffect:  "none",
			Annotate:     config.Annotate{Size: 32, Align: "center"},
		},
		Streams: []config.Stream{
			{Name: "hqstream", Width: 1640, Height: 1232, FrameRate: 30, Bitrate: 8_000_000, KeyframeInterval: time.Second, Profile: "high", MinQP: 20},
			{Name: "lqstream", Width: 640, Height: 480, FrameRate: 5, Bitrate: 1_000_000, KeyframeInterval: time.Second, Profile: "high", MinQP: 20},
		},
		Snapshot: config.Snapshot{Width: 800, Height: 600, Quality: 85, Interval: 2 * time.Second},
		RTSP:     config.RTSP{Listen: config.Listen{Addr: ":8554"}, MaxReaders: 32},
		HTTP:     config.Listen{Addr: ":80"},
	}
}

func parse(t *testing.T, text string) config.Config {
	t.Helper()
	cfg, err := config.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatalf("Parse:\n%v\nof:\n%s", err, text)
	}
	return cfg
}

func load(t *testing.T, name string) config.Config {
	t.Helper()
	cfg, err := config.Load(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestDefaults(t *testing.T) {
	want := contractDefaults()
	tests := map[string]config.Config{
		"Default":         config.Default(),
		"empty file":      parse(t, ""),
		"only comments":   parse(t, "# nothing\n\n# here\n"),
		"only a marker":   parse(t, "---\n"),
		"byte order mark": parse(t, "\uFEFFcamera: {}\n"),
		"CRLF":            parse(t, "camera:\r\n  iso: 0\r\nsnapshot:\r\n  quality: 85\r\n"),
		"empty sections":  parse(t, "camera:\nstreams:\nsnapshot:\nrtsp:\nhttp:\n"),
		"reference":       parse(t, string(config.Reference())),
		"contract":        load(t, "contract.yaml"),
	}
	for name, got := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-contract +got):\n%s", diff)
			}
		})
	}
}

func TestDefaultIsNotShared(t *testing.T) {
	first := config.Default()
	first.Streams[0].Name = "changed"
	if diff := cmp.Diff(contractDefaults(), config.Default()); diff != "" {
		t.Errorf("a change to one result shows in the next (-want +got):\n%s", diff)
	}
	ref := config.Reference()
	ref[0] = 'x'
	if bytes.Equal(ref, config.Reference()) {
		t.Error("Reference returns the same bytes twice")
	}
}

// TestReferenceIsComplete holds the reference to naming every key: each known key is listed by the error for an
// unknown one.
func TestReferenceIsComplete(t *testing.T) {
	sections := map[string]string{
		"":                 "zzzzzzzz: 1",
		"camera":           "camera: {zzzzzzzz: 1}",
		"camera.annotate":  "camera: {annotate: {zzzzzzzz: 1}}",
		"streams.hqstream": "streams: {hqstream: {zzzzzzzz: 1}}",
		"snapshot":         "snapshot: {zzzzzzzz: 1}",
		"rtsp":             "rtsp: {zzzzzzzz: 1}",
		"tls":              "tls: {zzzzzzzz: 1}",
	}
	for section, text := range sections {
		_, err := config.Parse(strings.NewReader(text))
		_, known, found := strings.Cut(err.Error(), "known here: ")
		if !found {
			t.Fatalf("%s: error %q does not list the known keys", section, err)
		}
		for key := range strings.SplitSeq(known, ", ") {
			if !bytes.Contains(config.Reference(), []byte(key+":")) {
				t.Errorf("the reference does not show %s.%s", section, key)
			}
		}
	}
}

func TestMinimal(t *testing.T) {
	want := contractDefaults()
	want.Camera.Rotation = 180
	if diff := cmp.Diff(want, load(t, "minimal.yaml")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEveryKeyChanged(t *testing.T) {
	want := config.Config{
		Camera: config.Camera{
			Number: 1, Width: 3280, Height: 2464, FrameRate: 12.5, SensorMode: 2,
			Rotation: 270, HFlip: true, VFlip: true, Zoom: [4]float64{0, 0.125, 1, 0.75},
			Brightness: 55, Contrast: -10, Saturation: 100, Sharpness: 5,
			ISO: 800, ShutterSpeed: 80 * time.Millisecond, ExposureMode: "night", ExposureCompensation: -25,
			AnalogGain: 2.5, DigitalGain: 1,
			MeterMode: "matrix", AWBMode: "off", AWBGains: [2]float64{1.5, 1.25}, DRCStrength: "high", FlickerAvoid: "50hz",
			VideoStabilization: true, ImageEffect: "watercolor", ColorEffects: &[2]int{128, 128},
			Annotate: config.Annotate{
				Text: "Door %H:%M: don't wait", Size: 6, Color: "#ff8000", Background: true, BackgroundColor: "#000040",
				Align: "right", Offset: [2]int{16, 900}, FrameNum: true,
			},
		},
		Streams: []config.Stream{
			{Name: "door", Width: 1920, Height: 1080, FrameRate: 12.5, KeyframeInterval: time.Second, Profile: "main", Level: "4.1", QP: 28},
			{
				Name: "detect", Width: 640, Height: 360, FrameRate: 2.5, Bitrate: 250_000, KeyframeInterval: time.Minute,
				Profile: "constrained", Level: "4", MinQP: 20, MaxQP: 45, IntraRefresh: "cyclicrows",
			},
			{Name: "copy_2-b", Width: 1632, Height: 1226, FrameRate: 12.5, Bitrate: 2_000_000, KeyframeInterval: time.Second, Profile: "high", MinQP: 20},
		},
		Snapshot: config.Snapshot{Width: 3280, Height: 2464, Quality: 100},
		Users:    []config.User{{Name: "viewer", Password: "p: #w"}, {Name: "Gäste", Password: "it's"}},
		RTSP: config.RTSP{
			Listen:    config.Listen{Addr: "192.168.1.5:8554", TLSAddr: ":8322"},
			Multicast: "239.1.2.3:5006", MaxReaders: 7, BasicAuth: true,
		},
		HTTP: config.Listen{TLSAddr: "[::1]:443"},
		TLS:  config.TLS{Certificate: "/perm/my cert.pem", Key: "/perm/my.key"},
	}
	if diff := cmp.Diff(want, load(t, "doorbell.yaml")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOutputsFollowCamera checks what outputs that the file does not describe make of its camera section.
func TestOutputsFollowCamera(t *testing.T) {
	type picture struct {
		Width, Height int
		FrameRate     float64
	}
	tests := []struct {
		name, text string
		hq, lq     picture
		snapshot   picture
	}{
		{"widescreen", "camera: {resolution: 1920x1080, framerate: 25}", picture{1920, 1080, 25}, picture{640, 360, 5}, picture{800, 450, 0}},
		{"no divisor is 5", "camera: {framerate: 24}", picture{1640, 1232, 24}, picture{640, 480, 4.8}, picture{800, 600, 0}},
		{"slower than 5", "camera: {framerate: 0.1667}", picture{1640, 1232, 0.1667}, picture{640, 480, 0.1667}, picture{800, 600, 0}},
		{"smaller than both", "camera: {resolution: 320x240}", picture{320, 240, 30}, picture{320, 240, 5}, picture{320, 240, 0}},
		{"more than a level 4.1 frame", "camera: {resolution: 4056x3040, framerate: 10}", picture{1664, 1248, 10}, picture{640, 480, 5}, picture{800, 600, 0}},
		{"portrait", "camera: {resolution: 1080x1920}", picture{1080, 1920, 30}, picture{360, 640, 5}, picture{450, 800, 0}},
		{"tall", "camera: {resolution: 64x3040}", picture{64, 1920, 30}, picture{64, 640, 5}, picture{64, 800, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := parse(t, tt.text)
			hq, lq, snapshot := cfg.Streams[0], cfg.Streams[1], cfg.Snapshot
			got := []picture{{hq.Width, hq.Height, hq.FrameRate}, {lq.Width, lq.Height, lq.FrameRate}, {snapshot.Width, snapshot.Height, 0}}
			if diff := cmp.Diff([]picture{tt.hq, tt.lq, tt.snapshot}, got); diff != "" {
				t.Errorf("hqstream, lqstream, snapshot (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStreamsReplaceDefaults(t *testing.T) {
	cfg := parse(t, `
streams:
  lqstream: {}
  hqstream:
  third: {bitrate: 0, qp: 51}
camera: {resolution: 1280x720, framerate: 29.97}
`)
	base := config.Stream{Width: 1280, Height: 720, FrameRate: 29.97, KeyframeInterval: time.Second, Profile: "high", MinQP: 20}
	lq, hq, third := base, base, base
	lq.Name, lq.Bitrate = "lqstream", 1_000_000
	hq.Name, hq.Bitrate = "hqstream", 8_000_000
	third.Name, third.QP, third.MinQP = "third", 51, 0
	if diff := cmp.Diff([]config.Stream{lq, hq, third}, cfg.Streams); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStreamFrameRateIsExact(t *testing.T) {
	tests := []struct {
		camera, stream string
		want           float64
	}{
		{"30", "30", 30},
		{"30", "4.2857", 30.0 / 7},
		{"29.97", "14.985", 29.97 / 2},
		{"29.97", "9.99", 29.97 / 3},
		{"0.1667", "0.1667", 0.1667},
		{"200", "0.1", 0.1},
	}
	for _, tt := range tests {
		cfg := parse(t, "camera: {framerate: "+tt.camera+"}\nstreams: {s: {framerate: "+tt.stream+"}}")
		if got := cfg.Streams[0].FrameRate; got != tt.want {
			t.Errorf("camera %s, stream %s: got %v, want %v", tt.camera, tt.stream, got, tt.want)
		}
	}
}

// TestLeastQuantiser holds which least quantiser a stream has that gives none.
func TestLeastQuantiser(t *testing.T) {
	for text, want := range map[string]int{
		"{}": 20, "{min_qp: 0}": 0, "{min_qp: 12}": 12, "{max_qp: 40}": 20, "{max_qp: 15}": 15, "{qp: 30}": 0, "{qp: 10, bitrate: 5000000}": 0,
	} {
		if got := parse(t, "streams: {s: "+text+"}").Streams[0].MinQP; got != want {
			t.Errorf("%s: min_qp is %d, want %d", text, got, want)
		}
	}
}

// TestAccepted has spellings that might look wrong but are not.
func TestAccepted(t *testing.T) {
	for _, text := range []string{
		"camera: {framerate: 30.0, contrast: -0, zoom: [0.1, 0.2, 0.9, 0.8]}",
		"camera: {framerate: 30, shutter_speed: 33334}",
		"camera: {framerate: 0.1, shutter_speed: 10000000}",
		"camera: {color_effects: }",
		"camera: {color_effects: null}",
		"camera: {awb_mode: 'off', awb_gains: [8, 0.1]}",
		"camera: {annotate: {text: a & b * c ! d}}",
		"camera: {annotate: {text: '%Y-%m-%d %H:%M:%S %y %j %a %A %b %B %p %I %Z %z %e %F %T %D %R %s %%'}}",
		"camera: {annotate: {text: \"one\\ntwo\"}}",
		"camera:\n  annotate:\n    text: |\n      one\n      two\n",
		"camera: {brightness:\t60}",
		"streams: {0123456789-_0123456789-_01234567: {level: 4.0}}",
		"streams: {s: {min_qp: 30}, t: {max_qp: 30}, u: {min_qp: 30, max_qp: 30}}",
		"streams: {s: {qp: 30, bitrate: 17000000}}",
		"snapshot: {interval: 0s}",
		"snapshot: {interval: 200ms}",
		"rtsp: {listen: :8554}",
		"rtsp: {listen: camera-1.local:1}",
		"rtsp: {listen: \"[fe80::1%eth0]:65535\"}",
		"rtsp: {listen: \"\"}\nhttp: {listen: \"\"}",
		"streams: {a: {}, b: {}, c: {}}\nrtsp: {multicast: 239.255.255.253:5004}",
		`{"camera": {"brightness": 60, "zoom": [0, 0, 0.5, 0.5]}}`,
		"users: [{name: a, password: '1234'}, {name: b, password: yes}]",
	} {
		if _, err := config.Parse(strings.NewReader(text)); err != nil {
			t.Errorf("%s\nis refused:\n%v", text, err)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Run("no such file", func(t *testing.T) {
		_, err := config.Load(filepath.Join(t.TempDir(), "camera.yaml"))
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v, want one that is os.ErrNotExist", err)
		}
	})
	t.Run("mistakes", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "camera.yaml")
		if err := os.WriteFile(path, []byte("camera:\n  iso: -1\n  rotation: 45\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(path)
		want := "configuration " + path + " is not valid:\n" +
			"line 2: camera.iso: -1 is out of range 0..1600\n" +
			"line 3: camera.rotation: 45 is not one of 0, 90, 180, 270"
		if err == nil || err.Error() != want {
			t.Errorf("got:\n%v\nwant:\n%s", err, want)
		}
		if errs, ok := errors.AsType[config.Errors](err); !ok || len(errs) != 2 || errs[1].Line != 3 || errs[1].Key != "camera.rotation" {
			t.Errorf("got %#v, want 2 Errors, the second for camera.rotation in line 3", errs)
		}
	})
}

func TestParseReportsReadError(t *testing.T) {
	broken := errors.New("card gone")
	_, err := config.Parse(readerFunc(func([]byte) (int, error) { return 0, broken }))
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want one that is %v", err, broken)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
