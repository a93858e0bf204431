package rtspd

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// gather is how many bytes of one picture are written to the kernel at once. A call for each packet costs several
	// times the CPU time.
	gather = 16 << 10

	// apart is the least time between two pictures, for those that come from a queue: a recorder that takes the time of
	// arrival for a picture's time, as Frigate's usual preset does, would else give two of them the same.
	apart = time.Millisecond

	// maxLate is how far a viewer may be behind the camera. One that is further gets no more of what is waiting for it,
	// but goes on at the next IDR picture.
	maxLate = 2 * time.Second

	// freshLate is how late the IDR picture at which it goes on may be.
	freshLate = 500 * time.Millisecond

	// inboundBurst and inboundRate bound in bytes, and bytes per second, what a viewer may send. A whole dialogue is a
	// few thousand bytes, and what follows it a hundred in a second. A request may otherwise be of 600 kB.
	inboundBurst = 16 << 10
	inboundRate  = 2 << 10
)

// tunnelPause is waited before the second connection of a tunnel through HTTP is looked at. The library answers the first
// one before it takes note of it, and refuses the second if that is quicker.
const tunnelPause = 50 * time.Millisecond

var (
	errTalkative   = errors.New("more requests than any viewer has")
	errHalfPicture = errors.New("viewer too slow for a picture of this size")
)

// Offsets in an interleaved RTP packet: RFC 2326 section 10.12, then RFC 3550 section 5.1.
const (
	frameMagic   = '$'
	frameHeader  = 4
	frameLength  = 2 // 16 bits
	rtpFirst     = frameHeader
	rtpType      = frameHeader + 1
	rtpSequence  = frameHeader + 2
	rtpTimestamp = frameHeader + 4
	rtpPayload   = frameHeader + 12 // without CSRC and extension, which packetizer does not write

	rtpVersion    = 2 << 6
	rtpMarker     = 0x80
	rtpTypeMask   = 0x7f
	rtpFlagsPlain = rtpVersion
)

// lane is the TCP connection of one viewer. To gortsplib it is a net.Conn like others, but what the library writes to it
// packet by packet leaves picture by picture, and when the connection does not keep up whole pictures are left out:
// from the first one that is more than maxLate behind the camera, or follows one for which the library's queue had no
// room, to the next fresh IDR picture. The sequence numbers go on without a gap, so that players see a jump in time and no
// loss. A picture of which a part has been written is always written to its end.
type lane struct {
	net.Conn
	secure bool // it came by TLS

	credit   int // bytes that the viewer may send; for Read alone, as the next two
	credited time.Time
	heard    bool // it has sent something
	inbound  greeting

	lost atomic.Pointer[uint32] // RTP timestamp of the newest picture for which the queue had no room; nil if none

	mu       sync.Mutex
	stream   *stream // that the viewer plays; nil if that is not known, as in a tunnel
	buf      []byte
	skipping bool
	known    bool      // the next two mean something
	next     uint16    // expected sequence number
	time     uint32    // of the newest packet
	wrote    time.Time // end of the last picture
	open     bool      // the last packet of the picture has not been written yet
	left     uint16    // how many sequence numbers have been left out
}

func newLane(conn net.Conn) *lane {
	_, secure := conn.(*tls.Conn)
	return &lane{Conn: conn, secure: secure, credit: inboundBurst, credited: time.Now()}
}

// secureAddr is the local address of a connection that came by TLS.
type secureAddr struct{ net.Addr }

// LocalAddr implements net.Conn. It is all that the library's tunnel through HTTP shows of the connection from which it
// reads, so that it has to tell how that came.
func (l *lane) LocalAddr() net.Addr {
	if l.secure {
		return secureAddr{l.Conn.LocalAddr()}
	}
	return l.Conn.LocalAddr()
}

// isSecure says whether what a client sends by a lane, or by a tunnel through two of them, is encrypted. What such a
// tunnel brings to the client goes by the other lane, and is encrypted if the client has chosen TLS for that too.
func isSecure(conn net.Conn) bool {
	_, secure := conn.LocalAddr().(secureAddr)
	return secure
}

// Read implements net.Conn. It fails when the viewer has sent too much.
func (l *lane) Read(p []byte) (int, error) {
	if n := l.inbound.rest(p); n > 0 {
		return n, nil
	}
	n, err := l.Conn.Read(p)
	now := time.Now()
	earned := int(min(now.Sub(l.credited), time.Minute).Milliseconds()) * inboundRate / 1000
	if earned > 0 {
		l.credit = min(l.credit+earned, inboundBurst)
		l.credited = now
	}
	if l.credit -= n; l.credit < 0 {
		return 0, errTalkative
	}
	if !l.heard && bytes.HasPrefix(p[:n], []byte("POST")) {
		time.Sleep(tunnelPause)
	}
	l.heard = true
	return l.inbound.cut(p[:n]), err
}

