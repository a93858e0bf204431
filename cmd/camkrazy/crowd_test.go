package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
)

// lasting is how long a test goes on that can go on for any time: short, or longer with LONG=1.
func lasting(short, long time.Duration) time.Duration {
	if os.Getenv("LONG") == "1" {
		return long
	}
	return short
}

// patience is how long a client of a busy test machine waits for a snapshot. The server's own bound is 2 s; package webd
// tests that one.
const patience = 10 * time.Second

// TestCrowd has many ask for snapshots and watch over HTTP beside readers over RTSP: nobody misses a picture, and the
// memory stays bounded.
func TestCrowd(t *testing.T) {
	const pollers, watchers, readers = 50, 10, 10
	judge(t, "ffmpeg")
	d := startDaemon(t, "")
	length := lasting(8*time.Second, 10*time.Minute)
	before, drops := d.status(), d.drops()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var crowd errgroup.Group
	for i := range pollers {
		crowd.Go(func() error { return poll(ctx, d.web, i) })
	}
	for i := range watchers {
		crowd.Go(func() error { return watchLive(ctx, d.web+"/live/"+[]string{"hqstream", "lqstream"}[i%2]+".mp4") })
	}
	reading, readingCtx := errgroup.WithContext(t.Context())
	missing := make([]int, readers)
	steps := map[string]int{"hqstream": 1, "lqstream": 6}
	lost := make(map[string]int)
	for stream, step := range steps {
		lost[stream] = d.lost(stream, step)
	}
	of := func(reader int) string {
		if reader == 0 { // one is enough to load a core
			return "hqstream"
		}
		return "lqstream"
	}
	for i := range readers {
		reading.Go(func() (err error) {
			missing[i], err = readRTSP(readingCtx, d.rtsp+"/"+of(i), steps[of(i)], length)
			return err
		})
	}
	read := reading.Wait()
	st := d.status()
	cancel()
	if err := errors.Join(read, crowd.Wait()); err != nil {
		d.skipIfOverloaded(drops, length)
		t.Error(err)
	}
	for stream, step := range steps {
		lost[stream] = d.lost(stream, step) - lost[stream]
	}
	for i, n := range missing {
		if n > lost[of(i)] {
			d.skipIfOverloaded(drops, length)
			t.Errorf("reader %d misses %d frames, of which the daemon says that it lost %d", i, n, lost[of(i)])
		}
	}
	if st.Streams["hqstream"].Watchers != watchers/2 || st.Streams["hqstream"].WatcherDrops+st.Streams["lqstream"].WatcherDrops != 0 {
		t.Errorf("in the end the streams were %+v", st.Streams)
	}
	grown := int64(st.Host.MemoryRSSBytes) - int64(before.Host.MemoryRSSBytes)
	t.Logf("%v with %d pollers, %d live views and %d readers: memory %d MB, %d MB more than before, the sensor dropped %d frames",
		length, pollers, watchers, readers, st.Host.MemoryRSSBytes>>20, grown>>20, d.drops()-drops)
	if grown > 64<<20 {
		t.Errorf("the memory has grown by %d bytes", grown)
	}
}

// TestLiveOverHTTP has ffmpeg decode the live views: all frames are there, and the first comes at once, though the streams
// have a key frame of their own only each half minute.
func TestLiveOverHTTP(t *testing.T) {
	judge(t, "ffmpeg")
	d := startDaemon(t, "streams:\n  hqstream: {keyframe_interval: 30s}\n  lqstream: {resolution: 640x480, framerate: 5, keyframe_interval: 30s}\n")
	for _, tt := range []struct {
		stream string
		step   int
	}{{"hqstream", 1}, {"lqstream", 6}} {
		lost := d.lost(tt.stream, tt.step)
		missing, err := decode(t.Context(), []string{"-i", d.web + "/live/" + tt.stream + ".mp4"}, tt.step, 3*time.Second)
		if lost = d.lost(tt.stream, tt.step) - lost; err != nil || missing > lost {
			t.Errorf("%s: %d frames are missing, of which the daemon says that it lost %d: %v", tt.stream, missing, lost, err)
		}
	}
}

