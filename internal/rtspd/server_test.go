package rtspd

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/ntp"
	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/camkrazy/camkrazy/internal/camera"
)

func base64of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// forProtocols runs a test for both transports.
func forProtocols(t *testing.T, f func(*testing.T, gortsplib.Protocol)) {
	t.Run("TCP", func(t *testing.T) { f(t, gortsplib.ProtocolTCP) })
	t.Run("UDP", func(t *testing.T) { f(t, gortsplib.ProtocolUDP) })
}

// unit is an access unit as a viewer got it.
type unit struct {
	nals [][]byte
	time uint32
}

// nextUnits returns the next n access units, the first of which is an IDR picture.
func (v *testViewer) nextUnits(t testing.TB, n int) []unit {
	t.Helper()
	decoder, err := v.format.CreateDecoder()
	if err != nil {
		t.Fatal(err)
	}
	var units []unit
	for len(units) < n {
		pkt := v.nextRTP(t)
		nals, err := decoder.Decode(pkt)
		if err != nil || len(units) == 0 && nals[0][0]&nalTypeMask != nalSPS {
			continue
		}
		units = append(units, unit{nals, pkt.Timestamp})
	}
	return units
}

func TestNewRefuses(t *testing.T) {
	one := []StreamConfig{{Name: "hqstream"}}
	tests := []struct {
		name string
		cfg  Config
		want string
	}{
		{"no address", Config{Streams: one}, "no address to listen on; set rtsp.listen or rtsp.tls_listen in camera.yaml"},
		{"no port", Config{Listen: "localhost", Streams: one}, "missing port"},
		{"no port for TLS", Config{TLSListen: "localhost", TLS: &tls.Config{}, Streams: one}, "missing port"},
		{"no certificate", Config{TLSListen: ":8322", Streams: one}, "no certificate"},
		{"no streams", Config{Listen: ":8554"}, "no streams"},
		{"slash in name", Config{Listen: ":8554", Streams: []StreamConfig{{Name: "a/b"}}}, `"a/b"`},
		{"empty name", Config{Listen: ":8554", Streams: []StreamConfig{{}}}, `""`},
		{"twice", Config{Listen: ":8554", Streams: slices.Repeat(one, 2)}, "used twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := New(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestUnknownStream(t *testing.T) {
	s := run(t, Config{})
	if s.Sink("nostream") != nil {
		t.Error("Sink of an unknown stream: got one, want nil")
	}
	if got := s.Stats("nostream"); got != (StreamStats{}) {
		t.Errorf("Stats of an unknown stream: got %+v, want zero", got)
	}
}

func TestPlay(t *testing.T) {
	forProtocols(t, func(t *testing.T, protocol gortsplib.Protocol) {
		const period = 5 * time.Millisecond
		s := run(t, Config{})
		feed(t, s.Sink("hqstream"), period)
		v := watch(t, s, "/hqstream", protocol)
		if v.desc.Title != sessionName {
			t.Errorf("session name: got %q, want %q", v.desc.Title, sessionName)
		}

		sent := tiny(t)
		zero := s.streams["hqstream"].clock.rtp(77 * time.Hour)
		for i, got := range v.nextUnits(t, 12) {
			index := (got.time - zero) / 450
			if (got.time-zero)%450 != 0 {
				t.Fatalf("access unit %d: RTP time %d is not a multiple of %v", i, got.time-zero, period)
			}
			if diff := cmp.Diff(sent[index%10].NALs, got.nals); diff != "" {
				t.Fatalf("access unit %d, picture %d (-want +got):\n%s", i, index, diff)
			}
		}
		if got := s.Stats("hqstream").Readers; got != 1 {
			t.Errorf("readers: got %d, want 1", got)
		}
		v.client.Close()
		eventually(t, "the viewer is gone", func() bool { return s.Stats("hqstream").Readers == 0 })
	})
}

func TestStats(t *testing.T) {
	s := run(t, Config{})
	before := time.Now()
	var size int
	for i, au := range tiny(t) {
		au.PTS = time.Duration(i+1) * time.Millisecond
		s.Sink("lqstream")(au)
		for _, n := range au.NALs {
			size += len(n)
		}
	}
	got := s.Stats("lqstream")
	if got.LastWrite.Before(before.Round(0)) || got.LastWrite.After(time.Now()) {
		t.Errorf("LastWrite: got %v, want now", got.LastWrite)
	}
	if got.LastWrite == got.LastWrite.Round(0) { // which strips the monotonic reading
		t.Error("how old the newest picture is depends on the wall clock, which may be set meanwhile")
	}
	got.LastWrite = time.Time{}
	if want := (StreamStats{Frames: 10, KeyFrames: 2, Bytes: uint64(size)}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := s.Stats("hqstream"); got != (StreamStats{}) {
		t.Errorf("the other stream: got %+v, want zero", got)
	}
}

// TestStreamsShareClock compares the streams as a viewer would who plays both.
func TestStreamsShareClock(t *testing.T) {
	s := run(t, Config{}, patient)
	units := tiny(t)
	put := func(stream string, unit int, pts time.Duration) {
		au := units[unit]
		au.PTS = pts
		s.Sink(stream)(au)
	}
	// No picture is less delayed than the first, so that the clock has no reason to change its mapping.
	put("hqstream", 0, time.Hour)
	<-time.After(20 * time.Millisecond)
	put("lqstream", 0, time.Hour)
	put("hqstream", 1, time.Hour+10*time.Millisecond)
	put("lqstream", 1, time.Hour+15*time.Millisecond)

	hq := watch(t, s, "/hqstream", gortsplib.ProtocolTCP)
	lq := watch(t, s, "/lqstream", gortsplib.ProtocolTCP)
	a, b := hq.nextReport(t), lq.nextReport(t)
	if d := int32(lq.nextRTP(t).Timestamp - hq.nextRTP(t).Timestamp); d != 450 {
		t.Errorf("RTP times of the streams differ by %d, want 450", d)
	}

	byRTP := time.Duration(int32(a.RTPTime-b.RTPTime)) * time.Second / 90_000
	byNTP := ntp.Decode(a.NTPTime).Sub(ntp.Decode(b.NTPTime))
	if off := (byRTP - byNTP).Abs(); off > time.Millisecond {
		t.Errorf("sender reports put the streams %v apart (RTP %v, NTP %v), want less than 1 ms", off, byRTP, byNTP)
	}
	if off := time.Since(ntp.Decode(a.NTPTime)).Abs(); off > patience {
		t.Errorf("sender report: NTP time is %v from now", off)
	}
}

// nextReport returns the next sender report.
func (v *testViewer) nextReport(t testing.TB) *rtcp.SenderReport {
	t.Helper()
	for {
		if sr, ok := v.next(t).rtcp.(*rtcp.SenderReport); ok {
			return sr
		}
	}
}

func TestSenderReportComesFirst(t *testing.T) {
	s := run(t, Config{}, patient)
	units := tiny(t)
	for i := range 2 {
		units[i].PTS = time.Hour + time.Duration(i)*33*time.Millisecond
		s.Sink("hqstream")(units[i])
	}
	v := watch(t, s, "/hqstream", gortsplib.ProtocolTCP)
	sr, ok := v.next(t).rtcp.(*rtcp.SenderReport)
	if !ok {
		t.Fatal("first comes an RTP packet, want a sender report")
	}
	pkt := v.nextRTP(t)
	if pkt.Timestamp != sr.RTPTime {
		t.Errorf("RTP time: got %d in the report, %d in the first picture, want the same", sr.RTPTime, pkt.Timestamp)
	}
	if pkt.SSRC != sr.SSRC {
		t.Errorf("report is on source %x, want %x", sr.SSRC, pkt.SSRC)
	}
}

func TestKeyFrameIsAsked(t *testing.T) {
	var want atomic.Bool
	s := run(t, Config{KeyFrame: func(stream string) {
		if stream != "hqstream" {
			t.Errorf("key frame: got stream %q, want hqstream", stream)
		}
		want.Store(true)
	}})
	units := tiny(t)
	sink := s.Sink("hqstream")
	sink(units[0])
	v := watch(t, s, "/hqstream", gortsplib.ProtocolTCP)
	eventually(t, "a key frame is asked", want.Load)
	au := units[5]
	au.PTS = time.Second
	sink(au) // the session takes packets by now
	if diff := cmp.Diff(au.NALs, v.nextUnits(t, 1)[0].nals); diff != "" {
		t.Errorf("first access unit (-want +got):\n%s", diff)
	}
}

// TestNewestPicturesFirst: a session begins with the newest picture, and never with an IDR picture.
func TestNewestPicturesFirst(t *testing.T) {
	idr := tiny(t)[5].NALs
	first := [][]byte{nal(0x41, 5000), nal(0x41, 10)}
	second := [][]byte{nal(0x41, 20)}
	tests := []struct {
		name string
		sent [][][]byte // after an IDR picture
		want [][][]byte
	}{
		{"newest is no IDR picture", [][][]byte{first, second}, [][][]byte{second}},
		{"newest is an IDR picture", [][][]byte{first, idr}, [][][]byte{first, idr}},
		{"two IDR pictures", [][][]byte{first, idr, idr}, [][][]byte{first, idr}},
		{"nothing else", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			forProtocols(t, func(t *testing.T, protocol gortsplib.Protocol) {
				s := run(t, Config{}, patient)
				pts := time.Second
				put := func(nals [][]byte) {
					pts += 33 * time.Millisecond
					s.Sink("hqstream")(camera.AccessUnit{NALs: nals, PTS: pts, IDR: &nals[0] == &idr[0]})
				}
				for _, nals := range append([][][]byte{idr}, tt.sent...) {
					put(nals)
				}
				v := watch(t, s, "/hqstream", protocol)
				put(idr)
				if diff := cmp.Diff(append(tt.want, idr), v.unbroken(t, len(tt.want)+1)); diff != "" {
					t.Errorf("access units (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// unbroken returns the first n access units of a session. Sequence numbers and times must rise.
func (v *testViewer) unbroken(t *testing.T, n int) [][][]byte {
	t.Helper()
	decoder, err := v.format.CreateDecoder()
	if err != nil {
		t.Fatal(err)
	}
	var units [][][]byte
	var last *rtp.Packet
	for len(units) < n {
		pkt := v.nextRTP(t)
		if last != nil && pkt.SequenceNumber != last.SequenceNumber+1 {
			t.Errorf("packet number %d after %d", pkt.SequenceNumber, last.SequenceNumber)
		}
		if last != nil && last.Marker && int32(pkt.Timestamp-last.Timestamp) <= 0 {
			t.Errorf("RTP time %d after %d", pkt.Timestamp, last.Timestamp)
		}
		if nals, err := decoder.Decode(pkt); err == nil {
			units = append(units, nals)
		}
		last = pkt
	}
	return units
}

func TestParameterSets(t *testing.T) {
	s := run(t, Config{})
	units := tiny(t)
	sps, pps, idr := units[0].NALs[0], units[0].NALs[1], units[0].NALs[2]
	sink := s.Sink("hqstream")
	pts := time.Second
	put := func(isIDR bool, nals ...[]byte) {
		pts += 40 * time.Millisecond
		sink(camera.AccessUnit{NALs: nals, PTS: pts, IDR: isIDR})
	}
	put(true, sps, pps, idr)
	v := watch(t, s, "/hqstream", gortsplib.ProtocolTCP)
	put(true, idr)           // both are missing
	put(true, sps, idr)      // one is
	put(false, sps, pps)     // no picture at all: not sent
	put(true, sps, pps, idr) // all there
	want := [][]byte{sps, pps, idr}
	units2 := v.nextUnits(t, 3)
	for i, got := range units2 {
		if diff := cmp.Diff(want, got.nals); diff != "" {
			t.Errorf("access unit %d (-want +got):\n%s", i, diff)
		}
	}
	if got := units2[2].time - units2[1].time; got != 2*3600 {
		t.Errorf("lone parameter sets: the next picture is %d ticks on, want %d", got, 2*3600)
	}
	if got := s.Stats("hqstream").Frames; got != 4 {
		t.Errorf("frames: got %d, want 4", got)
	}
}

// TestTimeRunsBackwards: a player must not see it within a session.
func TestTimeRunsBackwards(t *testing.T) {
	s := run(t, Config{})
	units := tiny(t)
	sink := s.Sink("hqstream")
	units[0].PTS = time.Hour
	sink(units[0])
	v := watch(t, s, "/hqstream", gortsplib.ProtocolTCP)
	units[5].PTS = time.Second
	sink(units[5])
	ended := make(chan error, 1)
	go func() { ended <- v.client.Wait() }()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the session goes on")
	}

	again := watch(t, s, "/hqstream", gortsplib.ProtocolTCP)
	units[0].PTS = 2 * time.Second
	sink(units[0])
	if got, want := again.nextUnits(t, 1)[0].time, s.streams["hqstream"].clock.rtp(2*time.Second); got != want {
		t.Errorf("new session: RTP time %d, want %d", got, want)
	}
}

// openFiles counts this process's file descriptors.
func openFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestViewersLeaveNothingBehind(t *testing.T) {
	forProtocols(t, func(t *testing.T, protocol gortsplib.Protocol) {
		s := run(t, Config{})
		feed(t, s.Sink("hqstream"), 2*time.Millisecond)
		visit := func() {
			v := watch(t, s, "/hqstream", protocol)
			v.nextRTP(t)
			v.client.Close()
		}
		gone := func() bool { return s.Stats("hqstream").Readers == 0 }
		visit() // so that what is made once is made
		eventually(t, "the first viewer is gone", gone)
		goroutines, files := runtime.NumGoroutine(), openFiles(t)
		for range 50 {
			visit()
		}
		eventually(t, "all viewers are gone", gone)
		eventually(t, "goroutines and files are as before", func() bool {
			return runtime.NumGoroutine() <= goroutines && openFiles(t) <= files
		})
	})
}

func TestRunLeavesNothingBehind(t *testing.T) {
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	s, stop := start(t, Config{})
	u := url(t, s, "/lqstream")
	s.Sink("hqstream")(tiny(t)[0])
	v := watch(t, s, "/hqstream", gortsplib.ProtocolTCP)
	waiting := dial(t, s) // for the description of a stream that has no picture
	if err := waiting.rtsp.WriteRequest(&base.Request{
		Method: base.Describe, URL: u, Header: base.Header{"CSeq": base.HeaderValue{"1"}},
	}); err != nil {
		t.Fatal(err)
	}
	other := dial(t, s)
	if res := other.do(base.Options, u); res.StatusCode != 200 {
		t.Fatalf("OPTIONS: got %d", res.StatusCode)
	}
	stop()
	if _, err := net.Dial("tcp", s.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connect after the end: got %v, want refused", err)
	}
	s.Sink("hqstream")(tiny(t)[5]) // the camera may outlive us
	v.client.Close()
	waiting.net.Close()
	other.net.Close()
	eventually(t, "goroutines and files are as before", func() bool {
		return runtime.NumGoroutine() <= goroutines && openFiles(t) <= files
	})
}

func TestPortInUse(t *testing.T) {
	first := run(t, Config{})
	second, err := New(Config{Listen: first.Addr().String(), Streams: []StreamConfig{{Name: "hqstream"}}})
	if err != nil {
		t.Fatal(err)
	}
	err = second.Listen()
	want := "rtsp: listen on " + first.Addr().String() +
		": address already in use; stop the other program or set rtsp.listen in camera.yaml"
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
	if err := second.Run(t.Context()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("Run: got error %v, want %v", err, syscall.EADDRINUSE)
	}
}

// TestNeighbours puts two servers on neighbouring ports, where the second finds the first UDP pair taken.
func TestNeighbours(t *testing.T) {
	first := run(t, Config{})
	port := first.Addr().(*net.TCPAddr).Port
	taken := first.sockets.rtp.LocalAddr().(*net.UDPAddr).Port
	rtp, rtcp, err := openPair("127.0.0.1", port)
	if err != nil {
		t.Fatal(err)
	}
	defer rtp.Close()
	defer rtcp.Close()
	got := rtp.LocalAddr().(*net.UDPAddr).Port
	if got <= taken || got%2 != 0 || rtcp.LocalAddr().(*net.UDPAddr).Port != got+1 {
		t.Errorf("second pair: got %v and %v, want an even port above %d and the next", rtp.LocalAddr(), rtcp.LocalAddr(), taken)
	}
	if !rtp.LocalAddr().(*net.UDPAddr).IP.IsLoopback() {
		t.Errorf("UDP listens on %v, want the address of RTSP only", rtp.LocalAddr())
	}
	if rtp, rtcp, err := openPair("127.0.0.1", 65535); err != nil {
		t.Errorf("pair for the highest port: %v", err)
	} else {
		rtp.Close()
		rtcp.Close()
	}
}
