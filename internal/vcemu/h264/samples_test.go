package h264

import (
	"math/rand/v2"
	"testing"
)

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		switch r.IntN(3) {
		case 0:
			b[i] = byte(r.IntN(256))
		case 1:
			b[i] = 255
		}
	}
	return b
}

func abs(v int) int { return max(v, -v) }

func TestSADAgainstPlainArithmetic(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		src := [256]byte(randomBytes(r, 256))
		b, c := randomBytes(r, 16*20), randomBytes(r, 16*24)
		want, wantAverage := 0, 0
		for y := range 16 {
			for x := range 16 {
				s, p, q := int(src[y*16+x]), int(b[y*20+x]), int(c[y*24+x])
				want += abs(s - p)
				wantAverage += abs(s - (p+q+1)/2)
			}
		}
		if got := sad16(&src, b, 20, 1<<20); got != want {
			t.Fatalf("sad16 is %d, want %d", got, want)
		}
		if got := sadAverage16(&src, samples{b, 20}, samples{c, 24}, 1<<20); got != wantAverage {
			t.Fatalf("sadAverage16 is %d, want %d", got, wantAverage)
		}
		if got := sad16(&src, b, 20, want-1); got < want/5 || got > want {
			t.Fatalf("sad16 stopped early is %d of %d", got, want)
		}
	}
}

// plainForward is the forward transform as a matrix product.
func plainForward(d [16]int) (out [16]int) {
	m := [4][4]int{{1, 1, 1, 1}, {2, 1, -1, -2}, {1, -1, -1, 1}, {1, -2, 2, -1}}
	for i := range 4 {
		for j := range 4 {
			for y := range 4 {
				for x := range 4 {
					out[i*4+j] += m[i][y] * m[j][x] * d[y*4+x]
				}
			}
		}
	}
	return out
}

func TestForwardPairAgainstMatrixProduct(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		src, pred := randomBytes(r, 64), randomBytes(r, 64)
		var pair coefPair
		forwardPair(&pair, src, pred, 16, 16)
		for half := range 2 {
			var d [16]int
			for i := range d {
				at := i/4*16 + half*4 + i%4
				d[i] = int(src[at]) - int(pred[at])
			}
			want := plainForward(d)
			for i, raster := range zigzag {
				if got := int(pair.coef(i, uint(half))); got != want[raster] {
					t.Fatalf("half %d: coefficient %d is %d, want %d", half, raster, got, want[raster])
				}
			}
		}
	}
}

func TestZeroHalvesAgreesWithQuantisation(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for qp := 1; qp <= 51; qp++ {
		q := newQuantizer(qp, int32(3+qp%2*3))
		for range 200 {
			src, pred := randomBytes(r, 64), make([]byte, 64)
			reach := 1 + r.IntN(1+qp*qp/20)
			for i := range pred {
				pred[i] = byte(max(0, min(int(src[i])+r.IntN(2*reach+1)-reach, 255)))
			}
			var pair coefPair
			forwardPair(&pair, src, pred, 16, 16)
			zero := q.zeroHalves(&pair, 0)
			for half := range uint(2) {
				var b coefBlock
				q.block(&b, &pair, half, 0)
				said := zero>>half&1 != 0
				// The right half may be taken for non-zero when the left one is.
				if said && b.mask != 0 || !said && b.mask == 0 && (half == 0 || zero&1 != 0) {
					t.Fatalf("QP %d half %d: zeroHalves says %v, levels are %v", qp, half, said, b.level)
				}
			}
		}
	}
}

