package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestFatSize(t *testing.T) {
	tests := []struct {
		name         string
		bytesPer     uint16
		small        uint16 // 0: see large
		large        uint32
		want         int64
		bootSectorIs int // bytes
	}{
		{"16-bit count", 512, 65535, 0, 65535 * 512, 512},
		{"the 16-bit count goes first", 512, 3, 9, 3 * 512, 512},
		{"32-bit count", 512, 0, 65536, 65536 * 512, 512},
		{"over 4 GiB", 4096, 0, 1 << 31, 1 << 43, 512},
		{"cut off", 512, 3, 0, 0, 511},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := make([]byte, 512)
			binary.LittleEndian.PutUint16(b[11:], tt.bytesPer)
			binary.LittleEndian.PutUint16(b[19:], tt.small)
			binary.LittleEndian.PutUint32(b[32:], tt.large)
			got, err := fatSize(bytes.NewReader(b[:tt.bootSectorIs]))
			if got != tt.want || (err == nil) != (tt.want > 0) {
				t.Errorf("got %d, %v, want %d", got, err, tt.want)
			}
		})
	}
}

func TestWhatNext(t *testing.T) {
	dir := t.TempDir()
	inside, outside := put(t, "four", dir, "build/camkrazy.img"), put(t, strings.Repeat("x", 1_560_000), t.TempDir(), "card.img")
	const then = " MB; write it to a card with any tool for that, or build and write in one with: make flash DISK=/dev/sdX\n"
	for image, want := range map[string]string{
		inside:  "\nimage     build/camkrazy.img, 0.0" + then,
		outside: "\nimage     " + outside + ", 1.6" + then,
	} {
		var out bytes.Buffer
		if err := whatNext(&out, dir, image); err != nil || out.String() != want {
			t.Errorf("got %q, %v, want %q", out.String(), err, want)
		}
	}
	if err := whatNext(io.Discard, dir, filepath.Join(dir, "none.img")); err == nil {
		t.Error("there is no image, and no error")
	}
}

func TestBiggest(t *testing.T) {
	got := biggest([]rootFile{
		{"/etc/hosts", 5},
		{"/gokrazy/init", 40},
		{"/lib/modules/6.12/a.ko", 10},
		{"/user/camkrazy", 300},
		{"/usr/local/bin/busybox", 20},
		{"/lib/modules/6.12/b.ko", 25},
		{"/usr/local/bin/busybox.old", 3},
		{"/gokrazy/dhcp", 50},
		{"/usr/share/doc/x", 1},
	})
	want := []rootFile{
		{"/user/camkrazy", 300},
		{"/gokrazy/dhcp", 50},
		{"/gokrazy/init", 40},
		{"kernel modules", 35},
		{"/usr/local/bin/busybox", 20},
		{"everything else", 9},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(rootFile{})); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestListFiles(t *testing.T) {
	got, err := listFiles(fstest.MapFS{
		"user/camkrazy": {Data: make([]byte, 7)},
		"etc/resolv":    {Data: []byte("/tmp/resolv"), Mode: fs.ModeSymlink | 0o777},
		"etc/empty":     {},
	})
	want := []rootFile{{"/etc/empty", 0}, {"/user/camkrazy", 7}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(rootFile{})); err != nil || diff != "" {
		t.Errorf("error %v, files (-want +got):\n%s", err, diff)
	}
}

// TestReportMistakes: a disk that has partitions but not what gok puts into them.
func TestReportMistakes(t *testing.T) {
	err := report(io.Discard, newDisk(t, 32<<20, fourSpans).Name())
	if want := "read the root partition: "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := report(io.Discard, t.TempDir()); err == nil {
		t.Error("a folder: got no error")
	}
}

func TestMegabytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0.0", 1_000_000: "1.0", 1 << 20: "1.0", 12_345_678: "12.3"} {
		if got := megabytes(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}
