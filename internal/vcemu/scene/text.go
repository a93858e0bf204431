package scene

import (
	"image"
	"math"
)

// face is the font at one size. It has the glyphs it was made for and no others.
type face struct {
	unit          float64 // pixels per grid unit
	width, height int     // of one mask, pixels
	origin        point   // of the grid in a mask, pixels
	masks         [128][]byte
}

// newFace makes the glyphs of chars with digits of `size` pixels from top to base line.
func newFace(size float64, chars string) *face {
	f := &face{unit: size / glyphBase}
	margin := math.Ceil(f.unit + 1)
	f.origin = point{margin, margin}
	f.width = int(math.Ceil(glyphWidth*f.unit + 2*margin))
	f.height = int(math.Ceil(glyphDepth*f.unit + 2*margin))
	for i := range len(chars) {
		if c := chars[i] & 127; f.masks[c] == nil {
			f.masks[c] = f.render(c)
		}
	}
	return f
}

// render gives each pixel's coverage by the glyph, 0 to 255, from its distance to the nearest stroke.
func (f *face) render(c byte) []byte {
	mask := make([]byte, f.width*f.height)
	pen := max(glyphPen*f.unit, 0.55)
	if c == ':' {
		pen *= 1.25
	}
	for _, s := range glyphStrokes(c) {
		line := s.line()
		for i := range len(line) - 1 {
			a, b := f.place(line[i]), f.place(line[i+1])
			f.renderSegment(mask, a, b, pen)
		}
	}
	return mask
}

func (f *face) place(p point) point {
	return point{p.x*f.unit + f.origin.x, p.y*f.unit + f.origin.y}
}

func (f *face) renderSegment(mask []byte, a, b point, pen float64) {
	x0, x1 := int(min(a.x, b.x)-pen-1), int(max(a.x, b.x)+pen+1)
	y0, y1 := int(min(a.y, b.y)-pen-1), int(max(a.y, b.y)+pen+1)
	for y := max(y0, 0); y <= min(y1, f.height-1); y++ {
		for x := max(x0, 0); x <= min(x1, f.width-1); x++ {
			d := distance(point{float64(x) + 0.5, float64(y) + 0.5}, a, b)
			at := y*f.width + x
			mask[at] = max(mask[at], coverage(pen-d))
		}
	}
}

// distance is that of p to the segment from a to b.
func distance(p, a, b point) float64 {
	dx, dy := b.x-a.x, b.y-a.y
	t := 0.0
	if length := dx*dx + dy*dy; length > 0 {
		t = min(max(((p.x-a.x)*dx+(p.y-a.y)*dy)/length, 0), 1)
	}
	ex, ey := p.x-a.x-t*dx, p.y-a.y-t*dy
	return math.Sqrt(ex*ex + ey*ey)
}

// coverage is how much of a pixel lies inside an edge, 0 to 255, when its centre lies `inside` pixels within it.
func coverage(inside float64) byte {
	return byte(min(max(inside+0.5, 0), 1) * 255)
}

// length is the width of text, in pixels.
func (f *face) length(text []byte) int {
	units := glyphWidth - glyphAdvance
	for _, c := range text {
		units += advance(c)
	}
	return int(max(units, 0) * f.unit)
}

// draw writes text with the left end at x and the digits' top at y. Only luma takes the colour: text on a panel keeps
// the panel's tint, which 4:2:0 could not change sharply.
func (f *face) draw(dst plane, text []byte, at image.Point, luma byte) {
	units := 0.0
	for _, c := range text {
		x := at.X + int(units*f.unit+0.5) - int(f.origin.x)
		f.drawGlyph(dst, f.masks[c&127], image.Pt(x, at.Y-int(f.origin.y)), luma)
		units += advance(c)
	}
}

// erase fills the place of a text without descenders that begins at `at`.
func (f *face) erase(dst plane, text []byte, at image.Point, luma byte) {
	pen := int(f.unit/2 + 2)
	r := image.Rect(at.X-pen, at.Y-pen, at.X+f.length(text)+pen, at.Y+int(glyphBase*f.unit)+pen)
	r = r.Intersect(image.Rect(0, 0, dst.w, dst.h))
	if !r.Empty() {
		dst.crop(r.Min.X, r.Min.Y, r.Dx(), r.Dy()).fill(luma)
	}
}

func (f *face) drawGlyph(dst plane, mask []byte, at image.Point, luma byte) {
	if mask == nil {
		return
	}
	x0, x1 := max(0, -at.X), min(f.width, dst.w-at.X)
	for y := max(0, -at.Y); y < min(f.height, dst.h-at.Y); y++ {
		if x0 >= x1 {
			return
		}
		row := dst.row(at.Y + y)[at.X+x0 : at.X+x1]
		for x, a := range mask[y*f.width+x0 : y*f.width+x1] {
			if a != 0 {
				row[x] = mix(row[x], luma, a)
			}
		}
	}
}

func mix(under, over, alpha byte) byte {
	a := int(alpha)
	return byte((int(under)*(255-a) + int(over)*a + 127) / 255)
}
