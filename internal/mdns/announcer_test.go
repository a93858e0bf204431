package mdns

import (
	"slices"
	"strings"
	"testing"
)

// names are those that a camera has had so far; "" is for a time without one, but for that after its end.
func (p *player) names() []string {
	var names []string
	for _, line := range p.all {
		if name, ok := strings.CutPrefix(line, "name "); ok {
			names = append(names, name)
		}
	}
	if n := len(names); n > 0 && names[n-1] == "" {
		return names[:n-1]
	}
	return names
}

func TestRecords(t *testing.T) {
	t.Parallel()
	n := newLAN(t, "r")
	n.host("a")
	n.plug("a", "10.99.0.2/24", "fe80::2/64")
	a := n.play("camera", "a")
	a.await("name camkrazy")
	n.ask("camkrazy.local. A", "camkrazy.local.", "IN A 10.99.0.2")
	n.ask("camkrazy.local. AAAA", "camkrazy.local.", "IN AAAA fe80::2")
	n.ask("_rtsp._tcp.local. PTR", "_rtsp._tcp.local.", "IN PTR camkrazy._rtsp._tcp.local.")
	n.ask("_http._tcp.local. PTR", "_http._tcp.local.", "IN PTR camkrazy._http._tcp.local.")
	n.ask("camkrazy._rtsp._tcp.local. SRV", "IN SRV 0 0 8554 camkrazy.local.")
	n.ask("camkrazy._rtsp._tcp.local. TXT", `IN TXT "path=/hqstream"`)
	n.ask("camkrazy._http._tcp.local. SRV", "IN SRV 0 0 80 camkrazy.local.")
	n.ask("_services._dns-sd._udp.local. PTR", "IN PTR _rtsp._tcp.local.")
	a.end()
	n.judge.await("heard", "_rtsp._tcp.local. 0 IN PTR camkrazy._rtsp._tcp.local.")
}

// TestSecondCamera: who comes later gets another name, whatever the addresses, and the first one's does not change.
func TestSecondCamera(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, first, second string }{
		{"greater address", "10.99.0.2", "10.99.0.3"},
		{"smaller address", "10.99.0.3", "10.99.0.2"},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newLAN(t, string(rune('f'+i)))
			n.host("a")
			n.host("b")
			n.plug("a", tt.first+"/24")
			n.plug("b", tt.second+"/24")
			a := n.play("camera", "a")
			a.await("name camkrazy")
			b := n.play("camera", "b")
			b.await("name camkrazy-2")
			n.ask("camkrazy.local. A", "camkrazy.local.", "IN A "+tt.first)
			n.ask("camkrazy-2.local. A", "camkrazy-2.local.", "IN A "+tt.second)
			n.ask("_rtsp._tcp.local. PTR", "IN PTR camkrazy-2._rtsp._tcp.local.")
			a.end()
			b.end()
			if got := a.names(); !slices.Equal(got, []string{"camkrazy"}) {
				t.Errorf("the first camera had the names %q", got)
			}
			if got := b.names(); !slices.Equal(got, []string{"camkrazy-2"}) {
				t.Errorf("the second camera had the names %q", got)
			}
		})
	}
}

// TestTogether starts two cameras at once; their IPv4 and IPv6 addresses are in opposite order.
func TestTogether(t *testing.T) {
	t.Parallel()
	n := newLAN(t, "t")
	n.host("a")
	n.host("b")
	n.plug("a", "10.99.0.2/24", "fe80::3/64")
	n.plug("b", "10.99.0.3/24", "fe80::2/64")
	a, b := n.play("camera", "a"), n.play("camera", "b")
	first, second := a.await("name"), b.await("name")
	got := []string{first, second}
	slices.Sort(got)
	if want := []string{"name camkrazy", "name camkrazy-2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	a.end()
	b.end()
	if len(a.names()) != 1 || len(b.names()) != 1 {
		t.Errorf("names changed: %q and %q", a.names(), b.names())
	}
}

// TestNetworkChanges starts a camera without a network, which then comes, changes its address, goes and comes back.
func TestNetworkChanges(t *testing.T) {
	t.Parallel()
	n := newLAN(t, "n")
	n.host("a")
	a := n.play("camera", "a")
	n.plug("a", "10.99.0.2/24")
	a.await("name camkrazy")
	n.ask("camkrazy.local. A", "IN A 10.99.0.2")
	n.in("a", "addr", "del", "10.99.0.2/24", "dev", "eth0")
	n.in("a", "addr", "add", "10.99.0.7/24", "dev", "eth0")
	n.ask("camkrazy.local. A", "IN A 10.99.0.7")
	a.await("name camkrazy")
	n.in("a", "link", "set", "eth0", "down")
	a.await("name ")
	n.in("a", "link", "set", "eth0", "up")
	a.await("name camkrazy")
	n.ask("camkrazy.local. A", "IN A 10.99.0.7")
	a.end()
}

// TestInterfaceComesLate: a host is found on an interface that was not there when all began.
func TestInterfaceComesLate(t *testing.T) {
	t.Parallel()
	n := newLAN(t, "i")
	n.host("a")
	n.plug("a", "10.99.0.2/24")
	a := n.play("camera", "a")
	a.await("name camkrazy")
	n.in("a", "link", "set", "eth0", "down")
	n.in("a", "addr", "flush", "dev", "eth0")
	n.link("a", "wlan0")
	n.in("a", "addr", "add", "10.99.0.8/24", "dev", "wlan0")
	n.in("a", "link", "set", "wlan0", "up")
	a.await("name camkrazy")
	n.ask("camkrazy.local. A", "IN A 10.99.0.8")
	a.end()
}

// TestNetworksMerge joins two networks that both have a camkrazy, as when a cable is plugged in between: one keeps the
// name.
func TestNetworksMerge(t *testing.T) {
	t.Parallel()
	n := newLAN(t, "m")
	n.host("a")
	n.host("b")
	n.plug("a", "10.99.0.2/24")
	n.plug("b", "10.99.0.3/24")
	n.in("", "link", "set", "dev", "b", "nomaster")
	a, b := n.play("camera", "a"), n.play("camera", "b")
	a.await("name camkrazy")
	b.await("name camkrazy")
	n.in("", "link", "set", "dev", "b", "master", "lan")
	// Whoever asks for the name makes both answer, and hear each other.
	n.ask("camkrazy.local. A", "IN A")
	// If both have left it at the same time, both have tried camkrazy-2 as well.
	n.askOne(
		query{"camkrazy-2._http._tcp.local. SRV", []string{"IN SRV 0 0 80 camkrazy-2.local."}},
		query{"camkrazy-3._http._tcp.local. SRV", []string{"IN SRV 0 0 80 camkrazy-3.local."}},
	)
	n.ask("camkrazy._http._tcp.local. SRV", "IN SRV 0 0 80 camkrazy.local.")
	a.end()
	b.end()
}
