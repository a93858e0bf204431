package h264

import (
	"bytes"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"os/exec"
	"testing"
)

// decode has ffmpeg decode a stream to planar 4:2:0 and fails the test when it complains.
func decode(t *testing.T, stream []byte) []byte {
	t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("no ffmpeg to judge the stream: ", err)
	}
	cmd := exec.CommandContext(t.Context(), path, "-v", "error", "-threads", "1", "-f", "h264", "-i", "-",
		"-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(stream), &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("ffmpeg: %v, and it says %.1000s", err, stderr.String())
	}
	return out
}

// appendRecon appends the visible part of the last reconstruction.
func (e *Encoder) appendRecon(dst []byte) []byte {
	f := e.ref
	for y := range e.cfg.Height {
		dst = append(dst, f.y.pix[f.y.at(0, y):f.y.at(e.cfg.Width, y)]...)
	}
	for i := range f.c {
		for y := range e.cfg.Height / 2 {
			dst = append(dst, f.c[i].pix[f.c[i].at(0, y):f.c[i].at(e.cfg.Width/2, y)]...)
		}
	}
	return dst
}

// psnr is that of the luma of the last reconstruction.
func (e *Encoder) psnr(img *image.YCbCr) float64 {
	sum := 0.0
	for y := range e.cfg.Height {
		row := e.ref.y.pix[e.ref.y.at(0, y):]
		for x := range e.cfg.Width {
			d := float64(row[x]) - float64(img.Y[y*img.YStride+x])
			sum += d * d
		}
	}
	return 10 * math.Log10(255*255*float64(e.cfg.Width*e.cfg.Height)/max(sum, 1))
}

// noise is a picture without any structure.
func noise(r *rand.Rand, w, h int) *image.YCbCr {
	m := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	for _, p := range [][]byte{m.Y, m.Cb, m.Cr} {
		copy(p, randomBytes(r, len(p)))
	}
	return m
}

func flat(w, h int, y byte) *image.YCbCr {
	m := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	fill(m.Y, y)
	fill(m.Cb, y/2+30)
	fill(m.Cr, 200-y/2)
	return m
}

func clone(m *image.YCbCr) *image.YCbCr {
	c := image.NewYCbCr(m.Rect, m.SubsampleRatio)
	copy(c.Y, m.Y)
	copy(c.Cb, m.Cb)
	copy(c.Cr, m.Cr)
	return c
}

// material is a few pictures that exercise one side of the encoder.
func material(kind string, w, h int) (pics []*image.YCbCr) {
	r := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	switch kind {
	case "noise":
		for range 3 {
			pics = append(pics, noise(r, w, h))
		}
	case "flat":
		for i := range 4 {
			pics = append(pics, flat(w, h, byte(16+i/2*100)))
		}
	case "film":
		pics = film(w, h, 6)
	case "cuts":
		a := film(w, h, 4)
		pics = append(a[:2:2], noise(r, w, h), flat(w, h, 70), a[2], a[3])
	case "still": // what changes is small, and the rest is refined
		m := film(w, h, 1)[0]
		for i := range 6 {
			for y := range 8 {
				fill(m.Y[y*m.YStride+i*2:][:4], byte(40*i))
			}
			pics = append(pics, clone(m))
		}
	case "pauses": // what is copied while nothing changes is a reference, with its border, afterwards
		for _, m := range film(w, h, 3) {
			pics = append(pics, m, clone(m))
		}
	case "sprites": // opposite vectors side by side, and a still corner whose predicted vector is not zero
		tex := film(w, h, 1)[0]
		for i := range 5 {
			m := clone(tex)
			for y := range h {
				shift := i * 5
				if y/16%2 == 0 {
					shift = -shift
				}
				end := w / 2 &^ 15
				if y < h/2&^15 {
					shift, end = -i*5, w
				}
				for x := range end {
					m.Y[y*m.YStride+x] = tex.Y[y*m.YStride+(x+shift+4*w)%w]
				}
			}
			pics = append(pics, m)
		}
	}
	return pics
}

func TestDecoderSeesTheReconstruction(t *testing.T) {
	sizes := []image.Point{{16, 16}, {176, 144}, {320, 180}, {642, 482}}
	for _, kind := range []string{"noise", "flat", "film", "cuts", "still", "pauses", "sprites"} {
		for _, size := range sizes {
			qps := []int{1, 7, 20, 33, 51}
			if size.X > 200 {
				qps = []int{28}
			}
			t.Run(fmt.Sprintf("%s %v", kind, size), func(t *testing.T) {
				pics := material(kind, size.X, size.Y)
				for _, qp := range qps {
					checkDecoder(t, Config{
						Width: size.X, Height: size.Y, FrameRateNum: 15, FrameRateDen: 1, InitialQP: qp, MinQP: 1,
						Profile: Main,
					}, pics)
				}
			})
		}
	}
}

