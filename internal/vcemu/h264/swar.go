package h264

import "encoding/binary"

// Samples are handled eight at a time in a uint64. Where arithmetic needs more than eight bits, the even and the odd
// samples go to four 16-bit lanes each. A word of lanes is also simply the integer sum of lane[i] << 16i, so words
// add, subtract and scale as a whole even with negative lanes; only taking a lane out needs a bias first.
const (
	evenBytes = 0x00ff00ff00ff00ff
	ones16    = 0x0001000100010001
	highBits  = 0x8080808080808080
	lowSeven  = 0x7f7f7f7f7f7f7f7f
	bias16    = 0x8000800080008000
)

func load8(b []byte) uint64     { return binary.LittleEndian.Uint64(b) }
func store8(b []byte, v uint64) { binary.LittleEndian.PutUint64(b, v) }

// absDiff is |a-b| of each byte.
func absDiff(a, b uint64) uint64 {
	d := ((a | highBits) - (b &^ highBits)) ^ (^(a ^ b) & highBits)
	borrow := ((^a & b) | (^(a ^ b) & d)) & highBits
	less := borrow >> 7
	return (d ^ ((borrow << 1) - less)) + less
}

// sumLanes adds the four 16-bit lanes of v, the sum being below 65536.
func sumLanes(v uint64) int { return int(v * ones16 >> 48) }

// average is (a+b+1)>>1 of each byte.
func average(a, b uint64) uint64 { return (a | b) - ((a^b)>>1)&lowSeven }

// sad16 is the sum of absolute differences of a 16x16 block of stride 16 and one of stride bs. It stops early, with
// what it has, above limit.
func sad16(a *[256]byte, b []byte, bs, limit int) int {
	sum := 0
	for y := 0; y < 256; y += 64 {
		var acc uint64
		for i := 0; i < 64; i += 16 {
			ra := a[y+i : y+i+16 : y+i+16]
			rb := b[:16]
			d0 := absDiff(load8(ra), load8(rb))
			d1 := absDiff(load8(ra[8:]), load8(rb[8:]))
			acc += d0&evenBytes + d0>>8&evenBytes + d1&evenBytes + d1>>8&evenBytes
			b = b[bs:]
		}
		sum += sumLanes(acc)
		if sum > limit {
			return sum
		}
	}
	return sum
}

// sadAverage16 is sad16 against the average of two blocks of strides bs and cs.
func sadAverage16(a *[256]byte, b, c samples, limit int) int {
	sum := 0
	bp, cp := b.pix, c.pix
	for y := 0; y < 256; y += 64 {
		var acc uint64
		for i := 0; i < 64; i += 16 {
			ra := a[y+i : y+i+16 : y+i+16]
			rb, rc := bp[:16], cp[:16]
			d0 := absDiff(load8(ra), average(load8(rb), load8(rc)))
			d1 := absDiff(load8(ra[8:]), average(load8(rb[8:]), load8(rc[8:])))
			acc += d0&evenBytes + d0>>8&evenBytes + d1&evenBytes + d1>>8&evenBytes
			bp, cp = bp[b.stride:], cp[c.stride:]
		}
		sum += sumLanes(acc)
		if sum > limit {
			return sum
		}
	}
	return sum
}

// samples is a block somewhere in a plane or buffer.
type samples struct {
	pix    []byte
	stride int
}

func copyBlock16(dst, src []byte, ds, ss int) {
	for range 15 {
		d, s := dst[:16], src[:16]
		store8(d, load8(s))
		store8(d[8:], load8(s[8:]))
		dst, src = dst[ds:], src[ss:]
	}
	d, s := dst[:16], src[:16]
	store8(d, load8(s))
	store8(d[8:], load8(s[8:]))
}

func copyBlock8(dst, src []byte, ds, ss int) {
	for range 7 {
		store8(dst, load8(src))
		dst, src = dst[ds:], src[ss:]
	}
	store8(dst, load8(src))
}

// sad8 is the sum of absolute differences of an 8x8 block of stride 8 and one of stride bs.
func sad8(a *[64]byte, b []byte, bs int) int {
	var acc uint64
	for y := range 8 {
		d := absDiff(load8(a[y*8:y*8+8]), load8(b[y*bs:]))
		acc += d&evenBytes + d>>8&evenBytes
	}
	return sumLanes(acc)
}
