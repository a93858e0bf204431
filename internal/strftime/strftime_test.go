package strftime_test

import (
	"strings"
	"testing"
	"time"

	"github.com/camkrazy/camkrazy/internal/strftime"
)

func TestFormat(t *testing.T) {
	zone := time.FixedZone("CET", 3600)
	afternoon := time.Date(2026, time.March, 4, 15, 6, 7, 0, zone)
	for _, c := range []struct{ format, want string }{
		{"", ""}, {"plain", "plain"}, {"%Y-%m-%d %H:%M:%S", "2026-03-04 15:06:07"}, {"%y %j", "26 063"},
		{"%a %A %b %B", "Wed Wednesday Mar March"}, {"%I %p", "03 PM"}, {"%Z %z", "CET +0100"}, {"[%e]", "[ 4]"},
		{"%F %T", "2026-03-04 15:06:07"}, {"%D %R", "03/04/26 15:06"}, {"%s", "1772633167"}, {"100%%Y", "100%Y"},
		{"Jan 2006 %d", "Jan 2006 04"}, {"%q", "%q"}, {"5%", "5%"},
	} {
		if got := strftime.Format(c.format, afternoon); got != c.want {
			t.Errorf("%q: %q, want %q", c.format, got, c.want)
		}
	}
	midnight := time.Date(2026, time.December, 31, 0, 0, 0, 0, time.UTC)
	if got := strftime.Format("%I %p %j %Z", midnight); got != "12 AM 365 UTC" {
		t.Errorf("midnight: %q", got)
	}
}

func TestCheck(t *testing.T) {
	const all = "%Y %m %d %H %M %S %y %j %a %A %b %B %p %I %Z %z %e %F %T %D %R %s %%"
	if err := strftime.Check(all); err != nil {
		t.Error(err)
	}
	for format, want := range map[string]string{"%Q": `"%Q"`, "a%": "lone %", "%%%": "lone %", "%-d": `"%-"`} {
		if err := strftime.Check(format); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", format, err)
		}
	}
}
