package h264

// interpolator makes the fractional samples (8.4.2.2.1) around one integer position of the reference picture: half
// samples into buffers when first needed, quarter samples as averages of two of those.
type interpolator struct {
	ref  *plane
	x, y int // the integer position of the block, in the reference
	have uint8

	// The buffers hold the half samples right of (b), below (h) and diagonally below right of (j) the integer
	// samples, from column -1 and from the row given below.
	b [bRows * bufStride]byte // rows -1..16, with j -3..18
	h [18 * bufStride]byte    // rows -1..15
	j [18 * bufStride]byte    // rows -1..15

	// sums are the intermediate values b1 of 8-241, as two words of lanes per eight samples, biased to be positive.
	sums [bRows * 6]uint64
}

const (
	bRows     = 22
	bufStride = 24

	haveB = 1
	haveH = 2
	haveJ = 4

	// A six-tap sum lies in -2550..10710; 80*32 makes it positive and is 80 after the division by 32.
	tapBias = 80 * 32 * ones16
)

// seek moves to another integer position.
func (p *interpolator) seek(ref *plane, x, y int) {
	if p.ref != ref || p.x != x || p.y != y {
		p.ref, p.x, p.y, p.have = ref, x, y, 0
	}
}

// sixTap is the six-tap filter on lanes.
func sixTap(a, b, c, d, e, f uint64) uint64 { return a + f + 20*(c+d) - 5*(b+e) }

// clipTap rounds and clips lanes of sixTap + tapBias to samples (8-243).
func clipTap(v uint64) uint64 {
	q := (v + 16*ones16) >> 5 & 0x07ff07ff07ff07ff
	q += (0x8000 - 80) * ones16
	positive := q >> 15 & ones16
	q &= positive<<15 - positive
	over := q >> 8 & ones16
	return (q | (over<<8 - over)) & evenBytes
}

func (p *interpolator) makeB() {
	if p.have&haveB == 0 {
		p.have |= haveB
		p.rowsB(2, 20)
	}
}

// rowsB makes the rows first..last-1 of b and sums, counted from row -3.
func (p *interpolator) rowsB(first, last int) {
	stride := p.ref.stride
	src := p.ref.pix[p.ref.at(p.x-3, p.y-3+first):]
	for r := first; r < last; r++ {
		row := src[:32]
		dst := p.b[r*bufStride : r*bufStride+bufStride]
		sums := p.sums[r*6 : r*6+6]
		for g := range 2 {
			s := row[g*8 : g*8+14 : g*8+14]
			t0, t1, t2 := load8(s)&evenBytes, load8(s[1:])&evenBytes, load8(s[2:])&evenBytes
			t3, t4, t5 := load8(s[3:])&evenBytes, load8(s[4:])&evenBytes, load8(s[5:])&evenBytes
			t6 := load8(s[6:]) & evenBytes
			even := sixTap(t0, t1, t2, t3, t4, t5) + tapBias
			odd := sixTap(t1, t2, t3, t4, t5, t6) + tapBias
			sums[g*2], sums[g*2+1] = even, odd
			store8(dst[g*8:g*8+8], clipTap(even)|clipTap(odd)<<8)
		}
		s := row[16:29:29] // only the first sample of the last group is needed
		last := sixTap(load8(s)&evenBytes, load8(s[1:])&evenBytes, load8(s[2:])&evenBytes,
			load8(s[3:])&evenBytes, load8(s[4:])&evenBytes, load8(s[5:])&evenBytes) + tapBias
		sums[4] = last
		dst[16] = byte(clipTap(last))
		src = src[stride:]
	}
}

func (p *interpolator) makeH() {
	if p.have&haveH != 0 {
		return
	}
	p.have |= haveH
	for g := range 2 {
		src := p.ref.pix[p.ref.at(p.x-1+g*8, p.y-3):]
		p.columnsH(src, p.h[g*8:], 0)
		p.columnsH(src, p.h[g*8:], 8)
	}
	p.lastColumnsH(p.ref.pix[p.ref.at(p.x+15, p.y-3):], p.h[16:])
}

