package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/config"
	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/webd"
)

func writeFile(t *testing.T, text string, path ...string) string {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// takesAll is a camera that takes all controls.
func takesAll(context.Context, camera.Controls) error { return nil }

// TestSave saves as an appliance does: into a folder that does not exist yet, from a file that is not for writing.
func TestSave(t *testing.T) {
	perm := t.TempDir()
	shipped := writeFile(t, "# shipped\ncamera:\n  iso: 100\nusers: [{name: a, password: secret}]\n", t.TempDir(), "camera.yaml")
	cfg, err := config.Load(shipped)
	if err != nil {
		t.Fatal(err)
	}
	s := newSettings(cfg.Camera, "", takesAll)
	s.file, s.shipped = filepath.Join(perm, "camkrazy", "camera.yaml"), shipped
	for _, change := range []string{`{"brightness": 60}`, `{"annotate": {"text": "%H:%M"}}`} {
		if _, err := s.change(t.Context(), []byte(change)); err != nil {
			t.Fatal(err)
		}
		if len(s.controls().Unsaved) == 0 {
			t.Error("nothing counts as not saved")
		}
		if _, err := s.save(); err != nil {
			t.Fatal(err)
		}
		if unsaved := s.controls().Unsaved; len(unsaved) != 0 {
			t.Errorf("%v count as not saved", unsaved)
		}
	}
	text, err := os.ReadFile(s.file)
	const want = "# shipped\ncamera:\n  iso: 100\n  brightness: 60\n  annotate: {text: \"%H:%M\"}\nusers: [{name: a, password: secret}]\n"
	if err != nil || string(text) != want {
		t.Errorf("saved (%v):\n%s\nwant:\n%s", err, text, want)
	}
	for path, mode := range map[string]os.FileMode{s.file: 0o600, filepath.Dir(s.file): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(s.file)); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	next, err := config.Load(s.file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.live, next.Camera); diff != "" {
		t.Errorf("the next start differs (-saved +loaded):\n%s", diff)
	}
}

// TestSaveNamed saves to the file that --config names, keeps what somebody else changed in it, and follows links.
func TestSaveNamed(t *testing.T) {
	file := writeFile(t, "snapshot: {quality: 90}\n", t.TempDir(), "camera.yaml")
	link := filepath.Join(t.TempDir(), "link.yaml")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	s := newSettings(config.Default().Camera, link, takesAll)
	if _, err := s.change(t.Context(), []byte(`{"hflip": true}`)); err != nil {
		t.Fatal(err)
	}
	writeFile(t, "snapshot: {quality: 91}\n", file)
	if name, err := s.save(); err != nil || name != link {
		t.Fatalf("got %s, %v", name, err)
	}
	text, err := os.ReadFile(file)
	if want := "snapshot: {quality: 91}\ncamera:\n  hflip: true\n"; err != nil || string(text) != want {
		t.Errorf("got %q, %v, want %q", text, err, want)
	}
}

func TestSaveRefused(t *testing.T) {
	dir := t.TempDir()
	shipped := writeFile(t, "", dir, "shipped.yaml")
	tests := []struct{ name, file, shipped, want string }{
		{"no /perm", filepath.Join(dir, "perm", "camkrazy", "camera.yaml"), shipped, "this machine has no " + filepath.Join(dir, "perm")},
		{"named file gone", filepath.Join(dir, "gone.yaml"), "", "no such file"},
		{"broken meanwhile", writeFile(t, "camera: {iso: x}\nfoo: 1\n", dir, "broken.yaml"), "", "line 1: camera.iso: "},
		{"not to be written", "/proc/version/camera.yaml", "", "not a directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSettings(config.Default().Camera, tt.file, takesAll)
			s.shipped = tt.shipped
			s.change(t.Context(), []byte(`{"hflip": true}`))
			_, err := s.save()
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %q in one line", err, tt.want)
			}
			if len(s.controls().Unsaved) != 1 {
				t.Errorf("%v count as not saved", s.controls().Unsaved)
			}
		})
	}
}

// TestChangeRefused changes nothing when the object is wrong, the firmware refuses or the camera does not answer.
func TestChangeRefused(t *testing.T) {
	var answer error
	s := newSettings(config.Default().Camera, "", func(context.Context, camera.Controls) error { return answer })
	before := s.live
	tests := []struct {
		object string
		answer error
		want   error
	}{
		{`{"iso": -1, "isoo": 1}`, nil, webd.Problems{
			{Key: "iso", Problem: "-1 is out of range 0..1600"},
			{Key: "isoo", Problem: "unknown key; did you mean iso?"}}},
		{`{"iso": 100}`, &camera.ControlError{Control: "iso", Status: mmal.EInval}, webd.Problems{{Key: "iso", Problem: "firmware answered EINVAL"}}},
		{`{"iso": 100}`, mmal.ErrNoReply, mmal.ErrNoReply},
		{`iso`, nil, webd.ErrNotObject},
	}
	for _, tt := range tests {
		answer = tt.answer
		_, err := s.change(t.Context(), []byte(tt.object))
		problems, ok := errors.AsType[webd.Problems](err)
		if ok && problems.Error() != tt.want.Error() || !ok && !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.object, err, tt.want)
		}
		if diff := cmp.Diff(before, s.live); diff != "" {
			t.Errorf("%s changed something:\n%s", tt.object, diff)
		}
	}
}
