package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	t.Chdir(t.TempDir())
	// The folder as the process sees it, which may be behind a link.
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(here, name) }
	const size = 1500 << 20
	tests := []struct {
		name string
		args []string
		want options
	}{
		{"nothing", nil, options{root: here, out: in("build/camkrazy.img"), secrets: in("secrets"), size: size}},
		{
			"all",
			strings.Fields("-root r -out /dev/sdz -update h:1 -secrets ../s -size 512 -emulate -firmware"),
			options{
				root: in("r"), out: "/dev/sdz", update: "h:1", secrets: in("../s"), size: 512, emulate: true, firmware: true,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parse(tt.args)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(options{})); err != nil || diff != "" {
				t.Errorf("error %v, options (-want +got):\n%s", err, diff)
			}
		})
	}
	for _, args := range [][]string{{"camkrazy"}, {"-emulate", "camkrazy", "-firmware"}} {
		_, err := parse(args)
		if want := `unexpected argument "camkrazy"`; err == nil || err.Error() != want {
			t.Errorf("%q: got error %v, want %s", args, err, want)
		}
	}
}

// TestMakePrivate: the image has the passwords in it.
func TestMakePrivate(t *testing.T) {
	dir := t.TempDir()
	old := put(t, "old image", dir, "old.img")
	for _, path := range []string{old, filepath.Join(dir, "build", "new.img")} {
		if err := makePrivate(path); err != nil {
			t.Fatal(err)
		}
		if got := mode(t, path); got != 0o600 {
			t.Errorf("%s has mode %o, want 600", path, got)
		}
	}
	if err := makePrivate("/dev/null"); err != nil || mode(t, "/dev/null") == 0o600 {
		t.Errorf("a device got another mode (%v)", err)
	}
}
