package camera

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplitNALs(t *testing.T) {
	tests := []struct {
		name   string
		stream []byte
		want   [][]byte
	}{
		{"empty", nil, nil},
		{"no start code", []byte{1, 2, 3}, nil},
		{"one, long start code", []byte{0, 0, 0, 1, 0x67, 1}, [][]byte{{0x67, 1}}},
		{"one, short start code", []byte{0, 0, 1, 0x67, 1}, [][]byte{{0x67, 1}}},
		{"two", []byte{0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2}, [][]byte{{0x67, 1}, {0x68, 2}}},
		{"trailing zeros", []byte{0, 0, 1, 0x65, 3, 0, 0, 0}, [][]byte{{0x65, 3}}},
		{"junk in front", []byte{9, 9, 0, 0, 1, 0x65}, [][]byte{{0x65}}},
		{"empty unit", []byte{0, 0, 1, 0, 0, 1, 0x65}, [][]byte{{0x65}}},
		{"ends in start code", []byte{0, 0, 1, 0x65, 0, 0, 1}, [][]byte{{0x65}}},
		{"emulation prevention stays", []byte{0, 0, 1, 0x65, 0, 0, 3, 1}, [][]byte{{0x65, 0, 0, 3, 1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, splitNALs(nil, tt.stream)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func FuzzSplitNALs(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2})
	f.Add([]byte{0, 0, 1, 0, 0, 1})
	f.Fuzz(func(t *testing.T, stream []byte) {
		joined := []byte{}
		nals := splitNALs(nil, stream)
		for _, n := range nals {
			if len(n) == 0 {
				t.Fatal("empty NAL unit")
			}
			joined = append(append(joined, 0, 0, 1), n...)
		}
		if diff := cmp.Diff(nals, splitNALs(nil, joined)); diff != "" {
			t.Errorf("not the same after joining and splitting again:\n%s", diff)
		}
	})
}