// checkDecoder compares what ffmpeg decodes with what the encoder believes, with an IDR request on the fourth picture.
func checkDecoder(t *testing.T, cfg Config, pics []*image.YCbCr) {
	t.Helper()
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	stream := append(append([]byte(nil), e.SPS()...), e.PPS()...)
	var want []byte
	for i, m := range pics {
		if i == 3 {
			e.RequestIDR()
		}
		var p Picture
		before := len(stream)
		stream, p = e.Encode(stream, m, int64(i)*66667)
		if p.IDR != (i == 0 || i == 3) || p.Bits != 8*(len(stream)-before) {
			t.Fatalf("picture %d: %+v with %d bytes", i, p, len(stream)-before)
		}
		want = e.appendRecon(want)
	}
	got := decode(t, stream)
	size := cfg.Width * cfg.Height * 3 / 2
	if len(got) != len(want) {
		t.Fatalf("QP %d: decoded %d pictures, want %d", cfg.InitialQP, len(got)/size, len(pics))
	}
	for i := range got {
		if got[i] != want[i] {
			at := i % size
			t.Fatalf("QP %d: picture %d differs from offset %d (line %d, column %d) on: got %d, want %d",
				cfg.InitialQP, i/size, at, at/cfg.Width, at%cfg.Width, got[i], want[i])
		}
	}
}

func TestLowQuantiserIsNearlyLossless(t *testing.T) {
	for _, kind := range []string{"noise", "film"} {
		e, err := New(Config{Width: 176, Height: 144, FrameRateNum: 15, FrameRateDen: 1, InitialQP: 4, MinQP: 1})
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range material(kind, 176, 144) {
			e.Encode(nil, m, int64(i)*66667)
			if got := e.psnr(m); got < 50 {
				t.Errorf("%s picture %d: luma PSNR %.1f dB at QP 4, want 50 or more", kind, i, got)
			}
		}
	}
}

// TestOffsetImage gives a picture that is a window into a larger one.
func TestOffsetImage(t *testing.T) {
	big := film(96, 96, 1)[0]
	window := big.SubImage(image.Rect(10, 20, 74, 68)).(*image.YCbCr)
	e, err := New(Config{Width: 64, Height: 48, FrameRateNum: 15, FrameRateDen: 1, InitialQP: 4})
	if err != nil {
		t.Fatal(err)
	}
	e.Encode(nil, window, 0)
	for y := range 48 {
		for x := range 64 {
			got, want := int(e.ref.y.pix[e.ref.y.at(x, y)]), int(big.Y[(y+20)*big.YStride+x+10])
			if abs(got-want) > 4 {
				t.Fatalf("sample %d,%d is %d, want about %d", x, y, got, want)
			}
		}
	}
}

func TestWrongPictureSizePanics(t *testing.T) {
	e, err := New(Config{Width: 64, Height: 48, FrameRateNum: 15, FrameRateDen: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("Encode took a picture of another size")
		}
	}()
	e.Encode(nil, flat(64, 64, 1), 0)
}

func TestStillPictureCostsNothingAndImproves(t *testing.T) {
	e, err := New(Config{
		Width: 320, Height: 240, FrameRateNum: 30, FrameRateDen: 1, Bitrate: 600_000, InitialQP: 36, Profile: High,
	})
	if err != nil {
		t.Fatal(err)
	}
	m := film(320, 240, 1)[0]
	var first, last float64
	var p Picture
	for i := range 150 {
		_, p = e.Encode(nil, m, int64(i)*33333)
		if i == 0 {
			first = e.psnr(m)
		}
		last = e.psnr(m)
	}
	if last < first+6 {
		t.Errorf("luma PSNR went from %.1f to %.1f dB in 5 s, want 6 dB more", first, last)
	}
	if p.Bits > 200 {
		t.Errorf("the last of the unchanged pictures has %d bits, want 200 or less", p.Bits)
	}
}

func TestEncodeDoesNotAllocate(t *testing.T) {
	pics := film(176, 144, 4)
	e, err := New(Config{
		Width: 176, Height: 144, FrameRateNum: 30, FrameRateDen: 1, Bitrate: 500_000, IntraPeriod: 3, Profile: High,
	})
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 0, 1<<20)
	i := 0
	got := testing.AllocsPerRun(40, func() {
		e.Encode(dst, pics[i%len(pics)], int64(i)*33333)
		i++
	})
	if got != 0 {
		t.Errorf("%v allocations per picture, want none", got)
	}
}
