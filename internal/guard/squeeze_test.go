package guard

import (
	"testing"
	"time"
)

// TestSqueeze holds that little memory for a moment is no reason to end anybody, and that there is time between two.
func TestSqueeze(t *testing.T) {
	const total = 480 << 20
	low := func(from, to time.Duration) func(time.Duration) bool {
		return func(at time.Duration) bool { return at >= from && at < to }
	}
	tests := []struct {
		name string
		low  func(time.Duration) bool
		want int // programs ended in a minute
	}{
		{"enough", low(0, 0), 0},
		{"a moment", low(10*time.Second, 11*time.Second), 0},
		{"for good", low(10*time.Second, 12*time.Second), 1},
		{"ending one does not help", low(10*time.Second, time.Minute), 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s Squeeze
			start := time.Now()
			n := 0
			for at := time.Duration(0); at < time.Minute; at += period {
				available := uint64(total / 10)
				if tt.low(at) {
					available = total / 50
				}
				if s.Look(total, available, start.Add(at)) {
					n++
				}
			}
			if n != tt.want {
				t.Errorf("%d programs are ended, want %d", n, tt.want)
			}
		})
	}
}
