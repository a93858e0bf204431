package webd

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
)

// TestGuests holds that one address cannot take all connections, and that who leaves makes room.
func TestGuests(t *testing.T) {
	network := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	g := &guests{Listener: network, from: make(map[netip.Prefix]int)}
	accepted := make(chan net.Conn)
	go func() {
		for {
			conn, err := g.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- conn
		}
	}()
	var inside []net.Conn
	for range maxFrom {
		network.dial()
		inside = append(inside, <-accepted)
	}
	if _, err := network.dial().Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("one too many: %v, want the end of the connection", err)
	}
	inside[0].Close()
	inside[0].Close() // it leaves only once
	network.dial()
	inside[0] = <-accepted
	if _, err := network.dial().Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("one too many again: %v, want the end of the connection", err)
	}
	if open, refused := g.counts(); open != maxFrom || refused != 2 {
		t.Errorf("%d are open and %d were refused, want %d and 2", open, refused, maxFrom)
	}
	for _, conn := range inside {
		conn.Close()
	}
	if open, _ := g.counts(); open != 0 || len(g.from) != 0 {
		t.Errorf("after all have left %d are open, of %d addresses", open, len(g.from))
	}
	g.Close()
	for range accepted {
	}
}

// TestOneNetworkLeavesRoom has the addresses of one /64, which a stranger has by the 2^64, ask for all connections.
func TestOneNetworkLeavesRoom(t *testing.T) {
	for _, prefix := range []string{"2001:db8:1:1", "fe80:"} {
		g := &guests{from: make(map[netip.Prefix]int)}
		for i := range 2 * maxConns {
			g.enter(fmt.Sprintf("[%s::%x]:80", prefix, 1+i))
		}
		if open, _ := g.counts(); open > maxConns/2 {
			t.Errorf("%s::/64 has %d of %d connections", prefix, open, maxConns)
		}
		if _, ok := g.enter("192.0.2.1:80"); !ok {
			t.Errorf("%s::/64 keeps another address out", prefix)
		}
	}
}
