package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/camkrazy/camkrazy/internal/config"
)

var randomPassword = regexp.MustCompile(`^[a-z2-7]{20}$`)

func TestLoadSecrets(t *testing.T) {
	newHome(t)
	seen := make(map[string]bool)
	for range 2 {
		dir := filepath.Join(t.TempDir(), "new", "secrets")
		s, err := loadSecrets(dir, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := mode(t, dir); got != 0o700 {
			t.Errorf("the folder has mode %o, want 700", got)
		}
		for _, name := range []string{passwordFile, cameraFile} {
			if got := mode(t, filepath.Join(dir, name)); got != 0o600 {
				t.Errorf("%s has mode %o, want 600", name, got)
			}
		}
		if len(s.camera.Users) != 1 || s.camera.Users[0].Name != "viewer" {
			t.Fatalf("got users %v, want one viewer", s.camera.Users)
		}
		for _, password := range []string{s.gokrazyPassword, s.camera.Users[0].Password} {
			if !randomPassword.MatchString(password) || seen[password] {
				t.Errorf("password %q is not random, after %v", password, seen)
			}
			seen[password] = true
		}
		if got := read(t, dir, passwordFile); got != s.gokrazyPassword {
			t.Errorf("%s has %q, want %q", passwordFile, got, s.gokrazyPassword)
		}

		// Later builds only read.
		before := []string{read(t, dir, passwordFile), read(t, dir, cameraFile)}
		again, err := loadSecrets(dir, false)
		if err != nil {
			t.Fatal(err)
		}
		after := []string{read(t, dir, passwordFile), read(t, dir, cameraFile)}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("the second call changed (-before +after):\n%s", diff)
		}
		if diff := cmp.Diff(s, again, cmp.AllowUnexported(secrets{})); diff != "" {
			t.Errorf("the second call found something else (-first +second):\n%s", diff)
		}
	}
}

