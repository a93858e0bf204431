package scene

import (
	"fmt"
	"image"
	"math"
)

// The card's colours.
const (
	textLuma = 228
	dimLuma  = 160
)

var (
	panelColour = rgb(27, 33, 47)
	badgeColour = rgb(190, 22, 75)
	ballColour  = rgb(255, 150, 30)
	ringColour  = rgb(214, 220, 230)
)

// rgb converts 8-bit full range R'G'B' to limited range by ITU-R BT.601-7 section 2.5.
func rgb(r, g, b float64) colour {
	y := 0.299*r + 0.587*g + 0.114*b
	level := func(zero, span, v float64) byte { return byte(math.Round(zero + span*v/255)) }
	return colour{level(16, 219, y), level(128, 112, (b-y)/0.886), level(128, 112, (r-y)/0.701)}
}

// textLine is a line of the text column.
type textLine struct {
	size float64 // height of digits, in clock heights
	base float64 // base line, in clock heights from the column's top
	luma byte
}

// The lines of the text column.
var (
	lineTitle = textLine{0.62, 0.92, textLuma}
	lineClock = textLine{1, 2.65, textLuma}
	lineDate  = textLine{0.5, 3.5, dimLuma}
	lineSize  = textLine{0.36, 4.35, dimLuma}
	lineFrame = textLine{0.36, 4.95, dimLuma}
)

const (
	columnHeight = 5.0  // clock heights
	clockWidth   = 6.75 // clock heights, of eight characters with their pens
	minGlyph     = 5    // pixels; smaller digits cannot be read
	minDial      = 10   // pixels
	title        = "camkrazy"
)

// dial is the circle with the ball. A radius of 0 means that there is no room for it.
type dial struct {
	centre                    point
	radius, star, orbit, ball float64
}

// around gives the point at a distance from the centre, angle clockwise from the top.
func (d dial) around(angle, distance float64) point {
	return point{d.centre.x + distance*math.Sin(angle), d.centre.y - distance*math.Cos(angle)}
}

// layout says where the card's parts are. The top 1/30 stays black: the stamp goes there.
type layout struct {
	width, height     int
	bars, ramp, panel image.Rectangle
	dial              dial
	column            image.Point // top left of the text
	unit              float64     // height of the clock's digits, pixels
}

func newLayout(width, height int) layout {
	row := func(part float64) int { return int(float64(height)*part+0.5) &^ 1 }
	top := (height/stampHeight + 1) &^ 1
	l := layout{
		width: width, height: height,
		bars:  image.Rect(0, top, width, row(0.36)),
		ramp:  image.Rect(0, row(0.36), width, row(0.42)),
		panel: image.Rect(0, row(0.42), width, height),
	}
	w, h := float64(width), float64(l.panel.Dy())
	y := float64(l.panel.Min.Y)
	text := textArea{0.47 * w, y, 0.5 * w, h}
	l.setDial(point{0.235 * w, y + 0.5*h}, min(0.19*w, 0.42*h))
	switch {
	case text.unit() < minGlyph:
		l.dial = dial{}
		text = textArea{0.04 * w, y, 0.92 * w, h}
	case w < 0.9*float64(height):
		l.setDial(point{0.5 * w, y + 0.27*h}, min(0.4*w, 0.23*h))
		text = textArea{0.1 * w, y + 0.53*h, 0.8 * w, 0.45 * h}
	}
	l.setColumn(text)
	return l
}

// textArea is where the text column may be: top left and size in pixels.
type textArea struct{ x, y, w, h float64 }

// unit is the largest clock height with which the column fits.
func (a textArea) unit() float64 { return min(a.w/clockWidth, a.h/(columnHeight+0.8)) }

func (l *layout) setColumn(a textArea) {
	l.unit = a.unit()
	top := a.y + (a.h-l.unit*columnHeight)/2
	if l.unit*lineTitle.size < minGlyph {
		// The clock is alone, in the middle.
		l.unit = min(a.w/clockWidth, a.h/2)
		top = a.y + a.h/2 - l.unit*(lineClock.base-0.5)
	}
	l.column = image.Pt(int(a.x+(a.w-l.unit*clockWidth)/2), int(top))
}

