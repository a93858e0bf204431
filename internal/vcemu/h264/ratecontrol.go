package h264

import "math"

// rateControl chooses quantisers. Its model is bits * scale(QP) = complexity, with one complexity for IDR and one for P
// pictures; within a picture it watches the size row by row, because a scene cut shows only there.
type rateControl struct {
	qp, minQP, maxQP int // qp is the constant quantiser when bitrate is 0
	firstQP          int // 0: guess
	bitrate          float64
	period           int
	rows             int

	interval float64 // mean time between pictures, seconds
	lastPTS  int64
	started  bool

	debt        float64 // bits sent beyond the rate; negative is credit
	planned     float64 // the debt that the last IDR picture was meant to leave, by now
	drain       float64 // by how much planned falls with each picture
	lastQP      int     // mean of the last picture
	complexityP float64
	complexityI float64 // of the last IDR picture, per unit of activity
	activity    float64 // of the IDR picture being coded

	// The picture being coded.
	idr             bool
	baseQP          int
	target, ceiling float64 // bits wanted, bits at most
	qpSum, rowsDone int
	bitsDone        float64
	complexity      float64
	current         []float64    // complexity up to and including each row
	rowShare        [2][]float64 // the same of the last picture of each kind, as a share of its total
}

const (
	// rateExponent is how much faster than the quantiser step the size of a picture falls.
	rateExponent = 1.25

	// maxIDR is the most an IDR picture is meant to take, in mean pictures.
	maxIDR = 4.5

	// feedback is the time in seconds over which a deviation is made good.
	feedback = 0.7

	// maxCredit is how many seconds of unused rate are remembered.
	maxCredit = 0.5

	// firstComplexity is a guess of complexityI for photographs.
	firstComplexity = 8.0
)

func newRateControl(cfg Config, mbRows int) rateControl {
	r := rateControl{
		qp: cfg.InitialQP, firstQP: cfg.InitialQP, minQP: cfg.MinQP, maxQP: cfg.MaxQP,
		period: cfg.IntraPeriod, rows: mbRows,
		interval:    float64(cfg.FrameRateDen) / float64(cfg.FrameRateNum),
		complexityI: firstComplexity,
		current:     make([]float64, mbRows),
	}
	for i := range r.rowShare {
		r.rowShare[i] = make([]float64, mbRows)
		for row := range r.rowShare[i] {
			r.rowShare[i][row] = float64(row+1) / float64(mbRows)
		}
	}
	if r.qp == 0 {
		r.qp = defaultQP
	}
	r.setBitrate(cfg.Bitrate)
	return r
}

func (r *rateControl) setBitrate(bps int) { r.bitrate = float64(bps) }

// scale is the size of a picture at QP 0 by that at qp.
func scale(qp float64) float64 { return math.Exp2(qp * rateExponent / 6) }

func qpFor(scale float64) float64 { return math.Log2(max(scale, 1)) * 6 / rateExponent }

// start begins a picture and returns its quantiser. activity measures the source of an IDR picture.
func (r *rateControl) start(idr bool, pts int64, activity func() float64) int {
	if r.bitrate == 0 {
		return r.qp
	}
	r.elapse(pts)
	r.idr, r.qpSum, r.rowsDone, r.bitsDone, r.complexity = idr, 0, 0, 0, 0
	perPicture := r.bitrate * r.interval
	var want float64
	if idr {
		r.activity = activity()
		want = r.planIDR(perPicture)
		if r.lastQP == 0 && r.firstQP != 0 {
			want = float64(r.firstQP)
		}
	} else {
		r.planned = max(0, r.planned-r.drain)
		mean := perPicture - r.drain
		r.target = mean - (r.debt-r.planned)*r.interval/max(feedback, 3*r.interval)
		r.target = max(r.target, perPicture*0.15)
		r.ceiling = max(1.8*r.target, 1.4*perPicture)
		want = qpFor(r.complexityP / r.target)
		// A picture after a better one is small for its quantiser: going all the way would oscillate.
		if step := want - float64(r.lastQP); step > -2 && step < 3 {
			want = float64(r.lastQP) + step/2
		}
		want = max(float64(r.lastQP-4), min(want, float64(r.lastQP+4)))
	}
	r.baseQP = r.clamp(int(math.Round(want)))
	return r.baseQP
}

