package rtspd

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
)

// TestGuestIsShownOut plays what a connection does, second by second, and says when it is closed.
func TestGuestIsShownOut(t *testing.T) {
	const never = 0
	type step struct {
		at int // seconds
		do func(g *guests, v *guest)
	}
	ask := (*guests).ask
	refuse := func(g *guests, v *guest) { g.answer(v, false) }
	play := func(g *guests, v *guest) { g.answer(v, true) }
	tests := []struct {
		name  string
		steps []step
		want  time.Duration
	}{
		{"says nothing", nil, 10 * time.Second},
		{"is answered", []step{{9, ask}, {9, refuse}}, 19 * time.Second},
		{"waits for our answer", []step{{9, ask}, {30, refuse}}, 40 * time.Second},
		{"plays", []step{{1, ask}, {2, play}}, never},
		{"plays and asks", []step{{1, ask}, {2, play}, {40, ask}, {41, play}}, never},
		{"has played", []step{{1, ask}, {2, play}, {40, ask}, {41, refuse}}, 51 * time.Second},
		{"leaves", []step{{5, (*guests).leave}}, never},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var out time.Duration
				g := newGuests(idleTime)
				v := g.enter("192.0.2.1", func(error) { out = time.Since(began) })
				for _, s := range tt.steps {
					<-time.After(time.Duration(s.at)*time.Second - time.Since(began))
					s.do(g, v)
				}
				<-time.After(time.Hour)
				synctest.Wait()
				if out != tt.want {
					t.Errorf("closed after %v, want %v (0: never)", out, tt.want)
				}
			})
		})
	}
}

// from connects from one of the loopback addresses.
func from(t *testing.T, s *Server, address string) *rawClient {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	nc, err := d.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return newRawClient(t, nc)
}

// closed waits until the server closes the connection without a word.
func (c *rawClient) closed() {
	c.t.Helper()
	if n, err := c.net.Read(make([]byte, 1)); n > 0 || err == nil || errors.Is(err, net.ErrClosed) || isTimeout(err) {
		c.t.Errorf("read %d bytes, %v, want the connection closed", n, err)
	}
}

func isTimeout(err error) bool {
	timeout, is := errors.AsType[net.Error](err)
	return is && timeout.Timeout()
}

// play makes the connection a viewer.
func (c *rawClient) play(s *Server) (session string) {
	c.t.Helper()
	res := c.do(base.Setup, url(c.t, s, "/hqstream/trackID=0"), "Transport", overTCP)
	if res.StatusCode != 200 {
		c.t.Fatalf("SETUP: got %d %s", res.StatusCode, res.StatusMessage)
	}
	session, _, _ = strings.Cut(res.Header["Session"][0], ";")
	if res := c.do(base.Play, url(c.t, s, "/hqstream"), "Session", session); res.StatusCode != 200 {
		c.t.Fatalf("PLAY: got %d %s", res.StatusCode, res.StatusMessage)
	}
	return session
}

func TestSilentConnectionIsClosed(t *testing.T) {
	s := run(t, Config{}, func(s *Server) { s.guests = newGuests(50 * time.Millisecond) })
	silent, slow := dial(t, s), dial(t, s)
	if _, err := io.WriteString(slow.net, "OPTIONS rtsp://half/a/requ"); err != nil {
		t.Fatal(err)
	}
	silent.closed()
	slow.closed()
}

// TestOneAddressLeavesRoom: silent connections of one address do not keep others out, nor its own viewers in.
func TestOneAddressLeavesRoom(t *testing.T) {
	s := run(t, Config{MaxReaders: 128})
	s.Sink("hqstream")(tiny(t)[0])
	const host, other = "127.0.0.2", "127.0.0.3"
	for range 100 { // viewers are not counted
		from(t, s, host).play(s)
	}
	idle := make([]*rawClient, maxIdleFrom)
	for i := range idle {
		idle[i] = from(t, s, host)
		if res := idle[i].do(base.Options, url(t, s, "/hqstream")); res.StatusCode != 200 {
			t.Fatalf("OPTIONS: got %d", res.StatusCode)
		}
	}
	idle[0].do(base.Options, url(t, s, "/hqstream"))
	from(t, s, host).play(s)
	idle[1].closed() // the one that has said nothing for longest
	if got := s.Stats("hqstream").Readers; got != 101 {
		t.Errorf("readers: got %d, want 101", got)
	}

	theirs := from(t, s, other)
	session := theirs.play(s)
	if got := s.idle(other); got != 0 {
		t.Errorf("idle connections of a viewer: got %d, want 0", got)
	}
	theirs.do(base.Pause, url(t, s, "/hqstream"), "Session", session)
	if got := s.idle(other); got != 0 {
		t.Errorf("idle connections of a viewer that paused: got %d, want 0", got)
	}
	theirs.do(base.Teardown, url(t, s, "/hqstream"), "Session", session)
	eventually(t, "a viewer that ended its session is idle", func() bool { return s.idle(other) == 1 })

	before := s.idle(host)
	idle[2].net.Close()
	eventually(t, "a connection has gone", func() bool { return s.idle(host) == before-1 })
}

