package h264

import (
	"encoding/binary"
	"math/bits"
)

// bitWriter collects an RBSP (7.2) most significant bit first. Callers reserve room before they put.
type bitWriter struct {
	buf []byte
	pos int    // bytes of buf in use
	acc uint64 // the low n bits wait for their byte
	n   uint   // always below 32 between calls
}

func (w *bitWriter) reset() { w.pos, w.acc, w.n = 0, 0, 0 }

// reserve makes room for the given number of bytes.
func (w *bitWriter) reserve(size int) {
	if len(w.buf)-w.pos < size {
		grown := make([]byte, 2*len(w.buf)+size)
		copy(grown, w.buf[:w.pos])
		w.buf = grown
	}
}

// put appends the low n bits of v, n in 0..32; the bits of v above them are zero.
func (w *bitWriter) put(v uint32, n uint) {
	w.acc = w.acc<<(n&63) | uint64(v)
	w.n += n
	if w.n >= 32 {
		w.n -= 32
		binary.BigEndian.PutUint32(w.buf[w.pos:], uint32(w.acc>>(w.n&63)))
		w.pos += 4
	}
}

// ue appends an unsigned Exp-Golomb code (9.1), v below 65535.
func (w *bitWriter) ue(v uint32) {
	w.put(v+1, uint(2*bits.Len32(v+1)-1))
}

// se appends a signed Exp-Golomb code (9.1.1).
func (w *bitWriter) se(v int32) {
	if v > 0 {
		w.ue(uint32(2*v - 1))
	} else {
		w.ue(uint32(-2 * v))
	}
}

// flag appends one bit.
func (w *bitWriter) flag(v bool) {
	if v {
		w.put(1, 1)
	} else {
		w.put(0, 1)
	}
}

// bitCount is the number of bits written so far.
func (w *bitWriter) bitCount() int { return w.pos*8 + int(w.n) }

// align fills the last byte with zero bits and moves all bits to the buffer.
func (w *bitWriter) align() {
	if r := w.n & 7; r != 0 {
		w.put(0, 8-r)
	}
	for w.n > 0 {
		w.n -= 8
		w.buf[w.pos] = byte(w.acc >> w.n)
		w.pos++
	}
}

// trailing ends an RBSP with rbsp_trailing_bits (7.3.2.11) and returns its bytes, valid until the next reset.
func (w *bitWriter) trailing() []byte {
	w.put(1, 1)
	w.align()
	return w.buf[:w.pos]
}

// seLen is the length in bits of the signed Exp-Golomb code of v.
func seLen(v int) int {
	sign := v >> (bits.UintSize - 1)
	return 2*bits.Len(uint((v^sign)-sign)) + 1
}

// appendNAL appends a NAL unit with a four-byte start code (Annex B) and emulation prevention (7.4.1).
func appendNAL(dst []byte, header byte, rbsp []byte) []byte {
	dst = append(dst, 0, 0, 0, 1, header)
	start, zeros := 0, 0
	for i, b := range rbsp {
		if zeros >= 2 && b <= 3 {
			dst = append(dst, rbsp[start:i]...)
			dst = append(dst, 3)
			start, zeros = i, 0
		}
		if b == 0 {
			zeros++
		} else {
			zeros = 0
		}
	}
	return append(dst, rbsp[start:]...)
}

// ueLen is the length in bits of the unsigned Exp-Golomb code of v.
func ueLen(v int) int { return 2*bits.Len(uint(v)+1) - 1 }
