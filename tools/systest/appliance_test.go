package systest

import (
	"bytes"
	"context"
	"fmt"
	"image/jpeg"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
)

// firstFrameLimit is the guest's time from boot to the first picture.
const firstFrameLimit = 15 * time.Second

// testAppliance boots the image and looks at all that it offers.
func testAppliance(t *testing.T, p product, e effort) {
	b := newBoard(t, p)
	b.start(t)
	took := b.Uptime(time.Now())
	t.Logf("first pictures of both feeds, decoded by ffmpeg, at %.1f s of guest time", took.Seconds())
	if took > firstFrameLimit {
		t.Errorf("first pictures after %v, want %v", took, firstFrameLimit)
	}
	t.Run("status page", func(t *testing.T) { testStatusPage(t, b) })
	t.Run("feeds", func(t *testing.T) { testFeeds(t, b, e.play) })
	t.Run("snapshot", func(t *testing.T) { testSnapshot(t, b) })
	t.Run("page", func(t *testing.T) { testPage(t, b) })
	t.Run("rsync", func(t *testing.T) { testRsync(t, b) })
	t.Run("no writes", func(t *testing.T) { testNoWrites(t, b, e.quiet) })
	t.Run("settings", func(t *testing.T) { testSettings(t, b) })
}

// testFeeds plays both feeds at once and reads the pictures' numbers.
func testFeeds(t *testing.T, b *board, d time.Duration) {
	drops := b.sensorDrops(t)
	cpu, began := b.CPUTime(), time.Now()
	files := make([]string, len(feeds))
	var players sync.WaitGroup
	for i, f := range feeds {
		files[i] = filepath.Join(t.TempDir(), f.name+".gray")
		players.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), d+time.Minute)
			defer cancel()
			cmd := b.ffmpeg(ctx, f, "-t", fmt.Sprint(d.Seconds()), files[i])
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("play %s: %v\n%s", f.name, err, out)
			}
		})
	}
	players.Wait()
	load := float64(b.CPUTime()-cpu) / float64(time.Since(began))
	drops = b.sensorDrops(t) - drops
	t.Logf("QEMU used %.2f CPUs; the emulated sensor dropped %d frames", load, drops)
	for i, f := range feeds {
		gray, err := os.ReadFile(files[i])
		if err != nil {
			t.Fatal(err)
		}
		n, missing := countPictures(t, f, gray)
		t.Logf("%s: %d pictures, %d missing", f.name, n, missing)
		// The sensor's drops are not all missing: some are of other outputs, some come before or after the play.
		if missing > drops {
			t.Errorf("%s: %d pictures of %d are missing, but the sensor dropped only %d frames", f.name, missing, n, drops)
		}
		want := int(d.Seconds())*cameraRate/f.step - 2
		if n+missing < want || missing > want/10 {
			t.Errorf("%s: %d pictures and %d missing in %v, want %d and few", f.name, n, missing, d, want)
		}
	}
}

// countPictures counts a feed's pictures and those that should have been between them, by their stamps.
func countPictures(t *testing.T, f feed, gray []byte) (n, missing int) {
	t.Helper()
	s := stamps{feed: f}
	for ; len(gray) >= f.width*f.height; gray = gray[f.width*f.height:] {
		if err := s.add(gray[:f.width*f.height]); err != nil {
			t.Fatal(err)
		}
	}
	return s.n, s.missing
}

// stamps reads the numbers of a feed's pictures.
type stamps struct {
	feed        feed
	n, missing  int
	first, last uint32
}

// add reads the next picture's number, which must be higher.
func (s *stamps) add(gray []byte) error {
	number, ok := scene.ReadStamp(gray, s.feed.width, s.feed.width, s.feed.height)
	if !ok || s.n > 0 && number <= s.last {
		return fmt.Errorf("%s: picture %d has number %d (readable: %v), after %d", s.feed.name, s.n, number, ok, s.last)
	}
	if s.n > 0 {
		s.missing += (int(number-s.last) - 1) / s.feed.step
	}
	if s.n == 0 {
		s.first = number
	}
	s.last = number
	s.n++
	return nil
}

