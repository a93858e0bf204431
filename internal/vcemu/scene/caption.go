package scene

import (
	"image"
	"strings"
)

// Caption is text over a picture.
type Caption struct {
	Text       string // lines end with \n; signs without a glyph show as a box
	Size       int    // height of a digit, pixels
	Background bool   // a dark box behind the text
}

// Captions draws captions, and keeps the glyphs of the last size. One goroutine at a time may use it.
type Captions struct {
	face *face
	size int
}

// Draw writes the caption in white in the middle of the top, under the rows that belong to the frame stamp. What has no
// room is cut off. A caption without text or size draws nothing.
func (s *Captions) Draw(dst *image.YCbCr, c Caption) {
	if c.Text == "" || c.Size < 1 {
		return
	}
	if s.face == nil || s.size != c.Size {
		s.face, s.size = newFace(float64(c.Size), ""), c.Size
	}
	p := planes(dst)
	f, luma := s.face, p[0]
	pad := c.Size/8 + 1
	top := luma.h/stampHeight + pad
	for line := range strings.SplitSeq(c.Text, "\n") {
		text := []byte(line)
		for _, ch := range text {
			f.include(ch & 127)
		}
		w := f.length(text)
		at := image.Pt((luma.w-w)/2, top+pad)
		if c.Background && w > 0 {
			captionBox(p, image.Rect(at.X-pad, top, at.X+w+pad, top+int(glyphDepth*f.unit)+2*pad))
		}
		f.draw(luma, text, at, white)
		top += int(glyphDepth*f.unit) + 2*pad
	}
}

// include adds the glyph of a sign; one that the font does not have becomes a box.
func (f *face) include(c byte) {
	if f.masks[c] != nil {
		return
	}
	f.masks[c] = f.render(c)
	if c <= ' ' || glyphStrokes(c) != nil {
		return
	}
	corners := []point{{0.4, 0}, {3.6, 0}, {3.6, 6}, {0.4, 6}, {0.4, 0}}
	for i := range len(corners) - 1 {
		f.renderSegment(f.masks[c], f.place(corners[i]), f.place(corners[i+1]), max(glyphPen*f.unit, 0.55))
	}
}

// captionBox darkens a part of the picture, as far as it lies inside.
func captionBox(p [3]plane, r image.Rectangle) {
	r = r.Intersect(image.Rect(0, 0, p[0].w, p[0].h))
	if r.Empty() {
		return
	}
	p[0].crop(r.Min.X, r.Min.Y, r.Dx(), r.Dy()).fill(black)
	half := image.Rect(r.Min.X/2, r.Min.Y/2, (r.Max.X+1)/2, (r.Max.Y+1)/2)
	for _, c := range p[1:] {
		c.crop(half.Min.X, half.Min.Y, half.Dx(), half.Dy()).fill(neutral)
	}
}
