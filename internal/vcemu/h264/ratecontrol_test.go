package h264

import (
	"image"
	"math/rand/v2"
	"testing"
)

// swing plays pictures forwards and backwards for ever.
func swing(pics []*image.YCbCr) func() *image.YCbCr {
	n, step := 0, 1
	return func() *image.YCbCr {
		m := pics[n]
		if n+step < 0 || n+step >= len(pics) {
			step = -step
		}
		n += step
		return m
	}
}

// clipRun codes pictures at an interval in microseconds.
type clipRun struct {
	e        *Encoder
	interval int64
	pts      int64
	buf      []byte
}

func (c *clipRun) code(next func() *image.YCbCr, n int) (sizes []Picture, total int) {
	for range n {
		var p Picture
		c.buf, p = c.e.Encode(c.buf[:0], next(), c.pts)
		c.pts += c.interval
		sizes = append(sizes, p)
		total += p.Bits
	}
	return sizes, total
}

func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if got < want*(1-tolerance) || got > want*(1+tolerance) {
		t.Errorf("%s: %.0f, want %.0f within %.0f %%", what, got, want, 100*tolerance)
	}
}

func TestRateIsHeldOverTenSeconds(t *testing.T) {
	tests := []struct {
		name          string
		width, height int
		fps, bitrate  int
		drop          int64 // only every such picture arrives
	}{
		{"low rate and low frame rate", 320, 180, 5, 500_000, 1},
		{"VGA at 5 fps", 640, 480, 5, 1_000_000, 1},
		{"360 lines at 15 fps", 640, 360, 15, 1_000_000, 1},
		{"half of the pictures dropped", 320, 180, 10, 300_000, 2},
		{"very low rate", 320, 180, 15, 100_000, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			perSecond := tt.fps / int(tt.drop)
			e, err := New(Config{
				Width: tt.width, Height: tt.height, FrameRateNum: tt.fps, FrameRateDen: 1, Bitrate: tt.bitrate,
				IntraPeriod: perSecond, Profile: High,
			})
			if err != nil {
				t.Fatal(err)
			}
			run := &clipRun{e: e, interval: 1_000_000 / int64(tt.fps) * tt.drop}
			pics, total := run.code(swing(film(tt.width, tt.height, 12)), 10*perSecond)
			within(t, "bit/s", float64(total)/10, float64(tt.bitrate), 0.15)
			mean := total / len(pics)
			for i, p := range pics {
				if p.IDR != (i%perSecond == 0) {
					t.Errorf("picture %d: IDR %v", i, p.IDR)
				}
				if p.Bits > 6*mean {
					t.Errorf("picture %d has %d bits, more than six times the mean of %d", i, p.Bits, mean)
				}
			}
		})
	}
}

func TestSceneCutsAreAbsorbed(t *testing.T) {
	const width, height, fps, bitrate = 320, 180, 15, 600_000
	e, err := New(Config{
		Width: width, Height: height, FrameRateNum: fps, FrameRateDen: 1, Bitrate: bitrate, IntraPeriod: fps,
	})
	if err != nil {
		t.Fatal(err)
	}
	run := &clipRun{e: e, interval: 1_000_000 / fps}
	r := rand.New(rand.NewPCG(11, 12))
	still := flat(width, height, 90)
	wild := []*image.YCbCr{flat(width, height, 0), flat(width, height, 0)}
	for _, m := range wild {
		for i := range m.Y {
			m.Y[i] = byte(90 + r.IntN(60))
		}
	}
	scenes := []func() *image.YCbCr{
		func() *image.YCbCr { return still }, swing(film(width, height, 8)), swing(wild),
		swing(film(width, height, 8)), func() *image.YCbCr { return still },
	}
	// Scenes begin in the middle of an intra period, and last two seconds.
	sum := 0
	run.code(scenes[0], fps/2)
	for i, scene := range scenes {
		pics, total := run.code(scene, 2*fps)
		sum += total
		if total > 2*bitrate*13/10 {
			t.Errorf("scene %d takes %d bits in 2 s, want at most %d", i, total, 2*bitrate*13/10)
		}
		for k, p := range pics {
			if p.Bits > 6*bitrate/fps {
				t.Errorf("scene %d: picture %d has %d bits, more than six times the mean", i, k, p.Bits)
			}
		}
	}
	if sum > 10*bitrate*115/100 {
		t.Errorf("%d bits in 10 s, want at most 15 %% over %d", sum, 10*bitrate)
	}
}

