package main

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func hashOf(content string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(content)))
}

func TestParseSums(t *testing.T) {
	hash := hashOf("")
	tests := []struct {
		name, manifest string
		want           map[string]string // nil: an error
	}{
		{"two", hash + "  a.bin\n" + hash + "  b", map[string]string{"a.bin": hash, "b": hash}},
		{"a space in the name", hash + "  a b\n", map[string]string{"a b": hash}},
		{"a path", hash + "  dir/a\n", nil},
		{"out of the folder", hash + "  ../a\n", nil},
		{"absolute", hash + "  /etc/passwd\n", nil},
		{"no name", hash + "  \n", nil},
		{"one space", hash + " a\n", nil},
		{"short hash", hash[1:] + "  a\n", nil},
		{"empty line", hash + "  a\n\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseSums([]byte(tt.manifest))
			if (err != nil) != (tt.want == nil) {
				t.Errorf("got error %v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("sums (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckSums(t *testing.T) {
	dir := t.TempDir()
	put(t, "one", dir, "a")
	put(t, "two", dir, "b")
	tests := []struct {
		name string
		sums map[string]string
		want string
	}{
		{"good", map[string]string{"a": hashOf("one"), "b": hashOf("two")}, ""},
		{"wrong", map[string]string{"a": hashOf("one"), "b": hashOf("one")}, "b has SHA-256 " + hashOf("two")},
		{"missing", map[string]string{"c": hashOf("one")}, "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := checkSums(dir, tt.sums)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestCommittedSums: the manifest has the variant of the firmware with the camera, for every Pi, and its licence.
func TestCommittedSums(t *testing.T) {
	sums, err := parseSums([]byte(read(t, repository(t), "firmware", "SHA256SUMS")))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"LICENSE.broadcom", "bootcode.bin", "fixup4x.dat", "fixup_x.dat", "start4x.elf", "start_x.elf"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(sums))); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestFetchFirmware has a script in the place of go, which would go to the network.
func TestFetchFirmware(t *testing.T) {
	const answer = `echo "$@" >>"$LOG"; echo "{\"Dir\": \"$MODULE\"}"`
	manifest := hashOf("one") + "  a\n"
	tests := []struct {
		name   string
		script string
		have   map[string]string // in firmware/, besides the manifest
		module map[string]string // in the module
		want   map[string]string // in firmware/ afterwards
		calls  int
		err    string
	}{
		{"all there", answer, map[string]string{"a": "one"}, nil, map[string]string{"a": "one"}, 0, ""},
		{"nothing there", answer, nil, map[string]string{"a": "one", "b": "x"}, map[string]string{"a": "one"}, 1, ""},
		{
			"damaged", answer, map[string]string{"a": "on"}, map[string]string{"a": "one"},
			map[string]string{"a": "one"}, 1, "",
		},
		{"another in the module", answer, nil, map[string]string{"a": "two"}, nil, 1, "a has SHA-256"},
		{"none in the module", answer, nil, nil, nil, 1, "no such file"},
		{"go says why", `echo '{"Error": "no such one"}'; exit 1`, nil, nil, nil, 0, firmwareModule + ": no such one"},
		{"go fails", `exit 1`, nil, nil, nil, 0, "download " + firmwareModule},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root, module, log := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "log")
			fakeGo(t, tt.script)
			t.Setenv("LOG", log)
			t.Setenv("MODULE", module)
			put(t, "", root, "instance", "camkrazy", "builddir", "go.mod")
			put(t, manifest, root, "firmware", "SHA256SUMS")
			for name, content := range tt.have {
				put(t, content, root, "firmware", name)
			}
			for name, content := range tt.module {
				put(t, content, module, name)
			}
			err := fetchFirmware(t.Context(), root)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
			want := map[string]string{"SHA256SUMS": manifest}
			maps.Copy(want, tt.want)
			if diff := cmp.Diff(want, contents(t, filepath.Join(root, "firmware"))); diff != "" {
				t.Errorf("firmware/ (-want +got):\n%s", diff)
			}
			calls, _ := os.ReadFile(log) // none if go was not called
			if want := strings.Repeat("mod download -json "+firmwareModule+"\n", tt.calls); string(calls) != want {
				t.Errorf("go was called with %q, want %q", calls, want)
			}
		})
	}
}

// contents are the files of a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, e := range entries {
		files[e.Name()] = read(t, dir, e.Name())
	}
	return files
}
