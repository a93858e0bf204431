package ramdisk

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"github.com/camkrazy/camkrazy/internal/camera"
)

const (
	// nameLayout makes names that sort by time and that every file system takes.
	nameLayout = "2006-01-02T15-04-05.000Z.jpg"
	// nameStep tells apart two pictures of one name.
	nameStep = time.Millisecond
	// tmpSuffix is what the folder for unfinished pictures has more than that of the finished ones.
	tmpSuffix = ".tmp"

	fileMode = 0o644
	dirMode  = 0o755
)

// errTooLarge says that one picture is more than the ring may hold.
var errTooLarge = errors.New("picture is larger than the whole ring")

// StillsConfig says where pictures are kept and how many.
type StillsConfig struct {
	// Dir is the ring's folder. It is made if missing, as is its neighbour Dir.tmp for unfinished files, which
	// therefore must be on the same file system. Files whose names are not the ring's are left alone.
	Dir string

	// MaxFiles (1 or more) and MaxBytes (1 or more) bound the ring; whichever is reached first counts.
	MaxFiles int
	MaxBytes int64

	// Newest is a further file, always the last picture, replaced atomically; "" for none. It is not part of the
	// bounds.
	Newest string

	// Logger may be nil.
	Logger *slog.Logger
}

// StillsStatus is what the ring holds.
type StillsStatus struct {
	Files  int
	Bytes  int64  // sum of the files' sizes
	Failed uint64 // pictures that could not be kept since the start
}

// Stills is a ring of JPEG files, named by the time of the picture. Its methods may be called from any goroutine.
type Stills struct {
	cfg   StillsConfig
	log   *slog.Logger
	root  *os.Root                                         // cfg.Dir
	write func(path string, data []byte, tmp string) error // a test fills the disk here

	mu      sync.Mutex // guards what follows
	files   []file     // in order of arrival
	names   map[string]bool
	bytes   int64
	failed  uint64
	failing bool // the last Add failed, and that was said
}

type file struct {
	name string
	size int64
}

// NewStills opens the ring and makes its folder. Pictures that an earlier process left are adopted, as far as the bounds
// allow, in the order of their names; its unfinished files are removed.
func NewStills(cfg StillsConfig) (*Stills, error) {
	if cfg.MaxFiles < 1 || cfg.MaxBytes < 1 {
		return nil, fmt.Errorf("open stills: bounds of %d files and %d bytes hold no picture", cfg.MaxFiles, cfg.MaxBytes)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Stills{cfg: cfg, log: cfg.Logger, write: replace, names: make(map[string]bool)}
	if err := s.clean(); err != nil {
		return nil, fmt.Errorf("open stills: %w", err)
	}
	root, err := os.OpenRoot(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open stills: %w", err)
	}
	s.root = root
	if err := s.adopt(); err != nil {
		root.Close()
		return nil, fmt.Errorf("open stills: %w", err)
	}
	return s, nil
}

// clean makes the folders and removes what a process that died left unfinished.
func (s *Stills) clean() error {
	if err := os.RemoveAll(s.cfg.Dir + tmpSuffix); err != nil {
		return err
	}
	dirs := []string{s.cfg.Dir, s.cfg.Dir + tmpSuffix}
	if s.cfg.Newest != "" {
		dirs = append(dirs, filepath.Dir(s.cfg.Newest))
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, dirMode); err != nil {
			return err
		}
	}
	if s.cfg.Newest == "" {
		return nil
	}
	dir, name := filepath.Split(s.cfg.Newest)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		// As renameio names them: a dot, the name, a number.
		if digits, ok := strings.CutPrefix(e.Name(), "."+name); ok && strings.Trim(digits, "0123456789") == "" {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// adopt takes over the pictures that are there.
func (s *Stills) adopt() error {
	entries, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, err := time.Parse(nameLayout, e.Name()); err != nil || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		s.keep(file{e.Name(), info.Size()})
	}
	return s.makeRoom(0, 0)
}

// Add puts a picture into the ring, at the cost of the oldest ones, and makes it the newest. It writes to the ramdisk and
// waits for nothing else. A picture that cannot be written is counted in the status, and logged when the trouble begins.
func (s *Stills) Add(still camera.Still) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := errors.Join(s.replaceNewest(still), s.add(still))
	if err != nil {
		s.failed++
	}
	switch {
	case err != nil && !s.failing:
		s.log.Warn("pictures are not kept", "dir", s.cfg.Dir, "err", err)
	case err == nil && s.failing:
		s.log.Info("pictures are kept again", "dir", s.cfg.Dir, "failed", s.failed)
	}
	s.failing = err != nil
}

func (s *Stills) replaceNewest(still camera.Still) error {
	if s.cfg.Newest == "" {
		return nil
	}
	return s.write(s.cfg.Newest, still.JPEG, filepath.Dir(s.cfg.Newest))
}

// add makes room first, so that the bounds hold at every moment, the unfinished file included.
func (s *Stills) add(still camera.Still) error {
	size := int64(len(still.JPEG))
	if size > s.cfg.MaxBytes {
		return fmt.Errorf("%w: %d bytes", errTooLarge, size)
	}
	if err := s.makeRoom(1, size); err != nil {
		return err
	}
	name := s.name(still.Taken)
	if err := s.write(filepath.Join(s.cfg.Dir, name), still.JPEG, s.cfg.Dir+tmpSuffix); err != nil {
		return err
	}
	s.keep(file{name, size})
	return nil
}

// name is the picture's time, or the next free one after it: two pictures have the same time when the clock was set back.
func (s *Stills) name(taken time.Time) string {
	for t := taken.UTC(); ; t = t.Add(nameStep) {
		if name := t.Format(nameLayout); !s.names[name] {
			return name
		}
	}
}

func (s *Stills) keep(f file) {
	s.files = append(s.files, f)
	s.names[f.name] = true
	s.bytes += f.size
}

// makeRoom removes the pictures that arrived first until so many more files and bytes fit.
func (s *Stills) makeRoom(files int, size int64) error {
	for len(s.files)+files > s.cfg.MaxFiles || s.bytes+size > s.cfg.MaxBytes {
		oldest := s.files[0]
		if err := s.root.Remove(oldest.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		s.files = s.files[1:]
		delete(s.names, oldest.name)
		s.bytes -= oldest.size
	}
	return nil
}

// Status says what is kept.
func (s *Stills) Status() StillsStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return StillsStatus{Files: len(s.files), Bytes: s.bytes, Failed: s.failed}
}

// Close releases the folder; the pictures stay. Add must not be called any more.
func (s *Stills) Close() error {
	return s.root.Close()
}

// replace writes a file so that nobody ever sees a part of it; tmp is a folder of the same file system.
func replace(path string, data []byte, tmp string) error {
	return renameio.WriteFile(path, data, fileMode, renameio.WithTempDir(tmp))
}
