package rtspd

import (
	"bytes"
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/camkrazy/camkrazy/internal/camera"
)

// patience bounds every wait for something that should happen soon, on the busiest machine.
const patience = 30 * time.Second

// patient is a change for run: no picture is too old for greet.
func patient(s *Server) { s.fresh = time.Hour }

// tiny returns the access units of testdata/tiny.h264, PTS not set.
func tiny(t testing.TB) []camera.AccessUnit {
	t.Helper()
	data, err := os.ReadFile("testdata/tiny.h264")
	if err != nil {
		t.Fatal(err)
	}
	var units []camera.AccessUnit
	var au camera.AccessUnit
	for n := range bytes.SplitSeq(data, []byte{0, 0, 1}) {
		if n = bytes.TrimRight(n, "\x00"); len(n) == 0 {
			continue
		}
		au.NALs = append(au.NALs, n)
		if typ := n[0] & nalTypeMask; typ == nalNonIDR || typ == nalIDR {
			au.IDR = typ == nalIDR
			units = append(units, au)
			au = camera.AccessUnit{}
		}
	}
	if len(units) != 10 || !units[0].IDR || !units[5].IDR || len(units[0].NALs) != 3 {
		t.Fatalf("tiny.h264 is not what its README says: %d access units", len(units))
	}
	return units
}

// run serves cfg until the test ends. Without streams it gets hqstream and lqstream.
func run(t *testing.T, cfg Config, change ...func(*Server)) *Server {
	t.Helper()
	s, _ := start(t, cfg, change...)
	return s
}

// start is run; stop ends the server earlier.
func start(t *testing.T, cfg Config, change ...func(*Server)) (s *Server, stop func()) {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.Streams == nil {
		cfg.Streams = []StreamConfig{{Name: "hqstream", FrameRate: 30}, {Name: "lqstream", FrameRate: 5}}
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.two = 0 // most tests have one picture at first
	for _, f := range change {
		f(s)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: got error %v, want nil", err)
			}
		case <-time.After(patience):
			t.Error("Run did not end after cancellation")
		}
	})
	t.Cleanup(stop)
	return s, stop
}

// feed plays the tiny stream into a sink, a picture every period, until the test ends. PTS start at 77 hours.
func feed(t *testing.T, sink camera.Sink, period time.Duration) {
	t.Helper()
	units := tiny(t)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(period)
		defer tick.Stop()
		for i := 0; ; i++ {
			au := units[i%len(units)]
			au.PTS = 77*time.Hour + time.Duration(i)*period
			sink(au)
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
}

// received is one thing that a viewer got: a packet of either kind, as the only field that is not nil.
type received struct {
	rtp  *rtp.Packet
	rtcp rtcp.Packet
}

// viewer is a gortsplib client that plays.
type testViewer struct {
	client *gortsplib.Client
	desc   *description.Session
	format *format.H264
	got    chan received
}

func url(t testing.TB, s *Server, path string) *base.URL {
	t.Helper()
	u, err := base.ParseURL("rtsp://" + s.Addr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// watch connects and plays path. What does not fit the channel is lost.
func watch(t testing.TB, s *Server, path string, protocol gortsplib.Protocol) *testViewer {
	t.Helper()
	u := url(t, s, path)
	return watchURL(t, u, &gortsplib.Client{Scheme: u.Scheme, Host: u.Host, Protocol: &protocol})
}

// watchURL is watch with a client that has yet to start.
func watchURL(t testing.TB, u *base.URL, client *gortsplib.Client) *testViewer {
	t.Helper()
	v := &testViewer{client: client, got: make(chan received, 4096)}
	if err := v.client.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.client.Close)
	var err error
	if v.desc, _, err = v.client.Describe(u); err != nil {
		t.Fatalf("DESCRIBE %s: %v", u, err)
	}
	medi := v.desc.FindFormat(&v.format)
	if medi == nil {
		t.Fatalf("DESCRIBE %s: no H.264", u)
	}
	if err := v.client.SetupAll(v.desc.BaseURL, v.desc.Medias); err != nil {
		t.Fatalf("SETUP %s: %v", u, err)
	}
	put := func(r received) {
		select {
		case v.got <- r:
		default:
		}
	}
	v.client.OnPacketRTP(medi, v.format, func(p *rtp.Packet) { put(received{rtp: p}) })
	v.client.OnPacketRTCP(medi, func(p rtcp.Packet) { put(received{rtcp: p}) })
	if _, err := v.client.Play(nil); err != nil {
		t.Fatalf("PLAY %s: %v", u, err)
	}
	return v
}

// next returns what the viewer gets next.
func (v *testViewer) next(t testing.TB) received {
	t.Helper()
	select {
	case r := <-v.got:
		return r
	case <-time.After(patience):
		t.Fatal("the viewer gets nothing")
		return received{}
	}
}

// nextRTP returns the next RTP packet.
func (v *testViewer) nextRTP(t testing.TB) *rtp.Packet {
	t.Helper()
	for {
		if r := v.next(t); r.rtp != nil {
			return r.rtp
		}
	}
}

// eventually waits until cond holds.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("never happened: %s", what)
		}
	}
}
