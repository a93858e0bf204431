package h264

// vector is a motion vector in quarter luma samples.
type vector struct{ x, y int16 }

// Values of the reference index of a macroblock, for motion vector prediction.
const (
	refInter       = 0
	refIntra       = -1
	refUnavailable = -2
	refIntra4x4    = -3
)

// maxVector bounds the components of a vector, in quarter samples, well inside the vertical range of level 3
// (Table A-1).
const maxVector = 124 * 4

// motionPredictor is mvpLX of a 16x16 partition and the vector of P_Skip (8.4.1.1, 8.4.1.3).
func (e *Encoder) motionPredictor(i int) (mvp, skip vector) {
	a, b, c := i-1, i-e.infoStride, i-e.infoStride+1
	if e.refs[c] == refUnavailable {
		c = i - e.infoStride - 1
	}
	ra, rb, rc := e.refs[a], e.refs[b], e.refs[c]
	va, vb, vc := e.vectors[a], e.vectors[b], e.vectors[c]
	switch {
	case rb == refUnavailable && rc == refUnavailable && ra != refUnavailable:
		mvp = va
	case ra == refInter && rb != refInter && rc != refInter:
		mvp = va
	case ra != refInter && rb == refInter && rc != refInter:
		mvp = vb
	case ra != refInter && rb != refInter && rc == refInter:
		mvp = vc
	default:
		mvp = vector{median(va.x, vb.x, vc.x), median(va.y, vb.y, vc.y)}
	}
	skip = mvp
	if ra == refUnavailable || rb == refUnavailable ||
		ra == refInter && va == (vector{}) || rb == refInter && vb == (vector{}) {
		skip = vector{}
	}
	return mvp, skip
}

func median(a, b, c int16) int16 { return max(min(a, b), min(max(a, b), c)) }

// inReach tells whether the reference picture's border covers macroblock mbx, mby displaced by v.
func (e *Encoder) inReach(mbx, mby int, v vector) bool {
	x, y := mbx*16+int(v.x>>2), mby*16+int(v.y>>2)
	return x >= -reach && y >= -reach && x <= e.mbw*16-16+reach && y <= e.mbh*16-16+reach
}

// search is one macroblock's motion search.
type search struct {
	e          *Encoder
	mbx, mby   int
	mvp        vector
	lambda     int
	minX, maxX int // of the block's integer position, absolute
	minY, maxY int
	x, y       int // the best integer position
	cost       int // its SAD + lambda * bits
	sad        int
}

// vectorBits is about what mvd_l0 costs.
func vectorBits(x, y int, mvp vector) int {
	dx, dy := x-int(mvp.x), y-int(mvp.y)
	return seLen(dx) + seLen(dy)
}

// try tests an integer position.
func (s *search) try(x, y int) bool {
	if x < s.minX || x > s.maxX || y < s.minY || y > s.maxY {
		return false
	}
	rate := s.lambda * vectorBits((x-s.mbx*16)*4, (y-s.mby*16)*4, s.mvp)
	if rate >= s.cost {
		return false
	}
	ref := &s.e.ref.y
	sad := sad16(&s.e.srcY, ref.pix[ref.at(x, y):], ref.stride, s.cost-rate)
	if sad+rate >= s.cost {
		return false
	}
	s.cost, s.sad, s.x, s.y = sad+rate, sad, x, y
	return true
}

// candidates tests the positions where neighbours in space and time point to.
func (s *search) candidates(i int) {
	e := s.e
	list := [9]vector{
		s.mvp, {}, e.vectors[i-1], e.vectors[i-e.infoStride], e.vectors[i-e.infoStride+1],
		e.lastVectors[i], e.lastVectors[i+1], e.lastVectors[i+e.infoStride], e.globalVector,
	}
	var seen [9][2]int
	n := 0
next:
	for _, v := range list {
		at := [2]int{s.mbx*16 + (int(v.x)+2)>>2, s.mby*16 + (int(v.y)+2)>>2}
		at[0] = max(s.minX, min(at[0], s.maxX))
		at[1] = max(s.minY, min(at[1], s.maxY))
		for _, t := range seen[:n] {
			if t == at {
				continue next
			}
		}
		seen[n] = at
		n++
		s.try(at[0], at[1])
	}
}