// plainLuma is the fractional sample interpolation of 8.4.2.2.1, one sample at a time.
func plainLuma(p *plane, x, y, fx, fy int) int {
	at := func(dx, dy int) int { return int(p.pix[p.at(x+dx, y+dy)]) }
	tap := func(a, b, c, d, e, f int) int { return a - 5*b + 20*c + 20*d - 5*e + f }
	clip := func(v int) int { return max(0, min(v, 255)) }
	b1 := func(dx, dy int) int {
		return tap(at(dx-2, dy), at(dx-1, dy), at(dx, dy), at(dx+1, dy), at(dx+2, dy), at(dx+3, dy))
	}
	b := func(dx, dy int) int { return clip((b1(dx, dy) + 16) >> 5) }
	h := func(dx, dy int) int {
		return clip((tap(at(dx, dy-2), at(dx, dy-1), at(dx, dy), at(dx, dy+1), at(dx, dy+2), at(dx, dy+3)) + 16) >> 5)
	}
	j := func(dx, dy int) int {
		return clip((tap(b1(dx, dy-2), b1(dx, dy-1), b1(dx, dy), b1(dx, dy+1), b1(dx, dy+2), b1(dx, dy+3)) + 512) >> 10)
	}
	avg := func(a, b int) int { return (a + b + 1) >> 1 }
	switch fy*4 + fx {
	case 0:
		return at(0, 0)
	case 1:
		return avg(at(0, 0), b(0, 0))
	case 2:
		return b(0, 0)
	case 3:
		return avg(b(0, 0), at(1, 0))
	case 4:
		return avg(at(0, 0), h(0, 0))
	case 5:
		return avg(b(0, 0), h(0, 0))
	case 6:
		return avg(b(0, 0), j(0, 0))
	case 7:
		return avg(b(0, 0), h(1, 0))
	case 8:
		return h(0, 0)
	case 9:
		return avg(h(0, 0), j(0, 0))
	case 10:
		return j(0, 0)
	case 11:
		return avg(j(0, 0), h(1, 0))
	case 12:
		return avg(h(0, 0), at(0, 1))
	case 13:
		return avg(h(0, 0), b(0, 1))
	case 14:
		return avg(j(0, 0), b(0, 1))
	}
	return avg(h(1, 0), b(0, 1))
}

func TestInterpolationAgainstPlainArithmetic(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	p := newPlane(48, 48, padding)
	copy(p.pix, randomBytes(r, len(p.pix)))
	var ip interpolator
	for _, at := range [][2]int{{16, 16}, {-reach, -reach}, {48 - 16 + reach, 48 - 16 + reach}} {
		ip.seek(&p, at[0], at[1])
		for qy := -3; qy <= 3; qy++ {
			for qx := -3; qx <= 3; qx++ {
				got := make([]byte, 256)
				ip.predict(got, 16, qx, qy)
				for i := range got {
					want := plainLuma(&p, at[0]+i%16+qx>>2, at[1]+i/16+qy>>2, qx&3, qy&3)
					if int(got[i]) != want {
						t.Fatalf("block %v, quarter %d,%d: sample %d is %d, want %d", at, qx, qy, i, got[i], want)
					}
				}
			}
		}
	}
}

func TestChromaInterpolationAgainstPlainArithmetic(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	p := newPlane(24, 24, padding/2)
	copy(p.pix, randomBytes(r, len(p.pix)))
	for vy := -8; vy < 8; vy++ {
		for vx := -8; vx < 8; vx++ {
			got := make([]byte, 64)
			predictChroma(got, 8, &p, 8, 8, vector{int16(vx), int16(vy)})
			fx, fy := vx&7, vy&7
			for i := range got {
				x, y := 8+i%8+vx>>3, 8+i/8+vy>>3
				s := func(dx, dy int) int { return int(p.pix[p.at(x+dx, y+dy)]) }
				want := ((8-fx)*(8-fy)*s(0, 0) + fx*(8-fy)*s(1, 0) + (8-fx)*fy*s(0, 1) + fx*fy*s(1, 1) + 32) >> 6
				if int(got[i]) != want {
					t.Fatalf("vector %d,%d: sample %d is %d, want %d", vx, vy, i, got[i], want)
				}
			}
		}
	}
}
