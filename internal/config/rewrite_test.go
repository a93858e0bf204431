package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/camkrazy/camkrazy/internal/config"
)

// TestRewrite holds what stays of a file in which live keys change.
func TestRewrite(t *testing.T) {
	const bright, moved = `{"brightness": 60}`, `{"rotation": 180, "annotate": {"text": "%H:%M #1", "size": 40}}`
	tests := []struct{ name, text, patch, want string }{
		{"nothing changes", "camera:\n  iso:   100 # x\n", `{}`, "camera:\n  iso:   100 # x\n"},
		{"empty file", "", bright, "camera:\n  brightness: 60\n"},
		{"no section", "# mine\nusers: []", bright, "# mine\nusers: []\ncamera:\n  brightness: 60\n"},
		{"empty section", "camera:   # none\nhttp: {listen: \":80\"}\n", bright, "camera:   # none\n  brightness: 60\nhttp: {listen: \":80\"}\n"},
		{"in place", "camera:\n    brightness: 50     # of 100\n    iso: 100\n", bright, "camera:\n    brightness: 60     # of 100\n    iso: 100\n"},
		{"longer than before", "camera:\n  image_effect: none # for now\n", `{"image_effect": "watercolor"}`, "camera:\n  image_effect: watercolor # for now\n"},
		{"added behind the last", "camera:\n  # first\n  iso: 100\n\n# streams\nsnapshot: {quality: 90}\n", bright,
			"camera:\n  # first\n  iso: 100\n  brightness: 60\n\n# streams\nsnapshot: {quality: 90}\n"},
		{"CRLF", "camera:\r\n  iso: 100\r\n", bright, "camera:\r\n  iso: 100\r\n  brightness: 60\r\n"},
		{"section in braces", "camera:\n  annotate: {text: 'a # b', background: true} # text\n", moved,
			"camera:\n  annotate: {text: \"%H:%M #1\", size: 40, background: true} # text\n  rotation: 180\n"},
		{"section in lines", "camera:\n  annotate:\n    # what\n    text: \"old\"   # text\n  hflip: true\n", moved,
			"camera:\n  annotate:\n    # what\n    text: \"%H:%M #1\" # text\n    size: 40\n  hflip: true\n  rotation: 180\n"},
		{"no section of annotate", "camera:\n  hflip: true\n", moved,
			"camera:\n  hflip: true\n  rotation: 180\n  annotate: {text: \"%H:%M #1\", size: 40}\n"},
		{"lists", "camera:\n  zoom: [0, 0.1, 1, 0.75] # wide\n  color_effects: [128, 128]\n", `{"zoom": [0, 0, 1, 1], "color_effects": null}`,
			"camera:\n  zoom: [0, 0, 1, 1]      # wide\n  color_effects: none\n"},
		{"list over two lines", "camera:\n  zoom: [0, 0.1,\n    1, 0.75]\nusers: [{name: a, password: \"b#: c\"}]\n", `{"zoom": [0, 0, 1, 1]}`,
			"users: [{name: a, password: \"b#: c\"}]\ncamera:\n"},
		{"everything in braces", `{camera: {iso: 100, resolution: 640x480}, http: {listen: ":80"}}`, bright,
			"http: {listen: \":80\"}\ncamera:\n  resolution: 640x480\n  brightness: 60\n  iso: 100\n"},
		{"text over lines", "camera:\n  annotate:\n    text: |\n      one\n      two\n    size: 20\n", `{"annotate": {"text": "one"}}`,
			"camera:\n  annotate: {text: one, size: 20}\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			live, err := parse(t, tt.text).Camera.Patch([]byte(tt.patch))
			if err != nil {
				t.Fatal(err)
			}
			got, err := config.Rewrite([]byte(tt.text), live)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(live, parse(t, string(got)).Camera); diff != "" {
				t.Errorf("the file means something else (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRewriteEverything changes all live keys of each example, and back.
func TestRewriteEverything(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("examples: %v, %v", files, err)
	}
	bell := load(t, "doorbell.yaml").Camera
	bell.ShutterSpeed = 0
	for _, name := range append(files, "camera.yaml") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		before := parse(t, string(text))
		changed, err := config.Rewrite(text, bell)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := before
		want.Camera = before.Camera.WithLive(bell)
		if diff := cmp.Diff(want, parse(t, string(changed))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		back, err := config.Rewrite(changed, before.Camera)
		if err != nil {
			t.Errorf("%s, back: %v", name, err)
			continue
		}
		if diff := cmp.Diff(before, parse(t, string(back))); diff != "" {
			t.Errorf("%s, back (-want +got):\n%s", name, diff)
		}
		if comments := strings.Count(string(text), "#"); strings.Count(string(back), "#") < comments {
			t.Errorf("%s lost comments:\n%s", name, back)
		}
	}
}

// TestRewriteRefuses does not touch a file that is not valid, or would not be.
func TestRewriteRefuses(t *testing.T) {
	slow := config.Default().Camera
	slow.ShutterSpeed = 33_000_000 // ns
	for _, text := range []string{"camera: {iso: x}\n", "camera:\n  framerate: 60\n"} {
		if got, err := config.Rewrite([]byte(text), slow); err == nil {
			t.Errorf("%q became %q", text, got)
		}
	}
}
