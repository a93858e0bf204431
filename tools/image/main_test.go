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
