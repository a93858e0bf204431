package systest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// TestSystem builds the image once and gives it to each scenario, which boots a copy of its own.
func TestSystem(t *testing.T) {
	if os.Getenv("CAMKRAZY_SYSTEST") == "" {
		t.Skip("boots virtual machines for minutes: run `make systest`")
	}
	e := newEffort(t)
	p := build(t)
	t.Run("image", func(t *testing.T) { testImage(t, p) })
	t.Run("appliance", func(t *testing.T) { testAppliance(t, p, e) })
	t.Run("supervision", func(t *testing.T) { testSupervision(t, p, e) })
	t.Run("update", func(t *testing.T) { testUpdate(t, p, e) })
	t.Run("videocore", func(t *testing.T) { testVideoCore(t, p, e) })
	t.Run("other firmware", func(t *testing.T) { testOtherFirmware(t, p, e) })
}

// effort is how long to look: enough for each change, or LONG=1 for a release.
type effort struct {
	long       bool
	slack      time.Duration // what limits of time are multiplied by, for CI shares its machine; LONG=1 holds them as they are
	play       time.Duration // of both feeds
	quiet      time.Duration // in which nothing may be written to the card
	kills      int           // of the daemon
	powerCuts  int           // during updates
	stream     time.Duration // from a board with the kernel's own driver
	clock      time.Duration // of recording while the clock is set
	fullSize   time.Duration // the same with the product's default pictures
	boardKills int           // of its daemon
	bootCuts   []int64       // power cuts while the boot partition is written, in percent of it
	soak       time.Duration // of random faults; 0 is none
	seed       uint64        // of the power cuts' moments
}

func newEffort(t *testing.T) effort {
	e := effort{slack: 2, play: 20 * time.Second, quiet: 30 * time.Second, kills: 5, powerCuts: 2, stream: 30 * time.Second, clock: 45 * time.Second, fullSize: 30 * time.Second, boardKills: 5, bootCuts: []int64{90}, seed: rand.Uint64()}
	if long := os.Getenv("LONG"); long != "" && long != "0" {
		e = effort{long: true, slack: 1, soak: time.Hour, play: 30 * time.Second, quiet: 10 * time.Minute, kills: 100, powerCuts: 20, stream: 30 * time.Minute, clock: 30 * time.Minute, fullSize: 10 * time.Minute, boardKills: 200, bootCuts: []int64{1, 25, 50, 75, 85, 90, 95}, seed: e.seed}
	}
	if text := os.Getenv("SOAK"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("SOAK: %v", err)
		}
		e.soak = d
	}
	if text := os.Getenv("SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("SEED: %v", err)
		}
		e.seed = seed
	}
	t.Logf("SEED=%d", e.seed)
	return e
}
