package origin

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// board lists the addresses of a machine with IPv4, a link-local address, a public prefix and an address by DHCPv6.
func board() ([]net.Addr, error) {
	var addrs []net.Addr
	for _, text := range []string{"192.0.2.7/24", "fe80::7/64", "2001:db8:1:1::7/64", "2001:db8:2:2::7/128"} {
		ip, network, err := net.ParseCIDR(text)
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, &net.IPNet{IP: ip, Mask: network.Mask})
	}
	return addrs, nil
}

func TestOf(t *testing.T) {
	f := &Finder{Local: board}
	for _, tt := range []struct{ remote, host, network string }{
		{"192.0.2.1", "192.0.2.1/32", "192.0.2.1/32"},
		{"192.0.2.1:80", "192.0.2.1/32", "192.0.2.1/32"},
		{"[::ffff:192.0.2.1]:80", "192.0.2.1/32", "192.0.2.1/32"},
		{"2001:db8::1", "2001:db8::/64", "2001:db8::/64"},
		{"[2001:db8::ffff:2]:80", "2001:db8::/64", "2001:db8::/64"},
		{"[fe80::1%eth0]:554", "fe80::1/128", "fe80::/64"},
		{"[fd12::1:0:0:0:2]:554", "fd12::1:0:0:0:2/128", "fd12:0:0:1::/64"},
		{"[2001:db8:1:1::8]:554", "2001:db8:1:1::8/128", "2001:db8:1:1::/64"},
		{"[2001:db8:1:2::8]:554", "2001:db8:1:2::/64", "2001:db8:1:2::/64"},
		{"[2001:db8:2:2::8]:554", "2001:db8:2:2::/64", "2001:db8:2:2::/64"},
		{"::1", "::1/128", "::/64"},
	} {
		want := Origin{netip.MustParsePrefix(tt.host), netip.MustParsePrefix(tt.network)}
		if got := f.Of(tt.remote); got != want {
			t.Errorf("%s: got %v, want %v", tt.remote, got, want)
		}
	}
	if got := f.Of("nonsense"); got != (&Finder{}).Of("") || got.Host.IsValid() {
		t.Errorf("nonsense: got %v", got)
	}
}

// TestLocalIsFollowed has the provider give the machine another prefix.
func TestLocalIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looked := 0
		addrs, err := []net.Addr(nil), errors.New("no netlink")
		f := &Finder{Local: func() ([]net.Addr, error) { looked++; return addrs, err }}
		const neighbour = "2001:db8:1:1::8"
		bits := func() int { return f.Of(neighbour).Host.Bits() }
		if bits() != 64 {
			t.Error("a neighbour of nobody")
		}
		addrs, err = board()
		if bits() != 64 || looked != 1 {
			t.Errorf("looked %d times in a moment", looked)
		}
		time.Sleep(lookEvery)
		if bits() != 128 {
			t.Error("no neighbour though it has our prefix")
		}
		if f.Of("fe80::1"); looked != 2 {
			t.Errorf("looked %d times, want 2: not for an address that needs no look", looked)
		}
	})
}

func TestKey(t *testing.T) {
	f := &Finder{Local: board}
	counted := make(map[netip.Prefix]int)
	count := func(remote string) netip.Prefix {
		key := Key(f.Of(remote), counted)
		counted[key]++
		return key
	}
	for i := range 1000 {
		count(fmt.Sprintf("fe80::%x", 1+i))
	}
	if len(counted) != maxHosts+1 || counted[netip.MustParsePrefix("fe80::/64")] != 1000-maxHosts {
		t.Errorf("1000 addresses of one link count as %v", counted)
	}
	for _, tt := range []struct{ remote, want string }{
		{"fe80::1", "fe80::1/128"}, // known before
		{"192.0.2.1", "192.0.2.1/32"},
		{"fd12::1", "fd12::1/128"},
		{"2001:db8::1", "2001:db8::/64"},
	} {
		if got := count(tt.remote); got.String() != tt.want {
			t.Errorf("%s counts as %v, want %s", tt.remote, got, tt.want)
		}
	}
}
