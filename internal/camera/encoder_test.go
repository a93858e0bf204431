package camera_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu"
)

// record runs a camera for some seconds and returns a file with the byte stream of its only stream, and the values of
// parameters that the encoder's output was given.
func record(t *testing.T, cfg camera.Config, seconds int) (file string, set map[mmal.ParameterID][]byte) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "stream.h264")
	set = make(map[mmal.ParameterID][]byte)
	synctest.Test(t, func(t *testing.T) {
		between := &tamper{sent: func(h mmal.Header, msg []byte) bool {
			var m mmal.ParameterSetRequest
			if h.ID == mmal.PortParameterSet && mmal.Decode(msg, &m) == nil {
				set[m.ID] = slices.Clone(m.Value)
			}
			return true
		}}
		var mu sync.Mutex
		var stream []byte
		cfg.Streams[0].Sink = func(au camera.AccessUnit) {
			mu.Lock()
			defer mu.Unlock()
			for _, n := range au.NALs {
				stream = append(append(stream, 0, 0, 0, 1), n...)
			}
		}
		vc, err := vcemu.New(vcemu.Config{})
		if err != nil {
			t.Fatal(err)
		}
		open := func(ctx context.Context) (mmal.Transport, error) {
			transport, err := vc.Dial(ctx)
			return &tampered{Transport: transport, tamper: between}, err
		}
		cam, err := camera.New(cfg, open, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer time.AfterFunc(time.Duration(seconds)*time.Second, cancel).Stop()
		gpu, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { vc.Run(gpu) })
		if err := cam.Run(ctx); err != nil {
			t.Error(err)
		}
		stop()
		running.Wait()
		if err := os.WriteFile(file, stream, 0o600); err != nil {
			t.Fatal(err)
		}
	})
	return file, set
}

// probed is what ffprobe and ffmpeg's trace_headers say of a file.
type probed struct {
	Streams []struct {
		Profile      string
		Level        int
		RFrameRate   string `json:"r_frame_rate"`
		AvgFrameRate string `json:"avg_frame_rate"`
	}
	Frames []struct {
		KeyFrame int `json:"key_frame"`
	}
	quants   []int // of each slice
	recovery bool  // there is an SEI recovery point
}

func probe(t *testing.T, file string) probed {
	t.Helper()
	run := func(name string, args ...string) []byte {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed: run tools/testdeps", name)
		}
		out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return out
	}
	var p probed
	out := run("ffprobe", "-v", "error", "-show_streams", "-show_frames", "-show_entries",
		"stream=profile,level,r_frame_rate,avg_frame_rate:frame=key_frame", "-of", "json", file)
	if err := json.Unmarshal(out, &p); err != nil || len(p.Streams) != 1 {
		t.Fatalf("ffprobe says %s (%v)", out, err)
	}
	headers := run("ffmpeg", "-v", "trace", "-i", file, "-c", "copy", "-bsf:v", "trace_headers", "-f", "null", "-")
	for _, m := range regexp.MustCompile(`slice_qp_delta +[01]+ = (-?\d+)`).FindAllSubmatch(headers, -1) {
		delta, err := strconv.Atoi(string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		p.quants = append(p.quants, 26+delta)
	}
	p.recovery = regexp.MustCompile(`recovery_frame_cnt`).Match(headers)
	return p
}

// distance is the number of pictures from each key frame to the next, if that is always the same, else -1.
func (p probed) distance() int {
	first, last, distance := true, 0, 0
	for i, f := range p.Frames {
		if f.KeyFrame == 0 {
			continue
		}
		switch {
		case !first && distance == 0:
			distance = i - last
		case !first && i-last != distance:
			return -1
		}
		first, last = false, i
	}
	return distance
}

