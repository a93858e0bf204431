package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

func TestGreetDevice(t *testing.T) {
	s := &secrets{gokrazyPassword: "right", cameraPath: filepath.Join("mine", cameraFile)}
	tests := []struct {
		name     string
		password string // of the device
		status   int    // of an answer to the right password
		want     string
	}{
		{"welcome", "right", http.StatusOK, ""},
		{"other secrets", "other", http.StatusOK, filepath.Join("mine", passwordFile) + ": it was made with other secrets"},
		{"not found", "right", http.StatusNotFound, "answers 404 Not Found: is it a gokrazy?"},
		{"broken", "right", http.StatusInternalServerError, "answers 500 Internal Server Error: is it a gokrazy?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				user, password, _ := r.BasicAuth()
				switch {
				case r.Method != http.MethodGet || r.URL.Path != "/":
					t.Errorf("was asked to %s %s", r.Method, r.URL)
				case user != "gokrazy" || password != tt.password:
					w.WriteHeader(http.StatusUnauthorized)
				default:
					w.WriteHeader(tt.status)
				}
			}))
			defer server.Close()
			host := server.Listener.Addr().String()
			err := greetDevice(t.Context(), host, s)
			if tt.want == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), host+" ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %s and %q", err, host, tt.want)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		server := httptest.NewServer(http.NotFoundHandler())
		host := server.Listener.Addr().String()
		server.Close()
		err := greetDevice(t.Context(), host, s)
		if err == nil || !strings.HasPrefix(err.Error(), "find the device: ") {
			t.Errorf("got %v, want one that starts with find the device", err)
		}
	})
	// A link-local address needs its %zone; the request is over before it gets to the network.
	t.Run("IPv6 with a zone", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := greetDevice(ctx, "fe80::1%eth0", s); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	})
}

func TestRunGok(t *testing.T) {
	// As gok does, the script works on the instance in --parent_dir, and adds to its go.mod.
	const gok = `echo "$@"; cd "$5/camkrazy" && cat config.json >"$CONFIG" && echo '// added' >>builddir/go.mod`
	const goMod = "module x\n\nreplace github.com/camkrazy/camkrazy => ../../../\n"
	tests := []struct {
		name, script string
		o            options
		args         string // for gok
		added, err   string
	}{
		{"file", gok, options{size: 1 << 30}, "overwrite --full=OUT --target_storage_bytes=1073741824", "// added\n", ""},
		{"update", gok, options{update: "camkrazy"}, "update", "// added\n", ""},
		{
			"failure", "echo it broke >&2; exit 1", options{size: 512},
			"overwrite --full=OUT --target_storage_bytes=512", "", "it broke",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root, tmp, config := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "config.json")
			t.Setenv("TMPDIR", tmp)
			t.Setenv("CONFIG", config)
			fakeGo(t, tt.script)
			builddir := filepath.Join(root, "instance", "camkrazy", "builddir")
			put(t, "{}", builddir, "..", "config.json")
			put(t, goMod, builddir, "go.mod")
			put(t, "", builddir, "go.sum")
			put(t, "a=1\n", root, "overlay", "config.txt")
			tt.o.root, tt.o.out = root, filepath.Join(root, "build", "new.img")

			var out strings.Builder
			err := runGok(t.Context(), tt.o, &secrets{gokrazyPassword: "right"}, &out)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
			args := " -i camkrazy " + strings.Replace(tt.args, "OUT", tt.o.out, 1) + "\n"
			if got := out.String(); !strings.HasPrefix(got, "go tool -modfile=tools.mod gok --parent_dir ") ||
				!strings.Contains(got, args) {
				t.Errorf("said %q, want the call of gok with %q", got, args)
			}
			if got := read(t, builddir, "go.mod"); got != goMod+tt.added {
				t.Errorf("go.mod of the instance is now %q, want %q", got, goMod+tt.added)
			}
			if tt.err == "" && !strings.Contains(read(t, config), `"HTTPPassword": "right"`) {
				t.Errorf("gok found no password in %s", read(t, config))
			}
			if got := read(t, builddir, "..", "config.json"); got != "{}" {
				t.Errorf("config.json of the instance is now %q", got)
			}
			if left := contents(t, tmp); len(left) > 0 {
				t.Errorf("left, with the password: %v", left)
			}
		})
	}
	t.Run("password said", func(t *testing.T) {
		root := t.TempDir()
		fakeGo(t, `echo "Updating http://gokrazy:geheim@camkrazy:8080/"; echo "TMPDIR=$TMPDIR"; exit 1`)
		put(t, "{}", root, "instance", "camkrazy", "config.json")
		put(t, "", root, "instance", "camkrazy", "builddir", "go.mod")
		put(t, "", root, "instance", "camkrazy", "builddir", "go.sum")
		put(t, "a=1\n", root, "overlay", "config.txt")
		var out strings.Builder
		err := runGok(t.Context(), options{root: root, update: "camkrazy:8080"}, &secrets{gokrazyPassword: "geheim"}, &out)
		if err == nil || !strings.Contains(err.Error(), "leave the power of camkrazy:8080 on") {
			t.Errorf("got error %v, want what to do", err)
		}
		if got := out.String() + err.Error(); strings.Contains(got, "geheim") || !strings.Contains(got, "http://gokrazy:…@camkrazy") {
			t.Errorf("said %q, want no password", got)
		}
		if got := out.String(); !strings.Contains(got, "camkrazy-instance-") {
			t.Errorf("said %q, want a TMPDIR in the copy of the instance", got)
		}
	})
	t.Run("no instance", func(t *testing.T) {
		t.Setenv("TMPDIR", t.TempDir())
		if err := runGok(t.Context(), options{root: t.TempDir()}, &secrets{}, io.Discard); err == nil {
			t.Error("got no error")
		}
	})
}

// TestGokArgsForDisk: gok asks a disk itself for its size.
func TestGokArgsForDisk(t *testing.T) {
	const device = "/dev/null"
	if got := strings.Join(gokArgs(options{out: device, size: 512}), " "); got != "overwrite --full="+device {
		t.Errorf("got %q", got)
	}
}
