package h264

// mb_type offsets: intra types follow the five inter types in P slices (Table 7-13).
const (
	typeInter16x16 = 0
	typeIntra4x4   = 0
	typeIntra16x16 = 1
	intraOffsetInP = 5
)

// index is the macroblock's index in the bordered arrays.
func (e *Encoder) index(mbx, mby int) int { return (mby+1)*e.infoStride + mbx + 1 }

// codeIntra codes the macroblock in srcY and srcC with intra prediction. mode and cost are those of chooseLuma16.
func (e *Encoder) codeIntra(mbx, mby, mode, cost int) {
	i := e.index(mbx, mby)
	e.refs[i], e.vectors[i] = refIntra4x4, vector{}
	if cost > 128+24*e.lambda && e.codeLuma4(mbx, mby, cost) < cost {
		chromaMode := e.chooseChroma(mbx, mby)
		e.writeIntra4x4(mbx, mby, chromaMode, e.codeChroma(mbx, mby, 1))
		return
	}
	e.refs[i] = refIntra
	y := &e.cur.y
	dst := y.pix[y.at(mbx*16, mby*16):]
	e.edgesY.predict16(dst, y.stride, mode)
	cbp := 0
	if e.codeLuma16(dst, y.stride) {
		cbp = 15
	}
	chromaMode := e.chooseChroma(mbx, mby)
	chroma := e.codeChroma(mbx, mby, 1)

	mbType := typeIntra16x16 + mode + 4*chroma
	if cbp != 0 {
		mbType += 12
	}
	e.writeIntra16x16(mbx, mby, mbType, chromaMode, cbp|chroma<<4)
}

// writeIntraType writes mb_type of an intra macroblock, given as in an I slice.
func (e *Encoder) writeIntraType(mbType int) {
	if !e.intra {
		e.bw.ue(e.skipRun)
		e.skipRun = 0
		mbType += intraOffsetInP
	}
	e.bw.ue(uint32(mbType))
}

// writeIntra16x16 writes an Intra_16x16 macroblock (7.3.5) and its coefficients.
func (e *Encoder) writeIntra16x16(mbx, mby, mbType, chromaMode, cbp int) {
	w := &e.bw
	e.writeIntraType(mbType)
	w.ue(uint32(chromaMode))
	w.se(int32(e.qp - e.codedQP))
	e.codedQP = e.qp
	e.residualBlock(&e.lumaDC, 0, 16, blockContext(e.nzLuma, e.blockIndex(mbx, mby, 0), e.nzStride))
	e.writeLuma(mbx, mby, cbp&15, 1)
	e.writeChroma(mbx, mby, cbp>>4)
}

// codeP codes one macroblock of a P picture. It tells whether anything was written to cur.
func (e *Encoder) codeP(mbx, mby int) (written bool) {
	n := mby*e.mbw + mbx
	mvp, skip := e.motionPredictor(e.index(mbx, mby))
	if !e.dirty[n] && !e.wantsRefinement(mbx, mby) {
		return e.codeStatic(mbx, mby, mvp, skip)
	}
	e.bw.reserve(mbReserve)
	e.takeSource(mbx, mby)
	e.same[n], e.errorOf[n], e.qpOf[n] = false, errorUnknown, uint8(e.qp)
	start := e.checkpoint()
	switch {
	case !e.dirty[n]:
		e.codeInter(mbx, mby, vector{}, mvp, skip)
	case !e.trySkip(mbx, mby, skip):
		e.codeChanged(mbx, mby, mvp, skip)
	}
	e.limitSize(mbx, mby, start)
	return true
}

// codeChanged codes a macroblock with motion or intra prediction, whichever is cheaper.
func (e *Encoder) codeChanged(mbx, mby int, mvp, skip vector) {
	v, cost := e.searchMotion(mbx, mby, e.index(mbx, mby), mvp)
	if cost > 512+64*e.lambda {
		if mode, intra := e.chooseLuma16(mbx, mby, cost-6*e.lambda); mode >= 0 {
			e.codeIntra(mbx, mby, mode, intra)
			return
		}
	}
	e.codeInter(mbx, mby, v, mvp, skip)
}

// trySkip codes the macroblock as P_Skip when its prediction leaves no residual.
func (e *Encoder) trySkip(mbx, mby int, skip vector) bool {
	if !e.inReach(mbx, mby, skip) {
		return false
	}
	e.predictLuma(mbx, mby, skip)
	y := &e.cur.y
	dst := y.pix[y.at(mbx*16, mby*16):]
	limit := 256 + 64*e.lambda
	if sad16(&e.srcY, dst, y.stride, limit) > limit || !e.zeroLuma(dst, y.stride) {
		return false
	}
	e.predictBothChroma(mbx, mby, skip)
	if e.codeChroma(mbx, mby, 0) != 0 {
		return false
	}
	i := e.index(mbx, mby)
	e.refs[i], e.vectors[i] = refInter, skip
	e.skipRun++
	e.clearCounts(mbx, mby)
	return true
}

