package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
)

// TestDefault starts the daemon as `make run` does, and looks at all that it offers.
func TestDefault(t *testing.T) {
	d := startDaemon(t, "")
	probes := []struct {
		stream        string
		width, height int
		rate          string
	}{{"hqstream", 1640, 1232, "30/1"}, {"lqstream", 640, 480, "5/1"}}
	for _, p := range probes {
		checkProbe(t, d, p.stream, p.width, p.height, p.rate)
	}
	checkSnapshot(t, d)
	st := d.status()
	if !st.Healthy || len(st.Problems) != 0 || st.Camera.Sensor != "imx219" || st.Streams["lqstream"].Frames == 0 {
		t.Errorf("status is %+v", st)
	}
	if took, err := d.stop(); err != nil || took > 2*time.Second {
		t.Errorf("SIGTERM: ended after %v with %v, want exit code 0 within 2 s", took, err)
	}
}

func checkSnapshot(t *testing.T, d *daemon) {
	t.Helper()
	rsp, err := http.Get(d.web + "/camera.jpg")
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	img, err := jpeg.Decode(rsp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if size := img.Bounds().Size(); size.X != 800 || size.Y != 600 {
		t.Errorf("snapshot is %v, want 800x600", size)
	}
	age, err := strconv.Atoi(rsp.Header.Get("Age"))
	if err != nil || age > 3 || rsp.Header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("snapshot comes with %v", rsp.Header)
	}
}

// stamps are the frame numbers that a player saw.
type stamps struct {
	first, last uint32
	frames      int
	missing     int // frames of the stream that should have been there
}

// readStamps reads the stamps of raw gray frames, which are step apart where no sensor frame was dropped, and at least
// step apart everywhere.
func readStamps(t *testing.T, gray []byte, width, height, step int) stamps {
	t.Helper()
	var s stamps
	for len(gray) >= width*height {
		n, ok := scene.ReadStamp(gray[:width*height], width, width, height)
		gray = gray[width*height:]
		if !ok {
			t.Fatalf("frame %d has no readable stamp", s.frames)
		}
		if s.frames == 0 {
			s.first = n
		} else if n < s.last+uint32(step) {
			t.Fatalf("frame %d: number %d after %d, want %d or more", s.frames, n, s.last, s.last+uint32(step))
		} else {
			s.missing += int(n-s.last) - step
		}
		s.last = n
		s.frames++
	}
	return s
}

// drops is how many frames the emulated sensor has dropped for want of CPU time.
func (d *daemon) drops() int {
	d.t.Helper()
	return int(*d.status().Camera.EmulatedDrops)
}

// lost is how many sensor frames a stream lacks by the daemon's own count: those that the emulated sensor dropped, and
// step for each picture that the encoder left out or the camera dropped, both for want of CPU time.
func (d *daemon) lost(stream string, step int) int {
	d.t.Helper()
	st := d.status()
	s := st.Streams[stream]
	return int(*st.Camera.EmulatedDrops) + step*int(s.Dropped+s.EncoderSkips)
}

// checkUnbroken holds that no frame is missing but those that were lost meanwhile by the daemon's own count.
func checkUnbroken(t *testing.T, s stamps, lost, atLeast int) {
	t.Helper()
	if s.frames < atLeast {
		t.Errorf("got %d frames, want %d", s.frames, atLeast)
	}
	if s.missing > lost {
		t.Errorf("%d frames are missing, of which the daemon says that it lost %d", s.missing, lost)
	} else if lost > 0 {
		t.Logf("this machine was too slow for %d frames", lost)
	}
}

const threeSeconds = "3"

