package scene

import (
	"fmt"
	"image"
	"testing"
)

var scaleSizes = []struct{ from, to image.Point }{
	{image.Pt(1640, 1232), image.Pt(640, 480)},
	{image.Pt(1920, 1080), image.Pt(1280, 720)},
	{image.Pt(1640, 1232), image.Pt(820, 616)},
	{image.Pt(1640, 1232), image.Pt(1640, 616)},
	{image.Pt(1640, 1232), image.Pt(410, 308)},
	{image.Pt(1920, 1080), image.Pt(640, 360)},
	{image.Pt(3280, 2464), image.Pt(64, 64)},
	{image.Pt(640, 480), image.Pt(1640, 1232)},
	{image.Pt(640, 480), image.Pt(320, 960)},
	{image.Pt(64, 64), image.Pt(66, 62)},
	{image.Pt(3, 5), image.Pt(7, 2)},
	{image.Pt(1, 1), image.Pt(8, 8)},
	{image.Pt(2, 2), image.Pt(1, 1)},
	{image.Pt(5, 7), image.Pt(5, 7)},
}

func TestScaleFlatStaysFlat(t *testing.T) {
	for _, c := range scaleSizes {
		for _, v := range []byte{0, 16, 127, 255} {
			src, dst := newPicture(c.from), newPicture(c.to)
			for i, p := range planes(src) {
				p.fill(v ^ byte(i))
			}
			scale(dst, src)
			for i, p := range planes(dst) {
				if x, y, ok := differs(p, v^byte(i)); ok {
					t.Errorf("%v to %v: plane %d at %d,%d: got %d, want %d", c.from, c.to, i, x, y, p.row(y)[x], v^byte(i))
				}
			}
		}
	}
}

func newPicture(size image.Point) *image.YCbCr {
	return image.NewYCbCr(image.Rectangle{Max: size}, image.YCbCrSubsampleRatio420)
}

func differs(p plane, v byte) (x, y int, ok bool) {
	for y := range p.h {
		for x, got := range p.row(y) {
			if got != v {
				return x, y, true
			}
		}
	}
	return 0, 0, false
}

func TestScaleKeepsGradientsMonotonic(t *testing.T) {
	for _, c := range scaleSizes {
		src, dst := newPicture(c.from), newPicture(c.to)
		p := planes(src)[0]
		for y := range p.h {
			for x := range p.w {
				p.row(y)[x] = byte(127*x/p.w + 127*y/p.h)
			}
		}
		scale(dst, src)
		p = planes(dst)[0]
		for y := range p.h {
			for x, v := range p.row(y) {
				if x > 0 && v < p.row(y)[x-1] || y > 0 && v < p.row(y - 1)[x] {
					t.Fatalf("%v to %v: falls at %d,%d", c.from, c.to, x, y)
				}
			}
		}
	}
}

