package rtspd

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/conn"
)

// rawClient sends requests that no well-meaning client sends.
type rawClient struct {
	t    testing.TB
	net  net.Conn
	rtsp *conn.Conn
	seq  int
}

func dial(t testing.TB, s *Server) *rawClient {
	t.Helper()
	return newRawClient(t, dialTCP(t, s.Addr()))
}

func dialTCP(t testing.TB, addr net.Addr) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	return nc
}

func newRawClient(t testing.TB, nc net.Conn) *rawClient {
	t.Helper()
	t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &rawClient{t: t, net: nc, rtsp: newConn(nc, nc)}
}

func newConn(r io.Reader, w io.Writer) *conn.Conn {
	return conn.NewConn(bufio.NewReader(r), struct {
		io.Reader
		io.Writer
	}{r, w})
}

// do sends a request with headers given as pairs, and returns the answer.
func (c *rawClient) do(method base.Method, u *base.URL, pairs ...string) *base.Response {
	c.t.Helper()
	c.seq++
	header := base.Header{"CSeq": base.HeaderValue{strconv.Itoa(c.seq)}}
	for i := 0; i < len(pairs); i += 2 {
		header[pairs[i]] = base.HeaderValue{pairs[i+1]}
	}
	if err := c.rtsp.WriteRequest(&base.Request{Method: method, URL: u, Header: header}); err != nil {
		c.t.Fatalf("%s: %v", method, err)
	}
	for {
		what, err := c.rtsp.Read()
		if err != nil {
			c.t.Fatalf("%s: %v", method, err)
		}
		if res, ok := what.(*base.Response); ok {
			return res
		}
	}
}

const overTCP = "RTP/AVP/TCP;unicast;interleaved=0-1"

func TestRefusals(t *testing.T) {
	s := run(t, Config{})
	feed(t, s.Sink("hqstream"), 10*time.Millisecond)
	c := dial(t, s)

	tests := []struct {
		name   string
		method base.Method
		path   string
		header []string
		want   base.StatusCode
		text   string
	}{
		{"describe nothing", base.Describe, "/", nil, 404, "/hqstream /lqstream"},
		{"describe unknown", base.Describe, "/nostream", nil, 404, "/hqstream /lqstream"},
		{"describe deeper", base.Describe, "/hqstream/more", nil, 404, "streams:"},
		{"setup unknown", base.Setup, "/nostream/trackID=0", []string{"Transport", overTCP}, 404, "streams:"},
		{"setup other track", base.Setup, "/hqstream/trackID=1", []string{"Transport", overTCP}, 404, "streams:"},
		{"announce", base.Announce, "/hqstream", []string{"Content-Type", "application/sdp"}, 405, "not published to"},
		{"announce elsewhere", base.Announce, "/mine", nil, 405, "not published to"},
		{"record", base.Record, "/hqstream", nil, 405, "not published to"},
		{"describe after all that", base.Describe, "/hqstream", nil, 200, "OK"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c.t = t
			res := c.do(tt.method, url(t, s, tt.path), tt.header...)
			if res.StatusCode != tt.want || !strings.Contains(res.StatusMessage, tt.text) {
				t.Errorf("got %d %s, want %d …%s…", res.StatusCode, res.StatusMessage, tt.want, tt.text)
			}
			if tt.want == 405 && len(res.Header["Allow"]) == 0 {
				t.Error("405 without Allow")
			}
		})
	}
	c.t = t
	if public := c.do(base.Options, url(t, s, "/hqstream")).Header["Public"]; len(public) != 1 ||
		strings.Contains(public[0], "ANNOUNCE") || strings.Contains(public[0], "RECORD") {
		t.Errorf("Public: got %v, want no ANNOUNCE nor RECORD", public)
	}
}

// TestURLForms sends the forms of URL in which players name a stream and its track.
func TestURLForms(t *testing.T) {
	s := run(t, Config{})
	feed(t, s.Sink("hqstream"), 10*time.Millisecond)
	tests := []struct{ name, describe, setup, play string }{
		{"plain", "/hqstream", "/hqstream/trackID=0", "/hqstream/"},
		{"play without slash", "/hqstream", "/hqstream/trackID=0", "/hqstream"},
		{"trailing slash", "/hqstream/", "/hqstream//trackID=0", "/hqstream//"},
		{"query before track", "/hqstream?a=b", "/hqstream?a=b/trackID=0", "/hqstream?a=b/"},
		{"query after track", "/hqstream?a=b", "/hqstream/trackID=0?a=b", "/hqstream/?a=b"},
		{"no track", "/hqstream", "/hqstream/", "/hqstream"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, s)
			if res := c.do(base.Describe, url(t, s, tt.describe)); res.StatusCode != 200 {
				t.Fatalf("DESCRIBE: got %d %s", res.StatusCode, res.StatusMessage)
			}
			res := c.do(base.Setup, url(t, s, tt.setup), "Transport", overTCP)
			if res.StatusCode != 200 {
				t.Fatalf("SETUP: got %d %s", res.StatusCode, res.StatusMessage)
			}
			session, _, _ := strings.Cut(res.Header["Session"][0], ";")
			res = c.do(base.Play, url(t, s, tt.play), "Session", session)
			if res.StatusCode != 200 {
				t.Fatalf("PLAY: got %d %s", res.StatusCode, res.StatusMessage)
			}
			if info := res.Header["RTP-Info"]; len(info) != 1 || strings.Contains(info[0], "rtptime") {
				t.Errorf("RTP-Info: got %v, want one without rtptime", info)
			}
			if res := c.do(base.Teardown, url(t, s, tt.play), "Session", session); res.StatusCode != 200 {
				t.Errorf("TEARDOWN: got %d %s", res.StatusCode, res.StatusMessage)
			}
		})
	}
}

