package ramdisk

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/camkrazy/camkrazy/internal/camera"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func openStills(t *testing.T, cfg StillsConfig) *Stills {
	t.Helper()
	s, err := NewStills(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// list is the names in a folder, hidden ones included.
func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func picture(text string, taken time.Time) camera.Still {
	return camera.Still{JPEG: []byte(text), Taken: taken}
}

func TestStillsRing(t *testing.T) {
	const size = 4
	at := func(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }
	tests := []struct {
		name     string
		maxFiles int
		maxBytes int64
		taken    []time.Time
		want     []string
	}{
		{"in order", 9, 99, []time.Time{at(0), at(2000)}, []string{"2026-11-24T12-00-00.000Z.jpg", "2026-11-24T12-00-02.000Z.jpg"}},
		{"too many", 2, 99, []time.Time{at(0), at(1), at(2)}, []string{"2026-11-24T12-00-00.001Z.jpg", "2026-11-24T12-00-00.002Z.jpg"}},
		{"too large together", 9, 2*size + 1, []time.Time{at(0), at(1), at(2)}, []string{"2026-11-24T12-00-00.001Z.jpg", "2026-11-24T12-00-00.002Z.jpg"}},
		{"same time twice", 9, 99, []time.Time{at(0), at(0)}, []string{"2026-11-24T12-00-00.000Z.jpg", "2026-11-24T12-00-00.001Z.jpg"}},
		{"clock set back: the first to come goes first", 2, 99, []time.Time{at(9000), at(1000), at(2000)}, []string{"2026-11-24T12-00-01.000Z.jpg", "2026-11-24T12-00-02.000Z.jpg"}},
		{"clock never set", 9, 99, []time.Time{time.Unix(1, 0)}, []string{"1970-01-01T00-00-01.000Z.jpg"}},
		{"another zone", 9, 99, []time.Time{at(0).In(time.FixedZone("", 3600))}, []string{"2026-11-24T12-00-00.000Z.jpg"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run", "stills")
			newest := filepath.Join(dir, "..", "camera.jpg")
			s := openStills(t, StillsConfig{Dir: dir, MaxFiles: tt.maxFiles, MaxBytes: tt.maxBytes, Newest: newest})
			for i, taken := range tt.taken {
				s.Add(picture(fmt.Sprintf("%0*d", size, i), taken))
			}
			if diff := cmp.Diff(tt.want, list(t, dir)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			got, err := os.ReadFile(newest)
			if want := fmt.Sprintf("%0*d", size, len(tt.taken)-1); err != nil || string(got) != want {
				t.Errorf("newest: got %q, %v, want %q", got, err, want)
			}
			if diff := cmp.Diff([]string{"camera.jpg", "stills", "stills.tmp"}, list(t, filepath.Dir(dir))); diff != "" {
				t.Errorf("neighbours (-want +got):\n%s", diff)
			}
			if left := list(t, dir+tmpSuffix); len(left) > 0 {
				t.Errorf("unfinished files left: %v", left)
			}
		})
	}
}

// TestStillsBounds adds pictures of any size at times of any order and looks at the folder itself each time.
func TestStillsBounds(t *testing.T) {
	const maxFiles, maxBytes, largest, adds = 20, 10_000, 2000, 5000
	r := rand.New(rand.NewPCG(1, 2))
	dir := filepath.Join(t.TempDir(), "stills")
	s := openStills(t, StillsConfig{Dir: dir, MaxFiles: maxFiles, MaxBytes: maxBytes})
	// A few times only, so that names collide.
	var want []int64 // sizes, in order of arrival
	full := map[string]bool{}
	for i := range adds {
		size := r.Int64N(largest)
		if i/500%2 == 0 {
			size /= 20
		}
		s.Add(picture(strings.Repeat("x", int(size)), noon.Add(time.Duration(r.IntN(40))*time.Millisecond)))
		want = append(want, size)
		for len(want) > maxFiles || sum(want) > maxBytes {
			full[map[bool]string{true: "files", false: "bytes"}[len(want) > maxFiles]] = true
			want = want[1:]
		}
		if i%10 != 0 {
			continue
		}
		var got []int64
		for _, name := range list(t, dir) {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, info.Size())
		}
		if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))); diff != "" {
			t.Fatalf("after %d pictures, sizes (-want +got):\n%s", i+1, diff)
		}
		if diff := cmp.Diff(StillsStatus{Files: len(got), Bytes: sum(got)}, s.Status()); diff != "" {
			t.Fatalf("status (-want +got):\n%s", diff)
		}
	}
	if !full["files"] || !full["bytes"] {
		t.Errorf("only reached the bound of %v", full)
	}
}

func sum(sizes []int64) (total int64) {
	for _, s := range sizes {
		total += s
	}
	return total
}