func (s *Server) idle(address string) int {
	s.guests.mu.Lock()
	defer s.guests.mu.Unlock()
	return idleFrom(s.guests, address)
}

// TestGuestsMakeRoom fills the place for connections that do not play from several addresses: one more takes the place
// of the longest idle one of the busiest address.
func TestGuestsMakeRoom(t *testing.T) {
	g := newGuests(time.Hour)
	closed := make(map[string]int)
	enter := func(from, name string) *guest { return g.enter(from, func(error) { closed[name]++ }) }
	const quiet = 10
	const few, many, more, most = "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"
	quietOnes := make([]*guest, quiet)
	for i := range quietOnes {
		quietOnes[i] = enter(few, "few")
	}
	enter(many, "first of many")
	second := enter(many, "second of many")
	for i := range maxIdle - quiet - 2 {
		enter([]string{many, more, most}[i%3], "other")
	}
	if g.all != maxIdle || len(closed) != 0 {
		t.Fatalf("%d guests and %v closed, want %d and none", g.all, closed, maxIdle)
	}
	if idleFrom(g, many) <= idleFrom(g, most) {
		t.Fatal("the busiest address is not the one that this test is about")
	}
	enter("192.0.2.5", "new")
	if want := map[string]int{"first of many": 1}; !maps.Equal(closed, want) {
		t.Errorf("closed %v, want %v", closed, want)
	}
	if g.all != maxIdle {
		t.Errorf("%d guests, want %d", g.all, maxIdle)
	}
	g.leave(second)
	g.leave(quietOnes[0])
	g.leave(quietOnes[0])
	if got := idleFrom(g, few); got != quiet-1 {
		t.Errorf("%d of few, want %d", got, quiet-1)
	}
}

func idleFrom(g *guests, address string) int {
	return len(g.idle[netip.PrefixFrom(netip.MustParseAddr(address), 32)])
}

// TestNewestStays has a crowd in which each address has one idle connection: a player that has just come is not the one
// to go, whether the crowd has many networks or many addresses of the LAN.
func TestNewestStays(t *testing.T) {
	for name, address := range map[string]string{
		"IPv4": "192.0.%[2]d.%[1]d:554", "networks": "[2001:db8:%d:%d::1]:554", "one network": "[2001:db8::%d:%d]:554", "link": "[fe80::%d:%d%%eth0]:554",
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuests(time.Hour)
			var closed []int
			replaced := false
			for i := range 500 {
				g.enter(fmt.Sprintf(address, i%256, i/256), func(error) { closed = append(closed, i) })
				if i == 450 {
					g.enter("192.0.2.1", func(error) { replaced = true })
				}
			}
			if replaced {
				t.Error("a player that only 49 came after had to go")
			}
			if !slices.IsSorted(closed) || closed[len(closed)-1] >= 450 {
				t.Errorf("in another order than they came, were closed %v", closed)
			}
		})
	}
}

// TestGuestsAreCounted holds that nothing is left of connections that came and went in every way.
func TestGuestsAreCounted(t *testing.T) {
	s := run(t, Config{})
	feed(t, s.Sink("hqstream"), 5*time.Millisecond)
	forProtocols(t, func(t *testing.T, protocol gortsplib.Protocol) {
		v := watch(t, s, "/hqstream", protocol)
		v.nextRTP(t)
		v.client.Close()
		c := dial(t, s)
		c.play(s)
		c.net.Close()
		dial(t, s).net.Close()
		eventually(t, "all have gone", func() bool {
			s.guests.mu.Lock()
			defer s.guests.mu.Unlock()
			return s.guests.all == 0 && len(s.guests.idle) == 0
		})
	})
}