func TestDescription(t *testing.T) {
	s := run(t, Config{})
	units := tiny(t)
	s.Sink("hqstream")(units[0])
	res := dial(t, s).do(base.Describe, url(t, s, "/hqstream"))
	body := string(res.Body)
	for _, want := range []string{
		"\r\ns=camkrazy\r\n",
		"\r\nm=video 0 RTP/AVP 96\r\n",
		"\r\na=rtpmap:96 H264/90000\r\n",
		"packetization-mode=1",
		"profile-level-id=64000A", // High, level 1.0: what the README of testdata says
		"sprop-parameter-sets=" + base64of(units[0].NALs[0]) + "," + base64of(units[0].NALs[1]),
		"\r\na=framerate:30\r\n",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("description lacks %q:\n%s", want, body)
		}
	}

	// A later change is seen by later DESCRIBEs.
	other := units[0]
	other.NALs = append([][]byte{nal(0x67, 9), nal(0x68, 5)}, other.NALs[2])
	other.PTS = time.Second
	s.Sink("hqstream")(other)
	body = string(dial(t, s).do(base.Describe, url(t, s, "/hqstream")).Body)
	if want := base64of(other.NALs[0]) + "," + base64of(other.NALs[1]); !strings.Contains(body, want) {
		t.Errorf("description after a change lacks %q:\n%s", want, body)
	}
}

func TestDescribeWaitsForPicture(t *testing.T) {
	s := run(t, Config{})
	answer := make(chan *base.Response, 1)
	c := dial(t, s)
	u := url(t, s, "/lqstream")
	go func() { answer <- c.do(base.Describe, u) }()

	// An unrelated connection is answered meanwhile, and shows that the first has had its chance.
	if res := dial(t, s).do(base.Options, u); res.StatusCode != 200 {
		t.Fatalf("OPTIONS: got %d", res.StatusCode)
	}
	units := tiny(t)
	s.Sink("lqstream")(units[1]) // no parameter sets yet
	select {
	case res := <-answer:
		t.Fatalf("DESCRIBE before the first parameter sets: got %d at once, want none", res.StatusCode)
	default:
	}
	au := units[5]
	au.PTS = time.Second
	s.Sink("lqstream")(au)
	if res := <-answer; res.StatusCode != 200 || len(res.Body) == 0 {
		t.Errorf("DESCRIBE: got %d %s", res.StatusCode, res.StatusMessage)
	}
}

func TestDescribeGivesUp(t *testing.T) {
	s := run(t, Config{}, func(s *Server) { s.wait = 50 * time.Millisecond })
	began := time.Now()
	res := dial(t, s).do(base.Describe, url(t, s, "/hqstream"))
	if res.StatusCode != 503 || len(res.Header["Retry-After"]) != 1 {
		t.Errorf("DESCRIBE without a camera: got %d %s %v, want 503 and Retry-After", res.StatusCode, res.StatusMessage, res.Header)
	}
	if took := time.Since(began); took < s.wait {
		t.Errorf("answered after %v, want at least %v", took, s.wait)
	}
}

// TestFirstComer has a player that comes before the streams are open, which takes the lock of each.
func TestFirstComer(t *testing.T) {
	var st *stream
	s := run(t, Config{}, func(s *Server) {
		st = s.streams["lqstream"]
		st.mu.Lock()
	})
	c, early := dial(t, s), make(chan *base.Response, 1)
	go func() {
		early <- c.do(base.Setup, url(t, s, "/lqstream/trackID=0"), "Transport", overTCP)
	}()
	select {
	case res := <-early:
		early <- res
		t.Errorf("answered %d before there was a stream", res.StatusCode)
	case <-time.After(50 * time.Millisecond): // enough for a server that does not wait
	}
	st.mu.Unlock()
	if res := <-early; res.StatusCode != 200 {
		t.Errorf("got %d %s", res.StatusCode, res.StatusMessage)
	}
}