// errorUnknown marks a macroblock whose reconstruction was not compared with its source yet.
const errorUnknown = 0xffff

const (
	// refineError is the luma SAD above which an unchanged macroblock is worth more bits.
	refineError = 192

	// refineStep is by how much the quantiser must be lower than it was.
	refineStep = 3

	// refineQP is the lowest quantiser refinement is done with.
	refineQP = 14
)

// wantsRefinement tells whether an unchanged macroblock gets another residual: its picture is poor, the quantiser has
// fallen since it was coded, and there are time and bits left.
func (e *Encoder) wantsRefinement(mbx, mby int) bool {
	n := mby*e.mbw + mbx
	if e.refineLeft == 0 || n < e.refineAt || int(e.qpOf[n]) < max(e.qp, refineQP)+refineStep ||
		e.rate.exhausted(e.bw.bitCount()) {
		return false
	}
	if e.errorOf[n] == errorUnknown {
		e.takeSource(mbx, mby)
		y := &e.ref.y
		sad := sad16(&e.srcY, y.pix[y.at(mbx*16, mby*16):], y.stride, errorUnknown)
		e.errorOf[n] = uint16(min(sad, errorUnknown-1))
	}
	if e.errorOf[n] <= refineError {
		return false
	}
	e.refineLeft--
	e.refineNext = n + 1
	return true
}

// codeStatic keeps the reference picture's macroblock. It tells whether it had to be copied to cur.
func (e *Encoder) codeStatic(mbx, mby int, mvp, skip vector) (copied bool) {
	n, i := mby*e.mbw+mbx, e.index(mbx, mby)
	if !e.same[n] {
		e.cur.copyMacroblock(e.ref, mbx, mby)
		e.same[n], copied = true, true
	}
	e.refs[i], e.vectors[i] = refInter, vector{}
	e.clearCounts(mbx, mby)
	if skip == (vector{}) {
		e.skipRun++
		return copied
	}
	e.bw.reserve(mbReserve)
	e.writeInter(mbx, mby, vector{}, mvp, 0)
	return copied
}

// codeInter codes the macroblock with one vector.
func (e *Encoder) codeInter(mbx, mby int, v, mvp, skip vector) {
	i := e.index(mbx, mby)
	e.refs[i], e.vectors[i] = refInter, v
	e.predictInter(mbx, mby, v)
	y := &e.cur.y
	dst := y.pix[y.at(mbx*16, mby*16):]
	cbp := e.quantizeInter(dst, y.stride)
	if cbp != 0 {
		e.reconstructInter(dst, y.stride)
	}
	cbp |= e.codeChroma(mbx, mby, 0) << 4
	if cbp == 0 && v == skip {
		e.skipRun++
		e.clearCounts(mbx, mby)
		return
	}
	e.writeInter(mbx, mby, v, mvp, cbp)
}

// predictInter writes the prediction of the macroblock to cur.
func (e *Encoder) predictInter(mbx, mby int, v vector) {
	e.predictLuma(mbx, mby, v)
	e.predictBothChroma(mbx, mby, v)
}

func (e *Encoder) predictLuma(mbx, mby int, v vector) {
	p := &e.interp
	x, y := mbx*64+int(v.x), mby*64+int(v.y)
	if dx, dy := x-p.x*4, y-p.y*4; p.ref == nil || dx < -3 || dx > 3 || dy < -3 || dy > 3 {
		p.seek(&e.ref.y, x>>2, y>>2)
	}
	luma := &e.cur.y
	p.predict(luma.pix[luma.at(mbx*16, mby*16):], luma.stride, x-p.x*4, y-p.y*4)
}

func (e *Encoder) predictBothChroma(mbx, mby int, v vector) {
	for i := range e.cur.c {
		c := &e.cur.c[i]
		predictChroma(c.pix[c.at(mbx*8, mby*8):], c.stride, &e.ref.c[i], mbx*8, mby*8, v)
	}
}

// writeInter writes a P_L0_16x16 macroblock (7.3.5) and its coefficients.
func (e *Encoder) writeInter(mbx, mby int, v, mvp vector, cbp int) {
	w := &e.bw
	w.ue(e.skipRun)
	e.skipRun = 0
	w.ue(typeInter16x16)
	w.se(int32(v.x - mvp.x))
	w.se(int32(v.y - mvp.y))
	w.ue(uint32(e.vlc.cbpInter[cbp]))
	if cbp == 0 {
		e.clearCounts(mbx, mby)
		return
	}
	w.se(int32(e.qp - e.codedQP))
	e.codedQP = e.qp
	e.writeLuma(mbx, mby, cbp&15, 0)
	e.writeChroma(mbx, mby, cbp>>4)
}
