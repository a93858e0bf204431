package recovery

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clock makes a Ladder's Now of a bubble's time.
func clock() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

// TestClimb holds the order of steps when nothing helps: each is tried as often as the documentation says.
func TestClimb(t *testing.T) {
	s, p, c, r := RebuildStream, RebuildPipeline, Reconnect, Restart
	tests := []struct {
		name  string
		fault Fault
		each  time.Duration // that an action takes
		boot  bool          // somebody can reboot
		want  []Step
	}{
		{"one stream", Fault{Stream: "lq"}, 4 * time.Second, true, []Step{s, s, p, p, c, c, c, r}},
		{"all", Fault{}, 4 * time.Second, true, []Step{p, p, c, c, c, r}},
		{"connection", Fault{Least: Reconnect}, 8 * time.Second, true, []Step{c, c, c, r}},
		{"process", Fault{Least: Restart}, 0, true, []Step{r}},
		{"stuck", Fault{Least: Reboot}, 0, true, []Step{c}},
		{"stuck, and nobody can reboot", Fault{Least: Reboot}, 0, false, []Step{r}},
		{"no more than a pipeline", Fault{Stream: "lq", Most: p}, 4 * time.Second, true, []Step{s, s, p, p, p, p}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := New(Config{Now: clock(), CanReboot: tt.boot})
				tt.fault.Reason = "some reason"
				var got []Step
				for range tt.want {
					a := l.Decide(tt.fault)
					got = append(got, a.Step)
					time.Sleep(a.Pause + tt.each)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
				if wanted := l.Wanted() != ""; wanted != (tt.boot && tt.fault.Least == Reboot) {
					t.Errorf("a reboot is wanted: %v", wanted)
				}
			})
		})
	}
}

// TestQuickAttempts holds that trouble has to be some time old before the process is restarted.
func TestQuickAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, began := New(Config{Now: clock(), CanReboot: true}), time.Now()
		n := 0
		for a := l.Decide(Fault{}); a.Step < Restart; a = l.Decide(Fault{}) {
			time.Sleep(a.Pause)
			n++
		}
		if took := time.Since(began); took < restartAge || took > restartAge+5*time.Second || n > 20 {
			t.Errorf("restart after %v and %d attempts", took, n)
		}
	})
}

// TestSettle holds that trouble begins at the bottom again after Settle, and not before.
func TestSettle(t *testing.T) {
	for _, well := range []time.Duration{Settle - time.Second, Settle} {
		synctest.Test(t, func(t *testing.T) {
			l := New(Config{Now: clock()})
			for range 3 {
				l.Decide(Fault{Stream: "lq"})
			}
			l.Healthy()
			time.Sleep(well)
			want := RebuildPipeline
			if well >= Settle {
				want = RebuildStream
			}
			if a := l.Decide(Fault{Stream: "lq"}); a.Step != want {
				t.Errorf("after %v: got %v, want %v", well, a.Step, want)
			}
		})
	}
}

// TestRelapses holds that trouble which comes back soon after it has settled is mended at once from the bottom at first,
// and climbed for when that goes on.
func TestRelapses(t *testing.T) {
	for _, well := range []time.Duration{Settle, Over - time.Second, Over} {
		synctest.Test(t, func(t *testing.T) {
			l := New(Config{Now: clock(), CanReboot: true})
			const most = 50
			n, wanted := 0, false
			for ; n < most && !wanted; n++ {
				l.Unwell() // as whoever sees the fault says before
				a := l.Decide(Fault{Stream: "lq", Reason: "some reason"})
				if n <= freeRelapses && a != (Action{Step: RebuildStream}) {
					t.Errorf("%v between: time %d: got %+v", well, n, a)
				}
				wanted = l.Wanted() != ""
				time.Sleep(a.Pause + time.Second)
				l.Healthy()
				time.Sleep(well)
				l.Healthy()
			}
			if wanted != (well < Over) {
				t.Errorf("%v between: a reboot was wanted after %d times: %v", well, n, wanted)
			}
		})
	}
}

// TestUselessRestarts holds that a restart is of use when all has been well for Over.
func TestUselessRestarts(t *testing.T) {
	for well, want := range map[time.Duration]int{Settle: 1, Over - time.Second: 1, Over: 0} {
		synctest.Test(t, func(t *testing.T) {
			l := New(Config{Now: clock(), CanReboot: true})
			l.Decide(Fault{Least: Restart})
			l.Healthy()
			time.Sleep(well)
			l.Healthy()
			if n := len(l.Record().Useless); n != want {
				t.Errorf("after %v %d restarts were of no use, want %d", well, n, want)
			}
		})
	}
}

