package systest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu"
	"github.com/camkrazy/camkrazy/internal/vcemu/slots"
	"github.com/camkrazy/camkrazy/tools/qemu-videocore/host"
	"github.com/camkrazy/camkrazy/tools/systest/qemu"
)

const (
	probePackage = "github.com/camkrazy/camkrazy/tools/systest/bulkprobe"
	probePath    = "/user/bulkprobe"

	meddlerPackage = "github.com/camkrazy/camkrazy/tools/systest/meddler"
	meddlerPath    = "/user/meddler"
	infoPath       = "/user/vcinfo"

	// faultLimit is how long a board may be without pictures after VideoCore has misbehaved: the daemon's own
	// deadlines, and a restart.
	faultLimit = 45 * time.Second
)

// testVideoCore boots the image without --emulate: the kernel's own VCHIQ driver talks to the emulated firmware, which
// runs outside the board.
func testVideoCore(t *testing.T, p product, e effort) {
	emulator := buildQEMU(t)
	p.flags = []string{"-extra", clockPackage + "," + probePackage + "," + meddlerPackage}
	p.image = qemu.Disk(filepath.Join(t.TempDir(), "board.img"))
	p.make(t)
	t.Run("bulk transfers", func(t *testing.T) { testBulkTransfers(t, p, emulator) })
	b := newVideoCoreBoard(t, p, emulator, boardOptions{})
	b.start(t)
	t.Run("vcinfo", func(t *testing.T) { testInfo(t, b) })
	t.Run("streams", func(t *testing.T) { testBoardStreams(t, b, e) })
	t.Run("clock", func(t *testing.T) { testClock(t, b, e.clock) })
	t.Run("kills", func(t *testing.T) { testBoardKills(t, b, e.boardKills) })
	t.Run("faults", func(t *testing.T) { testFaults(t, b) })
	b.checkConsole(t)
	t.Run("recovery", func(t *testing.T) { testRecovery(t, b, e) })
	b.PowerCut() // two boards would take each other's time
	t.Run("little memory", func(t *testing.T) { testLittleMemory(t, p, emulator) })
	t.Run("full size", func(t *testing.T) { testFullSize(t, p, emulator, e.fullSize) })
}

// buildQEMU returns the path of a QEMU that has the device.
func buildQEMU(t *testing.T) string {
	t.Helper()
	began := time.Now()
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "tools", "qemu-videocore", "build"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("build QEMU: %v\n%s", err, stderr.Bytes())
	}
	t.Logf("QEMU is there after %.0f s", time.Since(began).Seconds())
	lines := strings.Fields(string(out))
	return lines[len(lines)-1]
}

// videoCoreBoard is a board with a GPU.
type videoCoreBoard struct {
	*board
	host *host.Host
}

// boardOptions are what is special about a board with a GPU.
type boardOptions struct {
	services []slots.Service // offered in the place of the firmware's own
	memory   int64           // bytes; 0 is what other boards have
}

