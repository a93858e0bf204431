package rtspd

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
)

func basicAuth(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

// TestBasic: a password in clear is taken, and asked for, only where nobody can read along or where that is wanted.
func TestBasic(t *testing.T) {
	right, wrong := basicAuth("viewer", "see: it"), basicAuth("viewer", "see it")
	tests := []struct {
		name   string
		tls    bool
		allow  bool
		header string
		want   base.StatusCode
		offers bool
	}{
		{"plain", false, false, right, 401, false},
		{"plain, wrong", false, false, wrong, 401, false},
		{"plain, allowed", false, true, right, 200, true},
		{"plain, allowed, wrong", false, true, wrong, 401, true},
		{"TLS", true, false, right, 200, true},
		{"TLS, small letters", true, false, "basic  " + strings.TrimPrefix(right, "Basic "), 200, true},
		{"plain, small letters", false, false, "basic " + strings.TrimPrefix(right, "Basic "), 401, false},
		{"TLS, wrong", true, false, wrong, 401, true},
		{"TLS, no base64", true, false, "Basic !", 401, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := run(t, secure(t, Config{Users: users, BasicAuth: tt.allow}))
			s.Sink("hqstream")(tiny(t)[0])
			c, u := dial(t, s), url(t, s, "/hqstream")
			if tt.tls {
				c, u = dialTLS(t, s), secureURL(t, s, "/hqstream")
			}
			res := c.do(base.Describe, u)
			if got := strings.Contains(strings.Join(res.Header["WWW-Authenticate"], "\n"), "Basic"); got != tt.offers {
				t.Errorf("offers basic: %v, want %v", got, tt.offers)
			}
			if res = c.do(base.Describe, u, "Authorization", tt.header); res.StatusCode != tt.want {
				t.Errorf("got %d %s, want %d", res.StatusCode, res.StatusMessage, tt.want)
			}
		})
	}
}

// TestDigests has the answer to each challenge on its own.
func TestDigests(t *testing.T) {
	s := run(t, Config{Users: users})
	s.Sink("hqstream")(tiny(t)[0])
	u := url(t, s, "/hqstream")
	for i, algorithm := range []string{"SHA-256", "MD5"} {
		c := dial(t, s)
		res := c.do(base.Describe, u)
		offers := res.Header["WWW-Authenticate"]
		if len(offers) != 2 || !strings.Contains(offers[i], algorithm) {
			t.Fatalf("challenge %d: got %v, want %s", i, offers, algorithm)
		}
		res.Header["WWW-Authenticate"] = offers[i : i+1]
		shown := answer(t, res, base.Describe, u, users[0])
		for _, header := range []string{shown, "digest  " + strings.TrimPrefix(shown, "Digest ")} {
			if res := c.do(base.Describe, u, "Authorization", header); res.StatusCode != 200 {
				t.Errorf("%s: got %d for %s", algorithm, res.StatusCode, header)
			}
		}
	}
}

// TestStaleNonce: the answer to an older challenge says nothing about the password, so it costs nothing.
func TestStaleNonce(t *testing.T) {
	s := run(t, Config{Users: users})
	s.Sink("hqstream")(tiny(t)[0])
	u := url(t, s, "/hqstream")
	old := answer(t, dial(t, s).do(base.Describe, u), base.Describe, u, users[0])
	c := dial(t, s)
	c.do(base.Describe, u)
	res := c.do(base.Describe, u, "Authorization", old)
	if !strings.Contains(res.Header["WWW-Authenticate"][0], `stale="true"`) {
		t.Errorf("got %v, want stale", res.Header["WWW-Authenticate"])
	}
	if res := c.do(base.Describe, u, "Authorization", answer(t, res, base.Describe, u, users[0])); res.StatusCode != 200 {
		t.Errorf("answer to the new challenge: got %d", res.StatusCode)
	}
	if n := s.door.throttle.Failures(); n != 0 {
		t.Errorf("%d failures are counted, want none", n)
	}
}

