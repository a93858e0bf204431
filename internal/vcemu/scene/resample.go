package scene

import "encoding/binary"

// axis says which source samples make each target sample along one direction: target i is the sum over t of
// weight[i*taps+t] * source[start[i]+t], in 1/256. The weights of one target add up to 256, so flat stays flat.
type axis struct {
	src, dst int
	taps     int
	start    []int
	weight   []uint16
}

func newAxis(dst, src int) axis {
	a := axis{src: src, dst: dst, start: make([]int, dst)}
	switch {
	case dst == src:
		a.taps = 1
	case dst < src:
		a.taps = a.areaTaps()
	default:
		a.taps = min(2, src)
	}
	a.weight = make([]uint16, dst*a.taps)
	for i := range dst {
		w := a.weight[i*a.taps:][:a.taps]
		switch {
		case a.taps == 1:
			a.start[i], w[0] = min(i, src-1), 256
		case dst < src:
			a.start[i] = areaWeights(w, i, dst, src)
		default:
			a.start[i] = linearWeights(w, i, dst, src)
		}
	}
	return a
}

// areaTaps is the largest number of source samples that one target sample touches.
func (a axis) areaTaps() int {
	n := 0
	for i := range a.dst {
		n = max(n, ((i+1)*a.src+a.dst-1)/a.dst-i*a.src/a.dst)
	}
	return n
}

// areaWeights sets the share of each source sample in target sample i, which covers source i*src/dst to (i+1)*src/dst.
// Rounding the running sum, not each weight, keeps the sum exact.
func areaWeights(w []uint16, i, dst, src int) (start int) {
	from, to := int64(i)*int64(src), int64(i+1)*int64(src)
	start = min(int(from/int64(dst)), src-len(w))
	var before int64
	for t := range w {
		end := min(max(int64(start+t+1)*int64(dst), from), to)
		sum := ((end-from)*256 + int64(src)/2) / int64(src)
		w[t] = uint16(sum - before)
		before = sum
	}
	return start
}

// linearWeights interpolates between the two source samples whose centres are around that of target sample i.
func linearWeights(w []uint16, i, dst, src int) (start int) {
	unit := int64(2 * dst)
	at := min(max(int64(2*i+1)*int64(src)-int64(dst), 0), int64(src-1)*unit)
	start = min(int(at/unit), src-2)
	second := ((at-int64(start)*unit)*256 + unit/2) / unit
	w[0], w[1] = uint16(256-second), uint16(second)
	return start
}

// factor is k when the axis shrinks by exactly k, else 0.
func (a axis) factor() int {
	if a.dst < a.src && a.src%a.dst == 0 {
		return a.src / a.dst
	}
	return 0
}

// resampler scales one plane: rows are blended first, eight samples at a time in two words of four 16-bit lanes, then
// the blended row is resampled along x.
type resampler struct {
	x, y  axis
	quads []quad   // x's table when it needs at most four taps
	lanes []uint64 // running sums: even samples of eight, then odd ones
	line  []byte   // the blended row
}

// quad is one target sample made of four source samples; unused ones weigh 0.
type quad struct {
	at             int
	w0, w1, w2, w3 uint32
}

func newResampler(dw, dh, sw, sh int) *resampler {
	r := &resampler{x: newAxis(dw, sw), y: newAxis(dh, sh), lanes: make([]uint64, sw/8*2), line: make([]byte, sw)}
	if r.x.taps > 4 || sw < 4 || dw == sw {
		return r
	}
	r.quads = make([]quad, dw)
	for i := range r.quads {
		at := min(r.x.start[i], sw-4)
		var w [4]uint32
		for t, v := range r.x.weight[i*r.x.taps:][:r.x.taps] {
			w[r.x.start[i]-at+t] = uint32(v)
		}
		r.quads[i] = quad{at, w[0], w[1], w[2], w[3]}
	}
	return r
}

func (r *resampler) run(dst, src plane) {
	if r.x.dst == r.x.src && r.y.dst == r.y.src {
		copyPlane(dst, src)
		return
	}
	if r.x.factor() == 2 && r.y.factor() == 2 {
		for y := range dst.h {
			halve(dst.row(y), src.row(2*y), src.row(2*y+1))
		}
		return
	}
	for y := range dst.h {
		r.across(dst.row(y), r.blend(src, y))
	}
}

