package main

import (
	"context"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/camkrazy/camkrazy/internal/host"
	"github.com/camkrazy/camkrazy/internal/lifesign"
	"github.com/camkrazy/camkrazy/internal/recovery"
)

// openLadder makes the memory of what was done against trouble. It outlives the process in dir, if that is not empty.
func openLadder(dir string, log *slog.Logger) *recovery.Ladder {
	began := time.Now()
	cfg := recovery.Config{Now: func() time.Duration { return time.Since(began) }}
	if dir == "" {
		return recovery.New(cfg)
	}
	if up, ok := host.Uptime(); ok {
		cfg.Now = func() time.Duration { return up + time.Since(began) }
	}
	var err error
	if cfg.Record, err = lifesign.ReadRecord(dir, lifesign.Perm); err != nil {
		log.Warn("what was done against trouble before is not known", "err", err)
	}
	_, err = os.Stat(gokrazyInit)
	cfg.CanReboot = err == nil // camwatch is part of the image
	failed := false
	cfg.Save = func(r recovery.Record) {
		err := lifesign.WriteRecord(dir, r)
		if err != nil && !failed {
			log.Warn("what is done against trouble is not kept", "err", err)
		}
		failed = err != nil
	}
	return recovery.New(cfg)
}

// prepare sets what the kernel and the Go runtime may do to this process when memory is scarce. It is the last to be ended,
// and its heap gets a third of the memory, within bounds: of the 232 MB that gpu_mem=256 leaves of a board with 512, the
// kernel, gokrazy and the snapshots in RAM need the rest.
func prepare(log *slog.Logger) {
	const share, least, most = 3, 48 << 20, 256 << 20
	if total, ok := host.Memory(); ok && os.Getenv("GOMEMLIMIT") == "" {
		limit := min(max(int64(total.Total/share), least), most)
		debug.SetMemoryLimit(limit)
		log.Info("memory", "total", total.Total, "heap_limit", limit)
	}
	if _, err := os.Stat(gokrazyInit); err != nil {
		return
	}
	if err := host.SetOOMScore(host.KillLast); err != nil {
		log.Warn("memory pressure may end this program before others", "err", err)
	}
	if err := host.LockMemory(); err != nil {
		log.Warn("memory pressure may slow this program down", "err", err)
	}
}

// stuckAfter is when a camera that has not been seen to go on counts as stuck. Its longest wait is for a board that has
// no MMAL service, yet.
const stuckAfter = 2 * time.Minute

// beat gives signs of life as long as all parts can be asked for their state and the camera goes on. It never waits for
// the camera, so that it is not the beat that keeps a stuck camera from being noticed.
func (a *appliance) beat(ctx context.Context) error {
	tick := time.NewTicker(lifesign.Period)
	defer tick.Stop()
	sign := lifesign.Sign{PID: os.Getpid()}
	failed := false
	for {
		st := a.camera.Status()
		if a.status(); time.Since(st.Turn) < stuckAfter {
			sign.Beat++
			sign.Reboot = a.ladder.Wanted()
			err := sign.Write(a.signs)
			if err != nil && !failed {
				a.log.Warn("no sign of life", "err", err)
			}
			failed = err != nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
