package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/google/go-cmp/cmp"
)

// span is where a partition is, in bytes.
type span struct{ Start, Size int64 }

// newDisk makes an image file with these partitions, and returns it open.
func newDisk(t *testing.T, size int64, spans []span) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "disk.img"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	table := gpt.Table{ProtectiveMBR: true}
	for _, s := range spans {
		table.Partitions = append(table.Partitions, &gpt.Partition{
			Start: uint64(s.Start) / sector, Size: uint64(s.Size), Type: gpt.LinuxFilesystem,
		})
	}
	if err := table.Write(f, size); err != nil {
		t.Fatal(err)
	}
	return f
}

var fourSpans = []span{{1 << 20, 1 << 20}, {2 << 20, 3 << 20}, {5 << 20, 3 << 20}, {8 << 20, 20 << 20}}

func TestPartitions(t *testing.T) {
	parts, err := partitions(newDisk(t, 32<<20, fourSpans))
	if err != nil {
		t.Fatal(err)
	}
	var got []span
	for _, p := range parts {
		got = append(got, span{p.GetStart(), p.GetSize()})
	}
	if diff := cmp.Diff(fourSpans, got); diff != "" {
		t.Errorf("partitions (-want +got):\n%s", diff)
	}

	disk := newDisk(t, 32<<20, fourSpans[:3])
	_, err = partitions(disk)
	if want := disk.Name() + " has 3 partitions, want 4"; err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
	for _, content := range []string{"", "short", strings.Repeat("no GPT ", 10_000)} {
		f, err := os.Open(put(t, content, t.TempDir(), "disk.img"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		_, err = partitions(f)
		if want := "read the partition table of " + f.Name(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%d bytes without a table: got error %v, want %s", len(content), err, want)
		}
	}
}

func TestSection(t *testing.T) {
	f := newDisk(t, 32<<20, fourSpans)
	parts, err := partitions(f)
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte("r"), 3<<20)
	if _, err := f.WriteAt(want, 2<<20); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(section(f, parts[rootPartition]))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, %v, which are not what is in the partition", len(got), err)
	}
}

// TestFormatPerm makes a real file system, with the PATH of an ordinary user of Debian, and looks for it in the file.
func TestFormatPerm(t *testing.T) {
	if _, err := os.Stat("/usr/sbin/mkfs.ext4"); err != nil {
		t.Skip("this is no Debian with e2fsprogs")
	}
	t.Setenv("PATH", "/usr/bin:/bin")
	f := newDisk(t, 32<<20, fourSpans)
	perm := fourSpans[permPartition]
	before := make([]byte, perm.Start)
	if _, err := f.ReadAt(before, 0); err != nil {
		t.Fatal(err)
	}
	if err := formatPerm(t.Context(), f.Name()); err != nil {
		t.Fatal(err)
	}
	after := read(t, f.Name())
	if len(after) != 32<<20 || after[:perm.Start] != string(before) {
		t.Error("the other partitions, or the size of the disk, have changed")
	}
	// https://docs.kernel.org/filesystems/ext4/globals.html#super-block
	super := []byte(after[perm.Start+1024:])
	if got := binary.LittleEndian.Uint16(super[0x38:]); got != 0xEF53 {
		t.Fatalf("got magic number %#x, want 0xEF53", got)
	}
	blocks, shift := binary.LittleEndian.Uint32(super[4:]), binary.LittleEndian.Uint32(super[0x18:])
	if got := int64(blocks) << (10 + shift); got != perm.Size {
		t.Errorf("the file system has %d bytes, want %d", got, perm.Size)
	}
	if got := string(bytes.TrimRight(super[0x78:0x88], "\x00")); got != "perm" {
		t.Errorf("its label is %q, want perm", got)
	}
	if _, err := partitions(f); err != nil {
		t.Errorf("the partition table is gone: %v", err)
	}
}

func TestFormatPermMistakes(t *testing.T) {
	dir := t.TempDir()
	empty := put(t, "", dir, "empty.img")
	for _, path := range []string{empty, filepath.Join(dir, "none.img")} {
		if err := formatPerm(t.Context(), path); err == nil {
			t.Errorf("%s: got no error", path)
		}
	}
}
