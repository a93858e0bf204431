package rtspd

import (
	"sync"
	"time"
)

const (
	// clockRate is that of the RTP timestamps in 1/s (RFC 6184 section 8.2.1).
	clockRate = 90_000

	// clockWindow is how often the mapping is looked at for drift between the sensor's clock and ours.
	clockWindow = 10 * time.Second

	// clockSlack is how far the mapping may be off before it is corrected: it should not follow every jitter.
	clockSlack = 10 * time.Millisecond

	// clockMaxAge is older than any picture the camera's short queues can hold: what seems older has a new time base.
	clockMaxAge = 5 * time.Second
)

// clock maps capture times (PTS) to RTP timestamps and to wall-clock time. All streams of a server share one, so that
// pictures of one instant have one RTP timestamp and one NTP time, and a viewer can align the streams.
//
// The wall time of a capture is the present wall time minus the picture's age, and the age is measured on the
// monotonic clock. So a step of the wall clock shows in the next picture's wall time, and in nothing but the sender
// reports: at once in the one that a new session begins with, but in the later ones, which gortsplib writes every 10 s,
// only after the next IDR picture or parameter sets, because it takes no other packet's wall time.
type clock struct {
	offset uint32    // of the RTP timestamps, random (RFC 3550 section 5.1)
	start  time.Time // origin of the monotonic readings

	mu     sync.Mutex
	set    bool
	zero   time.Duration // monotonic time at which the sensor's clock was zero, by the least delayed picture
	minAge time.Duration // least age in the present window
	window time.Duration // monotonic start of the present window
}

func newClock(offset uint32) *clock {
	return &clock{offset: offset, start: time.Now()}
}

// rtp returns the RTP timestamp of pts: 90 kHz, calculated from PTS zero, so that it does not drift.
func (c *clock) rtp(pts time.Duration) uint32 {
	return c.offset + uint32(pts.Microseconds()*(clockRate/10_000)/100)
}

// captured returns the wall-clock time of the capture at pts of a picture that has just arrived.
func (c *clock) captured(pts time.Duration) time.Time {
	now := time.Now()
	return c.capturedAt(pts, now.Round(0), now.Sub(c.start))
}

// capturedAt is captured for a picture that arrived at wall, when the monotonic clock showed mono.
func (c *clock) capturedAt(pts time.Duration, wall time.Time, mono time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()

	age := mono - pts - c.zero
	if !c.set || age < 0 || age > clockMaxAge {
		c.set = true
		c.zero = mono - pts
		c.minAge, c.window = 0, mono
		return wall
	}
	c.minAge = min(c.minAge, age)
	if mono-c.window >= clockWindow {
		if c.minAge > clockSlack {
			c.zero += c.minAge
			age -= c.minAge
		}
		c.minAge, c.window = clockMaxAge, mono
	}
	return wall.Add(-age)
}

// ntpTime converts to NTP's format: seconds since 1900 in the upper, fractions in the lower half (RFC 3550 section 4).
func ntpTime(t time.Time) uint64 {
	const since1900 = 2208988800
	return uint64(t.Unix()+since1900)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}
