package h264

import "encoding/binary"

// Intra4x4PredMode (Table 8-2).
const (
	mode4Vertical = iota
	mode4Horizontal
	mode4DC
	mode4DiagonalDownLeft
	mode4DiagonalDownRight
	mode4VerticalRight
	mode4HorizontalDown
	mode4VerticalLeft
	mode4HorizontalUp
	modes4
)

// block4 is a 4x4 block, two rows in each word, the upper row in the low half.
type block4 [2]uint64

func (b *block4) rows(r0, r1, r2, r3 uint32) {
	b[0], b[1] = uint64(r0)|uint64(r1)<<32, uint64(r2)|uint64(r3)<<32
}

func (b *block4) sad(c *block4) int {
	d0, d1 := absDiff(b[0], c[0]), absDiff(b[1], c[1])
	return sumLanes(d0&evenBytes + d0>>8&evenBytes + d1&evenBytes + d1>>8&evenBytes)
}

// load4 reads a 4x4 block.
func (b *block4) load4(p []byte, stride int) {
	le := binary.LittleEndian
	b.rows(le.Uint32(p), le.Uint32(p[stride:]), le.Uint32(p[2*stride:]), le.Uint32(p[3*stride:]))
}

func (b *block4) store4(p []byte, stride int) {
	le := binary.LittleEndian
	le.PutUint32(p, uint32(b[0]))
	le.PutUint32(p[stride:], uint32(b[0]>>32))
	le.PutUint32(p[2*stride:], uint32(b[1]))
	le.PutUint32(p[3*stride:], uint32(b[1]>>32))
}

// neighbours4 is what a 4x4 block is predicted from, in one line: the left column from the bottom up (1..4), the corner
// (5), and the row above with what is right of it (6..13). Both ends are doubled.
type neighbours4 struct {
	n               [16]byte
	hasTop, hasLeft bool
}

const (
	corner4 = 5
	top4    = 6
)

// gather reads the neighbours of the block at x, y of p.
func (n *neighbours4) gather(p *plane, x, y int, hasTopRight bool) {
	n.hasTop, n.hasLeft = y > 0, x > 0
	at := p.at(x, y)
	if n.hasLeft {
		left := p.pix[at-1:]
		for i := range 4 {
			n.n[4-i] = left[i*p.stride]
		}
		n.n[0] = n.n[1]
	}
	if !n.hasTop {
		return
	}
	above := p.pix[at-p.stride-1:][:9]
	n.n[corner4] = above[0]
	copy(n.n[top4:top4+8], above[1:])
	if !hasTopRight {
		fill(n.n[top4+4:top4+8], n.n[top4+3])
	}
	n.n[top4+8] = n.n[top4+7]
}

// dc is the value of Intra_4x4_DC (8.3.1.2.3).
func (n *neighbours4) dc() uint32 {
	top, left := uint32(0), uint32(0)
	for i := range 4 {
		top += uint32(n.n[top4+i])
		left += uint32(n.n[1+i])
	}
	switch {
	case n.hasTop && n.hasLeft:
		return (top + left + 4) >> 3
	case n.hasTop:
		return (top + 2) >> 2
	case n.hasLeft:
		return (left + 2) >> 2
	}
	return 128
}

// predict makes the predictions of all modes (8.3.1.2) and returns the set of those the neighbours allow.
func (n *neighbours4) predict(out *[modes4]block4) (allowed uint) {
	le := binary.LittleEndian
	dc := n.dc() * 0x01010101
	out[mode4DC].rows(dc, dc, dc, dc)
	allowed = 1 << mode4DC

	// two[i] and three[i] are the filtered values at i and i+1, and around i.
	var two, three [16]byte
	for i := 1; i < 14; i++ {
		a, b, c := uint(n.n[i-1]), uint(n.n[i]), uint(n.n[i+1])
		two[i], three[i] = byte((b+c+1)>>1), byte((a+2*b+c+2)>>2)
	}
	if n.hasTop {
		row := le.Uint32(n.n[top4:])
		out[mode4Vertical].rows(row, row, row, row)
		out[mode4DiagonalDownLeft].rows(le.Uint32(three[7:]), le.Uint32(three[8:]), le.Uint32(three[9:]),
			le.Uint32(three[10:]))
		out[mode4VerticalLeft].rows(le.Uint32(two[6:]), le.Uint32(three[7:]), le.Uint32(two[7:]),
			le.Uint32(three[8:]))
		allowed |= 1<<mode4Vertical | 1<<mode4DiagonalDownLeft | 1<<mode4VerticalLeft
	}
	if n.hasLeft {
		out[mode4Horizontal].rows(uint32(n.n[4])*0x01010101, uint32(n.n[3])*0x01010101,
			uint32(n.n[2])*0x01010101, uint32(n.n[1])*0x01010101)
		up := [12]byte{two[3], three[3], two[2], three[2], two[1], three[1], n.n[1], n.n[1], n.n[1], n.n[1]}
		out[mode4HorizontalUp].rows(le.Uint32(up[:]), le.Uint32(up[2:]), le.Uint32(up[4:]), le.Uint32(up[6:]))
		allowed |= 1<<mode4Horizontal | 1<<mode4HorizontalUp
	}
	if n.hasTop && n.hasLeft {
		out[mode4DiagonalDownRight].rows(le.Uint32(three[5:]), le.Uint32(three[4:]), le.Uint32(three[3:]),
			le.Uint32(three[2:]))
		even, odd := le.Uint32(two[5:]), le.Uint32(three[5:])
		out[mode4VerticalRight].rows(even, odd, uint32(three[4])|even<<8, uint32(three[3])|odd<<8)
		r0 := uint32(two[4]) | uint32(three[5])<<8 | uint32(three[6])<<16 | uint32(three[7])<<24
		r1 := uint32(two[3]) | uint32(three[4])<<8 | r0<<16
		r2 := uint32(two[2]) | uint32(three[3])<<8 | r1<<16
		out[mode4HorizontalDown].rows(r0, r1, r2, uint32(two[1])|uint32(three[2])<<8|r2<<16)
		allowed |= 1<<mode4DiagonalDownRight | 1<<mode4VerticalRight | 1<<mode4HorizontalDown
	}
	return allowed
}

