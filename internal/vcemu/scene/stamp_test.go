package scene

import (
	"fmt"
	"image"
	"testing"
)

var stampSizes = []image.Point{{1640, 1232}, {640, 480}, {320, 180}, {1280, 720}, {64, 64}, {3280, 2464}, {800, 600}}

func TestStampRoundTrip(t *testing.T) {
	for _, size := range stampSizes {
		m := natural(size.X, size.Y)
		for _, n := range []uint32{0, 1, 2, 0x80000000, 0xffffffff, 0xaaaaaaaa, 0x55555555, 98765} {
			DrawStamp(m, n)
			got, ok := ReadStamp(m.Y, m.YStride, size.X, size.Y)
			if got != n || !ok {
				t.Errorf("%v: read %d %v, want %d", size, got, ok, n)
			}
		}
	}
}

func TestStampSurvivesScale(t *testing.T) {
	src := natural(1640, 1232)
	const n uint32 = 0xdeadbeef
	DrawStamp(src, n)
	for _, size := range []image.Point{{640, 480}, {320, 180}, {1280, 720}, {800, 600}, {820, 616}, {1920, 1440}} {
		dst := newBlack(size.X, size.Y)
		scale(dst, src)
		if got, ok := ReadStamp(dst.Y, dst.YStride, size.X, size.Y); got != n || !ok {
			t.Errorf("%v: read %x %v, want %x", size, got, ok, n)
		}
	}
}

// TestStampCells holds the stamp to the contract, cell by cell.
func TestStampCells(t *testing.T) {
	const w, h = 1640, 1232
	m := newBlack(w, h)
	p := planes(m)
	for i, v := range []byte{100, 60, 200} {
		p[i].fill(v)
	}
	DrawStamp(m, 0x80000005)
	cells := "10" + "10000000000000000000000000000101" + "0011" + "01"
	for y := range h {
		for x, v := range p[0].row(y) {
			want := byte(100)
			if y < h/30 {
				want = map[byte]byte{'0': 16, '1': 235}[cells[x/41]]
			}
			if v != want {
				t.Fatalf("luma at %d,%d: got %d, want %d", x, y, v, want)
			}
		}
	}
	for i, outside := range []byte{60, 200} {
		c := p[i+1]
		for y, want := range map[int]byte{0: 128, 20: 128, 21: outside} {
			if got := c.row(y)[c.w-1]; got != want {
				t.Errorf("chroma %d row %d: got %d, want %d", i, y, got, want)
			}
		}
	}
}

func TestReadStampRefuses(t *testing.T) {
	stamped := func(change func(m *image.YCbCr)) *image.YCbCr {
		m := newBlack(640, 480)
		DrawStamp(m, 1234)
		change(m)
		return m
	}
	invert := func(cell int) func(m *image.YCbCr) {
		return func(m *image.YCbCr) {
			for y := range 16 {
				for x := cell * 16; x < cell*16+16; x++ {
					m.Y[y*m.YStride+x] ^= 0xff
				}
			}
		}
	}
	for i := range 40 {
		m := stamped(invert(i))
		if n, ok := ReadStamp(m.Y, m.YStride, 640, 480); ok {
			t.Errorf("cell %d wrong: read %d", i, n)
		}
	}
	m := stamped(func(*image.YCbCr) {})
	for _, c := range []struct {
		name                  string
		luma                  []byte
		stride, width, height int
	}{
		{"no rows", m.Y, 640, 640, 29},
		{"short", m.Y[:640*16-1], 640, 640, 480},
		{"empty", nil, 640, 640, 480},
		{"stride under width", m.Y, 320, 640, 480},
		{"too narrow", m.Y, 640, 39, 480},
		{"unstamped", m.Y[640*16:], 640, 640, 400},
	} {
		if n, ok := ReadStamp(c.luma, c.stride, c.width, c.height); ok {
			t.Errorf("%s: read %d", c.name, n)
		}
	}
	small := newBlack(64, 28)
	before := fmt.Sprint(small)
	if DrawStamp(small, 7); fmt.Sprint(small) != before {
		t.Error("stamp drawn on a picture under 30 rows")
	}
}
