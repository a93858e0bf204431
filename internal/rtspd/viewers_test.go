package rtspd

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
)

// TestNobodyWaitsForEver has sessions wait for others that leave and are not gone.
func TestNobodyWaitsForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newViewers(8)
		stays, a, b := new(gortsplib.ServerSession), new(gortsplib.ServerSession), new(gortsplib.ServerSession)
		at := netip.MustParseAddrPort
		v.seat(stays, &stream{}, "stays", netip.AddrPort{})
		v.seat(a, &stream{}, "a", at("192.0.2.1:40000"))
		v.seat(b, &stream{}, "b", at("192.0.2.1:40002"))
		v.sessions[a].leaves, v.sessions[b].leaves = true, true
		began := time.Now()
		v.replace(t.Context(), a, at("192.0.2.1:40002"))
		if took := time.Since(began); took != 0 {
			t.Errorf("one that leaves waits %v for another, which may wait for it", took)
		}
		v.replace(t.Context(), stays, at("192.0.2.1:40002"))
		if took := time.Since(began); took != leaveTime {
			t.Errorf("one that stays waits %v, want %v", took, leaveTime)
		}
	})
}

// TestEachHasAnothersPlace has two newcomers look at once for one that makes room.
func TestEachHasAnothersPlace(t *testing.T) {
	s := run(t, Config{}, func(s *Server) { s.viewers.rest = 0 })
	s.Sink("hqstream")(tiny(t)[0])
	for range 2 {
		dial(t, s).do(base.Setup, url(t, s, "/hqstream/trackID=0"), "Transport", overTCP)
	}
	v := s.viewers
	v.mu.Lock()
	defer v.mu.Unlock()
	session, first := v.longest()
	v.close(session, first)
	if _, second := v.longest(); second == nil || second == first {
		t.Error("the place of a session that leaves is given away again")
	}
}

// TestPlayOfOneThatLeaves has a viewer play whose place is another one's already.
func TestPlayOfOneThatLeaves(t *testing.T) {
	s := run(t, Config{})
	s.Sink("hqstream")(tiny(t)[0])
	c := dial(t, s)
	session := c.play(s)
	c.do(base.Pause, url(t, s, "/hqstream"), "Session", session)
	s.viewers.mu.Lock()
	for _, r := range s.viewers.sessions {
		r.leaves = true
	}
	s.viewers.mu.Unlock()
	if res := c.do(base.Play, url(t, s, "/hqstream"), "Session", session); res.StatusCode != base.StatusSessionNotFound {
		t.Errorf("got %d %s, want 454", res.StatusCode, res.StatusMessage)
	}
}
