package scene

import (
	"fmt"
	"image"
	"testing"
)

func TestTransformSmall(t *testing.T) {
	// 1 2 3
	// 4 5 6
	src := plane{[]byte{1, 2, 3, 4, 5, 6}, 3, 3, 2}
	for _, c := range []struct {
		op   Orientation
		want []byte
	}{
		{Orientation{}, []byte{1, 2, 3, 4, 5, 6}},
		{Orientation{Rotation: 90}, []byte{4, 1, 5, 2, 6, 3}},
		{Orientation{Rotation: 180}, []byte{6, 5, 4, 3, 2, 1}},
		{Orientation{Rotation: 270}, []byte{3, 6, 2, 5, 1, 4}},
		{Orientation{Rotation: -90}, []byte{3, 6, 2, 5, 1, 4}},
		{Orientation{Rotation: 450}, []byte{4, 1, 5, 2, 6, 3}},
		{Orientation{HFlip: true}, []byte{3, 2, 1, 6, 5, 4}},
		{Orientation{VFlip: true}, []byte{4, 5, 6, 1, 2, 3}},
		{Orientation{Rotation: 180, HFlip: true, VFlip: true}, []byte{1, 2, 3, 4, 5, 6}},
		{Orientation{Rotation: 90, HFlip: true}, []byte{1, 4, 2, 5, 3, 6}},
		{Orientation{Rotation: 270, VFlip: true}, []byte{1, 4, 2, 5, 3, 6}},
	} {
		from := newPicture(image.Pt(3, 2))
		copyPlane(planes(from)[0], src)
		size := image.Pt(3, 2)
		if c.op.SwapsAxes() {
			size = image.Pt(2, 3)
		}
		to := newPicture(size)
		Transform(to, from, c.op)
		if got := fmt.Sprint(to.Y); got != fmt.Sprint(c.want) {
			t.Errorf("%+v: got %v, want %v", c.op, got, c.want)
		}
	}
}

// TestTransformUndone turns a picture that fills several tiles, with strides wider than it, there and back.
func TestTransformUndone(t *testing.T) {
	src := natural(200, 150).SubImage(image.Rect(4, 6, 174, 136)).(*image.YCbCr)
	for _, c := range []struct{ there, back Orientation }{
		{Orientation{Rotation: 90}, Orientation{Rotation: 270}},
		{Orientation{Rotation: 180}, Orientation{Rotation: 180}},
		{Orientation{HFlip: true}, Orientation{HFlip: true}},
		{Orientation{VFlip: true}, Orientation{VFlip: true}},
		{Orientation{Rotation: 90, HFlip: true}, Orientation{Rotation: 90, HFlip: true}},
		{Orientation{Rotation: 270, VFlip: true, HFlip: true}, Orientation{Rotation: 270}}, // 270 + 180 + 270 is 720
	} {
		size := src.Rect.Size()
		if c.there.SwapsAxes() {
			size = image.Pt(size.Y, size.X)
		}
		turned, back := newPicture(size), newPicture(src.Rect.Size())
		Transform(turned, src, c.there)
		Transform(back, turned, c.back)
		if !samePicture(back, src) {
			t.Errorf("%+v, then %+v: not the same picture", c.there, c.back)
		}
	}
}

func TestTransformOtherSizesDoNotPanic(t *testing.T) {
	src := natural(40, 30)
	for rotation := 0; rotation < 360; rotation += 90 {
		for _, size := range []image.Point{{40, 30}, {30, 40}, {2, 2}, {100, 100}} {
			Transform(newPicture(size), src, Orientation{Rotation: rotation, HFlip: true, VFlip: rotation == 90})
		}
	}
}

func BenchmarkTransform(b *testing.B) {
	src := natural(1640, 1232)
	for _, rotation := range []int{90, 180} {
		op := Orientation{Rotation: rotation}
		dst := newPicture(image.Pt(1640, 1232))
		if op.SwapsAxes() {
			dst = newPicture(image.Pt(1232, 1640))
		}
		b.Run(fmt.Sprint(rotation), func(b *testing.B) {
			for b.Loop() {
				Transform(dst, src, op)
			}
		})
	}
}
