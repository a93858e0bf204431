package ramdisk

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

const logName = "camkrazy.log"

func openLog(t *testing.T, cfg LogConfig) *Log {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = logName
	}
	l, err := NewLog(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// kept is what both files hold, oldest line first.
func kept(t *testing.T, dir string) string {
	t.Helper()
	var all []byte
	for _, name := range []string{logName + oldSuffix, logName} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	return string(all)
}

func TestLogLines(t *testing.T) {
	long := strings.Repeat("é", maxLine)
	tests := []struct {
		name   string
		writes []string
		want   string
	}{
		{"one line", []string{"a\n"}, "a\n"},
		{"two at once", []string{"a\nb\n"}, "a\nb\n"},
		{"no end", []string{"a", "b\n"}, "a\nb\n"},
		{"empty line", []string{"\n"}, "\n"},
		{"nothing", []string{""}, ""},
		{"longest", []string{long[:maxLine-1] + "\n"}, long[:maxLine-1] + "\n"},
		{"longest, no end", []string{long[:maxLine-2]}, long[:maxLine-2] + "\n"},
		{"cut between runes", []string{long + "\n"}, long[:maxLine-len(cutMark)] + cutMark},
		{"cut inside a rune", []string{"x" + long}, "x" + long[:maxLine-len(cutMark)-2] + cutMark},
		{"cut bytes that are no text", []string{strings.Repeat("\x80", 9999)}, strings.Repeat("\x80", maxLine-len(cutMark)-utf8.UTFMax+1) + cutMark},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var next bytes.Buffer
			dir := filepath.Join(t.TempDir(), "logs")
			l := openLog(t, LogConfig{Dir: dir, Lines: 10, MaxBytes: 1 << 20, Next: &next})
			for _, w := range tt.writes {
				if n, err := l.Write([]byte(w)); n != len(w) || err != nil {
					t.Errorf("got %d, %v, want %d", n, err, len(w))
				}
			}
			if got := kept(t, dir); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			if got, want := next.String(), strings.Join(tt.writes, ""); got != want {
				t.Errorf("passed on %q, want %q", got, want)
			}
		})
	}
}

// TestLogBounds writes lines of any length, with restarts, and holds the files to the contract after each.
func TestLogBounds(t *testing.T) {
	const maxLines, maxBytes, writes = 30, 4 * maxLine, 5000
	r := rand.New(rand.NewPCG(3, 4))
	dir := t.TempDir()
	cfg := LogConfig{Dir: dir, Lines: maxLines, MaxBytes: maxBytes}
	l := openLog(t, cfg)
	var all []string
	for i := range writes {
		length := r.IntN(40)
		if i/1000%2 == 1 {
			length = r.IntN(maxLine - 8)
		}
		line := fmt.Sprintf("%05d %s\n", i, strings.Repeat("x", length))[:max(7, length)]
		line = strings.TrimSuffix(line, "\n") + "\n"
		all = append(all, line)
		if _, err := l.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
		if r.IntN(50) == 0 {
			l.Close()
			l = openLog(t, cfg)
		}
		if i%10 != 0 {
			continue
		}
		got := kept(t, dir)
		n := strings.Count(got, "\n")
		if n > len(all) || got != strings.Join(all[len(all)-n:], "") {
			t.Fatalf("after %d lines: what is kept are not the last %d lines", i+1, n)
		}
		if n > 2*maxLines || len(got) > maxBytes {
			t.Fatalf("after %d lines: kept %d lines, %d bytes", i+1, n, len(got))
		}
		if n < min(len(all), maxLines) && len(got) < maxBytes/2-maxLine {
			t.Fatalf("after %d lines: kept only %d lines, %d bytes", i+1, n, len(got))
		}
	}
}

// TestLogRestart: an earlier process's lines stay, even a torn one, and even after many restarts.
func TestLogRestart(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, logName), []byte("first\ntorn"), 0o644); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString("first\ntorn\n")
	for i := range 100 {
		l := openLog(t, LogConfig{Dir: dir, Lines: 1000, MaxBytes: 1 << 20})
		line := fmt.Sprintf("start %d\n", i)
		l.Write([]byte(line))
		want.WriteString(line)
		l.Close()
		l.Write([]byte("after the end\n"))
	}
	if got := kept(t, dir); got != want.String() {
		t.Errorf("got %q\nwant %q", got, want.String())
	}
}

