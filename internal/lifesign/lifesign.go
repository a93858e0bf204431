// Package lifesign keeps what the program and those who watch over it tell each other, in small files that are replaced
// whole: the program's sign of life, and the record of what was done against trouble.
package lifesign

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"github.com/camkrazy/camkrazy/internal/recovery"
)

const (
	// Period is how often the sign is given.
	Period = time.Second

	signFile   = "alive.json"
	recordFile = "recovery.json"
)

// Perm is where the record outlives a reboot, if it is there.
const Perm = "/perm"

// Sign is the program's sign of life.
type Sign struct {
	PID int `json:"pid"`
	// Beat is another number each time. It stands still when the program does.
	Beat uint64 `json:"beat"`
	// Reboot is why the board has to be rebooted; "" if it does not.
	Reboot string `json:"reboot"`
}

// Write gives the sign in a folder.
func (s Sign) Write(dir string) error { return write(filepath.Join(dir, signFile), s) }

// Read reads the newest sign in a folder.
func Read(dir string) (Sign, error) {
	var s Sign
	return s, read(filepath.Join(dir, signFile), &s)
}

// WriteRecord keeps the record of this boot in the folder of the signs.
func WriteRecord(dir string, r recovery.Record) error {
	return write(filepath.Join(dir, recordFile), r)
}

// ReadRecord reads the record of this boot or, if there is none yet, what the last boot left in perm. It is zero if
// nobody has left any.
func ReadRecord(dir, perm string) (recovery.Record, error) {
	var r recovery.Record
	err := read(filepath.Join(dir, recordFile), &r)
	if errors.Is(err, fs.ErrNotExist) {
		err = read(permFile(perm), &r)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return recovery.Record{}, nil
	}
	return r, err
}

// LeaveRecord writes a record to perm, which has to be a folder, for the next boot: one small file, and its folder if it
// is not there.
func LeaveRecord(perm string, r recovery.Record) error {
	path := permFile(perm)
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("leave record: %w", err)
	}
	return write(path, r)
}

func permFile(perm string) string { return filepath.Join(perm, "camkrazy", recordFile) }

func write(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return renameio.WriteFile(path, append(text, '\n'), 0o644)
}

// read fails for a file that is not whole, or is none of ours.
func read(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}
