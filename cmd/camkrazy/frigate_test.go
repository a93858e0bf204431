package main

import (
	"os"
	"testing"
	"time"

	"github.com/camkrazy/camkrazy/tools/frigate"
)

// TestFrigate records both streams with both of Frigate's presets at once: for 32 s, or for half an hour with LONG=1.
func TestFrigate(t *testing.T) {
	t.Parallel()
	judge(t, "ffmpeg")
	length := 32 * time.Second
	if long := os.Getenv("LONG"); long != "" && long != "0" {
		length = 30 * time.Minute
	}
	d := startDaemon(t, `camera: {resolution: 640x480, framerate: 15}
streams:
  hqstream: {resolution: 640x480, framerate: 15}
  lqstream: {resolution: 320x240, framerate: 5}
`)
	streams := map[string]string{"hqstream": d.rtsp + "/hqstream", "lqstream": d.rtsp + "/lqstream"}
	recordings, err := frigate.RecordAll(t.Context(), streams, t.TempDir(), length)
	if err != nil {
		t.Fatal(err)
	}
	const gop, slack = time.Second, 300 * time.Millisecond // pictures of a busy machine arrive late
	for name, r := range recordings {
		t.Logf("%s: %v, %d pictures together with another one", name, r.Segments, r.Together)
		if err := r.Check(int(length/frigate.SegmentTime)-1, gop, slack); err != nil {
			t.Errorf("%s: %v\n%s", name, err, r.Log)
		}
	}
}
