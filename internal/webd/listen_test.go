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
	network := newPipes()
	g := network.guests()
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

// TestOneHostLeavesRoom has one host ask for all connections, by addresses of its /64s, of which it has 2^64: by a few of
// them for as many as each can have, or by each for one.
func TestOneHostLeavesRoom(t *testing.T) {
	for _, networks := range [][]string{{"2001:db8:1:1"}, {"fe80"}, {"fe80", "fd12"}} {
		for _, each := range []int{1, maxFrom} {
			g := &guests{from: make(map[netip.Prefix]int)}
			var seats []seat
			for i := range 16 * maxFrom {
				if at, ok := g.enter(fmt.Sprintf("[%s::%x]:80", networks[i%len(networks)], 1+i/each)); ok {
					seats = append(seats, at)
				}
			}
			if len(seats) < maxFrom || len(seats) > maxConns/2 {
				t.Errorf("%v with %d from each address has %d of %d connections", networks, each, len(seats), maxConns)
			}
			for _, other := range []string{"192.0.2.1:80", "[2001:db8:2:2::1]:80"} {
				if at, ok := g.enter(other); ok {
					seats = append(seats, at)
				} else {
					t.Errorf("%v with %d from each address keeps %s out", networks, each, other)
				}
			}
			for _, at := range seats {
				g.leave(at)
			}
			if g.open != 0 || g.near != 0 || len(g.from) != 0 {
				t.Errorf("after all have left %d are open, %d of them near, of %d addresses", g.open, g.near, len(g.from))
			}
		}
	}
}
