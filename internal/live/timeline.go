package live

import "time"

const (
	// timescale is the unit of decode times: 1/90000 s, in which the usual frame times are whole numbers.
	timescale = 90000
	// maxPause is the longest time between two pictures that the timeline shows. After a longer one, or when capture
	// times run backwards, it goes on as if there had been no pause.
	maxPause = 2 * timescale
	// minFrame is the shortest frame time, 1/240 s: decode times must rise.
	minFrame = timescale / 240
)

// timeline places pictures one after the other without a gap, because a player would wait in one: a picture's duration
// reaches to where the next one is expected, and what was expected wrong, the next one's makes up for.
type timeline struct {
	began  bool
	last   int64 // capture time of the picture before
	step   int64 // from the one before that to it
	offset int64 // from capture time to decode time
	next   int64 // decode time of the next picture
}

// newTimeline expects rate pictures a second; 0 is not known.
func newTimeline(rate float64) *timeline {
	if rate <= 0 {
		rate = 30
	}
	return &timeline{step: int64(timescale / rate)}
}

// place returns the decode time and the duration of the picture captured at pts.
func (t *timeline) place(pts time.Duration) (start uint64, duration uint32) {
	at := pts.Microseconds() * timescale / 1e6
	frame := t.step
	if step := at - t.last; t.began && step > 0 && step <= maxPause {
		// A single long step is a lost picture; of two, the rate has become lower.
		frame, t.step = min(step, t.step), step
	} else {
		t.offset = t.next - at
	}
	t.began, t.last = true, at
	end := max(at+t.offset+frame, t.next+minFrame)
	start, duration = uint64(t.next), uint32(end-t.next)
	t.next = end
	return start, duration
}
