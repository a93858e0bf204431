package rtspd

import (
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
)

// greeted reads a text as a lane does, and returns the pieces.
func greeted(text string, one bool) []string {
	var r io.Reader = strings.NewReader(text)
	if one {
		r = iotest.OneByteReader(r)
	}
	var g greeting
	var pieces []string
	buf := make([]byte, 64)
	for {
		n := g.rest(buf)
		var err error
		if n == 0 {
			if n, err = r.Read(buf); n > 0 {
				n = g.cut(buf[:n])
			}
		}
		if n > 0 {
			pieces = append(pieces, string(buf[:n]))
		}
		if err != nil {
			return pieces
		}
	}
}

func TestGreeting(t *testing.T) {
	for text, first := range map[string]string{
		"GET / HTTP/1.1\r\nA: b\r\n\r\nmore\r\n\r\n": "GET / HTTP/1.1\r\nA: b\r\n\r\n",
		"GET / HTTP/1.1\n\nmore":                     "GET / HTTP/1.1\n\n",
		"GET / HTTP/1.1\n\r\nmore":                   "GET / HTTP/1.1\n\r\n",
		"GET / HTTP/1.1\r\r\nmore":                   "GET / HTTP/1.1\r\r\nmore",
		"$\x00\x00":                                  "$\x00\x00",
	} {
		if got := greeted(text, false); got[0] != first || strings.Join(got, "") != text {
			t.Errorf("%q is read as %q, want %q first", text, got, first)
		}
		if got := strings.Join(greeted(text, true), ""); got != text {
			t.Errorf("byte by byte %q is read as %q", text, got)
		}
	}
}

const upgrade = "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: rtsp.onvif.org\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

// TestRudeWebSocket has clients that do not wait for the answer to their upgrade: they go on, or go away. The server,
// which is in this process, lives on.
func TestRudeWebSocket(t *testing.T) {
	s := run(t, Config{})
	s.Sink("hqstream")(tiny(t)[0])
	for range 50 {
		dial(t, s).net.Write([]byte(upgrade + "\x82\x85\x00\x00\x00\x00OPTIO"))
		gone := dial(t, s)
		gone.net.(*net.TCPConn).SetLinger(0)
		gone.net.Write([]byte(upgrade))
		gone.net.Close()
		exchange(t, s, []byte(upgrade)) // hangs up before the answer
	}
	if res := dial(t, s).do(base.Describe, url(t, s, "/hqstream")); res.StatusCode != 200 {
		t.Errorf("DESCRIBE after that: got %d", res.StatusCode)
	}
}