// TestGuessing: who guesses has to wait, from all connections together, and others do not.
func TestGuessing(t *testing.T) {
	s := run(t, Config{Users: users})
	s.Sink("hqstream")(tiny(t)[0])
	u := url(t, s, "/hqstream")
	try := func(address string, user User) (time.Duration, base.StatusCode) {
		c := from(t, s, address)
		defer c.net.Close()
		challenge := c.do(base.Describe, u)
		began := time.Now()
		res := c.do(base.Describe, u, "Authorization", answer(t, challenge, base.Describe, u, user))
		return time.Since(began), res.StatusCode
	}
	const guesser, friend = "127.0.0.2", "127.0.0.3"
	for i := range 6 {
		if _, code := try(guesser, User{"viewer", fmt.Sprint(i)}); code != 401 {
			t.Fatalf("guess %d: got %d", i, code)
		}
	}
	const pause = 500 * time.Millisecond // of package throttle, between two turns of one address
	began := time.Now()
	try(guesser, User{"viewer", "first that takes its turn"})
	if _, code := try(guesser, users[0]); code != 200 || time.Since(began) < pause {
		t.Errorf("right password after guesses: got %d %v after the last of them, want 200, but later", code, time.Since(began))
	}
	quickest := pause
	for range 5 { // this machine may stand still for a moment, and in the guesser's line each would take a pause
		took, code := try(friend, users[0])
		if quickest = min(quickest, took); code != 200 {
			t.Errorf("from another address: got %d, want 200", code)
		}
	}
	if quickest > pause/2 {
		t.Errorf("from another address: answered after %v at best, want at once", quickest)
	}
	if n := s.door.throttle.Failures(); n != 7 {
		t.Errorf("%d failures are counted, want 7", n)
	}
}

func TestReaderLimit(t *testing.T) {
	s := run(t, secure(t, Config{MaxReaders: 2}))
	for _, stream := range []string{"hqstream", "lqstream"} {
		s.Sink(stream)(tiny(t)[0])
	}
	first := dial(t, s)
	first.play(s)
	second := dialTLS(t, s)
	if res := second.do(base.Setup, secureURL(t, s, "/lqstream/trackID=0"), "Transport", overTCP); res.StatusCode != 200 {
		t.Fatalf("second: got %d", res.StatusCode)
	}
	third := dial(t, s)
	setup := func() *base.Response {
		return third.do(base.Setup, url(t, s, "/hqstream/trackID=0"), "Transport", overTCP)
	}
	res := setup()
	if res.StatusCode != 453 || !strings.Contains(res.StatusMessage, "all 2 places for viewers are taken") {
		t.Errorf("third: got %d %s, want 453 and why", res.StatusCode, res.StatusMessage)
	}
	if got := s.Stats("hqstream").Refused; got != 1 {
		t.Errorf("refused: got %d, want 1", got)
	}
	second.net.Close() // which was set up and never played
	eventually(t, "there is a place again", func() bool { return setup().StatusCode == 200 })
}

// TestPlaceOfPaused: who has not played for a while gives its place to another one, if there is no other.
func TestPlaceOfPaused(t *testing.T) {
	play := func(c *rawClient, s *Server) { c.play(s) }
	pause := func(c *rawClient, s *Server) {
		session := c.play(s)
		c.do(base.Pause, url(c.t, s, "/hqstream"), "Session", session)
	}
	setUp := func(c *rawClient, s *Server) {
		c.do(base.Setup, url(c.t, s, "/hqstream/trackID=0"), "Transport", overTCP)
	}
	for _, tt := range []struct {
		name   string
		do     func(*rawClient, *Server)
		places int
		rest   time.Duration
		want   base.StatusCode
		goes   bool
	}{
		{"plays", play, 1, 0, 453, false},
		{"has just paused", pause, 1, time.Hour, 453, false},
		{"has paused", pause, 1, 0, 200, true},
		{"has paused, but there is room", pause, 2, 0, 200, false},
		{"has never played", setUp, 1, 0, 200, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := run(t, Config{MaxReaders: tt.places}, func(s *Server) { s.viewers.rest = tt.rest })
			s.Sink("hqstream")(tiny(t)[0])
			first, second := dial(t, s), dial(t, s)
			tt.do(first, s)
			res := second.do(base.Setup, url(t, s, "/hqstream/trackID=0"), "Transport", overTCP)
			if res.StatusCode != tt.want {
				t.Errorf("another one: got %d %s, want %d", res.StatusCode, res.StatusMessage, tt.want)
			}
			if tt.goes {
				_, err := io.Copy(io.Discard, first.net)
				if isTimeout(err) {
					t.Error("the first one keeps its connection")
				}
			} else if res := first.do(base.Options, url(t, s, "/hqstream")); res.StatusCode != 200 {
				t.Errorf("the first one: got %d", res.StatusCode)
			}
		})
	}
}

