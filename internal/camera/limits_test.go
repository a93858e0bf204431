package camera

import (
	"strings"
	"testing"
	"time"
)

// TestLimits holds what the encoder does not do and what it may not survive, with the numbers that a user needs.
func TestLimits(t *testing.T) {
	stream := func(w, h int, fps float64, bitrate int, change ...func(*StreamConfig)) StreamConfig {
		s := StreamConfig{Name: "s", Width: w, Height: h, FrameRate: fps, Bitrate: bitrate, KeyFrameInterval: time.Second, Profile: "high"}
		for _, f := range change {
			f(&s)
		}
		return s
	}
	leveled := func(level, profile string) func(*StreamConfig) {
		return func(s *StreamConfig) { s.Level, s.Profile = level, profile }
	}
	tests := []struct {
		name      string
		stream    StreamConfig
		err, warn string // "" is none
		level     string
	}{
		{"defaults of hqstream", stream(1640, 1232, 30, 8_000_000), "", "", "4"},
		{"defaults of lqstream", stream(640, 480, 5, 1_000_000), "", "", "4"},
		{"defaults of any other", stream(1640, 1232, 30, 2_000_000), "", "", "4"},
		{"certain to lock up", stream(640, 480, 30, 100_000),
			"streams.s.bitrate: 100000 is too little for 640x480 at 30 frames/s: below 128000 the encoder is certain to lock up when the scene changes; write 700000, or qp: 30 in the place of a bitrate", "", "4"},
		{"the same at any rate", stream(640, 480, 5, 100_000), "below 128000", "", "4"},
		{"certain for its size", stream(1920, 1080, 30, 450_000), "below 490000 the encoder is certain to lock up when the scene changes; write 1959000", "", "4"},
		{"seen to lock up", stream(820, 616, 30, 500_000), "",
			"streams.s.bitrate: 500000 is little for 820x616 at 30 frames/s: the encoder has been seen to lock up below 700000", "4"},
		{"just enough", stream(820, 616, 30, 700_000), "", "", "4"},
		{"seen to run", stream(1920, 1080, 30, 700_000), "", "below 1959000", "4"},
		{"little for its size", stream(1920, 1080, 30, 1_000_000), "", "below 1959000", "4"},
		{"constant quality has no floor", stream(640, 480, 30, 0, func(s *StreamConfig) { s.QP = 30 }), "", "", "4"},
		{"highest", stream(1280, 720, 30, 25_000_000), "", "", "4"},
		{"highest of a lesser profile", stream(1280, 720, 30, 25_000_000, leveled("", "main")), "", "", "4.1"},
		{"more than that", stream(1280, 720, 30, 25_000_001), "streams.s.bitrate: 25000001 is more than the encoder's 25000000", "", "4.1"},
		{"more than the level", stream(1280, 720, 30, 20_000_000, leveled("3.1", "high")),
			"streams.s.bitrate: 20000000 is more than the 17500000 of H.264 level 3.1 in profile high: lower it, or leave the level out", "", "3.1"},
		{"more than the level's lesser profile", stream(1280, 720, 30, 15_000_000, leveled("3.1", "baseline")),
			"more than the 14000000 of H.264 level 3.1 in profile baseline", "", "3.1"},
		{"too wide", stream(1936, 1056, 25, 8_000_000), "streams.s.resolution: 1936x1056 is wider than the 1920 pixels", "", "4"},
		{"slow", stream(640, 480, 1, 1_000_000), "", "streams.s.framerate: 1 is below 2", "4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := NewPlan(Config{Width: tt.stream.Width, Height: tt.stream.Height, FrameRate: tt.stream.FrameRate, Streams: []StreamConfig{tt.stream}})
			for _, texts := range []struct {
				got  []string
				want string
			}{{p.Errors, tt.err}, {p.Warnings, tt.warn}} {
				got := strings.Join(texts.got, "\n")
				if (got == "") != (texts.want == "") || !strings.Contains(got, texts.want) {
					t.Errorf("got %q, want %q in it", got, texts.want)
				}
			}
			if got := p.Streams[0].Level; got != tt.level {
				t.Errorf("level %s, want %s", got, tt.level)
			}
		})
	}
}

// TestQuality holds how a plan writes what bounds a stream's size.
func TestQuality(t *testing.T) {
	for sp, want := range map[StreamPlan]string{
		{Bitrate: 25_000_000}:         "25000 kbit/s",
		{Bitrate: 1_234_500}:          "1234.5 kbit/s",
		{Bitrate: 700_000}:            "700 kbit/s",
		{QP: 30}:                      "constant qp 30",
		{Bitrate: 17_000_000, QP: 30}: "constant qp 30 (which decides, not the bitrate of 17000 kbit/s)",
	} {
		if got := sp.quality(); got != want {
			t.Errorf("%d, %d: got %q, want %q", sp.Bitrate, sp.QP, got, want)
		}
	}
}

func TestOnBoard(t *testing.T) {
	plan := Plan{GPUMemory: 150}
	tests := []struct {
		given     int
		err, warn string
	}{
		{16, "gpu_mem is 16 MB, with which the GPU's firmware has no camera: write gpu_mem=256 and start_x=1 in config.txt", ""},
		{64, "", "gpu_mem is 64 MB, and this configuration needs about 150 and what the firmware takes for itself, in all 151 at least: write gpu_mem=256"},
		{150, "", "gpu_mem is 150 MB"},
		{151, "", ""},
		{256, "", ""},
	}
	for _, tt := range tests {
		p := plan.OnBoard(tt.given)
		errs, warnings := strings.Join(p.Errors, "\n"), strings.Join(p.Warnings, "\n")
		if (errs == "") != (tt.err == "") || !strings.Contains(errs, tt.err) || (warnings == "") != (tt.warn == "") || !strings.Contains(warnings, tt.warn) {
			t.Errorf("%d MB: got errors %q and warnings %q, want %q and %q", tt.given, errs, warnings, tt.err, tt.warn)
		}
	}
	if p := (Plan{GPUMemory: 30}).OnBoard(100); len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "in all 128 at least") {
		t.Errorf("got %q", p.Warnings)
	}
	if p := (Plan{GPUMemory: 260}).OnBoard(256); len(p.Warnings) != 1 || !strings.HasSuffix(p.Warnings[0], "gpu_mem=384 in config.txt") {
		t.Errorf("got %q", p.Warnings)
	}
	if text := plan.OnBoard(256).String(); !strings.Contains(text, "about 150 MB for images and buffers, a rough estimate: gpu_mem must be more than that, and at least 128; the board gives 256\n") {
		t.Errorf("got\n%s", text)
	}
}
