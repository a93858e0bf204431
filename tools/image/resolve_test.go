package main

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestAskMulticast has a camera on the network that misses the first question.
func TestAskMulticast(t *testing.T) {
	camera, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer camera.Close()
	go func() {
		b := make([]byte, 1500)
		for i := 0; ; i++ {
			n, from, err := camera.ReadFrom(b)
			if err != nil {
				return
			}
			var q, a dns.Msg
			if err := q.Unpack(b[:n]); err != nil || len(q.Question) != 1 || q.Question[0].Name != "cam.local." {
				continue
			}
			if i == 0 {
				continue
			}
			a.SetReply(&q)
			for _, record := range []string{"other.local. 9 IN A 10.0.0.1", "cam.local. 9 IN AAAA fe80::1", "CAM.local. 9 IN A 10.0.0.2"} {
				rr, err := dns.NewRR(record)
				if err != nil {
					t.Error(err)
				}
				a.Answer = append(a.Answer, rr)
			}
			packet, err := a.Pack()
			if err != nil {
				t.Error(err)
			}
			for _, p := range [][]byte{[]byte("noise"), b[:n], packet} {
				if _, err := camera.WriteTo(p, from); err != nil {
					return
				}
			}
		}
	}()
	server := camera.LocalAddr().String()
	for _, name := range []string{"cam", "cam.local", "cam.local."} {
		addr, err := askMulticast(t.Context(), server, name, 2*time.Second)
		if err != nil || addr.String() != "10.0.0.2" {
			t.Errorf("%s: got %v (%v), want 10.0.0.2", name, addr, err)
		}
	}
	_, err = askMulticast(t.Context(), server, "nobody", time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "nobody on the network answers to nobody.local") {
		t.Errorf("got %v, want that nobody answers", err)
	}
}

// TestResolve holds that what needs no network is left as it is.
func TestResolve(t *testing.T) {
	for host, want := range map[string]string{
		"10.1.2.3": "10.1.2.3:8080", "10.1.2.3:99": "10.1.2.3:99", "[fe80::1%eth0]": "[fe80::1%eth0]:8080", "localhost:1": "localhost:1",
	} {
		if got, err := resolve(t.Context(), host); err != nil || got != want {
			t.Errorf("%s: got %q (%v), want %q", host, got, err, want)
		}
	}
}
