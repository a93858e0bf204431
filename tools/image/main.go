package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "image: %v\n", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	root     string // the repository
	out      string // image file or disk to write
	update   string // HOST or HOST:PORT of a running camkrazy to update, instead of writing out
	secrets  string // folder of the secrets
	size     int64  // of an image file, in bytes
	emulate  bool   // start the daemon with --emulate
	firmware bool   // fetch the firmware only
	extra    string // further packages, separated by commas, which are not started at boot
}

func parse(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("image", flag.ContinueOnError)
	fs.StringVar(&o.root, "root", ".", "the repository's `FOLDER`")
	fs.StringVar(&o.out, "out", "build/camkrazy.img", "image `FILE`, or disk, to write")
	fs.StringVar(&o.update, "update", "", "update the running camkrazy at `HOST[:PORT]` instead")
	fs.StringVar(&o.secrets, "secrets", "secrets", "`FOLDER` of passwords and camera.yaml; what is missing in it is made")
	fs.Int64Var(&o.size, "size", 1500<<20, "size of an image file in `BYTES`: 1104 MiB for the system, the rest for /perm")
	fs.BoolVar(&o.emulate, "emulate", false, "have the daemon use its emulated GPU: for a virtual machine")
	fs.StringVar(&o.extra, "extra", "", "further Go `PACKAGES` of the repository, separated by commas, which are not started at boot: for tests")
	fs.BoolVar(&o.firmware, "firmware", false, "fetch the GPU's firmware into firmware/ and stop")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	var err error
	for _, path := range []*string{&o.root, &o.out, &o.secrets} {
		if *path, err = filepath.Abs(*path); err != nil {
			return o, err
		}
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if err := fetchFirmware(ctx, o.root); err != nil || o.firmware {
		return err
	}
	s, err := loadSecrets(o.secrets, o.update != "")
	if err != nil {
		return err
	}
	if o.update != "" {
		if o.update, err = resolve(ctx, o.update); err != nil {
			return err
		}
		if err := greetDevice(ctx, o.update, s); err != nil {
			return err
		}
	} else if err := makePrivate(o.out); err != nil {
		return err
	}
	if err := runGok(ctx, o, s, stdout); err != nil || o.update != "" {
		return err
	}
	if err := formatPerm(ctx, o.out); err != nil {
		return err
	}
	if err := report(stdout, o.out); err != nil {
		return err
	}
	if !o.emulate {
		shareWithGok(stdout, s)
	}
	s.print(stdout)
	if o.emulate || isDevice(o.out) {
		return nil
	}
	return whatNext(stdout, o.root, o.out)
}

// makePrivate makes an image file, before gok fills it, one that nobody else may read: the passwords are in it.
func makePrivate(path string) error {
	if isDevice(path) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

// isDevice says whether path is a disk rather than a file, or nothing yet.
func isDevice(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode()&os.ModeDevice != 0
}
