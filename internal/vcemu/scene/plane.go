package scene

import "image"

const (
	black   = 16  // luma, ITU-R BT.601-7 table 3
	white   = 235 // luma, ITU-R BT.601-7 table 3
	neutral = 128 // both chroma components: no colour
)

// plane is one component of a picture; pix starts at its top left sample.
type plane struct {
	pix    []byte
	stride int
	w, h   int
}

func (p plane) row(y int) []byte { return p.pix[y*p.stride:][:p.w] }

// crop is the part of p from (x, y), w by h samples, which the caller has clipped to p.
func (p plane) crop(x, y, w, h int) plane {
	return plane{p.pix[y*p.stride+x:], p.stride, w, h}
}

func (p plane) fill(v byte) {
	for y := range p.h {
		row := p.row(y)
		for x := range row {
			row[x] = v
		}
	}
}

func copyPlane(dst, src plane) {
	if dst.stride == src.stride && dst.w == src.w && dst.h == src.h {
		n := (dst.h-1)*dst.stride + dst.w
		copy(dst.pix[:n], src.pix[:n])
		return
	}
	for y := range min(dst.h, src.h) {
		copy(dst.row(y), src.row(y))
	}
}

// planes gives the Y, Cb and Cr planes of a 4:2:0 picture. As in package image, Y[0] is the sample at Rect.Min.
func planes(m *image.YCbCr) [3]plane {
	r := m.Rect
	cw := (r.Max.X+1)/2 - r.Min.X/2
	ch := (r.Max.Y+1)/2 - r.Min.Y/2
	return [3]plane{
		{m.Y, m.YStride, r.Dx(), r.Dy()},
		{m.Cb, m.CStride, cw, ch},
		{m.Cr, m.CStride, cw, ch},
	}
}

func copyPicture(dst, src *image.YCbCr) {
	from := planes(src)
	for i, to := range planes(dst) {
		copyPlane(to, from[i])
	}
}

// newBlack makes a black picture of at least 2x2.
func newBlack(width, height int) *image.YCbCr {
	m := image.NewYCbCr(image.Rect(0, 0, max(width, 2), max(height, 2)), image.YCbCrSubsampleRatio420)
	p := planes(m)
	p[0].fill(black)
	p[1].fill(neutral)
	p[2].fill(neutral)
	return m
}
