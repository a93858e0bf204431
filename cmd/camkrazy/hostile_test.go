package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// Where the attacks come from: other addresses of this machine than the one of the tests' own requests. The one that
// takes up all connections that an address may have is not the one that looks for holes.
const (
	crowder = 66
	burglar = 67
)

// TestHostile has a stranger do to the web server what strangers do, while a reader counts pictures: the program stays,
// answers others, gives away nothing and misses no picture. LONG=1 goes on for an hour.
func TestHostile(t *testing.T) {
	judge(t, "ffmpeg")
	d := startDaemon(t, "users: [{name: viewer, password: secret}]\n")
	d.user, d.password = "viewer", "secret"
	length := lasting(8*time.Second, time.Hour)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	drops, lost := d.drops(), d.lost("lqstream", 6)
	before := d.status()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	host := strings.TrimPrefix(d.web, "http://")
	var attack sync.WaitGroup
	attack.Go(func() { idle(ctx, host, 1000) })
	for i := range 8 {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		attack.Go(func() { malformed(ctx, host, random) })
		attack.Go(func() { slowly(ctx, host, random) })
	}
	var leaks errgroup.Group
	leaks.Go(func() error { return tricks(ctx, host) })
	var decent errgroup.Group
	missing := 0
	decent.Go(func() (err error) {
		missing, err = readRTSP(ctx, strings.Replace(d.rtsp, "://", "://viewer:secret@", 1)+"/lqstream", 6, length)
		return err
	})
	decent.Go(func() error { return decentClient(ctx, d.web, length) })
	if err := decent.Wait(); err != nil {
		cancel()
		d.skipIfOverloaded(drops, length)
		t.Error(err)
	}
	cancel()
	attack.Wait()
	if err := leaks.Wait(); err != nil {
		t.Error(err)
	}
	if lost = d.lost("lqstream", 6) - lost; missing > lost {
		t.Errorf("the reader misses %d frames, of which the daemon says that it lost %d; the stream is %+v", missing, lost, d.status().Streams["lqstream"])
	}
	d.waitFor("the strangers' connections to be gone", func() bool {
		var text []byte
		return d.get("/metrics", &text) == http.StatusOK && bytes.Contains(text, []byte("\ncamkrazy_http_connections 1\n"))
	})
	after := d.status()
	t.Logf("%v of attacks: the reader misses %d frames, the daemon lost %d; memory went from %d to %d MB", length, missing, lost, before.Host.MemoryRSSBytes>>20, after.Host.MemoryRSSBytes>>20)
	if grown := int64(after.Host.MemoryRSSBytes) - int64(before.Host.MemoryRSSBytes); grown > 64<<20 {
		t.Errorf("the memory has grown by %d bytes", grown)
	}
}

// dial connects from 127.0.0.from; nil when it is refused.
func dial(ctx context.Context, from byte, host string) net.Conn {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, from)}, Timeout: 5 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil
	}
	return conn
}

// idle keeps as many connections open as it can, up to n, that say nothing.
func idle(ctx context.Context, host string, n int) {
	slots := make(chan struct{}, n)
	var open sync.WaitGroup
	defer open.Wait()
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		open.Go(func() {
			defer func() { <-slots }()
			conn := dial(ctx, crowder, host)
			if conn == nil {
				return
			}
			defer conn.Close()
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			defer stop()
			io.Copy(io.Discard, conn) // until the server has had enough
			pause(ctx, 100*time.Millisecond)
		})
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// malformed sends what is no request, or one that nobody should make.
func malformed(ctx context.Context, host string, random *rand.Rand) {
	long := strings.Repeat("x", 100_000)
	requests := []string{
		"\x00\x01\x02\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"GET /" + long + " HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: " + long + "\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 20_000) + "\r\n",
		"PATCH /settings.json HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
		"PATCH /settings.json HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "PATCH /settings.json HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nAuthorization: Basic dmlld2VyOnNlY3JldA==\r\nContent-Length: 10000000\r\n\r\n" + long,
		"PATCH /settings.json HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
		"POST /settings.json/save HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
		"DESCRIBE rtsp://a/hqstream RTSP/1.0\r\nCSeq: 1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http://other/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-0,1-1,2-2,3-3\r\n\r\n",
		"GET /camera.jpg?width=99999999999&quality=-1 HTTP/1.1\r\nHost: a\r\nAuthorization: Basic " + long + "\r\n\r\n",
	}
	for ctx.Err() == nil {
		conn := dial(ctx, crowder, host)
		if conn == nil {
			pause(ctx, 50*time.Millisecond)
			continue
		}
		conn.SetDeadline(time.Now().Add(8 * time.Second))
		request := []byte(requests[random.IntN(len(requests))])
		for range random.IntN(4) { // and of some of them a damaged copy
			request[random.IntN(len(request))] ^= byte(1 << random.IntN(8))
		}
		conn.Write(request[:1+random.IntN(len(request))])
		conn.Write(request)
		io.Copy(io.Discard, io.LimitReader(conn, 1<<20))
		conn.Close()
	}
}

