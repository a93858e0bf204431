package host

import "testing"

func TestSectorsWritten(t *testing.T) {
	const pi = "   1       0 ram0 0 0 0 0 0 0 0 0 0 0 0\n" +
		" 179       1 mmcblk0p1 70 0 4100 51 1 0 77 2 0 12 53\n" +
		" 179       0 mmcblk0 1220 404 90218 810 3 0 42 5 0 701 816 0 0 0 0\n"
	tests := []struct {
		name, diskstats string
		sectors         uint64
		ok              bool
	}{
		{"whole card, not its partition", pi, 42, true},
		{"no card", " 254 0 vda 1 2 3 4 5 6 7 8 9 10 11\n", 0, false},
		{"short line", " 179 0 mmcblk0 1 2\n", 0, false},
		{"empty", "", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sectors, ok := sectorsWritten(tt.diskstats)
			if sectors != tt.sectors || ok != tt.ok {
				t.Errorf("got %d, %v, want %d, %v", sectors, ok, tt.sectors, tt.ok)
			}
		})
	}
}

func TestResidentMemory(t *testing.T) {
	if got := ResidentMemory(); got < 1<<20 || got > 1<<36 {
		t.Errorf("got %d bytes for a running Go program", got)
	}
}
