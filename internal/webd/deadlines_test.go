package webd

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/certs"
	"github.com/camkrazy/camkrazy/internal/live"
)

// pipes is a network without a kernel, in which time is the test's.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

// guests is a listener on the network with the limits of a server's.
func (p *pipes) guests() *guests { return &guests{Listener: p, from: make(map[netip.Prefix]int)} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours
}

// TestDeadlines holds how long a client may take for what: a live view lasts, one who is slow does not.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, stream := liveConfig()
		network := newPipes()
		s := New(cfg)
		s.plain = network.guests()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		go slowFeed(ctx, stream)

		for request, want := range map[string]time.Duration{
			"":                              headerTimeout,
			"GET / HTTP/1.1\r\nHost: a\r\n": headerTimeout,
			"PATCH /settings.json HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n{": headerTimeout,
			"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n":                               idleTimeout,
			"GET /live/lqstream.mp4 HTTP/1.1\r\nHost: a\r\n\r\n":                     0, // no end
		} {
			if took := cutOff(t, network.dial(), request); took > 2*time.Minute != (want == 0) || want > 0 && (took < want-time.Second || took > want+5*time.Second) {
				t.Errorf("%q was cut off after %v, want %v", request, took, want)
			}
		}

		// One who asks for a live view and takes nothing.
		conn := network.dial()
		fmt.Fprint(conn, "GET /live/lqstream.mp4 HTTP/1.1\r\nHost: a\r\n\r\n")
		synctest.Wait()
		if n := stream.Stats().Watchers; n != 1 {
			t.Errorf("%d watchers, want 1", n)
		}
		time.Sleep(stuck + 2*time.Second)
		synctest.Wait()
		if n := stream.Stats().Watchers; n != 0 {
			t.Errorf("%d watchers after %v without taking anything", n, stuck)
		}
		conn.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestTakesNothingOverHTTP2 has a client ask for four live views on one connection, leave room for all that comes, and then
// take nothing from the connection itself.
func TestTakesNothingOverHTTP2(t *testing.T) {
	secure, err := certs.Load(certs.Config{Kept: filepath.Join(t.TempDir(), "tls.pem"), Host: "camkrazy"})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		cfg, stream := liveConfig()
		cfg.TLS = secure
		network := newPipes()
		s := New(cfg)
		s.secure = network.guests()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		go slowFeed(ctx, stream)

		pipe := network.dial()
		conn := tls.Client(pipe, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		// The preface, SETTINGS with a window of 1 GiB for each stream, and WINDOW_UPDATE for the connection.
		io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x04\x40\x00\x00\x00"+
			"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x3f\x00\x00\x00")
		for _, id := range []string{"\x01", "\x03", "\x05", "\x07"} { // HEADERS: GET, https, host a, the path
			io.WriteString(conn, "\x00\x00\x19\x01\x05\x00\x00\x00"+id+"\x82\x87\x01\x01a\x04\x12/live/lqstream.mp4")
		}
		for _, want := range []int{4, 0} {
			synctest.Wait()
			s.secure.mu.Lock()
			open := s.secure.open
			s.secure.mu.Unlock()
			if n := stream.Stats().Watchers; n != want || (open == 0) != (want == 0) {
				t.Errorf("%d watchers on %d connections, want %d watchers", n, open, want)
			}
			time.Sleep(stuck + 6*time.Second) // of which crypto/tls takes 5 to say that it closes
		}
		pipe.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// slowFeed gives a stream five pictures a second.
func slowFeed(ctx context.Context, stream *live.Stream) {
	tick := time.NewTicker(time.Second / 5)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
			stream.Write(idr(n))
		case <-ctx.Done():
			return
		}
	}
}

// cutOff sends a request, takes all that comes, and returns how long it was until the server closed the connection: three
// minutes if it does not.
func cutOff(t *testing.T, conn net.Conn, request string) time.Duration {
	t.Helper()
	defer conn.Close()
	began := time.Now()
	go io.WriteString(conn, request)
	conn.SetReadDeadline(began.Add(3 * time.Minute))
	if _, err := io.Copy(io.Discard, conn); err != nil {
		if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
			t.Errorf("%q: %v", request, err)
		}
	}
	return time.Since(began)
}

// TestTLS serves all over HTTPS, HTTP/2 included, with a listener without TLS beside it or not, and nothing over what is
// too old to be safe.
func TestTLS(t *testing.T) {
	for name, plain := range map[string]string{"alone": "", "beside HTTP": "127.0.0.1:0"} {
		t.Run(name, func(t *testing.T) { testTLS(t, plain) })
	}
}

