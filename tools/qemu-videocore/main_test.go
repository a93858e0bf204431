package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	cfg, err := parse([]string{"-m", "512", "-sensor", "ov5647", "-no-camera"}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.RAM != 512<<20 || cfg.VideoCore.Sensor != "ov5647" || !cfg.VideoCore.NoCamera || cfg.VideoCore.Scene != nil {
		t.Errorf("got %+v", cfg)
	}
	for _, args := range []string{"-m 0", "-m -1", "-m 4096", "-m 9223372036854775807", "extra", "-unknown"} {
		if _, err := parse(strings.Fields(args), &bytes.Buffer{}); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}

func TestRunSaysWhatQEMUNeeds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	if err := run(ctx, []string{"-m", "16"}, &stdout, &stderr); err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	line := strings.Fields(stdout.String())
	if len(line) != 8 || line[0] != "-object" || line[7] != "camkrazy-videocore,chardev=videocore" {
		t.Errorf("got %q", line)
	}
}
