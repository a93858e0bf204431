package camera

import (
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
			"273930 macroblocks/s, 11 % more than the encoder's 245760", ""},
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
