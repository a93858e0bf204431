package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/camkrazy/camkrazy/internal/config"
)

// TestCommittedBootLines: gok used by hand puts the same lines into config.txt as this program.
func TestCommittedBootLines(t *testing.T) {
	root := repository(t)
	want, err := bootLines(root)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(want, "start_x=1") {
		t.Errorf("overlay/config.txt has no start_x=1: %q", want)
	}
	c := parseJSON(t, read(t, root, "instance", "camkrazy", "config.json"))
	var got []string
	for _, line := range c["BootloaderExtraLines"].([]any) {
		got = append(got, line.(string))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("overlay/config.txt and config.json differ (-want +got):\n%s", diff)
	}
}

// TestCommittedInstanceIsClosed: what is in the repository has no secret, and lacks a file without the secrets.
func TestCommittedInstanceIsClosed(t *testing.T) {
	root := repository(t)
	c := parseJSON(t, read(t, root, "instance", "camkrazy", "config.json"))
	walk(c, "", func(path string, value any) {
		if strings.Contains(strings.ToLower(path), "password") {
			t.Errorf("config.json has a password at %s", path)
		}
		if text, _ := value.(string); strings.Contains(text, "://") {
			t.Errorf("config.json has a URL at %s", path)
		}
	})
	if _, ok := c["InternalCompatibilityFlags"]; ok {
		t.Error("config.json has InternalCompatibilityFlags, where the URL of an update would be")
	}
	files := instanceConfig(c).section("PackageConfig").section(daemon).section("ExtraFilePaths")
	if got, want := files["/etc/camkrazy/camera.yaml"], "../../secrets/camera.yaml"; got != want {
		t.Errorf("camera.yaml comes from %v, want %s", got, want)
	}
	if !slices.Contains(strings.Split(read(t, root, ".gitignore"), "\n"), "/secrets/") {
		t.Error(".gitignore does not list /secrets/")
	}
	if n := strings.Count(string(config.Reference()), "\nusers: []\n"); n != 1 {
		t.Errorf("the reference camera.yaml has %d lines users: [], want 1", n)
	}
}

// walk calls a function with every value of a JSON document.
func walk(value any, path string, visit func(path string, value any)) {
	visit(path, value)
	switch v := value.(type) {
	case map[string]any:
		for key, child := range v {
			walk(child, path+"/"+key, visit)
		}
	case []any:
		for i, child := range v {
			walk(child, fmt.Sprintf("%s/%d", path, i), visit)
		}
	}
}

// TestCommittedModules: gok downloads nothing that is not pinned, and finds this repository.
func TestCommittedModules(t *testing.T) {
	root := repository(t)
	dir := filepath.Join(root, "instance", "camkrazy", "builddir")
	goMod := read(t, dir, "go.mod")
	if n := strings.Count(goMod, "\nreplace "+relativeModule); n != 1 {
		t.Errorf("go.mod has %d lines replace %q, want 1", n, relativeModule)
	}
	_, path, _ := strings.Cut(strings.TrimSpace(relativeModule), " => ")
	if got := filepath.Join(dir, path); got != root {
		t.Errorf("go.mod replaces this module with %s, want %s", got, root)
	}
	if !strings.Contains(goMod, "\t"+firmwareModule+" v") {
		t.Errorf("go.mod does not require %s", firmwareModule)
	}
	c := parseJSON(t, read(t, dir, "..", "config.json"))
	packages := append(c["Packages"].([]any), c["GokrazyPackages"].([]any)...)
	for _, p := range append(packages, c["KernelPackage"], c["FirmwarePackage"], c["EEPROMPackage"]) {
		parts := strings.SplitN(p.(string), "/", 4)
		if required := "\t" + strings.Join(parts[:3], "/") + " v"; !strings.Contains(goMod, required) {
			t.Errorf("go.mod does not require the module of %s", p)
		}
	}
}

func TestBootLines(t *testing.T) {
	root := t.TempDir()
	if _, err := bootLines(root); err == nil {
		t.Error("no config.txt: got no error")
	}
	put(t, "# a\nb=1\n\n  \n#c=2\n[pi4]\nd=3#4", root, "overlay", "config.txt")
	got, err := bootLines(root)
	if diff := cmp.Diff([]string{"b=1", "[pi4]", "d=3#4"}, got); err != nil || diff != "" {
		t.Errorf("error %v, lines (-want +got):\n%s", err, diff)
	}
}

