package scene

import (
	"image"
	"math"
)

// Look is what a camera's image controls make of a picture. The zero value but for a Brightness of 0.5 leaves it as it
// is.
type Look struct {
	Light      float64 // stops by which the picture is brighter than a good exposure
	Red, Blue  float64 // stops by which white balance makes red and blue brighter than green
	GreyWorld  bool    // white balance that makes the mean of each picture grey
	DRC        int     // 0..3: brightens dark parts
	Brightness float64 // 0..1
	Contrast   float64 // -1..1
	Saturation float64 // -1..1
	Sharpness  float64 // -1..1
	Tint       bool    // U and V for all pixels
	U, V       uint8
	Effect     Effect
}

// Limited range (ITU-R BT.601-7): luma is darkest..brightest, chroma least..most around neutral.
const (
	darkest, brightest, middle = 16, 235, 125.5
	least, most                = 16, 240
)

// Grader applies looks, and keeps what it has worked out for the last one. One goroutine at a time may use it.
type Grader struct {
	look   Look
	ready  bool
	light  *matrix       // nil: leaves all as it is
	tables *[3][256]byte // of luma and both chroma components; nil: the same
	work   filter
}

// Apply changes a picture as a look says.
func (g *Grader) Apply(dst *image.YCbCr, look Look) {
	if !g.ready || g.look != look {
		g.look, g.ready = look, true
		g.light, g.tables = nil, look.tables()
		if look.Light != 0 || look.Red != 0 || look.Blue != 0 {
			g.light = newMatrix(gain(look.Light+look.Red), gain(look.Light), gain(look.Light+look.Blue))
		}
	}
	p := planes(dst)
	switch {
	case look.GreyWorld:
		balanced(p, gain(look.Light)).apply(p)
	case g.light != nil:
		g.light.apply(p)
	}
	if look.Sharpness != 0 {
		g.work.sharpen(p[0], look.Sharpness)
	}
	g.work.effect(p, look.Effect)
	if g.tables == nil {
		return
	}
	for i := range p {
		translate(p[i], &g.tables[i])
	}
}

// gain is by how much a coded sample is brighter for so many stops more light, whose 0.45th power it is.
func gain(stops float64) float64 { return math.Exp2(0.45 * stops) }

// tables makes what changes each sample by itself; nil if nothing does.
func (k Look) tables() *[3][256]byte {
	if k.Brightness == 0.5 && k.Contrast == 0 && k.Saturation == 0 && !k.Tint && k.DRC == 0 {
		return nil
	}
	t := new([3][256]byte)
	for i := range 256 {
		luma := float64(i)
		if k.DRC > 0 {
			share := min(max((luma-darkest)/(brightest-darkest), 0), 1)
			luma = darkest + (brightest-darkest)*math.Pow(share, 1/(1+0.2*float64(k.DRC)))
		}
		luma = (luma-middle)*(1+k.Contrast) + middle + (k.Brightness-0.5)*(brightest-darkest)
		chroma := (float64(i)-neutral)*(1+k.Saturation) + neutral
		t[0][i] = byte(min(max(luma, darkest), brightest))
		t[1][i] = byte(min(max(chroma, least), most))
		t[2][i] = t[1][i]
		if k.Tint {
			t[1][i], t[2][i] = k.U, k.V
		}
	}
	return t
}

func translate(p plane, table *[256]byte) {
	for y := range p.h {
		row := p.row(y)
		for x, v := range row {
			row[x] = table[v]
		}
	}
}

// matrix turns Y'CbCr into Y'CbCr, in 4096ths, around black and neutral.
type matrix [3][3]int

// newMatrix makes red, green and blue brighter by the given factors (ITU-R BT.601-7, limited range).
func newMatrix(red, green, blue float64) *matrix {
	const kr, kb = 0.299, 0.114
	const kg = 1 - kr - kb
	const lumaRange, chromaRange = brightest - darkest, (most - least) / 2
	toRGB := [3][3]float64{ // of luma and both chroma components
		{1.0 / lumaRange, 0, (1 - kr) / chromaRange},
		{1.0 / lumaRange, -(1 - kb) * kb / kg / chromaRange, -(1 - kr) * kr / kg / chromaRange},
		{1.0 / lumaRange, (1 - kb) / chromaRange, 0},
	}
	fromRGB := [3][3]float64{
		{kr * lumaRange, kg * lumaRange, kb * lumaRange},
		{-kr / (1 - kb) * chromaRange, -kg / (1 - kb) * chromaRange, chromaRange},
		{chromaRange, -kg / (1 - kr) * chromaRange, -kb / (1 - kr) * chromaRange},
	}
	m := new(matrix)
	gains := [3]float64{red, green, blue}
	for i := range 3 {
		for j := range 3 {
			sum := 0.0
			for k := range 3 {
				sum += fromRGB[i][k] * gains[k] * toRGB[k][j]
			}
			m[i][j] = int(math.Round(sum * 4096))
		}
	}
	return m
}

// balanced is the matrix that makes the mean of a picture grey, from every eighth sample each way.
func balanced(p [3]plane, light float64) *matrix {
	var sum [3]float64
	n := 0.0
	for y := 0; y < p[1].h; y += 8 {
		for x := 0; x < p[1].w; x += 8 {
			sum[0] += float64(p[0].row(min(2*y, p[0].h-1))[min(2*x, p[0].w-1)]) - darkest
			sum[1] += float64(p[1].row(y)[x]) - neutral
			sum[2] += float64(p[2].row(y)[x]) - neutral
			n++
		}
	}
	luma, cb, cr := 1.164*sum[0]/n, sum[1]/n, sum[2]/n
	red, green, blue := luma+1.596*cr, luma-0.392*cb-0.813*cr, luma+2.017*cb
	const atMost = 4
	towards := func(v float64) float64 { return light * min(max(green/max(v, 1), 1.0/atMost), atMost) }
	return newMatrix(towards(red), light, towards(blue))
}

// apply changes a picture; each chroma sample goes with the mean of its four samples of luma.
func (m *matrix) apply(p [3]plane) {
	for y := range p[1].h {
		cbs, crs := p[1].row(y), p[2].row(y)
		upper, lower := p[0].row(min(2*y, p[0].h-1)), p[0].row(min(2*y+1, p[0].h-1))
		both := 2*y+1 < p[0].h
		for x := range cbs {
			cb, cr := int(cbs[x])-neutral, int(crs[x])-neutral
			offset := m[0][1]*cb + m[0][2]*cr + darkest<<12 + 1<<11
			left, right := 2*x, min(2*x+1, p[0].w-1)
			mean := (int(upper[left])+int(upper[right])+int(lower[left])+int(lower[right]))/4 - darkest
			cbs[x] = clampTo((m[1][0]*mean+m[1][1]*cb+m[1][2]*cr)>>12+neutral, least, most)
			crs[x] = clampTo((m[2][0]*mean+m[2][1]*cb+m[2][2]*cr)>>12+neutral, least, most)
			for i := left; i <= right; i++ {
				upper[i] = clampTo((m[0][0]*(int(upper[i])-darkest)+offset)>>12, darkest, brightest)
				if both {
					lower[i] = clampTo((m[0][0]*(int(lower[i])-darkest)+offset)>>12, darkest, brightest)
				}
			}
		}
	}
}

func clampTo(v, lo, hi int) byte { return byte(min(max(v, lo), hi)) }
