package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/camkrazy/camkrazy/internal/config"
)

// repository is the folder of the real one, whose files some tests read.
func repository(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// put writes a file and makes its folder.
func put(t *testing.T, content string, path ...string) string {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// newHome keeps a test away from the real ~/.config, and returns where gok would keep the password for the host.
func newHome(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "config"))
	return filepath.Join(home, "config", "gokrazy", "hosts", "camkrazy", "http-password.txt")
}

// fakeGo puts a shell script in the place of go, and of everything else in PATH but the shell's own tools.
func fakeGo(t *testing.T, script string) {
	t.Helper()
	path := put(t, "#!/bin/sh\n"+script, t.TempDir(), "go")
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Dir(path)+":/usr/bin:/bin")
}

func parseJSON(t *testing.T, text string) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func parseConfig(t *testing.T, dir, text string) config.Config {
	t.Helper()
	c, err := config.Load(put(t, text, dir, cameraFile))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Mode().Perm()
}
