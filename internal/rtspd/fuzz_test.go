package rtspd

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// pipeConn is the server's end of a connection without a network.
type pipeConn struct{ net.Conn }

var pipeAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000}

// RemoteAddr implements net.Conn; gortsplib wants one of TCP.
func (pipeConn) RemoteAddr() net.Addr { return pipeAddr }

// LocalAddr implements net.Conn.
func (pipeConn) LocalAddr() net.Addr { return pipeAddr }

// exchange sends what a client says and then hangs up, and returns what it was told.
func exchange(t testing.TB, s *Server, said []byte) string {
	t.Helper()
	here, there := net.Pipe()
	s.sockets.accepted <- newLane(pipeConn{there})
	told := make(chan string)
	go func() {
		answer, _ := io.ReadAll(here) // ends as the connection does
		told <- string(answer)
	}()
	here.SetWriteDeadline(time.Now().Add(patience))
	for len(said) > 0 { // the server's reader stops where it likes, as if these were segments
		n := min(len(said), 512)
		if _, err := here.Write(said[:n]); err != nil {
			break
		}
		said = said[n:]
	}
	// Until it has answered what it has heard: the next byte is taken when that is done.
	here.Write([]byte("\r"))
	here.Close()
	return <-told
}

const (
	fuzzDescribe = "DESCRIBE rtsp://camera/hqstream RTSP/1.0\r\nCSeq: 1\r\n\r\n"
	fuzzSetup    = "SETUP rtsp://camera/hqstream/trackID=0 RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
	fuzzDigest   = `Authorization: Digest username="viewer", realm="camkrazy", nonce="x", uri="rtsp://camera/", response="0", algorithm="SHA-256"`
)

// FuzzRequests has a stranger say anything, to a server with users and to one without. Each goes on to serve others.
func FuzzRequests(f *testing.F) {
	for _, seed := range []string{
		"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
		fuzzDescribe, fuzzSetup,
		fuzzDescribe + fuzzSetup + "PLAY rtsp://camera/hqstream RTSP/1.0\r\nCSeq: 3\r\n\r\n$\x01\x00\x08\x81\xc9\x00\x01\x00\x00\x00\x00",
		fuzzSetup + "PAUSE rtsp://camera/hqstream RTSP/1.0\r\nCSeq: 3\r\n\r\nTEARDOWN rtsp://camera/hqstream RTSP/1.0\r\nCSeq: 4\r\n\r\n",
		strings.ReplaceAll(fuzzSetup, "RTP/AVP/TCP;unicast;interleaved=0-1", "RTP/AVP;multicast,RTP/SAVP;unicast;client_port=9-10;mode=record"),
		strings.Replace(fuzzDescribe, "\r\n\r\n", "\r\n"+fuzzDigest+"\r\n\r\n", 1),
		strings.Replace(fuzzDescribe, "\r\n\r\n", "\r\nAuthorization: Basic dmlld2VyOnNlZTogaXQ=\r\n\r\n", 1),
		strings.Replace(fuzzDescribe, "\r\n\r\n", "\r\nRequire: www.onvif.org/ver20/backchannel\r\n\r\n", 1),
		"ANNOUNCE rtsp://camera/mine RTSP/1.0\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n",
		"GET /tunnel HTTP/1.1\r\nAccept: application/x-rtsp-tunnelled\r\nX-Sessioncookie: a\r\n\r\n",
		"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: rtsp.onvif.org\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n\x82\x85\x00\x00\x00\x00OPTIO",
		"SET_PARAMETER rtsp://camera/ RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nabc",
	} {
		f.Add(true, []byte(seed))
		f.Add(false, []byte(seed))
	}
	servers := make(map[bool]*Server)
	for _, withUsers := range []bool{false, true} {
		cfg := Config{Listen: "127.0.0.1:0", Streams: []StreamConfig{{Name: "hqstream", FrameRate: 30}}}
		if withUsers {
			cfg.Users = users
		}
		s, err := New(cfg)
		if err != nil {
			f.Fatal(err)
		}
		s.guests = newGuests(time.Second)
		if err := s.Listen(); err != nil {
			f.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		f.Cleanup(func() { cancel(); <-ended })
		units := tiny(f)
		for i := range 2 {
			units[i].PTS = time.Duration(i+1) * time.Second
			s.Sink("hqstream")(units[i])
		}
		servers[withUsers] = s
	}
	f.Fuzz(func(t *testing.T, withUsers bool, said []byte) {
		s := servers[withUsers]
		told := exchange(t, s, said)
		if withUsers && (strings.Contains(told, "m=video") || strings.Contains(told, "sprop")) {
			t.Errorf("a stranger was told:\n%s", told)
		}
		want := "RTSP/1.0 200 OK"
		if withUsers {
			want = "RTSP/1.0 401 Unauthorized"
		}
		if told := exchange(t, s, []byte(fuzzDescribe)); !strings.HasPrefix(told, want) {
			t.Errorf("after %q DESCRIBE gives %q, want %s", said, told, want)
		}
	})
}