// TestCopyInstance compares the whole copy with the committed one: nothing else may change.
func TestCopyInstance(t *testing.T) {
	root := repository(t)
	s := &secrets{gokrazyPassword: "pass/w:rd", cameraPath: filepath.Join(t.TempDir(), "mine.yaml")}
	tests := []struct {
		name string
		o    options
		flag any // CommandLineFlags of the daemon
		url  any // InternalCompatibilityFlags.Update
	}{
		{"plain", options{}, nil, nil},
		{"emulate", options{emulate: true}, []any{"--emulate"}, nil},
		{"update", options{update: "camkrazy"}, nil, "http://gokrazy:pass%2Fw%3Ard@camkrazy:8080/"},
		{"update at a port", options{update: "192.0.2.1:81"}, nil, "http://gokrazy:pass%2Fw%3Ard@192.0.2.1:81/"},
		{"update by IPv6", options{update: "2001:db8::1"}, nil, "http://gokrazy:pass%2Fw%3Ard@[2001:db8::1]:8080/"},
		{
			"update by IPv6 at a port", options{update: "[2001:db8::1]:81", emulate: true}, []any{"--emulate"},
			"http://gokrazy:pass%2Fw%3Ard@[2001:db8::1]:81/",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.root = root
			dir := filepath.Join(t.TempDir(), hostname)
			if err := copyInstance(dir, tt.o, s); err != nil {
				t.Fatal(err)
			}
			want := parseJSON(t, read(t, root, "instance", "camkrazy", "config.json"))
			want["Update"].(map[string]any)["HTTPPassword"] = s.gokrazyPassword
			if tt.url != nil {
				want["InternalCompatibilityFlags"] = map[string]any{"Update": tt.url}
			}
			for name, p := range want["PackageConfig"].(map[string]any) {
				p := p.(map[string]any)
				files, _ := p["ExtraFilePaths"].(map[string]any)
				absolute := make(map[string]any)
				for dest, path := range files {
					absolute[dest] = filepath.Join(root, strings.TrimPrefix(path.(string), "../../"))
				}
				if name == daemon {
					absolute["/etc/camkrazy/camera.yaml"] = s.cameraPath
				}
				p["ExtraFilePaths"] = absolute
				if name == daemon && tt.flag != nil {
					p["CommandLineFlags"] = tt.flag
				}
			}
			if diff := cmp.Diff(want, parseJSON(t, read(t, dir, "config.json"))); diff != "" {
				t.Errorf("config.json (-want +got):\n%s", diff)
			}
			if got := mode(t, filepath.Join(dir, "config.json")); got != 0o600 {
				t.Errorf("config.json with the password has mode %o, want 600", got)
			}
			goMod := read(t, dir, "builddir", "go.mod")
			if want := "\nreplace github.com/camkrazy/camkrazy => " + root + "\n"; !strings.Contains(goMod, want) {
				t.Errorf("go.mod has no line %q:\n%s", want, goMod)
			}
		})
	}
}

// TestAdaptKeepsFlags: --emulate comes after the daemon's own flags, and does not replace them.
func TestAdaptKeepsFlags(t *testing.T) {
	c := instanceConfig{"PackageConfig": map[string]any{
		daemon: map[string]any{"CommandLineFlags": []any{"--ram", "/tmp"}},
	}}
	if err := c.adapt(options{root: repository(t), emulate: true}, &secrets{}); err != nil {
		t.Fatal(err)
	}
	got := c.section("PackageConfig").section(daemon)["CommandLineFlags"]
	if diff := cmp.Diff([]any{"--ram", "/tmp", "--emulate"}, got); diff != "" {
		t.Errorf("flags (-want +got):\n%s", diff)
	}
}

