// Package origin says which IP addresses count as one, where each may have only so much of something.
package origin

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxHosts is how many addresses of one /64 are counted one by one. More of them than a household has at fault at
	// the same time come from one host that takes address after address.
	maxHosts = 8

	// lookEvery is how long the addresses of this machine are taken for unchanged.
	lookEvery = 10 * time.Second
)

// Origin is where a connection comes from. Of IPv4 both are the address.
type Origin struct {
	// Host is the least that one party has: of IPv6 the address if it is on the same link or site as this machine, where
	// others share its prefix, else the /64 that a provider gives to a subscriber.
	Host netip.Prefix

	// Network is the /64 of IPv6.
	Network netip.Prefix
}

// Finder knows which prefixes are on the links of this machine. The zero value is ready, and may be used from any
// goroutine.
type Finder struct {
	// Local lists the addresses of this machine with the lengths of their prefixes; nil: [net.InterfaceAddrs]. An address
	// with a prefix of its own, as DHCPv6 gives it, says nothing about others: those stay with their /64.
	Local func() ([]net.Addr, error)

	mu     sync.Mutex
	looked time.Time // zero: never
	links  []netip.Prefix
}

// Of returns the origin of remote, an IP address or HOST:PORT. All that is neither has the zero origin.
func (f *Finder) Of(remote string) Origin {
	addr, err := netip.ParseAddr(remote)
	if err != nil {
		port, _ := netip.ParseAddrPort(remote)
		addr = port.Addr()
	}
	addr = addr.Unmap().WithZone("")
	host := netip.PrefixFrom(addr, addr.BitLen())
	if !addr.Is6() {
		return Origin{Host: host, Network: host}
	}
	network, _ := addr.Prefix(64) // of a valid address there is one
	if addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsPrivate() || f.onLink(addr) {
		return Origin{Host: host, Network: network}
	}
	return Origin{Host: network, Network: network}
}

// onLink says whether addr has the prefix of an address of this machine.
func (f *Finder) onLink(addr netip.Addr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); f.looked.IsZero() || now.Sub(f.looked) >= lookEvery {
		f.looked, f.links = now, f.list()
	}
	for _, link := range f.links {
		if link.Contains(addr) {
			return true
		}
	}
	return false
}

// list returns the prefixes of this machine's addresses; none if they cannot be listed.
func (f *Finder) list() []netip.Prefix {
	local := f.Local
	if local == nil {
		local = net.InterfaceAddrs
	}
	addrs, _ := local()
	var links []netip.Prefix
	for _, a := range addrs {
		if link, err := netip.ParsePrefix(a.String()); err == nil {
			links = append(links, link)
		}
	}
	return links
}

// Key returns what o counts as among what is counted already: its host, but if that is new and maxHosts of its network
// are there, the network.
//
// So on a LAN one host does not spend what the others may have, and is not spent for by them. One that takes address
// after address of the 2^64 of its prefix has maxHosts shares and then that of the network, which its neighbours in the
// /64 that come after it spend with it. Whether maxHosts+1 shares leave something for all others is the caller's to see to.
func Key[V any](o Origin, counted map[netip.Prefix]V) netip.Prefix {
	if _, known := counted[o.Host]; known || o.Host == o.Network {
		return o.Host
	}
	hosts := 0
	for other := range counted {
		if other != o.Network && o.Network.Contains(other.Addr()) {
			hosts++
		}
	}
	if hosts >= maxHosts {
		return o.Network
	}
	return o.Host
}