func TestScaleValues(t *testing.T) {
	for _, c := range []struct {
		name      string
		dw, dh    int
		sw, sh    int
		src, want []byte
	}{
		{"copy", 2, 2, 2, 2, []byte{1, 2, 3, 4}, []byte{1, 2, 3, 4}},
		{"2:1 both ways", 2, 1, 4, 2, []byte{10, 20, 1, 1, 30, 41, 1, 0}, []byte{25, 1}},
		{"3:1 across", 2, 1, 6, 1, []byte{1, 2, 6, 100, 100, 103}, []byte{3, 101}},
		{"5:1 across", 1, 1, 5, 1, []byte{0, 0, 0, 0, 255}, []byte{51}},
		{"3:2 across", 2, 1, 3, 1, []byte{0, 90, 240}, []byte{30, 190}},
		{"3:2 down", 1, 2, 1, 3, []byte{0, 90, 240}, []byte{30, 190}},
		{"1:2 across", 4, 1, 2, 1, []byte{0, 200}, []byte{0, 50, 150, 200}},
		{"1:2 down", 1, 4, 1, 2, []byte{0, 200}, []byte{0, 50, 150, 200}},
	} {
		dst := plane{make([]byte, c.dw*c.dh), c.dw, c.dw, c.dh}
		newResampler(c.dw, c.dh, c.sw, c.sh).run(dst, plane{c.src, c.sw, c.sw, c.sh})
		if got := fmt.Sprint(dst.pix); got != fmt.Sprint(c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// TestScaleFastPaths compares the word-at-a-time code with the plain sums it stands for.
func TestScaleFastPaths(t *testing.T) {
	src := natural(150, 94) // rows that do not end at a multiple of eight
	for _, size := range []image.Point{{75, 47}, {50, 94}, {150, 47}, {100, 63}, {151, 95}, {37, 21}} {
		dst := newPicture(size)
		scale(dst, src)
		p, from := planes(dst)[0], planes(src)[0]
		x, y := newAxis(size.X, from.w), newAxis(size.Y, from.h)
		for row := range p.h {
			for column, got := range p.row(row) {
				if want := exact(from, x, y, column, row); max(float64(got)-want, want-float64(got)) > 1.01 {
					t.Fatalf("%v at %d,%d: got %d, want %.2f", size, column, row, got, want)
				}
			}
		}
	}
}

func exact(p plane, x, y axis, column, row int) float64 {
	sum := 0.0
	for j := range y.taps {
		for i := range x.taps {
			v := p.row(y.start[row] + j)[x.start[column]+i]
			sum += float64(y.weight[row*y.taps+j]) * float64(x.weight[column*x.taps+i]) * float64(v)
		}
	}
	return sum / 65536
}

func TestScaleAgreesWithFFmpeg(t *testing.T) {
	for _, c := range []struct {
		from, to image.Point
		flags    string
		want     float64 // dB
	}{
		{image.Pt(1640, 1232), image.Pt(640, 480), "area", 48},
		{image.Pt(1640, 1232), image.Pt(640, 480), "bicubic", 45},
		{image.Pt(1920, 1080), image.Pt(1280, 720), "area", 48},
		{image.Pt(1920, 1080), image.Pt(1280, 720), "bicubic", 45},
		{image.Pt(1640, 1232), image.Pt(820, 616), "area", 48},
		{image.Pt(640, 480), image.Pt(1640, 1232), "bilinear", 48},
	} {
		name := fmt.Sprintf("%v to %v %s", c.from, c.to, c.flags)
		t.Run(name, func(t *testing.T) {
			src, got := natural(c.from.X, c.from.Y), newPicture(c.to)
			scale(got, src)
			raw := ffmpeg(t, rawBytes(src), "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", fmt.Sprintf("%dx%d", c.from.X, c.from.Y), "-i", "-",
				"-vf", fmt.Sprintf("scale=%d:%d:flags=%s", c.to.X, c.to.Y, c.flags), "-f", "rawvideo", "-pix_fmt", "yuv420p", "-")
			want := planes(fromRaw(t, raw, c.to.X, c.to.Y))
			for i, p := range planes(got) {
				db := psnr(p, want[i])
				t.Logf("plane %d: %.1f dB", i, db)
				if db < c.want {
					t.Errorf("plane %d: got %.1f dB, want %.0f", i, db, c.want)
				}
			}
		})
	}
}

func TestScaleCrop(t *testing.T) {
	src := natural(64, 48)
	for _, c := range []struct {
		name    string
		r, want image.Rectangle
	}{
		{"even", image.Rect(10, 8, 30, 28), image.Rect(10, 8, 30, 28)},
		{"odd rounds outward", image.Rect(11, 9, 29, 27), image.Rect(10, 8, 30, 28)},
		{"clipped", image.Rect(-10, 20, 100, 100), image.Rect(0, 20, 64, 48)},
	} {
		got, want := newPicture(c.want.Size()), newPicture(c.want.Size())
		scaleCrop(got, src, c.r)
		copyPicture(want, src.SubImage(c.want).(*image.YCbCr))
		if !samePicture(got, want) {
			t.Errorf("%s: not the part %v", c.name, c.want)
		}
		part := src.SubImage(image.Rect(0, 0, 64, 48)).(*image.YCbCr)
		small, direct := newPicture(image.Pt(18, 14)), newPicture(image.Pt(18, 14))
		scaleCrop(small, part, c.r)
		scale(direct, want)
		if !samePicture(small, direct) {
			t.Errorf("%s: crop and scale differ from scaling the part", c.name)
		}
	}
	// A part of a part: the rectangle counts in the source's coordinates.
	part := src.SubImage(image.Rect(20, 10, 60, 40)).(*image.YCbCr)
	got, want := newPicture(image.Pt(10, 10)), newPicture(image.Pt(10, 10))
	scaleCrop(got, part, image.Rect(30, 20, 40, 30))
	copyPicture(want, src.SubImage(image.Rect(30, 20, 40, 30)).(*image.YCbCr))
	if !samePicture(got, want) {
		t.Error("part of a part: wrong place")
	}
	same := newPicture(image.Pt(8, 8))
	if scaleCrop(same, src, image.Rect(100, 100, 120, 120)); !samePicture(same, newPicture(image.Pt(8, 8))) {
		t.Error("an empty rectangle changed the picture")
	}
}

func TestScaleRefusesWrongSize(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	NewScaler(8, 8, 16, 16).Scale(newPicture(image.Pt(8, 8)), newPicture(image.Pt(16, 14)))
}

func TestScaleDoesNotAllocate(t *testing.T) {
	for _, c := range scaleSizes {
		src, dst := newPicture(c.from), newPicture(c.to)
		s := NewScaler(c.to.X, c.to.Y, c.from.X, c.from.Y)
		if n := testing.AllocsPerRun(2, func() { s.Scale(dst, src) }); n != 0 {
			t.Errorf("%v to %v: %v allocations", c.from, c.to, n)
		}
	}
}

func BenchmarkScale(b *testing.B) {
	for _, c := range scaleSizes[:8] {
		b.Run(fmt.Sprintf("%v-%v", c.from, c.to), func(b *testing.B) {
			src, dst := natural(c.from.X, c.from.Y), newPicture(c.to)
			s := NewScaler(c.to.X, c.to.Y, c.from.X, c.from.Y)
			for b.Loop() {
				s.Scale(dst, src)
			}
		})
	}
}
