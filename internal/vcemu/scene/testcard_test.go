package scene

import (
	"image"
	"math"
	"testing"
	"time"
)

var noon = time.Date(2026, 5, 1, 12, 34, 56, 0, time.UTC)

func TestTestCardAnySize(t *testing.T) {
	for _, size := range []image.Point{{64, 64}, {96, 64}, {64, 400}, {720, 1280}, {1920, 400}, {1640, 1232}, {3280, 2464}, {2, 2}, {30, 30}} {
		m := newPicture(size)
		card := NewTestCard(size.X, size.Y)
		card.Draw(m, math.MaxUint32, time.Hour, noon)
		top := planes(m)[0].crop(0, 0, size.X, size.Y/stampHeight)
		if x, y, ok := differs(top, black); ok {
			t.Errorf("%v: stamp row is not free at %d,%d", size, x, y)
		}
		if l := card.layout; size.X >= 64 && !l.bars.Union(l.ramp).Union(l.panel).Eq(image.Rect(0, l.bars.Min.Y, size.X, size.Y)) {
			t.Errorf("%v: parts do not cover the picture: %v %v %v", size, l.bars, l.ramp, l.panel)
		}
		if size.X >= 64 && card.clock.face == nil {
			t.Errorf("%v: no clock", size)
		}
		if size.X >= 320 && size.Y >= 320 && (card.frame.face == nil || card.date.face == nil || card.layout.dial.radius == 0) {
			t.Errorf("%v: parts are missing", size)
		}
	}
}

func TestTestCardColours(t *testing.T) {
	m := newPicture(image.Pt(640, 480))
	NewTestCard(640, 480).Draw(m, 0, 0, noon)
	// 75 % bars, BT.601 limited range, as any table of colour bars lists them.
	for i, want := range []colour{
		{180, 128, 128}, {162, 44, 142}, {131, 156, 44}, {112, 72, 58}, {84, 184, 198}, {65, 100, 212}, {35, 212, 114}, {16, 128, 128},
	} {
		x, y := 640*i/8+40, 100
		got := colour{m.Y[m.YOffset(x, y)], m.Cb[m.COffset(x, y)], m.Cr[m.COffset(x, y)]}
		near := func(a, b byte) bool { return max(a, b)-min(a, b) <= 1 }
		if !near(got.y, want.y) || !near(got.cb, want.cb) || !near(got.cr, want.cr) {
			t.Errorf("bar %d: got %v, want %v", i, got, want)
		}
	}
	for _, v := range m.Y {
		if v < black || v > white {
			t.Fatalf("luma %d is out of the limited range", v)
		}
	}
}

// TestTestCardForgets draws many frames into one buffer and expects what a fresh card draws.
func TestTestCardForgets(t *testing.T) {
	for _, size := range []image.Point{{640, 480}, {100, 80}, {64, 64}} {
		old, m := NewTestCard(size.X, size.Y), newPicture(size)
		for n := range uint32(70) {
			now := noon.Add(time.Duration(n) * 997 * time.Millisecond)
			old.Draw(m, n*12345, time.Duration(n)*time.Second/30, now)
			if n%23 != 0 {
				continue
			}
			fresh := newPicture(size)
			NewTestCard(size.X, size.Y).Draw(fresh, n*12345, time.Duration(n)*time.Second/30, now)
			if !samePicture(m, fresh) {
				t.Fatalf("%v frame %d: differs from a fresh card's", size, n)
			}
		}
	}
}

// TestTestCardChangesLittle bounds the share of macroblocks that differ from the frame before.
func TestTestCardChangesLittle(t *testing.T) {
	const w, h = 1640, 1232
	card := NewTestCard(w, h)
	before, after := newPicture(image.Pt(w, h)), newPicture(image.Pt(w, h))
	card.Draw(before, 100, time.Second, noon)
	card.Draw(after, 101, time.Second+time.Second/30, noon)
	if changed := changedBlocks(before, after); changed < 8 || changed > 150 {
		t.Errorf("between frames: %d of %d macroblocks changed, want 8 to 150", changed, w*h/256)
	}
	card.Draw(after, 100, time.Second, noon.Add(time.Second))
	if changed := changedBlocks(before, after); changed < 8 || changed > 200 {
		t.Errorf("between seconds: %d of %d macroblocks changed, want 8 to 200", changed, w*h/256)
	}
}