// TestPlayers has each player decode both streams and reads the frames' numbers.
func TestPlayers(t *testing.T) {
	d := startDaemon(t, "")
	streams := []struct {
		name                string
		width, height, step int
	}{{"hqstream", 1640, 1232, 1}, {"lqstream", 640, 480, 6}}
	for _, s := range streams {
		url := d.rtsp + "/" + s.name
		frames := 90/s.step - 2
		players := map[string]func(t *testing.T, file string){
			"ffmpeg over TCP": func(t *testing.T, file string) {
				output(t, true, "ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", url, "-t", threeSeconds,
					"-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", file)
			},
			"ffmpeg over UDP": func(t *testing.T, file string) {
				output(t, true, "ffmpeg", "-v", "error", "-rtsp_transport", "udp", "-i", url, "-t", threeSeconds,
					"-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", file)
			},
			"GStreamer over TCP": func(t *testing.T, file string) { gstreamer(t, url, "tcp", frames, file) },
			"GStreamer over UDP": func(t *testing.T, file string) { gstreamer(t, url, "udp", frames, file) },
		}
		for name, play := range players {
			t.Run(name+"/"+s.name, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "frames.gray")
				before, datagrams := d.lost(s.name, s.step), datagramsLost(t)
				play(t, file)
				if strings.Contains(name, "UDP") && datagramsLost(t) != datagrams {
					t.Log("the kernel lost datagrams for want of buffer space: once more")
					before = d.lost(s.name, s.step)
					play(t, file)
				}
				gray, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				checkUnbroken(t, readStamps(t, gray, s.width, s.height, s.step), d.lost(s.name, s.step)-before, frames/2)
			})
		}
	}
}

// datagramsLost counts the UDP datagrams that this machine's kernel had no room for (proc(5), net/snmp: the second line
// that starts with Udp has the values, RcvbufErrors the fifth).
func datagramsLost(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/net/snmp")
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "Udp:") {
			values = strings.Fields(line)
		}
	}
	if len(values) < 6 {
		t.Fatalf("/proc/net/snmp has no count of lost datagrams: %q", values)
	}
	return values[5]
}

// gstreamer decodes a stream until it has so many frames. What comes before the first IDR picture the decoder knows to
// be incomplete: it is told not to show that. At the end rtspsrc pauses and tears down from two threads; when the PAUSE
// comes second it finds the connection closed, and calls that an error, but then all frames are there.
func gstreamer(t *testing.T, url, protocol string, frames int, file string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, judge(t, "gst-launch-1.0"), "-q", "rtspsrc", "location="+url, "protocols="+protocol,
		"latency=200", "!", "rtph264depay", "!", "h264parse", "!", "avdec_h264", "output-corrupt=false", "!", "videoconvert", "!",
		"video/x-raw,format=GRAY8", "!", "identity", fmt.Sprintf("eos-after=%d", frames), "!", "filesink", "location="+file)
	out, err := cmd.CombinedOutput()
	if err != nil && !bytes.Contains(out, []byte("gst_rtspsrc_pause")) {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}

// TestVLC has VLC decode what ffmpeg receives: Debian's VLC is built without its RTSP client (Debian bug 981439).
func TestVLC(t *testing.T) {
	d := startDaemon(t, "")
	for _, stream := range []string{"hqstream", "lqstream"} {
		t.Run(stream, func(t *testing.T) {
			dir := publicDir(t)
			clip := filepath.Join(dir, "clip.ts")
			output(t, true, "ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", d.rtsp+"/"+stream, "-t", threeSeconds,
				"-c", "copy", clip)
			ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
			defer cancel()
			cmd := exec.CommandContext(ctx, judge(t, "cvlc"), "-q", "--no-audio", clip, "--vout=dummy", "--video-filter=scene",
				"--scene-format=png", "--scene-ratio=5", "--scene-path="+dir, "--play-and-exit",
				"--no-drop-late-frames", "--no-skip-frames")
			cmd.Env = append(os.Environ(), "HOME="+dir)
			if os.Getuid() == 0 { // as whom VLC does not run
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("cvlc: %v\n%s", err, out)
			}
			checkPNGStamps(t, dir)
		})
	}
}

// nobody is the user without rights, as Debian numbers it.
const nobody = 65534

