package rtspd

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/pion/rtp"

	"github.com/camkrazy/camkrazy/internal/camera"
)

// filmed is a stream of large pictures, an IDR picture at the start of each gop and whenever one is asked for.
type filmed struct {
	s     *Server
	pts   time.Duration
	n     int
	asked atomic.Bool
	size  int
	gop   int // pictures from one IDR picture to the next
}

const filmedPeriod = 33 * time.Millisecond

func film(t *testing.T, size int, change ...func(*Server)) *filmed {
	t.Helper()
	f := &filmed{size: size, pts: time.Hour, gop: 10}
	f.s = run(t, Config{KeyFrame: func(string) { f.asked.Store(true) }}, change...)
	f.next()
	return f
}

// next sends a picture, and returns how long the camera had to wait for that.
func (f *filmed) next() time.Duration {
	f.pts += filmedPeriod
	au := camera.AccessUnit{NALs: [][]byte{nal(0x41, f.size)}, PTS: f.pts}
	if f.asked.Swap(false) || f.n%f.gop == 0 {
		au = camera.AccessUnit{NALs: [][]byte{nal(0x67, 20), nal(0x68, 5), nal(0x65, f.size)}, PTS: f.pts, IDR: true}
	}
	f.n++
	began := time.Now()
	f.s.Sink("hqstream")(au)
	return time.Since(began)
}

// stuck is a viewer with room for so many bytes that reads nothing.
func stuck(t *testing.T, s *Server, room int) *rawClient {
	t.Helper()
	c := dial(t, s)
	if err := c.net.(*net.TCPConn).SetReadBuffer(room); err != nil {
		t.Fatal(err)
	}
	c.play(s)
	return c
}

// TestSlowReader has a viewer that reads nothing beside one that does.
func TestSlowReader(t *testing.T) {
	const stalled = time.Second
	f := film(t, 50_000, func(s *Server) { s.queue, s.stalled = 256, stalled })
	stuck(t, f.s, 4<<10)
	good := watch(t, f.s, "/hqstream", gortsplib.ProtocolTCP)
	if got := f.s.Stats("hqstream").Readers; got != 2 {
		t.Fatalf("readers: got %d, want 2", got)
	}
	f.asked.Store(true)
	f.next()
	good.nextUnits(t, 1)

	var longest time.Duration
	sent := 0
	eventually(t, "the slow viewer is dropped", func() bool {
		longest = max(longest, f.next())
		sent++
		want := f.s.streams["hqstream"].clock.rtp(f.pts)
		for good.nextRTP(t).Timestamp != want {
			t.Error("the other viewer gets an old picture")
		}
		for pkt := good.nextRTP(t); !pkt.Marker; pkt = good.nextRTP(t) {
			if pkt.Timestamp != want {
				t.Fatal("the other viewer lost the end of a picture")
			}
		}
		return f.s.Stats("hqstream").ReaderDrops > 0
	})
	eventually(t, "the slow viewer's session is gone", func() bool { return f.s.Stats("hqstream").Readers == 1 })
	if got := f.s.Stats("hqstream"); got.ReaderDrops != 1 || got.Readers != 1 {
		t.Errorf("got %d readers, %d drops, want 1, 1", got.Readers, got.ReaderDrops)
	}
	if longest >= stalled {
		t.Errorf("the camera waited %v for a viewer", longest)
	}
	t.Logf("dropped after %d pictures; longest write %v", sent, longest)
}

// TestStalledReader has a viewer stop for a while, and looks at what it gets then: whole pictures only, without a gap in
// the sequence numbers, nothing that is late, and after what was left out an IDR picture.
func TestStalledReader(t *testing.T) {
	f := film(t, 20_000, func(s *Server) { s.queue = 256 })
	c := stuck(t, f.s, 128<<10)
	st := f.s.streams["hqstream"]
	l := f.s.onlyLane(t)
	eventually(t, "pictures are left out", func() bool {
		f.next() // as fast as it goes: the camera's clock is ahead of ours
		return l.lost.Load() != nil && st.viewers.playing(st) == 1
	})
	resumed := f.pts
	packets := make(chan *rtp.Packet, 10_000)
	go c.receive(packets)
	var skipped time.Duration
	eventually(t, "the viewer has what is new", func() bool {
		f.next()
		if skipped == 0 && f.s.Stats("hqstream").ReaderSkips > 0 {
			skipped = f.pts
		}
		return skipped > 0 && f.pts > skipped+10*time.Second
	})
	c.net.Close()
	checkSkip(t, st, packets, resumed)
}

