package h264

import (
	"encoding/binary"
	"math/bits"
)

// blockX and blockY are the place of a 4x4 luma block in its macroblock, in blocks, by luma4x4BlkIdx (6.4.3).
var (
	blockX = [16]int{0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3}
	blockY = [16]int{0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3}
)

// quantizeInter transforms and quantises the luma difference of the macroblock and its prediction in cur. It returns
// the luma bits of coded_block_pattern; blocks whose few small levels cost more than they improve are dropped.
func (e *Encoder) quantizeInter(dst []byte, stride int) (cbp int) {
	q := e.quant[e.qp][0]
	total := 0
	var scores [4]int
	for b8 := range 4 {
		for r := range 2 {
			x, y := b8&1*8, b8>>1*8+r*4
			b := b8*4 + r*2
			forwardPair(&e.pair, e.srcY[y*16+x:], dst[y*stride+x:], 16, stride)
			zero := q.zeroHalves(&e.pair, 0)
			for half := range uint(2) {
				block := &e.luma[b+int(half)]
				block.mask = 0
				if zero>>half&1 == 0 {
					q.block(block, &e.pair, half, 0)
					scores[b8] += block.score()
				}
			}
		}
		if scores[b8] < 4 {
			scores[b8] = 0
			e.clear8x8(b8)
		} else {
			cbp |= 1 << b8
		}
		total += scores[b8]
	}
	if total < 6 {
		for b8 := range 4 {
			e.clear8x8(b8)
		}
		return 0
	}
	return cbp
}

// zeroLuma tells whether nothing of the luma difference survives quantisation.
func (e *Encoder) zeroLuma(dst []byte, stride int) bool {
	q := e.quant[e.qp][0]
	for y := 0; y < 16; y += 4 {
		for x := 0; x < 16; x += 8 {
			forwardPair(&e.pair, e.srcY[y*16+x:], dst[y*stride+x:], 16, stride)
			if q.zeroHalves(&e.pair, 0) != 3 {
				return false
			}
		}
	}
	return true
}

func (e *Encoder) clear8x8(b8 int) {
	for i := range 4 {
		e.luma[b8*4+i].mask = 0
	}
}

// score estimates what a block is worth: a lone +-1 at a high frequency nothing, a larger level enough to keep it.
func (b *coefBlock) score() int {
	score := 0
	for m := uint32(b.mask); m != 0; {
		p := bits.Len32(m) - 1
		m &^= 1 << p
		if l := b.level[p]; l > 1 || l < -1 {
			return 9
		}
		run := p - bits.Len32(m)
		switch {
		case run < 1:
			score += 3
		case run < 3:
			score += 2
		case run < 6:
			score++
		}
	}
	return score
}

// reconstructInter adds the luma residual to the prediction in cur.
func (e *Encoder) reconstructInter(dst []byte, stride int) {
	q := e.quant[e.qp][0]
	for b := range e.luma {
		if e.luma[b].mask != 0 {
			q.reconstruct(dst[blockY[b]*4*stride+blockX[b]*4:], stride, &e.luma[b])
		}
	}
}

// codeChroma transforms and quantises the chroma difference, adds the residual to the prediction in cur and returns
// the chroma part of coded_block_pattern: 0 nothing, 1 DC, 2 DC and AC.
func (e *Encoder) codeChroma(mbx, mby, intra int) (cbp int) {
	q := e.quant[chromaQPOf(e.qp)][intra]
	hasAC := 0
	for i := range 2 {
		p := &e.cur.c[i]
		dst := p.pix[p.at(mbx*8, mby*8):]
		dc := &e.dcChroma[i]
		score := 0
		for r := range 2 {
			forwardPair(&e.pair, e.srcC[i][r*32:], dst[r*4*p.stride:], 8, p.stride)
			zero := q.zeroHalves(&e.pair, 1)
			for half := range uint(2) {
				b := &e.chroma[i][r*2+int(half)]
				dc[r*2+int(half)] = e.pair.coef(0, half)
				b.mask, b.level[0] = 0, 0
				if zero>>half&1 == 0 {
					q.block(b, &e.pair, half, 1)
					score += b.score()
				}
			}
		}
		if score < 7 && intra == 0 || score == 0 {
			for b := range e.chroma[i] {
				e.chroma[i][b].mask = 0
			}
		} else {
			hasAC = 2
		}
		if e.quantizeChromaDC(i, q) {
			cbp = 1
		}
	}
	cbp = max(cbp, hasAC)
	if cbp != 0 {
		e.reconstructChroma(mbx, mby, q)
	}
	return cbp
}

// quantizeChromaDC codes the DC coefficients of component i (8.5.11) and leaves them scaled in dcChroma.
func (e *Encoder) quantizeChromaDC(i int, q *quantizer) bool {
	dc, block := &e.dcChroma[i], &e.chromaDC[i]
	hadamard2(dc)
	block.mask = 0
	for k, c := range dc {
		level := q.dc(c)
		block.level[k] = int16(level)
		dc[k] = level
		if level != 0 {
			block.mask |= 1 << k
		}
	}
	hadamard2(dc)
	for k := range dc {
		dc[k] = dc[k] * q.dequant[0] >> 1
	}
	return block.mask != 0
}