// TestEncoderOptions holds what each option of a stream makes of it, in the eyes of ffmpeg.
func TestEncoderOptions(t *testing.T) {
	type want struct {
		profile       string
		level         int
		rate          string
		distance      int
		least, most   int // quantisers
		intraRefresh  mmal.RefreshMode
		refreshWanted bool
	}
	usual := want{"High", 40, "30/1", 30, 1, 51, 0, false}
	tests := []struct {
		name   string
		change func(*camera.Config, *camera.StreamConfig)
		want   func(*want)
	}{
		{"as usual", func(*camera.Config, *camera.StreamConfig) {}, func(*want) {}},
		{"main", func(_ *camera.Config, s *camera.StreamConfig) { s.Profile = "main" }, func(w *want) { w.profile = "Main" }},
		{"baseline", func(_ *camera.Config, s *camera.StreamConfig) { s.Profile = "baseline" }, func(w *want) { w.profile = "Baseline" }},
		{"constrained", func(_ *camera.Config, s *camera.StreamConfig) { s.Profile = "constrained" },
			func(w *want) { w.profile = "Constrained Baseline" }},
		{"level 3.1", func(_ *camera.Config, s *camera.StreamConfig) { s.Level = "3.1" }, func(w *want) { w.level = 31 }},
		{"level 4.2", func(_ *camera.Config, s *camera.StreamConfig) { s.Level = "4.2" }, func(w *want) { w.level = 42 }},
		{"key frames", func(_ *camera.Config, s *camera.StreamConfig) { s.KeyFrameInterval = 300 * time.Millisecond },
			func(w *want) { w.distance = 9 }},
		{"constant quantiser", func(_ *camera.Config, s *camera.StreamConfig) { s.Bitrate, s.QP = 0, 30 },
			func(w *want) { w.least, w.most = 30, 30 }},
		{"least quantiser", func(_ *camera.Config, s *camera.StreamConfig) { s.Bitrate, s.MinQP = 20_000_000, 20 },
			func(w *want) { w.least, w.most = 20, 20 }},
		{"largest quantiser", func(_ *camera.Config, s *camera.StreamConfig) { s.Bitrate, s.MaxQP = 128_000, 24 },
			func(w *want) { w.most = 24 }},
		{"one of six frames", func(_ *camera.Config, s *camera.StreamConfig) { s.FrameRate = 5 },
			func(w *want) { w.rate, w.distance = "5/1", 5 }},
		{"a film's rate", func(c *camera.Config, s *camera.StreamConfig) { c.FrameRate, s.FrameRate = 12.5, 12.5 },
			func(w *want) { w.rate, w.distance = "25/2", 13 }},
		{"intra refresh", func(_ *camera.Config, s *camera.StreamConfig) { s.IntraRefresh = "adaptive" },
			func(w *want) { w.intraRefresh, w.refreshWanted = mmal.RefreshAdaptive, true }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := testConfig()
			cfg.Snapshot.Interval = 0
			cfg.Streams = cfg.Streams[:1]
			cfg.Streams[0].Name = "any-name_0"
			tt.change(&cfg, &cfg.Streams[0])
			w := usual
			tt.want(&w)
			file, set := record(t, cfg, 3)
			p := probe(t, file)
			s := p.Streams[0]
			if s.Profile != w.profile || s.Level != w.level || s.RFrameRate != w.rate || s.AvgFrameRate != w.rate {
				t.Errorf("ffprobe says %+v, want %s at level %d, %s frames/s", s, w.profile, w.level, w.rate)
			}
			if got := p.distance(); got != w.distance {
				t.Errorf("key frames every %d pictures, want %d", got, w.distance)
			}
			if len(p.quants) != len(p.Frames) || slices.Min(p.quants) < w.least || slices.Max(p.quants) > w.most {
				t.Errorf("quantisers are %v, want them in %d..%d", p.quants, w.least, w.most)
			}
			if !p.recovery {
				t.Error("there is no SEI message")
			}
			var refresh mmal.IntraRefresh
			value, refreshed := set[mmal.ParamIntraRefresh]
			if refreshed != w.refreshWanted || refreshed && (mmal.DecodeParameter(value, &refresh) != nil || refresh.Mode != w.intraRefresh) {
				t.Errorf("intra refresh was set to %+v (%v), want %v", refresh, refreshed, w.intraRefresh)
			}
		})
	}
}
