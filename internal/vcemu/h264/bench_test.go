package h264

import (
	"image"
	"math"
	"testing"
)

// testCard is the static picture the emulated camera shows most: colour bars, with a moving square, a clock and a row
// of stamp cells that change.
type testCard struct {
	img *image.YCbCr
	n   int
}

func newTestCard(w, h int) *testCard {
	c := &testCard{img: image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)}
	bars := [8][3]byte{
		{180, 128, 128}, {162, 44, 142}, {131, 156, 44}, {112, 72, 58}, {84, 184, 198}, {65, 100, 212},
		{35, 212, 114}, {16, 128, 128},
	}
	for y := range h {
		for x := range w {
			c.set(x, y, bars[x*8/w])
		}
	}
	c.next()
	return c
}

func (c *testCard) set(x, y int, v [3]byte) {
	c.img.Y[y*c.img.YStride+x] = v[0]
	if x&1 == 0 && y&1 == 0 {
		c.img.Cb[y/2*c.img.CStride+x/2] = v[1]
		c.img.Cr[y/2*c.img.CStride+x/2] = v[2]
	}
}

// next draws the next picture in place.
func (c *testCard) next() {
	b := c.img.Rect
	c.n++
	noise := uint32(c.n) * 2654435761
	for y := range 32 {
		for x := range b.Dx() {
			v := byte(16)
			if noise>>(x/16%32)&1 != 0 {
				v = 235
			}
			c.set(x, y, [3]byte{v, 128, 128})
		}
	}
	for y := 100; y < 164; y++ {
		for x := 200; x < 520; x++ {
			v := byte(16)
			if (x/8*7+y/8*13+c.n/3*(x/40))%5 < 2 {
				v = 235
			}
			c.set(x, y, [3]byte{v, 128, 128})
		}
	}
	at := c.n * 6 % (b.Dx() - 160)
	for y := 600; y < 728; y++ {
		for x := at &^ 1; x < at&^1+160; x++ {
			v := [3]byte{byte(60 + (x - at)), byte(100 + (y-600)/4), 150}
			if x < at&^1+8 {
				v = [3]byte{112, 72, 58}
			}
			c.set(x, y, v)
		}
	}
}

// film is textured footage that pans and zooms.
func film(w, h, n int) []*image.YCbCr {
	tex := newTexture()
	pics := make([]*image.YCbCr, n)
	for i := range pics {
		m := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
		zoom := 1 + 0.004*float64(i)
		ox, oy := 40*math.Sin(float64(i)/9), 25*math.Cos(float64(i)/13)
		for y := range h {
			for x := range w {
				u, v := (float64(x-w/2)/zoom+ox)+4000, (float64(y-h/2)/zoom+oy)+4000
				m.Y[y*m.YStride+x] = byte(tex.at(u, v))
				if x&1 == 0 && y&1 == 0 {
					m.Cb[y/2*m.CStride+x/2] = byte(96 + tex.at(u/5, v/5)/4)
					m.Cr[y/2*m.CStride+x/2] = byte(160 - tex.at(u/7, v/7)/4)
				}
			}
		}
		pics[i] = m
	}
	return pics
}

// texture is noise with the spectrum of a photograph, 512x512 and periodic.
type texture [512 * 512]float64

func newTexture() *texture {
	t := &texture{}
	state := uint32(1)
	amplitude := 9.0
	for size := 1; size <= 128; size *= 2 {
		cells := 512 / size
		grid := make([]float64, cells*cells)
		for i := range grid {
			state = state*1664525 + 1013904223
			grid[i] = float64(state>>8)/(1<<23) - 1
		}
		for y := range 512 {
			for x := range 512 {
				fx, fy := float64(x%size)/float64(size), float64(y%size)/float64(size)
				x0, y0 := x/size, y/size
				x1, y1 := (x0+1)%cells, (y0+1)%cells
				top := grid[y0*cells+x0]*(1-fx) + grid[y0*cells+x1]*fx
				bottom := grid[y1*cells+x0]*(1-fx) + grid[y1*cells+x1]*fx
				t[y*512+x] += amplitude * (top*(1-fy) + bottom*fy)
			}
		}
		amplitude *= 1.35
	}
	for i, v := range t {
		t[i] = max(16, min(128+v, 235))
	}
	return t
}

func (t *texture) at(u, v float64) float64 {
	x, y := int(u), int(v)
	fx, fy := u-float64(x), v-float64(y)
	get := func(x, y int) float64 { return t[y&511<<9|x&511] }
	return (get(x, y)*(1-fx)+get(x+1, y)*fx)*(1-fy) + (get(x, y+1)*(1-fx)+get(x+1, y+1)*fx)*fy
}

func BenchmarkTestCard1640(b *testing.B) {
	for _, kind := range []string{"P", "IDR"} {
		b.Run(kind, func(b *testing.B) {
			e, err := New(Config{
				Width: 1640, Height: 1232, FrameRateNum: 30, FrameRateDen: 1, Bitrate: 8_000_000, Profile: High,
			})
			if err != nil {
				b.Fatal(err)
			}
			card := newTestCard(1640, 1232)
			buf, _ := e.Encode(nil, card.img, 0)
			b.ResetTimer()
			for i := range b.N {
				b.StopTimer()
				card.next()
				if kind == "IDR" {
					e.RequestIDR()
				}
				b.StartTimer()
				buf, _ = e.Encode(buf[:0], card.img, int64(i+1)*33333)
			}
			b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N), "ms/frame")
		})
	}
}

func BenchmarkFilm720(b *testing.B) {
	pics := film(1280, 720, 15)
	e, err := New(Config{
		Width: 1280, Height: 720, FrameRateNum: 15, FrameRateDen: 1, Bitrate: 4_000_000, IntraPeriod: 15, Profile: High,
	})
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	n, step := 0, 1
	b.ResetTimer()
	for i := range b.N {
		buf, _ = e.Encode(buf[:0], pics[n], int64(i)*66667)
		if n+step < 0 || n+step >= len(pics) {
			step = -step
		}
		n += step
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N), "ms/frame")
}
