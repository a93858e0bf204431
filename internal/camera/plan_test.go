package camera

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPlan(t *testing.T) {
	stream := func(name string, w, h int, fps float64) StreamConfig {
		return StreamConfig{Name: name, Width: w, Height: h, FrameRate: fps, KeyFrameInterval: time.Second}
	}
	low := stream("low", 1640, 1232, 30)
	low.Level = "3.1"
	tests := []struct {
		name    string
		streams []StreamConfig
		mbRate  int
		every   []int
		level   string // of the first stream
		warning string
		wrong   string
	}{
		// The figures are those of the seed's stack, facts/seed-stack.md section 5.
		{"default", []StreamConfig{stream("hq", 1640, 1232, 30), stream("lq", 640, 480, 5)}, 243930, []int{1, 6}, "4", "", ""},
		{"seed's own", []StreamConfig{stream("hq", 1640, 1232, 30), stream("lq", 640, 480, 30)}, 273930, []int{1, 1}, "4",
			"273930 macroblocks/s, 11.5 % more than the encoder's 245760", ""},
		{"1080p and small", []StreamConfig{stream("hq", 1920, 1080, 30), stream("lq", 640, 480, 5)}, 250800, []int{1, 6}, "4",
			"hq: 1920x1080 has another shape than the camera's 1640x1232: the picture is stretched\nall streams together need 250800", ""},
		{"too large a picture", []StreamConfig{stream("hq", 1920, 1440, 5)}, 54000, []int{6}, "4.2", "",
			"streams.hq: 1920x1440 at 5 frames/s is 10800 macroblocks"},
		{"too low a level", []StreamConfig{low}, 237930, []int{1}, "3.1", "", "level 3.1 ends at 3600 and 108000: lower the resolution or the frame rate, or leave the level out"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := NewPlan(Config{Width: 1640, Height: 1232, FrameRate: 30, Streams: tt.streams})
			if p.MBRate != tt.mbRate {
				t.Errorf("got %d macroblocks/s, want %d", p.MBRate, tt.mbRate)
			}
			for i, s := range p.Streams {
				if s.Every != tt.every[i] {
					t.Errorf("%s: got 1 of %d frames, want 1 of %d", s.Name, s.Every, tt.every[i])
				}
			}
			if p.Streams[0].Level != tt.level {
				t.Errorf("got level %s, want %s", p.Streams[0].Level, tt.level)
			}
			warnings := strings.Join(p.Warnings, "\n")
			if (warnings == "") != (tt.warning == "") || !strings.Contains(warnings, tt.warning) {
				t.Errorf("got warnings %q, want one with %q", warnings, tt.warning)
			}
			wrong := strings.Join(p.Errors, "\n")
			if (wrong == "") != (tt.wrong == "") || !strings.Contains(wrong, tt.wrong) {
				t.Errorf("got errors %q, want one with %q", wrong, tt.wrong)
			}
		})
	}
}

// TestSuggestion holds what is offered to who asks for too much, and that it fits when it is done.
func TestSuggestion(t *testing.T) {
	stream := func(name string, w, h int, fps float64) StreamConfig {
		return StreamConfig{Name: name, Width: w, Height: h, FrameRate: fps}
	}
	tests := []struct {
		name    string
		rate    float64
		streams []StreamConfig
		slower  bool
		want    string
	}{
		{"seed's own", 30, []StreamConfig{stream("hqstream", 1640, 1232, 30), stream("lqstream", 640, 480, 30)}, true,
			"streams.lqstream.framerate: 5 makes it 243930"},
		{"smallest is not last", 30, []StreamConfig{stream("lq", 640, 480, 30), stream("hq", 1640, 1232, 30)}, true,
			"streams.lq.framerate: 5 makes it 243930"},
		{"a stream is at the camera's rate for good", 30, []StreamConfig{stream("hq", 1640, 1232, 30), stream("lq", 640, 480, 30)}, false,
			"streams.hq.resolution: 1520x1142 makes it 241200"},
		{"smallest does not help", 30, []StreamConfig{stream("hq", 1920, 1080, 30), stream("lq", 640, 480, 5)}, true,
			"streams.hq.resolution: 1888x1062 makes it 243180"},
		{"second smallest", 30, []StreamConfig{stream("a", 1280, 960, 30), stream("b", 1280, 960, 30), stream("c", 320, 240, 30)}, true,
			"streams.b.framerate: 15 makes it 225000"},
		{"alone", 40, []StreamConfig{stream("hq", 1920, 1080, 40)}, true, "streams.hq.framerate: 20 makes it 163200"},
		{"two alike", 30, []StreamConfig{stream("a", 1640, 1232, 30), stream("b", 1640, 1232, 30)}, true,
			"camera.framerate: 15, and that of each stream divided by 2 too, makes it 237930"},
		{"fits", 30, []StreamConfig{stream("hq", 1640, 1232, 30)}, true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlan(Config{Width: 1640, Height: 1232, FrameRate: tt.rate, Streams: tt.streams}, tt.slower)
			got := strings.Join(p.Warnings, "\n")
			if tt.want == "" {
				if strings.Contains(got, "makes it") {
					t.Errorf("got %q although all fits", got)
				}
			} else if !strings.Contains(got, "; "+tt.want+", which fits") {
				t.Errorf("got %q, want %q in it", got, tt.want)
			}
		})
	}
}