// descend walks downhill, first in a hexagon when the match is bad, then in a small diamond.
func (s *search) descend(good int) {
	if s.sad > 4*good {
		for range 10 {
			x, y := s.x, s.y
			s.try(x-2, y)
			s.try(x+2, y)
			s.try(x-1, y-2)
			s.try(x+1, y-2)
			s.try(x-1, y+2)
			s.try(x+1, y+2)
			if s.x == x && s.y == y {
				break
			}
		}
	}
	for range 8 {
		if s.sad <= good {
			return
		}
		x, y := s.x, s.y
		s.try(x-1, y)
		s.try(x+1, y)
		s.try(x, y-1)
		s.try(x, y+1)
		if s.x == x && s.y == y {
			return
		}
	}
}

// refine finds the best fractional vector around the integer position, as quarter samples from there.
func (s *search) refine(good int) (qx, qy int) {
	if s.sad <= good {
		return 0, 0
	}
	p := &s.e.interp
	p.seek(&s.e.ref.y, s.x, s.y)
	for _, step := range [2]int{2, 1} {
		cx, cy := qx, qy
		s.tryFraction(cx-step, cy, &qx, &qy)
		s.tryFraction(cx+step, cy, &qx, &qy)
		hx := qx
		s.tryFraction(cx, cy-step, &qx, &qy)
		s.tryFraction(cx, cy+step, &qx, &qy)
		// The diagonals beside the best one.
		switch {
		case qx == cx && qy == cy:
			if step == 2 {
				continue
			}
		case qy != cy:
			if hx != cx {
				s.tryFraction(hx, qy, &qx, &qy)
			} else {
				y := qy
				s.tryFraction(cx-step, y, &qx, &qy)
				s.tryFraction(cx+step, y, &qx, &qy)
			}
		default:
			x := qx
			s.tryFraction(x, cy-step, &qx, &qy)
			s.tryFraction(x, cy+step, &qx, &qy)
		}
	}
	return qx, qy
}

// tryFraction tests a fractional vector and moves qx, qy there when it is the best yet.
func (s *search) tryFraction(x, y int, qx, qy *int) {
	rate := s.lambda * vectorBits((s.x-s.mbx*16)*4+x, (s.y-s.mby*16)*4+y, s.mvp)
	if rate >= s.cost {
		return
	}
	a, b, two := s.e.interp.block(x, y)
	var sad int
	if two {
		sad = sadAverage16(&s.e.srcY, a, b, s.cost-rate)
	} else {
		sad = sad16(&s.e.srcY, a.pix, a.stride, s.cost-rate)
	}
	if sad+rate < s.cost {
		s.cost, s.sad, *qx, *qy = sad+rate, sad, x, y
	}
}

// searchMotion finds a motion vector for the macroblock in srcY; i is its index in the macroblock information.
func (e *Encoder) searchMotion(mbx, mby, i int, mvp vector) (v vector, cost int) {
	s := search{e: e, mbx: mbx, mby: mby, mvp: mvp, lambda: e.lambda, cost: 1 << 30}
	s.minX, s.maxX = max(-reach, mbx*16-maxVector/4), min(e.mbw*16-16+reach, mbx*16+maxVector/4)
	s.minY, s.maxY = max(-reach, mby*16-maxVector/4), min(e.mbh*16-16+reach, mby*16+maxVector/4)
	good := 64 + 24*e.lambda
	s.candidates(i)
	s.descend(good)
	qx, qy := s.refine(good / 2)
	return vector{int16((s.x-mbx*16)*4 + qx), int16((s.y-mby*16)*4 + qy)}, s.cost
}
