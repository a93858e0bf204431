package systest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// gateway stands between gok and the board. It sees how far an update has come, and can cut the connection.
type gateway struct {
	server  *httptest.Server
	started chan struct{} // closed at the first byte of the transfer
	reached chan struct{} // closed at the place to cut
	place   place
	cut     context.Context

	mu    sync.Mutex
	sent  int64  // bytes of the transfer
	there int64  // bytes of it that count for the place to cut
	phase string // the request that is under way, or was last
	ended bool   // whether it was answered
}

// place is a point of a transfer.
type place struct {
	path  string // of the request that is meant; "" is the whole transfer
	bytes int64  // 0: none
}

// newGateway makes a gateway to the board that says when the transfer has come to a place, and breaks all connections
// when cut is done.
func newGateway(t *testing.T, b *board, at place, cut context.Context) *gateway {
	t.Helper()
	g := &gateway{started: make(chan struct{}), reached: make(chan struct{}), place: at, cut: cut}
	target := url.URL{Scheme: "http", Host: b.Addr(gokrazyPort)}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&target) },
		// Broken connections are what this is for.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	g.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(cut, cancel)()
		g.enter(r.Method + " " + r.URL.Path)
		r = r.WithContext(ctx)
		if r.Method == http.MethodPut {
			r.Body = &counted{ReadCloser: r.Body, gateway: g, counts: at.path == "" || at.path == r.URL.Path}
		}
		proxy.ServeHTTP(w, r)
		g.leave()
	}))
	t.Cleanup(func() {
		g.server.CloseClientConnections()
		g.server.Close()
	})
	return g
}

// host is where gok finds the gateway.
func (g *gateway) host() string { return g.server.Listener.Addr().String() }

func (g *gateway) enter(request string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.phase, g.ended = request, false
}

func (g *gateway) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
}

// where says how far the update is: the request, and whether the board has answered it.
func (g *gateway) where() (request string, answered bool, sent int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.phase, g.ended, g.sent
}

func (g *gateway) String() string {
	request, answered, sent := g.where()
	state := "during"
	if answered {
		state = "after"
	}
	return fmt.Sprintf("%s %s, %.1f MB sent", state, request, float64(sent)/1e6)
}

// counted is the body of a request that counts.
type counted struct {
	io.ReadCloser
	gateway *gateway
	counts  bool // for the place to cut
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.gateway.count(int64(n), c.counts)
	return n, err
}

func (g *gateway) count(n int64, counts bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.sent == 0 && n > 0 {
		close(g.started)
	}
	g.sent += n
	if !counts {
		return
	}
	if want := g.place.bytes; want > 0 && g.there < want && g.there+n >= want {
		close(g.reached)
	}
	g.there += n
}
