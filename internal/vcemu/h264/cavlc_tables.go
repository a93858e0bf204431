package h264

// vlc is one code word: the low len bits of code.
type vlc struct {
	code uint16
	len  uint8
}

// coeffTokenLen and coeffTokenCode are Table 9-5, by [class][TrailingOnes][TotalCoeff], the classes being nC 0..1, 2..3
// and 4..7. Lengths and values are apart because that is how they are proof-read.
var coeffTokenLen = [3][4][17]uint8{
	{
		{1, 6, 8, 9, 10, 11, 13, 13, 13, 14, 14, 15, 15, 16, 16, 16, 16},
		{0, 2, 6, 8, 9, 10, 11, 13, 13, 14, 14, 15, 15, 15, 16, 16, 16},
		{0, 0, 3, 7, 8, 9, 10, 11, 13, 13, 14, 14, 15, 15, 16, 16, 16},
		{0, 0, 0, 5, 6, 7, 8, 9, 10, 11, 13, 14, 14, 15, 15, 16, 16},
	},
	{
		{2, 6, 6, 7, 8, 8, 9, 11, 11, 12, 12, 12, 13, 13, 13, 14, 14},
		{0, 2, 5, 6, 6, 7, 8, 9, 11, 11, 12, 12, 13, 13, 14, 14, 14},
		{0, 0, 3, 6, 6, 7, 8, 9, 11, 11, 12, 12, 13, 13, 13, 14, 14},
		{0, 0, 0, 4, 4, 5, 6, 6, 7, 9, 11, 11, 12, 13, 13, 13, 14},
	},
	{
		{4, 6, 6, 6, 7, 7, 7, 7, 8, 8, 9, 9, 9, 10, 10, 10, 10},
		{0, 4, 5, 5, 5, 5, 6, 6, 7, 8, 8, 9, 9, 9, 10, 10, 10},
		{0, 0, 4, 5, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 10},
		{0, 0, 0, 4, 4, 4, 4, 4, 5, 6, 7, 8, 8, 9, 10, 10, 10},
	},
}

var coeffTokenCode = [3][4][17]uint8{
	{
		{1, 5, 7, 7, 7, 7, 15, 11, 8, 15, 11, 15, 11, 15, 11, 7, 4},
		{0, 1, 4, 6, 6, 6, 6, 14, 10, 14, 10, 14, 10, 1, 14, 10, 6},
		{0, 0, 1, 5, 5, 5, 5, 5, 13, 9, 13, 9, 13, 9, 13, 9, 5},
		{0, 0, 0, 3, 3, 4, 4, 4, 4, 4, 12, 12, 8, 12, 8, 12, 8},
	},
	{
		{3, 11, 7, 7, 7, 4, 7, 15, 11, 15, 11, 8, 15, 11, 7, 9, 7},
		{0, 2, 7, 10, 6, 6, 6, 6, 14, 10, 14, 10, 14, 10, 11, 8, 6},
		{0, 0, 3, 9, 5, 5, 5, 5, 13, 9, 13, 9, 13, 9, 6, 10, 5},
		{0, 0, 0, 5, 4, 6, 8, 4, 4, 4, 12, 8, 12, 12, 8, 1, 4},
	},
	{
		{15, 15, 11, 8, 15, 11, 9, 8, 15, 11, 15, 11, 8, 13, 9, 5, 1},
		{0, 14, 15, 12, 10, 8, 14, 10, 14, 14, 10, 14, 10, 7, 12, 8, 4},
		{0, 0, 13, 14, 11, 9, 13, 9, 13, 10, 13, 9, 13, 9, 11, 7, 3},
		{0, 0, 0, 12, 11, 10, 9, 8, 13, 12, 12, 12, 8, 12, 10, 6, 2},
	},
}

// chromaDCToken is the nC = -1 column of Table 9-5, by [TrailingOnes][TotalCoeff].
var chromaDCToken = [4][5]vlc{
	{{1, 2}, {7, 6}, {4, 6}, {3, 6}, {2, 6}},
	{{}, {1, 1}, {6, 6}, {3, 7}, {3, 8}},
	{{}, {}, {1, 3}, {2, 7}, {2, 8}},
	{{}, {}, {}, {5, 6}, {0, 7}},
}

// totalZerosLen and totalZerosCode are Tables 9-7 and 9-8, by [TotalCoeff-1][total_zeros].
var totalZerosLen = [15][16]uint8{
	{1, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 9},
	{3, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 6, 6, 6, 6},
	{4, 3, 3, 3, 4, 4, 3, 3, 4, 5, 5, 6, 5, 6},
	{5, 3, 4, 4, 3, 3, 3, 4, 3, 4, 5, 5, 5},
	{4, 4, 4, 3, 3, 3, 3, 3, 4, 5, 4, 5},
	{6, 5, 3, 3, 3, 3, 3, 3, 4, 3, 6},
	{6, 5, 3, 3, 3, 2, 3, 4, 3, 6},
	{6, 4, 5, 3, 2, 2, 3, 3, 6},
	{6, 6, 4, 2, 2, 3, 2, 5},
	{5, 5, 3, 2, 2, 2, 4},
	{4, 4, 3, 3, 1, 3},
	{4, 4, 2, 1, 3},
	{3, 3, 1, 2},
	{2, 2, 1},
	{1, 1},
}

