package webd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
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
		return &guests{Listener: listener, from: make(map[string]int)}, nil
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

	mu      sync.Mutex // guards what follows
	open    int
	from    map[string]int // open ones by address
	refused uint64
}

// Accept implements net.Listener.
func (g *guests) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := addressOf(conn.RemoteAddr().String())
		if !g.enter(from) {
			conn.Close()
			continue
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetWriteBuffer(sendBuffer) // a connection that is gone says so on its first read
		}
		return &guest{Conn: conn, leave: sync.OnceFunc(func() { g.leave(from) })}, nil
	}
}

func (g *guests) enter(from string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open >= maxConns || g.from[from] >= maxFrom {
		g.refused++
		return false
	}
	g.open++
	g.from[from]++
	return true
}

func (g *guests) leave(from string) {
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

// addressOf is the IP address of HOST:PORT.
func addressOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}
