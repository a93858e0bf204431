package lifesign

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/camkrazy/camkrazy/internal/recovery"
)

func TestSign(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(dir); err == nil {
		t.Error("a sign is read where none was given")
	}
	want := Sign{PID: 7, Beat: 1 << 60, Reboot: "dead"}
	if err := want.Write(dir); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(dir); got != want || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, signFile), []byte(`{"pid": 7, "be`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil {
		t.Error("half a sign is read")
	}
}

// TestRecord holds that a record outlives the process in one folder and the boot in the other.
func TestRecord(t *testing.T) {
	dir, perm := t.TempDir(), t.TempDir()
	got, err := ReadRecord(dir, perm)
	if diff := cmp.Diff(recovery.Record{}, got); diff != "" || err != nil {
		t.Errorf("nobody left one: %v %s", err, diff)
	}
	old := recovery.Record{Pipelines: 3, Streams: map[string]int{"lq": 2}, Useless: []time.Duration{time.Minute}}
	if err := LeaveRecord(perm, old.NextBoot()); err != nil {
		t.Fatal(err)
	}
	got, err = ReadRecord(dir, perm)
	if diff := cmp.Diff(old.NextBoot(), got); diff != "" || err != nil {
		t.Errorf("after a reboot: %v %s", err, diff)
	}
	got.Restarts++
	if err := WriteRecord(dir, got); err != nil {
		t.Fatal(err)
	}
	again, err := ReadRecord(dir, perm)
	if diff := cmp.Diff(got, again); diff != "" || err != nil {
		t.Errorf("after a restart: %v %s", err, diff)
	}
	if _, err := ReadRecord(t.TempDir(), "/nowhere"); err != nil {
		t.Errorf("without a perm: %v", err)
	}
	if err := LeaveRecord("/nowhere", old); err == nil {
		t.Error("a record is left nowhere")
	}
}
