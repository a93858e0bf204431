package systest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/camkrazy/camkrazy/internal/vcemu"
	"github.com/camkrazy/camkrazy/internal/webd"
	"github.com/camkrazy/camkrazy/tools/systest/qemu"
)

// fullYAML is the product's default, which --check calls 99 % of the encoder, with a password.
const fullYAML = "users: [{name: viewer, password: %s}]\n"

const (
	fullRate     = 30 // the sensor's frames in a second
	fullInterval = 2 * time.Second
	// fullUnderWay is how many pictures may be between VideoCore and the daemon's counts: those in the port's buffers, in
	// the transport, and those that are made while one question is asked after the other.
	fullUnderWay = 45
)

// testFullSize has a board with the kernel's own driver send both streams at the product's default size and rate, and
// snapshots besides. What the emulated encoders made is what the daemon counts and what a viewer sees, and what is
// missing in between is what the emulated sensor says it had no time for.
func testFullSize(t *testing.T, p product, emulator string, d time.Duration) {
	feeds := [2]feed{{"hqstream", 1640, 1232, 1}, {"lqstream", 640, 480, 6}}
	secrets := t.TempDir()
	password, _ := p.viewer.Password()
	for name, content := range map[string]string{"camera.yaml": fmt.Sprintf(fullYAML, password), "gokrazy-password.txt": p.password} {
		if err := os.WriteFile(filepath.Join(secrets, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.secrets, p.flags = secrets, nil
	p.image = qemu.Disk(filepath.Join(t.TempDir(), "full.img"))
	p.make(t)
	b := newVideoCoreBoard(t, p, emulator, boardOptions{})
	if err := b.PowerOn(); err != nil {
		t.Fatal(err)
	}
	if err := b.waitFeeds(t.Context(), feeds); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), d+2*time.Minute)
	defer cancel()
	knows := func(text string) bool { return strings.Contains(text, "the board gives 256") }
	if log, err := b.waitLog(ctx, daemonPath, knows); err != nil {
		t.Errorf("the daemon does not know gpu_mem, which the kernel's property mailbox tells (%v):\n%s", err, log)
	}
	before := b.account(t)
	counts := make([]*counter, len(feeds))
	cpu, began := b.CPUTime(), time.Now()
	var players sync.WaitGroup
	for i, f := range feeds {
		counts[i] = &counter{feed: f}
		players.Go(func() { counts[i].play(ctx, t, b.board, d) })
	}
	players.Wait()
	load := float64(b.CPUTime()-cpu) / float64(time.Since(began))
	after := b.account(t)
	b.checkAccounts(t, counts, before, after)
	checkSpans(t, counts, d)
	t.Logf("QEMU used %.2f CPUs", load)
	b.checkConsole(t)
}

// account is what both sides of the kernel's driver have counted.
type account struct {
	at       time.Time
	daemon   webd.Status
	firmware vcemu.Stats
}

func (b *videoCoreBoard) account(t *testing.T) account {
	t.Helper()
	status := b.status(t)
	_, firmware := b.stats(t)
	return account{time.Now(), status, firmware}
}

// checkAccounts compares what VideoCore, the daemon and the viewers counted.
func (b *videoCoreBoard) checkAccounts(t *testing.T, counts []*counter, before, after account) {
	t.Helper()
	took := after.at.Sub(before.at)
	drops := int(after.firmware.SensorDropped - before.firmware.SensorDropped)
	t.Logf("in %.0f s: %d sensor frames, of which this machine was too slow for %d", took.Seconds(),
		after.firmware.SensorFrames-before.firmware.SensorFrames, drops)
	for i, c := range counts {
		name := c.feed.name
		was, is := before.daemon.Streams[name], after.daemon.Streams[name]
		made := after.firmware.Encoders[i].Frames
		skipped := int(is.Dropped - was.Dropped) // by the gate, of a stream that is slower than the camera
		t.Logf("%s: the encoder made %d pictures, the daemon delivered %d and missed %d frames; a viewer saw %d, %d missing",
			name, made-before.firmware.Encoders[i].Frames, is.Frames-was.Frames, skipped, c.n, c.missing)
		if made < is.Frames || made > is.Frames+fullUnderWay {
			t.Errorf("%s: the encoder made %d pictures, and the daemon delivered %d", name, made, is.Frames)
		}
		if is.EncoderSkips != 0 || is.ReaderDrops != 0 {
			t.Errorf("%s: %d pictures were left out, %d viewers sent away", name, is.EncoderSkips, is.ReaderDrops)
		}
		if c.feed.step == 1 && (skipped > 0 || c.missing > drops) {
			t.Errorf("%s: a viewer misses %d pictures, of which the sensor dropped %d, and the daemon lost %d", name, c.missing, drops, skipped)
		}
		// The gate counts the frames that it gets: one that the sensor drops makes one gap longer.
		least, most := (c.span-drops)/c.feed.step-skipped, c.span/c.feed.step+1
		if c.n < least || c.n > most {
			t.Errorf("%s: a viewer saw %d pictures of %d frames, want %d to %d", name, c.n, c.span, least, most)
		}
	}
	stills := after.daemon.Snapshot.Frames - before.daemon.Snapshot.Frames
	if want := uint64(took / fullInterval); stills+1 < want || stills > want+1 {
		t.Errorf("%d snapshots in %v, want %d", stills, took, want)
	}
	if f := after.firmware; f.BadMessages+f.BadBuffers+f.BulkMismatches+f.MutableShared+f.OverBudget > 0 {
		t.Errorf("VideoCore has reasons to complain: %+v", f)
	}
}

// checkSpans holds that the viewers saw the stream for as long as they watched, most of it.
func checkSpans(t *testing.T, counts []*counter, d time.Duration) {
	t.Helper()
	want := int(d.Seconds() * fullRate)
	for _, c := range counts {
		if c.span < want*3/4 || c.span > want+fullRate || c.n < want/c.feed.step/2 {
			t.Errorf("%s: %d pictures from %d frames in %v, want those of %d frames", c.feed.name, c.n, c.span, d, want)
		}
	}
}
