package h264

// zigzag is the frame scan (Table 8-2): the raster index of each scan position.
var zigzag = [16]uint8{0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15}

// levelScale is normAdjust4x4 (8.5.9) by QP % 6, for the positions with both indices even, both odd, and the others.
var levelScale = [6][3]int32{{10, 16, 13}, {11, 18, 14}, {13, 20, 16}, {14, 23, 18}, {16, 25, 20}, {18, 29, 23}}

// quantScale is the matching multiplier of the forward direction, 2^15 at QP 0..5 divided by the step and the norm of
// the basis functions.
var quantScale = [6][3]int32{
	{13107, 5243, 8066}, {11916, 4660, 7490}, {10082, 4194, 6554}, {9362, 3647, 5825}, {8192, 3355, 5243},
	{7282, 2893, 4559},
}

// chromaQP is Table 8-15, from qPI 30 on.
var chromaQP = [22]uint8{29, 30, 31, 32, 32, 33, 34, 34, 35, 35, 36, 36, 37, 37, 37, 38, 38, 38, 39, 39, 39, 39}

func chromaQPOf(qp int) int {
	if qp < 30 {
		return qp
	}
	return int(chromaQP[qp-30])
}

// quantizer holds what one QP needs in one direction of prediction. Arrays are in scan order.
type quantizer struct {
	scale   [16]int32
	keep    [16]int32 // the largest magnitude that still becomes zero
	dequant [16]int32
	round   int32
	shift   uint

	// low and high bracket, in both 32-bit halves and with the bias of a 16-bit lane, what becomes zero.
	low, high [16]uint64
}

// Dead zones: a fraction of a step of one over this is rounded up.
const (
	intraDeadZone = 3
	interDeadZone = 6
)

func newQuantizer(qp int, deadZone int32) *quantizer {
	q := &quantizer{shift: uint(15 + qp/6)}
	q.round = 1 << q.shift / deadZone
	for i, raster := range zigzag {
		kind := 2
		switch {
		case raster&5 == 0:
			kind = 0
		case raster&5 == 5:
			kind = 1
		}
		q.scale[i] = quantScale[qp%6][kind]
		q.dequant[i] = levelScale[qp%6][kind] << (qp / 6)
		q.keep[i] = (1<<q.shift - q.round - 1) / q.scale[i]
		const both = 1<<32 | 1
		q.low[i] = uint64(0x8000-min(q.keep[i], 0x7fff)) * both
		q.high[i] = uint64(0x8000+min(q.keep[i], 0x7fff)) * both
	}
	return q
}

// block quantises the coefficients first..15 of one half of a transformed pair.
func (q *quantizer) block(b *coefBlock, pair *coefPair, half, first uint) {
	mask := uint32(0)
	for i := first; i < 16; i++ {
		c := int32(uint16(pair[i]>>(half*32))) - 0x8000
		if uint32(c+q.keep[i]) <= uint32(2*q.keep[i]) {
			b.level[i] = 0
			continue
		}
		sign := c >> 31
		level := min((((c^sign)-sign)*q.scale[i]+q.round)>>(q.shift&31), maxLevel)
		b.level[i] = int16((level ^ sign) - sign)
		mask |= 1 << i
	}
	b.mask = uint16(mask)
}

// dc quantises one value of a chroma DC transform, or half of one of a luma DC transform: both have twice the gain of a
// coefficient.
func (q *quantizer) dc(c int32) int32 {
	sign := c >> 31
	level := min(int32((int64((c^sign)-sign)*int64(q.scale[0])+int64(2*q.round))>>(q.shift+1)), maxLevel)
	return (level ^ sign) - sign
}

// zeroHalves tells which halves of a transformed pair have only coefficients that become zero from first on: bit 0
// for the left block, bit 1 for the right one.
func (q *quantizer) zeroHalves(pair *coefPair, first int) uint {
	var out uint64
	for i := first; i < 16; i++ {
		w := pair[i&15]
		out |= (w - q.low[i&15]) | (q.high[i&15] - w)
	}
	return uint(^out>>31&1 | ^out>>62&2)
}
