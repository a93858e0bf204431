package frigate

import (
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	tests := []struct {
		name string
		r    Recording
		want string // in the error; "" is none
	}{
		{"good", Recording{Segments: []time.Duration{10 * time.Second, 10900 * time.Millisecond}, Log: "[mp4] a harmless warning\n"}, ""},
		{"short", Recording{Segments: []time.Duration{10 * time.Second, 8 * time.Second}}, "segment 1 is 8.00 s long"},
		{"long", Recording{Segments: []time.Duration{3610 * time.Second, 10 * time.Second}}, "segment 0 is 3610.00 s long"},
		{"few", Recording{Segments: []time.Duration{10 * time.Second}}, "1 segments, want 2"},
		{"backwards", Recording{
			Segments: []time.Duration{10 * time.Second, 10 * time.Second},
			Log:      "[segment] Non-monotonic DTS; previous: 900, current: 890\n",
		}, "Non-monotonic"},
		{"without time", Recording{
			Segments: []time.Duration{10 * time.Second, 10 * time.Second}, Log: "[mp4] Timestamps are unset in a packet\n",
		}, "unset"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.r.Check(2, time.Second, 0)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
