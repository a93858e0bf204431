package rtspd

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	// udpPairs is how many pairs of UDP ports are tried, upwards from the RTSP port.
	udpPairs = 64

	// unsent is how many bytes may wait in the kernel for being sent for the first time. They are late when they arrive,
	// and cannot be taken back. What is on its way does not count, of which a slow network needs more.
	unsent = 128 << 10

	// acceptPause is how long nothing is accepted after the kernel had no room for another connection.
	acceptPause = 100 * time.Millisecond
)

// sockets are what a server listens on. They are a net.Listener whose connections come from plain and from secure.
type sockets struct {
	log           *slog.Logger
	plain, secure net.Listener // nil if there is none
	rtp, rtcp     net.PacketConn

	accepted chan net.Conn
	serving  chan struct{} // closed when there are streams to serve
	closed   chan struct{}
	shut     func()
	accept   sync.WaitGroup
}

// openSockets binds the ports of RTSP and RTSPS, either of which may be empty, and on RTSP's address a pair of UDP
// ports: RTP on an even one, RTCP on the next (RFC 3550 section 11).
func openSockets(plain, secure string, cfg *tls.Config, log *slog.Logger) (*sockets, error) {
	s := &sockets{log: log, accepted: make(chan net.Conn), serving: make(chan struct{}), closed: make(chan struct{})}
	s.shut = sync.OnceFunc(func() { close(s.closed) })
	if err := s.open(plain, secure, cfg); err != nil {
		s.Close()
		return nil, err
	}
	for _, l := range s.listeners() {
		s.accept.Go(func() { s.acceptFrom(l) })
	}
	return s, nil
}

func (s *sockets) open(plain, secure string, cfg *tls.Config) (err error) {
	if plain != "" {
		if s.plain, err = listen("rtsp.listen", plain); err != nil {
			return err
		}
		host, _, _ := net.SplitHostPort(plain)
		if s.rtp, s.rtcp, err = openPair(host, s.plain.Addr().(*net.TCPAddr).Port); err != nil {
			return err
		}
	}
	if secure != "" {
		tcp, err := listen("rtsp.tls_listen", secure)
		if err != nil {
			return err
		}
		s.secure = tls.NewListener(tcp, cfg)
	}
	return nil
}

// listen binds the TCP address that a key of camera.yaml has.
func listen(key, address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("rtsp: listen address: %w", err)
	}
	l, err := net.Listen(network("tcp", host), address)
	if err != nil {
		return nil, listenError(key, address, err)
	}
	return sizedListener{l}, nil
}

// openPair binds the first free pair of ports above the RTSP port.
func openPair(host string, rtspPort int) (rtp, rtcp net.PacketConn, err error) {
	first := (rtspPort + 3) &^ 1
	if first+2*udpPairs > 1<<16 {
		first -= 4 * udpPairs
	}
	for port := first; port < first+2*udpPairs; port += 2 {
		if rtp, err = net.ListenPacket(network("udp", host), joinPort(host, port)); err != nil {
			continue
		}
		if rtcp, err = net.ListenPacket(network("udp", host), joinPort(host, port+1)); err != nil {
			rtp.Close()
			continue
		}
		return rtp, rtcp, nil
	}
	return nil, nil, fmt.Errorf("rtsp: find two free UDP ports between %d and %d: %w", first, first+2*udpPairs-1, err)
}

func (s *sockets) listeners() []net.Listener {
	var all []net.Listener
	for _, l := range []net.Listener{s.plain, s.secure} {
		if l != nil {
			all = append(all, l)
		}
	}
	return all
}

// acceptFrom passes on what a listener accepts until that is closed.
func (s *sockets) acceptFrom(l net.Listener) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.log.Warn("accept connection", "err", err)
			select {
			case <-time.After(acceptPause):
				continue
			case <-s.closed:
				return
			}
		}
		select {
		case s.accepted <- newLane(conn):
		case <-s.closed:
			conn.Close()
			return
		}
	}
}

// Accept implements net.Listener. An error ends gortsplib's server, so that there is one only after Close. Streams can be
// opened only on a server that accepts: who comes before that waits, and is not told that there is no picture.
func (s *sockets) Accept() (net.Conn, error) {
	select {
	case <-s.serving:
	case <-s.closed:
	}
	select {
	case conn := <-s.accepted:
		return conn, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (s *sockets) Addr() net.Addr { return s.listeners()[0].Addr() }

// Close implements net.Listener. It closes what has been opened, and may be called again.
func (s *sockets) Close() error {
	s.shut()
	for _, l := range s.listeners() {
		l.Close()
	}
	if s.rtp != nil {
		s.rtp.Close()
		s.rtcp.Close()
	}
	s.accept.Wait()
	return nil
}

// udpAddresses are those of RTP and RTCP; empty without UDP.
func (s *sockets) udpAddresses() (rtp, rtcp string) {
	if s.rtp == nil {
		return "", ""
	}
	return s.rtp.LocalAddr().String(), s.rtcp.LocalAddr().String()
}

// report logs the addresses.
func (s *sockets) report(log *slog.Logger) {
	if s.plain != nil {
		log.Info("rtsp listens", "tcp", s.plain.Addr(), "rtp", s.rtp.LocalAddr())
	}
	if s.secure != nil {
		log.Info("rtsps listens", "tcp", s.secure.Addr())
	}
}

// addrOf is the address of a listener; nil if there is none.
func addrOf(l net.Listener) net.Addr {
	if l == nil {
		return nil
	}
	return l.Addr()
}

// network keeps 0.0.0.0 to IPv4; package net would listen on IPv6 as well.
func network(name, host string) string {
	if host == "0.0.0.0" {
		return name + "4"
	}
	return name
}

func joinPort(host string, port int) string {
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// listenError says in one line what is wrong with the address that key has, and what to do about it.
func listenError(key, address string, err error) error {
	errno, ok := errors.AsType[syscall.Errno](err)
	switch {
	case !ok:
		return fmt.Errorf("rtsp: listen on %s: %w; set %s in camera.yaml", address, err, key)
	case errno == syscall.EADDRINUSE:
		return fmt.Errorf("rtsp: listen on %s: %w; stop the other program or set %s in camera.yaml", address, errno, key)
	default:
		return fmt.Errorf("rtsp: listen on %s: %w; set %s in camera.yaml", address, errno, key)
	}
}

// sizedListener bounds what waits in the kernel for the connections it accepts.
type sizedListener struct{ net.Listener }

// Accept implements net.Listener.
func (l sizedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		boundUnsent(tcp, unsent)
	}
	return conn, nil
}
