package systest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// backLimit is how long a killed daemon's feeds may be away: in the median, and never twice as long, for this machine does
// other things too, and starts a player each time.
const backLimit = 3 * time.Second

// testSupervision kills the daemon again and again, and holds that both feeds are back in time.
func testSupervision(t *testing.T, p product, e effort) {
	b := newBoard(t, p)
	b.start(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var watchers []*watcher
	for _, f := range feeds {
		watchers = append(watchers, watch(ctx, b, f))
	}
	for _, w := range watchers {
		if err := waitPicture(ctx, w, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	var away []time.Duration
	for i := range e.kills {
		killed := time.Now()
		if err := b.killDaemon(ctx); err != nil {
			t.Fatalf("kill %d: %v", i, err)
		}
		var worst time.Duration
		for _, w := range watchers {
			if err := waitPicture(ctx, w, killed); err != nil {
				t.Fatalf("kill %d: %s does not come back: %v", i, w.feed.name, err)
			}
			worst = max(worst, w.firstPicture().Sub(killed))
		}
		away = append(away, worst)
	}
	stop()
	for _, w := range watchers {
		w.wait()
	}
	slices.Sort(away)
	median, worst := away[len(away)/2], away[len(away)-1]
	if limit := e.slack * backLimit; median > limit || worst > 2*limit {
		t.Errorf("both feeds are back after %v in the median and %v at worst, want %v", median, worst, limit)
	}
	t.Logf("%d kills: pictures of both feeds again after %.1f s in the median, %.1f s at worst (players' start included)",
		len(away), median.Seconds(), worst.Seconds())
	if n := b.Boots(); n != 1 {
		t.Errorf("the board booted %d times", n)
	}
}

// waitPicture waits for a picture of a connection made after a time.
func waitPicture(ctx context.Context, w *watcher, since time.Time) error {
	ctx, cancel := context.WithTimeoutCause(ctx, bootTimeout, fmt.Errorf("no picture for %v", bootTimeout))
	defer cancel()
	return w.pictureAfter(ctx, since)
}
