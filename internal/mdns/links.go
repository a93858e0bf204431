package mdns

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// link is a network interface on which hosts can be found.
type link struct {
	net.Interface
	addrs []netip.Addr // sorted, one at least
}

type links []link

// scanLinks lists the interfaces that are up, are no loopback, can multicast and have an address.
func scanLinks() (links, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	const want = net.FlagUp | net.FlagRunning | net.FlagMulticast
	var found links
	for _, i := range all {
		if i.Flags&want != want || i.Flags&(net.FlagLoopback|net.FlagPointToPoint) != 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			// It is gone since the listing.
			continue
		}
		l := link{Interface: i}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				l.addrs = append(l.addrs, p.Addr())
			}
		}
		if len(l.addrs) > 0 {
			slices.SortFunc(l.addrs, netip.Addr.Compare)
			found = append(found, l)
		}
	}
	slices.SortFunc(found, func(a, b link) int { return cmp.Compare(a.Index, b.Index) })
	return found, nil
}

// awaitLinks waits until there is a network and it has settled; its error is that of ctx.
func awaitLinks(ctx context.Context) (links, error) {
	// An address gets a moment to be joined by the others: IPv6 comes some time after the link, DHCP's later still.
	const settled = 500 * time.Millisecond
	var last links
	wait := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
		// A kernel that cannot list them now is asked again.
		now, err := scanLinks()
		if err == nil && len(now) > 0 && now.equal(last) {
			return now, nil
		}
		last, wait = now, settled
	}
}

func (l links) equal(other links) bool {
	return slices.EqualFunc(l, other, func(a, b link) bool {
		return a.Index == b.Index && a.Name == b.Name && slices.Equal(a.addrs, b.addrs)
	})
}

func (l links) names() []string {
	var names []string
	for _, i := range l {
		names = append(names, i.Name)
	}
	return names
}

// has says whether an address is one of this host.
func (l links) has(addr netip.Addr) bool {
	return slices.ContainsFunc(l, func(i link) bool { return slices.Contains(i.addrs, addr.Unmap().WithZone("")) })
}

// at finds the link with an interface index.
func (l links) at(index int) (link, bool) {
	for _, i := range l {
		if i.Index == index {
			return i, true
		}
	}
	return link{}, false
}
