package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const question = "All of this will be erased. Type yes to go on: "

// session is one run of the program, with a card in the machine.
type session struct {
	flasher
	said    screen
	written []string // the disks that were written to
}

// screen is what was said. The progress comes from another goroutine.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

// take returns the text since the last call.
func (s *screen) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.text.Reset()
	return s.text.String()
}

func newSession(t *testing.T, stdin io.Reader) *session {
	t.Helper()
	t.Setenv("SUDO_UID", "") // of whoever runs the tests
	s := &session{}
	s.machine = newMachine(t)
	s.machine.addCard(t)
	s.stdin, s.stdout = stdin, &s.said
	s.write = func(_ context.Context, d disk) error {
		s.written = append(s.written, d.path)
		return nil
	}
	return s
}

func TestRunAsks(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name  string
		stdin io.Reader
		wrote bool
		err   string
	}{
		{"yes", strings.NewReader("yes\n"), true, ""},
		{"with spaces", strings.NewReader(" yes \r\n"), true, ""},
		{"yes at the end of the input", strings.NewReader("yes"), true, ""},
		{"y", strings.NewReader("y\n"), false, "nothing was written to /dev/sdb"},
		{"YES", strings.NewReader("YES\n"), false, "nothing was written to /dev/sdb"},
		{"no", strings.NewReader("no\nyes\n"), false, "nothing was written to /dev/sdb"},
		{"more than yes", strings.NewReader("yes, sdc\n"), false, "nothing was written to /dev/sdb"},
		{"just a newline", strings.NewReader("\n"), false, "nothing was written to /dev/sdb"},
		{"end of the input", strings.NewReader(""), false, "nothing was written to /dev/sdb"},
		{"unreadable", io.MultiReader(strings.NewReader("yes"), iotest.ErrReader(broken)), false, "broken"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSession(t, tt.stdin)
			path := s.machine.text("/dev/sdb")
			err := s.run(t.Context(), []string{path})
			if got := fmt.Sprint(err); tt.err != "" && got != s.machine.text(tt.err) || tt.err == "" && err != nil {
				t.Errorf("got error %v, want %q", err, s.machine.text(tt.err))
			}
			said := path + "  Generic Card Reader  32.0 GB\n  sdb1            100.0 MB\n  sdb2          31000.0 MB\n" + question
			var wrote []string
			if tt.wrote {
				wrote = []string{path}
				said += "done: the card can go into the Pi\n"
			}
			if diff := cmp.Diff(wrote, s.written); diff != "" {
				t.Errorf("written to (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(said, s.said.take()); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRunRefuses: nothing is asked, so that a yes given beforehand (yes | make flash) does no harm.
func TestRunRefuses(t *testing.T) {
	const unnamed = "name the disk to write to, as DISK=" // its example /dev/sdX is no disk of this machine
	const candidates = "; it may be /dev/sdb (Generic Card Reader, 32.0 GB)"
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"no disk", nil, unnamed + candidates},
		{"no disk, with force", []string{"-force"}, unnamed + candidates},
		{"two disks", []string{"/dev/sdb", "/dev/sdb"}, unnamed + candidates},
		{"a partition", []string{"/dev/sdb1"}, "/dev/sdb1 is a partition: name the whole disk" + candidates},
		{"no such disk", []string{"/dev/sdz"}, "/dev/sdz does not exist" + candidates},
		{"the name only", []string{"sdb"}, "sdb does not exist" + candidates},
		{"in use", []string{"-force", "/dev/sda"}, "/dev/sda1 is mounted on /; /dev/sda2 is swap space: unmount it first"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir()) // where there is no sdb
			s := newSession(t, strings.NewReader("yes\nyes\n"))
			var args []string
			for _, arg := range tt.args {
				args = append(args, s.machine.text(arg))
			}
			err := s.run(t.Context(), args)
			got := strings.Replace(fmt.Sprint(err), unnamed+"/dev/sdX", unnamed, 1)
			if want := s.machine.text(tt.want); got != want {
				t.Errorf("got error  %v\nwant %s", got, want)
			}
			if said := s.said.take(); len(s.written) > 0 || said != "" {
				t.Errorf("wrote to %v, said %q", s.written, said)
			}
		})
	}
}

