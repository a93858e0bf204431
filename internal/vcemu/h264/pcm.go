package h264

// maxMacroblockBits is the limit of A.3.1 n): 128 + RawMbBits, for 4:2:0 and 8 bits.
const maxMacroblockBits = 3200

// typePCM is mb_type I_PCM in an I slice (Table 7-11).
const typePCM = 25

// checkpoint is the writer's state before a macroblock.
type checkpoint struct {
	pos      int
	acc      uint64
	n        uint
	codedQP  int
	skipRun  uint32
	startBit int
}

func (e *Encoder) checkpoint() checkpoint {
	return checkpoint{e.bw.pos, e.bw.acc, e.bw.n, e.codedQP, e.skipRun, e.bw.bitCount()}
}

// limitSize codes the macroblock again as I_PCM (7.3.5) when what was written since c is more than a macroblock may
// have.
func (e *Encoder) limitSize(mbx, mby int, c checkpoint) {
	if e.bw.bitCount()-c.startBit <= maxMacroblockBits {
		return
	}
	w := &e.bw
	w.pos, w.acc, w.n = c.pos, c.acc, c.n
	e.codedQP, e.skipRun = c.codedQP, c.skipRun
	e.writeIntraType(typePCM)
	w.align()
	w.pos += copy(w.buf[w.pos:], e.srcY[:])
	y := &e.cur.y
	copyBlock16(y.pix[y.at(mbx*16, mby*16):], e.srcY[:], y.stride, 16)
	for i := range e.srcC {
		w.pos += copy(w.buf[w.pos:], e.srcC[i][:])
		p := &e.cur.c[i]
		copyBlock8(p.pix[p.at(mbx*8, mby*8):], e.srcC[i][:], p.stride, 8)
	}
	i := e.index(mbx, mby)
	e.refs[i], e.vectors[i] = refIntra, vector{}
	for b := range 16 {
		e.nzLuma[e.blockIndex(mbx, mby, b)] = 16
	}
	at := (mby*2+1)*e.nzCStride + mbx*2 + 1
	for _, counts := range e.nzChroma {
		fill(counts[at:at+2], 16)
		fill(counts[at+e.nzCStride:at+e.nzCStride+2], 16)
	}
}