// skipIfOverloaded skips a test that has failed on a machine so busy that the emulated sensor lost every third frame, or
// more: then nothing is as it is on a board. Before is what it had lost at the start.
func (d *daemon) skipIfOverloaded(before int, length time.Duration) {
	d.t.Helper()
	if lost := d.drops() - before; lost > int(length.Seconds())*sensorRate/3 {
		d.t.Skipf("this machine is too busy: the emulated sensor lost %d frames in %v", lost, length)
	}
}

// poll asks for the snapshot five times a second, until ctx is done.
func poll(ctx context.Context, web string, number int) error {
	client := http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(time.Second / 5)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		rsp, err := client.Get(web + "/camera.jpg")
		if err != nil {
			return fmt.Errorf("poller %d: %w", number, err)
		}
		picture, err := io.ReadAll(rsp.Body)
		rsp.Body.Close()
		if err != nil || rsp.StatusCode != http.StatusOK || !bytes.HasPrefix(picture, []byte{0xff, 0xd8}) || !bytes.HasSuffix(picture, []byte{0xff, 0xd9}) {
			return fmt.Errorf("poller %d: %d, %d bytes, %v", number, rsp.StatusCode, len(picture), err)
		}
	}
}

// watchLive reads a live view until ctx is done, and holds that no fragment is missing.
func watchLive(ctx context.Context, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	rsp, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	defer rsp.Body.Close()
	if rsp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(rsp.Body) // as far as it comes
		return fmt.Errorf("%s: %s, %s", url, rsp.Status, text)
	}
	body := bufio.NewReader(rsp.Body)
	var last uint32
	for {
		var header [8]byte
		if _, err := io.ReadFull(body, header[:]); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("%s after fragment %d: %w", url, last, err)
		}
		size := int64(binary.BigEndian.Uint32(header[:])) - int64(len(header))
		if string(header[4:]) != "moof" {
			io.CopyN(io.Discard, body, size) // what goes wrong shows at the next header
			continue
		}
		moof := make([]byte, size)
		io.ReadFull(body, moof)
		n := binary.BigEndian.Uint32(moof[12:]) // mfhd: size, type, version and flags, number
		if last != 0 && n != last+1 {
			return fmt.Errorf("%s: fragment %d after %d", url, n, last)
		}
		last = n
	}
}

// readRTSP has ffmpeg decode a stream for some time, and returns how many frames are missing between the first and the
// last. The frames are step apart.
func readRTSP(ctx context.Context, url string, step int, length time.Duration) (missing int, err error) {
	return decode(ctx, []string{"-rtsp_transport", "tcp", "-i", url}, step, length)
}

// decode is readRTSP for any input of ffmpeg.
func decode(ctx context.Context, input []string, step int, length time.Duration) (missing int, err error) {
	const width, height = 640, 16 // the row with the stamp, in the size that it has in a picture of 640x480
	url := input[len(input)-1]
	arguments := append([]string{"-v", "error", "-threads", "1"}, input...)
	arguments = append(arguments, "-t", strconv.FormatFloat(length.Seconds(), 'f', -1, 64), "-fps_mode", "passthrough", "-enc_time_base", "1:90000",
		"-vf", fmt.Sprintf("crop=iw:ih/30:0:0,scale=%d:%d", width, height), "-f", "rawvideo", "-pix_fmt", "gray", "-")
	cmd := exec.CommandContext(ctx, "ffmpeg", arguments...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		return 0, fmt.Errorf("ffmpeg %s: %v, %s", url, err, stderr.String())
	}
	var first, last uint32
	frames := 0
	for ; len(out) >= width*height; out = out[width*height:] {
		n, ok := scene.ReadStamp(out[:width*height], width, width, 480)
		if !ok {
			return 0, fmt.Errorf("%s: frame %d has no readable stamp", url, frames)
		}
		if frames == 0 {
			first = n
		} else {
			missing += int(n) - int(last) - step
		}
		last = n
		frames++
	}
	if span := time.Duration(last-first) * time.Second / sensorRate; span < length*3/4 {
		return 0, fmt.Errorf("%s: %d frames of %v, want them of %v", url, frames, span, length)
	}
	return missing, nil
}
