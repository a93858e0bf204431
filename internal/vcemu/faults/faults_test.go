package faults

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/camkrazy/camkrazy/internal/vcemu"
)

var streams = []Stream{{"hqstream", 1640, 1232, 8_000_000}, {"lqstream", 640, 480, 1_000_000}}

func TestParse(t *testing.T) {
	got, err := Parse("45s:disconnect, 10s:stall:lqstream,1m30s:nocamera", streams)
	want := []Fault{
		{After: 10 * time.Second, Kind: vcemu.Stall, Stream: streams[1]},
		{After: 45 * time.Second, Kind: vcemu.Disconnect},
		{After: 90 * time.Second, Kind: vcemu.RefuseCamera},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, %s", err, diff)
	}
	for _, f := range got {
		again, err := Parse(f.String(), streams)
		if err != nil || len(again) != 1 || again[0] != f {
			t.Errorf("%v is read as %v (%v)", f, again, err)
		}
	}
}

// TestEveryFault holds that the names are those that the command line's documentation has.
func TestEveryFault(t *testing.T) {
	names := []string{"stall", "freeze", "lockup", "bulk", "sensor", "silent", "disconnect", "nocamera"}
	for _, name := range names {
		if got, err := Parse("0s:"+name, streams); err != nil || got[0].Kind.String() != name {
			t.Errorf("%s is read as %v (%v)", name, got, err)
		}
	}
	if diff := cmp.Diff(names, vcemu.FaultNames()); diff != "" {
		t.Error(diff)
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct{ script, want string }{
		{"", "is not AFTER:FAULT"},
		{"stall", "is not AFTER:FAULT"},
		{"1s:stall:lqstream:now", "is not AFTER:FAULT"},
		{"10:stall", `"10" is no time`},
		{"-1s:stall", `"-1s" is no time`},
		{"1s:stal", `"stal" is none of stall, freeze`},
		{"1s:silent:lqstream", "silent is not of one stream"},
		{"1s:stall,2s:freeze:lq", `there is no stream "lq", only hqstream, lqstream`},
	}
	for _, tt := range tests {
		_, err := Parse(tt.script, streams)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %v, want one line with %q", tt.script, err, tt.want)
		}
	}
}
