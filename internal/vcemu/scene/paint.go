package scene

import (
	"image"
	"math"
)

// colour is a limited range Y'CbCr colour.
type colour struct{ y, cb, cr byte }

// canvas draws on a 4:2:0 picture.
type canvas [3]plane

// rect fills r, clipped to the picture; chroma is exact when r is even.
func (c canvas) rect(r image.Rectangle, ink colour) {
	r = r.Intersect(image.Rect(0, 0, c[0].w, c[0].h))
	if r.Empty() {
		return
	}
	c[0].crop(r.Min.X, r.Min.Y, r.Dx(), r.Dy()).fill(ink.y)
	half := image.Rect(r.Min.X/2, r.Min.Y/2, (r.Max.X+1)/2, (r.Max.Y+1)/2)
	c[1].crop(half.Min.X, half.Min.Y, half.Dx(), half.Dy()).fill(ink.cb)
	c[2].crop(half.Min.X, half.Min.Y, half.Dx(), half.Dy()).fill(ink.cr)
}

// disc fills a circle with smooth edges; inner > 0 leaves a hole, which makes a ring.
func (c canvas) disc(centre point, radius, inner float64, ink colour) {
	discPlane(c[0], centre, radius, inner, ink.y)
	half := point{centre.x / 2, centre.y / 2}
	discPlane(c[1], half, radius/2, inner/2, ink.cb)
	discPlane(c[2], half, radius/2, inner/2, ink.cr)
}

func discPlane(p plane, centre point, radius, inner float64, v byte) {
	x0, x1 := max(int(centre.x-radius-1), 0), min(int(centre.x+radius+2), p.w)
	y0, y1 := max(int(centre.y-radius-1), 0), min(int(centre.y+radius+2), p.h)
	for y := y0; y < y1; y++ {
		row := p.row(y)
		dy := float64(y) + 0.5 - centre.y
		for x := x0; x < x1; x++ {
			dx := float64(x) + 0.5 - centre.x
			d := math.Sqrt(dx*dx + dy*dy)
			inside := radius - d
			if inner > 0 {
				inside = min(inside, d-inner)
			}
			if inside > -0.5 {
				row[x] = mix(row[x], v, coverage(inside))
			}
		}
	}
}

// segment draws a line with round ends, in luma.
func (c canvas) segment(a, b point, pen float64, luma byte) {
	p := c[0]
	x0, x1 := max(int(min(a.x, b.x)-pen-1), 0), min(int(max(a.x, b.x)+pen+2), p.w)
	y0, y1 := max(int(min(a.y, b.y)-pen-1), 0), min(int(max(a.y, b.y)+pen+2), p.h)
	for y := y0; y < y1; y++ {
		row := p.row(y)
		for x := x0; x < x1; x++ {
			d := distance(point{float64(x) + 0.5, float64(y) + 0.5}, a, b)
			row[x] = mix(row[x], luma, coverage(pen-d))
		}
	}
}

// star fills a disc with `pairs` white and black sectors (a Siemens star): the finer, the closer to the centre. Each
// sample is the mean of 3x3 points, so that what is too fine turns gray.
func (c canvas) star(centre point, radius float64, pairs int) {
	p := c[0]
	for y := max(int(centre.y-radius), 0); y < min(int(centre.y+radius)+1, p.h); y++ {
		row := p.row(y)
		for x := max(int(centre.x-radius), 0); x < min(int(centre.x+radius)+1, p.w); x++ {
			dx, dy := float64(x)+0.5-centre.x, float64(y)+0.5-centre.y
			light := 0
			for i := range 9 {
				angle := math.Atan2(dy+float64(i/3-1)/3, dx+float64(i%3-1)/3)
				if math.Sin(angle*float64(pairs)) > 0 {
					light++
				}
			}
			v := byte(black + light*(white-black)/9)
			row[x] = mix(row[x], v, coverage(radius-math.Sqrt(dx*dx+dy*dy)))
		}
	}
}