// TestAdaptKeys: who has made a file of keys can log in with breakglass, nobody else can.
func TestAdaptKeys(t *testing.T) {
	keys := put(t, "ssh-ed25519 AAAA me", t.TempDir(), keysFile)
	for path, want := range map[string]instanceConfig{
		keys: {
			"ExtraFilePaths":   map[string]any{"/etc/breakglass.authorized_keys": keys},
			"CommandLineFlags": []any{"-authorized_keys=/etc/breakglass.authorized_keys"},
		},
		keys + ".none": {},
	} {
		c := make(instanceConfig)
		if err := c.adapt(options{root: repository(t)}, &secrets{keysPath: path}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, c.section("PackageConfig").section(breakglass)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// TestAdaptExtra: a test's own program is there, and waits to be started.
func TestAdaptExtra(t *testing.T) {
	c := instanceConfig{"Packages": []any{"a"}}
	if err := c.adapt(options{root: repository(t), extra: "b"}, &secrets{}); err != nil {
		t.Fatal(err)
	}
	got := []any{c["Packages"], c.section("PackageConfig")["b"]}
	if diff := cmp.Diff([]any{[]any{"a", "b"}, map[string]any{"DontStart": true}}, got); diff != "" {
		t.Errorf("packages and their configuration (-want +got):\n%s", diff)
	}
}

func TestCopyInstanceMistakes(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"nothing there", nil, "config.json"},
		{"no JSON", map[string]string{"instance/camkrazy/config.json": "{"}, "read config.json"},
		{"no boot lines", map[string]string{"instance/camkrazy/config.json": "{}"}, "config.txt"},
		{
			"no modules",
			map[string]string{"instance/camkrazy/config.json": "{}", "overlay/config.txt": ""},
			"go.mod",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for _, name := range slices.Sorted(maps.Keys(tt.files)) {
				put(t, tt.files[name], root, name)
			}
			err := copyInstance(filepath.Join(t.TempDir(), hostname), options{root: root}, &secrets{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// TestCopyModules goes to the copy and back again, with a line that gok adds in between.
func TestCopyModules(t *testing.T) {
	const relative = "module x\n\nreplace github.com/camkrazy/camkrazy => ../../../\n\nrequire a v1\n"
	instance, built := t.TempDir(), t.TempDir()
	put(t, relative, instance, "go.mod")
	put(t, "a v1 h1:x\n", instance, "go.sum")
	there := func(s string) string { return strings.Replace(s, relativeModule, absoluteModule("/src/cam"), 1) }
	back := func(s string) string { return strings.Replace(s, absoluteModule("/src/cam"), relativeModule, 1) }

	if err := copyModules(built, instance, there); err != nil {
		t.Fatal(err)
	}
	absolute := strings.Replace(relative, "../../../", "/src/cam", 1)
	if got := read(t, built, "go.mod"); got != absolute {
		t.Errorf("there: got %q\nwant %q", got, absolute)
	}
	put(t, absolute+"require b v1\n", built, "go.mod")
	past := time.Unix(1e9, 0)
	if err := os.Chtimes(filepath.Join(instance, "go.sum"), past, past); err != nil {
		t.Fatal(err)
	}
	if err := copyModules(instance, built, back); err != nil {
		t.Fatal(err)
	}
	if got, want := read(t, instance, "go.mod"), relative+"require b v1\n"; got != want {
		t.Errorf("back: got %q\nwant %q", got, want)
	}
	st, err := os.Stat(filepath.Join(instance, "go.sum"))
	if err != nil || !st.ModTime().Equal(past) {
		t.Errorf("go.sum was written although it was the same: %v, %v", st, err)
	}
	if err := os.Remove(filepath.Join(built, "go.sum")); err != nil {
		t.Fatal(err)
	}
	if err := copyModules(instance, built, back); err == nil {
		t.Error("no go.sum: got no error")
	}
}

func TestWithPort(t *testing.T) {
	tests := []struct{ host, want string }{
		{"camkrazy", "camkrazy:8080"},
		{"camkrazy.local:81", "camkrazy.local:81"},
		{"192.0.2.1", "192.0.2.1:8080"},
		{"192.0.2.1:80", "192.0.2.1:80"},
		{"::1", "[::1]:8080"},
		{"[::1]", "[::1]:8080"},
		{"[::1]:80", "[::1]:80"},
		{"fe80::1%eth0", "[fe80::1%eth0]:8080"},
	}
	for _, tt := range tests {
		if got := withPort(tt.host); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.host, got, tt.want)
		}
	}
}
