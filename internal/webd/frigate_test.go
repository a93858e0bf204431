package webd

import (
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// frigateConfig is the part of Frigate's configuration that has to do with cameras.
type frigateConfig struct {
	Go2RTC struct {
		Streams map[string][]string `yaml:"streams"`
	} `yaml:"go2rtc"`
	Cameras map[string]frigateCamera `yaml:"cameras"`
}

type frigateCamera struct {
	Enabled bool `yaml:"enabled"`
	FFmpeg  struct {
		OutputArgs map[string]string `yaml:"output_args"`
		Inputs     []struct {
			Path      string   `yaml:"path"`
			InputArgs string   `yaml:"input_args"`
			Roles     []string `yaml:"roles"`
		} `yaml:"inputs"`
	} `yaml:"ffmpeg"`
	Live struct {
		Streams map[string]string `yaml:"streams"`
	} `yaml:"live"`
	Detect struct {
		Enabled       bool `yaml:"enabled"`
		Width, Height int
		FPS           int `yaml:"fps"`
	} `yaml:"detect"`
	Record struct {
		Enabled    bool           `yaml:"enabled"`
		Continuous map[string]int `yaml:"continuous"`
		Motion     map[string]int `yaml:"motion"`
	} `yaml:"record"`
	Motion  map[string]int `yaml:"motion"`
	Objects struct {
		Track []string `yaml:"track"`
	} `yaml:"objects"`
}

func feeds() []Feed {
	return []Feed{
		{Name: "hqstream", Width: 1640, Height: 1232, FrameRate: 30, KeyFrameInterval: time.Second},
		{Name: "lqstream", Width: 640, Height: 480, FrameRate: 5, KeyFrameInterval: time.Second},
	}
}

func frigateServer(feeds []Feed, users ...User) Config {
	cfg := testConfig()
	cfg.Status, cfg.Feeds, cfg.Users = fullStatus, feeds, users
	return cfg
}

// TestFrigate restates what Frigate checks when it reads a configuration, and what its documentation advises.
func TestFrigate(t *testing.T) {
	user := User{"nvr user", "s3cret"}
	rsp := get(frigateServer(feeds(), user), "GET", "/frigate.yaml", func(r *http.Request) {
		r.SetBasicAuth(user.Name, user.Password)
		r.Host = "porch.lan:8088"
	})
	text := body(t, rsp)
	if strings.Contains(text, user.Password) || strings.Contains(text, "NOTE") {
		t.Errorf("the file has a password or a note in it:\n%s", text)
	}
	var cfg frigateConfig
	if err := yaml.UnmarshalWithOptions([]byte(text), &cfg, yaml.Strict()); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if len(cfg.Cameras) != 1 {
		t.Fatalf("%d cameras", len(cfg.Cameras))
	}
	for name, c := range cfg.Cameras {
		if !regexp.MustCompile(`^[a-zA-Z0-9_-]+$`).MatchString(name) {
			t.Errorf("Frigate does not take the name %q", name)
		}
		sources := make(map[string]string) // role to the stream of ours
		for _, in := range c.FFmpeg.Inputs {
			restream := strings.TrimPrefix(in.Path, "rtsp://127.0.0.1:8554/")
			urls := cfg.Go2RTC.Streams[restream]
			if in.InputArgs != "preset-rtsp-restream" || len(urls) != 1 {
				t.Fatalf("input %+v has the sources %v", in, urls)
			}
			u, err := url.Parse(strings.Replace(urls[0], "{FRIGATE_CAMERA_PASSWORD}", "x", 1))
			if err != nil || u.Scheme != "rtsp" || u.Host != "porch.lan:8554" || u.User.Username() != user.Name {
				t.Errorf("source %s: %v", urls[0], err)
			}
			for _, role := range in.Roles {
				if sources[role] != "" || !slices.Contains([]string{"detect", "record", "audio"}, role) {
					t.Errorf("role %q is given twice or unknown", role)
				}
				sources[role] = strings.TrimPrefix(u.Path, "/")
			}
		}
		if sources["detect"] != "lqstream" || sources["record"] != "hqstream" {
			t.Errorf("roles are %v", sources)
		}
		for label, stream := range c.Live.Streams {
			if cfg.Go2RTC.Streams[stream] == nil {
				t.Errorf("live view %s is of no stream", label)
			}
		}
		hq, lq := feeds()[0], feeds()[1]
		if !c.Enabled || !c.Detect.Enabled || c.Detect.Width != lq.Width || c.Detect.Height != lq.Height || c.Detect.FPS != 5 {
			t.Errorf("detect is %+v", c.Detect)
		}
		// Aspect, GOP and rate: facts of Frigate's camera_setup page.
		if ratio := float64(c.Detect.Width) / float64(c.Detect.Height) / (float64(hq.Width) / float64(hq.Height)); math.Abs(ratio-1) > 0.02 {
			t.Errorf("detect has another aspect ratio, by %v", ratio)
		}
		if float64(c.Detect.FPS) > lq.FrameRate || c.Detect.FPS > 10 {
			t.Errorf("detect wants %d pictures/s of %v", c.Detect.FPS, lq.FrameRate)
		}
		if gop := lq.KeyFrameInterval.Seconds() * lq.FrameRate; gop > float64(c.Detect.FPS) {
			t.Errorf("GOP of %v at %d pictures/s", gop, c.Detect.FPS)
		}
		if !c.Record.Enabled || c.Record.Continuous["days"]+c.Record.Motion["days"] == 0 || c.FFmpeg.OutputArgs["record"] != "preset-record-generic" {
			t.Errorf("record is %+v with %v: it would keep nothing", c.Record, c.FFmpeg.OutputArgs)
		}
	}
}

// TestFrigateNotes holds that the file says what Frigate would not like.
func TestFrigateNotes(t *testing.T) {
	one := []Feed{{Name: "only", Width: 1280, Height: 720, FrameRate: 15, KeyFrameInterval: time.Second}}
	fast := feeds()
	fast[1].FrameRate = 30
	shape := feeds()
	shape[1].Height = 360
	slowKeys := feeds()
	slowKeys[0].KeyFrameInterval = 4 * time.Second
	for name, tt := range map[string]struct {
		feeds []Feed
		note  string
		fps   string
	}{
		"one stream":   {one, "a second, small one", "fps: 5"},
		"fast":         {fast, "lqstream has 30 pictures/s", "fps: 5"},
		"other shape":  {shape, "different shapes", "fps: 5"},
		"long GOP":     {slowKeys, "hqstream has a keyframe_interval of 4s", "fps: 5"},
		"as it should": {feeds(), "", "fps: 5"},
	} {
		t.Run(name, func(t *testing.T) {
			text := body(t, get(frigateServer(tt.feeds), "GET", "/frigate.yaml"))
			var cfg frigateConfig
			if err := yaml.UnmarshalWithOptions([]byte(text), &cfg, yaml.Strict()); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(text, "NOTE: ") != (tt.note != "") || !strings.Contains(text, tt.note) || !strings.Contains(text, tt.fps) || strings.Contains(text, "PASSWORD") {
				t.Errorf("the file is\n%s", text)
			}
		})
	}
}

func TestFrigateTrustsNoHost(t *testing.T) {
	for host, want := range map[string]string{
		"[2001:db8::1]:80": "rtsp://[2001:db8::1]:8554/", "10.0.0.7": "rtsp://10.0.0.7:8554/", "x\" evil: y": ".local:8554/",
		"a b": ".local:8554/", "": ".local:8554/",
	} {
		text := body(t, get(frigateServer(feeds()), "GET", "/frigate.yaml", func(r *http.Request) { r.Host = host }))
		if !strings.Contains(text, want) || strings.Contains(text, "evil") {
			t.Errorf("asked as %q:\n%s", host, text)
		}
	}
	none := frigateServer(feeds())
	none.Status = func() Status { return Status{} }
	if rsp := get(none, "GET", "/frigate.yaml"); rsp.StatusCode != 404 {
		t.Errorf("without RTSP: got %d", rsp.StatusCode)
	}
}