func TestRunForce(t *testing.T) {
	for _, force := range []bool{false, true} {
		s := newSession(t, strings.NewReader("yes\n"))
		s.machine.put(t, map[string]string{"/sys/block/sdb/removable": "0"})
		args := []string{s.machine.text("/dev/sdb")}
		if force {
			args = append([]string{"-force"}, args...)
		}
		err := s.run(t.Context(), args)
		if (err == nil) != force || (len(s.written) == 1) != force {
			t.Errorf("force %v: got %v, wrote to %v", force, err, s.written)
		}
	}
}

// TestRunWriteFails: a card that is half written is not called done.
func TestRunWriteFails(t *testing.T) {
	s := newSession(t, strings.NewReader("yes\n"))
	want := errors.New("pulled out")
	s.write = func(context.Context, disk) error { return want }
	if err := s.run(t.Context(), []string{s.machine.text("/dev/sdb")}); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
	if said := s.said.take(); strings.Contains(said, "done") {
		t.Errorf("said %q", said)
	}
}

// TestSudoNeedsSecrets: the first build is not root's. Nobody is asked before that is said.
func TestSudoNeedsSecrets(t *testing.T) {
	t.Chdir(t.TempDir())
	s := newSession(t, strings.NewReader("yes\n"))
	t.Setenv("SUDO_UID", "1000")
	err := s.run(t.Context(), []string{s.machine.text("/dev/sdb")})
	if err == nil || !strings.Contains(err.Error(), "run make image first") {
		t.Errorf("got %v, want what to do first", err)
	}
	if said := s.said.take(); strings.Contains(said, "yes") {
		t.Errorf("asked %q", said)
	}
}

// TestWriteImage has a script in place of go, and a file in place of the disk.
func TestWriteImage(t *testing.T) {
	tests := []struct {
		name, script string
		noDisk       bool
		fails        bool
		want         string // output
	}{
		{"good", `echo "$@"`, false, false, "run ./tools/image -out /dev/sdb\n"},
		{"failure", `echo "$@"; exit 1`, false, true, "run ./tools/image -out /dev/sdb\n"},
		{"unplugged meanwhile", `echo "$@"`, true, true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\n"+tt.script), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", dir)
			s := newSession(t, nil)
			// A file, which go writes to directly as to a terminal.
			out, err := os.Create(filepath.Join(dir, "out"))
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			s.stdout = out
			d, err := s.machine.disk(s.machine.text("/dev/sdb"))
			if err != nil {
				t.Fatal(err)
			}
			if tt.noDisk {
				if err := os.Remove(d.path); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.writeImage(t.Context(), d); (err != nil) != tt.fails {
				t.Errorf("got %v, want an error: %v", err, tt.fails)
			}
			got, err := os.ReadFile(out.Name())
			if want := s.machine.text(tt.want); err != nil || string(got) != want {
				t.Errorf("got output %q, %v, want %q", got, err, want)
			}
		})
	}
}

// TestShowProgress runs in fake time; only growth since the start is shown, and only if there is some.
func TestShowProgress(t *testing.T) {
	s := newSession(t, nil)
	taken := func(sectors int) {
		t.Helper()
		s.machine.put(t, map[string]string{"/sys/block/sdb/stat": fmt.Sprintf("9 9 9 9 9 9 %d 9 9 9 9\n", sectors)})
	}
	d := disk{name: "sdb", path: "/dev/sdb"}
	check := func(when, want string) {
		t.Helper()
		if got := s.said.take(); got != want {
			t.Errorf("%s: got %q, want %q", when, got, want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		taken(1_000_000) // before this program
		stop := s.showProgress(t.Context(), d)
		next := func() {
			time.Sleep(time.Second)
			synctest.Wait()
		}
		next()
		check("nothing yet", "")
		taken(1_000_000 + 4000)
		synctest.Wait()
		check("within the second", "")
		next()
		check("growth", "/dev/sdb has taken 2.0 MB\n")
		next()
		check("no growth", "")
		taken(1_000_000 + 40_000)
		next()
		check("more growth", "/dev/sdb has taken 20.5 MB\n")
		taken(1_000_000 + 50_000)
		stop()
		check("the rest", "/dev/sdb has taken 25.6 MB\n")
		taken(1_000_000 + 60_000)
		next()
		check("after the end", "")
	})
	// The goroutine also ends with its context; otherwise synctest says that it is left.
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s.showProgress(ctx, d)
		cancel()
		synctest.Wait()
		check("cancelled", "")
	})
}
