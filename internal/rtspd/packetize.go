package rtspd

import (
	"github.com/pion/rtp"
)

// maxPayload is the largest RTP payload in bytes. With the RTP header (12) and the interleaved header (4) it fills
// one TCP segment over IPv4 with timestamps (1500-20-20-12); it also fits one UDP datagram over IPv6 (1500-40-8).
const maxPayload = 1432

// payloadType is the dynamic RTP payload type (RFC 3551 section 6) of every stream.
const payloadType = 96

// NAL unit types: ITU-T H.264 table 7-1 and, from 24, RFC 6184 section 5.2.
const (
	nalNonIDR = 1
	nalIDR    = 5
	nalSPS    = 7
	nalPPS    = 8
	nalSTAPA  = 24
	nalFUA    = 28
)

const (
	nalTypeMask = 0x1f
	nalRefMask  = 0x60 // nal_ref_idc
	nalForbid   = 0x80 // forbidden_zero_bit

	fuHeaderSize = 2 // FU indicator and FU header, RFC 6184 section 5.8
	fuStart      = 0x80
	fuEnd        = 0x40

	stapHeaderSize = 1 // RFC 6184 section 5.7.1
	stapLengthSize = 2
)

// packetizer splits access units into RTP packets (RFC 6184, packetization-mode 1). It allocates nothing: every packet
// is the same rtp.Packet, and its payload is either the NAL unit itself or the scratch buffer. So emit must be done
// with the packet when it returns; gortsplib's ServerStream is, because serverStreamFormat.writePacketRTP marshals
// into a buffer of its own before it queues anything.
type packetizer struct {
	// emit takes one packet; an error ends the access unit.
	emit func(*rtp.Packet) error

	pkt     rtp.Packet
	scratch [maxPayload]byte
}

// newPacketizer returns a packetizer whose first packet has the sequence number seq.
func newPacketizer(seq uint16, emit func(*rtp.Packet) error) *packetizer {
	p := &packetizer{emit: emit}
	p.pkt.Header = rtp.Header{Version: 2, PayloadType: payloadType, SequenceNumber: seq}
	return p
}

// next returns the sequence number of the next packet.
func (p *packetizer) next() uint16 { return p.pkt.SequenceNumber }

// write emits the packets of one access unit; the last of them carries the marker. NAL units that RTP has no room for
// (see carried) are left out.
func (p *packetizer) write(nals [][]byte, timestamp uint32) error {
	p.pkt.Timestamp = timestamp
	for len(nals) > 0 && !carried(nals[len(nals)-1]) {
		nals = nals[:len(nals)-1]
	}
	for len(nals) > 0 {
		n, err := p.writeNext(nals)
		if err != nil {
			return err
		}
		nals = nals[n:]
	}
	return nil
}

// writeNext emits the packets for the first NAL units of nals and says how many it took.
func (p *packetizer) writeNext(nals [][]byte) (int, error) {
	if !carried(nals[0]) {
		return 1, nil
	}
	if n := aggregatable(nals); n > 1 {
		return n, p.send(p.aggregate(nals[:n]), n == len(nals))
	}
	last := len(nals) == 1
	if len(nals[0]) > maxPayload {
		return 1, p.fragment(nals[0], last)
	}
	return 1, p.send(nals[0], last)
}

// carried reports whether nal can travel: types 0 and 24 to 31 are not NAL units in RTP, but its packet types.
func carried(nal []byte) bool {
	if len(nal) == 0 {
		return false
	}
	t := nal[0] & nalTypeMask
	return t > 0 && t < nalSTAPA
}

// aggregatable returns how many of the first NAL units fit one STAP-A together.
func aggregatable(nals [][]byte) int {
	size := stapHeaderSize
	for i, nal := range nals {
		size += stapLengthSize + len(nal)
		if size > maxPayload || !carried(nal) {
			return i
		}
	}
	return len(nals)
}

// aggregate builds a STAP-A (RFC 6184 section 5.7.1) in the scratch buffer.
func (p *packetizer) aggregate(nals [][]byte) []byte {
	b := append(p.scratch[:0], nalSTAPA)
	var ref byte
	for _, nal := range nals {
		b[0] |= nal[0] & nalForbid
		ref = max(ref, nal[0]&nalRefMask)
		b = append(b, byte(len(nal)>>8), byte(len(nal)))
		b = append(b, nal...)
	}
	b[0] |= ref
	return b
}

// fragment emits a NAL unit longer than maxPayload as FU-A packets (RFC 6184 section 5.8). There are at least two, so
// none is both start and end.
func (p *packetizer) fragment(nal []byte, last bool) error {
	indicator := nal[0]&^nalTypeMask | nalFUA
	header := nal[0]&nalTypeMask | fuStart
	for rest := nal[1:]; len(rest) > 0; header &^= fuStart {
		n := min(len(rest), maxPayload-fuHeaderSize)
		if n == len(rest) {
			header |= fuEnd
		}
		b := append(p.scratch[:0], indicator, header)
		b = append(b, rest[:n]...)
		rest = rest[n:]
		if err := p.send(b, last && len(rest) == 0); err != nil {
			return err
		}
	}
	return nil
}

// send emits one packet and counts the sequence number on, sent or not: a gap tells the viewer of the loss.
func (p *packetizer) send(payload []byte, marker bool) error {
	p.pkt.Payload = payload
	p.pkt.Marker = marker
	err := p.emit(&p.pkt)
	p.pkt.SequenceNumber++
	return err
}
