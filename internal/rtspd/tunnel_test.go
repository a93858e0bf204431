package rtspd

import (
	"encoding/base64"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
)

// TestTunnels has viewers come through HTTP and WebSocket.
func TestTunnels(t *testing.T) {
	s := run(t, Config{})
	feed(t, s.Sink("hqstream"), 5*time.Millisecond)
	for name, tunnel := range map[string]gortsplib.Tunnel{"HTTP": gortsplib.TunnelHTTP, "WebSocket": gortsplib.TunnelWebSocket} {
		t.Run(name, func(t *testing.T) {
			u := url(t, s, "/hqstream")
			v := watchURL(t, u, &gortsplib.Client{Scheme: u.Scheme, Host: u.Host, Tunnel: tunnel})
			v.nextUnits(t, 12)
		})
	}
}

// halves is a tunnel through HTTP: what it sends is Base64 in one connection, what it gets comes in the other.
type halves struct {
	net.Conn // to read from
	up       net.Conn
}

func (h halves) Write(p []byte) (int, error) {
	_, err := io.WriteString(h.up, base64.StdEncoding.EncodeToString(p))
	return len(p), err
}

// dig opens a tunnel through the connections of two clients.
func dig(t *testing.T, down, up *rawClient) *rawClient {
	t.Helper()
	for _, half := range []struct {
		c       *rawClient
		request string
	}{
		{down, "GET / HTTP/1.1\r\nAccept: application/x-rtsp-tunnelled"},
		{up, "POST / HTTP/1.1\r\nContent-Type: application/x-rtsp-tunnelled"},
	} {
		if _, err := io.WriteString(half.c.net, half.request+"\r\nX-Sessioncookie: "+t.Name()+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		for head := ""; !strings.HasSuffix(head, "\r\n\r\n"); {
			b := make([]byte, 1)
			if _, err := io.ReadFull(half.c.net, b); err != nil {
				t.Fatalf("after %q: %v", head, err)
			}
			head += string(b)
		}
	}
	return newRawClient(t, halves{down.net, up.net})
}

// TestBasicInTunnel: in a tunnel a password in clear is asked for, and taken, if the way up is by TLS.
func TestBasicInTunnel(t *testing.T) {
	s := run(t, secure(t, Config{Users: users}))
	s.Sink("hqstream")(tiny(t)[0])
	plain := func() *rawClient { return dial(t, s) }
	encrypted := func() *rawClient { return dialTLS(t, s) }
	for _, tt := range []struct {
		name     string
		down, up func() *rawClient
		offers   bool
		want     base.StatusCode
	}{
		{"TLS", encrypted, encrypted, true, 200},
		{"plain", plain, plain, false, 401},
		{"plain up", encrypted, plain, false, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, u := dig(t, tt.down(), tt.up()), url(t, s, "/hqstream")
			res := c.do(base.Describe, u)
			if got := strings.Contains(strings.Join(res.Header["WWW-Authenticate"], "\n"), "Basic"); got != tt.offers {
				t.Errorf("offers basic: %v, want %v", got, tt.offers)
			}
			res = c.do(base.Describe, u, "Authorization", basicAuth(users[0].Name, users[0].Password))
			if res.StatusCode != tt.want {
				t.Errorf("got %d %s, want %d", res.StatusCode, res.StatusMessage, tt.want)
			}
		})
	}
}
