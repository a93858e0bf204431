package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPlayersWithPassword has each player come each way that it knows, with the right password, a wrong one and none.
// The certificate is self-signed, which the players are told to accept.
func TestPlayersWithPassword(t *testing.T) {
	d := startDaemon(t, `camera: {resolution: 640x480, framerate: 10}
streams: {lqstream: {resolution: 320x240, framerate: 10}}
users: [{name: viewer, password: "see it"}]
`)
	ffmpeg := func(ctx context.Context, url, transport, file string) *exec.Cmd {
		return exec.CommandContext(ctx, judge(t, "ffmpeg"), "-v", "error", "-rtsp_transport", transport, "-i", url, "-frames:v", "5",
			"-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", file)
	}
	gstreamer := func(ctx context.Context, url, transport, file string) *exec.Cmd {
		return exec.CommandContext(ctx, judge(t, "gst-launch-1.0"), "-q", "rtspsrc", "location="+url, "protocols="+transport,
			"tls-validation-flags=0", "latency=100", "!", "rtph264depay", "!", "h264parse", "!", "avdec_h264", "output-corrupt=false", "!",
			"videoconvert", "!", "video/x-raw,format=GRAY8", "!", "identity", "eos-after=5", "!", "filesink", "location="+file)
	}
	ways := []struct {
		name, url, transport string
		play                 func(ctx context.Context, url, transport, file string) *exec.Cmd
	}{
		{"ffmpeg over TCP", d.rtsp, "tcp", ffmpeg},
		{"ffmpeg over UDP", d.rtsp, "udp", ffmpeg},
		{"ffmpeg over TLS", d.tls, "tcp", ffmpeg},
		{"GStreamer over TCP", d.rtsp, "tcp", gstreamer},
		{"GStreamer over UDP", d.rtsp, "udp", gstreamer},
		{"GStreamer over TLS", d.tls, "tcp", gstreamer},
	}
	for _, way := range ways {
		for user, right := range map[string]bool{"viewer:see%20it@": true, "viewer:see@": false, "": false} {
			t.Run(way.name+"/"+user, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
				defer cancel()
				file := filepath.Join(t.TempDir(), "frames.gray")
				out, err := way.play(ctx, strings.Replace(way.url, "://", "://"+user, 1)+"/lqstream", way.transport, file).CombinedOutput()
				gray, _ := os.ReadFile(file) // none is an answer, too
				if !right {
					if len(gray) > 0 {
						t.Errorf("got %d bytes of pictures", len(gray))
					}
					return
				}
				if len(gray) < 2*320*240 {
					t.Fatalf("got %d bytes of pictures (%v)\n%s", len(gray), err, out)
				}
				readStamps(t, gray, 320, 240, 1)
			})
		}
	}
}
