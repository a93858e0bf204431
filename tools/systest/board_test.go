package systest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
	"github.com/camkrazy/camkrazy/internal/webd"
	"github.com/camkrazy/camkrazy/tools/systest/qemu"
)

// The appliance's ports.
const (
	rtspPort    = 8554
	webPort     = 80
	gokrazyPort = 8080
	rsyncPort   = 873
	meddlerPort = 7000 // of the test's own
)

const (
	// bootTimeout is when a board counts as dead: several times what the slowest boot takes.
	bootTimeout = 90 * time.Second
	// callTimeout bounds one question to the board.
	callTimeout = 15 * time.Second
	// pollInterval is how often a condition is looked at.
	pollInterval = 100 * time.Millisecond
)

// board is a machine with a copy of the product's image in it.
type board struct {
	*qemu.Machine
	disk qemu.Disk
	p    product
}

// newBoard makes a board, which is still off. Its console is kept among the test's artifacts.
func newBoard(t *testing.T, p product) *board {
	t.Helper()
	return newSlowBoard(t, p, 0)
}

// cardRate is what a usual SD card takes, in bytes in a second (speed class 10).
const cardRate = 10 << 20

// newSlowBoard makes a board whose card takes so many bytes in a second.
func newSlowBoard(t *testing.T, p product, writeRate int64) *board {
	t.Helper()
	return newBoardWith(t, p, qemu.Config{WriteRate: writeRate})
}

// newBoardWith makes a board of which something is special.
func newBoardWith(t *testing.T, p product, cfg qemu.Config) *board {
	t.Helper()
	disk, err := p.image.Clone(filepath.Join(t.TempDir(), "card.img"))
	if err != nil {
		t.Fatal(err)
	}
	console, err := os.Create(filepath.Join(t.ArtifactDir(), "console.log"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Disk, cfg.Console, cfg.Ports = disk, console, []int{rtspPort, webPort, gokrazyPort, rsyncPort, meddlerPort}
	m, err := qemu.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := &board{Machine: m, disk: disk, p: p}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the console's last lines:\n%s", m.Tail(30))
		}
		if err := errors.Join(m.Close(), console.Close()); err != nil {
			t.Error(err)
		}
	})
	return b
}

// start switches the board on and waits until both feeds show a picture.
func (b *board) start(t *testing.T) {
	t.Helper()
	if err := b.PowerOn(); err != nil {
		t.Fatal(err)
	}
	if err := b.waitStreaming(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// waitStreaming waits until both feeds show a picture.
func (b *board) waitStreaming(ctx context.Context) error { return b.waitFeeds(ctx, feeds) }

// waitFeeds waits until feeds of any size show a picture.
func (b *board) waitFeeds(ctx context.Context, feeds [2]feed) error {
	ctx, cancel := context.WithTimeoutCause(ctx, bootTimeout, fmt.Errorf("not streaming after %v", bootTimeout))
	defer cancel()
	for _, f := range feeds {
		err := poll(ctx, func() (bool, error) {
			return b.answers(ctx) && b.picture(ctx, f) == nil, b.Err()
		})
		if err != nil {
			return fmt.Errorf("wait for a picture of %s: %w", f.name, err)
		}
	}
	return nil
}

// poll waits until a condition holds or cannot hold any more.
func poll(ctx context.Context, holds func() (bool, error)) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if ok, err := holds(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// answers says whether there is an RTSP server. A player would take seconds to notice that there is none, as QEMU takes
// connections before the guest has a network.
func (b *board) answers(ctx context.Context) bool {
	const patience = 500 * time.Millisecond
	d := net.Dialer{Timeout: patience}
	conn, err := d.DialContext(ctx, "tcp", b.Addr(rtspPort))
	if err != nil {
		return false
	}
	defer conn.Close()
	if conn.SetDeadline(time.Now().Add(patience)) != nil {
		return false
	}
	fmt.Fprintf(conn, "OPTIONS rtsp://%s/ RTSP/1.0\r\nCSeq: 1\r\n\r\n", b.Addr(rtspPort))
	line, err := bufio.NewReader(conn).ReadString('\n')
	return err == nil && strings.HasPrefix(line, "RTSP/1.0 ")
}

// url is where a viewer finds a feed.
func (b *board) url(f feed) string {
	u := url.URL{Scheme: "rtsp", User: b.p.viewer, Host: b.Addr(rtspPort), Path: "/" + f.name}
	return u.String()
}

// ffmpeg decodes a feed to gray pictures, as they come. It starts with the first one, where it would else
// first look at some to learn what SDP has told already.
func (b *board) ffmpeg(ctx context.Context, f feed, args ...string) *exec.Cmd {
	all := []string{
		"-v", "error", "-rtsp_transport", "tcp", "-timeout", "5000000",
		"-flags", "low_delay", "-analyzeduration", "1", "-i", b.url(f), "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray",
	}
	return exec.CommandContext(ctx, "ffmpeg", append(all, args...)...)
}

// picture decodes one picture of a feed.
func (b *board) picture(ctx context.Context, f feed) error {
	_, err := b.pictureNumber(ctx, f)
	return err
}

// newerPicture says whether a feed shows a picture of at least that number.
func (b *board) newerPicture(ctx context.Context, f feed, number uint64) bool {
	n, err := b.pictureNumber(ctx, f)
	return err == nil && uint64(n) >= number
}

// pictureNumber decodes one picture of a feed and reads its number.
func (b *board) pictureNumber(ctx context.Context, f feed) (uint32, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	gray, err := b.ffmpeg(ctx, f, "-frames:v", "1", "-").Output()
	if err != nil {
		return 0, err
	}
	if len(gray) != f.width*f.height {
		return 0, fmt.Errorf("got %d pixels, want %dx%d", len(gray), f.width, f.height)
	}
	n, ok := scene.ReadStamp(gray, f.width, f.width, f.height)
	if !ok {
		return 0, errors.New("the picture has no stamp")
	}
	return n, nil
}

// get asks the appliance's web server as the viewer.
func (b *board) get(ctx context.Context, path string) (*http.Response, []byte, error) {
	password, _ := b.p.viewer.Password()
	return b.request(ctx, webPort, http.MethodGet, path, b.p.viewer.Username(), password)
}

// request asks one of the board's web servers; without a user, nobody asks.
func (b *board) request(ctx context.Context, port int, method, path, user, password string) (*http.Response, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+b.Addr(port)+path, nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", "application/json")
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	rsp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer rsp.Body.Close()
	body, err := io.ReadAll(rsp.Body)
	return rsp, body, err
}

func (b *board) status(t *testing.T) webd.Status {
	t.Helper()
	st, err := b.readStatus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// readStatus reads /status.json.
func (b *board) readStatus(ctx context.Context) (webd.Status, error) {
	var st webd.Status
	rsp, body, err := b.get(ctx, "/status.json")
	if err != nil {
		return st, err
	}
	if rsp.StatusCode != http.StatusOK {
		return st, fmt.Errorf("/status.json: %s", rsp.Status)
	}
	return st, json.Unmarshal(body, &st)
}

// sensorDrops counts the frames that the emulated sensor dropped for want of CPU time.
func (b *board) sensorDrops(t *testing.T) int {
	t.Helper()
	drops := b.status(t).Camera.EmulatedDrops
	if drops == nil {
		t.Fatal("/status.json has no emulated_drops: is the camera a real one?")
	}
	return int(*drops)
}