func (e *Encoder) reconstructChroma(mbx, mby int, q *quantizer) {
	for i := range 2 {
		p := &e.cur.c[i]
		dst := p.pix[p.at(mbx*8, mby*8):]
		for b := range 4 {
			block, dc := &e.chroma[i][b], e.dcChroma[i][b]
			if block.mask != 0 || dc != 0 {
				q.reconstructAC(dst[b>>1*4*p.stride+b&1*4:], p.stride, block, dc)
			}
		}
	}
}

// codeLuma16 transforms, quantises and reconstructs an Intra_16x16 macroblock whose prediction is in cur. It tells
// whether there are AC coefficients.
func (e *Encoder) codeLuma16(dst []byte, stride int) (ac bool) {
	q := e.quant[e.qp][1]
	for b := 0; b < 16; b += 2 {
		x, y := blockX[b]*4, blockY[b]*4
		forwardPair(&e.pair, e.srcY[y*16+x:], dst[y*stride+x:], 16, stride)
		zero := q.zeroHalves(&e.pair, 1)
		for half := range uint(2) {
			block := &e.luma[b+int(half)]
			e.dcLuma[y+x>>2+int(half)] = e.pair.coef(0, half)
			block.mask, block.level[0] = 0, 0
			if zero>>half&1 == 0 {
				q.block(block, &e.pair, half, 1)
				ac = ac || block.mask != 0
			}
		}
	}
	e.quantizeLumaDC(q)
	for b := range e.luma {
		x, y := blockX[b], blockY[b]
		dc := e.dcLuma[y*4+x]
		if e.luma[b].mask != 0 || dc != 0 {
			q.reconstructAC(dst[y*4*stride+x*4:], stride, &e.luma[b], dc)
		}
	}
	return ac
}

// quantizeLumaDC codes the DC coefficients in dcLuma (8.5.10) and leaves them scaled there.
func (e *Encoder) quantizeLumaDC(q *quantizer) {
	dc := &e.dcLuma
	hadamard4(dc)
	e.lumaDC.mask = 0
	for i := range dc {
		raster := zigzag[i]
		level := q.dc((dc[raster] + 1) >> 1)
		e.lumaDC.level[i] = int16(level)
		dc[raster] = level
		if level != 0 {
			e.lumaDC.mask |= 1 << i
		}
	}
	if e.lumaDC.mask == 0 {
		return
	}
	hadamard4(dc)
	for i := range dc {
		dc[i] = (dc[i]*q.dequant[0] + 2) >> 2
	}
}

// blockContext is nC of a block at index i of counts (9.2.1).
func blockContext(counts []uint8, i, stride int) int {
	n := int(counts[i-1]) + int(counts[i-stride])
	if n < unavailable {
		n = (n + 1) >> 1
	}
	return n & (unavailable - 1)
}

// writeLuma writes the luma blocks of the coded 8x8 blocks, starting with coefficient first, and keeps the counts.
func (e *Encoder) writeLuma(mbx, mby, cbp int, first uint) {
	base := (mby*4+1)*e.nzStride + mbx*4 + 1
	for b := range 16 {
		at := base + blockY[b]*e.nzStride + blockX[b]
		if cbp>>(b>>2)&1 == 0 {
			e.nzLuma[at] = 0
			continue
		}
		nC := blockContext(e.nzLuma, at, e.nzStride)
		e.nzLuma[at] = uint8(e.residualBlock(&e.luma[b], first, 16-first, nC))
	}
}

// writeChroma writes the chroma blocks (7.3.5.3) and keeps the counts.
func (e *Encoder) writeChroma(mbx, mby, cbp int) {
	if cbp != 0 {
		for i := range e.chromaDC {
			e.residualBlock(&e.chromaDC[i], 0, 4, chromaDCContext)
		}
	}
	base := (mby*2+1)*e.nzCStride + mbx*2 + 1
	for i, counts := range e.nzChroma {
		for b := range 4 {
			at := base + b>>1*e.nzCStride + b&1
			if cbp < 2 {
				counts[at] = 0
				continue
			}
			nC := blockContext(counts, at, e.nzCStride)
			counts[at] = uint8(e.residualBlock(&e.chroma[i][b], 1, 15, nC))
		}
	}
}

// clearCounts says that the macroblock has no coefficients.
func (e *Encoder) clearCounts(mbx, mby int) {
	at := (mby*4+1)*e.nzStride + mbx*4 + 1
	for range 4 {
		binary.LittleEndian.PutUint32(e.nzLuma[at:], 0)
		at += e.nzStride
	}
	at = (mby*2+1)*e.nzCStride + mbx*2 + 1
	for _, counts := range e.nzChroma {
		binary.LittleEndian.PutUint16(counts[at:], 0)
		binary.LittleEndian.PutUint16(counts[at+e.nzCStride:], 0)
	}
}