// lastColumnsH makes the last two of the 18 columns of h.
func (p *interpolator) lastColumnsH(src, dst []byte) {
	stride := p.ref.stride
	pair := func(y int) uint64 { return uint64(src[y*stride]) | uint64(src[y*stride+1])<<16 }
	a, b, c, d, e := pair(0), pair(1), pair(2), pair(3), pair(4)
	for y := range 17 {
		f := pair(y + 5)
		v := clipTap(sixTap(a, b, c, d, e, f) + tapBias)
		dst[y*bufStride], dst[y*bufStride+1] = byte(v), byte(v>>16)
		a, b, c, d, e = b, c, d, e, f
	}
}

// columnsH makes the even (shift 0) or, after those, the odd (shift 8) ones of eight columns of h. One parity at a time
// leaves the window of six rows in registers.
func (p *interpolator) columnsH(src, dst []byte, shift uint) {
	stride := p.ref.stride
	a := load8(src) >> (shift & 63) & evenBytes
	b := load8(src[stride:]) >> (shift & 63) & evenBytes
	c := load8(src[2*stride:]) >> (shift & 63) & evenBytes
	d := load8(src[3*stride:]) >> (shift & 63) & evenBytes
	e := load8(src[4*stride:]) >> (shift & 63) & evenBytes
	src = src[5*stride:]
	for range 17 {
		f := load8(src) >> (shift & 63) & evenBytes
		v := clipTap(sixTap(a, b, c, d, e, f)+tapBias) << (shift & 63)
		if shift != 0 {
			v |= load8(dst)
		}
		store8(dst, v)
		a, b, c, d, e = b, c, d, e, f
		src, dst = src[stride:], dst[bufStride:]
	}
}

// clipCenter rounds and clips, in 32-bit halves, six-tap sums of biased six-tap sums (8-247).
func clipCenter(v uint64) uint64 {
	const ones = 1<<32 | 1
	// The bias of the inputs is 80<<10 by now; what is added makes it 256<<10.
	q := (v + (512+176<<10)*ones) >> 10 & (0x3ff * ones)
	over, in := q>>9&ones, q>>8&ones
	return q&(in<<8-in) | (over<<8 - over)
}

func (p *interpolator) makeJ() {
	if p.have&haveJ != 0 {
		return
	}
	p.makeB()
	p.rowsB(0, 2)
	p.rowsB(20, bRows)
	p.have |= haveJ
	for r := range 17 {
		s := (*[36]uint64)(p.sums[r*6:])
		dst := p.j[r*bufStride : r*bufStride+bufStride]
		for g := range 2 {
			store8(dst[g*8:], centers(s, g*2)|centers(s, g*2+1)<<8)
		}
		last := sixTap(s[4]&0xffff, s[10]&0xffff, s[16]&0xffff, s[22]&0xffff, s[28]&0xffff, s[34]&0xffff)
		dst[16] = byte(clipCenter(last))
	}
}

// centers makes four center samples from word i of six rows of sums.
func centers(s *[36]uint64, i int) uint64 {
	a, b, c, d, e, f := s[i], s[i+6], s[i+12], s[i+18], s[i+24], s[i+30]
	low := sixTap(a&halves, b&halves, c&halves, d&halves, e&halves, f&halves)
	high := sixTap(a>>16&halves, b>>16&halves, c>>16&halves, d>>16&halves, e>>16&halves, f>>16&halves)
	return clipCenter(low) | clipCenter(high)<<16
}

// full returns the integer samples at dx, dy from the position.
func (p *interpolator) full(dx, dy int) samples {
	return samples{p.ref.pix[p.ref.at(p.x+dx, p.y+dy):], p.ref.stride}
}

func (p *interpolator) halfB(dx, dy int) samples {
	p.makeB()
	return samples{p.b[(dy+3)*bufStride+dx+1:], bufStride}
}