// TestOneStream holds that the tries of one stream are not those of another.
func TestOneStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{Now: clock()})
		for _, stream := range []string{"hq", "lq", "hq", "lq"} {
			if a := l.Decide(Fault{Stream: stream}); a.Step != RebuildStream {
				t.Errorf("%s: got %v", stream, a.Step)
			}
		}
		if diff := cmp.Diff(map[string]int{"hq": 2, "lq": 2}, l.Record().Streams); diff != "" {
			t.Error(diff)
		}
	})
}

// board is a machine on which processes are restarted and which reboots when that is wanted and its record allows it.
type board struct {
	booted  time.Time
	record  Record // of this boot
	perm    Record
	ladder  *Ladder
	reboots []time.Duration // uptimes at which they came
	starts  int
}

func (b *board) uptime() time.Duration { return time.Since(b.booted) }

func (b *board) boot() {
	b.booted, b.record = time.Now(), b.perm
	b.start()
}

func (b *board) start() {
	b.starts++
	b.ladder = New(Config{Now: b.uptime, CanReboot: true, Record: b.record, Save: func(r Record) { b.record = r }})
}

// watch reboots if it has to be.
func (b *board) watch() {
	if b.ladder.Wanted() == "" || b.uptime() < b.record.RebootGap() {
		return
	}
	b.reboots = append(b.reboots, b.uptime())
	b.perm = b.record.NextBoot()
	time.Sleep(20 * time.Second)
	b.boot()
}

// act does what the ladder says about a fault that nothing helps against.
func (b *board) act(f Fault) Action {
	a := b.ladder.Decide(f)
	time.Sleep(a.Pause)
	if a.Step == Restart {
		b.ladder.Close()
		time.Sleep(time.Second)
		b.start()
	}
	b.watch()
	return a
}

// TestHopeless has a fault that nothing helps against for two days: the reboots' distances grow up to an hour, and there are
// never more than a few attempts in a minute.
func TestHopeless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &board{}
		b.boot()
		attempts := 0
		for began := time.Now(); time.Since(began) < 48*time.Hour; attempts++ {
			b.act(Fault{Least: Reconnect, Reason: "dead"})
			time.Sleep(3 * time.Second) // each attempt needs that
		}
		if n := len(b.reboots); n < 40 || n > 60 {
			t.Fatalf("%d reboots in two days, want one an hour in the end", n)
		}
		for i, at := range b.reboots {
			if i > 0 && at < min(MostRebootGap, firstRebootGap<<min(i-1, 5)) {
				t.Errorf("reboot %d comes %v after the one before", i, at)
			}
		}
		if last := b.reboots[len(b.reboots)-1]; last < MostRebootGap {
			t.Errorf("the last one comes %v after the one before", last)
		}
		if attempts > 48*60*4 {
			t.Errorf("%d attempts in two days", attempts)
		}
		if b.perm.Reboots != len(b.reboots) {
			t.Errorf("%d reboots are counted, of %d", b.perm.Reboots, len(b.reboots))
		}
	})
}

// TestCrashes has a process that dies as soon as it starts.
func TestCrashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &board{}
		b.boot()
		began := time.Now()
		for b.ladder.Wanted() == "" && b.starts < 100 {
			time.Sleep(2 * time.Second)
			b.start()
		}
		if took := time.Since(began); b.starts < crashTries || took < crashAge || took > 2*crashAge {
			t.Errorf("a reboot is wanted after %d starts in %v", b.starts, took)
		}
		b.ladder.Healthy()
		if w := b.ladder.Wanted(); w != "" {
			t.Errorf("a reboot is wanted though all is well: %s", w)
		}
	})
}

// TestKills holds that a process that is killed again and again, but works each time, is no reason to reboot.
func TestKills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &board{}
		b.boot()
		for range 200 {
			time.Sleep(2 * time.Second)
			b.ladder.Healthy()
			b.start()
			if w := b.ladder.Wanted(); w != "" {
				t.Fatalf("start %d: %s", b.starts, w)
			}
		}
	})
}

