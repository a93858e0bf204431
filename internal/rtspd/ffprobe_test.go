package rtspd

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
)

// TestFFprobe has FFmpeg judge the stream: what it is, and that its times begin near zero and rise.
func TestFFprobe(t *testing.T) {
	ffprobe, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Skip("no ffprobe in PATH (package ffmpeg)")
	}
	forProtocols(t, func(t *testing.T, protocol gortsplib.Protocol) {
		transport := map[gortsplib.Protocol]string{gortsplib.ProtocolTCP: "tcp", gortsplib.ProtocolUDP: "udp"}[protocol]
		s := run(t, Config{})
		feed(t, s.Sink("hqstream"), 33*time.Millisecond)

		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, ffprobe, "-v", "error", "-rtsp_transport", transport,
			"-analyzeduration", "300000", "-read_intervals", "%+#30", "-of", "json",
			"-show_entries", "stream=codec_name,profile,width,height:packet=pts_time,flags",
			url(t, s, "/hqstream").String())
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil || stderr.Len() > 0 {
			t.Fatalf("ffprobe: %v: %s", err, &stderr)
		}
		checkProbe(t, out)
	})
}

func checkProbe(t *testing.T, out []byte) {
	t.Helper()
	type stream struct {
		Codec         string `json:"codec_name"`
		Profile       string
		Width, Height int
	}
	var probe struct {
		Streams []stream
		Packets []struct {
			PTS   string `json:"pts_time"`
			Flags string
		}
	}
	if err := json.Unmarshal(out, &probe); err != nil {
		t.Fatal(err)
	}
	if want := (stream{"h264", "High", 64, 64}); len(probe.Streams) != 1 || probe.Streams[0] != want {
		t.Errorf("streams: got %+v, want one %+v", probe.Streams, want)
	}
	last := -1.0
	for i, p := range probe.Packets {
		if i == 0 && p.PTS == "" {
			continue // FFmpeg's parser gives the first picture of an RTP stream no time, whoever sends it
		}
		pts, err := strconv.ParseFloat(p.PTS, 64)
		if err != nil {
			t.Fatalf("packet %d: time %q: %v", i, p.PTS, err)
		}
		if pts <= last || last < 0 && pts > 1 {
			t.Errorf("packet %d: time %v after %v", i, pts, last)
		}
		last = pts
	}
	if len(probe.Packets) != 30 {
		t.Errorf("packets: got %d, want 30", len(probe.Packets))
	}
}
