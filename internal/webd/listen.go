package webd

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"github.com/camkrazy/camkrazy/internal/origin"
)

const (
	// maxConns bounds the connections, so that a stranger cannot use up the file descriptors or the memory; maxFrom
	// bounds those from what counts as one address. Of IPv6 in the camera's own networks one host has several of those,
	// so maxNear bounds all that come from there: its neighbours may find no place by IPv6 then, all others do.
	maxConns = 512
	maxFrom  = 128
	maxNear  = maxConns / 2

	// sendBuffer is the size of a connection's send buffer in bytes. What waits there is late when it arrives, so it is
	// kept to the data of a moment; the kernel's own limit is 4 MB.
	sendBuffer = 256 << 10
)

// listen opens a TCP socket; key is what names it in camera.yaml.
func listen(address, key string) (*guests, error) {
	listener, err := net.Listen("tcp", address)
	if err == nil {
		return &guests{Listener: listener, from: make(map[netip.Prefix]int)}, nil
	}
	remedy := "set " + key + " in camera.yaml to an address of this machine"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		remedy = "stop the other program or set " + key + " in camera.yaml"
	case errors.Is(err, syscall.EACCES):
		remedy = "start as root, or set " + key + " in camera.yaml to a port from 1024 on"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	if sys, ok := errors.AsType[*os.SyscallError](err); ok {
		err = sys.Err
	}
	return nil, fmt.Errorf("http: listen on %s: %w; %s", address, err, remedy)
}

// guests is a listener that closes the connections of too many.
type guests struct {
	net.Listener
	finder origin.Finder

	mu      sync.Mutex // guards what follows
	open    int
	from    map[netip.Prefix]int // open ones by what counts as one address
	near    int                  // open ones by IPv6 from the networks of this machine
	refused uint64
}

// seat is what an open connection counts as.
type seat struct {
	from netip.Prefix
	near bool
}

// Accept implements net.Listener.
func (g *guests) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		at, entered := g.enter(conn.RemoteAddr().String())
		if !entered {
			conn.Close()
			continue
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetWriteBuffer(sendBuffer) // a connection that is gone says so on its first read
		}
		return &guest{Conn: conn, leave: sync.OnceFunc(func() { g.leave(at) })}, nil
	}
}

// enter counts a connection from remote, if there may be one more, as what it returns for leave.
func (g *guests) enter(remote string) (at seat, ok bool) {
	found := g.finder.Of(remote)
	g.mu.Lock()
	defer g.mu.Unlock()
	at = seat{from: origin.Key(found, g.from), near: found.Host != found.Network}
	if g.open >= maxConns || g.from[at.from] >= maxFrom || at.near && g.near >= maxNear {
		g.refused++
		return at, false
	}
	g.count(at, 1)
	return at, true
}

// count adds n to what at counts as. The caller holds mu.
func (g *guests) count(at seat, n int) {
	g.open += n
	g.from[at.from] += n
	if at.near {
		g.near += n
	}
}

func (g *guests) leave(at seat) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count(at, -1)
	if g.from[at.from] == 0 {
		delete(g.from, at.from)
	}
}

// counts returns how many connections are open, and how many were refused.
func (g *guests) counts() (open int, refused uint64) {
	if g == nil {
		return 0, 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open, g.refused
}

// guest is an open connection.
type guest struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *guest) Close() error {
	c.leave()
	return c.Conn.Close()
}
