package scene

// Effect changes a picture beyond recognition. What each does is this project's guess at the firmware's idea of it.
type Effect int

// The effects; NoEffect leaves the picture as it is.
const (
	NoEffect Effect = iota
	Negative
	Solarize  // bright parts become negative
	Posterise // few shades
	Sketch    // dark edges on white
	Pen       // the same in black and white
	Emboss    // a relief in grey
	Blur
	Film // brownish and soft
	Saturate
	SwapColours  // U and V change places
	WashedOut    // pale
	ColourPoint  // only reds keep their colour
	ShiftColours // all colours towards blue
	Cartoon      // few shades with dark edges
)

// filter applies what looks at a sample's neighbours; it keeps the copy that this needs.
type filter struct{ before []byte }

// effect applies an effect.
func (f *filter) effect(p [3]plane, e Effect) {
	switch e {
	case Sketch, Pen:
		ink := func(edge int) byte { return clampTo(brightest-3*edge, darkest, brightest) }
		if e == Pen {
			ink = func(edge int) byte { return clampTo(brightest-1000*max(edge-24, 0), darkest, brightest) }
		}
		f.neighbours(p[0], func(out, _, here, below []byte) {
			for x := range out {
				out[x] = ink(edgeAt(here, below, x))
			}
		})
		p[1].fill(neutral)
		p[2].fill(neutral)
	case Emboss:
		f.neighbours(p[0], func(out, above, _, below []byte) {
			for x := range out {
				out[x] = clampTo(126+int(below[min(x+1, len(below)-1)])-int(above[max(x-1, 0)]), darkest, brightest)
			}
		})
		p[1].fill(neutral)
		p[2].fill(neutral)
	case Blur:
		for range 3 {
			f.blur(p[0])
		}
		f.blur(p[1])
		f.blur(p[2])
	case Cartoon:
		f.neighbours(p[0], func(out, _, here, below []byte) {
			for x := range out {
				out[x] = shades(here[x])
				if edgeAt(here, below, x) > 40 {
					out[x] = darkest
				}
			}
		})
		translate(p[1], tableOf(colourShades))
		translate(p[2], tableOf(colourShades))
	case SwapColours:
		for y := range p[1].h {
			us, vs := p[1].row(y), p[2].row(y)
			for x := range us {
				us[x], vs[x] = vs[x], us[x]
			}
		}
	case ColourPoint:
		for y := range p[1].h {
			us, vs := p[1].row(y), p[2].row(y)
			for x := range us {
				if us[x] >= neutral || vs[x] <= neutral {
					us[x], vs[x] = neutral, neutral
				}
			}
		}
	default:
		e.each(p)
	}
}

// each applies an effect that changes each sample by itself.
func (e Effect) each(p [3]plane) {
	chroma := func(scale, shift int) *[256]byte {
		return tableOf(func(v byte) byte { return clampTo((int(v)-neutral)*scale/100+neutral+shift, least, most) })
	}
	luma := func(scale, shift int) *[256]byte {
		return tableOf(func(v byte) byte { return clampTo((int(v)-126)*scale/100+126+shift, darkest, brightest) })
	}
	var tables [3]*[256]byte
	switch e {
	case Negative:
		tables = [3]*[256]byte{luma(-100, 0), chroma(-100, 0), chroma(-100, 0)}
	case Solarize:
		tables[0] = tableOf(func(v byte) byte {
			if v > 126 {
				return clampTo(brightest+darkest-int(v), darkest, brightest)
			}
			return v
		})
	case Posterise:
		tables = [3]*[256]byte{tableOf(shades), tableOf(colourShades), tableOf(colourShades)}
	case Film:
		tables = [3]*[256]byte{luma(80, 0), chroma(40, -8), chroma(40, 8)}
	case Saturate:
		tables[1], tables[2] = chroma(180, 0), chroma(180, 0)
	case WashedOut:
		tables = [3]*[256]byte{luma(60, 40), chroma(50, 0), chroma(50, 0)}
	case ShiftColours:
		tables[1], tables[2] = chroma(100, 24), chroma(100, -24)
	}
	for i, t := range tables {
		if t != nil {
			translate(p[i], t)
		}
	}
}

// shades leaves the middle of each of four ranges.
func shades(v byte) byte { return v&^63 + 32 }

// colourShades leaves neutral, and few values on both sides of it.
func colourShades(v byte) byte { return clampTo((int(v)+32)&^63, least, most) }

func tableOf(f func(byte) byte) *[256]byte {
	t := new([256]byte)
	for i := range t {
		t[i] = f(byte(i))
	}
	return t
}

// edgeAt is how much a sample differs from those right of it and below.
func edgeAt(here, below []byte, x int) int {
	across := int(here[min(x+1, len(here)-1)]) - int(here[x])
	down := int(below[x]) - int(here[x])
	return max(across, -across) + max(down, -down)
}

// neighbours makes each row of what it was and of the two next to it; beyond the edge lies the edge again.
func (f *filter) neighbours(p plane, change func(out, above, here, below []byte)) {
	f.before = f.before[:0]
	for y := range p.h {
		f.before = append(f.before, p.row(y)...)
	}
	row := func(y int) []byte { return f.before[min(max(y, 0), p.h-1)*p.w:][:p.w] }
	for y := range p.h {
		change(p.row(y), row(y-1), row(y), row(y+1))
	}
}

// crossMean is the mean of a sample's four neighbours.
func crossMean(above, here, below []byte, x int) int {
	return (int(above[x]) + int(below[x]) + int(here[max(x-1, 0)]) + int(here[min(x+1, len(here)-1)])) / 4
}

func (f *filter) blur(p plane) {
	f.neighbours(p, func(out, above, here, below []byte) {
		for x := range out {
			out[x] = byte(crossMean(above, here, below, x))
		}
	})
}

// sharpen adds to each sample its difference from its neighbours, or, below 0, takes it away.
func (f *filter) sharpen(p plane, amount float64) {
	parts := int(amount * 256)
	f.neighbours(p, func(out, above, here, below []byte) {
		for x := range out {
			v := int(here[x])
			out[x] = clampTo(v+(v-crossMean(above, here, below, x))*parts/256, darkest, brightest)
		}
	})
}
