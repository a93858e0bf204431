package h264

import (
	"fmt"
	"image"
	"math"
)

// Picture says what Encode made.
type Picture struct {
	IDR  bool // decoding can start here
	QP   int  // mean luma quantiser of the macroblocks, rounded
	Bits int  // size of what was appended
}

// Encoder codes a sequence of pictures. It is not safe for concurrent use.
type Encoder struct {
	cfg      Config
	mbw, mbh int
	sps, pps []byte
	sei      []byte

	vlc   *cavlcTables
	quant [52][2]*quantizer // by QP; 0 inter, 1 intra
	bw    bitWriter
	rate  rateControl

	src      *frame // private copy of the last picture given, edges repeated to whole macroblocks
	cur, ref *frame // reconstructions: of this picture and of the one before

	// Per macroblock, in raster order.
	dirty   []bool   // the source differs from the previous picture's
	same    []bool   // cur, before it is coded, already equals ref
	errorOf []uint16 // luma SAD of the reconstruction against the source
	qpOf    []uint8  // quantiser of the last residual

	// Per macroblock with a border of one, stride infoStride.
	infoStride  int
	vectors     []vector
	lastVectors []vector // of the previous picture
	refs        []int8

	// TotalCoeff per 4x4 block (9.2.1), with a border above and to the left that holds unavailable.
	nzStride  int
	nzLuma    []uint8
	nzCStride int
	nzChroma  [2][]uint8
	modes     []int8 // Intra4x4PredMode per 4x4 block, laid out like nzLuma

	// The macroblock being coded.
	srcY    [256]byte
	srcC    [2][64]byte
	scratch [256]byte
	edgesY  edges

	predicted4 [modes4]block4
	interp     interpolator
	pair       coefPair
	luma       [16]coefBlock
	levels     [16]int32 // of the block being written, from the highest frequency down
	runs       [16]int32 // zeros before each of them
	lumaDC     coefBlock
	chromaDC   [2]coefBlock
	chroma     [2][4]coefBlock
	dcLuma     [16]int32
	dcChroma   [2][4]int32
	intra      bool // the slice has intra macroblocks only
	qp         int  // wanted
	codedQP    int  // QP'Y,PRED of the next mb_qp_delta (7.4.5)
	lambda     int
	skipRun    uint32

	projections  projections
	globalVector vector // the motion of the picture as a whole
	frameNum     uint32
	idrID        uint32
	pictures     int // since the last IDR
	forceIDR     bool

	// Refinement of unchanged macroblocks: where it goes on in this picture and in the next, and how many more.
	refineAt, refineNext, refineLeft int
}

// unavailable marks blocks outside the picture in the TotalCoeff arrays.
const unavailable = 0x80

// New makes an encoder. The error names the field of cfg that is out of range.
func New(cfg Config) (*Encoder, error) {
	cfg, err := cfg.validated()
	if err != nil {
		return nil, err
	}
	e := &Encoder{cfg: cfg, mbw: (cfg.Width + 15) / 16, mbh: (cfg.Height + 15) / 16, vlc: newCAVLCTables()}
	e.sps, e.pps, e.sei = sequenceParameterSet(cfg), pictureParameterSet(), recoveryPoint()
	for qp := range e.quant {
		e.quant[qp] = [2]*quantizer{newQuantizer(qp, interDeadZone), newQuantizer(qp, intraDeadZone)}
	}
	e.bw.buf = make([]byte, 1<<16)
	e.rate = newRateControl(cfg, e.mbh)
	e.projections = newProjections(e.mbw*16, e.mbh*16)
	e.src, e.cur, e.ref = newFrame(e.mbw, e.mbh, 0), newFrame(e.mbw, e.mbh, padding), newFrame(e.mbw, e.mbh, padding)
	mbs := e.mbw * e.mbh
	e.dirty, e.same, e.errorOf, e.qpOf = make([]bool, mbs), make([]bool, mbs), make([]uint16, mbs), make([]uint8, mbs)

	e.infoStride = e.mbw + 2
	e.vectors = make([]vector, e.infoStride*(e.mbh+2))
	e.lastVectors = make([]vector, e.infoStride*(e.mbh+2))
	e.refs = make([]int8, e.infoStride*(e.mbh+2))
	for i := range e.refs {
		e.refs[i] = refUnavailable
	}
	e.nzStride, e.nzCStride = e.mbw*4+1, e.mbw*2+1
	e.nzLuma = borderedCounts(e.nzStride, e.mbh*4+1)
	for i := range e.nzChroma {
		e.nzChroma[i] = borderedCounts(e.nzCStride, e.mbh*2+1)
	}
	e.modes = make([]int8, len(e.nzLuma))
	return e, nil
}

func borderedCounts(stride, rows int) []uint8 {
	counts := make([]uint8, stride*rows)
	for i := range stride {
		counts[i] = unavailable
	}
	for i := range rows {
		counts[i*stride] = unavailable
	}
	return counts
}

// SPS returns the sequence parameter set with its start code. The caller must not write to it.
func (e *Encoder) SPS() []byte { return e.sps }

// PPS returns the picture parameter set with its start code. The caller must not write to it.
func (e *Encoder) PPS() []byte { return e.pps }

// RequestIDR makes the next picture an IDR.
func (e *Encoder) RequestIDR() { e.forceIDR = true }

