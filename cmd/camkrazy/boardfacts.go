package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/config"
	"github.com/camkrazy/camkrazy/internal/host"
	"github.com/camkrazy/camkrazy/internal/vchiq"
)

// boardFacts are what a board says of itself before its camera is asked for. The zero value is a machine that says nothing.
type boardFacts struct {
	machine   host.Machine
	variant   vchiq.Variant
	gpuMemory int // MiB; 0 if it is unknown
}

// readBoard asks this machine. A kernel without the mailbox's driver leaves out what comes by it.
func readBoard() boardFacts {
	f := boardFacts{machine: host.ReadMachine()}
	m, err := vchiq.OpenMailbox()
	if err != nil {
		return f
	}
	defer m.Close()
	if bytes, err := m.GPUMemory(); err == nil {
		f.gpuMemory = int(bytes >> 20)
	}
	if v, err := m.Variant(); err == nil {
		f.variant = v
	}
	return f
}

// plan is the plan of a configuration on this board.
func (f boardFacts) plan(cfg camera.Config) camera.Plan {
	p := camera.NewPlan(cfg)
	if f.gpuMemory > 0 {
		p = p.OnBoard(f.gpuMemory)
	}
	return p
}

// unfit says why a configuration cannot run on this board, however often it is tried: a giveUp of one line, or nil.
func (f boardFacts) unfit(cfg camera.Config) error {
	if why := f.machine.Unfit(runtime.GOARCH); why != "" {
		return giveUp{errors.New(why)}
	}
	if f.variant.NoCamera() {
		return giveUp{fmt.Errorf("%w (it calls itself %v)", camera.ErrNoSupport, f.variant)}
	}
	if errs := f.plan(cfg).Errors; len(errs) > 0 {
		return giveUp{errors.New(strings.Join(errs, "\n"))}
	}
	return nil
}

// check prints what a configuration asks of the encoder and of this board, and returns the exit code. If the configuration
// was refused, cfg is what could be read of it, and the refusal is not repeated.
func check(cfg config.Config, refused error, o options, stdout io.Writer) int {
	if refused != nil && len(cfg.Streams) == 0 {
		return exitFailed
	}
	var f boardFacts
	if !o.emulate {
		f = readBoard()
	}
	p := f.plan(cameraConfig(cfg))
	if refused != nil {
		said := strings.Split(refused.Error(), "\n")
		p.Errors = slices.DeleteFunc(p.Errors, func(e string) bool { return slices.Contains(said, e) })
		fmt.Fprintln(stdout, "what of the plan is known:")
	}
	fmt.Fprint(stdout, p)
	if refused != nil || len(p.Errors) > 0 {
		return exitFailed
	}
	return exitStopped
}

// logPlan tells the plan line by line.
func logPlan(p camera.Plan, log *slog.Logger) {
	for line := range strings.Lines(p.String()) {
		line = strings.TrimSpace(line)
		if text, is := strings.CutPrefix(line, "warning: "); is {
			log.Warn(text)
			continue
		}
		log.Info("plan: " + line)
	}
}
