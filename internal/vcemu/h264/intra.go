package h264

// Intra16x16PredMode (Table 8-4) and intra_chroma_pred_mode (Table 8-5).
const (
	lumaVertical = iota
	lumaHorizontal
	lumaDC
	lumaPlane
)

const (
	chromaDC = iota
	chromaHorizontal
	chromaVertical
	chromaPlane
)

// edges are the reconstructed samples around a block of 16 or 8 samples, index 0 of both arrays being the corner.
type edges struct {
	top, left       [17]int32
	hasTop, hasLeft bool
}

// gather reads the neighbours of the size x size block at x, y. Missing ones are left as they were.
func (n *edges) gather(p *plane, x, y, size int) {
	n.hasTop, n.hasLeft = y > 0, x > 0
	if n.hasTop {
		row := p.pix[p.at(x, y-1):][:size]
		for i, v := range row {
			n.top[i+1] = int32(v)
		}
	}
	if n.hasLeft {
		at := p.at(x-1, y)
		for i := range size {
			n.left[i+1] = int32(p.pix[at+i*p.stride])
		}
	}
	if n.hasTop && n.hasLeft {
		n.top[0] = int32(p.pix[p.at(x-1, y-1)])
		n.left[0] = n.top[0]
	}
}

func sum(s []int32) int32 {
	t := int32(0)
	for _, v := range s {
		t += v
	}
	return t
}

// dc16 is the value of Intra_16x16_DC (8.3.3.3).
func (n *edges) dc16() int32 {
	switch {
	case n.hasTop && n.hasLeft:
		return (sum(n.top[1:]) + sum(n.left[1:]) + 16) >> 5
	case n.hasTop:
		return (sum(n.top[1:]) + 8) >> 4
	case n.hasLeft:
		return (sum(n.left[1:]) + 8) >> 4
	}
	return 128
}

// packRow makes a word of eight samples.
func packRow(s []int32) (v uint64) {
	for i, x := range s[:8] {
		v |= uint64(x) << (8 * i)
	}
	return v
}

const everyByte = 0x0101010101010101

// predict16 writes the prediction of a 16x16 luma mode to dst (8.3.3).
func (n *edges) predict16(dst []byte, stride, mode int) {
	switch mode {
	case lumaVertical:
		left, right := packRow(n.top[1:9]), packRow(n.top[9:17])
		for y := range 16 {
			store8(dst[y*stride:], left)
			store8(dst[y*stride+8:], right)
		}
	case lumaHorizontal:
		for y := range 16 {
			v := uint64(n.left[y+1]) * everyByte
			store8(dst[y*stride:], v)
			store8(dst[y*stride+8:], v)
		}
	case lumaDC:
		v := uint64(n.dc16()) * everyByte
		for y := range 16 {
			store8(dst[y*stride:], v)
			store8(dst[y*stride+8:], v)
		}
	case lumaPlane:
		h, v := n.gradients(8)
		n.fillPlane(dst, stride, 16, (5*h+32)>>6, (5*v+32)>>6)
	}
}

// gradients are H and V of the plane predictions (8.3.3.4, 8.3.4.4), half being half the block's size.
func (n *edges) gradients(half int) (h, v int32) {
	for i := 1; i <= half; i++ {
		h += int32(i) * (n.top[half+i] - n.top[half-i])
		v += int32(i) * (n.left[half+i] - n.left[half-i])
	}
	return h, v
}

// fillPlane writes a plane of the given slopes.
func (n *edges) fillPlane(dst []byte, stride, size int, b, c int32) {
	start := 16*(n.top[size]+n.left[size]) + 16 - int32(size/2-1)*(b+c)
	for y := range size {
		row := dst[y*stride:][:size]
		v := start + int32(y)*c
		for x := range row {
			row[x] = byte(clip(v >> 5))
			v += b
		}
	}
}

