package h264

// padding is by how many luma samples a reference picture is extended beyond its coded size. A motion vector may put a
// block up to padding-reach outside; the six-tap filter and eight-sample loads need the rest.
const (
	padding = 32
	reach   = 20
)

// plane is one colour component with a border of pad samples around its w x h samples.
type plane struct {
	pix               []byte
	stride, w, h, pad int
}

func newPlane(w, h, pad int) plane {
	stride := w + 2*pad
	return plane{pix: make([]byte, stride*(h+2*pad)+16), stride: stride, w: w, h: h, pad: pad}
}

// at is the index of the sample at x, y, which may lie in the border.
func (p *plane) at(x, y int) int { return (y+p.pad)*p.stride + x + p.pad }

// extendRows repeats the outermost samples of the rows y0..y1-1 sideways into the border.
func (p *plane) extendRows(y0, y1 int) {
	for y := y0; y < y1; y++ {
		row := p.pix[p.at(-p.pad, y):p.at(p.w+p.pad, y)]
		fill(row[:p.pad], row[p.pad])
		fill(row[p.pad+p.w:], row[p.pad+p.w-1])
	}
}

// extendFrom repeats row y, side borders included, to the rows one, two .. pad steps away.
func (p *plane) extendFrom(y, step int) {
	row := p.pix[p.at(-p.pad, y):][:p.stride]
	for i := 1; i <= p.pad; i++ {
		copy(p.pix[p.at(-p.pad, y+i*step):], row)
	}
}

func fill(s []byte, v byte) {
	for i := range s {
		s[i] = v
	}
}

// frame is a picture of whole macroblocks; planes 1 and 2 are Cb and Cr.
type frame struct {
	y plane
	c [2]plane
}

func newFrame(mbw, mbh, pad int) *frame {
	return &frame{
		y: newPlane(mbw*16, mbh*16, pad),
		c: [2]plane{newPlane(mbw*8, mbh*8, pad/2), newPlane(mbw*8, mbh*8, pad/2)},
	}
}

// extend refreshes the border beside macroblock row mby of mbh.
func (f *frame) extend(mby, mbh int) {
	for _, p := range []*plane{&f.y, &f.c[0], &f.c[1]} {
		rows := p.h / mbh
		p.extendRows(mby*rows, mby*rows+rows)
		if mby == 0 {
			p.extendFrom(0, -1)
		}
		if mby == mbh-1 {
			p.extendFrom(p.h-1, 1)
		}
	}
}

// copyMacroblock copies one macroblock from another frame.
func (f *frame) copyMacroblock(from *frame, mbx, mby int) {
	copyBlock16(f.y.pix[f.y.at(mbx*16, mby*16):], from.y.pix[from.y.at(mbx*16, mby*16):], f.y.stride, from.y.stride)
	for i := range f.c {
		to, src := &f.c[i], &from.c[i]
		copyBlock8(to.pix[to.at(mbx*8, mby*8):], src.pix[src.at(mbx*8, mby*8):], to.stride, src.stride)
	}
}
