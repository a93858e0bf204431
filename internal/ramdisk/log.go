package ramdisk

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"unicode/utf8"
)

const (
	// maxLine is the longest line kept, its end included; what is more is cut.
	maxLine = 4 << 10
	// cutMark ends a line that was cut.
	cutMark = "…\n"
	// oldSuffix marks the predecessor.
	oldSuffix = ".1"
)

// LogConfig says where log lines are kept and how many.
type LogConfig struct {
	// Dir is the folder, made if missing, and Name the file in it. Its predecessor is Name.1.
	Dir, Name string

	// Lines (1 or more) is how many of the newest lines are kept at least, once there were so many.
	Lines int

	// MaxBytes bounds both files together; at least 8 KiB, two of the longest lines. It goes before Lines.
	MaxBytes int64

	// Next gets everything that is written, unchanged; nil for nobody.
	Next io.Writer
}

// Log keeps the newest lines that were written to it. Its methods may be called from any goroutine.
//
// It keeps two files. Lines are appended to the one until it holds Lines lines or half of MaxBytes; then it takes the
// place of the other, which is forgotten. So what is kept is the last Lines to 2×Lines lines, or the last MaxBytes/2 to
// MaxBytes bytes where that is less. A process that starts appends to what the one before it left, so that even one that
// dies again and again forgets nothing sooner.
type Log struct {
	cfg  LogConfig
	root *os.Root

	mu      sync.Mutex // guards what follows
	file    *os.File   // nil if a rotation did not succeed; the next line tries again
	lines   int        // in file
	size    int64      // of file, bytes
	closed  bool
	dropped uint64
	failing bool // the last line was dropped, and that was said
	scratch []byte
}

// NewLog opens the files of a log, an earlier process's included.
func NewLog(cfg LogConfig) (*Log, error) {
	if cfg.Lines < 1 || cfg.MaxBytes < 2*maxLine {
		return nil, fmt.Errorf("open log: bounds of %d lines and %d bytes are too small", cfg.Lines, cfg.MaxBytes)
	}
	if cfg.Next == nil {
		cfg.Next = io.Discard
	}
	if err := os.MkdirAll(cfg.Dir, dirMode); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	root, err := os.OpenRoot(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	l := &Log{cfg: cfg, root: root}
	if err := l.resume(); err != nil {
		root.Close()
		return nil, fmt.Errorf("open log: %w", err)
	}
	return l, nil
}

// resume opens the file and counts what is in it. A line whose end is missing, for its writer died, is ended. A file that is
// larger than these bounds let it become is no log of theirs and removed.
func (l *Log) resume() error {
	for _, name := range []string{l.cfg.Name, l.cfg.Name + oldSuffix} {
		info, err := l.root.Lstat(name)
		if err == nil && info.Size() > l.cfg.MaxBytes/2 {
			err = l.root.Remove(name)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := l.open(); err != nil {
		return err
	}
	var last byte = '\n'
	for r := bufio.NewReader(l.file); ; {
		part, err := r.ReadSlice('\n')
		if len(part) > 0 {
			last = part[len(part)-1]
			l.size += int64(len(part))
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && last == '\n':
			return nil
		case errors.Is(err, io.EOF):
			l.lines++
			return l.append([]byte{'\n'}, 0)
		case err != nil:
			l.file.Close()
			return err
		default:
			l.lines++
		}
	}
}

func (l *Log) open() error {
	file, err := l.root.OpenFile(l.cfg.Name, os.O_RDWR|os.O_CREATE|os.O_APPEND, fileMode)
	l.file, l.lines, l.size = file, 0, 0
	return err
}

// Write keeps p, which is one or more whole lines, and passes it on. It always reports success: a line that cannot be
// kept is counted, and Next is told once when that begins.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// There is nowhere to report to that the log itself could not reach.
	_, _ = l.cfg.Next.Write(p)
	if l.closed {
		return len(p), nil
	}
	for line := range bytes.Lines(p) {
		err := l.keep(l.cut(line))
		if err != nil {
			l.dropped++
		}
		if err != nil && !l.failing {
			fmt.Fprintf(l.cfg.Next, "log lines are not kept in %s: %v\n", l.cfg.Dir, err)
		}
		l.failing = err != nil
	}
	return len(p), nil
}

// cut returns the line, complete with its end and not longer than allowed; it is valid until the next call.
func (l *Log) cut(line []byte) []byte {
	ended := bytes.HasSuffix(line, []byte{'\n'})
	if ended && len(line) <= maxLine {
		return line
	}
	if !ended && len(line) < maxLine {
		l.scratch = append(append(l.scratch[:0], line...), '\n')
		return l.scratch
	}
	end := maxLine - len(cutMark)
	for range utf8.UTFMax - 1 {
		if !utf8.RuneStart(line[end]) {
			end--
		}
	}
	l.scratch = append(append(l.scratch[:0], line[:end]...), cutMark...)
	return l.scratch
}

func (l *Log) keep(line []byte) error {
	full := l.lines >= l.cfg.Lines || l.size+int64(len(line)) > l.cfg.MaxBytes/2
	if l.file == nil || full {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	return l.append(line, 1)
}

// append writes all of the line or nothing of it.
func (l *Log) append(line []byte, lines int) error {
	n, err := l.file.Write(line)
	if err != nil {
		if n > 0 && l.file.Truncate(l.size) != nil {
			l.size += int64(n)
		}
		return err
	}
	l.lines += lines
	l.size += int64(n)
	return nil
}

// rotate makes the file the predecessor and begins an empty one.
func (l *Log) rotate() error {
	if l.file != nil {
		if err := l.root.Rename(l.cfg.Name, l.cfg.Name+oldSuffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		l.file.Close()
		l.file = nil
	}
	if err := l.open(); err != nil {
		l.file = nil
		return err
	}
	return nil
}

// Dropped is how many lines could not be kept since the start.
func (l *Log) Dropped() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

// Close closes the files; what is written afterwards is only passed on.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	err := l.root.Close()
	if l.file != nil {
		err = errors.Join(err, l.file.Close())
	}
	return err
}