// onlyLane is the connection of the only viewer.
func (s *Server) onlyLane(t *testing.T) *lane {
	t.Helper()
	s.viewers.mu.Lock()
	defer s.viewers.mu.Unlock()
	for _, v := range s.viewers.sessions {
		return v.lane
	}
	t.Fatal("there is no viewer")
	return nil
}

// receive reads RTP packets until the connection is closed.
func (c *rawClient) receive(to chan<- *rtp.Packet) {
	defer close(to)
	for {
		what, err := c.rtsp.Read()
		if err != nil {
			return
		}
		frame, ok := what.(*base.InterleavedFrame)
		if !ok || frame.Channel != 0 {
			continue
		}
		pkt := &rtp.Packet{}
		if pkt.Unmarshal(append([]byte(nil), frame.Payload...)) == nil {
			to <- pkt
		}
	}
}

func checkSkip(t *testing.T, st *stream, packets <-chan *rtp.Packet, resumed time.Duration) {
	t.Helper()
	const ticks = uint32(filmedPeriod * clockRate / time.Second)
	var last *rtp.Packet
	pictures, jumps := 0, 0
	for pkt := range packets {
		begins := last == nil || last.Timestamp != pkt.Timestamp
		switch {
		case last == nil:
		case pkt.SequenceNumber != last.SequenceNumber+1:
			t.Fatalf("packet %d after %d", pkt.SequenceNumber, last.SequenceNumber)
		case begins != last.Marker:
			t.Fatalf("picture %d is not whole", last.Timestamp)
		case begins && pkt.Timestamp-last.Timestamp > ticks+1:
			jumps++
			if !beginsIDR(pkt.Payload) {
				t.Fatalf("the first picture after a gap is no IDR picture: % x", pkt.Payload[:3])
			}
			if late := int32(st.clock.rtp(resumed) - pkt.Timestamp); late > int32(freshLate.Seconds()*clockRate) {
				t.Errorf("goes on with a picture that was %d ticks old", late)
			}
		}
		if begins {
			pictures++
		}
		last = pkt
	}
	if jumps == 0 || uint64(jumps) > st.skips.Load() {
		t.Errorf("%d gaps in %d pictures, %d counted", jumps, pictures, st.skips.Load())
	}
	t.Logf("%d pictures, %d gaps", pictures, jumps)
}

// recorder is the network end of a lane.
type recorder struct {
	net.Conn
	writes [][]byte
}

func (r *recorder) Write(p []byte) (int, error) {
	r.writes = append(r.writes, append([]byte(nil), p...))
	return len(p), nil
}

// sent lists the pictures that left as the second of their time, and whether the numbers have a gap.
func (r *recorder) sent(t *testing.T) (times []uint32, gap bool) {
	t.Helper()
	next, known := uint16(0), false
	for _, w := range r.writes {
		for len(w) > 0 && w[0] == frameMagic {
			n := frameHeader + int(binary.BigEndian.Uint16(w[frameLength:]))
			number := binary.BigEndian.Uint16(w[rtpSequence:])
			gap = gap || known && number != next
			next, known = number+1, true
			if at := binary.BigEndian.Uint32(w[rtpTimestamp:]) / clockRate; len(times) == 0 || times[len(times)-1] != at {
				times = append(times, at)
			}
			w = w[n:]
		}
	}
	return times, gap
}