// blend gives the weighted sum of the source rows of target row y: a source row itself when it is the only one.
func (r *resampler) blend(src plane, y int) []byte {
	first := r.y.start[y]
	weight := r.y.weight[y*r.y.taps:][:r.y.taps]
	for t, w := range weight {
		if w == 256 {
			return src.row(first + t)
		}
	}
	clear(r.lanes)
	for t, w := range weight {
		if w != 0 {
			addRow(r.lanes, src.row(first+t), uint64(w))
		}
	}
	storeRow(r.line, r.lanes)
	for x := src.w &^ 7; x < src.w; x++ {
		sum := uint32(128)
		for t, w := range weight {
			sum += uint32(w) * uint32(src.pix[(first+t)*src.stride+x])
		}
		r.line[x] = byte(sum >> 8)
	}
	return r.line
}

const (
	evenBytes = 0x00ff00ff00ff00ff
	laneHalf  = 0x0080008000800080
)

// addRow adds weight * row to the lanes. A lane cannot overflow, for weights add up to 256 and samples end at 255.
func addRow(lanes []uint64, row []byte, weight uint64) {
	for len(lanes) >= 2 && len(row) >= 8 {
		v := binary.LittleEndian.Uint64(row)
		lanes[0] += v & evenBytes * weight
		lanes[1] += v >> 8 & evenBytes * weight
		lanes, row = lanes[2:], row[8:]
	}
}

func storeRow(row []byte, lanes []uint64) {
	for len(lanes) >= 2 && len(row) >= 8 {
		even := (lanes[0] + laneHalf) >> 8 & evenBytes
		odd := (lanes[1] + laneHalf) &^ uint64(evenBytes)
		binary.LittleEndian.PutUint64(row, even|odd)
		lanes, row = lanes[2:], row[8:]
	}
}

// across resamples one row along x.
func (r *resampler) across(dst, src []byte) {
	switch k := r.x.factor(); {
	case r.x.dst == r.x.src:
		copy(dst, src)
	case k != 0:
		averageRuns(dst, src, k)
	case r.quads != nil:
		acrossQuads(dst, src, r.quads)
	default:
		for x := range dst {
			weight := r.x.weight[x*r.x.taps:][:r.x.taps]
			from := src[r.x.start[x]:][:len(weight)]
			sum := uint32(128)
			for t, w := range weight {
				sum += uint32(w) * uint32(from[t])
			}
			dst[x] = byte(sum >> 8)
		}
	}
}

func acrossQuads(dst, src []byte, quads []quad) {
	quads = quads[:len(dst)]
	for x := range dst {
		q := &quads[x]
		s := src[q.at:][:4]
		sum := uint32(s[0])*q.w0 + uint32(s[1])*q.w1 + uint32(s[2])*q.w2 + uint32(s[3])*q.w3
		dst[x] = byte((sum + 128) >> 8)
	}
}

// averageRuns makes each target sample the mean of k source samples.
func averageRuns(dst, src []byte, k int) {
	reciprocal := (uint64(1)<<32 + uint64(k) - 1) / uint64(k)
	for x := range dst {
		sum := uint64(k / 2)
		for _, v := range src[x*k:][:k] {
			sum += uint64(v)
		}
		dst[x] = byte(sum * reciprocal >> 32)
	}
}

// halve makes each target sample the mean of 2x2 source samples, rounded once.
func halve(dst, upper, lower []byte) {
	const two = 0x0002000200020002
	for len(dst) >= 4 && len(upper) >= 8 && len(lower) >= 8 {
		a, b := binary.LittleEndian.Uint64(upper), binary.LittleEndian.Uint64(lower)
		v := a&evenBytes + a>>8&evenBytes + b&evenBytes + b>>8&evenBytes
		v = (v + two) >> 2 & evenBytes
		v |= v >> 8
		binary.LittleEndian.PutUint32(dst, uint32(v&0xffff|v>>16&0xffff0000))
		dst, upper, lower = dst[4:], upper[8:], lower[8:]
	}
	for x := range dst {
		sum := int(upper[2*x]) + int(upper[2*x+1]) + int(lower[2*x]) + int(lower[2*x+1])
		dst[x] = byte((sum + 2) >> 2)
	}
}
