package rtspd

import (
	"context"
	"fmt"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// greetAge is how old the newest picture may be to say anything about the next.
const greetAge = time.Second

// twoWait is how long a viewer of a stream that has just begun waits for its second picture: longer than that takes at
// two pictures per second.
const twoWait = 600 * time.Millisecond

// greet sends a session that begins to play what should go before the live packets: a sender report (a viewer that
// synchronises streams needs it before the first picture, RFC 6051 section 2) and the newest picture, with the last
// non-IDR picture ahead of it if it is an IDR picture.
//
// Why a non-IDR picture must be first: FFmpeg's parser loses the time of the first picture of any RTP stream. A
// recording by stream copy begins with the first IDR picture; if that is also the first picture, such as the one we
// ask for, it has a wrong time and FFmpeg prints "Timestamps are unset" or "Non-monotonous DTS". Of a non-IDR picture
// nobody needs the time: players and recorders drop it, as they have not got what it depends on. Neither parameter
// sets alone nor an IDR picture can take its place: the loss then falls on the IDR picture.
//
// No parameter sets go ahead of that non-IDR picture. All have them from the session description, and FFmpeg prints
// and shows the same with and without (copy, -copyinkf, decoding, output_corrupt). But to software that takes an SPS
// for a point to begin at, the picture would look like one.
//
// Where there is no fresh picture, and for multicast, where the session has no queue of its own, owed is true: the report
// goes ahead of the next live picture, see introduce, and the caller has to call joined.
//
// The library must have made the session's queue, and must not send to it yet.
//
// A stream that has just begun has no such picture, but its next one will be: see waitForTwo.
func (st *stream) greet(s *gortsplib.ServerSession, maxAge time.Duration) (owed bool, err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	out, newest := st.out.Load(), st.last.newest()
	shared := s.Transport().Protocol == gortsplib.ProtocolUDPMulticast
	if shared || out == nil || newest == nil || time.Since(*st.lastWrite.Load()) > maxAge {
		st.joining++
		return true, nil
	}
	if err := s.WritePacketRTCP(st.media, st.report(out, newest.rtp, newest.ntp)); err != nil {
		return false, fmt.Errorf("write sender report: %w", err)
	}

	// The numbers are those that come before the next live packet, whether or not these packets were sent to others.
	pictures := st.last.opening(maxAge)
	n := uint16(0)
	counter := newPacketizer(0, func(*rtp.Packet) error { n++; return nil })
	for _, p := range pictures {
		if err := counter.write(p.nals, p.rtp); err != nil {
			return false, err
		}
	}
	var captured time.Time
	sender := newPacketizer(st.packets.next()-n, func(pkt *rtp.Packet) error {
		return s.WritePacketRTPWithNTP(st.media, pkt, captured)
	})
	for _, p := range pictures {
		captured = p.ntp
		if err := sender.write(p.nals, p.rtp); err != nil {
			return false, fmt.Errorf("write newest pictures: %w", err)
		}
	}
	return false, nil
}

// waitForTwo waits until there are two pictures, so that greet has a non-IDR picture unless the stream has none at all. It
// keeps nobody who comes to a stream in progress, and holds up the others by one picture, or by a moment if that is far.
func (st *stream) waitForTwo(ctx context.Context, atMost time.Duration) {
	st.mu.Lock()
	two := st.last.two
	st.mu.Unlock()
	timeout := time.NewTimer(atMost)
	defer timeout.Stop()
	select {
	case <-two:
	case <-timeout.C:
	case <-ctx.Done():
	}
}

// joined notes that a session to which a report is owed plays now, or will not.
func (st *stream) joined() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.joining--
	st.owes = true
}

// introduce sends a sender report ahead of a picture if there may be a session that has had none: from greet, since
// when the library may send to it at any moment, to one picture after joined. All viewers of the stream get it. The
// caller holds mu.
func (st *stream) introduce(timestamp uint32) {
	out := st.out.Load()
	if out == nil || st.joining == 0 && !st.owes {
		return
	}
	st.owes = false
	if err := out.WritePacketRTCP(st.media, st.report(out, timestamp, st.ntp)); err != nil {
		st.log.Warn("write sender report", "err", err)
	}
}

// report says that what was captured at a wall-clock time has an RTP timestamp.
func (st *stream) report(out *gortsplib.ServerStream, timestamp uint32, captured time.Time) *rtcp.SenderReport {
	ssrc := out.Stats().Medias[st.media].Formats[st.format].LocalSSRC
	return &rtcp.SenderReport{SSRC: ssrc, NTPTime: ntpTime(captured), RTPTime: timestamp}
}
