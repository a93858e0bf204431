// Binary camwatch watches over camkrazy on a gokrazy board: when camkrazy gives no sign of life it is killed, so that
// gokrazy starts it anew, and when that cannot help the board is rebooted.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/camkrazy/camkrazy/internal/guard"
	"github.com/camkrazy/camkrazy/internal/host"
	"github.com/camkrazy/camkrazy/internal/lifesign"
)

// exitGiveUp tells gokrazy not to start the program again.
const exitGiveUp = 125

// memoryLimit is what the Go runtime may take: the program does next to nothing.
const memoryLimit = 12 << 20

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stderr))
}

func run(ctx context.Context, args []string, stderr io.Writer) int {
	fs := flag.NewFlagSet("camwatch", flag.ContinueOnError)
	fs.SetOutput(stderr)
	dir := fs.String("ram", "/run/camkrazy", "`DIR` in memory where camkrazy gives its signs of life")
	if err := fs.Parse(args); err != nil {
		return exitGiveUp
	}
	// A board that is no gokrazy system is not this program's to reboot.
	if _, err := os.Stat(gokrazyInit); err != nil {
		fmt.Fprintf(stderr, "camwatch: %s is not there: this is no gokrazy system, and not to be rebooted\n", gokrazyInit)
		return exitGiveUp
	}
	debug.SetMemoryLimit(memoryLimit)
	log := slog.New(slog.NewTextHandler(stderr, nil))
	if err := host.SetOOMScore(host.NeverKill); err != nil {
		log.Warn("memory pressure may end this program", "err", err)
	}
	if err := host.LockMemory(); err != nil {
		log.Warn("memory pressure may slow this program down", "err", err)
	}
	s := &system{dir: *dir, perm: lifesign.Perm, proc: "/proc", log: log}
	guard.New(guard.Config{
		Read:       func() (lifesign.Sign, error) { return lifesign.Read(*dir) },
		Find:       s.find,
		Uptime:     s.uptime,
		RebootGap:  s.rebootGap,
		Memory:     memory,
		EndLargest: s.endLargest,
		Busy:       s.busy,
		Reboot:     s.reboot,
		Log:        log,
	}).Run(ctx)
	return 0
}