// SetBitrate changes the mean rate in bit/s, within the range of Config.Bitrate, from the next picture on.
func (e *Encoder) SetBitrate(bps int) { e.rate.setBitrate(max(0, min(bps, maxBitrate))) }

// SetIntraPeriod changes the number of pictures from IDR to IDR; 0 makes no more of them.
func (e *Encoder) SetIntraPeriod(n int) {
	e.cfg.IntraPeriod = max(0, n)
	e.rate.period = e.cfg.IntraPeriod
}

// Encode appends the coded picture to dst: one slice NAL unit with a four-byte start code, without parameter sets.
// img is 4:2:0 of exactly Width x Height, or Encode panics; it is not kept. pts, in microseconds, tells the rate control
// how much time passed since the picture before, so that it follows dropped pictures.
func (e *Encoder) Encode(dst []byte, img *image.YCbCr, pts int64) ([]byte, Picture) {
	if img.Rect.Dx() != e.cfg.Width || img.Rect.Dy() != e.cfg.Height ||
		img.SubsampleRatio != image.YCbCrSubsampleRatio420 {
		panic(fmt.Sprintf("h264: picture of %v %v, want %dx%d 4:2:0",
			img.Rect, img.SubsampleRatio, e.cfg.Width, e.cfg.Height))
	}
	e.load(img)
	e.followPan()
	idr := e.pictures == 0 || e.forceIDR || e.cfg.IntraPeriod > 0 && e.pictures >= e.cfg.IntraPeriod
	header := byte(nalSlice)
	if idr {
		header = nalIDR
		e.forceIDR, e.pictures, e.frameNum = false, 0, 0
		e.idrID = (e.idrID + 1) & 1
	}
	qpSum := e.codeSlice(idr, pts)
	before := len(dst)
	if idr && e.cfg.SEI {
		dst = append(dst, e.sei...)
	}
	dst = appendNAL(dst, header, e.bw.trailing())
	bits := (len(dst) - before) * 8
	e.rate.finish(bits)

	e.cur, e.ref = e.ref, e.cur
	if !idr {
		e.vectors, e.lastVectors = e.lastVectors, e.vectors
	}
	e.pictures++
	e.frameNum = (e.frameNum + 1) & (1<<log2MaxFrameNum - 1)
	mbs := e.mbw * e.mbh
	return dst, Picture{IDR: idr, QP: (qpSum + mbs/2) / mbs, Bits: bits}
}

// followPan measures the global motion when much of the picture changed.
func (e *Encoder) followPan() {
	dirty := 0
	for _, d := range e.dirty {
		if d {
			dirty++
		}
	}
	e.globalVector = vector{}
	if dirty > len(e.dirty)/4 {
		e.globalVector = e.projections.measure(&e.src.y)
	}
}

// codeSlice codes the picture in src and returns the sum of its macroblocks' quantisers.
func (e *Encoder) codeSlice(idr bool, pts int64) (qpSum int) {
	e.setQP(e.rate.start(idr, pts, e.activity))
	e.codedQP = e.qp
	e.skipRun = 0
	e.intra = idr
	e.interp.ref = nil
	e.bw.reset()
	e.bw.reserve(1 << 12)
	e.writeSliceHeader(idr, e.qp)
	if idr {
		e.codeIntraPicture(&qpSum)
	} else {
		e.codeInterPicture(&qpSum)
	}
	return qpSum
}

// refineShare is the part of a picture's macroblocks that are refined at most, which bounds the time it takes.
const refineShare = 24

// mbReserve is more than the bytes of any macroblock.
const mbReserve = 1 << 13

func (e *Encoder) codeIntraPicture(qpSum *int) {
	for mby := range e.mbh {
		for mbx := range e.mbw {
			e.bw.reserve(mbReserve)
			e.takeSource(mbx, mby)
			start := e.checkpoint()
			mode, cost := e.chooseLuma16(mbx, mby, maxCost)
			e.codeIntra(mbx, mby, mode, cost)
			e.limitSize(mbx, mby, start)
			n := mby*e.mbw + mbx
			e.same[n], e.errorOf[n], e.qpOf[n] = false, errorUnknown, uint8(e.qp)
		}
		*qpSum += e.qp * e.mbw
		e.cur.extend(mby, e.mbh)
		e.setQP(e.rate.row(mby, e.bw.bitCount(), e.qp))
	}
}

func (e *Encoder) codeInterPicture(qpSum *int) {
	e.refineLeft = e.mbw*e.mbh/refineShare + 1
	for mby := range e.mbh {
		written := false
		for mbx := range e.mbw {
			if e.codeP(mbx, mby) {
				written = true
			}
		}
		*qpSum += e.qp * e.mbw
		if written {
			e.cur.extend(mby, e.mbh)
		}
		e.setQP(e.rate.row(mby, e.bw.bitCount(), e.qp))
	}
	if e.skipRun > 0 {
		e.bw.ue(e.skipRun)
	}
	e.refineAt = 0
	if e.refineLeft == 0 {
		e.refineAt = e.refineNext
	}
}

// setQP selects the quantiser of the macroblocks to come.
func (e *Encoder) setQP(qp int) {
	e.qp = qp
	e.lambda = max(1, int(math.Exp2(float64(qp-12)/6)+0.5))
}
