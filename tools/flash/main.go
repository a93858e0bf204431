// Binary flash writes the appliance to an SD card, after making sure that it is one, showing what is on it and asking.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	f := flasher{machine: machine{sys: "/sys", proc: "/proc", dev: "/dev"}, stdin: os.Stdin, stdout: os.Stdout}
	f.write = f.writeImage
	if err := f.run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "flash: %v\n", err)
		os.Exit(1)
	}
}

// flasher is the program with what a test replaces.
type flasher struct {
	machine machine
	stdin   io.Reader
	stdout  io.Writer
	write   func(context.Context, disk) error // puts the image on a disk
}

func (f *flasher) run(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("flash", flag.ContinueOnError)
	force := fs.Bool("force", false, "accept a disk that is not removable")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return errors.New("name the disk to write to, as DISK=/dev/sdX" + f.machine.suggest())
	}
	d, err := f.machine.disk(fs.Arg(0))
	if err != nil {
		return fmt.Errorf("%w%s", err, f.machine.suggest())
	}
	if err := d.refusal(*force); err != nil {
		return err
	}
	// A first build makes the secrets, which then would belong to root.
	if _, err := os.Stat("secrets"); os.Getenv("SUDO_UID") != "" && errors.Is(err, os.ErrNotExist) {
		return errors.New("there is no folder secrets yet: run make image first, as yourself")
	}
	d.describe(f.stdout)
	if err := f.ask(d); err != nil {
		return err
	}
	if err := f.write(ctx, d); err != nil {
		return err
	}
	fmt.Fprintln(f.stdout, "done: the card can go into the Pi")
	return nil
}

// ask lets a person change their mind.
func (f *flasher) ask(d disk) error {
	fmt.Fprintf(f.stdout, "All of this will be erased. Type yes to go on: ")
	answer, err := bufio.NewReader(f.stdin).ReadString('\n')
	if err != nil && err != io.EOF {
		return err
	}
	if strings.TrimSpace(answer) != "yes" {
		return fmt.Errorf("nothing was written to %s", d.path)
	}
	return nil
}

// writeImage has gok write to the disk, and shows how far that is.
func (f *flasher) writeImage(ctx context.Context, d disk) error {
	// The kernel lets nobody open a disk exclusively while any part of it is in use.
	lock, err := os.OpenFile(d.path, os.O_RDWR|os.O_EXCL, 0)
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w: run it as root: sudo env PATH=\"$PATH\" make flash DISK=%s", err, d.path)
	}
	if err != nil {
		return err
	}
	if err := lock.Close(); err != nil {
		return err
	}
	// udev does not look at a disk that is locked, and so nobody mounts what is found on it while it is written.
	whole, err := os.Open(d.path)
	if err != nil {
		return err
	}
	defer whole.Close()
	if err := syscall.Flock(int(whole.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("lock %s: %w: another program works on it", d.path, err)
	}
	cmd := exec.CommandContext(ctx, "go", "run", "./tools/image", "-out", d.path)
	cmd.Stdout, cmd.Stderr = f.stdout, os.Stderr
	stop := f.showProgress(ctx, d)
	err = cmd.Run()
	if err == nil {
		err = syncDisk(d.path)
	}
	stop()
	return err
}

// syncDisk waits until everything is on the card.
func syncDisk(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// showProgress prints each second how much the disk has taken, until the returned function is called.
func (f *flasher) showProgress(ctx context.Context, d disk) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	before, shown := f.machine.written(d), int64(0)
	show := func() {
		if n := f.machine.written(d) - before; n != shown {
			shown = n
			fmt.Fprintf(f.stdout, "%s has taken %.1f MB\n", d.path, float64(n)/1e6)
		}
	}
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				show()
			}
		}
	}()
	return func() {
		cancel()
		<-done
		show()
	}
}
