package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// mixedErrors are mistakes of which some show in the file and some only in the plan. What lq's bitrate is meant to be is not
// known.
const mixedErrors = "camera: {rotation: 45}\nstreams:\n  lq: {resolution: 640x480, bitrat: 20000}\n  hq: {bitrate: 20000}\nrtsp: {listen: \"\"}\n"

// TestRefusals holds that what cannot work is said in as many lines as there are errors, with what to do, and with the
// right exit code.
func TestRefusals(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	file := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good.yaml", "rtsp: {listen: \""+freeAddress(t)+"\"}\nhttp: {listen: \""+freeAddress(t)+"\"}\n")
	bad := file("bad.yaml", "camera:\n  framerat: 30\n  rotation: 45\nstreams:\n  hq: {bitrate: lots}\n")
	mixed := file("mixed.yaml", mixedErrors)
	taken := busy.Addr().String()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	uncertified := file("tls.yaml", "rtsp: {tls_listen: \":8555\"}\ntls: {certificate: /nowhere.crt}\n")
	tests := []struct {
		name  string
		args  []string
		code  int
		lines []string // what each line has to hold
	}{
		{"every error with its line", []string{"--emulate", "--config", bad}, exitGiveUp,
			[]string{"bad.yaml", "line 2: camera.framerat", "line 3: camera.rotation", "line 5: streams.hq.bitrate"}},
		{"bad configuration, checked", []string{"--check", "--config", bad}, exitFailed,
			[]string{"bad.yaml", "line 2", "line 3", "line 5"}},
		{"every error of every kind", []string{"--check", "--config", mixed}, exitFailed,
			[]string{"mixed.yaml is not valid", "line 1: camera.rotation", "line 3: streams.lq.bitrat", "streams.hq.bitrate: 20000 is too little", "rtsp.listen: is empty"}},
		{"only RTSPS, misspelt", []string{"--check", "--config", file("rtsps.yaml", "rtsp: {listen: \"\", tls_listen: 8322x}\n")}, exitFailed,
			[]string{"rtsps.yaml is not valid", "line 1: rtsp.tls_listen"}},
		{"only the plan's", []string{"--emulate", "--config", file("low.yaml", "rtsp: {listen: \"\"}\nstreams: {hq: {bitrate: 20000}, lq: {bitrate: 30000}}\n")}, exitGiveUp,
			[]string{"low.yaml is not possible", "streams.hq.bitrate: 20000", "streams.lq.bitrate: 30000", "rtsp.listen: is empty"}},
		{"no YAML", []string{"--check", "--config", file("torn.yaml", "streams: {hq: {bitrate: 20000\n")}, exitFailed,
			[]string{"torn.yaml is not valid", "line 1: not valid YAML"}},
		{"no configuration", []string{"--emulate", "--config", "/nowhere.yaml"}, exitGiveUp, []string{"/nowhere.yaml: no such file"}},
		{"RTSP port in use", []string{"--emulate", "--config", file("rtsp.yaml", "rtsp: {listen: \""+taken+"\"}\n")}, exitFailed,
			[]string{taken + ": address already in use"}},
		{"web port in use", []string{"--emulate", "--config",
			file("http.yaml", "rtsp: {listen: \""+freeAddress(t)+"\"}\nhttp: {listen: \""+taken+"\"}\n")}, exitFailed,
			[]string{taken + ": address already in use; stop the other program"}},
		{"scene is missing", []string{"--emulate", "--config", good, "--scene", "/nowhere.y4m"}, exitGiveUp, []string{"/nowhere.y4m"}},
		{"scene is no y4m", []string{"--emulate", "--config", good, "--scene", bad}, exitGiveUp, []string{"not a YUV4MPEG2 file; convert it with"}},
		{"scene is a pipe", []string{"--emulate", "--config", good, "--scene", pipe}, exitGiveUp, []string{"not a regular file"}},
		{"level too low", []string{"--emulate", "--config", file("level.yaml", "streams: {hqstream: {level: \"3\"}}\n")}, exitGiveUp,
			[]string{"level.yaml", "streams.hqstream: 1640x1232"}},
		{"sensor too small", []string{"--emulate", "--config", file("size.yaml",
			"camera: {resolution: 4056x3040}\nrtsp: {listen: \""+freeAddress(t)+"\"}\nhttp: {listen: \"\"}\n")}, exitGiveUp,
			[]string{"camera.resolution: 4056x3040 is more than the 3280x2464 of the imx219"}},
		{"sensor too slow", []string{"--emulate", "--config", file("rate.yaml",
			"camera: {resolution: 1280x720, framerate: 120}\nrtsp: {listen: \""+freeAddress(t)+"\"}\nhttp: {listen: \"\"}\n")}, exitGiveUp,
			[]string{"camera.framerate: the sensor does not do 120 frames/s at 1280x720"}},
		{"text in the picture", []string{"--emulate", "--config", file("text.yaml",
			"camera: {annotate: {text: \"%Q\"}}\n")}, exitGiveUp,
			[]string{"is not valid", "line 1: camera.annotate.text: has the unknown conversion \"%Q\""}},
		{"unknown flag", []string{"--bogus"}, exitGiveUp, []string{"-bogus"}},
		{"scene without emulation", []string{"--config", good, "--scene", "x.y4m"}, exitGiveUp, []string{"add --emulate"}},
		{"faults without emulation", []string{"--config", good, "--faults", "1s:stall"}, exitGiveUp, []string{"add --emulate"}},
		{"unknown fault", []string{"--emulate", "--config", good, "--faults", "1s:stal"}, exitGiveUp,
			[]string{`--faults: fault "1s:stal": "stal" is none of stall, freeze, lockup, bulk, sensor, silent, disconnect, nocamera`}},
		{"fault of an unknown stream", []string{"--emulate", "--config", good, "--faults", "1s:freeze:lq"}, exitGiveUp,
			[]string{`there is no stream "lq", only hqstream, lqstream`}},
		{"no board", []string{"--config", good}, exitGiveUp, []string{"no Raspberry Pi); --emulate runs without a board"}},
		{"stray argument", []string{"start"}, exitGiveUp, []string{`"start"`}},
		{"certificate is missing", []string{"--emulate", "--config", uncertified}, exitGiveUp,
			[]string{"camkrazy: tls.certificate: read /nowhere.crt: no such file or directory"}},
		{"certificate is missing, checked", []string{"--check", "--config", uncertified}, exitFailed,
			[]string{"camkrazy: tls.certificate: read /nowhere.crt: no such file or directory"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			// What is not refused would run for ever; it ends with 0 then.
			ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
			defer cancel()
			code := run(ctx, append(tt.args, "--ram", ""), &stdout, &stderr)
			if code != tt.code {
				t.Errorf("got exit code %d, want %d", code, tt.code)
			}
			var lines []string
			for line := range strings.Lines(stderr.String()) {
				if strings.HasPrefix(line, "camkrazy: ") { // the others are the log
					lines = append(lines, line)
				}
			}
			if len(lines) != len(tt.lines) {
				t.Fatalf("got %d lines, want %d:\n%s", len(lines), len(tt.lines), stderr.String())
			}
			for i, want := range tt.lines {
				if !strings.Contains(lines[i], want) {
					t.Errorf("line %d: got %q, want %q in it", i+1, lines[i], want)
				}
			}
		})
	}
}