func (l *layout) setDial(centre point, radius float64) {
	l.dial = dial{}
	if radius >= minDial {
		ball := min(float64(l.height)/40, radius/7)
		l.dial = dial{centre: centre, radius: radius, star: 0.46 * radius, orbit: 0.7 * radius, ball: ball}
	}
}

// label makes the face for a line that is to hold chars.
func (l layout) label(line textLine, chars string) label {
	size := l.unit * line.size
	if size < minGlyph {
		return label{}
	}
	x := l.column.X + int(l.unit*0.15)
	y := l.column.Y + int(l.unit*line.base-size)
	return label{face: newFace(size, chars), at: image.Pt(x, y), luma: line.luma}
}

// paint draws all that never moves.
func (l layout) paint(c canvas) {
	l.paintBars(c)
	c.rect(l.panel, panelColour)
	l.paintCorners(c)
	if l.dial.radius > 0 {
		l.paintDial(c)
	}
	if name := l.label(lineTitle, title); name.face != nil {
		u := l.unit
		width := name.face.length([]byte(title))
		badge := image.Rect(name.at.X-int(0.3*u), name.at.Y-int(0.22*u), name.at.X+width+int(0.3*u), name.at.Y+int(0.98*u))
		c.rect(even(badge), badgeColour)
		name.face.draw(c[0], []byte(title), name.at, name.luma)
		half := newFace(u*lineTitle.size/2, title)
		for _, chroma := range c[1:] {
			half.draw(chroma, []byte(title), name.at.Div(2), neutral)
		}
	}
	size := fmt.Sprintf("%dx%d", l.width, l.height)
	if note := l.label(lineSize, size); note.face != nil {
		note.face.draw(c[0], []byte(size), note.at, note.luma)
	}
}

// even rounds r inward to whole chroma samples.
func even(r image.Rectangle) image.Rectangle {
	return image.Rect((r.Min.X+1)&^1, (r.Min.Y+1)&^1, r.Max.X&^1, r.Max.Y&^1)
}

// paintBars draws the eight 75 % bars, white to black, and a ramp of eleven steps from black to white.
func (l layout) paintBars(c canvas) {
	const level = 0.75 * 255
	for i := range 8 {
		on := 7 - i // green, red, blue: bits 2, 1, 0
		part := func(bit int) float64 { return level * float64(on>>bit&1) }
		r := l.bars
		r.Min.X, r.Max.X = l.width*i/8&^1, l.width*(i+1)/8&^1
		if i == 7 {
			r.Max.X = l.width
		}
		c.rect(r, rgb(part(1), part(2), part(0)))
	}
	for i := range 11 {
		r := l.ramp
		r.Min.X, r.Max.X = l.width*i/11&^1, l.width*(i+1)/11&^1
		if i == 10 {
			r.Max.X = l.width
		}
		c.rect(r, colour{byte(black + (white-black)*i/10), neutral, neutral})
	}
}

// paintCorners marks the two lower corners of the picture, so that a crop shows.
func (l layout) paintCorners(c canvas) {
	arm, pen := l.height/20, max(l.height/300, 1)
	ink := colour{dimLuma, panelColour.cb, panelColour.cr}
	for _, x := range []int{0, l.width - arm} {
		c.rect(image.Rect(x, l.height-pen, x+arm, l.height), ink)
	}
	for _, x := range []int{0, l.width - pen} {
		c.rect(image.Rect(x, l.height-arm, x+pen, l.height), ink)
	}
}

// paintDial draws the ring with its twenty ticks, and the star.
func (l layout) paintDial(c canvas) {
	d := l.dial
	pen := max(d.radius/60, 0.6)
	c.disc(d.centre, d.radius, d.radius-2*pen, ringColour)
	for i := range 20 {
		angle := 2 * math.Pi * float64(i) / 20
		length := 0.05
		if i%5 == 0 {
			length = 0.1
		}
		c.segment(d.around(angle, d.radius-3*pen), d.around(angle, d.radius*(1-length)-3*pen), pen*0.7, ringColour.y)
	}
	c.star(d.centre, d.star, 18)
}