var totalZerosCode = [15][16]uint8{
	{1, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 1},
	{7, 6, 5, 4, 3, 5, 4, 3, 2, 3, 2, 3, 2, 1, 0},
	{5, 7, 6, 5, 4, 3, 4, 3, 2, 3, 2, 1, 1, 0},
	{3, 7, 5, 4, 6, 5, 4, 3, 3, 2, 2, 1, 0},
	{5, 4, 3, 7, 6, 5, 4, 3, 2, 1, 1, 0},
	{1, 1, 7, 6, 5, 4, 3, 2, 1, 1, 0},
	{1, 1, 5, 4, 3, 3, 2, 1, 1, 0},
	{1, 1, 1, 3, 3, 2, 2, 1, 0},
	{1, 0, 1, 3, 2, 1, 1, 1},
	{1, 0, 1, 3, 2, 1, 1},
	{0, 1, 1, 2, 1, 3},
	{0, 1, 1, 1, 1},
	{0, 1, 1, 1},
	{0, 1, 1},
	{0, 1},
}

// chromaDCTotalZeros is Table 9-9 (a), by [TotalCoeff-1][total_zeros].
var chromaDCTotalZeros = [3][4]vlc{
	{{1, 1}, {1, 2}, {1, 3}, {0, 3}},
	{{1, 1}, {1, 2}, {0, 2}},
	{{1, 1}, {0, 1}},
}

// runBefore is Table 9-10, by [min(zerosLeft, 7)-1][run_before].
var runBefore = [7][15]vlc{
	{{1, 1}, {0, 1}},
	{{1, 1}, {1, 2}, {0, 2}},
	{{3, 2}, {2, 2}, {1, 2}, {0, 2}},
	{{3, 2}, {2, 2}, {1, 2}, {1, 3}, {0, 3}},
	{{3, 2}, {2, 2}, {3, 3}, {2, 3}, {1, 3}, {0, 3}},
	{{3, 2}, {0, 3}, {1, 3}, {3, 3}, {2, 3}, {5, 3}, {4, 3}},
	{
		{7, 3}, {6, 3}, {5, 3}, {4, 3}, {3, 3}, {2, 3}, {1, 3}, {1, 4}, {1, 5}, {1, 6}, {1, 7}, {1, 8}, {1, 9},
		{1, 10}, {1, 11},
	},
}

// codedBlockPatterns is Table 9-4: the coded_block_pattern of each codeNum, for Intra_4x4 and for Inter prediction.
var (
	codedBlockPatternIntra = [48]uint8{
		47, 31, 15, 0, 23, 27, 29, 30, 7, 11, 13, 14, 39, 43, 45, 46,
		16, 3, 5, 10, 12, 19, 21, 26, 28, 35, 37, 42, 44, 1, 2, 4,
		8, 17, 18, 20, 24, 6, 9, 22, 25, 32, 33, 34, 36, 40, 38, 41,
	}
	codedBlockPatternInter = [48]uint8{
		0, 16, 1, 2, 4, 8, 32, 3, 5, 10, 12, 15, 47, 7, 11, 13,
		14, 6, 9, 31, 35, 37, 42, 44, 33, 34, 36, 40, 39, 43, 45, 46,
		17, 18, 20, 24, 19, 21, 26, 28, 23, 27, 29, 30, 22, 25, 38, 41,
	}
)

// cavlcTables are the tables above in the shape the writer wants, one per encoder.
type cavlcTables struct {
	token      [4][4][17]vlc // by class, TrailingOnes, TotalCoeff; class 3 is nC >= 8
	totalZeros [16][16]vlc   // by TotalCoeff
	classOf    [17]uint8     // by nC
	cbpIntra   [48]uint8     // codeNum by coded_block_pattern
	cbpInter   [48]uint8
}

func newCAVLCTables() *cavlcTables {
	t := &cavlcTables{}
	for class := range 3 {
		for ones := range 4 {
			for total := range 17 {
				t.token[class][ones][total] = vlc{
					uint16(coeffTokenCode[class][ones][total]), coeffTokenLen[class][ones][total],
				}
			}
		}
	}
	for ones := range 4 {
		for total := max(ones, 1); total <= 16; total++ {
			t.token[3][ones][total] = vlc{uint16(total-1)<<2 | uint16(ones), 6}
		}
	}
	t.token[3][0][0] = vlc{3, 6}
	for total := range 15 {
		for zeros := range 16 {
			t.totalZeros[total+1][zeros] = vlc{uint16(totalZerosCode[total][zeros]), totalZerosLen[total][zeros]}
		}
	}
	for nC := range t.classOf {
		switch {
		case nC >= 8:
			t.classOf[nC] = 3
		case nC >= 4:
			t.classOf[nC] = 2
		case nC >= 2:
			t.classOf[nC] = 1
		}
	}
	for code := range 48 {
		t.cbpIntra[codedBlockPatternIntra[code]] = uint8(code)
		t.cbpInter[codedBlockPatternInter[code]] = uint8(code)
	}
	return t
}
