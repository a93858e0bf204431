package scene

import (
	"image"
	"strings"
	"testing"
)

// flat is a picture of one colour.
func flat(w, h int, c Colour) *image.YCbCr {
	m := newBlack(w, h)
	canvas(planes(m)).rect(m.Rect, colour{c.Y, c.Cb, c.Cr})
	return m
}

// at is the colour of a pixel.
func at(m *image.YCbCr, x, y int) Colour {
	return Colour{m.Y[m.YOffset(x, y)], m.Cb[m.COffset(x, y)], m.Cr[m.COffset(x, y)]}
}

func plain() Look { return Look{Brightness: 0.5} }

// near says that two colours differ by so much at most in each component.
func near(a, b Colour, limit int) bool {
	apart := func(a, b uint8) bool { return int(a)-int(b) > limit || int(b)-int(a) > limit }
	return !apart(a.Y, b.Y) && !apart(a.Cb, b.Cb) && !apart(a.Cr, b.Cr)
}

// TestLook holds what controls do to a colour. The colours of limited range are those of ITU-R BT.601: 81 90 240 is red.
func TestLook(t *testing.T) {
	grey, red, skin := Colour{126, 128, 128}, Colour{81, 90, 240}, Colour{150, 110, 150}
	tests := []struct {
		name       string
		change     func(*Look)
		from, want Colour
	}{
		{"plain", func(*Look) {}, skin, skin},
		{"brighter", func(k *Look) { k.Brightness = 0.6 }, grey, Colour{147, 128, 128}},
		{"dark", func(k *Look) { k.Brightness = 0 }, grey, Colour{16, 128, 128}},
		{"no contrast", func(k *Look) { k.Contrast = -1 }, Colour{200, 128, 128}, Colour{125, 128, 128}},
		{"no colour", func(k *Look) { k.Saturation = -1 }, red, Colour{81, 128, 128}},
		{"tint", func(k *Look) { k.Tint, k.U, k.V = true, 1, 2 }, skin, Colour{150, 1, 2}},
		{"a stop less light", func(k *Look) { k.Light = -1 }, Colour{116, 128, 128}, Colour{89, 128, 128}}, // 16 + 100 * 0.5^0.45
		{"more light than can be shown", func(k *Look) { k.Light = 5 }, grey, Colour{235, 128, 128}},
		{"more red", func(k *Look) { k.Red = 1 }, Colour{116, 128, 128}, Colour{127, 122, 147}},
		{"more blue", func(k *Look) { k.Blue = 1 }, Colour{116, 128, 128}, Colour{120, 147, 125}},
		{"grey world", func(k *Look) { k.GreyWorld = true }, skin, Colour{141, 128, 128}},
		{"dark parts up", func(k *Look) { k.DRC = 3 }, Colour{60, 128, 128}, Colour{96, 128, 128}},
		{"negative", func(k *Look) { k.Effect = Negative }, red, Colour{171, 166, 16}},
		{"solarized dark", func(k *Look) { k.Effect = Solarize }, Colour{60, 128, 128}, Colour{60, 128, 128}},
		{"solarized bright", func(k *Look) { k.Effect = Solarize }, Colour{200, 128, 128}, Colour{51, 128, 128}},
		{"few shades", func(k *Look) { k.Effect = Posterise }, skin, Colour{160, 128, 128}},
		{"few colours", func(k *Look) { k.Effect = Posterise }, red, Colour{96, 64, 240}},
		{"sketch of nothing", func(k *Look) { k.Effect = Sketch }, skin, Colour{235, 128, 128}},
		{"pen of nothing", func(k *Look) { k.Effect = Pen }, skin, Colour{235, 128, 128}},
		{"emboss of nothing", func(k *Look) { k.Effect = Emboss }, skin, Colour{126, 128, 128}},
		{"blur of nothing", func(k *Look) { k.Effect = Blur }, skin, skin},
		{"film", func(k *Look) { k.Effect = Film }, skin, Colour{145, 113, 144}},
		{"saturated", func(k *Look) { k.Effect = Saturate }, skin, Colour{150, 96, 167}},
		{"swapped", func(k *Look) { k.Effect = SwapColours }, red, Colour{81, 240, 90}},
		{"pale", func(k *Look) { k.Effect = WashedOut }, skin, Colour{180, 119, 139}},
		{"red point", func(k *Look) { k.Effect = ColourPoint }, red, red},
		{"grey point", func(k *Look) { k.Effect = ColourPoint }, Colour{81, 200, 100}, Colour{81, 128, 128}},
		{"towards blue", func(k *Look) { k.Effect = ShiftColours }, grey, Colour{126, 152, 104}},
		{"cartoon of nothing", func(k *Look) { k.Effect = Cartoon }, skin, Colour{160, 128, 128}},
	}
	var g Grader
	for _, tt := range tests {
		look := plain()
		tt.change(&look)
		for _, size := range []image.Point{{64, 48}, {33, 17}} {
			m := flat(size.X, size.Y, tt.from)
			g.Apply(m, look)
			for _, p := range []image.Point{{0, 0}, {size.X / 2, size.Y / 2}, {size.X - 1, size.Y - 1}} {
				if got := at(m, p.X, p.Y); !near(got, tt.want, 1) {
					t.Errorf("%s of %v: got %v at %v, want %v", tt.name, size, got, p, tt.want)
				}
			}
		}
	}
}

