package h264

import (
	"fmt"
	"testing"
)

// prefixCode tells what is wrong with a set of code words: every two must differ before either ends.
func prefixCode(codes map[string]vlc) error {
	bits := map[string]string{}
	for name, c := range codes {
		bits[name] = fmt.Sprintf("%0*b", c.len, c.code)
		if len(bits[name]) != int(c.len) {
			return fmt.Errorf("%s: code %d does not fit %d bits", name, c.code, c.len)
		}
	}
	for a, x := range bits {
		for b, y := range bits {
			if a != b && len(x) <= len(y) && y[:len(x)] == x {
				return fmt.Errorf("%s (%s) begins %s (%s)", a, x, b, y)
			}
		}
	}
	return nil
}

func TestCodeTablesArePrefixCodes(t *testing.T) {
	tables := newCAVLCTables()
	sets := map[string]map[string]vlc{}
	for class := range tables.token {
		set := map[string]vlc{}
		for ones := range 4 {
			for total := ones; total <= 16; total++ {
				if total > 0 || ones == 0 {
					set[fmt.Sprintf("%d,%d", ones, total)] = tables.token[class][ones][total]
				}
			}
		}
		sets[fmt.Sprintf("coeff_token %d", class)] = set
	}
	set := map[string]vlc{}
	for ones := range 4 {
		for total := ones; total <= 4; total++ {
			set[fmt.Sprintf("%d,%d", ones, total)] = chromaDCToken[ones][total]
		}
	}
	sets["coeff_token chroma DC"] = set
	for total := 1; total <= 15; total++ {
		set := map[string]vlc{}
		for zeros := 0; zeros <= 16-total; zeros++ {
			set[fmt.Sprint(zeros)] = tables.totalZeros[total][zeros]
		}
		sets[fmt.Sprintf("total_zeros %d", total)] = set
	}
	for total := 1; total <= 3; total++ {
		set := map[string]vlc{}
		for zeros := 0; zeros <= 4-total; zeros++ {
			set[fmt.Sprint(zeros)] = chromaDCTotalZeros[total-1][zeros]
		}
		sets[fmt.Sprintf("total_zeros chroma DC %d", total)] = set
	}
	for left := 1; left <= 7; left++ {
		set := map[string]vlc{}
		longest := left
		if left == 7 {
			longest = 14
		}
		for run := 0; run <= longest; run++ {
			set[fmt.Sprint(run)] = runBefore[left-1][run]
		}
		sets[fmt.Sprintf("run_before %d", left)] = set
	}
	for name, set := range sets {
		if err := prefixCode(set); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCodedBlockPatternsArePermutations(t *testing.T) {
	for name, table := range map[string][48]uint8{"intra": codedBlockPatternIntra, "inter": codedBlockPatternInter} {
		seen := map[uint8]bool{}
		for _, cbp := range table {
			if cbp > 47 || seen[cbp] {
				t.Errorf("%s: %d is out of range or there twice", name, cbp)
			}
			seen[cbp] = true
		}
	}
}

// bitReader reads what bitWriter wrote.
type bitReader struct {
	data []byte
	pos  int
}

func (r *bitReader) bit() int {
	b := int(r.data[r.pos/8]) >> (7 - r.pos%8) & 1
	r.pos++
	return b
}

func (r *bitReader) bits(n int) (v int) {
	for range n {
		v = v<<1 | r.bit()
	}
	return v
}

// level decodes one level after the parsing process of 9.2.2.1 and returns it with the next suffixLength.
func (r *bitReader) level(suffixLength int, first bool) (level, next int) {
	prefix := 0
	for r.bit() == 0 {
		prefix++
	}
	size := suffixLength
	switch {
	case prefix == 14 && suffixLength == 0:
		size = 4
	case prefix >= 15:
		size = prefix - 3
	}
	code := min(15, prefix)<<suffixLength + r.bits(size)
	if prefix >= 15 && suffixLength == 0 {
		code += 15
	}
	if first {
		code += 2
	}
	level = (code + 2) >> 1
	if code%2 != 0 {
		level = (-code - 1) >> 1
	}
	if suffixLength == 0 {
		suffixLength = 1
	}
	if max(level, -level) > 3<<(suffixLength-1) && suffixLength < 6 {
		suffixLength++
	}
	return level, suffixLength
}

func TestLevelsOfEverySizeComeBack(t *testing.T) {
	e := &Encoder{bw: bitWriter{buf: make([]byte, 1<<12)}}
	for abs := 1; abs <= maxLevel; abs++ {
		// Small and large neighbours bring every suffixLength.
		for _, list := range [][]int32{
			{int32(abs) + 1, int32(-abs)}, {2, int32(abs)}, {-40, int32(-abs)}, {100, -100, 100, -100, 100, int32(abs)},
		} {
			for i := range list {
				list[i] = max(-maxLevel, min(list[i], maxLevel))
			}
			e.bw.reset()
			e.writeLevels(list, len(list), 0)
			r := bitReader{data: e.bw.trailing()}
			suffixLength := 0
			for i, want := range list {
				var got int
				got, suffixLength = r.level(suffixLength, i == 0)
				if got != int(want) {
					t.Fatalf("levels %v: got %d for number %d", list, got, i)
				}
			}
		}
	}
}

func TestEmulationPrevention(t *testing.T) {
	tests := []struct{ rbsp, want string }{
		{"\x01\x02", "\x01\x02"},
		{"\x00\x00\x00", "\x00\x00\x03\x00"},
		{"\x00\x00\x01", "\x00\x00\x03\x01"},
		{"\x00\x00\x03", "\x00\x00\x03\x03"},
		{"\x00\x00\x04", "\x00\x00\x04"},
		{"\x00\x00\x00\x00\x00\x80", "\x00\x00\x03\x00\x00\x03\x00\x80"},
		{"\x00\x01\x00\x00\x02\x00", "\x00\x01\x00\x00\x03\x02\x00"},
	}
	for _, tt := range tests {
		got := string(appendNAL(nil, 0x65, []byte(tt.rbsp)))
		if want := "\x00\x00\x00\x01\x65" + tt.want; got != want {
			t.Errorf("rbsp % x: got % x, want % x", tt.rbsp, got, want)
		}
	}
}
