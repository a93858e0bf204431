package camkrazy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRunConfiguration holds which configuration `make run` uses: a copy of the example, which is kept with what was saved
// in it even if the example is newer, or the file that somebody names.
func TestRunConfiguration(t *testing.T) {
	const example, copied = "examples/local.yaml", "build/local.yaml"
	dir := t.TempDir()
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	// In the place of Go stands what builds a daemon that prints the flags it was started with.
	const fakeGo = "#!/bin/sh\nmkdir -p build\nprintf '#!/bin/sh\\necho \"$@\"\\n' >build/camkrazy\nchmod +x build/camkrazy\n"
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write("Makefile", string(makefile))
	write("bin/go", fakeGo)
	write(example, "first")
	run := func(config, want string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "make", append([]string{"run"}, args...)...)
		cmd.Dir = dir
		// Nothing of the `make test` that this may run under.
		cmd.Env = []string{"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if err != nil || !strings.Contains(lines[len(lines)-1], "--config "+config) {
			t.Fatalf("%v: %v:\n%s", args, err, out)
		}
		if text, err := os.ReadFile(filepath.Join(dir, config)); err != nil || string(text) != want {
			t.Errorf("%v: %s has %q (%v), want %q", args, config, text, err, want)
		}
	}
	run(copied, "first")
	write(copied, "saved")
	run(copied, "saved")
	earlier := time.Now().Add(-time.Minute)
	write(example, "second")
	if err := os.Chtimes(filepath.Join(dir, copied), earlier, earlier); err != nil {
		t.Fatal(err)
	}
	run(copied, "saved")
	if err := os.Remove(filepath.Join(dir, copied)); err != nil {
		t.Fatal(err)
	}
	run(copied, "second")
	write("mine.yaml", "mine")
	run("mine.yaml", "mine", "CONFIG=mine.yaml")
}
