package rtspd

import (
	"fmt"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// greetAge is how old the newest picture may be to say anything about the next.
const greetAge = time.Second

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
// The library must have made the session's queue, and must not send to it yet.
func (st *stream) greet(s *gortsplib.ServerSession, maxAge time.Duration) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	out, newest := st.out.Load(), st.last.newest()
	if out == nil || newest == nil || time.Since(time.Unix(0, st.lastWrite.Load())) > maxAge {
		return nil
	}
	ssrc := out.Stats().Medias[st.media].Formats[st.format].LocalSSRC
	sr := &rtcp.SenderReport{SSRC: ssrc, NTPTime: ntpTime(newest.ntp), RTPTime: newest.rtp}
	if err := s.WritePacketRTCP(st.media, sr); err != nil {
		return fmt.Errorf("write sender report: %w", err)
	}

	// The numbers are those that come before the next live packet, whether or not these packets were sent to others.
	pictures := st.last.opening(maxAge)
	n := uint16(0)
	counter := newPacketizer(0, func(*rtp.Packet) error { n++; return nil })
	for _, p := range pictures {
		if err := counter.write(p.nals, p.rtp); err != nil {
			return err
		}
	}
	var captured time.Time
	sender := newPacketizer(st.packets.next()-n, func(pkt *rtp.Packet) error {
		return s.WritePacketRTPWithNTP(st.media, pkt, captured)
	})
	for _, p := range pictures {
		captured = p.ntp
		if err := sender.write(p.nals, p.rtp); err != nil {
			return fmt.Errorf("write newest pictures: %w", err)
		}
	}
	return nil
}