// checkBounds looks at how much an HTTP/2 client may send at once, and ask for (RFC 9113 sections 6.5.2 and 6.9).
func checkBounds(t *testing.T, address string) {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	// The preface, SETTINGS without any, and PING, whose answer comes after all that the server says of itself.
	io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+"\x00\x00\x00\x04\x00\x00\x00\x00\x00"+
		"\x00\x00\x08\x06\x00\x00\x00\x00\x00camkrazy")
	const settings, ping, windowUpdate, streams, streamWindow = 4, 6, 8, 3, 4
	bounds, window := make(map[uint16]uint32), uint32(65535)
	head := make([]byte, 9)
	for head[3] != ping {
		if _, err := io.ReadFull(conn, head); err != nil {
			t.Fatal(err)
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(conn, payload); err != nil {
			t.Fatal(err)
		}
		if head[3] == windowUpdate {
			window += binary.BigEndian.Uint32(payload)
		}
		for head[3] == settings && len(payload) >= 6 {
			bounds[binary.BigEndian.Uint16(payload)] = binary.BigEndian.Uint32(payload[2:])
			payload = payload[6:]
		}
	}
	if bounds[streams] != maxStreams || bounds[streamWindow] != maxUnread || window > maxUnread {
		t.Errorf("HTTP/2: %d requests at once, of %d bytes each and %d in all; want %d, %d and %[5]d", bounds[streams],
			bounds[streamWindow], window, maxStreams, maxUnread)
	}
}

func testTLS(t *testing.T, plain string) {
	cfg, stream := liveConfig()
	secure, err := certs.Load(certs.Config{Kept: filepath.Join(t.TempDir(), "tls.pem"), Host: "camkrazy"})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listen, cfg.TLSListen, cfg.TLS = plain, "127.0.0.1:0", secure
	s := New(cfg)
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	if (s.Addr() != nil) != (plain != "") {
		t.Errorf("listens at %v without TLS, want %q", s.Addr(), plain)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	go feed(ctx, stream)
	ask := func(version uint16, http2 bool, url string) (*http.Response, error) {
		transport := &http.Transport{ForceAttemptHTTP2: http2, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MaxVersion: version}}
		t.Cleanup(transport.CloseIdleConnections)
		return (&http.Client{Transport: transport}).Get(url)
	}
	web := "https://" + s.TLSAddr().String()
	for _, major := range []int{1, 2} {
		rsp, err := ask(tls.VersionTLS13, major == 2, web+"/status.json")
		if err != nil || rsp.StatusCode != 200 || rsp.ProtoMajor != major {
			t.Errorf("HTTP/%d: got %+v, %v", major, rsp, err)
		}
	}
	if plain != "" {
		if rsp, err := ask(0, true, "http://"+s.Addr().String()+"/status.json"); err != nil || rsp.StatusCode != 200 || rsp.ProtoMajor != 1 {
			t.Errorf("without TLS: got %+v, %v", rsp, err)
		}
	}
	rsp, err := ask(tls.VersionTLS13, true, web+"/live/lqstream.mp4")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(rsp.Body, make([]byte, 20_000)); err != nil || rsp.ProtoMajor != 2 {
		t.Errorf("live view over HTTP/%d: %v", rsp.ProtoMajor, err)
	}
	rsp.Body.Close()
	if rsp, err := ask(tls.VersionTLS11, true, web+"/status.json"); err == nil {
		t.Errorf("TLS 1.1: got %v", rsp.Status)
	}
	checkBounds(t, s.TLSAddr().String())
	conn, err := net.Dial("tcp", s.TLSAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "GET /status.json HTTP/1.1\r\nHost: a\r\n\r\n")
	if line, _ := bufio.NewReader(conn).ReadString('\n'); line != "HTTP/1.0 400 Bad Request\r\n" {
		t.Errorf("without TLS: got %q", line)
	}
	conn.Close()
	if len(secure.NextProtos) != 0 {
		t.Errorf("the configuration, which RTSP shares, now offers %v", secure.NextProtos)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// broken is a network that fails when its server is told to stop.
type broken struct {
	*pipes
	stop context.CancelFunc
}

func (b *broken) Accept() (net.Conn, error) {
	conn, err := b.pipes.Accept()
	if err != nil {
		b.stop()
	}
	return conn, err
}

// TestFailureWhileStopping holds that serve has closed its connections when it returns, though both come at once.
func TestFailureWhileStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		network := newPipes()
		asked, answered := make(chan struct{}), make(chan struct{})
		ended := make(chan error, 1)
		go func() {
			ended <- New(testConfig()).serve(ctx, &broken{network, cancel}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				close(asked)
				<-answered
			}), nil)
		}()
		began := time.Now()
		conn := network.dial()
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		<-asked
		network.once.Do(func() { close(network.closed) })
		<-ended
		if took := time.Since(began); took != stopTimeout {
			t.Errorf("returned after %v, want %v, which a request has to end", took, stopTimeout)
		}
		close(answered)
		conn.Close()
	})
}