func TestStillsLeftovers(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "stills")
	put := func(name string) {
		t.Helper()
		path := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("1234"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("stills/2026-11-24T12-00-00.000Z.jpg")
	put("stills/2026-11-24T12-00-01.000Z.jpg")
	put("stills/2026-11-24T12-00-02.000Z.jpg")
	put("stills/README")
	put("stills.tmp/.2026-11-24T12-00-03.000Z.jpg1234")
	put(".camera.jpg5678")
	put(".camera.jpg.kept")
	s := openStills(t, StillsConfig{Dir: dir, MaxFiles: 2, MaxBytes: 99, Newest: filepath.Join(top, "camera.jpg")})
	want := []string{"2026-11-24T12-00-01.000Z.jpg", "2026-11-24T12-00-02.000Z.jpg", "README"}
	if diff := cmp.Diff(want, list(t, dir)); diff != "" {
		t.Errorf("adopted (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{".camera.jpg.kept", "stills", "stills.tmp"}, list(t, top)); diff != "" {
		t.Errorf("around it (-want +got):\n%s", diff)
	}
	if left := list(t, dir+tmpSuffix); len(left) > 0 {
		t.Errorf("unfinished files left: %v", left)
	}
	s.Add(picture("new", noon))
	want = []string{"2026-11-24T12-00-00.000Z.jpg", "2026-11-24T12-00-02.000Z.jpg", "README"}
	if diff := cmp.Diff(want, list(t, dir)); diff != "" {
		t.Errorf("after one more (-want +got):\n%s", diff)
	}
}

// TestStillsRemovedByOthers: what somebody else removed is room, not an error.
func TestStillsRemovedByOthers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "stills")
	s := openStills(t, StillsConfig{Dir: dir, MaxFiles: 1, MaxBytes: 99})
	s.Add(picture("a", noon))
	if err := os.Remove(filepath.Join(dir, list(t, dir)[0])); err != nil {
		t.Fatal(err)
	}
	s.Add(picture("b", noon.Add(time.Second)))
	if diff := cmp.Diff(StillsStatus{Files: 1, Bytes: 1}, s.Status()); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func TestNewStillsRefuses(t *testing.T) {
	notDir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(notDir, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		cfg  StillsConfig
	}{
		{"folder below a file", StillsConfig{Dir: filepath.Join(notDir, "stills"), MaxFiles: 1, MaxBytes: 1}},
		{"no files", StillsConfig{Dir: t.TempDir(), MaxBytes: 1}},
		{"no bytes", StillsConfig{Dir: t.TempDir(), MaxFiles: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if s, err := NewStills(tt.cfg); err == nil {
				s.Close()
				t.Error("was opened")
			}
		})
	}
}

// TestStillsFailing: trouble is logged once when it begins and once when it ends, and counted in between.
func TestStillsFailing(t *testing.T) {
	var log bytes.Buffer
	dir := filepath.Join(t.TempDir(), "stills")
	s := openStills(t, StillsConfig{Dir: dir, MaxFiles: 3, MaxBytes: 10, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	works := s.write
	s.write = func(string, []byte, string) error { return syscall.ENOSPC }
	for i := range 5 {
		s.Add(picture("a", noon.Add(time.Duration(i)*time.Second)))
	}
	s.write = works
	s.Add(picture("more than 10 bytes", noon))
	s.Add(picture("a", noon))
	s.Add(picture("b", noon))
	if diff := cmp.Diff(StillsStatus{Files: 2, Bytes: 2, Failed: 6}, s.Status()); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 2 || !strings.Contains(log.String(), "no space left") {
		t.Errorf("got %d log lines, want 2 that say why:\n%s", lines, &log)
	}
}

// smallDisk is a tmpfs of 64 KiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k")
	if errors.Is(err, syscall.EPERM) {
		t.Skip("mounting a small tmpfs needs root:", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestStillsDiskFull fills a real disk: no part of a picture stays, and the ring goes on once there is room again.
func TestStillsDiskFull(t *testing.T) {
	disk := smallDisk(t)
	dir := filepath.Join(disk, "stills")
	s := openStills(t, StillsConfig{Dir: dir, MaxFiles: 2, MaxBytes: 1 << 20, Newest: filepath.Join(disk, "camera.jpg")})
	s.Add(picture("small", noon))
	s.Add(picture(strings.Repeat("x", 100<<10), noon.Add(time.Second)))
	if diff := cmp.Diff(StillsStatus{Files: 1, Bytes: 5, Failed: 1}, s.Status()); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"camera.jpg", "stills", "stills.tmp"}, list(t, disk)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if left := list(t, dir+tmpSuffix); len(left) > 0 {
		t.Errorf("unfinished files left: %v", left)
	}
	if got, err := os.ReadFile(filepath.Join(disk, "camera.jpg")); err != nil || string(got) != "small" {
		t.Errorf("newest: got %d bytes, %v, want the last whole picture", len(got), err)
	}
	s.Add(picture("again", noon.Add(2*time.Second)))
	if diff := cmp.Diff(StillsStatus{Files: 2, Bytes: 10, Failed: 1}, s.Status()); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

// TestNewestIsWhole reads the newest picture as fast as it can while it is replaced.
func TestNewestIsWhole(t *testing.T) {
	top := t.TempDir()
	newest := filepath.Join(top, "camera.jpg")
	s := openStills(t, StillsConfig{Dir: filepath.Join(top, "stills"), MaxFiles: 3, MaxBytes: 1 << 20, Newest: newest})
	s.Add(picture(strings.Repeat("a", 1000), noon))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 500 {
			s.Add(picture(strings.Repeat(string(rune('a'+i%26)), 1000+i), noon))
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		got, err := os.ReadFile(newest)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) < 1000 || bytes.Count(got, got[:1]) != len(got) {
			t.Fatalf("got a part of a picture, or of two: %d bytes", len(got))
		}
	}
}