// publicDir is a folder that others may use.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "camkrazy-vlc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// checkPNGStamps holds that pictures have readable numbers that rise.
func checkPNGStamps(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.png"))
	if err != nil || len(files) < 2 {
		t.Fatalf("VLC decoded %d pictures (%v)", len(files), err)
	}
	var last uint32
	for _, file := range files { // Glob sorts them
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		gray := image.NewGray(img.Bounds())
		draw.Draw(gray, gray.Rect, img, img.Bounds().Min, draw.Src)
		n, ok := scene.ReadStamp(gray.Pix, gray.Stride, gray.Rect.Dx(), gray.Rect.Dy())
		if !ok || n <= last {
			t.Errorf("%s: stamp %d (readable: %v) after %d", filepath.Base(file), n, ok, last)
		}
		last = n
	}
}

// TestUsers has players come with and without a password.
func TestUsers(t *testing.T) {
	d := startDaemon(t, "users: [{name: viewer, password: \"see it\"}, {name: nvr, password: record}]")
	withUser := func(user string) string {
		return strings.Replace(d.rtsp, "rtsp://", "rtsp://"+user+"@", 1) + "/lqstream"
	}
	probe := func(url string) error {
		ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
		defer cancel()
		return exec.CommandContext(ctx, judge(t, "ffprobe"), "-v", "error", "-rtsp_transport", "tcp",
			"-analyzeduration", "100000", url).Run()
	}
	for _, user := range []string{"viewer:see%20it", "nvr:record"} {
		if err := probe(withUser(user)); err != nil {
			t.Errorf("%s: ffprobe ends with %v", user, err)
		}
	}
	for _, url := range []string{d.rtsp + "/lqstream", withUser("viewer:record"), withUser("root:root")} {
		if probe(url) == nil {
			t.Errorf("%s was let in", url)
		}
	}
	file := filepath.Join(t.TempDir(), "frames.gray")
	gstreamer(t, withUser("nvr:record"), "tcp", 3, file)
	if gray, err := os.ReadFile(file); err != nil || len(gray) < 2*640*480 {
		t.Errorf("GStreamer with a password got %d bytes of pictures: %v", len(gray), err)
	}
	if code := d.get("/camera.jpg", nil); code != http.StatusUnauthorized {
		t.Errorf("snapshot without a password: got %d", code)
	}
}

// TestViewersComeAndGo holds that a viewer who leaves takes everything along: the daemon runs in this process, so that
// its goroutines can be counted as well as its files.
func TestViewersComeAndGo(t *testing.T) {
	rtsp := freeAddress(t)
	file := filepath.Join(t.TempDir(), "camera.yaml")
	config := fmt.Sprintf("rtsp: {listen: \"%s\"}\nhttp: {listen: \"\"}\n", rtsp)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var log syncBuffer
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"--emulate", "--ram", "", "--config", file}, io.Discard, &log) }()
	view := func(i int) {
		output(t, false, "ffprobe", "-v", "error", "-rtsp_transport", []string{"tcp", "udp"}[i%2], "-analyzeduration", "100000",
			"rtsp://"+rtsp+[]string{"/hqstream", "/lqstream"}[i/2%2])
	}
	for waitForPort(t, rtsp); strings.Count(log.String(), "viewer left") < 4; {
		view(strings.Count(log.String(), "viewer left")) // until everything has been used once
	}
	leavesNothing(t, "goroutines and open files", func() int { return runtime.NumGoroutine() + openFiles() }, 50, view)
	cancel()
	if code := <-ended; code != exitStopped {
		t.Errorf("the daemon ended with %d:\n%s", code, log.String())
	}
}

func openFiles() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(entries)
}

// waitForPort waits until somebody listens.
func waitForPort(t *testing.T, address string) {
	t.Helper()
	until(t, "the daemon to listen", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// leavesNothing holds that visits leave nothing in a count, which goes up and down by a few by itself: each would leave
// one at least.
func leavesNothing(t *testing.T, what string, count func() int, visits int, visit func(i int)) {
	t.Helper()
	before := count()
	if before <= 0 {
		t.Fatalf("there is no count of %s", what)
	}
	for i := range visits {
		visit(i)
	}
	var left int
	defer func() { t.Logf("%s: %d before, %d after %d visits", what, before, left, visits) }()
	until(t, fmt.Sprintf("%s to be at most %d", what, before+visits/10), func() bool {
		left = count()
		return left <= before+visits/10
	})
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for !holds() {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("waited too long for %s", what)
		}
	}
}
