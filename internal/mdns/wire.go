package mdns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

const (
	// maxPacket is the largest message (RFC 6762 section 17).
	maxPacket = 9000
	// sendTimeout bounds the sending of one message.
	sendTimeout = time.Second
	// hops marks a message that no router has passed on (RFC 6762 section 11).
	hops = 255
)

// The groups of RFC 6762 section 3.
func groups() (v4, v6 *net.UDPAddr) {
	return &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}, &net.UDPAddr{IP: net.ParseIP("ff02::fb"), Port: 5353}
}

// packet is a message as it was received.
type packet struct {
	msg  *dns.Msg
	from netip.Addr
	link link
}

// wire hears and sends multicast DNS on some links, beside any other program of the host that does.
type wire struct {
	links   links
	packets chan packet

	sockets []socket // one for each address family that the host has
	stop    chan struct{}
	readers sync.WaitGroup
}

// socket hides what IPv4 and IPv6 do differently.
type socket struct {
	conn  *net.UDPConn
	read  func(b []byte) (n, link int, from net.Addr, err error)
	write func(b []byte, link int) error
}

// openWire joins the groups on the links; one address family on one link is enough.
func openWire(on links) (*wire, error) {
	w := &wire{links: on, packets: make(chan packet), stop: make(chan struct{})}
	v4, v6 := groups()
	var errs error
	for network, group := range map[string]*net.UDPAddr{"udp4": v4, "udp6": v6} {
		s, err := openSocket(network, group, on)
		if err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		w.sockets = append(w.sockets, s)
		w.readers.Go(func() { w.read(s) })
	}
	if len(w.sockets) == 0 {
		return nil, fmt.Errorf("join multicast DNS: %w", errs)
	}
	return w, nil
}

func openSocket(network string, group *net.UDPAddr, on links) (socket, error) {
	// Given a group, net opens the port so that others can as well.
	conn, err := net.ListenUDP(network, group)
	if err != nil {
		return socket{}, err
	}
	var s socket
	var join func(*net.Interface, net.Addr) error
	if network == "udp4" {
		s, join, err = setupV4(conn, group)
	} else {
		s, join, err = setupV6(conn, group)
	}
	joined := 0
	for _, l := range on {
		if joinErr := join(&l.Interface, group); joinErr == nil {
			joined++
		} else {
			err = errors.Join(err, joinErr)
		}
	}
	if joined == 0 {
		return socket{}, errors.Join(err, conn.Close())
	}
	return s, nil
}

func setupV4(conn *net.UDPConn, group net.Addr) (socket, func(*net.Interface, net.Addr) error, error) {
	c := ipv4.NewPacketConn(conn)
	err := errors.Join(c.SetControlMessage(ipv4.FlagInterface, true), c.SetMulticastTTL(hops), c.SetMulticastLoopback(true))
	read := func(b []byte) (int, int, net.Addr, error) {
		n, cm, from, err := c.ReadFrom(b)
		if cm == nil {
			return n, 0, from, err
		}
		return n, cm.IfIndex, from, err
	}
	write := func(b []byte, link int) error {
		_, err := c.WriteTo(b, &ipv4.ControlMessage{IfIndex: link}, group)
		return err
	}
	return socket{conn, read, write}, c.JoinGroup, err
}

func setupV6(conn *net.UDPConn, group net.Addr) (socket, func(*net.Interface, net.Addr) error, error) {
	c := ipv6.NewPacketConn(conn)
	err := errors.Join(c.SetControlMessage(ipv6.FlagInterface, true), c.SetMulticastHopLimit(hops), c.SetMulticastLoopback(true))
	read := func(b []byte) (int, int, net.Addr, error) {
		n, cm, from, err := c.ReadFrom(b)
		if cm == nil {
			return n, 0, from, err
		}
		return n, cm.IfIndex, from, err
	}
	write := func(b []byte, link int) error {
		_, err := c.WriteTo(b, &ipv6.ControlMessage{IfIndex: link}, group)
		return err
	}
	return socket{conn, read, write}, c.JoinGroup, err
}

// read delivers what one socket hears until the wire is closed.
func (w *wire) read(from socket) {
	buf := make([]byte, maxPacket)
	for {
		n, index, addr, err := from.read(buf)
		if err != nil {
			select {
			case <-w.stop:
				return
			case <-time.After(sendTimeout):
				// An error that a socket gets over, as that of a link that went down.
				continue
			}
		}
		p, ok := w.parse(buf[:n], index, addr)
		if !ok {
			continue
		}
		select {
		case w.packets <- p:
		case <-w.stop:
			return
		}
	}
}

// parse decodes a message; those from other links and of other kinds are not ok.
func (w *wire) parse(b []byte, index int, addr net.Addr) (packet, bool) {
	udp, isUDP := addr.(*net.UDPAddr)
	on, known := w.links.at(index)
	if !isUDP || !known {
		return packet{}, false
	}
	msg := new(dns.Msg)
	if msg.Unpack(b) != nil || msg.Opcode != dns.OpcodeQuery || msg.Rcode != dns.RcodeSuccess {
		return packet{}, false
	}
	return packet{msg: msg, from: udp.AddrPort().Addr(), link: on}, true
}

// send multicasts a message, made for each link, on all of them. It succeeds if one copy could be sent.
func (w *wire) send(make func(link) *dns.Msg) error {
	var errs error
	sent := 0
	for _, l := range w.links {
		b, err := make(l).Pack()
		if err != nil {
			return fmt.Errorf("encode multicast DNS: %w", err)
		}
		for _, s := range w.sockets {
			err := errors.Join(s.conn.SetWriteDeadline(time.Now().Add(sendTimeout)), s.write(b, l.Index))
			if err == nil {
				sent++
			}
			errs = errors.Join(errs, err)
		}
	}
	if sent == 0 {
		return fmt.Errorf("send multicast DNS: %w", errs)
	}
	return nil
}

// close ends the readers.
func (w *wire) close() {
	close(w.stop)
	for _, s := range w.sockets {
		s.conn.Close()
	}
	w.readers.Wait()
}
