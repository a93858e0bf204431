package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"

	"github.com/google/renameio/v2"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/config"
	"github.com/camkrazy/camkrazy/internal/webd"
)

// settings are the image controls as they are now and as they will be at the next start.
type settings struct {
	file    string // that the next start reads
	shipped string // that it reads as long as there is no file; "" if the file was named
	apply   func(context.Context, camera.Controls) error

	changing sync.Mutex // held by who changes or saves

	mu    sync.Mutex // guards what follows
	live  config.Camera
	saved config.Camera
}

// newSettings makes the settings of a program that was started with --config named, which may be empty.
func newSettings(c config.Camera, named string, apply func(context.Context, camera.Controls) error) *settings {
	s := &settings{file: named, apply: apply, live: c, saved: c}
	if named == "" {
		s.file, s.shipped = savedConfig, shippedConfig
	}
	return s
}

func (s *settings) web() *webd.Settings {
	return &webd.Settings{
		State:    func() map[string]any { return s.now().Live() },
		Change:   s.change,
		Save:     s.save,
		Controls: s.controls,
	}
}

func (s *settings) values() (live, saved config.Camera) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live, s.saved
}

// now is what the pictures are made with.
func (s *settings) now() config.Camera {
	live, _ := s.values()
	return live
}

// change changes what a JSON object names, in the pictures first.
func (s *settings) change(ctx context.Context, object []byte) (map[string]any, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	live, _ := s.values()
	next, err := live.Patch(object)
	if errors.Is(err, config.ErrNotObject) {
		return nil, fmt.Errorf("%w; it is %w", webd.ErrNotObject, err)
	} else if errs, ok := errors.AsType[config.Errors](err); ok {
		return nil, problemsOf(errs)
	} else if err != nil {
		return nil, err
	}
	err = s.apply(ctx, cameraControls(next))
	if refused, ok := errors.AsType[*camera.ControlError](err); ok {
		return nil, webd.Problems{{Key: refused.Control, Problem: refused.Status.Error()}}
	} else if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = next
	return next.Live(), nil
}

func problemsOf(errs config.Errors) webd.Problems {
	var problems webd.Problems
	for _, e := range errs {
		problems = append(problems, webd.Problem{Key: e.Key, Problem: e.Problem})
	}
	return problems
}

// save writes the live values to the file that the next start reads, and leaves everything else in it as it is.
func (s *settings) save() (string, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	live, _ := s.values()
	if err := s.write(live); err != nil {
		return "", fmt.Errorf("save to %s: %w", s.file, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved = live
	return s.file, nil
}

func (s *settings) write(live config.Camera) error {
	text, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) && s.shipped != "" {
		text, err = os.ReadFile(s.shipped)
	}
	if err != nil {
		return err
	}
	text, err = config.Rewrite(text, live)
	if err != nil {
		return fmt.Errorf("the file cannot be changed: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	file := s.file
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	}
	dir := filepath.Dir(file)
	if s.shipped != "" {
		err = os.Mkdir(dir, 0o700)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("this machine has no %s, the place of what is to outlive a restart", filepath.Dir(dir))
		} else if err != nil && !errors.Is(err, fs.ErrExist) {
			return plain(err)
		}
	}
	if err := renameio.WriteFile(file, text, 0o600, renameio.WithTempDir(dir)); err != nil {
		return plain(err)
	}
	// The name is to outlive a power cut too, and so is the folder's, which may be new.
	return errors.Join(syncFolder(dir), syncFolder(filepath.Dir(dir)))
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// plain adds what to do to a card that cannot be written.
func plain(err error) error {
	if errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("%w: the card has no partition for /perm; flash it again", err)
	}
	return err
}

// controls describes what there is to set.
func (s *settings) controls() webd.ControlList {
	live, saved := s.values()
	list := webd.ControlList{File: s.file, Unsaved: []string{}}
	now, then := live.Live(), saved.Live()
	for _, c := range live.Controls() {
		w := webd.Control{
			Key: c.Key, Kind: string(c.Kind), Length: c.Length, Choices: c.Choices,
			Value: lookUp(now, c.Key), Saved: lookUp(then, c.Key), Default: c.Default,
		}
		if c.Max != 0 {
			w.Min, w.Max = &c.Min, &c.Max
		}
		if !reflect.DeepEqual(w.Value, w.Saved) {
			list.Unsaved = append(list.Unsaved, c.Key)
		}
		list.Controls = append(list.Controls, w)
	}
	return list
}

// lookUp finds a key like annotate.size.
func lookUp(values map[string]any, key string) any {
	section, inner, nested := strings.Cut(key, ".")
	if nested {
		return values[section].(map[string]any)[inner]
	}
	return values[key]
}
