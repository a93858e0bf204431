package scene

import (
	"encoding/binary"
	"image"
	"math/bits"
)

// Orientation turns a picture: first clockwise by Rotation, then mirrored along the axes of the turned picture.
type Orientation struct {
	Rotation int  // degrees clockwise; any multiple of 90, others count as the next lower one
	HFlip    bool // left and right change places
	VFlip    bool // top and bottom change places
}

// SwapsAxes tells whether the turned picture is as wide as the original is high.
func (o Orientation) SwapsAxes() bool { return o.quarters()%2 == 1 }

// quarters is the number of clockwise quarter turns, 0 to 3.
func (o Orientation) quarters() int {
	degrees := o.Rotation % 360
	if degrees < 0 {
		degrees += 360
	}
	return degrees / 90
}

// Transform fills dst with src turned by op. dst has src's size, or width and height exchanged when op.SwapsAxes; where
// dst is smaller or larger, the part that both have is filled. dst and src must not overlap.
func Transform(dst, src *image.YCbCr, op Orientation) {
	// A clockwise quarter is the exchange of x and y, then a horizontal flip.
	quarters := op.quarters()
	hflip := op.HFlip != (quarters == 1 || quarters == 2)
	vflip := op.VFlip != (quarters == 2 || quarters == 3)
	from := planes(src)
	for i, to := range planes(dst) {
		if quarters%2 == 1 {
			exchangeAxes(to, from[i], hflip, vflip)
		} else {
			flip(to, from[i], hflip, vflip)
		}
	}
}

func flip(dst, src plane, hflip, vflip bool) {
	w, h := min(dst.w, src.w), min(dst.h, src.h)
	for y := range h {
		from := y
		if vflip {
			from = h - 1 - y
		}
		if hflip {
			reverse(dst.row(y)[:w], src.row(from)[:w])
		} else {
			copy(dst.row(y), src.row(from))
		}
	}
}

func reverse(dst, src []byte) {
	for len(dst) >= 8 && len(src) >= 8 {
		v := binary.LittleEndian.Uint64(src[len(src)-8:])
		binary.LittleEndian.PutUint64(dst, bits.ReverseBytes64(v))
		dst, src = dst[8:], src[:len(src)-8]
	}
	for x := range dst {
		dst[x] = src[len(src)-1-x]
	}
}

// exchangeAxes makes dst's rows of src's columns, in tiles small enough that the source's cache lines are used whole.
func exchangeAxes(dst, src plane, hflip, vflip bool) {
	const tile = 32
	w, h := min(dst.w, src.h), min(dst.h, src.w)
	for y0 := 0; y0 < h; y0 += tile {
		for x0 := 0; x0 < w; x0 += tile {
			for y := y0; y < min(y0+tile, h); y++ {
				column := y
				if vflip {
					column = h - 1 - y
				}
				first, step := x0*src.stride, src.stride
				if hflip {
					first, step = (w-1-x0)*src.stride, -src.stride
				}
				out := dst.row(y)[x0:min(x0+tile, w)]
				for x := range out {
					out[x] = src.pix[first+x*step+column]
				}
			}
		}
	}
}
