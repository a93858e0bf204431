package main

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/config"
)

// TestProblems holds that each cause is told once, with what to do after a semicolon.
func TestProblems(t *testing.T) {
	now := time.Now()
	cfg := config.Default()
	status := func(state camera.State, hq, lq, snapshot time.Duration, err error) camera.Status {
		st := camera.Status{State: state, LastError: err, Streams: make(map[string]camera.StreamStatus)}
		for name, age := range map[string]time.Duration{"hqstream": hq, "lqstream": lq} {
			if age > 0 {
				st.Streams[name] = camera.StreamStatus{LastFrame: now.Add(-age)}
			}
		}
		st.Snapshot.Last.Taken = now.Add(-snapshot)
		return st
	}
	const minute, second = time.Minute, time.Second
	tests := []struct {
		name string
		cam  camera.Status
		want []string
	}{
		{"well", status(camera.Streaming, second, second, second, errors.New("an old story")), []string{}},
		{"starting", status(camera.Starting, 0, 0, second, nil),
			[]string{"the camera is not streaming (starting); that takes some seconds after a start"}},
		{"no camera", status(camera.NoCamera, 0, 0, second, camera.ErrRefused),
			[]string{"the camera is not streaming (no camera): " + camera.ErrRefused.Error()}},
		{"without a cure", status(camera.Recovering, minute, minute, minute, errors.New("enable port: EIO")),
			[]string{"the camera is not streaming (recovering): enable port: EIO; " + byItself}},
		{"one stream", status(camera.Streaming, second, 4*second, second, nil), []string{"lqstream has had no picture for 4s; " + byItself}},
		{"all", status(camera.Streaming, 5*second, 4*second, minute, nil), []string{"hqstream and lqstream have had no picture for 5s; " + byItself}},
		{"none yet", status(camera.Streaming, 0, 0, second, nil),
			[]string{"hqstream and lqstream have had no picture yet; the first one takes some seconds after a start"}},
		{"snapshots", status(camera.Streaming, second, second, minute, nil), []string{"there has been no snapshot for 1m0s; " + byItself}},
	}
	for _, tt := range tests {
		if got := problems(cfg, tt.cam, now); !slices.Equal(got, tt.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", tt.name, got, tt.want)
		}
	}
}