// testSnapshot fetches the JPEG with and without the password.
func testSnapshot(t *testing.T, b *board) {
	rsp, _, err := b.request(t.Context(), webPort, http.MethodGet, "/camera.jpg", "", "")
	if err != nil || rsp.StatusCode != http.StatusUnauthorized {
		t.Errorf("/camera.jpg without a password: got %v (%v), want 401", rsp, err)
	}
	rsp, body, err := b.get(t.Context(), "/camera.jpg")
	if err != nil || rsp.StatusCode != http.StatusOK {
		t.Fatalf("/camera.jpg: got %v (%v)", rsp, err)
	}
	picture, err := jpeg.Decode(bytes.NewReader(body))
	if err != nil || picture.Bounds().Dx() != 320 || picture.Bounds().Dy() != 240 {
		t.Errorf("/camera.jpg is not a JPEG of 320x240 (%v)", err)
	}
}

// testPage fetches what a browser, Prometheus and Frigate would.
func testPage(t *testing.T, b *board) {
	for path, want := range map[string]string{
		"/": "<title>camkrazy</title>", "/app.js": "MediaSource", "/style.css": ":root", "/metrics": "camkrazy_healthy 1",
		"/frigate.yaml": ":8554/" + feeds[0].name, "/settings.json/controls": "brightness",
	} {
		rsp, body, err := b.get(t.Context(), path)
		if err != nil || rsp.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(want)) {
			t.Errorf("%s: got %v (%v), %.300q", path, rsp, err, body)
		}
	}
	if port := b.status(t).Ports.Gokrazy; port != gokrazyPort {
		t.Errorf("gokrazy's page is said to be at port %d, want %d", port, gokrazyPort)
	}
}

// testNoWrites has two viewers and somebody who fetches snapshots, and holds that nothing is written to the card. The
// kernel counts, and so does QEMU.
func testNoWrites(t *testing.T, b *board, d time.Duration) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	watchers := []*watcher{watch(ctx, b, feeds[0]), watch(ctx, b, feeds[1])}
	settle(t, b)
	kernel, card := sectorsWritten(t, b), bytesWritten(t, b)
	snapshots := 0
	began := time.Now()
	end := time.After(d)
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for quiet := true; quiet; {
		select {
		case <-again.C:
			if rsp, _, err := b.get(ctx, "/camera.jpg"); err != nil || rsp.StatusCode != http.StatusOK {
				t.Fatalf("/camera.jpg: got %v (%v)", rsp, err)
			}
			snapshots++
		case <-end:
			quiet = false
		}
	}
	sectors, bytes := sectorsWritten(t, b)-kernel, bytesWritten(t, b)-card
	t.Logf("in %.0f s with %d snapshots: %d sectors written, says the kernel; %d bytes, says QEMU (before, since boot: %d sectors)",
		time.Since(began).Seconds(), snapshots, sectors, bytes, kernel)
	if sectors != 0 || bytes != 0 {
		t.Errorf("%d sectors were written to the card", sectors)
	}
	stop()
	for _, w := range watchers {
		w.wait()
		if w.sessions != 1 {
			t.Errorf("%s was interrupted: %d connections", w.feed.name, w.sessions)
		}
	}
}

// settle waits until what the boot itself wrote to /perm is on the card: ext4 takes up to half a minute over it.
func settle(t *testing.T, b *board) {
	t.Helper()
	const silence = 35 * time.Second // the kernel's dirty_expire_centisecs and dirty_writeback_centisecs together
	ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Minute, fmt.Errorf("the card was never left alone for %v", silence))
	defer cancel()
	last, since := bytesWritten(t, b), time.Now()
	err := poll(ctx, func() (bool, error) {
		n, err := b.BytesWritten(ctx)
		if n != last {
			last, since = n, time.Now()
		}
		return last == 0 || time.Since(since) > silence, err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sectorsWritten is what the guest's kernel counts in /proc/diskstats, since it booted.
func sectorsWritten(t *testing.T, b *board) uint64 {
	t.Helper()
	n := b.status(t).Host.SDSectorsWritten
	if n == nil {
		t.Error("/status.json has no sd_sectors_written")
		return 0
	}
	return *n
}

func bytesWritten(t *testing.T, b *board) int64 {
	t.Helper()
	n, err := b.BytesWritten(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}