// TestNoReboot holds what a person would not forgive: a reboot for a fault that says that it is no reason for one.
func TestNoReboot(t *testing.T) {
	for _, most := range []Step{RebuildStream, RebuildPipeline, Reconnect, Restart} {
		synctest.Test(t, func(t *testing.T) {
			b := &board{}
			b.boot()
			restarts := 0
			for began := time.Now(); time.Since(began) < 7*24*time.Hour; {
				a := b.act(Fault{Stream: "lq", Most: most})
				if a.Step > most {
					t.Fatalf("at most %v: got %v", most, a.Step)
				}
				if a.Step == Restart {
					restarts++
				}
			}
			if len(b.reboots) > 0 {
				t.Errorf("at most %v: %d reboots", most, len(b.reboots))
			}
			if restarts > 7*24+20 {
				t.Errorf("at most %v: %d restarts in a week", most, restarts)
			}
		})
	}
}

// TestRandom has random faults, each of which one step, or time, ends. Whatever comes, no four actions are nearer to each
// other than the floor, and when faults stop, all is well soon and stays so.
func TestRandom(t *testing.T) {
	seeds := 200
	if testing.Short() {
		seeds = 20
	}
	for seed := range uint64(seeds) {
		synctest.Test(t, func(t *testing.T) { randomFaults(t, seed) })
	}
}

// trouble is a fault of the test's: it ends when a step of at least cure is taken, or at its time.
type trouble struct {
	Fault
	cure Step
	ends time.Time
}

func randomFaults(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	b := &board{}
	b.boot()
	var at []time.Time
	var now *trouble
	quiet := time.Now().Add(2 * time.Hour)
	for time.Now().Before(quiet.Add(3 * time.Hour)) {
		if now == nil && time.Now().Before(quiet) && r.IntN(20) == 0 {
			now = randomTrouble(r)
		}
		if now != nil && !now.ends.IsZero() && time.Now().After(now.ends) {
			now = nil
		}
		if now == nil {
			b.ladder.Healthy()
			b.watch()
			time.Sleep(time.Second)
			continue
		}
		boots := len(b.reboots)
		a := b.act(now.Fault)
		at = append(at, time.Now())
		if a.Step >= now.cure || len(b.reboots) > boots {
			now = nil
		}
		time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
	}
	if now != nil || b.ladder.Wanted() != "" {
		t.Errorf("seed %d: not well three hours after the last fault: %+v, %q", seed, now, b.ladder.Wanted())
	}
	for i := range len(at) - 3 {
		if span := at[i+3].Sub(at[i]); span < leastPause {
			t.Errorf("seed %d: 4 actions within %v", seed, span)
		}
	}
	for i, up := range b.reboots {
		if i > 0 && up < firstRebootGap/2 && i > 1 && b.reboots[i-1] < firstRebootGap/2 {
			t.Errorf("seed %d: three reboots within minutes: %v", seed, b.reboots)
		}
	}
	if a := b.ladder.Decide(Fault{Stream: "lq"}); a.Step != RebuildStream || a.Pause != 0 {
		t.Errorf("seed %d: after all that the first action is %+v", seed, a)
	}
}

func randomTrouble(r *rand.Rand) *trouble {
	tr := &trouble{Fault: Fault{Stream: []string{"", "hq", "lq"}[r.IntN(3)], Reason: "some reason"}, cure: Step(r.IntN(int(Reboot)) + 1)}
	if r.IntN(2) == 0 {
		tr.Least = Step(r.IntN(int(Reboot + 1)))
	}
	if r.IntN(4) == 0 {
		tr.Most = Step(r.IntN(int(Reboot)) + 1)
	}
	// What its own limit keeps from being cured, time cures.
	if tr.Most != None && tr.Most < tr.cure || r.IntN(3) == 0 {
		tr.ends = time.Now().Add(time.Duration(r.IntN(600)) * time.Second)
	}
	return tr
}

func TestRebootGap(t *testing.T) {
	var gaps []time.Duration
	var r Record
	for range 8 {
		gaps = append(gaps, r.RebootGap())
		r = r.NextBoot()
	}
	m := time.Minute
	want := []time.Duration{0, 2 * m, 4 * m, 8 * m, 16 * m, 32 * m, 60 * m, 60 * m}
	if !slices.Equal(gaps, want) {
		t.Errorf("got %v, want %v", gaps, want)
	}
	r.Steady = true
	if r.RebootGap() != 0 || r.NextBoot().InARow != 1 || r.NextBoot().Steady {
		t.Errorf("a reboot after a steady time is not the first of a new row: %+v", r.NextBoot())
	}
}