// planIDR shares the bits of a period between its IDR picture and the others so that all have about the same
// quantiser, and returns the quantiser.
func (r *rateControl) planIDR(perPicture float64) float64 {
	n := float64(r.period)
	if r.period == 0 {
		n = max(8, 4/r.interval)
	}
	own := r.complexityI * r.activity
	rest := r.complexityP
	if r.lastQP == 0 {
		rest = own / 6
	}
	budget := max(n*perPicture-max(r.debt, -perPicture), n*perPicture/3)
	size := own * budget / max(own+(n-1)*rest, 1)
	size = min(size, maxIDR*perPicture, max(0.6*budget, perPicture))
	r.target, r.ceiling = size, min(1.3*size, 6*perPicture)
	r.planned = max(0, size-perPicture)
	r.drain = r.planned / max(n-1, 1)
	return qpFor(own / size)
}

// elapse pays the rate of the time since the last picture.
func (r *rateControl) elapse(pts int64) {
	if r.started {
		dt := float64(pts-r.lastPTS) / 1e6
		if dt <= 0 || dt > 10 {
			dt = r.interval
		}
		r.debt = max(r.debt-r.bitrate*dt, -r.bitrate*maxCredit)
		r.interval += (min(dt, 3*r.interval) - r.interval) * 0.2
	}
	r.started, r.lastPTS = true, pts
}

func (r *rateControl) clamp(qp int) int { return max(r.minQP, min(qp, r.maxQP)) }

// row tells how many bits the picture has after macroblock row mby, coded with qp, and returns the next row's QP: the
// one with which the rest fits under the ceiling, if that is higher than planned.
func (r *rateControl) row(mby, bits, qp int) int {
	if r.bitrate == 0 {
		return qp
	}
	r.qpSum += qp
	r.rowsDone++
	kind := r.kind()
	r.complexity += (float64(bits) - r.bitsDone) * scale(float64(qp))
	r.bitsDone = float64(bits)
	r.current[mby] = r.complexity
	// The last picture's distribution may be that of another scene.
	share := 0.6*r.rowShare[kind][mby] + 0.4*float64(mby+1)/float64(r.rows)
	left := r.complexity / share * (1 - share)
	need := int(math.Ceil(qpFor(left / max(r.ceiling-r.bitsDone, 0.05*r.ceiling))))
	aim := int(qpFor(left / max(r.target-r.bitsDone, 0.05*r.target)))
	switch {
	case need > qp:
		qp += min(need-qp, 2)
	case aim < qp && qp > r.baseQP:
		qp--
	case aim < qp-2 && r.idr && qp > r.baseQP-4 && mby%2 == 1:
		qp--
	}
	return r.clamp(qp)
}

// kind is the index of the picture's statistics.
func (r *rateControl) kind() int {
	if r.idr {
		return 1
	}
	return 0
}

// finish ends a picture of the given size.
func (r *rateControl) finish(bits int) {
	if r.bitrate == 0 {
		return
	}
	r.debt += float64(bits)
	if r.idr {
		r.complexityI = r.complexity / max(r.activity, 1)
		if r.lastQP == 0 {
			r.complexityP = r.complexity / 6
		}
	} else {
		r.complexityP += (r.complexity - r.complexityP) * 0.35
	}
	r.lastQP = int(float64(r.qpSum)/float64(max(r.rowsDone, 1)) + 0.5)
	for i, c := range r.current {
		r.rowShare[r.kind()][i] = max(c, 1) / max(r.complexity, 1)
	}
}

// exhausted tells whether the picture has the bits it was meant to have.
func (r *rateControl) exhausted(bits int) bool { return r.bitrate != 0 && float64(bits) > 0.8*r.target }
