package main

import (
	"bytes"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestNotHere holds that a machine that is no gokrazy system is left alone.
func TestNotHere(t *testing.T) {
	if _, err := os.Stat(gokrazyInit); err == nil {
		t.Skip("this is a gokrazy system")
	}
	var stderr bytes.Buffer
	if code := run(t.Context(), nil, &stderr); code != exitGiveUp || !strings.Contains(stderr.String(), "not to be rebooted") {
		t.Errorf("got exit code %d: %s", code, stderr.Bytes())
	}
}

// TestBusy holds that a board whose init has a disk open is not rebooted, nor one of which that is not known.
func TestBusy(t *testing.T) {
	tests := []struct {
		name  string
		files []string // that init has open; nil: its folder cannot be read
		want  string
	}{
		{"nothing special", []string{"/dev/null", "/etc/hostname"}, ""},
		{"nothing is known", nil, "cannot be told"},
	}
	if disk := anyDisk(); disk != "" {
		tests = append(tests, struct {
			name  string
			files []string
			want  string
		}{"an update", []string{"/dev/null", disk}, "an update is under way"})
	} else {
		t.Log("this machine shows no disk: the case of an update is left to the system test")
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &system{proc: t.TempDir(), log: slog.New(slog.DiscardHandler)}
			if tt.files != nil {
				dir := filepath.Join(s.proc, "1", "fd")
				if err := os.MkdirAll(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				for i, file := range tt.files {
					if err := os.Symlink(file, filepath.Join(dir, string(rune('0'+i)))); err != nil {
						t.Fatal(err)
					}
				}
			}
			if got := s.busy(); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// anyDisk is a block device of this machine; "" if it has none.
func anyDisk() string {
	files, _ := filepath.Glob("/dev/*")
	for _, file := range files {
		if st, err := os.Stat(file); err == nil && st.Mode().Type() == os.ModeDevice {
			return file
		}
	}
	return ""
}

// TestFind holds that only the daemon is watched, and that it is known when it is gone.
func TestFind(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	daemon := filepath.Join(dir, daemonName)
	if err := exec.Command("cp", sleep, daemon).Run(); err != nil {
		t.Fatal(err)
	}
	s := &system{proc: "/proc", log: slog.New(slog.DiscardHandler)}
	for path, watched := range map[string]bool{sleep: false, daemon: true} {
		cmd := exec.Command(path, "60")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		p, err := s.find(cmd.Process.Pid)
		if (err == nil) != watched {
			t.Errorf("%s: watched: %v (%v), want %v", path, err == nil, err, watched)
		}
		if err != nil {
			cmd.Process.Kill()
			cmd.Wait()
			continue
		}
		if !p.Alive() {
			t.Error("not alive from the start")
		}
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		cmd.Wait()
		if p.Alive() {
			t.Error("alive after its end")
		}
		if _, err := s.find(cmd.Process.Pid); err == nil {
			t.Error("found after its end")
		}
	}
}
