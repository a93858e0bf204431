// Program qemu-videocore is the VideoCore of a virtual machine that somebody starts by hand. It prints the arguments
// that QEMU needs for it, on one line, and serves one QEMU after the other until it is interrupted.
//
// With a kernel and a command line from the first partition of an image that `make image` has built:
//
//	go run ./tools/qemu-videocore
//	$(tools/qemu-videocore/build) -M virt,highmem=off -cpu cortex-a72 -smp 2 -m 1024 -no-reboot \
//		-kernel vmlinuz -append 'console=ttyAMA0,115200 root=...' \
//		-drive if=none,id=card,format=raw,file=build/camkrazy.img -device virtio-blk-pci,drive=card \
//		-netdev user,id=net0 -device virtio-net-pci,netdev=net0,romfile= \
//		-display none -serial stdio ARGUMENTS
//
// The system test uses package host instead.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
	"github.com/camkrazy/camkrazy/tools/qemu-videocore/host"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "qemu-videocore: %v\n", err)
		os.Exit(1)
	}
}

func parse(args []string, stderr io.Writer) (host.Config, error) {
	var cfg host.Config
	fs := flag.NewFlagSet("qemu-videocore", flag.ContinueOnError)
	fs.SetOutput(stderr)
	mib := fs.Int64("m", 1024, "the guest's memory in `MIB`, as QEMU's -m")
	fs.StringVar(&cfg.VideoCore.Sensor, "sensor", "imx219", "the camera: ov5647, imx219 or imx477")
	fs.BoolVar(&cfg.VideoCore.NoCamera, "no-camera", false, "have no camera connected")
	clip := fs.String("scene", "", "`FILE.y4m` that the camera sees; a test card if empty")
	verbose := fs.Bool("v", false, "log more")
	if err := fs.Parse(args); err != nil {
		return cfg, err
	}
	if fs.NArg() > 0 {
		return cfg, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if *mib < 1 || *mib > host.MaxRAM>>20 {
		return cfg, fmt.Errorf("memory of %d MiB: want 1 to %d", *mib, host.MaxRAM>>20)
	}
	cfg.RAM = *mib << 20
	if *clip != "" {
		cfg.VideoCore.Scene = func(width, height int) (scene.Source, error) { return scene.OpenY4M(*clip, width, height) }
	}
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	cfg.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	cfg.VideoCore.Logger = cfg.Logger
	return cfg, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	cfg, err := parse(args, stderr)
	if err != nil {
		return err
	}
	h, err := host.New(cfg)
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, strings.Join(h.QEMUArgs(), " "))
	return errors.Join(h.Run(ctx), h.Close())
}
