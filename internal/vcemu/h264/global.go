package h264

// globalRange is the largest displacement of a whole picture that is looked for, in luma samples.
const globalRange = 96

// projections are the sums of the columns and of the rows of a picture. Comparing those of two pictures finds a pan at
// the cost of a few lines of samples, where a macroblock's own search would not reach.
type projections struct {
	columns, rows         []int32
	lastColumns, lastRows []int32
	lanes                 []uint64
	valid                 bool // the last ones are those of the previous picture
}

func newProjections(w, h int) projections {
	return projections{
		columns: make([]int32, w), lastColumns: make([]int32, w),
		rows: make([]int32, h), lastRows: make([]int32, h), lanes: make([]uint64, w/4),
	}
}

// measure projects the luma plane p and returns by how much it moved, as the vector of its macroblocks.
func (j *projections) measure(p *plane) vector {
	j.columns, j.lastColumns = j.lastColumns, j.columns
	j.rows, j.lastRows = j.lastRows, j.rows
	j.project(p)
	known := j.valid
	j.valid = true
	if !known {
		return vector{}
	}
	return vector{int16(4 * displacement(j.columns, j.lastColumns)), int16(4 * displacement(j.rows, j.lastRows))}
}

func (j *projections) project(p *plane) {
	clear(j.columns)
	for y := 0; y < p.h; y += 16 {
		clear(j.lanes)
		for line := y; line < y+16; line++ {
			row := p.pix[p.at(0, line):][:p.w]
			var sum uint64
			for x := 0; x < len(row); x += 8 {
				v := load8(row[x : x+8])
				even, odd := v&evenBytes, v>>8&evenBytes
				lanes := j.lanes[x/4 : x/4+2]
				lanes[0] += even
				lanes[1] += odd
				sum += (even+odd)&halves + (even+odd)>>16&halves
			}
			j.rows[line] = int32(uint32(sum) + uint32(sum>>32))
		}
		for i, v := range j.lanes {
			at := j.columns[i/2*8+i%2:]
			at[0] += int32(v & 0xffff)
			at[2] += int32(v >> 16 & 0xffff)
			at[4] += int32(v >> 32 & 0xffff)
			at[6] += int32(v >> 48)
		}
	}
}

// displacement is the d for which now[i] is most like last[i+d].
func displacement(now, last []int32) int {
	n := len(now)
	limit := min(globalRange, n/4)
	best, at := int64(1)<<62, 0
	for k := range 2*limit + 1 {
		d := (k + 1) / 2
		if k%2 == 0 {
			d = -d
		}
		a, b := now[max(0, -d):min(n, n-d)], last[max(0, d):min(n, n+d)]
		sum := int64(0)
		for i, v := range a {
			e := v - b[i]
			s := e >> 31
			sum += int64((e ^ s) - s)
		}
		sum = sum * int64(n) / int64(len(a))
		if sum < best {
			best, at = sum, d
		}
	}
	return at
}