func TestLoadSecretsOfOwner(t *testing.T) {
	const known = "of gok"
	tests := []struct {
		name     string
		gok      string            // gok's own password file
		files    map[string]string // in the secrets' folder
		password string            // "": a random one
		mistake  string
	}{
		{"gok knows a password", known + "\n", nil, known, ""},
		{"gok's file is empty", "\n", nil, "", ""},
		{"the owner's goes before gok's", known, map[string]string{passwordFile: " mine \n"}, "mine", ""},
		{"the owner's camera.yaml", "", map[string]string{cameraFile: "users: [{name: me, password: x}]\n"}, "", ""},
		{
			"empty password file", known, map[string]string{passwordFile: "\n"}, "",
			passwordFile + " is empty: write a password into it, or remove it",
		},
		{
			"broken camera.yaml", "", map[string]string{cameraFile: "kamera: {}\n"}, "",
			"kamera: unknown key",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			gokFile := newHome(t)
			if tt.gok != "" {
				put(t, tt.gok, gokFile)
			}
			dir := t.TempDir()
			for name, content := range tt.files {
				put(t, content, dir, name)
			}
			s, err := loadSecrets(dir, false)
			for name, content := range tt.files {
				if got := read(t, dir, name); got != content {
					t.Errorf("%s is now %q, was %q", name, got, content)
				}
			}
			if tt.mistake != "" {
				if err == nil || !strings.Contains(err.Error(), tt.mistake) {
					t.Errorf("got error %v, want one with %q", err, tt.mistake)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := s.gokrazyPassword
			if tt.password != "" && got != tt.password || tt.password == "" && !randomPassword.MatchString(got) {
				t.Errorf("got password %q, want %q", got, tt.password)
			}
			// gok copies the mode into the image, where only the daemon is to read it.
			if got := mode(t, filepath.Join(dir, cameraFile)); got != 0o600 {
				t.Errorf("%s has mode %o, want 600", cameraFile, got)
			}
		})
	}
}

func TestWriteSecretNeverOverwrites(t *testing.T) {
	path := put(t, "old", t.TempDir(), "secret")
	if err := writeSecret(path, []byte("new")); err == nil || read(t, path) != "old" {
		t.Errorf("got error %v and %q, want an error and the old text", err, read(t, path))
	}
}

func TestCameraWithUser(t *testing.T) {
	const password = `p"w: #\ü`
	content, err := cameraWithUser("viewer", password)
	if err != nil {
		t.Fatal(err)
	}
	got, err := config.Parse(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.Users = []config.User{{Name: "viewer", Password: password}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	// The comments stay: the owner edits this file.
	reference := strings.Split(string(config.Reference()), "\n")
	var changed []string
	lines := strings.Split(string(content), "\n")
	for i, line := range lines {
		if len(lines) == len(reference) && line != reference[i] {
			changed = append(changed, reference[i])
		}
	}
	if diff := cmp.Diff([]string{"users: []"}, changed); diff != "" {
		t.Errorf("changed lines of the reference (-want +got):\n%s", diff)
	}
}

func TestShareWithGok(t *testing.T) {
	tests := []struct{ name, known, want, said string }{
		{"unknown", "", "mine", ""},
		{"same", "mine\n", "mine\n", ""},
		{"another", "other", "other", "has another password; gok used by hand takes that one"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := newHome(t)
			if tt.known != "" {
				put(t, tt.known, path)
				if err := os.Chmod(path, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var out strings.Builder
			shareWithGok(&out, &secrets{gokrazyPassword: "mine"})
			if got := read(t, path); got != tt.want {
				t.Errorf("gok's file has %q, want %q", got, tt.want)
			}
			if got := mode(t, path); got != 0o600 {
				t.Errorf("gok's file has mode %o, want 600", got)
			}
			if got := out.String(); !strings.Contains(got, tt.said) || (got == "") != (tt.said == "") {
				t.Errorf("said %q, want %q", got, tt.said)
			}
		})
	}
	t.Run("no home", func(t *testing.T) {
		t.Setenv("HOME", "")
		t.Setenv("XDG_CONFIG_HOME", "")
		var out strings.Builder
		shareWithGok(&out, &secrets{})
		if !strings.Contains(out.String(), "gok used by hand") {
			t.Errorf("said %q", out.String())
		}
	})
}

func TestPrint(t *testing.T) {
	dir := t.TempDir()
	const twoStreams = "streams: {hq: {}, lq: {}}\n"
	const gokrazy = "gokrazy   http://gokrazy:g%20p@camkrazy.local:8080/\n"
	kept := "\nThe passwords are in " + dir + "; keep it: only they can update the appliance.\n"
	warning := "WARNING: users: is empty in " + filepath.Join(dir, cameraFile) + ": anyone on the network may watch.\n"
	tests := []struct{ name, camera, want string }{
		{
			"viewer", twoStreams + `users: [{name: viewer, password: "a/b@c"}, {name: other, password: x}]`,
			"stream    rtsp://viewer:a%2Fb%40c@camkrazy.local:8554/hq\n" +
				"stream    rtsp://viewer:a%2Fb%40c@camkrazy.local:8554/lq\n" +
				"page      http://viewer:a%2Fb%40c@camkrazy.local/\nsnapshot  http://viewer:a%2Fb%40c@camkrazy.local/camera.jpg\n" + gokrazy + kept,
		},
		{
			"nobody", twoStreams,
			"stream    rtsp://camkrazy.local:8554/hq\nstream    rtsp://camkrazy.local:8554/lq\n" +
				"page      http://camkrazy.local/\nsnapshot  http://camkrazy.local/camera.jpg\n" + gokrazy + kept + warning,
		},
		{
			"other ports", twoStreams + "rtsp: {listen: ':554'}\nhttp: {listen: '[::]:8088'}\n",
			"stream    rtsp://camkrazy.local:554/hq\nstream    rtsp://camkrazy.local:554/lq\n" +
				"page      http://camkrazy.local:8088/\nsnapshot  http://camkrazy.local:8088/camera.jpg\n" + gokrazy + kept + warning,
		},
		{
			"no HTTP", twoStreams + "http: {listen: ''}\n",
			"stream    rtsp://camkrazy.local:8554/hq\nstream    rtsp://camkrazy.local:8554/lq\n" + gokrazy + kept + warning,
		},
		{
			"no RTSP", twoStreams + "rtsp: {listen: ''}\n",
			"page      http://camkrazy.local/\nsnapshot  http://camkrazy.local/camera.jpg\n" + gokrazy + kept + warning,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &secrets{gokrazyPassword: "g p", cameraPath: filepath.Join(dir, cameraFile)}
			s.camera = parseConfig(t, dir, tt.camera)
			var out strings.Builder
			s.print(&out)
			if diff := cmp.Diff("\n"+tt.want, out.String()); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPortOf(t *testing.T) {
	tests := []struct{ addr, want string }{
		{":8554", ":8554"},
		{":80", ""},
		{":8080", ":8080"},
		{"192.0.2.1:80", ""},
		{"192.0.2.1:8554", ":8554"},
		{"[::]:80", ""},
		{"[2001:db8::80]:8554", ":8554"},
	}
	for _, tt := range tests {
		if got := portOf(tt.addr); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.addr, got, tt.want)
		}
	}
}

// TestUpdateMakesNoSecrets: new ones would look right and open nothing.
func TestUpdateMakesNoSecrets(t *testing.T) {
	newHome(t)
	dir := filepath.Join(t.TempDir(), "secrets")
	for _, missing := range []string{passwordFile, cameraFile} {
		if _, err := loadSecrets(dir, true); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without %s: got %v", missing, err)
		}
		if missing == passwordFile {
			put(t, "right", dir, passwordFile)
		}
	}
	if got := contents(t, dir); len(got) != 1 {
		t.Errorf("made %v", got)
	}
}

// TestKeys: whoever relies on breakglass learns of a mistake in the file of keys when there is still time.
func TestKeys(t *testing.T) {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGh2bUYoCzdQbXr5JmBVyOjxX4jsdGF3nOeCD3mQ0bY4 me\n"
	for content, good := range map[string]bool{key: true, "# mine\n\n" + key: true, "": false, "not a key\n": false, "ssh-ed25519 AAAA me\n": false} {
		newHome(t)
		dir := t.TempDir()
		put(t, content, dir, keysFile)
		if _, err := loadSecrets(dir, false); (err == nil) != good || err != nil && !strings.Contains(err.Error(), keysFile) {
			t.Errorf("%q: got %v", content, err)
		}
	}
}
