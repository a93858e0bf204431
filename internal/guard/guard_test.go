package guard

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/lifesign"
	"github.com/camkrazy/camkrazy/internal/recovery"
)

// world is a board with one program on it.
type world struct {
	mu      sync.Mutex
	sign    lifesign.Sign
	broken  bool // the sign cannot be read
	stopped bool // the program gives no signs
	stuck   bool // the program does not end when it is killed
	gone    bool
	kills   int
	reboots []string
	gap     time.Duration
	busy    string
	booted  time.Time
}

func (w *world) Alive() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.gone
}

func (w *world) Kill() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kills++
	w.gone = !w.stuck
	w.stopped = true
	return nil
}

func (w *world) set(f func(w *world)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(w)
}

// beat is the program.
func (w *world) beat(ctx context.Context) {
	for ctx.Err() == nil {
		w.set(func(w *world) {
			if !w.stopped && !w.gone {
				w.sign.Beat++
			}
		})
		select {
		case <-time.After(lifesign.Period):
		case <-ctx.Done():
		}
	}
}

// run has a guard watch for some time, in which f does something to the world.
func run(t *testing.T, w *world, d time.Duration, f func(*world)) {
	synctest.Test(t, func(t *testing.T) {
		w.sign.PID, w.booted = 100, time.Now()
		g := New(Config{
			Read: func() (lifesign.Sign, error) {
				w.mu.Lock()
				defer w.mu.Unlock()
				if w.broken {
					return lifesign.Sign{}, errors.New("half written")
				}
				return w.sign, nil
			},
			Find: func(pid int) (Process, error) {
				w.mu.Lock()
				defer w.mu.Unlock()
				if pid != 100 || w.gone {
					return nil, errors.New("another program")
				}
				return w, nil
			},
			Memory:    func() (uint64, uint64) { return 0, 0 },
			Uptime:    func() time.Duration { return time.Since(w.booted) },
			RebootGap: func() time.Duration { return w.gap },
			Busy:      func() string { return w.busy },
			Reboot:    func(reason string, p Process) { w.set(func(w *world) { w.reboots = append(w.reboots, reason) }) },
			Log:       slog.New(slog.DiscardHandler),
		})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { w.beat(ctx) })
		wg.Go(func() { g.Run(ctx) })
		time.Sleep(5*time.Second + 100*time.Millisecond)
		f(w)
		time.Sleep(d)
		cancel()
		wg.Wait()
	})
}

func TestGuard(t *testing.T) {
	stop := func(w *world) { w.set(func(w *world) { w.stopped = true }) }
	ask := func(w *world) { w.set(func(w *world) { w.sign.Reboot = "dead" }) }
	tests := []struct {
		name    string
		w       *world
		do      func(*world)
		watch   time.Duration
		kills   int
		reboots int
	}{
		{"all is well", &world{}, func(*world) {}, 24 * time.Hour, 0, 0},
		{"stands still for a moment", &world{}, func(w *world) {
			stop(w)
			time.Sleep(4 * time.Second)
			w.set(func(w *world) { w.stopped = false })
		}, time.Hour, 0, 0},
		{"stands still", &world{}, stop, 10 * time.Second, 1, 0},
		{"stands still, and was killed", &world{}, stop, time.Hour, 1, 0},
		{"cannot be killed", &world{stuck: true}, stop, 20 * time.Second, 1, 1},
		{"cannot be killed, and the last reboot was short ago", &world{stuck: true, gap: time.Hour}, stop, 50 * time.Minute, 1, 0},
		{"the same, later", &world{stuck: true, gap: time.Hour}, stop, time.Hour + time.Minute, 1, 1},
		{"asks for a reboot", &world{}, ask, 3 * time.Second, 0, 1},
		{"asks for a reboot during an update", &world{busy: "update"}, ask, time.Hour, 0, 0},
		{"asks for a reboot that fails", &world{}, ask, again + again/2, 0, 2},
		{"is gone", &world{}, func(w *world) { w.set(func(w *world) { w.gone = true }) }, time.Hour, 0, 0},
		{"is another program now", &world{}, func(w *world) {
			w.set(func(w *world) { w.gone, w.sign.PID = true, 101 })
		}, time.Hour, 0, 0},
		{"sign cannot be read for a moment", &world{}, func(w *world) {
			w.set(func(w *world) { w.broken = true })
			time.Sleep(3 * time.Second)
			w.set(func(w *world) { w.broken = false })
		}, time.Hour, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := tt.w
			run(t, w, tt.watch, tt.do)
			if w.kills != tt.kills || len(w.reboots) != tt.reboots {
				t.Errorf("%d kills and reboots %q, want %d and %d", w.kills, w.reboots, tt.kills, tt.reboots)
			}
		})
	}
}

// TestMachineStoodStill holds that a time in which nothing ran, the guard included, does not count against the program.
func TestMachineStoodStill(t *testing.T) {
	w := &world{sign: lifesign.Sign{PID: 100, Beat: 1}}
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{
			Read:   func() (lifesign.Sign, error) { return w.sign, nil },
			Find:   func(int) (Process, error) { return w, nil },
			Memory: func() (uint64, uint64) { return 0, 0 },
			Log:    slog.New(slog.DiscardHandler),
		})
		g.looked = time.Now()
		g.look()
		time.Sleep(time.Minute)
		for range 10 {
			g.look()
			time.Sleep(period)
		}
		if w.kills > 0 {
			t.Error("the program was killed for what the machine did")
		}
	})
}

func TestGap(t *testing.T) {
	r := recovery.Record{InARow: 1}
	if got := Gap(r, true); got != r.RebootGap() || got == 0 {
		t.Errorf("got %v", got)
	}
	if got := Gap(recovery.Record{}, false); got != recovery.MostRebootGap {
		t.Errorf("without memory: got %v", got)
	}
}
