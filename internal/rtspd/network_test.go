package rtspd

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/pion/rtp"
)

func TestMain(m *testing.M) {
	// The tests on a network wait nearly all the time, so there may be more of them than processors.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// cast is a camera at one end of a link that films all the time: 8 Mbit/s, an IDR picture each second.
type cast struct {
	*filmed
	link *link
}

func newCast(t *testing.T) *cast {
	t.Helper()
	t.Parallel()
	c := &cast{link: newLink(t)}
	c.filmed = &filmed{size: 33_000, pts: time.Hour, gop: 30}
	cfg := Config{
		Listen: "0.0.0.0:8554", KeyFrame: func(string) { c.asked.Store(true) },
		Streams: []StreamConfig{{Name: "hqstream", FrameRate: 30}},
	}
	if err := c.link.camera.do(t, func() error { c.s = run(t, cfg); return nil }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(filmedPeriod)
		defer tick.Stop()
		for {
			c.next()
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return c
}

func (c *cast) frames() int { return int(c.s.Stats("hqstream").Frames) }

// witness is a viewer that comes back whenever it loses its session: it gives up after silence, and tries again after
// a moment. It notes what it sees.
type witness struct {
	silence time.Duration

	mu       sync.Mutex
	sessions int
	last     *rtp.Packet
	pictures int       // whole ones
	broken   int       // pictures of which packets are missing
	jumps    int       // in time, within a session
	idr      time.Time // when the newest IDR picture was whole
	isIDR    bool
	holes    bool // in the present picture
}

// witness starts one in a namespace until the test ends.
func (c *cast) witness(t *testing.T, at namespace, protocol gortsplib.Protocol, silence time.Duration) *witness {
	t.Helper()
	w := &witness{silence: silence}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			w.session(ctx, t, at, protocol)
			select {
			case <-time.After(200 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	eventually(t, "the witness sees pictures", func() bool { return w.seen() > 10 })
	return w
}

func (w *witness) session(ctx context.Context, t *testing.T, at namespace, protocol gortsplib.Protocol) error {
	const patience = time.Second // with one try to connect
	u, err := base.ParseURL("rtsp://" + cameraAddress + ":8554/hqstream")
	if err != nil {
		return err
	}
	client := &gortsplib.Client{
		Scheme: u.Scheme, Host: u.Host, Protocol: &protocol, ReadTimeout: w.silence, OnPacketsLost: func(uint64) {},
		DialContext: func(_ context.Context, network, address string) (conn net.Conn, err error) {
			err = at.do(t, func() (err error) { conn, err = net.DialTimeout(network, address, patience); return err })
			return conn, err
		},
		ListenPacket: func(network, address string) (conn net.PacketConn, err error) {
			err = at.do(t, func() (err error) { conn, err = net.ListenPacket(network, address); return err })
			return conn, err
		},
	}
	if err := client.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, client.Close)
	defer stop()
	defer client.Close()
	desc, _, err := client.Describe(u)
	if err != nil {
		return err
	}
	if err := client.SetupAll(desc.BaseURL, desc.Medias); err != nil {
		return err
	}
	w.mu.Lock()
	w.sessions++
	w.last = nil
	w.mu.Unlock()
	var f *format.H264
	client.OnPacketRTP(desc.FindFormat(&f), f, w.packet)
	if _, err := client.Play(nil); err != nil {
		return err
	}
	return client.Wait()
}

func (w *witness) packet(p *rtp.Packet) {
	w.mu.Lock()
	defer w.mu.Unlock()
	const ticks = uint32(filmedPeriod * clockRate / time.Second)
	begins := w.last == nil || w.last.Timestamp != p.Timestamp
	if gap := w.last != nil && p.SequenceNumber != w.last.SequenceNumber+1; gap || begins && w.last != nil && !w.last.Marker {
		w.holes = true
	}
	if begins {
		if w.last != nil && p.Timestamp-w.last.Timestamp > ticks+1 {
			w.jumps++
		}
		w.isIDR = beginsIDR(p.Payload)
	}
	if p.Marker {
		switch {
		case w.holes:
			w.broken++
		case w.isIDR:
			w.idr = time.Now()
			fallthrough
		default:
			w.pictures++
		}
		w.holes = false
	}
	w.last = p
}

func (w *witness) seen() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pictures
}

// copied is what the witness has noted.
func (w *witness) copied() *witness {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &witness{sessions: w.sessions, pictures: w.pictures, broken: w.broken, jumps: w.jumps, idr: w.idr}
}

// checkUnharmed holds that a viewer has had one session and every picture.
func checkUnharmed(t *testing.T, name string, w *witness) {
	t.Helper()
	if got := w.copied(); got.sessions != 1 || got.broken > 0 || got.jumps > 0 {
		t.Errorf("%s had %d sessions, %d broken pictures and %d jumps in time, want 1 and none", name, got.sessions, got.broken, got.jumps)
	}
}

// wait lets time pass on the link.
func wait(d time.Duration) { <-time.After(d) }

// backLimit is how long after the network is back a viewer may be without an IDR picture.
const backLimit = 2 * time.Second

func (w *witness) backWithin(t *testing.T, name string) {
	t.Helper()
	back := time.Now()
	eventually(t, name+" sees an IDR picture", func() bool { return w.copied().idr.After(back) })
	took := w.copied().idr.Sub(back)
	t.Logf("%s saw an IDR picture %v after the network was back", name, took.Round(time.Millisecond))
	if took > backLimit {
		t.Errorf("%s saw an IDR picture after %v, want %v at most", name, took, backLimit)
	}
}

// TestLossyNetwork loses 1 % of the packets, both ways. Over TCP that costs a little time and nothing else. Over UDP the
// session goes on, and what is missing is missing.
func TestLossyNetwork(t *testing.T) {
	c := newCast(t)
	near := c.witness(t, c.link.camera, gortsplib.ProtocolTCP, 10*time.Second)
	tcp := c.witness(t, c.link.recorder, gortsplib.ProtocolTCP, 10*time.Second)
	udp := c.witness(t, c.link.recorder, gortsplib.ProtocolUDP, 10*time.Second)
	before, beforeUDP, filmed := tcp.copied(), udp.copied(), c.frames()
	c.link.set(func(l *link) { l.loss = 0.01 })
	wait(6 * time.Second)
	after, afterUDP := tcp.copied(), udp.copied()
	c.link.set(func(l *link) { l.loss = 0 })
	checkUnharmed(t, "near viewer", near)
	checkUnharmed(t, "viewer over TCP", tcp)
	filmed = c.frames() - filmed
	if n := after.pictures - before.pictures; n < filmed*8/10 {
		t.Errorf("over TCP %d pictures of %d", n, filmed)
	}
	whole, broken := afterUDP.pictures-beforeUDP.pictures, afterUDP.broken-beforeUDP.broken
	t.Logf("over UDP %d pictures were whole and %d were not", whole, broken)
	if afterUDP.sessions != 1 || whole < filmed/2 || broken == 0 {
		t.Errorf("over UDP: %d sessions, %d whole pictures, %d broken; want 1, most and some", afterUDP.sessions, whole, broken)
	}
	if got := c.s.Stats("hqstream"); got.ReaderDrops != 0 {
		t.Errorf("%d viewers were sent away", got.ReaderDrops)
	}
}

// TestSlowNetwork has 200 ms each way.
func TestSlowNetwork(t *testing.T) {
	c := newCast(t)
	c.link.set(func(l *link) { l.delay = 200 * time.Millisecond })
	tcp := c.witness(t, c.link.recorder, gortsplib.ProtocolTCP, 10*time.Second)
	udp := c.witness(t, c.link.recorder, gortsplib.ProtocolUDP, 10*time.Second)
	before, beforeUDP, filmed := tcp.seen(), udp.seen(), c.frames()
	wait(5 * time.Second)
	filmed = c.frames() - filmed
	for name, n := range map[string]int{"TCP": tcp.seen() - before, "UDP": udp.seen() - beforeUDP} {
		if n < filmed*9/10 {
			t.Errorf("over %s %d pictures of %d", name, n, filmed)
		}
	}
	over, under := tcp.copied(), udp.copied()
	if got := c.s.Stats("hqstream"); got.ReaderDrops != 0 || over.sessions != 1 || under.sessions != 1 || over.broken != 0 {
		t.Errorf("%d viewers were sent away, %d and %d sessions, %d broken pictures over TCP", got.ReaderDrops, over.sessions, under.sessions, over.broken)
	}
}

// TestBlackout cuts the network for 10 s. A viewer over UDP keeps its session. One over TCP that has gone for good by
// itself after 3 s, and tries to come back each second, has a new one. Another one notices nothing.
func TestBlackout(t *testing.T) {
	c := newCast(t)
	near := c.witness(t, c.link.camera, gortsplib.ProtocolTCP, 10*time.Second)
	tcp := c.witness(t, c.link.recorder, gortsplib.ProtocolTCP, 3*time.Second)
	udp := c.witness(t, c.link.recorder, gortsplib.ProtocolUDP, 30*time.Second)
	c.link.set(func(l *link) { l.cut = true })
	wait(10 * time.Second)
	c.link.set(func(l *link) { l.cut = false })
	var both sync.WaitGroup
	both.Go(func() { tcp.backWithin(t, "viewer over TCP") })
	both.Go(func() { udp.backWithin(t, "viewer over UDP") })
	both.Wait()
	if got := udp.copied().sessions; got != 1 {
		t.Errorf("over UDP %d sessions, want the one", got)
	}
	checkUnharmed(t, "near viewer", near)
	eventually(t, "the old session over TCP is gone", func() bool { return c.s.Stats("hqstream").Readers == 3 })
}

// TestHiccup cuts the network for 3 s: a viewer over TCP keeps its session, loses whole pictures, and gets no late ones.
func TestHiccup(t *testing.T) {
	c := newCast(t)
	near := c.witness(t, c.link.camera, gortsplib.ProtocolTCP, 10*time.Second)
	tcp := c.witness(t, c.link.recorder, gortsplib.ProtocolTCP, 30*time.Second)
	c.link.set(func(l *link) { l.cut = true })
	wait(3 * time.Second)
	c.link.set(func(l *link) { l.cut = false })
	// How soon after that the kernel tries again is its own affair: up to as long as the network was away.
	eventually(t, "pictures are left out", func() bool { return c.s.Stats("hqstream").ReaderSkips > 0 })
	resumed := time.Now()
	eventually(t, "there is an IDR picture again", func() bool { // one that was on its way already does not count
		got := tcp.copied()
		return got.jumps > 0 && got.idr.After(resumed)
	})
	if took := tcp.copied().idr.Sub(resumed); took > backLimit {
		t.Errorf("an IDR picture came %v after the network's first packet, want %v at most", took, backLimit)
	}
	if got := tcp.copied(); got.sessions != 1 || got.broken != 0 {
		t.Errorf("got %d sessions and %d broken pictures; want 1 and none", got.sessions, got.broken)
	}
	checkUnharmed(t, "near viewer", near)
}

// TestStoppedViewer stops a player's process: after 10 s without progress it is sent away, and nobody else notices.
func TestStoppedViewer(t *testing.T) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("no ffmpeg in PATH")
	}
	c := newCast(t)
	near := c.witness(t, c.link.recorder, gortsplib.ProtocolTCP, 10*time.Second)
	player := exec.CommandContext(t.Context(), "ip", "netns", "exec", string(c.link.recorder), "ffmpeg", "-v", "error", "-rtsp_transport", "tcp",
		"-i", fmt.Sprintf("rtsp://%s:8554/hqstream", cameraAddress), "-c", "copy", "-f", "null", "-")
	player.Stderr = nil
	if err := player.Start(); err != nil {
		t.Fatal(err)
	}
	defer player.Wait()
	defer player.Process.Kill()
	eventually(t, "the player plays", func() bool { return c.s.Stats("hqstream").Readers == 2 })
	wait(time.Second)
	if err := player.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	eventually(t, "the player is sent away", func() bool { return c.s.Stats("hqstream").ReaderDrops == 1 })
	if took := time.Since(began); took < writeTimeout {
		t.Errorf("sent away after %v, want %v or more", took, writeTimeout)
	} else {
		t.Logf("sent away after %v", took.Round(100*time.Millisecond))
	}
	checkUnharmed(t, "other viewer", near)
}

var multicastGroup = netip.MustParseAddrPort("239.1.2.3:5004")

func containsAll(s string, parts ...string) bool {
	return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(s, p) })
}

