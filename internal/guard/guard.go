// Package guard watches a program's signs of life: it kills the program when they stand still, and has the board rebooted
// when the program asks for that, or cannot be killed.
package guard

import (
	"context"
	"log/slog"
	"time"

	"github.com/camkrazy/camkrazy/internal/lifesign"
	"github.com/camkrazy/camkrazy/internal/recovery"
)

const (
	// period is how often the sign is looked at.
	period = 500 * time.Millisecond
	// silence is when it is said that there is no sign, patience when the program is killed.
	silence  = 2 * time.Second
	patience = 6 * time.Second
	// grip is how long a killed program may take to be gone: the kernel waits in it for VideoCore, perhaps for ever.
	grip = 6 * time.Second
	// pause is how long the guard itself has to have stood still for the whole machine to have done so: that is no
	// fault of the program's.
	pause = 2 * time.Second
	// again is when an attempt to reboot counts as failed.
	again = 2 * time.Minute
)

// Process is the program, as long as it is the same one.
type Process interface {
	// Alive says that it has not been taken away by its parent.
	Alive() bool
	Kill() error
}

// Config is what a Guard watches, and what it does it with.
type Config struct {
	// Read reads the newest sign.
	Read func() (lifesign.Sign, error)
	// Find finds the process that gave a sign. The error says that it is gone, or that it is another program.
	Find func(pid int) (Process, error)
	// Uptime is the time since the machine was started.
	Uptime func() time.Duration
	// RebootGap is how long the machine has to have run before it may be rebooted.
	RebootGap func() time.Duration
	// Memory is what the machine has and what is left of it, in bytes; 0 and 0 if that is not known.
	Memory func() (total, available uint64)
	// EndLargest has the kernel end the program that has most of the memory.
	EndLargest func()
	// Busy says why the board must not be rebooted at the moment; "" if it may be.
	Busy func() string
	// Reboot reboots the board. It returns if that fails. p is the program, nil if it is gone.
	Reboot func(reason string, p Process)
	Log    *slog.Logger
}

// Guard watches one program, which its supervisor may start anew.
type Guard struct {
	cfg     Config
	sign    lifesign.Sign
	process Process   // nil if there is none to be watched
	seen    time.Time // that the sign changed
	looked  time.Time // last
	warned  bool      // that it does not
	killed  time.Time // zero if it was not
	said    string    // why the board is not rebooted yet
	tried   time.Time // to reboot
	squeeze Squeeze
}

// New makes a Guard.
func New(cfg Config) *Guard { return &Guard{cfg: cfg} }

// Run watches until ctx is done.
func (g *Guard) Run(ctx context.Context) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	g.looked = time.Now()
	for {
		g.look()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// look looks once.
func (g *Guard) look() {
	now := time.Now()
	if now.Sub(g.looked) > pause {
		g.cfg.Log.Warn("the machine stood still", "for", now.Sub(g.looked).Round(time.Millisecond))
		g.seen = now
	}
	g.looked = now
	if total, available := g.cfg.Memory(); g.squeeze.Look(total, available, now) {
		g.cfg.Log.Error("memory is used up: the kernel is asked to end a program", "available", available)
		g.cfg.EndLargest()
	}
	sign, err := g.cfg.Read()
	if err == nil && (sign.PID != g.sign.PID || sign.Beat != g.sign.Beat) {
		g.alive(sign, now)
	} else {
		g.silent(now)
	}
}

// alive takes a new sign.
func (g *Guard) alive(sign lifesign.Sign, now time.Time) {
	if sign.PID != g.sign.PID || g.process == nil {
		p, err := g.cfg.Find(sign.PID)
		if err != nil {
			p = nil
			g.cfg.Log.Info("nobody to watch over", "pid", sign.PID, "err", err)
		} else {
			g.cfg.Log.Info("watching", "pid", sign.PID)
		}
		g.process, g.killed = p, time.Time{}
	}
	if g.warned {
		g.cfg.Log.Info("signs of life again", "pid", sign.PID)
	}
	g.sign, g.seen, g.warned = sign, now, false
	if sign.Reboot == "" {
		g.said = ""
		return
	}
	g.reboot(sign.Reboot)
}

// silent sees that the sign stands still. A program that is gone is its supervisor's affair, or somebody has stopped it.
func (g *Guard) silent(now time.Time) {
	if g.process == nil {
		return
	}
	if !g.process.Alive() {
		g.process, g.warned = nil, false
		return
	}
	age := now.Sub(g.seen)
	if age > silence && !g.warned {
		g.warned = true
		g.cfg.Log.Warn("no sign of life", "pid", g.sign.PID, "for", age.Round(100*time.Millisecond))
	}
	switch {
	case g.killed.IsZero() && age > patience:
		g.killed = now
		g.cfg.Log.Error("no sign of life: the program is killed", "pid", g.sign.PID, "for", age.Round(100*time.Millisecond))
		if err := g.process.Kill(); err != nil {
			g.cfg.Log.Error("the program cannot be killed", "pid", g.sign.PID, "err", err)
		}
	case !g.killed.IsZero() && now.Sub(g.killed) > grip:
		g.reboot("the program was killed and does not end: the kernel waits in it")
	}
}

// reboot reboots the board, if it may be.
func (g *Guard) reboot(reason string) {
	if wait := g.cfg.RebootGap() - g.cfg.Uptime(); wait > 0 {
		g.say("the board is not rebooted yet: reboots before did not help", "wait", wait.Round(time.Second), "reason", reason)
		return
	}
	if busy := g.cfg.Busy(); busy != "" {
		g.say("the board is not rebooted yet", "because", busy, "reason", reason)
		return
	}
	if !g.tried.IsZero() && time.Since(g.tried) < again {
		return
	}
	g.tried = time.Now()
	g.cfg.Log.Error("the board is rebooted", "reason", reason)
	g.cfg.Reboot(reason, g.process)
	g.looked = time.Now()
}

// say says once why nothing is done.
func (g *Guard) say(what string, args ...any) {
	if g.said != what {
		g.said = what
		g.cfg.Log.Warn(what, args...)
	}
}

// Gap is how long a board has to have run before it may be rebooted, by its record. Where the record cannot be kept over a
// reboot, nobody would know how many have been in vain: then it is the longest.
func Gap(r recovery.Record, kept bool) time.Duration {
	if !kept {
		return recovery.MostRebootGap
	}
	return r.RebootGap()
}
