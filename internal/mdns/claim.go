package mdns

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	domain = ".local."
	// maxLabel is the longest label of a name (RFC 1035 section 2.3.4).
	maxLabel = 63
	// maxNumber is the last number that is tried.
	maxNumber = 999

	// listenTime is how long a name is listened for before it is probed for. It is longer than anyone who claims the
	// name or has it is silent, the library included, so the first to come is the first served.
	listenTime = time.Second
	// Three probes, 250 ms apart (RFC 6762 section 8.1).
	probes   = 3
	probeGap = 250 * time.Millisecond

	// claimTTL is the lifetime of an address record in seconds (RFC 6762 section 10).
	claimTTL = 120
)

// hostLabel makes a host name of any text: lower case letters, digits and hyphens, short enough to be numbered.
func hostLabel(text string) string {
	text, _, _ = strings.Cut(strings.ToLower(text), ".")
	label := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, text)
	label = strings.Trim(label, "-")
	longest := maxLabel - len(fmt.Sprint("-", maxNumber))
	return strings.Trim(label[:min(len(label), longest)], "-")
}

// numbered is the name for the nth host of that name.
func numbered(base string, n int) string {
	if n == 1 {
		return base
	}
	return fmt.Sprintf("%s-%d", base, n)
}

// claim finds a name that nobody on the links has, the last one that was in use first.
func (a *Announcer) claim(ctx context.Context, on *wire) (string, error) {
	// Hosts that were switched on together get out of step (RFC 6762 section 8.1).
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(rand.N(probeGap)):
	}
	candidates := []string{a.last}
	for n := range maxNumber {
		if name := numbered(a.base, n+1); name != a.last {
			candidates = append(candidates, name)
		}
	}
	for _, name := range candidates {
		free, err := a.identity(name, on.links).try(ctx, on)
		if err != nil {
			return "", fmt.Errorf("claim %s: %w", name, err)
		}
		if free {
			return name, nil
		}
		a.log.Info("another host on the network has the name", "name", name)
	}
	return "", fmt.Errorf("claim %s: %w, up to number %d", a.base, errConflict, maxNumber)
}

// identity is what a host with a name claims.
type identity struct {
	name      string
	host      links
	instances []string // of its services, full names in lower case
}

func (a *Announcer) identity(name string, host links) identity {
	id := identity{name: name, host: host}
	for _, s := range a.cfg.Services {
		id.instances = append(id.instances, strings.ToLower(name+"."+s.Type+domain))
	}
	return id
}

// try asks for the name, listens, and probes for it.
func (id identity) try(ctx context.Context, on *wire) (free bool, err error) {
	if err := on.send(func(link) *dns.Msg { return id.question() }); err != nil {
		return false, err
	}
	next := time.After(listenTime)
	for sent := 0; ; {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-next:
			if sent == probes {
				return true, nil
			}
			if err := on.send(id.probe); err != nil {
				return false, err
			}
			sent++
			next = time.After(probeGap)
		case p := <-on.packets:
			theirs, foreign := id.claimedBy(p)
			if !foreign {
				continue
			}
			// Who probes at the same time is no owner: the greater addresses win, for both in the same way.
			rival := sent > 0 && !p.msg.Response
			if !rival || compareAddrs(theirs, p.link.addrs) > 0 {
				return false, nil
			}
		}
	}
}

// question asks for all that is known of the names. The answers are to be multicast: of several sockets with one port,
// only one hears what is sent to the host alone.
func (id identity) question() *dns.Msg {
	msg := new(dns.Msg)
	for _, name := range append([]string{id.name + domain}, id.instances...) {
		msg.Question = append(msg.Question, dns.Question{Name: name, Qtype: dns.TypeANY, Qclass: dns.ClassINET})
	}
	return msg
}

// probe is the question with what the host is going to answer (RFC 6762 section 8.2).
func (id identity) probe(on link) *dns.Msg {
	msg := id.question()
	for _, addr := range on.addrs {
		header := dns.RR_Header{Name: id.name + domain, Class: dns.ClassINET, Ttl: claimTTL}
		if addr.Is4() {
			header.Rrtype = dns.TypeA
			msg.Ns = append(msg.Ns, &dns.A{Hdr: header, A: addr.AsSlice()})
		} else {
			header.Rrtype = dns.TypeAAAA
			msg.Ns = append(msg.Ns, &dns.AAAA{Hdr: header, AAAA: addr.AsSlice()})
		}
	}
	return msg
}

// claimedBy says whether the sender of a packet claims the name for a host that is not this one, and the addresses that it
// gives it.
func (id identity) claimedBy(p packet) (addrs []netip.Addr, foreign bool) {
	if id.host.has(p.from) {
		return nil, false
	}
	for _, rr := range p.records() {
		name := strings.ToLower(rr.Header().Name)
		if rr.Header().Ttl == 0 {
			// A goodbye.
			continue
		}
		if srv, ok := rr.(*dns.SRV); ok && slices.Contains(id.instances, name) && !strings.EqualFold(srv.Target, id.name+domain) {
			foreign = true
		}
		if addr, ok := address(rr); ok && name == id.name+domain {
			addrs = append(addrs, addr)
			foreign = foreign || !id.host.has(addr)
		}
	}
	return addrs, foreign
}

// announcedBy lists the service instances of this host that a packet of its own announces.
func (id identity) announcedBy(p packet) []string {
	if !p.msg.Response || !id.host.has(p.from) {
		return nil
	}
	var announced []string
	for _, rr := range p.records() {
		name := strings.ToLower(rr.Header().Name)
		srv, ok := rr.(*dns.SRV)
		if ok && slices.Contains(id.instances, name) && strings.EqualFold(srv.Target, id.name+domain) {
			announced = append(announced, name)
		}
	}
	return announced
}

// records are what the sender says of itself: its answers, or in a probe what it is going to answer. The answers in a
// question are those that the sender knows from others, and may be outdated.
func (p packet) records() []dns.RR {
	if !p.msg.Response {
		return p.msg.Ns
	}
	return slices.Concat(p.msg.Answer, p.msg.Extra)
}

// address is that of an A or AAAA record.
func address(rr dns.RR) (netip.Addr, bool) {
	switch r := rr.(type) {
	case *dns.A:
		addr, ok := netip.AddrFromSlice(r.A)
		return addr.Unmap(), ok
	case *dns.AAAA:
		return netip.AddrFromSlice(r.AAAA)
	}
	return netip.Addr{}, false
}

// compareAddrs orders sets of addresses as RFC 6762 section 8.2.1 does records: sorted, the first that differ decide.
func compareAddrs(a, b []netip.Addr) int {
	sorted := func(addrs []netip.Addr) []netip.Addr {
		return slices.SortedFunc(slices.Values(addrs), netip.Addr.Compare)
	}
	return slices.CompareFunc(sorted(a), sorted(b), func(x, y netip.Addr) int {
		// A records come before AAAA, by their number.
		return cmp.Or(cmp.Compare(x.BitLen(), y.BitLen()), bytes.Compare(x.AsSlice(), y.AsSlice()))
	})
}
