package scene

import (
	"image"
	"strings"
)

// Caption is text over a picture.
type Caption struct {
	Text       string // printable ASCII; lines end with \n; what else there is shows as a space
	Size       int    // height of a digit, pixels
	Colour     Colour
	Background bool // a box behind the text
	BoxColour  Colour
	Justify    Justify
	X, Y       int // pixels from the edge that Justify names, and from the top
}

// Colour is one of limited range Y'CbCr.
type Colour struct{ Y, Cb, Cr uint8 }

// The colours of captions that ask for none.
var (
	White = Colour{white, neutral, neutral}
	Black = Colour{black, neutral, neutral}
)

// Justify says where a line of a caption begins.
type Justify int

// The places of a line.
const (
	Centre Justify = iota
	Left
	Right
)

// Captions draws captions, and keeps the signs of the last size. One goroutine at a time may use it.
type Captions struct {
	size  int
	masks [128][]byte // coverage, from 0 to 255
}

// Draw writes the caption under the rows that belong to the frame stamp. What has no room is cut off. A caption without
// text or size draws nothing.
func (s *Captions) Draw(dst *image.YCbCr, c Caption) {
	if c.Text == "" || c.Size < 1 {
		return
	}
	if s.size != c.Size {
		*s = Captions{size: c.Size}
	}
	canvas := canvas(planes(dst))
	pad := c.Size/8 + 1
	top := canvas[0].h/stampHeight + c.Y + pad
	height := s.pixels(fontDepth)
	for line := range strings.SplitSeq(c.Text, "\n") {
		width := s.pixels(fontAdvance*len(line) - (fontAdvance - fontWidth))
		at := image.Pt(c.left(canvas[0].w, width, pad), top+pad)
		if c.Background && line != "" {
			box := image.Rect(at.X-pad, top, at.X+width+pad, top+height+2*pad)
			canvas.rect(box, colour{c.BoxColour.Y, c.BoxColour.Cb, c.BoxColour.Cr})
		}
		for i := range len(line) {
			s.draw(canvas, line[i], at.Add(image.Pt(s.pixels(fontAdvance*i), 0)), c.Colour)
		}
		top += height + 2*pad
	}
}

// left is where a line of some width begins.
func (c Caption) left(room, width, pad int) int {
	switch c.Justify {
	case Left:
		return c.X + 2*pad
	case Right:
		return room - width - 2*pad - c.X
	}
	return (room-width)/2 + c.X
}

// pixels is the size of so many columns or rows of the font.
func (s *Captions) pixels(n int) int { return (n*s.size + fontBase - 1) / fontBase }

// draw draws a sign with its top left corner at `at`.
func (s *Captions) draw(dst canvas, c byte, at image.Point, ink Colour) {
	if c >= 128 || fontSign(c) == nil {
		return
	}
	if s.masks[c] == nil {
		s.masks[c] = s.render(fontSign(c))
	}
	w, h := s.pixels(fontWidth), s.pixels(fontDepth)
	for y := range h {
		for x := range w {
			a := s.masks[c][y*w+x]
			px, py := at.X+x, at.Y+y
			if a == 0 || px < 0 || py < 0 || px >= dst[0].w || py >= dst[0].h {
				continue
			}
			row := dst[0].row(py)
			row[px] = mix(row[px], ink.Y, a)
			for i, v := range [2]uint8{ink.Cb, ink.Cr} {
				chroma := dst[i+1].row(py / 2)
				chroma[px/2] = mix(chroma[px/2], v, a)
			}
		}
	}
}

// render gives each pixel's coverage by a sign, from 4x4 points in it.
func (s *Captions) render(rows []string) []byte {
	const points = 4
	w, h := s.pixels(fontWidth), s.pixels(fontDepth)
	mask := make([]byte, w*h)
	inside := func(x, y int) bool { // in parts of a pixel
		column, row := x*fontBase/(points*s.size), y*fontBase/(points*s.size)
		return row < len(rows) && column < len(rows[row]) && rows[row][column] == '#'
	}
	for i := range mask {
		covered := 0
		for j := range points * points {
			if inside(i%w*points+j%points, i/w*points+j/points) {
				covered++
			}
		}
		mask[i] = byte(covered * 255 / (points * points))
	}
	return mask
}