// TestLane plays what the library writes to a connection. Each picture is of two packets and is named by its second.
func TestLane(t *testing.T) {
	type event struct {
		at       uint32 // second of the picture
		idr      bool
		newest   uint32 // second that the camera has reached
		half     int    // the only packet that is written: 1 or 2
		overflow bool   // before it
	}
	p := func(at, newest uint32) event { return event{at: at, newest: newest} }
	i := func(at, newest uint32) event { return event{at: at, newest: newest, idr: true} }
	tests := []struct {
		name   string
		events []event
		want   []uint32
		skips  uint64
		err    error
	}{
		{"in time", []event{i(1, 1), p(2, 2), p(3, 3)}, []uint32{1, 2, 3}, 0, nil},
		{"a little late", []event{i(1, 3), p(2, 4), p(3, 5)}, []uint32{1, 2, 3}, 0, nil},
		{"late", []event{i(1, 1), p(2, 5), p(3, 5), i(4, 5), p(5, 5), i(6, 6), p(7, 7)}, []uint32{1, 6, 7}, 1, nil},
		{"late twice", []event{i(1, 9), i(9, 9), p(10, 19), i(19, 19)}, []uint32{9, 19}, 2, nil},
		{"no room", []event{i(1, 1), {at: 2, newest: 2, overflow: true}, p(3, 3), i(4, 4)}, []uint32{1, 4}, 1, nil},
		{"no room again", []event{i(1, 1), {at: 2, newest: 2, overflow: true}, {at: 3, newest: 3, overflow: true, idr: true}, i(4, 4)},
			[]uint32{1, 4}, 1, nil},
		{"lost a whole picture", []event{i(1, 1), {half: -1}, p(3, 3), i(4, 4)}, []uint32{1, 4}, 1, nil},
		{"lost up to an IDR picture", []event{i(1, 1), {half: -1}, i(3, 3), p(4, 4)}, []uint32{1, 3, 4}, 0, nil},
		{"lost the end", []event{i(1, 1), {at: 2, newest: 2, half: 1}, i(3, 3)}, []uint32{1}, 0, errHalfPicture},
		{"lost the end while leaving out", []event{i(1, 9), {at: 2, newest: 9, half: 1}, i(9, 9)}, []uint32{9}, 1, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st := &stream{}
			r := &recorder{}
			l := newLane(r)
			l.begin(st)
			var err error
			number := uint16(65530)
			for _, e := range tt.events {
				st.newest.Store(e.newest * clockRate)
				if e.overflow {
					l.lost.Store(new(e.at * clockRate))
				}
				for part := 1; part <= 2; part++ {
					if (e.half == 0 || e.half == part) && err == nil {
						_, err = l.Write(packet(number, e.at, e.idr, part == 2))
					}
					number++
				}
			}
			if err != tt.err {
				t.Fatalf("got error %v, want %v", err, tt.err)
			}
			got, gap := r.sent(t)
			if !equalTimes(got, tt.want) || gap {
				t.Errorf("sent %v (gap in the numbers: %v), want %v", got, gap, tt.want)
			}
			if st.skips.Load() != tt.skips {
				t.Errorf("counted %d, want %d", st.skips.Load(), tt.skips)
			}
		})
	}
}

func equalTimes(a, b []uint32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// packet is an interleaved RTP packet of a picture, which begins with parameter sets if it is an IDR picture.
func packet(number uint16, second uint32, idr, last bool) []byte {
	payload := []byte{0x41, 1, 2, 3}
	if idr && !last {
		payload = []byte{nalSTAPA, 0, 1, nalSPS, 0, 1, nalPPS}
	} else if idr {
		payload = []byte{0x65, 1, 2, 3}
	}
	pkt := rtp.Packet{
		Header:  rtp.Header{Version: 2, PayloadType: payloadType, SequenceNumber: number, Timestamp: second * clockRate, Marker: last},
		Payload: payload,
	}
	body, _ := pkt.Marshal()
	return append([]byte{frameMagic, 0, 0, byte(len(body))}, body...)
}

// TestLaneGathers: a picture leaves in as few writes as fit, at once when it is whole, and never behind what follows it.
func TestLaneGathers(t *testing.T) {
	r := &recorder{}
	l := newLane(r)
	write := func(p []byte) {
		t.Helper()
		if n, err := l.Write(p); n != len(p) || err != nil {
			t.Fatalf("wrote %d of %d: %v", n, len(p), err)
		}
	}
	first, second := packet(1, 1, true, false), packet(2, 1, true, true)
	write(first)
	if len(r.writes) != 0 {
		t.Fatal("half a picture has left")
	}
	write(second)
	if len(r.writes) != 1 || len(r.writes[0]) != len(first)+len(second) {
		t.Fatalf("a picture left in %d writes", len(r.writes))
	}
	write(packet(3, 2, false, false))
	write([]byte("RTSP/1.0 200 OK\r\n\r\n"))
	if len(r.writes) != 3 {
		t.Errorf("an answer left in the place of what was before it: %d writes", len(r.writes))
	}
	large := packet(4, 2, false, false)
	large = append(large, make([]byte, 1400)...)
	binary.BigEndian.PutUint16(large[frameLength:], uint16(len(large)-frameHeader))
	for range 100 {
		binary.BigEndian.PutUint16(large[rtpSequence:], binary.BigEndian.Uint16(large[rtpSequence:])+1)
		write(large)
	}
	for _, w := range r.writes {
		if len(w) > gather {
			t.Errorf("a write of %d bytes, want %d at most", len(w), gather)
		}
	}
}

// TestTalkativeViewer: what a stranger may send is bounded, so that it cannot use up the memory.
func TestTalkativeViewer(t *testing.T) {
	s := run(t, Config{})
	c := dial(t, s)
	header := "OPTIONS rtsp://camera/ RTSP/1.0\r\nCSeq: 1\r\n" + strings.Repeat("X-Long: "+strings.Repeat("x", 2000)+"\r\n", 250)
	io.WriteString(c.net, header) // of which the server takes a part
	if answer, err := io.ReadAll(c.net); len(answer) > 0 || isTimeout(err) {
		t.Errorf("got %q, %v, want the connection closed", answer, err)
	}
}
