package live

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestTimelineHasNoGaps holds for pictures of any spacing that each begins where the one before ended, that none is without
// duration, and that what is steady is shown at its own pace.
func TestTimelineHasNoGaps(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name  string
		rate  float64
		steps []time.Duration // from picture to picture, the last one over and over
		late  time.Duration   // how far behind the capture times the end may be in the end
	}{
		{"as announced", 30, []time.Duration{time.Second / 30}, ms},
		{"slow", 5, []time.Duration{200 * ms}, ms},
		{"much faster than announced", 5, []time.Duration{33 * ms}, ms},
		{"slower than announced", 30, []time.Duration{66 * ms}, ms},
		{"one picture lost", 5, []time.Duration{200 * ms, 200 * ms, 400 * ms, 200 * ms}, ms},
		{"many pictures lost", 30, []time.Duration{33 * ms, 1900 * ms, 33 * ms}, ms},
		{"a pause", 30, []time.Duration{33 * ms, 10 * time.Second, 33 * ms}, ms},
		{"the clock begins anew", 30, []time.Duration{33 * ms, -time.Hour, 33 * ms}, ms},
		{"nothing announced", 0, []time.Duration{40 * ms}, ms},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			line := newTimeline(tt.rate)
			pts := time.Hour * 30
			var end, next uint64
			for i := range 200 {
				start, duration := line.place(pts)
				if start != next || duration == 0 {
					t.Fatalf("picture %d begins at %d for %d, want it at %d", i, start, duration, next)
				}
				if i == 100 {
					end = start + uint64(duration)
				}
				next = start + uint64(duration)
				pts += tt.steps[min(i, len(tt.steps)-1)]
			}
			steady := tt.steps[len(tt.steps)-1]
			want := steady * 99
			got := time.Duration(next-end) * time.Second / timescale
			if diff := got - want; diff < -tt.late || diff > tt.late {
				t.Errorf("99 pictures took %v, want %v", got, want)
			}
		})
	}
}

// TestTimelineTakesAnything holds the rules for capture times that make no sense.
func TestTimelineTakesAnything(t *testing.T) {
	seed := [2]uint64{1, 2}
	random := rand.New(rand.NewPCG(seed[0], seed[1]))
	line := newTimeline(30)
	var next uint64
	for i := range 100_000 {
		start, duration := line.place(time.Duration(random.Int64N(int64(5 * time.Second))))
		if start != next || duration == 0 || duration > 2*maxPause {
			t.Fatalf("picture %d begins at %d for %d, want it at %d", i, start, duration, next)
		}
		next = start + uint64(duration)
	}
}
