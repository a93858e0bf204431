package main

import (
	"errors"
	"io"
	"log/slog"
	"path/filepath"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/ramdisk"
)

const (
	// logLines and logBytes bound the log in memory, stillFiles and stillBytes the ring of snapshots there: together
	// little enough for a board of 512 MB of which the GPU has a half.
	logLines   = 10_000
	logBytes   = 4 << 20
	stillFiles = 100
	stillBytes = 16 << 20
)

// ram is what the program keeps in memory for people to fetch: its log and the newest snapshots.
type ram struct {
	log      *slog.Logger
	logFiles *ramdisk.Log    // nil if there are none
	stills   *ramdisk.Stills // nil if there are none
}

// openRAM keeps the log under dir/logs besides writing it to stderr, and snapshots under dir/stills. What cannot be kept
// is a warning: the streams need none of it.
func openRAM(dir string, stderr io.Writer) *ram {
	r := &ram{log: slog.New(slog.NewTextHandler(stderr, nil))}
	if dir == "" {
		return r
	}
	var err error
	r.logFiles, err = ramdisk.NewLog(ramdisk.LogConfig{
		Dir: filepath.Join(dir, "logs"), Name: "camkrazy.log", Lines: logLines, MaxBytes: logBytes, Next: stderr,
	})
	if err != nil {
		r.log.Warn("log is not kept in memory", "err", err)
	} else {
		r.log = slog.New(slog.NewTextHandler(r.logFiles, nil))
	}
	r.stills, err = ramdisk.NewStills(ramdisk.StillsConfig{
		Dir: filepath.Join(dir, "stills"), MaxFiles: stillFiles, MaxBytes: stillBytes,
		Newest: filepath.Join(dir, "camera.jpg"), Logger: r.log,
	})
	if err != nil {
		r.log.Warn("snapshots are not kept in memory", "err", err)
	}
	return r
}

// keepStill takes a snapshot.
func (r *ram) keepStill(s camera.Still) {
	if r.stills != nil {
		r.stills.Add(s)
	}
}

func (r *ram) close() error {
	var errs []error
	if r.stills != nil {
		errs = append(errs, r.stills.Close())
	}
	if r.logFiles != nil {
		errs = append(errs, r.logFiles.Close())
	}
	return errors.Join(errs...)
}