// TestMulticast runs itself again in a namespace whose only network is one that leads nowhere.
func TestMulticast(t *testing.T) {
	const inside = "CAMKRAZY_RTSPD_IN_NAMESPACE"
	if os.Getenv(inside) == "" {
		needNamespaces(t)
		name := fmt.Sprintf("rtspd-%d-multicast", os.Getpid())
		ip(t, "netns add "+name)
		defer exec.Command("ip", "netns", "del", name).Run()
		ip(t, "-n "+name+" link set lo up")
		ip(t, "-n "+name+" link add lan type veth peer name nobody")
		ip(t, "-n "+name+" link set nobody up")
		ip(t, "-n "+name+" link set lan up")
		ip(t, "-n "+name+" addr add 10.78.0.1/24 dev lan")
		ip(t, "-n "+name+" route add 239.0.0.0/8 dev lan")
		cmd := exec.CommandContext(t.Context(), "ip", "netns", "exec", name, os.Args[0], "-test.run=^TestMulticast$", "-test.v")
		cmd.Env = append(os.Environ(), inside+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	s := run(t, Config{Listen: "10.78.0.1:0", Multicast: multicastGroup})
	feed(t, s.Sink("lqstream"), 5*time.Millisecond)
	v := watch(t, s, "/lqstream", gortsplib.ProtocolUDPMulticast)
	v.nextUnits(t, 12)
	other := watch(t, s, "/lqstream", gortsplib.ProtocolUDPMulticast)
	if r := other.nextReport(t); r == nil {
		t.Error("no sender report")
	}
	other.nextUnits(t, 1)
	res := dial(t, s).do(base.Setup, url(t, s, "/lqstream/trackID=0"), "Transport", "RTP/AVP;multicast")
	if got := res.Header["Transport"]; len(got) != 1 || !containsAll(got[0], "239.1.2.4", "port=5004-5005") {
		t.Errorf("transport: got %v, want the second group", got)
	}
	if got := s.Stats("lqstream").Readers; got != 2 {
		t.Errorf("readers: got %d, want 2", got)
	}
}
