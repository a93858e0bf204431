package h264

import "encoding/binary"

// coefPair holds the transform coefficients of two horizontally adjacent 4x4 blocks in scan order: the left block in
// the low, the right one in the high half of each word, both as coefficient + 0x8000.
type coefPair [16]uint64

// coef takes one coefficient out.
func (p *coefPair) coef(i int, half uint) int32 { return int32(uint16(p[i]>>(half*32))) - 0x8000 }

const halves = 0x0000ffff0000ffff

// forwardPair transforms the difference of source and prediction of two adjacent 4x4 blocks (the inverse of 8.5.12).
func forwardPair(out *coefPair, src, pred []byte, ss, ps int) {
	var even, odd [4]uint64
	for y := range 4 {
		a, b := load8(src[y*ss:]), load8(pred[y*ps:])
		even[y] = a&evenBytes - b&evenBytes
		odd[y] = a>>8&evenBytes - b>>8&evenBytes
	}
	columns(&even)
	columns(&odd)
	rowPair(out, even[0], odd[0], [4]uint8{0, 1, 5, 6})
	rowPair(out, even[1], odd[1], [4]uint8{2, 4, 7, 12})
	rowPair(out, even[2], odd[2], [4]uint8{3, 8, 11, 13})
	rowPair(out, even[3], odd[3], [4]uint8{9, 10, 14, 15})
}

// columns transforms the columns of four words.
func columns(w *[4]uint64) {
	s03, d03 := w[0]+w[3], w[0]-w[3]
	s12, d12 := w[1]+w[2], w[1]-w[2]
	w[0], w[1], w[2], w[3] = s03+s12, 2*d03+d12, s03-s12, d03-2*d12
}

// rowPair transforms one row of two blocks, whose samples 0, 2 are in the even and 1, 3 in the odd lanes, and puts it
// at the given scan positions.
func rowPair(out *coefPair, even, odd uint64, at [4]uint8) {
	const shiftedBias = bias16 >> 16
	evenUp := (even+bias16)>>16 - shiftedBias
	oddUp := (odd+bias16)>>16 - shiftedBias
	s03, d03 := even+oddUp, even-oddUp
	s12, d12 := odd+evenUp, odd-evenUp
	out[at[0]&15] = (s03 + s12 + bias16) & halves
	out[at[1]&15] = (2*d03 + d12 + bias16) & halves
	out[at[2]&15] = (s03 - s12 + bias16) & halves
	out[at[3]&15] = (d03 - 2*d12 + bias16) & halves
}

// addInverse adds the inverse transform (8.5.12.2) of the scaled coefficients c, in raster order, to a 4x4 block.
func addInverse(dst []byte, stride int, c *[16]int32) {
	for i := 0; i < 16; i += 4 {
		r := c[i : i+4 : i+4]
		e, f := r[0]+r[2], r[0]-r[2]
		g, h := r[1]>>1-r[3], r[1]+r[3]>>1
		r[0], r[1], r[2], r[3] = e+h, f+g, f-g, e-h
	}
	for i := range 4 {
		e, f := c[i]+c[8+i]+32, c[i]-c[8+i]+32
		g, h := c[4+i]>>1-c[12+i], c[4+i]+c[12+i]>>1
		c[i], c[4+i], c[8+i], c[12+i] = (e+h)>>6, (f+g)>>6, (f-g)>>6, (e-h)>>6
	}
	for y := range 4 {
		row := dst[y*stride:][:4]
		r := c[y*4 : y*4+4]
		v := binary.LittleEndian.Uint32(row)
		v0, v1 := int32(v&255)+r[0], int32(v>>8&255)+r[1]
		v2, v3 := int32(v>>16&255)+r[2], int32(v>>24)+r[3]
		if uint32(v0|v1|v2|v3) > 255 {
			v0, v1, v2, v3 = clip(v0), clip(v1), clip(v2), clip(v3)
		}
		binary.LittleEndian.PutUint32(row, uint32(v0|v1<<8|v2<<16|v3<<24))
	}
}

func clip(v int32) int32 { return max(0, min(v, 255)) }

// addDC is addInverse of a block of which only the DC coefficient is not zero.
func addDC(dst []byte, stride int, dc int32) {
	d := (dc + 32) >> 6
	if d == 0 {
		return
	}
	for y := range 4 {
		row := dst[y*stride:][:4]
		for x, v := range row {
			row[x] = byte(clip(int32(v) + d))
		}
	}
}

// reconstruct scales the levels of b (8.5.12.1) and adds their inverse transform to dst.
func (q *quantizer) reconstruct(dst []byte, stride int, b *coefBlock) {
	if b.mask == 1 {
		addDC(dst, stride, int32(b.level[0])*q.dequant[0])
		return
	}
	var c [16]int32
	for i, level := range &b.level {
		c[zigzag[i]&15] = int32(level) * q.dequant[i]
	}
	addInverse(dst, stride, &c)
}

// reconstructAC is reconstruct for a block whose DC coefficient dc was coded elsewhere and is already scaled.
func (q *quantizer) reconstructAC(dst []byte, stride int, b *coefBlock, dc int32) {
	if b.mask == 0 {
		addDC(dst, stride, dc)
		return
	}
	var c [16]int32
	for i, level := range &b.level {
		c[zigzag[i]&15] = int32(level) * q.dequant[i]
	}
	c[0] = dc
	addInverse(dst, stride, &c)
}

// hadamard4 transforms 16 luma DC coefficients in raster order (8.5.10, its own inverse up to scale).
func hadamard4(c *[16]int32) {
	for i := 0; i < 16; i += 4 {
		a, b, d, e := c[i]+c[i+1], c[i]-c[i+1], c[i+2]+c[i+3], c[i+2]-c[i+3]
		c[i], c[i+1], c[i+2], c[i+3] = a+d, a-d, b-e, b+e
	}
	for i := range 4 {
		a, b, d, e := c[i]+c[4+i], c[i]-c[4+i], c[8+i]+c[12+i], c[8+i]-c[12+i]
		c[i], c[4+i], c[8+i], c[12+i] = a+d, a-d, b-e, b+e
	}
}

// hadamard2 transforms four chroma DC coefficients (8.5.11.1).
func hadamard2(c *[4]int32) {
	a, b, d, e := c[0]+c[1], c[0]-c[1], c[2]+c[3], c[2]-c[3]
	c[0], c[1], c[2], c[3] = a+d, b+e, a-d, b-e
}
