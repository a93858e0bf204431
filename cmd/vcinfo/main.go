// Binary vcinfo asks a Raspberry Pi's GPU what it is and which cameras it sees, and says what is wrong. It is the first
// thing to run on a new board.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/camkrazy/camkrazy/internal/host"
	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu"
	"github.com/camkrazy/camkrazy/internal/vchiq"
)

// timeLimit is for everything; each question to the firmware has one of its own.
const timeLimit = time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// A second signal kills.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are the command line.
type options struct {
	json, emulate bool
	record        string
	allBytes      bool
}

func parse(args []string, stdout io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("vcinfo", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.BoolVar(&o.json, "json", false, "print JSON")
	fs.BoolVar(&o.emulate, "emulate", false, "ask the emulated VideoCore instead of /dev/vchiq")
	fs.StringVar(&o.record, "record", "", "write the whole exchange to `FILE` as text")
	fs.BoolVar(&o.allBytes, "all-bytes", false, "record bulk transfers whole, not only how they begin")
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fs.SetOutput(stdout)
		fs.Usage()
	}
	if err == nil && fs.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q: vcinfo takes flags only, see --help", fs.Arg(0))
	}
	if err == nil && o.allBytes && o.record == "" {
		err = errors.New("--all-bytes is about the recording: add --record FILE")
	}
	return o, err
}

// run is the program; it returns the exit code: 0 if a camera answers, 1 if something is wrong.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "vcinfo: %v\n", err)
		return 1
	}
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	open, stop, err := gpu(ctx, o.emulate)
	if err != nil {
		fmt.Fprintf(stderr, "vcinfo: %v\n", err)
		return 1
	}
	defer stop()
	r := newReport(machine{root: "/", board: host.ReadMachine().Model}, o.emulate)
	recorded := inspect(ctx, r, open, o)
	if recorded != nil {
		fmt.Fprintf(stderr, "vcinfo: %v\n", recorded)
	}
	if err := write(stdout, r, o.json); err != nil {
		fmt.Fprintf(stderr, "vcinfo: %v\n", err)
		return 1
	}
	if recorded != nil || len(r.Findings) > 0 {
		return 1
	}
	return 0
}

// opener opens the MMAL service and says through which driver; "" if it did not get that far.
type opener func(context.Context) (t mmal.Transport, driver string, err error)

// gpu chooses between the board and its emulation. stop ends what was started for it.
func gpu(ctx context.Context, emulate bool) (open opener, stop func(), err error) {
	if !emulate {
		return openBoard, func() {}, nil
	}
	vc, err := vcemu.New(vcemu.Config{})
	if err != nil {
		return nil, nil, err
	}
	open, stop = openEmulation(ctx, vc)
	return open, stop, nil
}

func openBoard(ctx context.Context) (mmal.Transport, string, error) {
	device, err := vchiq.Open()
	if err != nil {
		return nil, "", err
	}
	i := device.Info()
	driver := fmt.Sprintf("VCHIQ version %d, oldest %d; library %d; messages up to %d bytes, %d bulk transfers at a time",
		i.Version, i.VersionMin, i.LibraryVersion, i.MaxMessage, i.MaxBulks)
	service, err := device.OpenMMAL(ctx)
	if err != nil {
		return nil, driver, err
	}
	return service, driver, nil
}

// openEmulation runs vc until stop is called.
func openEmulation(ctx context.Context, vc *vcemu.VideoCore) (open opener, stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- vc.Run(ctx) }()
	open = func(ctx context.Context) (mmal.Transport, string, error) {
		t, err := vc.Dial(ctx)
		return t, "none: VideoCore is emulated", err
	}
	return open, func() {
		cancel()
		<-ended
	}
}

// write prints the report.
func write(w io.Writer, r *report, asJSON bool) error {
	if !asJSON {
		_, err := io.WriteString(w, r.text())
		return err
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
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