// TestSuggestionAtFullRate holds that nobody is told to slow a stream down that cannot be slower.
func TestSuggestionAtFullRate(t *testing.T) {
	cfg := Config{Width: 1640, Height: 1232, FrameRate: 30, Streams: []StreamConfig{
		{Name: "hq", Width: 1640, Height: 1232, FrameRate: 30}, {Name: "lq", Width: 640, Height: 480, FrameRate: 5}}}
	got := strings.Join(NewPlan(cfg).atFullRate(cfg, "lq").Warnings, "\n")
	if !strings.Contains(got, "streams.hq.resolution: 1520x1142") || strings.Contains(got, "streams.lq") {
		t.Errorf("got warnings %q", got)
	}
}

// TestStretched holds that a stream may have the shape of what zoom leaves, as examples/full-width.yaml does.
func TestStretched(t *testing.T) {
	cfg := Config{Width: 3280, Height: 2464, FrameRate: 15, Streams: []StreamConfig{{Name: "hq", Width: 1920, Height: 1080, FrameRate: 15}}}
	for _, tt := range []struct {
		zoom [4]float64
		want int
	}{{[4]float64{0, 0.1, 1, 0.75}, 0}, {[4]float64{0, 0, 1, 1}, 1}, {[4]float64{0, 0, 0.5, 0.5}, 1}, {[4]float64{}, 1}} {
		cfg.Controls.Zoom = tt.zoom
		if p := NewPlan(cfg); len(p.Warnings) != tt.want {
			t.Errorf("zoom %v: got warnings %q, want %d", tt.zoom, p.Warnings, tt.want)
		}
	}
}

func TestGPUMemory(t *testing.T) {
	// One stream of the camera's size; no stills but their buffers. All sizes are multiples of 32 and 16.
	cfg := Config{Width: 1280, Height: 960, FrameRate: 30, Streams: []StreamConfig{{Name: "hq", Width: 1280, Height: 960, FrameRate: 30}}}
	const image = 1280 * 960 * 3 / 2
	const mode = 4096 * 1024 // stands for a sensor mode's image
	sensors := []SensorPlan{{Mode: SensorMode{Width: 64, Height: 64}}, {Mode: SensorMode{Width: 4096, Height: 1024}}}
	mib := func(bytes float64) int { return int(math.Ceil(bytes / (1 << 20))) }
	coded := float64(3*256<<10 + 2*512<<10)
	base := 3*mode*1.5 + (3+3*1.25+1+2*1.25)*image + coded
	tests := []struct {
		name   string
		change func(*Config)
		want   int
	}{
		{"one stream", func(*Config) {}, mib(base)},
		{"more images for a faster camera", func(c *Config) { c.FrameRate = 60 }, mib(base + 3*2.25*image)},
		{"a scaled stream", func(c *Config) { c.Streams[0].Width, c.Streams[0].Height = 640, 480 },
			mib(base - 2.5*image + (3+2.5)*image/4)},
		{"stills, of which larger ones may be asked for", func(c *Config) { c.Snapshot.Width, c.Snapshot.Height = 640, 480 },
			mib(base + 3*image)},
		{"larger stills", func(c *Config) { c.Snapshot.Width, c.Snapshot.Height = 2560, 1920 }, mib(base + 3*4*image)},
	}
	for _, tt := range tests {
		c := cfg
		c.Streams = slices.Clone(cfg.Streams)
		tt.change(&c)
		if got := gpuMemory(c, sensors); got != tt.want {
			t.Errorf("%s: got %d MiB, want %d", tt.name, got, tt.want)
		}
	}
	if p := NewPlan(cfg); !strings.Contains(p.String(), fmt.Sprintf("gpu memory   about %d MB", p.GPUMemory)) || p.GPUMemory < 20 {
		t.Errorf("got %d MB and the text\n%v", p.GPUMemory, p)
	}
}

func TestMeter(t *testing.T) {
	var m meter
	if got := m.bitrate(); got != 0 {
		t.Errorf("before any picture: got %d bit/s", got)
	}
	const bytes, period = 12500, 100_000 // 10 pictures/s of 100 kbit
	for i := range 3 * meterWindow {
		m.add(bytes, int64(i)*period)
		if got := m.bitrate(); i > 0 && (got < 999_000 || got > 1_001_000) {
			t.Fatalf("after %d pictures: got %d bit/s, want 1000000", i+1, got)
		}
	}
}