// topRight4 has the bit of each luma4x4BlkIdx set whose upper right neighbour in the same macroblock comes before it;
// above the macroblock, blocks 0, 1 and 4 see the macroblock above and 5 the one right of that (6.4.11.4).
const topRight4 = 1<<2 | 1<<6 | 1<<8 | 1<<9 | 1<<10 | 1<<12 | 1<<14

func (e *Encoder) hasTopRight(mbx, mby, b int) bool {
	switch b {
	case 0, 1, 4:
		return mby > 0
	case 5:
		return mby > 0 && mbx < e.mbw-1
	}
	return topRight4>>b&1 != 0
}

// predictedMode is predIntra4x4PredMode of a block (8.3.1.1).
func (e *Encoder) predictedMode(mbx, mby, b int) int8 {
	i, at := e.index(mbx, mby), e.blockIndex(mbx, mby, b)
	left, above := int8(mode4DC), int8(mode4DC)
	li, ai := i, i
	if blockX[b] == 0 {
		li = i - 1
	}
	if blockY[b] == 0 {
		ai = i - e.infoStride
	}
	if e.refs[li] == refUnavailable || e.refs[ai] == refUnavailable {
		return mode4DC
	}
	if li == i || e.refs[li] == refIntra4x4 {
		left = e.modes[at-1]
	}
	if ai == i || e.refs[ai] == refIntra4x4 {
		above = e.modes[at-e.nzStride]
	}
	return min(left, above)
}

// blockIndex is the index of a block in nzLuma and modes.
func (e *Encoder) blockIndex(mbx, mby, b int) int {
	return (mby*4+1+blockY[b])*e.nzStride + mbx*4 + 1 + blockX[b]
}

// codeLuma4 codes the luma of the macroblock with Intra_4x4 prediction, block by block because each is predicted from
// the reconstruction of those before. It gives up when the cost passes limit.
func (e *Encoder) codeLuma4(mbx, mby, limit int) (cost int) {
	y := &e.cur.y
	q := e.quant[e.qp][1]
	var n neighbours4
	cost = 12 * e.lambda
	for b := range e.luma {
		x0, y0 := mbx*16+blockX[b]*4, mby*16+blockY[b]*4
		n.gather(y, x0, y0, e.hasTopRight(mbx, mby, b))
		var src block4
		src.load4(e.srcY[blockY[b]*64+blockX[b]*4:], 16)
		mode, c := e.chooseMode4(&n, &src, e.predictedMode(mbx, mby, b))
		cost += c
		if cost > limit {
			return cost
		}
		e.modes[e.blockIndex(mbx, mby, b)] = int8(mode)
		dst := y.pix[y.at(x0, y0):]
		pred := &e.predicted4[mode]
		pred.store4(dst, y.stride)
		e.luma[b].mask = 0
		if *pred == src {
			continue
		}
		e.transform4(&src, pred)
		if q.zeroHalves(&e.pair, 0)&1 == 0 {
			q.block(&e.luma[b], &e.pair, 0, 0)
			if e.luma[b].mask != 0 {
				q.reconstruct(dst, y.stride, &e.luma[b])
			}
		}
	}
	return cost
}

// chooseMode4 finds the mode with the least SAD + lambda * bits.
func (e *Encoder) chooseMode4(n *neighbours4, src *block4, predicted int8) (mode, cost int) {
	allowed := n.predict(&e.predicted4)
	cost = 1 << 30
	for m := range modes4 {
		if allowed>>m&1 == 0 {
			continue
		}
		c := src.sad(&e.predicted4[m]) + 4*e.lambda
		if m == int(predicted) {
			c -= 3 * e.lambda
		}
		if c < cost {
			mode, cost = m, c
		}
	}
	return mode, cost
}

// transform4 transforms the difference of two blocks to the left half of pair.
func (e *Encoder) transform4(src, pred *block4) {
	var s, p [32]byte
	src.store4(s[:], 8)
	pred.store4(p[:], 8)
	forwardPair(&e.pair, s[:], p[:], 8, 8)
}

// writeIntra4x4 writes an Intra_4x4 macroblock whose luma is in luma and modes.
func (e *Encoder) writeIntra4x4(mbx, mby, chromaMode, chroma int) {
	cbp := chroma << 4
	for b := range e.luma {
		if e.luma[b].mask != 0 {
			cbp |= 1 << (b >> 2)
		}
	}
	w := &e.bw
	e.writeIntraType(typeIntra4x4)
	for b := range e.luma {
		mode, predicted := e.modes[e.blockIndex(mbx, mby, b)], e.predictedMode(mbx, mby, b)
		switch {
		case mode == predicted:
			w.put(1, 1) // prev_intra4x4_pred_mode_flag
		case mode < predicted:
			w.put(uint32(mode), 4)
		default:
			w.put(uint32(mode-1), 4)
		}
	}
	w.ue(uint32(chromaMode))
	w.ue(uint32(e.vlc.cbpIntra[cbp]))
	if cbp == 0 {
		e.clearCounts(mbx, mby)
		return
	}
	w.se(int32(e.qp - e.codedQP))
	e.codedQP = e.qp
	e.writeLuma(mbx, mby, cbp&15, 0)
	e.writeChroma(mbx, mby, chroma)
}