// newVideoCoreBoard makes a board with an emulated VideoCore behind its kernel's driver, which is still off.
func newVideoCoreBoard(t *testing.T, p product, emulator string, o boardOptions) *videoCoreBoard {
	t.Helper()
	file, err := os.Create(filepath.Join(t.ArtifactDir(), "videocore.log"))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(file, nil))
	h, err := host.New(host.Config{
		RAM: cmp.Or(o.memory, qemu.MemorySize), VideoCore: vcemu.Config{Logger: log}, Services: o.services, Logger: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	t.Cleanup(func() { // after the board's own, which is made later
		stop()
		if err := errors.Join(<-ended, h.Close(), file.Close()); err != nil {
			t.Error(err)
		}
	})
	b := newBoardWith(t, p, qemu.Config{Memory: o.memory, VideoCore: &qemu.VideoCore{Emulator: emulator, Args: h.QEMUArgs()}})
	return &videoCoreBoard{b, h}
}

// stats are what VideoCore's two halves count. The board is on.
func (b *videoCoreBoard) stats(t *testing.T) (slots.Stats, vcemu.Stats) {
	t.Helper()
	gpu := b.host.GPU()
	if gpu == nil {
		t.Fatal("the board has no VideoCore: is it on?")
	}
	return gpu.Slots.Stats(), gpu.Firmware.Stats()
}

// trouble is what the kernel says when its driver or anything else is not well.
var trouble = regexp.MustCompile(`WARNING:|BUG:|Oops|Call trace|vchiq.*(error|fail|bad|overflow)|hung task`)

// checkConsole holds that the kernel has not complained since the machine was made.
func (b *videoCoreBoard) checkConsole(t *testing.T) {
	t.Helper()
	for line := range strings.Lines(b.Tail(1 << 20)) {
		if trouble.MatchString(line) {
			t.Errorf("the kernel says: %s", line)
		}
	}
}

// testInfo runs vcinfo on the board, while the daemon is stopped.
func testInfo(t *testing.T, b *videoCoreBoard) {
	if err := b.service(t.Context(), "/stop", daemonPath, nil); err != nil {
		t.Fatal(err)
	}
	text := b.runOnce(t, infoPath, regexp.MustCompile(`GOOD |WRONG `))
	for _, want := range []string{"VCHIQ version 8", "imx219 3280x2464", "GOOD       a camera answers"} {
		if !strings.Contains(text, want) {
			t.Errorf("vcinfo does not say %q:\n%s", want, text)
		}
	}
	files := rsyncFetch(t, b.board, "logs")
	recorded := false
	for _, file := range files {
		if filepath.Base(file) == "vcinfo.txt" {
			recorded = true
		}
	}
	if !recorded {
		t.Errorf("vcinfo's recording is not in the logs: %q", files)
	}
	if err := b.service(t.Context(), "/restart", daemonPath, nil); err != nil {
		t.Fatal(err)
	}
	if err := b.waitStreaming(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// runOnce has gokrazy run a program once, and returns what it has said when a line says the word.
func (b *board) runOnce(t *testing.T, path string, word *regexp.Regexp) string {
	t.Helper()
	if err := b.service(t.Context(), "/restart", path, map[string]string{"supervise": "once"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), bootTimeout, fmt.Errorf("%s has not said %s after %v", path, word, bootTimeout))
	defer cancel()
	text, err := b.waitLog(ctx, path, word.MatchString)
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return text
}

// testBoardStreams plays both feeds and reads the pictures' numbers. What is missing must be what the emulated sensor
// has dropped.
func testBoardStreams(t *testing.T, b *videoCoreBoard, e effort) {
	_, before := b.stats(t)
	lost := b.status(t).Streams
	counts := make([]*counter, len(feeds))
	var players sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), e.stream+time.Minute)
	defer cancel()
	for i, f := range feeds {
		counts[i] = &counter{feed: f}
		players.Go(func() { counts[i].play(ctx, t, b.board, e.stream) })
	}
	memory := make(chan [2]uint64, 1)
	if e.long {
		go func() { memory <- [2]uint64{b.memoryAt(ctx, 5*time.Minute), b.memoryAt(ctx, e.stream-5*time.Minute)} }()
	}
	rsp, _, err := b.get(ctx, "/camera.jpg")
	if err != nil || rsp.StatusCode != http.StatusOK {
		t.Errorf("/camera.jpg: got %v (%v)", rsp, err)
	}
	players.Wait()
	slotStats, after := b.stats(t)
	drops := int(after.SensorDropped - before.SensorDropped)
	status := b.status(t).Streams
	for _, c := range counts {
		dropped := int(status[c.feed.name].Dropped - lost[c.feed.name].Dropped)
		t.Logf("%s: %d pictures, %d missing; the emulated sensor dropped %d frames, the daemon %d",
			c.feed.name, c.n, c.missing, drops, dropped)
		want := int(e.stream.Seconds())*cameraRate/c.feed.step - 2
		if c.missing > drops+dropped || c.n+c.missing < want || c.missing > want/10 {
			t.Errorf("%s: %d pictures and %d missing in %v, want %d and few", c.feed.name, c.n, c.missing, e.stream, want)
		}
	}
	if slotStats.ProtocolErrors+slotStats.BulkMismatches+after.BadMessages+after.BadBuffers+after.BulkMismatches > 0 {
		t.Errorf("VideoCore has reasons to complain: %+v, %+v", slotStats, after)
	}
	if e.long {
		m := <-memory
		t.Logf("the daemon's memory: %.1f MB after 5 min, %.1f MB near the end", float64(m[0])/1e6, float64(m[1])/1e6)
		if m[0] == 0 || m[1] == 0 || float64(m[1]) > 1.05*float64(m[0]) {
			t.Errorf("the daemon's memory grew from %d to %d bytes", m[0], m[1])
		}
	}
}

// counter counts a feed's pictures as they come.
type counter struct {
	feed       feed
	n, missing int
	span       int // sensor frames from the first picture to the last
}

// play decodes the feed for d, and looks at no more of each picture than its stamp.
func (c *counter) play(ctx context.Context, t *testing.T, b *board, d time.Duration) {
	rows := c.feed.height / 30
	cmd := b.ffmpeg(ctx, c.feed, "-t", fmt.Sprint(d.Seconds()), "-vf", fmt.Sprintf("format=gray,crop=%d:%d:0:0", c.feed.width, rows), "-")
	pictures, err := cmd.StdoutPipe()
	if err != nil {
		t.Error(err)
		return
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return
	}
	s := stamps{feed: c.feed}
	gray := make([]byte, c.feed.width*rows)
	for err == nil {
		if _, err = io.ReadFull(pictures, gray); err == nil {
			err = s.add(gray)
		}
	}
	c.n, c.missing, c.span = s.n, s.missing, int(s.last-s.first)
	if waitErr := cmd.Wait(); waitErr != nil || stderr.Len() > 0 || err != io.EOF {
		t.Errorf("play %s: %v, %v\n%s", c.feed.name, err, waitErr, stderr.Bytes())
	}
}

// memoryAt is the daemon's resident memory after some time, in bytes; 0 if it does not say.
func (b *board) memoryAt(ctx context.Context, after time.Duration) uint64 {
	select {
	case <-time.After(after):
	case <-ctx.Done():
		return 0
	}
	st, err := b.readStatus(ctx)
	if err != nil {
		return 0
	}
	return st.Host.MemoryRSSBytes
}

// testBoardKills kills the daemon again and again in the middle of its bulk transfers. The driver closes its service;
// nothing may be left of it.
func testBoardKills(t *testing.T, b *videoCoreBoard, kills int) {
	_, before := b.stats(t)
	opened, _ := b.stats(t)
	for i := range kills {
		if err := b.killDaemon(t.Context()); err != nil {
			t.Fatalf("kill %d: %v", i, err)
		}
		was := opened.Opened
		ctx, cancel := context.WithTimeoutCause(t.Context(), bootTimeout, errors.New("no new client"))
		err := poll(ctx, func() (bool, error) {
			opened, _ = b.stats(t)
			return opened.Opened > was, nil
		})
		if err == nil {
			err = b.waitStreaming(ctx)
		}
		cancel()
		if err != nil {
			t.Fatalf("kill %d: %v", i, err)
		}
	}
	slotStats, after := b.stats(t)
	t.Logf("%d kills: %d services opened in all, %d open; %d components, %d before", kills, slotStats.Opened, slotStats.Services,
		after.Components, before.Components)
	if slotStats.Services != 1 || after.Sessions != 1 || after.Components != before.Components {
		t.Errorf("something is left of the killed: %+v, %+v; before them %+v", slotStats, after, before)
	}
	if b.Boots() != 1 {
		t.Errorf("the board booted %d times", b.Boots())
	}
}

// testFaults has VideoCore misbehave. The daemon says what happened, and pictures come again.
func testFaults(t *testing.T, b *videoCoreBoard) {
	tamper := func(f slots.Tamper) func(*slots.VideoCore) {
		return func(v *slots.VideoCore) { v.Tamper(f) }
	}
	faults := []struct {
		name  string
		begin func(*slots.VideoCore)
		end   func(*slots.VideoCore) // nil if it ends by itself
		said  string                 // in the daemon's log; "" if it has nothing to say
		ends  bool                   // the daemon, which gokrazy starts again
	}{
		{"closes the service", (*slots.VideoCore).CloseServices, nil, "MMAL service closed by VideoCore", true},
		{"silent in the middle of a request", tamper(slots.Silence(mmal.BufferToHost)), tamper(nil), "did not answer in time", true},
		{"garbage", tamper(slots.Garbage(mmal.BufferToHost)), nil, "firmware broke the MMAL protocol", true},
		{"unknown port", tamper(slots.UnknownPort()), nil, "buffer that the firmware does not have", false},
		{"a buffer twice", tamper(slots.Twice()), nil, "buffer that the firmware does not have", false},
		{"message to a port that is none", func(v *slots.VideoCore) { v.Inject(5, 3000, 3001, []byte("hello?")) }, nil, "", false},
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			before := strings.Count(b.daemonLog(t), f.said)
			clients, _ := b.stats(t)
			began := time.Now()
			f.begin(b.host.GPU().Slots)
			if f.end != nil {
				b.waitRestart(t)
				f.end(b.host.GPU().Slots)
			}
			ctx, cancel := context.WithTimeoutCause(t.Context(), faultLimit, fmt.Errorf("no pictures after %v", faultLimit))
			defer cancel()
			// A picture whose number is newer than the fault: those that were on their way do not count.
			_, st := b.stats(t)
			err := poll(ctx, func() (bool, error) {
				return b.newerPicture(ctx, feeds[0], st.SensorFrames+2*cameraRate), b.Err()
			})
			if err == nil {
				err = b.waitStreaming(ctx)
			}
			if err != nil {
				t.Errorf("%v", err)
			}
			b.host.GPU().Slots.Tamper(nil)
			t.Logf("both feeds show pictures %.1f s after it", time.Since(began).Seconds())
			now, _ := b.stats(t)
			if ended := now.Opened > clients.Opened; ended != f.ends {
				t.Errorf("the daemon ended: %v, want %v", ended, f.ends)
			}
			log, err := b.waitLog(ctx, daemonPath, func(text string) bool { return f.said == "" || strings.Count(text, f.said) > before })
			if err != nil {
				t.Errorf("the daemon's log does not say %q (%v):\n%s", f.said, err, log)
			} else if strings.Contains(log, "panic:") {
				t.Errorf("the daemon panicked:\n%s", log)
			}
		})
	}
}

