package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
	"github.com/camkrazy/camkrazy/internal/webd"
)

// faultsConfig is small, so that many of it run at once.
const faultsConfig = `camera: {resolution: 320x240, framerate: 10}
streams:
  hqstream: {resolution: 320x240, framerate: 10, bitrate: 500000, keyframe_interval: 1s}
  lqstream: {resolution: 160x128, framerate: 5, bitrate: 200000, keyframe_interval: 1s}
snapshot: {resolution: 160x120, interval: 2s}
`

// TestFaults lets the emulated VideoCore fail while a player watches each stream. Both see pictures again over the same
// connection, which ffmpeg has nothing to say about: times go on, and it can be decoded from the first picture on.
func TestFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		script string
		watch  time.Duration
		away   [2]time.Duration // of hqstream and lqstream, at most
		done   func(st webd.Status) bool
		says   string // on /healthz meanwhile; "" if it may be too short to be seen
	}{
		{"4s:stall:lqstream", 8 * time.Second, [2]time.Duration{0, 4 * time.Second}, func(st webd.Status) bool {
			return st.Streams["lqstream"].Recoveries == 1 && st.Camera.Restarts == 0
		}, ""},
		{"4s:stall", 8 * time.Second, [2]time.Duration{4 * time.Second, 4 * time.Second}, func(st webd.Status) bool { return st.Recovery.Pipelines > 0 }, ""},
		{"4s:freeze:hqstream", 8 * time.Second, [2]time.Duration{time.Second, 0}, func(st webd.Status) bool {
			return st.Streams["hqstream"].Recoveries == 1 && st.Camera.Restarts == 0
		}, ""},
		{"4s:lockup:lqstream", 10 * time.Second, [2]time.Duration{2 * time.Second, 6 * time.Second}, func(st webd.Status) bool { return st.Recovery.Reconnects > 0 }, ""},
		{"4s:bulk", 10 * time.Second, [2]time.Duration{6 * time.Second, 6 * time.Second}, func(st webd.Status) bool { return st.Recovery.Reconnects > 0 }, ""},
		{"4s:sensor", 8 * time.Second, [2]time.Duration{2 * time.Second, 2 * time.Second}, func(st webd.Status) bool { return st.Recovery.Pipelines > 0 }, ""},
		{"4s:disconnect", 8 * time.Second, [2]time.Duration{2 * time.Second, 2 * time.Second}, func(st webd.Status) bool { return st.Recovery.Reconnects > 0 }, ""},
		{"4s:silent", 17 * time.Second, [2]time.Duration{15 * time.Second, 15 * time.Second}, func(st webd.Status) bool { return st.Recovery.Reconnects > 0 }, "did not answer in time"},
		{"4s:nocamera,4s:sensor", 17 * time.Second, [2]time.Duration{15 * time.Second, 15 * time.Second}, func(st webd.Status) bool { return st.Recovery.Reconnects > 0 }, "refuses the camera"},
	}
	for _, tt := range tests {
		t.Run(tt.script, func(t *testing.T) {
			t.Parallel()
			judge(t, "ffmpeg")
			d := startDaemon(t, faultsConfig, "--faults", tt.script)
			streams := []struct {
				name                string
				width, height, rate int
			}{{"hqstream", 320, 240, 10}, {"lqstream", 160, 128, 5}}
			drops := d.drops()
			files := make([]string, len(streams))
			var players sync.WaitGroup
			for i, s := range streams {
				files[i] = filepath.Join(t.TempDir(), "frames.gray")
				players.Go(func() {
					output(t, true, "ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", d.rtsp+"/"+s.name, "-t", fmt.Sprint(tt.watch.Seconds()),
						"-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", files[i])
				})
			}
			if tt.says != "" {
				var reason []byte
				d.waitFor("the reason on /healthz", func() bool {
					return d.get("/healthz", &reason) == http.StatusServiceUnavailable && strings.Contains(string(reason), tt.says)
				})
			}
			players.Wait()
			if t.Failed() {
				return
			}
			d.waitFor("health", func() bool { return d.get("/healthz", nil) == http.StatusOK })
			st := d.status()
			drops = d.drops() - drops
			for i, s := range streams {
				gray, err := os.ReadFile(files[i])
				if err != nil {
					t.Fatal(err)
				}
				n := countRising(t, gray, s.width, s.height, strings.Contains(tt.script, "freeze"))
				away := tt.watch - time.Duration(n)*time.Second/time.Duration(s.rate)
				t.Logf("%s: %d pictures, away for %v in all; the sensor dropped %d frames", s.name, n, away, drops)
				if limit := tt.away[i] + 500*time.Millisecond + time.Duration(drops)*time.Second/10; away > limit {
					t.Errorf("%s: away for %v, want %v", s.name, away, limit)
				}
			}
			if !tt.done(st) || st.Camera.LastError == "" {
				t.Errorf("status is %+v", st)
			}
		})
	}
}

// countRising counts gray frames whose numbers rise, or, if they may, stay the same.
func countRising(t *testing.T, gray []byte, width, height int, mayRepeat bool) (n int) {
	t.Helper()
	last := -1
	for ; len(gray) >= width*height; gray = gray[width*height:] {
		number, ok := scene.ReadStamp(gray[:width*height], width, width, height)
		if !ok || int(number) < last || int(number) == last && !mayRepeat {
			t.Fatalf("frame %d has number %d (readable: %v) after %d", n, number, ok, last)
		}
		last = int(number)
		n++
	}
	return n
}
