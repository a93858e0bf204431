package h264

import (
	"bytes"
	"fmt"
	"image"
	"math/rand/v2"
	"testing"
)

// disturb changes a picture in one of the ways a camera's picture changes: not at all, somewhere, everywhere.
func disturb(r *rand.Rand, m *image.YCbCr, scenes []*image.YCbCr) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	switch r.IntN(7) {
	case 0, 1:
	case 2: // another moment, or another scene
		from := scenes[r.IntN(len(scenes))]
		copy(m.Y, from.Y)
		copy(m.Cb, from.Cb)
		copy(m.Cr, from.Cr)
	case 3: // a flat box
		x0, y0 := r.IntN(w), r.IntN(h)
		v := byte(r.IntN(256))
		for y := y0; y < min(h, y0+40); y++ {
			fill(m.Y[y*m.YStride+x0:y*m.YStride+min(w, x0+50)], v)
		}
	case 4: // noise in a strip
		y0 := r.IntN(h)
		for i := range m.Y[y0*m.YStride : min(h, y0+9)*m.YStride] {
			m.Y[y0*m.YStride+i] ^= byte(r.IntN(64))
		}
	case 5: // a part of the picture slides
		y0, d := r.IntN(h), r.IntN(min(w, 24))
		for y := y0; y < min(h, y0+100); y++ {
			row := m.Y[y*m.YStride:][:w]
			copy(row, row[d:])
		}
	case 6: // colour alone
		fill(m.Cb[:r.IntN(len(m.Cb))], byte(r.IntN(256)))
	}
}

func TestMixedLifeDecodes(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 99))
			w, h := 16+2*r.IntN(120), 16+2*r.IntN(100)
			e, err := New(Config{
				Width: w, Height: h, FrameRateNum: 15, FrameRateDen: 1, Bitrate: 20_000 << r.IntN(8),
				IntraPeriod: r.IntN(20), MinQP: 1 + r.IntN(20), MaxQP: 30 + r.IntN(22),
			})
			if err != nil {
				t.Fatal(err)
			}
			scenes := append(film(w, h, 4), flat(w, h, 200), noise(r, w, h))
			m := clone(scenes[0])
			stream := append(append([]byte(nil), e.SPS()...), e.PPS()...)
			var want []byte
			for i := range 60 {
				switch r.IntN(30) {
				case 0:
					e.RequestIDR()
				case 1:
					e.SetBitrate(20_000 << r.IntN(8))
				}
				stream, _ = e.Encode(stream, m, int64(i)*66667)
				want = e.appendRecon(want)
				disturb(r, m, scenes)
			}
			if got := decode(t, stream); !bytes.Equal(got, want) {
				t.Errorf("%dx%d: the decoder does not see the reconstruction", w, h)
			}
		})
	}
}
