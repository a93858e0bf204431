package rtspd

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

const (
	// udpPairs is how many pairs of UDP ports are tried, upwards from the RTSP port.
	udpPairs = 64

	// sendBuffer is the size of the send buffer of a connection in bytes. What waits there is late when it arrives,
	// so it is kept to the data of a second or two; the kernel's own limit is 4 MB.
	sendBuffer = 256 << 10
)

// sockets are what a server listens on.
type sockets struct {
	tcp       net.Listener
	rtp, rtcp net.PacketConn
}

// openSockets binds the RTSP port and, on the same address, a pair of UDP ports: RTP on an even one, RTCP on the next
// (RFC 3550 section 11).
func openSockets(address string) (*sockets, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("rtsp: listen address: %w", err)
	}
	tcp, err := net.Listen(network("tcp", host), address)
	if err != nil {
		return nil, listenError(address, err)
	}
	s := &sockets{tcp: sizedListener{tcp}}
	if s.rtp, s.rtcp, err = openPair(host, tcp.Addr().(*net.TCPAddr).Port); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
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

// close closes what has been opened.
func (s *sockets) close() {
	s.tcp.Close()
	if s.rtp != nil {
		s.rtp.Close()
		s.rtcp.Close()
	}
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

// listenError says in one line what is wrong with address and what to do about it.
func listenError(address string, err error) error {
	errno, ok := errors.AsType[syscall.Errno](err)
	switch {
	case !ok:
		return fmt.Errorf("rtsp: listen on %s: %w; set rtsp.listen in camera.yaml", address, err)
	case errno == syscall.EADDRINUSE:
		return fmt.Errorf("rtsp: listen on %s: %w; stop the other program or set rtsp.listen in camera.yaml", address, errno)
	default:
		return fmt.Errorf("rtsp: listen on %s: %w; set rtsp.listen in camera.yaml", address, errno)
	}
}

// sizedListener bounds the send buffer of the connections it accepts.
type sizedListener struct{ net.Listener }

// Accept implements net.Listener.
func (l sizedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // a connection that is already gone says so on its first read
	}
	return conn, nil
}
