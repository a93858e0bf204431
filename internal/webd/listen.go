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
	// bounds those from one address, so that one host cannot keep the others out.
	maxConns = 512
	maxFrom  = 128

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
	refused uint64
}

// Accept implements net.Listener.
func (g *guests) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, entered := g.enter(conn.RemoteAddr().String())
		if !entered {
			conn.Close()
			continue
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetWriteBuffer(sendBuffer) // a connection that is gone says so on its first read
		}
		return &guest{Conn: conn, leave: sync.OnceFunc(func() { g.leave(from) })}, nil
	}
}

// enter counts a connection from remote, if there may be one more, under the address that it returns for leave.
func (g *guests) enter(remote string) (from netip.Prefix, ok bool) {
	at := g.finder.Of(remote)
	g.mu.Lock()
	defer g.mu.Unlock()
	from = origin.Key(at, g.from)
	if g.open >= maxConns || g.from[from] >= maxFrom {
		g.refused++
		return from, false
	}
	g.open++
	g.from[from]++
	return from, true
}

func (g *guests) leave(from netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open--
	if g.from[from]--; g.from[from] == 0 {
		delete(g.from, from)
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
