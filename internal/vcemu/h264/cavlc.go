package h264

import "math/bits"

// maxLevel is the largest level CAVLC can write with a level_prefix of 15, the limit outside the High profiles
// (9.2.2.1); quantisation clips to it.
const maxLevel = 2063

// coefBlock is one block of quantised transform coefficients in scan order.
type coefBlock struct {
	level [16]int16
	mask  uint16 // bit i is set when level[i] is not zero
}

// chromaDCContext is the nC of the chroma DC blocks (9.2.1).
const chromaDCContext = -1

// residualBlock writes residual_block_cavlc (7.3.5.3.2) of the coefficients first..first+size-1 of b. nC selects the
// coeff_token table and is 0..16 or chromaDCContext. It returns TotalCoeff.
func (e *Encoder) residualBlock(b *coefBlock, first, size uint, nC int) int {
	mask := uint32(b.mask) >> first
	total := bits.OnesCount32(mask)
	if total == 0 {
		if nC == chromaDCContext {
			e.bw.put(1, 2)
		} else {
			v := e.vlc.token[e.vlc.classOf[nC]][0][0]
			e.bw.put(uint32(v.code), uint(v.len))
		}
		return 0
	}

	levels, runs := &e.levels, &e.runs
	n := 0
	for m := mask; m != 0; n++ {
		p := uint(bits.Len32(m)) - 1
		m &^= 1 << (p & 31)
		levels[n&15] = int32(b.level[(p+first)&15])
		runs[n&15] = int32(p) - int32(bits.Len32(m))
	}
	ones := 0
	var signs uint32
	for ones < min(total, 3) && (levels[ones] == 1 || levels[ones] == -1) {
		signs = signs<<1 | uint32(levels[ones])>>31
		ones++
	}
	var v vlc
	if nC == chromaDCContext {
		v = chromaDCToken[ones][total]
	} else {
		v = e.vlc.token[e.vlc.classOf[nC]][ones][total]
	}
	e.bw.put(uint32(v.code)<<uint(ones)|signs, uint(v.len)+uint(ones))
	e.writeLevels(levels[ones:total], total, ones)

	zeros := bits.Len32(mask) - total
	if total < int(size) {
		if nC == chromaDCContext {
			v = chromaDCTotalZeros[total-1][zeros]
		} else {
			v = e.vlc.totalZeros[total][zeros]
		}
		e.bw.put(uint32(v.code), uint(v.len))
	}
	e.writeRuns(total, int32(zeros))
	return total
}

// writeRuns writes run_before (9.2.3) of all levels but the last.
func (e *Encoder) writeRuns(total int, zeros int32) {
	for i := 0; i < total-1 && zeros > 0; i++ {
		v := &runBefore[min(zeros, 7)-1][e.runs[i&15]]
		e.bw.put(uint32(v.code), uint(v.len))
		zeros -= e.runs[i&15]
	}
}

// writeLevels writes level_prefix and level_suffix (9.2.2.1) of the levels after the trailing ones.
func (e *Encoder) writeLevels(levels []int32, total, ones int) {
	suffixLen := uint(0)
	if total > 10 && ones < 3 {
		suffixLen = 1
	}
	bias := int32(0)
	if ones < 3 {
		bias = 2 // the first level cannot be +-1, or it would be a trailing one
	}
	for _, level := range levels {
		sign := level >> 31
		abs := (level ^ sign) - sign
		code := uint32(2*abs-2-bias) - uint32(sign)
		bias = 0
		switch {
		case code < 14<<suffixLen || suffixLen > 0 && code < 15<<suffixLen:
			e.bw.put(1<<suffixLen|code&(1<<suffixLen-1), uint(code>>suffixLen)+1+suffixLen)
		case suffixLen == 0 && code < 30:
			e.bw.put(1<<4|(code-14), 15+4)
		default:
			escape := uint32(15) << suffixLen
			if suffixLen == 0 {
				escape = 30
			}
			e.bw.put(1<<12|(code-escape), 16+12)
		}
		if suffixLen == 0 {
			suffixLen = 1
		}
		if suffixLen < 6 && abs > 3<<(suffixLen-1) {
			suffixLen++
		}
	}
}