func (b *board) daemonLog(t *testing.T) string {
	t.Helper()
	text, err := b.serviceLog(t.Context(), daemonPath)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// waitRestart waits until the daemon has given up, and its service is closed.
func (b *videoCoreBoard) waitRestart(t *testing.T) {
	t.Helper()
	before, _ := b.stats(t)
	ctx, cancel := context.WithTimeoutCause(t.Context(), faultLimit, fmt.Errorf("the daemon still waits after %v", faultLimit))
	defer cancel()
	err := poll(ctx, func() (bool, error) {
		now, _ := b.stats(t)
		return now.Services == 0 || now.Opened > before.Opened, nil
	})
	if err != nil {
		t.Error(err)
	}
}

// testBulkTransfers moves awkward sizes through the kernel's driver and its page lists.
func testBulkTransfers(t *testing.T, p product, emulator string) {
	echo := slots.Service{
		FourCC: 'm'<<24 | 'm'<<16 | 'a'<<8 | 'l', Version: 16, MinVersion: 10,
		Open: func(c vcemu.Carrier) (slots.Session, error) { return echoSession{c}, nil },
		BulkOf: func(msg []byte) int {
			if len(msg) != 4 {
				return 0
			}
			return int(binary.LittleEndian.Uint32(msg))
		},
	}
	b := newVideoCoreBoard(t, p, emulator, boardOptions{services: []slots.Service{echo}})
	if err := b.PowerOn(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), bootTimeout)
	defer cancel()
	err := poll(ctx, func() (bool, error) {
		_, err := b.gokrazyStatus(ctx)
		return err == nil, b.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	// The daemon finds no MMAL there, and would be in the way.
	if err := b.service(t.Context(), "/stop", daemonPath, nil); err != nil {
		t.Fatal(err)
	}
	text := b.runOnce(t, probePath, regexp.MustCompile(`all right|FAILED`))
	t.Log(strings.TrimSpace(text[strings.LastIndex(text, "bulkprobe:"):]))
	if !strings.Contains(text, "all right") {
		t.Errorf("the probe says:\n%s", text)
	}
	if s := b.host.GPU().Slots.Stats(); s.ProtocolErrors+s.BulkMismatches > 0 {
		t.Errorf("VideoCore has reasons to complain: %+v", s)
	}
	b.checkConsole(t)
}

// echoSession sends back what it gets.
type echoSession struct{ vcemu.Carrier }

// Feed implements slots.Session.
func (e echoSession) Feed(msg, bulk []byte) error {
	e.Transmit(msg, bulk)
	return nil
}

// Close implements slots.Session.
func (e echoSession) Close() {}
