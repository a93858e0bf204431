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
		{"in a bunch", Recording{Segments: []time.Duration{10 * time.Second, 10 * time.Second}, Together: 5}, "5 pictures came together"},
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

func TestLeaveOutTogether(t *testing.T) {
	const other = "[mp4] another warning\n"
	const backwards = "[segment @ 0x1] Non-monotonous DTS in output stream 0:0; previous: 139653, current: 134000; changing to 139654.\n"
	r := Recording{Log: other +
		"[segment @ 0x1] Non-monotonous DTS in output stream 0:0; previous: 139652, current: 139652; changing to 139653.\n" +
		"[segment @ 0x1] Non-monotonic DTS; previous: 139653, current: 139652; changing to 139654.\n" + backwards}
	r.leaveOutTogether()
	if r.Together != 2 || r.Log != other+backwards {
		t.Errorf("counted %d, and left:\n%s", r.Together, r.Log)
	}
}
