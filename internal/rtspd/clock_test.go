package rtspd

import (
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/ntp"
)

func TestClockRTP(t *testing.T) {
	tests := []struct {
		name   string
		offset uint32
		pts    time.Duration
		want   uint32
	}{
		{"zero", 7, 0, 7},
		{"one second", 0, time.Second, 90_000},
		{"a microsecond is less than a tick", 0, time.Microsecond, 0},
		{"a millisecond", 0, time.Millisecond, 90},
		{"30 frames of 33333 us do not drift", 0, 30 * 33333 * time.Microsecond, 89_999},
		{"wraps after 13 hours", 1, (1<<32 + 90) * time.Second / 90_000, 90},
		{"offset wraps", 0xffffffff, time.Second, 89_999},
		{"a year", 0, 365 * 24 * time.Hour, uint32(365 * 24 * 3600 * 90_000 % (1 << 32))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := newClock(tt.offset).rtp(tt.pts); got != tt.want {
				t.Errorf("rtp(%v): got %d, want %d", tt.pts, got, tt.want)
			}
		})
	}
}

// TestClockCaptured plays pictures whose capture time, delay and wall clock are known, and compares the capture time
// that the clock says with the true one.
func TestClockCaptured(t *testing.T) {
	const boot = 77 * time.Hour // PTS when our monotonic clock is 0
	epoch := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

	tests := []struct {
		name  string
		delay func(i int) time.Duration // from capture to arrival
		step  func(i int) time.Duration // of the wall clock until then
		rate  float64                   // speed of the sensor's clock against ours
		slack time.Duration             // allowed error, apart from the least delay
		from  int                       // pictures before may be off
	}{
		{name: "constant delay", delay: func(int) time.Duration { return 40 * time.Millisecond }},
		{name: "late now and then", delay: func(i int) time.Duration {
			return 40*time.Millisecond + time.Duration(i%7)*30*time.Millisecond
		}},
		{name: "first is late", from: 1, delay: func(i int) time.Duration {
			if i == 0 {
				return 840 * time.Millisecond
			}
			return 40 * time.Millisecond
		}},
		{name: "wall clock steps on", step: func(i int) time.Duration { return time.Duration(i/300) * time.Hour }},
		{name: "wall clock steps back", step: func(i int) time.Duration { return time.Duration(i/300) * -time.Hour }},
		{name: "sensor runs fast", rate: 1 + 100e-6, slack: 2 * time.Millisecond},
		{name: "sensor runs slow", rate: 1 - 100e-6, slack: clockSlack + 2*time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClock(0)
			for i := range 30 * 60 * 5 { // five minutes at 30 per second
				taken := time.Duration(i) * time.Second / 30
				pts := boot + taken
				if tt.rate != 0 {
					pts = boot + time.Duration(float64(taken)*tt.rate)
				}
				least, delay, step := time.Duration(0), time.Duration(0), time.Duration(0)
				if tt.delay != nil {
					least, delay = 40*time.Millisecond, tt.delay(i)
				}
				if tt.step != nil {
					step = tt.step(i)
				}
				mono := taken + delay
				got := c.capturedAt(pts, epoch.Add(mono+step), mono)
				if i < tt.from {
					continue
				}
				// The least delay cannot be told from the capture itself.
				want := epoch.Add(taken + least + step)
				if off := got.Sub(want).Abs(); off > tt.slack {
					t.Fatalf("picture %d: got %v, want %v, off by %v", i, got, want, off)
				}
			}
		})
	}
}

func TestClockNewBase(t *testing.T) {
	c := newClock(0)
	wall := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	c.capturedAt(77*time.Hour, wall, time.Minute)
	for _, pts := range []time.Duration{time.Second, 99 * time.Hour} {
		if got := c.capturedAt(pts, wall, time.Minute); !got.Equal(wall) {
			t.Errorf("after a jump to %v: got %v, want the time of arrival %v", pts, got, wall)
		}
	}
}

func TestNTPTime(t *testing.T) {
	for _, want := range []time.Time{
		time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2026, 2, 3, 4, 5, 6, 789_000_000, time.UTC),
		time.Date(2036, 2, 7, 6, 28, 15, 999_999_999, time.UTC),
	} {
		if off := ntp.Decode(ntpTime(want)).Sub(want).Abs(); off > time.Nanosecond {
			t.Errorf("%v: off by %v", want, off)
		}
	}
}
