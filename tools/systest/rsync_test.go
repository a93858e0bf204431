package systest

import (
	"context"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// testRsync fetches the stills and the logs with Debian's rsync, and tries to write.
func testRsync(t *testing.T, b *board) {
	stills := rsyncFetch(t, b, "stills")
	pictures := 0
	for _, file := range stills {
		if !strings.HasSuffix(file, ".jpg") {
			continue
		}
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := jpeg.Decode(f); err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
		}
		f.Close()
		pictures++
	}
	if pictures == 0 {
		t.Errorf("no picture among the stills: %q", stills)
	}
	lines := 0
	for _, file := range rsyncFetch(t, b, "logs") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines += strings.Count(string(text), "\n")
	}
	if lines == 0 {
		t.Error("no line in the logs")
	}
	t.Logf("fetched %d stills and %d lines of log", pictures, lines)

	file := filepath.Join(t.TempDir(), "intruder.jpg")
	if err := os.WriteFile(file, []byte("not a picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, module := range []string{"stills", "logs"} {
		if out, err := rsync(t.Context(), file, b.rsyncURL(module)); err == nil {
			t.Errorf("rsync wrote to %s: %s", module, out)
		}
		if out, err := rsync(t.Context(), "-r", "--delete", t.TempDir()+"/", b.rsyncURL(module)); err == nil {
			t.Errorf("rsync deleted in %s: %s", module, out)
		}
		for _, name := range rsyncFetch(t, b, module) {
			if filepath.Base(name) == filepath.Base(file) {
				t.Errorf("the intruder is in %s", module)
			}
		}
	}
}

func (b *board) rsyncURL(module string) string {
	return "rsync://" + b.Addr(rsyncPort) + "/" + module + "/"
}

// rsyncFetch copies a module and returns the files' paths.
func rsyncFetch(t *testing.T, b *board, module string) []string {
	t.Helper()
	dir := t.TempDir()
	if out, err := rsync(t.Context(), "-r", b.rsyncURL(module), dir); err != nil {
		t.Fatalf("fetch %s: %v\n%s", module, err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s is empty (%v)", module, err)
	}
	return files
}

func rsync(ctx context.Context, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return exec.CommandContext(ctx, "rsync", args...).CombinedOutput()
}