// TestCrowd has strangers hold 1,000 silent connections and 100 with requests that never end, from several addresses. A
// viewer does not notice, another one can come, and what the strangers hold is bounded.
func TestCrowd(t *testing.T) {
	s := run(t, Config{})
	feed(t, s.Sink("hqstream"), 5*time.Millisecond)
	v := watch(t, s, "/hqstream", gortsplib.ProtocolTCP)
	v.nextUnits(t, 1)
	for i := range 1000 {
		from(t, s, fmt.Sprintf("127.0.1.%d", 1+i%20))
	}
	slow := make([]*rawClient, 100)
	for i := range slow {
		slow[i] = from(t, s, fmt.Sprintf("127.0.2.%d", 1+i%5))
	}
	for i := range 20 {
		for _, c := range slow {
			io.WriteString(c.net, "DESCRIBE rtsp"[i%13:][:1]) // fails on those that were closed
		}
	}
	began := time.Now()
	c := from(t, s, "127.0.0.9")
	c.play(s)
	t.Logf("a viewer got in within %v", time.Since(began))
	var last uint32
	for i, got := range v.nextUnits(t, 50) {
		if i > 0 && got.time-last != 450 {
			t.Errorf("the viewer lost pictures: %d ticks after %d", got.time-last, last)
		}
		last = got.time
	}
	s.guests.mu.Lock()
	defer s.guests.mu.Unlock()
	if s.guests.all > maxIdle {
		t.Errorf("%d connections that do not play are open, want %d at most", s.guests.all, maxIdle)
	}
}

// TestMalformed sends what is no request. The server answers it or cuts it off, and goes on to serve others.
func TestMalformed(t *testing.T) {
	s := run(t, Config{}, func(s *Server) { s.guests = newGuests(100 * time.Millisecond) })
	s.Sink("hqstream")(tiny(t)[0])
	u := url(t, s, "/hqstream").String()
	for name, text := range map[string]string{
		"garbage":             "\x00\xff\xfe garbage \r\n\r\n",
		"another protocol":    "GET / HTTP/1.1\r\nHost: camera\r\n\r\n",
		"no CSeq":             "DESCRIBE " + u + " RTSP/1.0\r\n\r\n",
		"version 2":           "DESCRIBE " + u + " RTSP/2.0\r\nCSeq: 1\r\n\r\n",
		"unknown method":      "REDIRECT " + u + " RTSP/1.0\r\nCSeq: 1\r\n\r\n",
		"no path":             "DESCRIBE * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
		"bad URL":             "DESCRIBE rtsp://%zz/ RTSP/1.0\r\nCSeq: 1\r\n\r\n",
		"long URL":            "DESCRIBE rtsp://camera/" + strings.Repeat("a", 5000) + " RTSP/1.0\r\nCSeq: 1\r\n\r\n",
		"a header without :":  "DESCRIBE " + u + " RTSP/1.0\r\nCSeq\r\n\r\n",
		"a large body":        "SET_PARAMETER " + u + " RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 131072\r\n\r\n" + strings.Repeat("x", 64<<10),
		"a body without end":  "SET_PARAMETER " + u + " RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 99999999999\r\n\r\n",
		"negative length":     "SET_PARAMETER " + u + " RTSP/1.0\r\nCSeq: 1\r\nContent-Length: -1\r\n\r\n",
		"no transport":        "SETUP " + u + "/trackID=0 RTSP/1.0\r\nCSeq: 1\r\n\r\n",
		"bad transport":       "SETUP " + u + "/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: pigeon\r\n\r\n",
		"a session of nobody": "PLAY " + u + " RTSP/1.0\r\nCSeq: 1\r\nSession: 00\r\n\r\n",
		"a frame":             "$\x00\xff\xff",
		"a response":          "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, s)
			io.WriteString(c.net, text)
			answer, err := io.ReadAll(c.net)
			if isTimeout(err) {
				t.Error("the connection stays open")
			}
			if strings.Contains(string(answer), " 200 ") {
				t.Errorf("got %q", answer)
			}
		})
	}
	s.guests.mu.Lock()
	s.guests.limit = idleTime // whoever means well is not held to be as quick
	s.guests.mu.Unlock()
	if res := dial(t, s).do(base.Describe, url(t, s, "/hqstream")); res.StatusCode != 200 {
		t.Errorf("DESCRIBE after all that: got %d", res.StatusCode)
	}
}

