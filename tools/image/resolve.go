package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	// multicastDNS is where names below .local are asked for (RFC 6762 section 3).
	multicastDNS = "224.0.0.251:5353"
	// askEvery and askTimes say how patiently: a question or its answer may get lost.
	askEvery = time.Second
	askTimes = 4
)

// resolve finds the address of HOST or HOST:PORT where this system's resolver does not know it: Go's own, which is used
// without C, does not ask for names below .local. The result has a port.
func resolve(ctx context.Context, host string) (string, error) {
	name, port, err := net.SplitHostPort(withPort(host))
	if err != nil {
		return "", err
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return withPort(host), nil
	}
	_, err = net.DefaultResolver.LookupHost(ctx, name)
	if err == nil {
		return net.JoinHostPort(name, port), nil
	}
	addr, mdnsErr := askMulticast(ctx, multicastDNS, name, askEvery)
	if mdnsErr != nil {
		return "", fmt.Errorf("find the device: %w", errors.Join(err, mdnsErr))
	}
	return net.JoinHostPort(addr.String(), port), nil
}

// askMulticast asks the network for a name's IPv4 address. It asks from a port of its own, so that the answer comes to it
// alone (RFC 6762 section 6.7).
func askMulticast(ctx context.Context, server, name string, every time.Duration) (netip.Addr, error) {
	name = dns.Fqdn(strings.TrimSuffix(strings.TrimSuffix(name, "."), ".local") + ".local")
	question := new(dns.Msg)
	question.SetQuestion(name, dns.TypeA)
	question.RecursionDesired = false
	packet, err := question.Pack()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("ask for %s: %w", name, err)
	}
	to, err := net.ResolveUDPAddr("udp4", server)
	if err != nil {
		return netip.Addr{}, err
	}
	conn, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	answer := make([]byte, 9000) // a multicast DNS message is no longer (RFC 6762 section 17)
	for range askTimes {
		if _, err := conn.WriteTo(packet, to); err != nil {
			return netip.Addr{}, fmt.Errorf("ask for %s: %w", name, err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(every)); err != nil {
			return netip.Addr{}, err
		}
		for {
			n, err := conn.Read(answer)
			if err != nil {
				break
			}
			if addr, ok := addressIn(answer[:n], name); ok {
				return addr, nil
			}
		}
	}
	return netip.Addr{}, fmt.Errorf("nobody on the network answers to %s", strings.TrimSuffix(name, "."))
}

// addressIn finds the IPv4 address that a message gives to a name.
func addressIn(message []byte, name string) (netip.Addr, bool) {
	var m dns.Msg
	if m.Unpack(message) != nil || !m.Response {
		return netip.Addr{}, false
	}
	for _, r := range append(m.Answer, m.Extra...) {
		if a, ok := r.(*dns.A); ok && strings.EqualFold(a.Hdr.Name, name) {
			return netip.AddrFromSlice(a.A.To4())
		}
	}
	return netip.Addr{}, false
}