// slowly sends a request byte by byte, or asks for a live view and takes nothing.
func slowly(ctx context.Context, host string, random *rand.Rand) {
	const login = "Authorization: Basic dmlld2VyOnNlY3JldA==\r\n" // viewer:secret
	for ctx.Err() == nil {
		conn := dial(ctx, crowder, host)
		if conn == nil {
			pause(ctx, 50*time.Millisecond)
			continue
		}
		if random.IntN(2) == 0 {
			fmt.Fprintf(conn, "GET /live/hqstream.mp4 HTTP/1.1\r\nHost: a\r\n%s\r\n", login)
			pause(ctx, 5*time.Second)
		} else {
			request := "GET /status.json HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 100)
			for i := range request {
				if _, err := conn.Write([]byte{request[i]}); err != nil || ctx.Err() != nil {
					break
				}
				pause(ctx, 200*time.Millisecond)
			}
		}
		conn.Close()
	}
}

// tricks asks for what is not to be had, in many ways, and says which way led to something.
func tricks(ctx context.Context, host string) error {
	paths := []string{
		"/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd", "//etc/passwd", "/live/../camera.yaml", "/live/%2e%2e%2fcamera.yaml",
		"/live/hqstream.mp4%00", "/page/app.js", "/app.js/../camera.yaml", "/index.html", "/.git/config", "/etc/camkrazy/camera.yaml", "/perm/camkrazy/camera.yaml",
		"/debug/pprof/", "/app.js.map", "/C:/", "/\\..\\..\\etc\\passwd", "/settings.json/../../etc/passwd", "/live/", "/camera.jpg/..",
	}
	methods := []string{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "ANNOUNCE"}
	ours := []string{"/", "/camera.jpg", "/status.json", "/metrics", "/healthz", "/frigate.yaml", "/live/hqstream.mp4", "/app.js", "/history.json"}
	for ctx.Err() == nil {
		for _, path := range paths {
			if err := mustRefuse(ctx, host, "GET", path); err != nil {
				return err
			}
		}
		for _, path := range ours {
			for _, method := range methods[1:] {
				if err := mustRefuse(ctx, host, method, path); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// mustRefuse sends a request of a user who may watch, and holds that it is refused.
func mustRefuse(ctx context.Context, host, method, path string) error {
	conn := dial(ctx, burglar, host)
	if conn == nil && ctx.Err() != nil {
		return nil
	} else if conn == nil {
		return fmt.Errorf("%s %s: no connection", method, path)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	conn.SetDeadline(time.Now().Add(8 * time.Second))
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: a\r\nAuthorization: Basic dmlld2VyOnNlY3JldA==\r\nConnection: close\r\n\r\n", method, path)
	answer, err := io.ReadAll(io.LimitReader(conn, 1<<20))
	if ctx.Err() != nil {
		return nil
	} else if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if bytes.Contains(answer, []byte("root:")) || bytes.Contains(answer, []byte("password:")) {
		return fmt.Errorf("%s %s gives away %q", method, path, answer)
	}
	code, _, _ := strings.Cut(strings.TrimPrefix(string(answer), "HTTP/1.1 "), " ")
	switch code {
	case "301", "307", "308", "400", "403", "404", "405", "429":
		return nil
	}
	return fmt.Errorf("%s %s: got %.200q", method, path, answer)
}

// decentClient asks for what everybody may ask for, ten times a second, and wants an answer.
func decentClient(ctx context.Context, web string, length time.Duration) error {
	client := http.Client{Timeout: patience}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(length); time.Now().Before(end); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, web+"/camera.jpg", nil)
		if err != nil {
			return err
		}
		r.SetBasicAuth("viewer", "secret")
		rsp, err := client.Do(r)
		if err != nil {
			return fmt.Errorf("a decent client: %w", err)
		}
		n, err := io.Copy(io.Discard, rsp.Body)
		rsp.Body.Close()
		if err != nil || rsp.StatusCode != http.StatusOK || n != rsp.ContentLength {
			return fmt.Errorf("a decent client got %d with %d bytes of %d: %v", rsp.StatusCode, n, rsp.ContentLength, err)
		}
	}
	return nil
}
