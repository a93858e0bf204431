package main

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/camkrazy/camkrazy/internal/guard"
	"github.com/camkrazy/camkrazy/internal/host"
	"github.com/camkrazy/camkrazy/internal/lifesign"
	"github.com/camkrazy/camkrazy/internal/recovery"
)

const (
	// gokrazyInit is the first process of every gokrazy system.
	gokrazyInit = "/gokrazy/init"
	// daemonName is the file name of the program that is watched.
	daemonName = "camkrazy"
)

// system is the board.
type system struct {
	dir, perm string
	proc      string // /proc, but in tests
	log       *slog.Logger
}

// process is a process by its pidfd, which package os uses: no other one of the same number is meant by it.
type process struct{ p *os.Process }

// Alive implements guard.Process.
func (p process) Alive() bool { return p.p.Signal(syscall.Signal(0)) == nil }

// Kill implements guard.Process.
func (p process) Kill() error { return p.p.Kill() }

// find opens the process that gave a sign, if it is the daemon.
func (s *system) find(pid int) (guard.Process, error) {
	p, err := os.FindProcess(pid)
	if err != nil {
		return nil, err
	}
	exe, err := os.Readlink(filepath.Join(s.proc, strconv.Itoa(pid), "exe"))
	if err != nil {
		return nil, err
	}
	if filepath.Base(exe) != daemonName {
		return nil, fmt.Errorf("process %d is %s, not %s", pid, exe, daemonName)
	}
	if found := (process{p}); found.Alive() {
		return found, nil
	}
	return nil, os.ErrProcessDone
}

func (s *system) uptime() time.Duration {
	up, _ := host.Uptime()
	return up
}

// record is what the daemon, or the last boot, has left. One that cannot be read is as good as none.
func (s *system) record() recovery.Record {
	r, err := lifesign.ReadRecord(s.dir, s.perm)
	if err != nil {
		s.log.Warn("record of what was done is lost", "err", err)
	}
	return r
}

func (s *system) rebootGap() time.Duration {
	// gokrazy mounts perm read-write, if there is such a partition; else the folder is the root's, which is read-only.
	const writable = 2
	kept := syscall.Access(s.perm, writable) == nil
	return guard.Gap(s.record(), kept)
}

// busy says that gokrazy's init has a disk open: it writes an update then, and a board without power, or with a
// reboot, in the middle of its boot partition does not start any more.
func (s *system) busy() string {
	fds := filepath.Join(s.proc, "1", "fd")
	list, err := os.ReadDir(fds)
	if err != nil {
		return "it cannot be told whether an update is under way: " + err.Error()
	}
	for _, fd := range list {
		file, err := os.Stat(filepath.Join(fds, fd.Name()))
		if err == nil && file.Mode().Type() == fs.ModeDevice { // not a character device
			return "an update is under way"
		}
	}
	return ""
}

const (
	// goodbyeTime is what the daemon has to end its viewers' sessions.
	goodbyeTime = 3 * time.Second
	// syncTime is what the card has to take what is to be written to it.
	syncTime = 5 * time.Second
	// rebootTime is what the kernel has to stop its devices.
	rebootTime = 15 * time.Second
)

// reboot reboots the board by the kernel itself, which works when gokrazy's init or its web server does not. If the kernel
// hangs over its devices' end, it is told to leave that out.
func (s *system) reboot(_ string, p guard.Process) {
	if err := lifesign.LeaveRecord(s.perm, s.record().NextBoot()); err != nil {
		s.log.Warn("the next boot will not know of this one", "err", err)
	}
	if d, ok := p.(process); ok {
		_ = d.p.Signal(syscall.SIGTERM) // it may be gone already
		waitFor(goodbyeTime, func() bool { return !d.Alive() })
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		syscall.Sync()
		_ = syscall.Mount("", s.perm, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, "") // fails while files are open there
	}()
	select {
	case <-done:
	case <-time.After(syncTime):
		s.log.Warn("the card does not take what is to be written")
	}
	failed := make(chan error, 1)
	go func() { failed <- syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART) }()
	select {
	case err := <-failed:
		s.log.Error("the kernel does not reboot", "err", err)
	case <-time.After(rebootTime):
		s.log.Error("the kernel hangs over its reboot")
	}
	// Documentation/admin-guide/sysrq.rst: b reboots at once. What the hardware's watchdog would do is out of reach:
	// gokrazy's init has it and feeds it.
	s.request("b")
}

// endLargest has the kernel end a program, as it does when it has no page left (Documentation/admin-guide/sysrq.rst: f).
func (s *system) endLargest() { s.request("f") }

// request asks the kernel for something by the letter that a keyboard would send.
func (s *system) request(letter string) {
	if err := os.WriteFile(filepath.Join(s.proc, "sysrq-trigger"), []byte(letter), 0o200); err != nil {
		s.log.Error("the kernel refuses", "sysrq", letter, "err", err)
	}
}

func memory() (total, available uint64) {
	m, _ := host.Memory()
	return m.Total, m.Available
}

// waitFor waits until a condition holds, but not for long.
func waitFor(limit time.Duration, holds func() bool) {
	const look = 50 * time.Millisecond
	for deadline := time.Now().Add(limit); !holds() && time.Now().Before(deadline); {
		time.Sleep(look)
	}
}
