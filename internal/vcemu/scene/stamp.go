package scene

import (
	"image"
	"math/bits"
)

// The frame stamp is one row of stampCells cells over the full width: white, black, the frame number in 32 bits (most
// significant first, white = 1), the number of ones in it modulo 16 in 4 bits, black, white.
const (
	stampCells  = 40
	stampHeight = 30 // the row is 1/30 of the picture's height
)

// DrawStamp draws the frame stamp of frame number n over the top height/30 rows of a finished picture. Chroma is made
// neutral under it, rounded outward to whole chroma rows. A picture under 30 rows is too small and stays as it is.
func DrawStamp(dst *image.YCbCr, n uint32) {
	p := planes(dst)
	luma, rows := p[0], p[0].h/stampHeight
	if rows == 0 {
		return
	}
	cells := uint64(0b10)<<38 | uint64(n)<<6 | uint64(bits.OnesCount32(n)%16)<<2 | 0b01
	first := luma.row(0)
	for i := range stampCells {
		v := byte(black)
		if cells>>(stampCells-1-i)&1 == 1 {
			v = white
		}
		for x := luma.w * i / stampCells; x < luma.w*(i+1)/stampCells; x++ {
			first[x] = v
		}
	}
	for y := 1; y < rows; y++ {
		copy(luma.row(y), first)
	}
	for _, c := range p[1:] {
		c.crop(0, 0, c.w, (rows+1)/2).fill(neutral)
	}
}

// ReadStamp reads the stamp from a luma plane of width x height samples, rows stride bytes apart. A cell counts as white
// when the mean of its inner half is over 127. ok is false when the marker cells or the check sum are wrong, or luma is
// too short for its size.
func ReadStamp(luma []byte, stride, width, height int) (n uint32, ok bool) {
	rows := height / stampHeight
	if rows == 0 || width < stampCells || stride < width || len(luma) < (rows-1)*stride+width {
		return 0, false
	}
	p := plane{luma, stride, width, rows}
	var cells uint64
	for i := range stampCells {
		cells <<= 1
		if stampCell(p, i) {
			cells |= 1
		}
	}
	n = uint32(cells >> 6)
	sum := uint64(bits.OnesCount32(n) % 16)
	return n, cells>>38 == 0b10 && cells&3 == 0b01 && cells>>2&15 == sum
}

func stampCell(p plane, i int) bool {
	x0, x1 := p.w*i/stampCells, p.w*(i+1)/stampCells
	dx, dy := (x1-x0)/4, p.h/4
	sum, n := 0, 0
	for y := dy; y < p.h-dy; y++ {
		for _, v := range p.row(y)[x0+dx : x1-dx] {
			sum += int(v)
			n++
		}
	}
	return n > 0 && sum/n > 127
}