// TestReportFirst: a sender report comes before the first packet of every session, over TCP and UDP, also where there
// was no picture for a while before. Over UDP the two come to different ports: the report has to be sent first, but
// nothing says that it is read first.
func TestReportFirst(t *testing.T) {
	units := tiny(t)
	for _, tt := range []struct {
		name  string
		fresh time.Duration // what counts as a new picture
	}{{"while pictures come", time.Hour}, {"after a pause", 0}} {
		t.Run(tt.name+"/TCP", func(t *testing.T) {
			s := run(t, Config{}, func(s *Server) { s.fresh = tt.fresh })
			pts := time.Hour
			put := func(i int) {
				pts += 33 * time.Millisecond
				au := units[i]
				au.PTS = pts
				s.Sink("hqstream")(au)
			}
			put(0)
			put(1)
			c := dial(t, s)
			c.play(s)
			put(5)
			for first := true; ; first = false {
				what, err := c.rtsp.Read()
				if err != nil {
					t.Fatal(err)
				}
				frame := what.(*base.InterleavedFrame)
				if first && (frame.Channel != 1 || frame.Payload[1] != 200) {
					t.Fatalf("first comes % x on channel %d, want a sender report", frame.Payload[:8], frame.Channel)
				}
				if frame.Channel == 0 {
					return
				}
			}
		})
		t.Run(tt.name+"/UDP", func(t *testing.T) {
			s := run(t, Config{}, func(s *Server) { s.fresh = tt.fresh })
			s.Sink("hqstream")(units[0])
			rtp, rtcp, err := openPair("127.0.0.1", s.Addr().(*net.TCPAddr).Port)
			if err != nil {
				t.Fatal(err)
			}
			defer rtp.Close()
			defer rtcp.Close()
			c := dial(t, s)
			port := rtp.LocalAddr().(*net.UDPAddr).Port
			res := c.do(base.Setup, url(t, s, "/hqstream/trackID=0"), "Transport", fmt.Sprintf("RTP/AVP;unicast;client_port=%d-%d", port, port+1))
			session, _, _ := strings.Cut(res.Header["Session"][0], ";")
			c.do(base.Play, url(t, s, "/hqstream"), "Session", session)
			au := units[5]
			au.PTS = time.Hour
			s.Sink("hqstream")(au)
			buf := make([]byte, 2000)
			rtp.SetReadDeadline(time.Now().Add(patience))
			if _, _, err := rtp.ReadFrom(buf); err != nil {
				t.Fatal(err)
			}
			rtcp.SetReadDeadline(time.Now().Add(time.Second)) // it is there already, but this machine may stand still
			if n, _, err := rtcp.ReadFrom(buf); err != nil || n < 28 || buf[1] != 200 {
				t.Errorf("when there was a picture there was no sender report: %d bytes, %v", n, err)
			}
		})
	}
}

// TestSamePortsAgain has a player over UDP end without a word, and come again with the same ports at once.
func TestSamePortsAgain(t *testing.T) {
	s := run(t, Config{})
	s.Sink("hqstream")(tiny(t)[0])
	for range 3 {
		c := dial(t, s)
		res := c.do(base.Setup, url(t, s, "/hqstream/trackID=0"), "Transport", "RTP/AVP;unicast;client_port=40000-40001")
		if res.StatusCode != 200 {
			t.Fatalf("SETUP: got %d %s", res.StatusCode, res.StatusMessage)
		}
		session, _, _ := strings.Cut(res.Header["Session"][0], ";")
		if res := c.do(base.Play, url(t, s, "/hqstream"), "Session", session); res.StatusCode != 200 {
			t.Fatalf("PLAY: got %d %s", res.StatusCode, res.StatusMessage)
		}
		c.net.Close()
	}
	if got := s.Stats("hqstream").Readers; got != 1 {
		t.Errorf("readers: got %d, want 1", got)
	}
}
