package h264

import (
	"bytes"
	"image"
)

// load copies the changed lines of img to src and marks the macroblocks they touch.
func (e *Encoder) load(img *image.YCbCr) {
	w, h := e.cfg.Width, e.cfg.Height
	clear(e.dirty)
	e.loadPlane(&e.src.y, img.Y[img.YOffset(img.Rect.Min.X, img.Rect.Min.Y):], img.YStride, w, h)
	c := img.COffset(img.Rect.Min.X, img.Rect.Min.Y)
	e.loadPlane(&e.src.c[0], img.Cb[c:], img.CStride, w/2, h/2)
	e.loadPlane(&e.src.c[1], img.Cr[c:], img.CStride, w/2, h/2)
}

// loadPlane copies the changed ones of h lines of w samples and repeats the last column and line.
func (e *Encoder) loadPlane(p *plane, pix []byte, stride, w, h int) {
	size := p.w / e.mbw
	for y := range h {
		line, old := pix[y*stride:][:w], p.pix[p.at(0, y):][:p.w]
		if bytes.Equal(line, old[:w]) {
			continue
		}
		dirty := e.dirty[y/size*e.mbw:][:e.mbw]
		for i := range dirty {
			end := min(i*size+size, w)
			if !dirty[i] && !bytes.Equal(line[i*size:end], old[i*size:end]) {
				dirty[i] = true
			}
		}
		copy(old, line)
		fill(old[w:], line[w-1])
		if y == h-1 {
			for below := h; below < p.h; below++ {
				copy(p.pix[p.at(0, below):][:p.w], old)
			}
		}
	}
}

// takeSource copies a macroblock of the source to srcY and srcC.
func (e *Encoder) takeSource(mbx, mby int) {
	y := &e.src.y
	copyBlock16(e.srcY[:], y.pix[y.at(mbx*16, mby*16):], 16, y.stride)
	for i := range e.srcC {
		c := &e.src.c[i]
		copyBlock8(e.srcC[i][:], c.pix[c.at(mbx*8, mby*8):], 8, c.stride)
	}
}

// activity is a measure of the detail in the source: the sum of differences of neighbouring samples on every fourth
// line.
func (e *Encoder) activity() float64 {
	p := &e.src.y
	total := 0
	for y := 0; y+1 < p.h; y += 4 {
		row, below := p.pix[p.at(0, y):], p.pix[p.at(0, y+1):]
		for x := 0; x < p.w; x += 8 {
			v := load8(row[x:])
			d := absDiff(v, load8(below[x:]))
			total += sumLanes(d&evenBytes + d>>8&evenBytes)
			if x+8 < p.w {
				d = absDiff(v, load8(row[x+1:]))
				total += sumLanes(d&evenBytes + d>>8&evenBytes)
			}
		}
	}
	return float64(total)
}
