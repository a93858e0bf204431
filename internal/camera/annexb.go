package camera

import "bytes"

// H.264 NAL unit types (ITU-T H.264 table 7-1).
const (
	nalSlice = 1
	nalIDR   = 5
	nalSPS   = 7
	nalPPS   = 8
)

// nalType is the type of a NAL unit that is not empty.
func nalType(nal []byte) byte { return nal[0] & 0x1f }

// splitNALs appends the NAL units of a byte stream (ITU-T H.264 annex B) to dst, without start codes and the zeros
// around them. What stands before the first start code is no NAL unit and is left out.
func splitNALs(dst [][]byte, stream []byte) [][]byte {
	startCode := []byte{0, 0, 1}
	at := bytes.Index(stream, startCode)
	for at >= 0 {
		stream = stream[at+len(startCode):]
		at = bytes.Index(stream, startCode)
		nal := stream
		if at >= 0 {
			nal = stream[:at]
		}
		if nal = bytes.TrimRight(nal, "\x00"); len(nal) > 0 {
			dst = append(dst, nal)
		}
	}
	return dst
}