// chromaDCs are the four values of chroma DC prediction (8.3.4.1..3).
func (n *edges) chromaDCs() (dc [4]int32) {
	t0, t1 := sum(n.top[1:5]), sum(n.top[5:9])
	l0, l1 := sum(n.left[1:5]), sum(n.left[5:9])
	switch {
	case n.hasTop && n.hasLeft:
		return [4]int32{(t0 + l0 + 4) >> 3, (t1 + 2) >> 2, (l1 + 2) >> 2, (t1 + l1 + 4) >> 3}
	case n.hasTop:
		return [4]int32{(t0 + 2) >> 2, (t1 + 2) >> 2, (t0 + 2) >> 2, (t1 + 2) >> 2}
	case n.hasLeft:
		return [4]int32{(l0 + 2) >> 2, (l0 + 2) >> 2, (l1 + 2) >> 2, (l1 + 2) >> 2}
	}
	return [4]int32{128, 128, 128, 128}
}

// predictChroma8 writes the prediction of a chroma mode to dst (8.3.4).
func (n *edges) predictChroma8(dst []byte, stride, mode int) {
	switch mode {
	case chromaDC:
		dc := n.chromaDCs()
		for y := range 8 {
			left, right := uint64(dc[y/4*2]), uint64(dc[y/4*2+1])
			store8(dst[y*stride:], left*0x01010101|right*0x01010101<<32)
		}
	case chromaHorizontal:
		for y := range 8 {
			store8(dst[y*stride:], uint64(n.left[y+1])*everyByte)
		}
	case chromaVertical:
		row := packRow(n.top[1:9])
		for y := range 8 {
			store8(dst[y*stride:], row)
		}
	case chromaPlane:
		h, v := n.gradients(4)
		n.fillPlane(dst, stride, 8, (34*h+32)>>6, (34*v+32)>>6)
	}
}

// allowed tells whether the neighbours a direction needs are there.
func (n *edges) allowed(vertical, horizontal bool) bool {
	return (n.hasTop || !vertical) && (n.hasLeft || !horizontal)
}

// maxCost is above the cost of any prediction.
const maxCost = 1 << 30

// lumaModes are the 16x16 modes in the order they are tried, the cheapest to test first, with what their mb_type costs.
var lumaModes = [4]struct {
	mode, bits           int
	vertical, horizontal bool
}{
	{lumaDC, 3, false, false}, {lumaVertical, 1, true, false}, {lumaHorizontal, 3, false, true},
	{lumaPlane, 5, true, true},
}

// chooseLuma16 finds the 16x16 mode with the least SAD + lambda * bits below limit; mode is -1 when there is none.
func (e *Encoder) chooseLuma16(mbx, mby, limit int) (mode, cost int) {
	n := &e.edgesY
	n.gather(&e.cur.y, mbx*16, mby*16, 16)
	mode, cost = -1, limit
	for _, m := range lumaModes {
		// Where inter prediction is better than the other modes, a plane will hardly beat it.
		if !n.allowed(m.vertical, m.horizontal) || m.mode == lumaPlane && mode < 0 {
			continue
		}
		n.predict16(e.scratch[:], 16, m.mode)
		rate := m.bits * e.lambda
		if c := sad16(&e.srcY, e.scratch[:], 16, cost-rate) + rate; c < cost {
			mode, cost = m.mode, c
		}
		if cost <= rate {
			break
		}
	}
	return mode, cost
}

// chooseChroma finds and predicts the chroma mode with the least SAD.
func (e *Encoder) chooseChroma(mbx, mby int) (mode int) {
	var n [2]edges
	for i := range n {
		n[i].gather(&e.cur.c[i], mbx*8, mby*8, 8)
	}
	best := 1 << 30
	for m := chromaDC; m <= chromaPlane; m++ {
		if !n[0].allowed(m >= chromaVertical, m&1 != 0) {
			continue
		}
		cost := e.lambda * ueLen(m)
		for i := range n {
			n[i].predictChroma8(e.scratch[:], 8, m)
			cost += sad8(&e.srcC[i], e.scratch[:], 8)
		}
		if cost < best {
			mode, best = m, cost
		}
		if cost == 0 {
			break
		}
	}
	for i := range n {
		p := &e.cur.c[i]
		n[i].predictChroma8(p.pix[p.at(mbx*8, mby*8):], p.stride, mode)
	}
	return mode
}