func (p *interpolator) halfH(dx, dy int) samples {
	p.makeH()
	return samples{p.h[(dy+1)*bufStride+dx+1:], bufStride}
}

func (p *interpolator) halfJ(dx, dy int) samples {
	p.makeJ()
	return samples{p.j[(dy+1)*bufStride+dx+1:], bufStride}
}

// block returns the samples at qx, qy quarter samples (-4..4) from the position. When two is set they are the average
// of a and b, otherwise a.
func (p *interpolator) block(qx, qy int) (a, b samples, two bool) {
	dx, dy := qx>>2, qy>>2
	switch qy&3<<2 | qx&3 {
	case 0:
		return p.full(dx, dy), b, false
	case 1:
		return p.full(dx, dy), p.halfB(dx, dy), true
	case 2:
		return p.halfB(dx, dy), b, false
	case 3:
		return p.full(dx+1, dy), p.halfB(dx, dy), true
	case 4:
		return p.full(dx, dy), p.halfH(dx, dy), true
	case 5:
		return p.halfB(dx, dy), p.halfH(dx, dy), true
	case 6:
		return p.halfB(dx, dy), p.halfJ(dx, dy), true
	case 7:
		return p.halfB(dx, dy), p.halfH(dx+1, dy), true
	case 8:
		return p.halfH(dx, dy), b, false
	case 9:
		return p.halfH(dx, dy), p.halfJ(dx, dy), true
	case 10:
		return p.halfJ(dx, dy), b, false
	case 11:
		return p.halfH(dx+1, dy), p.halfJ(dx, dy), true
	case 12:
		return p.full(dx, dy+1), p.halfH(dx, dy), true
	case 13:
		return p.halfB(dx, dy+1), p.halfH(dx, dy), true
	case 14:
		return p.halfB(dx, dy+1), p.halfJ(dx, dy), true
	}
	return p.halfB(dx, dy+1), p.halfH(dx+1, dy), true
}

// predict writes the luma prediction at qx, qy quarter samples from the position.
func (p *interpolator) predict(dst []byte, stride, qx, qy int) {
	a, b, two := p.block(qx, qy)
	if !two {
		copyBlock16(dst, a.pix, stride, a.stride)
		return
	}
	for y := range 16 {
		d, ra, rb := dst[y*stride:][:16], a.pix[y*a.stride:][:16], b.pix[y*b.stride:][:16]
		store8(d, average(load8(ra), load8(rb)))
		store8(d[8:], average(load8(ra[8:]), load8(rb[8:])))
	}
}

// predictChroma writes the 8x8 chroma prediction (8.4.2.2.2) for the block at x, y and a vector in quarter luma
// samples, which is eighth chroma samples.
func predictChroma(dst []byte, stride int, ref *plane, x, y int, v vector) {
	src := ref.pix[ref.at(x+int(v.x>>3), y+int(v.y>>3)):]
	fx, fy := uint64(v.x&7), uint64(v.y&7)
	if fx|fy == 0 {
		copyBlock8(dst, src, stride, ref.stride)
		return
	}
	wa, wb, wc, wd := (8-fx)*(8-fy), fx*(8-fy), (8-fx)*fy, fx*fy
	l, r := load8(src), load8(src[1:])
	for i := range 8 {
		src = src[ref.stride:]
		nl, nr := load8(src), load8(src[1:])
		even := wa*(l&evenBytes) + wb*(r&evenBytes) + wc*(nl&evenBytes) + wd*(nr&evenBytes) + 32*ones16
		odd := wa*(l>>8&evenBytes) + wb*(r>>8&evenBytes) + wc*(nl>>8&evenBytes) + wd*(nr>>8&evenBytes) + 32*ones16
		store8(dst[i*stride:], even>>6&evenBytes|odd>>6&evenBytes<<8)
		l, r = nl, nr
	}
}