func changedBlocks(a, b *image.YCbCr) int {
	blocks := map[image.Point]bool{}
	from := planes(b)
	for i, p := range planes(a) {
		side := 16
		if i > 0 {
			side = 8
		}
		for y := range p.h {
			for x, v := range p.row(y) {
				if v != from[i].row(y)[x] {
					blocks[image.Pt(x/side, y/side)] = true
				}
			}
		}
	}
	return len(blocks)
}

// TestTestCardMovesSmoothly follows the ball by its colour's centre at 30 frames per second.
func TestTestCardMovesSmoothly(t *testing.T) {
	const w, h = 1640, 1232
	card, m := NewTestCard(w, h), newPicture(image.Pt(w, h))
	d := card.layout.dial
	step := 2 * math.Pi * d.orbit / ballTurn.Seconds() / 30
	var last point
	for n := range 20 {
		card.Draw(m, 0, time.Duration(n)*time.Second/30, noon)
		at := ballPlace(m)
		got := math.Hypot(at.x-last.x, at.y-last.y)
		if n > 0 && math.Abs(got-step) > 1 {
			t.Errorf("frame %d: moved %.2f pixels, want %.2f", n, got, step)
		}
		last = at
	}
}

func ballPlace(m *image.YCbCr) point {
	var sum point
	count := 0.0
	cb := planes(m)[1]
	for y := cb.h / 2; y < cb.h; y++ {
		for x, v := range cb.row(y)[:cb.w*2/5] {
			if v < 90 {
				sum.x += float64(2 * x)
				sum.y += float64(2 * y)
				count++
			}
		}
	}
	return point{sum.x / count, sum.y / count}
}

func TestTestCardFollowsSize(t *testing.T) {
	card := NewTestCard(640, 480)
	got, want := newPicture(image.Pt(320, 240)), newPicture(image.Pt(320, 240))
	card.Draw(got, 5, 0, noon)
	NewTestCard(320, 240).Draw(want, 5, 0, noon)
	if !samePicture(got, want) {
		t.Error("a smaller picture is not as a card of that size draws it")
	}
}

func TestAppendFrame(t *testing.T) {
	for n, want := range map[uint32]string{0: "frame 0000000", 7: "frame 0000007", 12345: "frame 0012345", 9999999: "frame 9999999", 4294967295: "frame 4294967295"} {
		if got := string(appendFrame(nil, n)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestGlyphsExist fails when the card's texts use a character that has no strokes.
func TestGlyphsExist(t *testing.T) {
	for _, c := range []byte("0123456789:-camkrazyframex") {
		if len(glyphStrokes(c)) == 0 {
			t.Errorf("no strokes for %q", c)
		}
	}
}

func TestTestCardDoesNotAllocate(t *testing.T) {
	card, m := NewTestCard(640, 480), newPicture(image.Pt(640, 480))
	n := uint32(0)
	card.Draw(m, 0, 0, noon)
	if got := testing.AllocsPerRun(50, func() {
		n++
		card.Draw(m, n, time.Duration(n)*time.Second/3, noon.Add(time.Duration(n)*time.Second/3))
		DrawStamp(m, n)
	}); got != 0 {
		t.Errorf("%v allocations per Draw", got)
	}
}

func BenchmarkTestCard(b *testing.B) {
	card, m := NewTestCard(1640, 1232), newPicture(image.Pt(1640, 1232))
	n := uint32(0)
	for b.Loop() {
		n++
		elapsed := time.Duration(n) * time.Second / 30
		card.Draw(m, n, elapsed, noon.Add(elapsed))
	}
}

func BenchmarkNewTestCard(b *testing.B) {
	for b.Loop() {
		NewTestCard(1640, 1232)
	}
}

func BenchmarkDrawStamp(b *testing.B) {
	m := newPicture(image.Pt(1640, 1232))
	for b.Loop() {
		DrawStamp(m, 12345)
	}
}