func TestCheckAcceptsText(t *testing.T) {
	name := filepath.Join(t.TempDir(), "camera.yaml")
	if err := os.WriteFile(name, []byte("camera: {annotate: {text: \"%F %T\", background: true}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"--check", "--config", name}, &stdout, &stderr); code != exitStopped {
		t.Errorf("got exit code %d:\n%s", code, stderr.String())
	}
}

func TestCheck(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"--check", "--config", "../../examples/local.yaml"}, &stdout, &stderr); code != exitStopped {
		t.Fatalf("got exit code %d:\n%s", code, stderr.String())
	}
	for _, want := range []string{"hqstream", "lqstream", "1 of 6 sensor frames", "243930 of 245760 macroblocks/s"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("plan lacks %q:\n%s", want, stdout.String())
		}
	}
}

// TestCheckRefused holds that a check that refuses shows what is known of the plan all the same, and says nothing twice.
func TestCheckRefused(t *testing.T) {
	name := filepath.Join(t.TempDir(), "camera.yaml")
	for text, want := range map[string][]string{
		mixedErrors: {"what of the plan is known:\n", "hq           1640x1232 (in memory", "237930 of 245760 macroblocks/s", "imx219"},
		"camera: {framerate: many}\nstreams: {hq: {bitrate: 20000}}\n": nil,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), []string{"--check", "--config", name}, &stdout, &stderr); code != exitFailed {
			t.Errorf("%s: got exit code %d", text, code)
		}
		for _, part := range want {
			if !strings.Contains(stdout.String(), part) {
				t.Errorf("%s: the plan lacks %q:\n%s", text, part, stdout.String())
			}
		}
		if got := stdout.String(); want == nil && got != "" || strings.Contains(got, "error:") || strings.Contains(got, "lq") {
			t.Errorf("%s: the plan has what it should not:\n%s", text, got)
		}
	}
}
