// Binary camkrazy streams a Raspberry Pi's camera: two H.264 feeds over RTSP and JPEG snapshots over HTTP.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/config"
	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu"
)

// The exit codes; gokrazy's supervisor restarts a program that fails, but for the last one.
const (
	exitStopped = 0
	exitFailed  = 1
	exitGiveUp  = 125
)

// giveUp is an error that a restart cannot help against.
type giveUp struct{ error }

// Unwrap returns the error itself.
func (e giveUp) Unwrap() error { return e.error }

// Is says that trying again does not help either.
func (e giveUp) Is(target error) bool { return target == camera.ErrPermanent }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// A second signal kills.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are the command line.
type options struct {
	config  string
	check   bool
	emulate bool
	scene   string
	faults  string
	version bool
	ram     string
}

func parse(args []string, stdout io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("camkrazy", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&o.config, "config", "", "configuration `FILE` (default "+savedConfig+" if it exists, else "+shippedConfig+")")
	fs.BoolVar(&o.check, "check", false, "validate the configuration, print the encoder plan and exit")
	fs.BoolVar(&o.emulate, "emulate", false, "use the emulated VideoCore instead of /dev/vchiq")
	fs.StringVar(&o.scene, "scene", "", "footage for the emulated sensor, a y4m `FILE` (default a live test card)")
	fs.StringVar(&o.faults, "faults", "", "faults of the emulated VideoCore, a `SCRIPT` of AFTER:FAULT[:STREAM], as 10s:stall:lqstream,45s:disconnect; faults are "+strings.Join(vcemu.FaultNames(), ", "))
	fs.StringVar(&o.ram, "ram", "/run/camkrazy", "`DIR` in memory for the newest snapshots and log lines; empty for none")
	fs.BoolVar(&o.version, "version", false, "print the version and exit")
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fs.SetOutput(stdout)
		fs.Usage()
	}
	if err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: camkrazy takes flags only, see --help", fs.Arg(0))
	}
	if o.scene != "" && !o.emulate {
		return o, errors.New("--scene is what the emulated sensor sees: add --emulate")
	}
	if o.faults != "" && !o.emulate {
		return o, errors.New("--faults are those of the emulated VideoCore: add --emulate")
	}
	return o, nil
}

// run is the program; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitStopped
	case err != nil:
		fmt.Fprintf(stderr, "camkrazy: %v\n", err)
		return exitGiveUp
	case o.version:
		fmt.Fprintln(stdout, "camkrazy", version())
		return exitStopped
	}
	cfg, err := load(o.config)
	if err == nil && o.check {
		err = checkTLS(cfg)
	}
	if err != nil {
		printLines(stderr, err)
	}
	switch {
	case o.check:
		return check(cfg, err, o, stdout)
	case err != nil:
		return exitGiveUp
	}
	ram := openRAM(o.ram, stderr)
	defer ram.close()
	if err := serve(ctx, cfg, o, ram, stdout); err != nil {
		printLines(stderr, err)
		if errors.Is(err, camera.ErrPermanent) || errors.Is(err, camera.ErrNoSupport) || errors.Is(err, camera.ErrImpossible) {
			return exitGiveUp
		}
		return exitFailed
	}
	return exitStopped
}

// serve wires everything together and runs it until ctx is done or a part fails.
func serve(ctx context.Context, cfg config.Config, o options, ram *ram, stdout io.Writer) error {
	prepare(ram.log)
	ladder := openLadder(o.ram, ram.log)
	defer ladder.Close()
	a, err := newAppliance(cfg, o, ram, ladder)
	if err != nil {
		return err
	}
	if err := a.listen(); err != nil {
		return err
	}
	a.announce(stdout)
	g, ctx := errgroup.WithContext(ctx)
	for _, part := range a.parts() {
		g.Go(func() error { return part(ctx) })
	}
	return g.Wait()
}

// traced wraps a transport so that each message is printed, if the environment asks for it.
func traced(t mmal.Transport) mmal.Transport {
	if os.Getenv("CAMKRAZY_TRACE") != "1" {
		return t
	}
	return mmal.Trace(t, os.Stderr)
}

// version is the commit that the program was built from, or its module version.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return info.Main.Version
}
