package mdns

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"
)

func TestHostLabel(t *testing.T) {
	tests := []struct{ text, want string }{
		{"camkrazy", "camkrazy"},
		{"Camkrazy.fritz.box", "camkrazy"},
		{"My_Cam 1", "my-cam-1"},
		{"-cam-", "cam"},
		{"küche", "k-che"},
		{strings.Repeat("a", 80), strings.Repeat("a", 59)},
		{strings.Repeat("a", 58) + "-b", strings.Repeat("a", 58)},
		{"", ""},
		{"…", ""},
		{".local", ""},
	}
	for _, tt := range tests {
		if got := hostLabel(tt.text); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	good := Service{Type: "_rtsp._tcp", Port: 8554}
	tests := []struct {
		name string
		cfg  Config
		ok   bool
	}{
		{"good", Config{Name: "camkrazy", Services: []Service{good}}, true},
		{"no name", Config{Name: "...", Services: []Service{good}}, false},
		{"no services", Config{Name: "camkrazy"}, false},
		{"no port", Config{Name: "camkrazy", Services: []Service{{Type: "_rtsp._tcp"}}}, false},
		{"large port", Config{Name: "camkrazy", Services: []Service{{Type: "_rtsp._tcp", Port: 65536}}}, false},
		{"no type", Config{Name: "camkrazy", Services: []Service{good, {Port: 80}}}, false},
		{"no transport", Config{Name: "camkrazy", Services: []Service{{Type: "_http", Port: 80}}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := New(tt.cfg); (err == nil) != tt.ok {
				t.Errorf("got %v, want ok %v", err, tt.ok)
			}
		})
	}
}

func addrs(texts ...string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

func TestCompareAddrs(t *testing.T) {
	tests := []struct {
		name string
		a, b []netip.Addr
		want int
	}{
		{"same", addrs("10.0.0.1", "fe80::1"), addrs("fe80::1", "10.0.0.1"), 0},
		{"IPv4 decides before IPv6", addrs("10.0.0.1", "fe80::2"), addrs("10.0.0.2", "fe80::1"), -1},
		{"bytes, not text", addrs("10.0.0.10"), addrs("10.0.0.9"), 1},
		{"unsigned", addrs("192.168.0.1"), addrs("10.0.0.1"), 1},
		{"more is greater", addrs("10.0.0.1", "fe80::1"), addrs("10.0.0.1"), 1},
		{"IPv4 comes before IPv6", addrs("200.0.0.1"), addrs("::1"), -1},
		{"nothing is least", nil, addrs("10.0.0.1"), -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := compareAddrs(tt.a, tt.b); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
			if got := compareAddrs(tt.b, tt.a); got != -tt.want {
				t.Errorf("the other way: got %d, want %d", got, -tt.want)
			}
		})
	}
}

// rr reads a record in the notation of zone files.
func rr(t *testing.T, text string) dns.RR {
	t.Helper()
	record, err := dns.NewRR(text)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

func TestClaimedBy(t *testing.T) {
	id := identity{
		name:      "cam",
		host:      links{{addrs: addrs("10.0.0.1", "fe80::1")}, {addrs: addrs("10.1.0.1")}},
		instances: []string{"cam._rtsp._tcp.local."},
	}
	type sections struct{ answer, ns, extra string }
	tests := []struct {
		name     string
		from     string
		response bool
		records  sections
		addrs    []netip.Addr
		foreign  bool
	}{
		{"another's answer", "10.0.0.2", true, sections{answer: "cam.local. 120 IN A 10.0.0.2"}, addrs("10.0.0.2"), true},
		{"beside another answer", "10.0.0.2", true, sections{extra: "CAM.local. 120 IN AAAA fe80::2"}, addrs("fe80::2"), true},
		{"another's probe", "10.0.0.2", false, sections{ns: "cam.local. 120 IN A 10.0.0.2"}, addrs("10.0.0.2"), true},
		{"what a question knows", "10.0.0.2", false, sections{answer: "cam.local. 120 IN A 10.0.0.9"}, nil, false},
		{"another name", "10.0.0.2", true, sections{answer: "cam-2.local. 120 IN A 10.0.0.2"}, nil, false},
		{"goodbye", "10.0.0.2", true, sections{answer: "cam.local. 0 IN A 10.0.0.2"}, nil, false},
		{"own", "10.0.0.1", true, sections{answer: "cam.local. 120 IN A 10.0.0.1"}, nil, false},
		{"own, with an address that is gone", "fe80::1%eth0", true, sections{answer: "cam.local. 120 IN A 10.0.0.7"}, nil, false},
		{"own, reflected by a router", "10.1.0.9", true, sections{answer: "cam.local. 120 IN A 10.0.0.1"}, addrs("10.0.0.1"), false},
		{"service of another host", "10.0.0.2", true, sections{answer: "cam._rtsp._tcp.local. 120 IN SRV 0 0 8554 nvr.local."}, nil, true},
		{"service of another kind", "10.0.0.2", true, sections{answer: "cam._ssh._tcp.local. 120 IN SRV 0 0 22 nvr.local."}, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := packet{msg: new(dns.Msg), from: netip.MustParseAddr(tt.from)}
			p.msg.Response = tt.response
			for section, text := range map[*[]dns.RR]string{
				&p.msg.Answer: tt.records.answer, &p.msg.Ns: tt.records.ns, &p.msg.Extra: tt.records.extra,
			} {
				if text != "" {
					*section = append(*section, rr(t, text))
				}
			}
			got, foreign := id.claimedBy(p)
			if foreign != tt.foreign {
				t.Errorf("foreign: got %v, want %v", foreign, tt.foreign)
			}
			if diff := cmp.Diff(tt.addrs, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("addresses (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnnouncedBy(t *testing.T) {
	id := identity{name: "cam", host: links{{addrs: addrs("10.0.0.1")}}, instances: []string{"cam._rtsp._tcp.local.", "cam._http._tcp.local."}}
	tests := []struct {
		name, from, record string
		want               []string
	}{
		{"own", "10.0.0.1", "Cam._rtsp._tcp.local. 120 IN SRV 0 0 8554 cam.local.", []string{"cam._rtsp._tcp.local."}},
		{"another's", "10.0.0.2", "cam._rtsp._tcp.local. 120 IN SRV 0 0 8554 cam.local.", nil},
		{"renamed", "10.0.0.1", "cam._rtsp._tcp.local. 120 IN SRV 0 0 8554 cam-2.local.", nil},
		{"no service", "10.0.0.1", "cam.local. 120 IN A 10.0.0.1", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := packet{msg: new(dns.Msg), from: netip.MustParseAddr(tt.from)}
			p.msg.Response = true
			p.msg.Answer = []dns.RR{rr(t, tt.record)}
			if diff := cmp.Diff(tt.want, id.announcedBy(p)); diff != "" {
				t.Errorf("instances (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	var b backoff
	now := time.Now()
	check := func(base time.Duration) {
		t.Helper()
		if got := b.next(now); got < base/2 || got > base*3/2 {
			t.Errorf("got %v, want %v, give or take a half", got, base)
		}
	}
	for _, base := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		check(base * time.Second)
		now = now.Add(time.Second)
	}
	now = now.Add(time.Hour)
	check(time.Second)
}

// FuzzParse: whatever is on the network, it is read without harm.
func FuzzParse(f *testing.F) {
	id := identity{name: "cam", host: links{{addrs: addrs("10.0.0.1")}}, instances: []string{"cam._rtsp._tcp.local."}}
	id.host[0].Index = 1
	seed, err := id.probe(id.host[0]).Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:len(seed)-3])
	w := &wire{links: id.host}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := w.parse(b, 1, sender)
		if !ok {
			return
		}
		addrs, foreign := id.claimedBy(p)
		if len(addrs) > 0 && len(p.records()) == 0 {
			t.Errorf("addresses %v (%v) from no records", addrs, foreign)
		}
		id.announcedBy(p)
	})
}
