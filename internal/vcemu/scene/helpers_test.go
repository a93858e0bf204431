package scene

import (
	"bytes"
	"image"
	"math"
	"math/rand/v2"
	"os/exec"
	"testing"
)

// natural makes a picture with soft shades, edges and noise of falling strength towards fine detail, as photographs have.
func natural(w, h int) *image.YCbCr {
	m := newBlack(w, h)
	random := rand.New(rand.NewPCG(1, 2))
	for i, p := range planes(m) {
		for y := range p.h {
			row := p.row(y)
			for x := range row {
				fx, fy := float64(x)/float64(p.w), float64(y)/float64(p.h)
				v := 110 + 50*math.Sin(5*fx+3*fy+float64(i)) + 20*math.Sin(40*fx*fy) + 12*math.Sin(130*fx+70*fy)
				if math.Hypot(fx-0.6, fy-0.4) < 0.2 {
					v += 40
				}
				row[x] = byte(min(max(v+3*random.NormFloat64(), 16), 235))
			}
		}
	}
	return m
}

func psnr(a, b plane) float64 {
	sum := 0.0
	for y := range a.h {
		for x, v := range a.row(y) {
			d := float64(v) - float64(b.row(y)[x])
			sum += d * d
		}
	}
	return 10 * math.Log10(255*255*float64(a.w*a.h)/max(sum, 1))
}

// rawBytes is the picture as ffmpeg's rawvideo yuv420p.
func rawBytes(m *image.YCbCr) []byte {
	var b []byte
	for _, p := range planes(m) {
		for y := range p.h {
			b = append(b, p.row(y)...)
		}
	}
	return b
}

func fromRaw(t *testing.T, b []byte, w, h int) *image.YCbCr {
	t.Helper()
	m := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	if want := len(m.Y) + len(m.Cb) + len(m.Cr); len(b) != want {
		t.Fatalf("got %d raw bytes, want %d", len(b), want)
	}
	n := copy(m.Y, b)
	n += copy(m.Cb, b[n:])
	copy(m.Cr, b[n:])
	return m
}

// ffmpeg runs ffmpeg over stdin and gives its stdout; without ffmpeg it skips the test.
func ffmpeg(t *testing.T, stdin []byte, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skipf("no ffmpeg to compare with: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), path, append([]string{"-v", "error", "-nostdin"}, args...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg %v: %v: %s", args, err, stderr.Bytes())
	}
	return out
}

func samePicture(a, b *image.YCbCr) bool { return bytes.Equal(rawBytes(a), rawBytes(b)) }

// scale fills dst from src, any size to any size, as a Scaler does.
func scale(dst, src *image.YCbCr) {
	d, s := dst.Rect.Size(), src.Rect.Size()
	NewScaler(d.X, d.Y, s.X, s.Y).Scale(dst, src)
}

// scaleCrop fills dst from the part r of src (in src's coordinates), as a Scaler of NewCropScaler does.
func scaleCrop(dst, src *image.YCbCr, r image.Rectangle) {
	d, s := dst.Rect.Size(), src.Rect.Size()
	NewCropScaler(d.X, d.Y, s.X, s.Y, r.Sub(src.Rect.Min)).Scale(dst, src)
}