// TestEdges has what looks at neighbours find a vertical edge.
func TestEdges(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Look)
		want   [4]uint8 // luma from two pixels left of the edge to two right of it
	}{
		{"sharper", func(k *Look) { k.Sharpness = 1 }, [4]uint8{60, 35, 185, 160}},
		{"softer", func(k *Look) { k.Sharpness = -1 }, [4]uint8{60, 85, 135, 160}},
		{"sketch", func(k *Look) { k.Effect = Sketch }, [4]uint8{235, 16, 235, 235}},
		{"pen", func(k *Look) { k.Effect = Pen }, [4]uint8{235, 16, 235, 235}},
		{"cartoon", func(k *Look) { k.Effect = Cartoon }, [4]uint8{32, 16, 160, 160}},
		{"emboss", func(k *Look) { k.Effect = Emboss }, [4]uint8{126, 226, 226, 126}},
	}
	for _, tt := range tests {
		m := flat(32, 32, Colour{60, 128, 128})
		canvas(planes(m)).rect(image.Rect(16, 0, 32, 32), colour{160, 128, 128})
		look := plain()
		tt.change(&look)
		new(Grader).Apply(m, look)
		if got := [4]uint8(m.Y[m.YOffset(14, 16):]); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestFont holds that each printable sign has a picture of its own, inside its cell.
func TestFont(t *testing.T) {
	seen := map[string]byte{}
	for c := byte('!'); c <= '~'; c++ {
		rows := fontSign(c)
		ink := strings.Contains(strings.Join(rows, ""), "#")
		if len(rows) > fontDepth || !ink {
			t.Errorf("%c has %d rows, ink %v", c, len(rows), ink)
		}
		for _, row := range rows {
			if len(row) != fontWidth || strings.Trim(row, ".#") != "" {
				t.Errorf("%c has the row %q", c, row)
			}
		}
		if other, taken := seen[strings.Join(rows, "/")]; taken {
			t.Errorf("%c looks like %c", c, other)
		}
		seen[strings.Join(rows, "/")] = c
	}
	for _, c := range []byte{0, '\n', ' ', 127, 200} {
		if fontSign(c) != nil {
			t.Errorf("%d has a picture", c)
		}
	}
}

// inked is the smallest rectangle with a pixel of some luma.
func inked(m *image.YCbCr, luma uint8) image.Rectangle {
	var r image.Rectangle
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			if m.Y[m.YOffset(x, y)] == luma {
				r = r.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return r
}

// TestCaption holds place, size and colours of text.
func TestCaption(t *testing.T) {
	const w, h = 300, 150
	stamp := h / stampHeight
	base := Caption{Text: "HH", Size: 28, Colour: White, BoxColour: Black} // a column is 4 pixels wide
	tests := []struct {
		name   string
		change func(*Caption)
		luma   uint8
		want   image.Rectangle
	}{
		{"middle of the top", func(*Caption) {}, 235, image.Rect(128, stamp+8, 128+44, stamp+8+28)},
		{"left", func(c *Caption) { c.Justify, c.X, c.Y = Left, 10, 20 }, 235, image.Rect(18, stamp+28, 18+44, stamp+28+28)},
		{"right", func(c *Caption) { c.Justify, c.X = Right, 10 }, 235, image.Rect(w-18-44, stamp+8, w-18, stamp+8+28)},
		{"box", func(c *Caption) { c.Background, c.BoxColour = true, Colour{100, 128, 128} }, 100,
			image.Rect(128-4, stamp+4, 128+44+4, stamp+4+36+8)},
		{"coloured", func(c *Caption) { c.Colour = Colour{81, 90, 240} }, 81, image.Rect(128, stamp+8, 128+44, stamp+8+28)},
		{"outside", func(c *Caption) { c.Y = 1000 }, 235, image.Rectangle{}},
		{"none", func(c *Caption) { c.Text = "" }, 235, image.Rectangle{}},
		{"two lines", func(c *Caption) { c.Text = "H\nH" }, 235, image.Rect(140, stamp+8, 140+20, stamp+8+44+28)},
		{"cut off", func(c *Caption) { c.Text, c.Justify = strings.Repeat("H", 50), Left }, 235, image.Rect(8, stamp+8, w, stamp+8+28)},
	}
	var s Captions
	for _, tt := range tests {
		m := flat(w, h, Colour{50, 128, 128})
		c := base
		tt.change(&c)
		s.Draw(m, c)
		if got := inked(m, tt.luma); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
		if p := tt.want.Min.Add(image.Pt(2, 2)); tt.name == "coloured" && !near(at(m, p.X, p.Y), c.Colour, 0) {
			t.Errorf("%s: got %v, want %v", tt.name, at(m, p.X, p.Y), c.Colour)
		}
	}
}