func TestLogForeignSize(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{logName, logName + oldSuffix} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, 3*maxLine), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l := openLog(t, LogConfig{Dir: dir, Lines: 10, MaxBytes: 2 * maxLine})
	l.Write([]byte("a\n"))
	if got := kept(t, dir); got != "a\n" {
		t.Errorf("kept %d bytes, want just the new line", len(got))
	}
}

// TestLogDiskFull: what does not fit is dropped whole and said once; lines are kept again when there is room.
func TestLogDiskFull(t *testing.T) {
	disk := smallDisk(t)
	var next bytes.Buffer
	l := openLog(t, LogConfig{Dir: filepath.Join(disk, "logs"), Lines: 1000, MaxBytes: 1 << 20, Next: &next})
	line := strings.Repeat("x", 999) + "\n"
	for range 100 {
		l.Write([]byte(line))
	}
	text := kept(t, filepath.Join(disk, "logs"))
	if n := strings.Count(text, "\n"); len(text) != n*len(line) || n < 50 || uint64(100-n) != l.Dropped() {
		t.Errorf("kept %d bytes in %d lines, dropped %d, want whole lines and the rest of 100", len(text), n, l.Dropped())
	}
	if n := strings.Count(next.String(), "log lines are not kept"); n != 1 {
		t.Errorf("said so %d times, want once", n)
	}
	if err := os.Truncate(filepath.Join(disk, "logs", logName), 0); err != nil {
		t.Fatal(err)
	}
	dropped := l.Dropped()
	l.Write([]byte("again\n"))
	if got := kept(t, filepath.Join(disk, "logs")); got != "again\n" || l.Dropped() != dropped {
		t.Errorf("got %q, dropped %d, want the line, dropped %d", got, l.Dropped(), dropped)
	}
}

// TestLogRotationFails: the bounds hold even if the predecessor cannot be replaced, and rotation is tried again.
func TestLogRotationFails(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, LogConfig{Dir: dir, Lines: 2, MaxBytes: 1 << 20})
	blocker := filepath.Join(dir, logName+oldSuffix)
	if err := os.MkdirAll(filepath.Join(blocker, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"1\n", "2\n", "3\n", "4\n"} {
		l.Write([]byte(line))
	}
	if l.Dropped() != 2 {
		t.Errorf("dropped %d, want 2", l.Dropped())
	}
	if err := os.RemoveAll(blocker); err != nil {
		t.Fatal(err)
	}
	l.Write([]byte("5\n"))
	if got, want := kept(t, dir), "1\n2\n5\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNewLogRefuses(t *testing.T) {
	notDir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(notDir, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		cfg  LogConfig
	}{
		{"folder is a file", LogConfig{Dir: notDir, Name: logName, Lines: 1, MaxBytes: 1 << 20}},
		{"name leads out", LogConfig{Dir: t.TempDir(), Name: "../x", Lines: 1, MaxBytes: 1 << 20}},
		{"no lines", LogConfig{Dir: t.TempDir(), Name: logName, MaxBytes: 1 << 20}},
		{"few bytes", LogConfig{Dir: t.TempDir(), Name: logName, Lines: 1, MaxBytes: maxLine}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if l, err := NewLog(tt.cfg); err == nil {
				l.Close()
				t.Error("was opened")
			}
		})
	}
}

// TestLogOfSlog uses the log as the daemon does, from several goroutines.
func TestLogOfSlog(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, LogConfig{Dir: dir, Lines: 1000, MaxBytes: 1 << 20})
	log := slog.New(slog.NewTextHandler(l, nil))
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 100 {
				log.Info("line\nof two", "worker", worker, "i", i)
			}
		})
	}
	wg.Wait()
	lines := strings.Split(strings.TrimSuffix(kept(t, dir), "\n"), "\n")
	if len(lines) != 400 {
		t.Errorf("got %d lines, want 400", len(lines))
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "time=") || strings.Count(line, "worker=") != 1 {
			t.Errorf("line is torn: %q", line)
		}
	}
}

func BenchmarkLog(b *testing.B) {
	l, err := NewLog(LogConfig{Dir: b.TempDir(), Name: logName, Lines: 10_000, MaxBytes: 4 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	line := []byte(strings.Repeat("x", 150) + "\n")
	b.ReportAllocs()
	for b.Loop() {
		l.Write(line)
	}
}
