package scene

// Glyphs are drawn by strokes on a grid: x from 0 to 4, y from 0 (top of capitals and digits) over 2 (top of small
// letters) and 6 (base line) to 8 (lowest descender).
const (
	glyphAdvance = 5.6 // from one glyph's origin to the next one's, grid units
	colonAdvance = 3.4
	glyphWidth   = 4.0
	glyphBase    = 6.0
	glyphDepth   = 8.0
	glyphPen     = 0.42 // half of a stroke's thickness, grid units
)

type point struct{ x, y float64 }

type strokeKind int

const (
	straight strokeKind = iota // a polyline
	bent                       // a curve that starts and ends at the outer points and is pulled by those between
	round                      // a closed curve that touches the middle of each side
)

type stroke struct {
	kind   strokeKind
	points []point
}

func advance(c byte) float64 {
	if c == ':' {
		return colonAdvance
	}
	return glyphAdvance
}

// glyphStrokes gives the strokes of the digits, signs and letters that the test card uses; others are blank.
func glyphStrokes(c byte) []stroke {
	switch c {
	case '0':
		return []stroke{{round, []point{{0, 0}, {4, 0}, {4, 1.8}, {4, 4.2}, {4, 6}, {0, 6}, {0, 4.2}, {0, 1.8}}}}
	case '1':
		return []stroke{{straight, []point{{0.7, 1.4}, {2.2, 0}, {2.2, 6}}}, {straight, []point{{0.7, 6}, {3.7, 6}}}}
	case '2':
		return []stroke{{bent, []point{{0.1, 1.6}, {0.1, 0}, {3.9, 0}, {3.9, 2.6}, {2.4, 3.7}, {0, 6}}}, {straight, []point{{0, 6}, {4, 6}}}}
	case '3':
		return []stroke{{straight, []point{{0.3, 0}, {3.7, 0}, {1.7, 2.4}}}, {bent, []point{{1.7, 2.4}, {4, 2.3}, {4, 6}, {0.6, 6}, {0, 4.9}}}}
	case '4':
		return []stroke{{straight, []point{{2.9, 6}, {2.9, 0}, {0, 4.2}, {4, 4.2}}}}
	case '5':
		return []stroke{{straight, []point{{3.6, 0}, {0.6, 0}, {0.3, 2.7}}}, {bent, []point{{0.3, 2.7}, {1.2, 2.1}, {4, 2.1}, {4, 6}, {0.6, 6}, {0, 4.9}}}}
	case '6':
		return []stroke{{round, []point{{0, 2.4}, {4, 2.4}, {4, 6}, {0, 6}}}, {bent, []point{{3.2, 0}, {0, 1.9}, {0, 4.2}}}}
	case '7':
		return []stroke{{straight, []point{{0, 0}, {4, 0}, {1.4, 6}}}}
	case '8':
		return []stroke{{round, []point{{0.3, 0}, {3.7, 0}, {3.7, 2.8}, {0.3, 2.8}}}, {round, []point{{0, 2.8}, {4, 2.8}, {4, 6}, {0, 6}}}}
	case '9':
		return []stroke{{round, []point{{0, 0}, {4, 0}, {4, 3.6}, {0, 3.6}}}, {bent, []point{{4, 1.8}, {4, 4.1}, {0.8, 6}}}}
	case ':':
		return []stroke{{straight, []point{{0.9, 1.7}, {0.9, 1.7}}}, {straight, []point{{0.9, 4.5}, {0.9, 4.5}}}}
	case '/':
		return []stroke{{straight, []point{{3.6, 0}, {0.4, 6}}}}
	case '.':
		return []stroke{{straight, []point{{2, 5.8}, {2, 5.8}}}}
	case '-':
		return []stroke{{straight, []point{{0.8, 3.2}, {3.2, 3.2}}}}
	}
	return letterStrokes(c)
}

func letterStrokes(c byte) []stroke {
	switch c {
	case 'a':
		return []stroke{{round, []point{{0, 2}, {4, 2}, {4, 6}, {0, 6}}}, {straight, []point{{4, 2}, {4, 6}}}}
	case 'c':
		return []stroke{{bent, []point{{3.8, 3}, {3.2, 2}, {0, 1.6}, {0, 6.4}, {3.2, 6}, {3.8, 5}}}}
	case 'e':
		return []stroke{{straight, []point{{0, 4}, {4, 4}}}, {bent, []point{{4, 4}, {4, 2}, {0, 2}, {0, 6.3}, {3, 6.1}, {3.7, 5.3}}}}
	case 'f':
		return []stroke{{bent, []point{{3.4, 0.2}, {1.6, -0.4}, {1.6, 2}}}, {straight, []point{{1.6, 2}, {1.6, 6}}}, {straight, []point{{0.2, 2}, {3.2, 2}}}}
	case 'k':
		return []stroke{{straight, []point{{0.3, 0}, {0.3, 6}}}, {straight, []point{{3.5, 2}, {0.3, 4.5}}}, {straight, []point{{1.5, 3.6}, {3.8, 6}}}}
	case 'm':
		return []stroke{
			{straight, []point{{-0.2, 2}, {-0.2, 6}}},
			{bent, []point{{-0.2, 3.4}, {-0.2, 2}, {2, 1.6}, {2, 3.6}}}, {straight, []point{{2, 3.6}, {2, 6}}},
			{bent, []point{{2, 3.4}, {2, 2}, {4.2, 1.6}, {4.2, 3.6}}}, {straight, []point{{4.2, 3.6}, {4.2, 6}}},
		}
	case 'r':
		return []stroke{{straight, []point{{0.7, 2}, {0.7, 6}}}, {bent, []point{{0.7, 3.8}, {0.7, 2}, {2.8, 1.7}, {3.6, 2.5}}}}
	case 'x':
		return []stroke{{straight, []point{{0.4, 2}, {3.6, 6}}}, {straight, []point{{3.6, 2}, {0.4, 6}}}}
	case 'y':
		return []stroke{{straight, []point{{0.1, 2}, {2.1, 5.8}}}, {straight, []point{{3.9, 2}, {2.1, 5.8}}}, {bent, []point{{2.1, 5.8}, {1.2, 7.8}, {0.2, 7.7}}}}
	case 'z':
		return []stroke{{straight, []point{{0.3, 2}, {3.7, 2}, {0.3, 6}, {3.7, 6}}}}
	}
	return nil
}

// line gives the polyline to draw: curves are quadratic B-splines, found by cutting corners.
func (s stroke) line() []point {
	p := s.points
	if s.kind == straight {
		return p
	}
	for range 4 {
		p = cutCorners(p, s.kind == round)
	}
	if s.kind == round {
		p = append(p, p[0])
	}
	return p
}

// cutCorners replaces each corner by two points, a quarter of the way to its neighbours.
func cutCorners(p []point, closed bool) []point {
	var cut []point
	sides := len(p) - 1
	if closed {
		sides++
	} else {
		cut = append(cut, p[0])
	}
	for i := range sides {
		a, b := p[i], p[(i+1)%len(p)]
		if closed || i > 0 {
			cut = append(cut, point{(3*a.x + b.x) / 4, (3*a.y + b.y) / 4})
		}
		if closed || i < sides-1 {
			cut = append(cut, point{(a.x + 3*b.x) / 4, (a.y + 3*b.y) / 4})
		}
	}
	if !closed {
		cut = append(cut, p[len(p)-1])
	}
	return cut
}
