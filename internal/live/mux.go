package live

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"

	"github.com/camkrazy/camkrazy/internal/camera"
)

const trackID = 1

// mux makes segments of access units. It is not for concurrent use.
type mux struct {
	sps, pps []byte
	sequence uint32
	time     *timeline
	nals     [][]byte // scratch
}

// learn keeps copies of the parameter sets of an access unit, and says whether they are new.
func (m *mux) learn(au camera.AccessUnit) (changed bool) {
	for _, nal := range au.NALs {
		to := &m.sps
		switch h264.NALUType(nal[0] & 0x1f) {
		case h264.NALUTypeSPS:
		case h264.NALUTypePPS:
			to = &m.pps
		default:
			continue
		}
		if !bytes.Equal(*to, nal) {
			*to = bytes.Clone(nal)
			changed = true
		}
	}
	return changed
}

// contentType is the MIME type with the codec's name (RFC 6381); "" before the parameter sets.
func (m *mux) contentType() string {
	if len(m.sps) < 4 {
		return ""
	}
	return fmt.Sprintf(`video/mp4; codecs="avc1.%02x%02x%02x"`, m.sps[1], m.sps[2], m.sps[3])
}

// head makes the initialization segment.
func (m *mux) head() ([]byte, error) {
	head := fmp4.Init{Tracks: []*fmp4.InitTrack{{
		ID: trackID, TimeScale: timescale, Codec: &codecs.H264{SPS: m.sps, PPS: m.pps},
	}}}
	var b seekablebuffer.Buffer
	if err := head.Marshal(&b); err != nil {
		return nil, fmt.Errorf("make MP4 header: %w", err)
	}
	return b.Bytes(), nil
}

// fragment makes the fragment of one access unit; nil if there is no picture in it.
func (m *mux) fragment(au camera.AccessUnit) []byte {
	m.nals = m.nals[:0]
	picture, size := false, 0
	for _, nal := range au.NALs {
		switch t := h264.NALUType(nal[0] & 0x1f); t {
		case h264.NALUTypeSPS, h264.NALUTypePPS, h264.NALUTypeAccessUnitDelimiter: // in the header, or of no use
		default:
			picture = picture || t >= h264.NALUTypeNonIDR && t <= h264.NALUTypeIDR
			m.nals = append(m.nals, nal)
			size += nalLength + len(nal)
		}
	}
	if !picture {
		return nil
	}
	m.sequence++
	b := make([]byte, 0, moofSize+boxHeader+size)
	b = m.moof(b, au, size)
	b = box(b, "mdat", boxHeader+size)
	for _, nal := range m.nals {
		b = binary.BigEndian.AppendUint32(b, uint32(len(nal)))
		b = append(b, nal...)
	}
	return b
}

// The sizes of boxes in bytes (ISO/IEC 14496-12, sections 8.8.4 to 8.8.12), and of the length in front of each NAL unit
// (ISO/IEC 14496-15, section 5.3.4).
const (
	boxHeader = 8
	mfhdSize  = boxHeader + 8
	tfhdSize  = boxHeader + 8
	tfdtSize  = boxHeader + 12
	trunSize  = boxHeader + 24
	trafSize  = boxHeader + tfhdSize + tfdtSize + trunSize
	moofSize  = boxHeader + mfhdSize + trafSize
	nalLength = 4
)

const (
	tfhdBaseIsMoof = 0x020000 // data offsets count from the start of the moof
	tfdtVersion1   = 1 << 24  // decode time of 64 bits
	trunVersion1   = 1 << 24
	// What the trun has: the data's offset, and for each sample its duration, size and flags.
	trunFields = 0x000001 | 0x000100 | 0x000200 | 0x000400
	// nonSync marks a sample at which decoding cannot start.
	nonSync = 1 << 16
)

// moof appends the boxes that describe one picture of size bytes.
func (m *mux) moof(b []byte, au camera.AccessUnit, size int) []byte {
	start, duration := m.time.place(au.PTS)
	flags := uint32(0)
	if !au.IDR {
		flags = nonSync
	}
	words := func(list ...uint32) {
		for _, v := range list {
			b = binary.BigEndian.AppendUint32(b, v)
		}
	}
	b = box(b, "moof", moofSize)
	b = box(b, "mfhd", mfhdSize)
	words(0, m.sequence)
	b = box(b, "traf", trafSize)
	b = box(b, "tfhd", tfhdSize)
	words(tfhdBaseIsMoof, trackID)
	b = box(b, "tfdt", tfdtSize)
	words(tfdtVersion1, uint32(start>>32), uint32(start))
	b = box(b, "trun", trunSize)
	words(trunVersion1|trunFields, 1, moofSize+boxHeader, duration, uint32(size), flags)
	return b
}

// box appends the header of a box.
func box(b []byte, kind string, size int) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(size)), kind...)
}
