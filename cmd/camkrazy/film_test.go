package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const (
	filmWidth, filmHeight, filmRate = 1280, 720, 15
	// filmShot is the length of one of the film's three shots, in frames.
	filmShot = 60
	// photographs is where Debian's lomiri-wallpapers-16.04 keeps them.
	photographs = "/usr/share/backgrounds"
)

// makeFilm makes a film of 12 s out of photographs, with zooms, pans and two hard cuts.
func makeFilm(t *testing.T) string {
	t.Helper()
	shots := []struct{ photo, zoompan string }{
		{"Bridge_by_Sander_Klootwijk.jpg", "z='1+0.003*on':x='(iw-iw/zoom)/2':y='(ih-ih/zoom)/3'"},
		{"seeding_by_Clements_Engelhardt.jpg", "z=1.5:x='on*6':y='on*3'"},
		{"picosdeeuropa_by_Aitzol_Berasategi.jpg", "z='1.4-0.004*on':x='on*4':y='(ih-ih/zoom)/2'"},
	}
	args := []string{"-v", "error", "-y"}
	var graph, joined strings.Builder
	for i, s := range shots {
		photo := filepath.Join(photographs, s.photo)
		if _, err := os.Stat(photo); err != nil {
			t.Skipf("%s is not there: run tools/testdeps", photo)
		}
		args = append(args, "-i", photo)
		fmt.Fprintf(&graph, "[%d]scale=2560:1440:force_original_aspect_ratio=increase,crop=2560:1440,zoompan=%s:d=%d:s=%dx%d:fps=%d[%c];",
			i, s.zoompan, filmShot, filmWidth, filmHeight, filmRate, 'a'+i)
		fmt.Fprintf(&joined, "[%c]", 'a'+i)
	}
	fmt.Fprintf(&joined, "concat=n=%d,format=yuv420p", len(shots))
	file := filepath.Join(t.TempDir(), "film.y4m")
	output(t, true, "ffmpeg", append(args, "-filter_complex", graph.String()+joined.String(), file)...)
	return file
}

// TestRealFootage holds the emulated encoder to what a real one does with real pictures: bitrate, quality, no frame
// lost, nothing for a decoder to complain about. With the usual min_qp these pictures take less than their bitrate.
func TestRealFootage(t *testing.T) {
	const seconds = 20
	film := makeFilm(t)
	d := startDaemon(t, `
camera: {resolution: 1280x720, framerate: 15}
streams:
  hqstream: {resolution: 1280x720, framerate: 15, bitrate: 4000000, min_qp: 10}
  lqstream: {resolution: 320x180, framerate: 5, bitrate: 300000, min_qp: 10}
`, "--scene", film)
	feeds := []struct {
		name                         string
		width, height, step, bitrate int
		psnr                         float64
	}{{"hqstream", 1280, 720, 1, 4_000_000, 32}, {"lqstream", 320, 180, 3, 300_000, 0}}

	files, lost := make([]string, len(feeds)), make([]int, len(feeds))
	var recorders sync.WaitGroup
	for i, f := range feeds {
		files[i] = filepath.Join(t.TempDir(), f.name+".mkv")
		lost[i] = d.lost(f.name, f.step)
		recorders.Go(func() { record(t, d.rtsp+"/"+f.name, files[i], seconds) })
	}
	recorders.Wait()
	if t.Failed() {
		return
	}
	scenes := output(t, true, "ffmpeg", "-v", "error", "-i", film, "-f", "rawvideo", "-pix_fmt", "gray", "-")
	for i, f := range feeds {
		gray := output(t, true, "ffmpeg", "-v", "error", "-i", files[i], "-fps_mode", "passthrough",
			"-f", "rawvideo", "-pix_fmt", "gray", "-")
		s := readStamps(t, gray, f.width, f.height, f.step)
		checkUnbroken(t, s, d.lost(f.name, f.step)-lost[i], seconds*filmRate/f.step/2)
		checkBitrate(t, files[i], f.name, f.bitrate, float64(s.last-s.first+uint32(f.step))/filmRate)
		if f.psnr == 0 {
			continue
		}
		mean, worst := filmPSNR(t, gray, scenes)
		t.Logf("%s: luma PSNR %.2f dB in the mean, %.2f dB in the worst frame", f.name, mean, worst)
		if mean < f.psnr {
			t.Errorf("%s: luma PSNR %.2f dB, want %v", f.name, mean, f.psnr)
		}
	}
}

// record stores a stream as it comes.
func record(t *testing.T, url, file string, seconds int) {
	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", url,
		"-t", fmt.Sprint(seconds), "-c", "copy", file)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("record %s: %v\n%s", url, err, out)
	}
}

// checkBitrate holds the rate control to 15 %, over the film's own time and not the clock's.
func checkBitrate(t *testing.T, file, name string, want int, seconds float64) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	got := float64(info.Size()) * 8 / seconds
	t.Logf("%s: %.0f bit/s", name, got)
	if math.Abs(got/float64(want)-1) > 0.15 {
		t.Errorf("%s: %.0f bit/s, want %d within 15 %%", name, got, want)
	}
}

// filmPSNR compares frames with those of the film that their stamps name, below the stamps.
func filmPSNR(t *testing.T, gray, scenes []byte) (mean, worst float64) {
	t.Helper()
	const size, below = filmWidth * filmHeight, filmWidth * (filmHeight/30 + 8)
	worst = math.Inf(1)
	count := 0
	for ; len(gray) >= size; gray = gray[size:] {
		n := readStamps(t, gray[:size], filmWidth, filmHeight, 1).first
		at := int(n) * size % len(scenes)
		sum := 0
		for i, v := range scenes[at+below : at+size] {
			d := int(v) - int(gray[below+i])
			sum += d * d
		}
		psnr := 10 * math.Log10(255*255*float64(size-below)/math.Max(float64(sum), 1))
		mean += psnr
		worst = math.Min(worst, psnr)
		count++
	}
	return mean / float64(count), worst
}
