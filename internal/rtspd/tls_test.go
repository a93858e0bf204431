package rtspd

import (
	"bytes"
	"context"
	"crypto/tls"
	neturl "net/url"
	"os/exec"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/google/go-cmp/cmp"

	"github.com/camkrazy/camkrazy/internal/certs"
)

// secure adds TLS to cfg.
func secure(t testing.TB, cfg Config) Config {
	t.Helper()
	cert, err := certs.Load(certs.Config{Host: "camera"})
	if err != nil {
		t.Fatal(err)
	}
	cfg.TLSListen, cfg.TLS = "127.0.0.1:0", cert
	return cfg
}

// dialTLS connects to RTSPS.
func dialTLS(t testing.TB, s *Server) *rawClient {
	t.Helper()
	nc, err := tls.Dial("tcp", s.TLSAddr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	return newRawClient(t, nc)
}

// secureURL is url for RTSPS.
func secureURL(t testing.TB, s *Server, path string) *base.URL {
	t.Helper()
	u, err := base.ParseURL("rtsps://" + s.TLSAddr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestTLS(t *testing.T) {
	s := run(t, secure(t, Config{Users: users}))
	feed(t, s.Sink("hqstream"), 5*time.Millisecond)
	u := secureURL(t, s, "/hqstream")
	(*neturl.URL)(u).User = neturl.UserPassword(users[0].Name, users[0].Password)
	protocol := gortsplib.ProtocolTCP
	v := watchURL(t, u, &gortsplib.Client{
		Scheme: u.Scheme, Host: u.Host, Protocol: &protocol, TLSConfig: &tls.Config{InsecureSkipVerify: true},
	})
	sent := tiny(t)
	zero := s.streams["hqstream"].clock.rtp(77 * time.Hour)
	for i, got := range v.nextUnits(t, 12) {
		if diff := cmp.Diff(sent[(got.time-zero)/450%10].NALs, got.nals); diff != "" {
			t.Fatalf("access unit %d (-want +got):\n%s", i, diff)
		}
	}
	if got := s.Stats("hqstream").Readers; got != 1 {
		t.Errorf("readers: got %d, want 1", got)
	}
	v.client.Close()
	eventually(t, "the viewer is gone", func() bool { return s.Stats("hqstream").Readers == 0 })
}

// TestTLSOnly has no plain RTSP, and so no UDP.
func TestTLSOnly(t *testing.T) {
	cfg := secure(t, Config{Listen: "", Streams: []StreamConfig{{Name: "hqstream"}}})
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	if s.Addr() != nil {
		t.Errorf("plain RTSP at %v, want none", s.Addr())
	}
	s.Sink("hqstream")(tiny(t)[0])
	c := dialTLS(t, s)
	if res := c.do(base.Describe, secureURL(t, s, "/hqstream")); res.StatusCode != 200 {
		t.Errorf("DESCRIBE: got %d %s", res.StatusCode, res.StatusMessage)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// TestTLSTransports: what is asked for over TLS is not sent unencrypted.
func TestTLSTransports(t *testing.T) {
	s := run(t, secure(t, Config{}))
	s.Sink("hqstream")(tiny(t)[0])
	const udp = "RTP/AVP/UDP;unicast;client_port=40000-40001"
	tests := []struct {
		name, transport string
		want            base.StatusCode
	}{
		{"interleaved", overTCP, 200},
		{"UDP", udp, 461},
		{"multicast", "RTP/AVP;multicast", 461},
		{"SRTP", "RTP/SAVP;unicast;client_port=40000-40001", 461},
		{"UDP preferred", udp + "," + overTCP, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res := dialTLS(t, s).do(base.Setup, secureURL(t, s, "/hqstream/trackID=0"), "Transport", tt.transport)
			if res.StatusCode != tt.want {
				t.Errorf("got %d %s, want %d", res.StatusCode, res.StatusMessage, tt.want)
			}
			if tt.want == 200 && !bytes.Contains([]byte(res.Header["Transport"][0]), []byte("interleaved")) {
				t.Errorf("got transport %s", res.Header["Transport"])
			}
		})
	}
}

// TestNoHandshake: who connects to the TLS port and says nothing is shown out like others.
func TestNoHandshake(t *testing.T) {
	s := run(t, secure(t, Config{}), func(s *Server) { s.guests = newGuests(50 * time.Millisecond) })
	d := newRawClient(t, dialTCP(t, s.TLSAddr()))
	d.closed()
}

func TestFFprobeTLS(t *testing.T) {
	ffprobe, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Skip("no ffprobe in PATH (package ffmpeg)")
	}
	s := run(t, secure(t, Config{}))
	feed(t, s.Sink("hqstream"), 33*time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, ffprobe, "-v", "error", "-rtsp_transport", "tcp", "-analyzeduration", "300000",
		"-read_intervals", "%+#30", "-of", "json", "-show_entries", "stream=codec_name,profile,width,height:packet=pts_time,flags",
		secureURL(t, s, "/hqstream").String()).CombinedOutput()
	if err != nil {
		t.Fatalf("ffprobe: %v: %s", err, out)
	}
	checkProbe(t, out)
}
