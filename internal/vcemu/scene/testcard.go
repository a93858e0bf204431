package scene

import (
	"bytes"
	"image"
	"math"
	"strconv"
	"time"
)

// ballTurn is the time in which the ball goes round the dial; two ticks are 100 ms apart.
const ballTurn = 2 * time.Second

// TestCard is a live test card: colour bars, a grey ramp, a circle with a fine star and a ball going round it once in
// two seconds, the wall clock, the picture's size and the frame number. What changes between frames is small and the
// rest stays the same bit by bit, for the sake of the encoder.
type TestCard struct {
	base       *image.YCbCr
	layout     layout
	clock      label
	date       label
	frame      label
	textBuffer []byte
}

// label is a text on the panel.
type label struct {
	face *face // nil when there is no room for the text
	at   image.Point
	luma byte
	text []byte // as it is in the base now
}

// NewTestCard makes the card for pictures of width x height pixels, both even and at least 2. Under about 200 pixels it
// leaves parts out.
func NewTestCard(width, height int) *TestCard {
	t := &TestCard{base: newBlack(width, height), textBuffer: make([]byte, 0, 64)}
	size := t.base.Rect.Size()
	t.layout = newLayout(size.X, size.Y)
	c := canvas(planes(t.base))
	t.layout.paint(c)
	t.clock = t.layout.label(lineClock, "0123456789:-")
	t.date = t.layout.label(lineDate, "0123456789-")
	t.frame = t.layout.label(lineFrame, "frame 0123456789")
	return t
}

// Draw fills dst as Source says; the clock shows now in its own location. A dst of another size than the card was made
// for makes it lay the card out anew, which is slow.
func (t *TestCard) Draw(dst *image.YCbCr, n uint32, elapsed time.Duration, now time.Time) error {
	if dst.Rect.Empty() {
		return nil
	}
	if size := dst.Rect.Size(); size != t.base.Rect.Size() && size.X > 1 && size.Y > 1 {
		*t = *NewTestCard(size.X, size.Y)
	}
	t.textBuffer = now.AppendFormat(t.textBuffer[:0], "15:04:05")
	t.setText(&t.clock)
	t.textBuffer = now.AppendFormat(t.textBuffer[:0], "2006-01-02")
	t.setText(&t.date)
	copyPicture(dst, t.base)

	c := canvas(planes(dst))
	t.drawBall(c, elapsed)
	if t.frame.face != nil {
		t.textBuffer = appendFrame(t.textBuffer[:0], n)
		t.frame.face.draw(c[0], t.textBuffer, t.frame.at, t.frame.luma)
	}
	return nil
}

// setText brings a label in the base up to date with the text buffer.
func (t *TestCard) setText(l *label) {
	if l.face == nil || bytes.Equal(l.text, t.textBuffer) {
		return
	}
	luma := planes(t.base)[0]
	l.face.erase(luma, l.text, l.at, panelColour.y)
	l.face.draw(luma, t.textBuffer, l.at, l.luma)
	l.text = append(l.text[:0], t.textBuffer...)
}

func (t *TestCard) drawBall(c canvas, elapsed time.Duration) {
	d := t.layout.dial
	if d.radius == 0 {
		return
	}
	angle := 2 * math.Pi * float64(elapsed%ballTurn) / float64(ballTurn)
	at := d.around(angle, d.orbit)
	c.disc(at, d.ball, 0, ballColour)
}

func appendFrame(b []byte, n uint32) []byte {
	b = append(b, "frame "...)
	for limit := uint32(1_000_000); limit > 1 && n < limit; limit /= 10 {
		b = append(b, '0')
	}
	return strconv.AppendUint(b, uint64(n), 10)
}