// begin is called before the first packet of a session that plays st.
func (l *lane) begin(st *stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stream = st
	l.skipping, l.known, l.open, l.left = false, false, false, 0
	l.lost.Store(nil)
}

// Write implements net.Conn. The library writes one whole frame or response at a time.
func (l *lane) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !isRTP(p) {
		if err := l.flush(); err != nil {
			return 0, err
		}
		n, err := l.Conn.Write(p)
		if bytes.HasPrefix(p, []byte(upgrading)) {
			return len(p), nil // see greeting; the next read fails as well
		}
		return n, err
	}
	passes, err := l.passes(p)
	if err != nil {
		return 0, err
	}
	if !passes {
		return len(p), nil
	}
	if len(l.buf)+len(p) > gather {
		if err := l.flush(); err != nil {
			return 0, err
		}
	}
	if l.buf == nil {
		l.buf = make([]byte, 0, gather)
	}
	at := len(l.buf)
	l.buf = append(l.buf, p...)
	binary.BigEndian.PutUint16(l.buf[at+rtpSequence:], binary.BigEndian.Uint16(p[rtpSequence:])-l.left)
	if l.open {
		return len(p), nil
	}
	time.Sleep(apart - time.Since(l.wrote))
	err = l.flush()
	l.wrote = time.Now()
	return len(p), err
}

// flush writes what has been gathered. The caller holds mu.
func (l *lane) flush() error {
	if len(l.buf) == 0 {
		return nil
	}
	_, err := l.Conn.Write(l.buf)
	l.buf = l.buf[:0]
	return err
}

// isRTP reports whether p is one interleaved frame with a packet of ours.
func isRTP(p []byte) bool {
	return len(p) > rtpPayload && p[0] == frameMagic && int(binary.BigEndian.Uint16(p[frameLength:])) == len(p)-frameHeader &&
		p[rtpFirst] == rtpFlagsPlain && p[rtpType]&rtpTypeMask == payloadType
}

// passes decides whether the viewer gets a packet. The caller holds mu.
func (l *lane) passes(p []byte) (bool, error) {
	if l.stream == nil {
		l.open = p[rtpType]&rtpMarker == 0
		return true, nil
	}
	number, at := binary.BigEndian.Uint16(p[rtpSequence:]), binary.BigEndian.Uint32(p[rtpTimestamp:])
	gap := l.known && number != l.next
	begins := !l.known || at != l.time
	if gap && l.open {
		return false, errHalfPicture
	}
	if l.skipping {
		l.left++
	}
	if gap {
		l.left += number - l.next
	}
	l.known, l.next, l.time = true, number+1, at
	if begins {
		l.choose(p, at, gap)
	}
	l.open = !l.skipping && p[rtpType]&rtpMarker == 0
	return !l.skipping, nil
}

// choose decides whether the viewer gets the picture that begins with p. The caller holds mu.
func (l *lane) choose(p []byte, at uint32, gap bool) {
	late := l.stream.behind(at)
	abandoned := false // this picture is not whole, or what follows it in the queue is not
	if newest := l.lost.Load(); newest != nil {
		if abandoned = int32(at-*newest) <= 0; !abandoned {
			l.lost.CompareAndSwap(newest, nil)
		}
	}
	fresh := !abandoned && late <= freshLate && beginsIDR(p[rtpPayload:])
	switch {
	case l.skipping && fresh:
		l.skipping = false
		l.left-- // this one is not left out
	case !l.skipping && !fresh && (gap || abandoned || late > maxLate):
		l.skipping = true
		l.left++
		l.stream.skipped()
	}
}

// beginsIDR reports whether an RTP payload is the first of an IDR picture. Its parameter sets go ahead of it.
func beginsIDR(payload []byte) bool {
	t := payload[0] & nalTypeMask
	if t == nalSTAPA && len(payload) > stapHeaderSize+stapLengthSize {
		t = payload[stapHeaderSize+stapLengthSize] & nalTypeMask
	}
	if t == nalFUA && len(payload) > fuHeaderSize {
		t = payload[1] & nalTypeMask
	}
	return t == nalSPS || t == nalIDR
}