func TestSetBitrateTakesEffect(t *testing.T) {
	const width, height, fps = 320, 180, 15
	e, err := New(Config{
		Width: width, Height: height, FrameRateNum: fps, FrameRateDen: 1, Bitrate: 400_000, IntraPeriod: fps,
	})
	if err != nil {
		t.Fatal(err)
	}
	run := &clipRun{e: e, interval: 1_000_000 / fps}
	next := swing(film(width, height, 12))
	for _, bitrate := range []int{400_000, 1_200_000, 200_000} {
		e.SetBitrate(bitrate)
		run.code(next, 2*fps)
		_, total := run.code(next, 5*fps)
		within(t, "bit/s", float64(total)/5, float64(bitrate), 0.15)
	}
}

func TestSetIntraPeriod(t *testing.T) {
	e, err := New(Config{Width: 64, Height: 48, FrameRateNum: 15, FrameRateDen: 1, InitialQP: 30})
	if err != nil {
		t.Fatal(err)
	}
	run := &clipRun{e: e, interval: 66667}
	next := swing(film(64, 48, 4))
	want := map[int]bool{0: true, 20: true, 24: true, 28: true}
	e.SetIntraPeriod(0)
	pics, _ := run.code(next, 20)
	e.SetIntraPeriod(4)
	more, _ := run.code(next, 9)
	e.SetIntraPeriod(0)
	rest, _ := run.code(next, 9)
	for i, p := range append(append(pics, more...), rest...) {
		if p.IDR != want[i] {
			t.Errorf("picture %d: IDR %v, want %v", i, p.IDR, want[i])
		}
	}
}

func TestMinQPBoundsSimplePictures(t *testing.T) {
	const minQP = 18
	e, err := New(Config{
		Width: 320, Height: 180, FrameRateNum: 15, FrameRateDen: 1, Bitrate: 20_000_000, IntraPeriod: 15, MinQP: minQP,
	})
	if err != nil {
		t.Fatal(err)
	}
	run := &clipRun{e: e, interval: 66667}
	pics, total := run.code(swing(film(320, 180, 8)), 45)
	for i, p := range pics[15:] {
		if p.QP != minQP {
			t.Errorf("picture %d has QP %d, want %d", i+15, p.QP, minQP)
		}
	}
	if total >= 3*20_000_000 {
		t.Errorf("%d bits in 3 s: MinQP did not keep the rate down", total)
	}
}

func TestMovingTextureKeepsItsQuality(t *testing.T) {
	const fps, bitrate, want = 15, 4_000_000, 38.0
	e, err := New(Config{
		Width: 1280, Height: 720, FrameRateNum: fps, FrameRateDen: 1, Bitrate: bitrate, IntraPeriod: fps,
	})
	if err != nil {
		t.Fatal(err)
	}
	var buf []byte
	next := swing(film(1280, 720, 8))
	sum, bits := 0.0, 0
	for i := range 2 * fps {
		m := next()
		var p Picture
		buf, p = e.Encode(buf[:0], m, int64(i)*1_000_000/fps)
		sum += e.psnr(m)
		bits += p.Bits
	}
	if got := sum / (2 * fps); got < want {
		t.Errorf("mean luma PSNR is %.1f dB at %d bit/s, want %.0f or more", got, bits/2, want)
	}
}
