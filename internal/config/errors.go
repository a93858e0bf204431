package config

import (
	"fmt"
	"strings"
)

// Error is one mistake in a file.
type Error struct {
	Line    int    // from 1; 0: no line in particular
	Key     string // as streams.hqstream.framerate or users[0].name; empty: not about one key
	Problem string // what is wrong and what would be right, one line, never with a password in it
}

// Error returns one line of text, as "line 7: camera.rotation: 45 is not one of 0, 90, 180, 270".
func (e *Error) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	if e.Key != "" {
		fmt.Fprintf(&b, "%s: ", e.Key)
	}
	b.WriteString(e.Problem)
	return b.String()
}

// Errors are all mistakes of one file, in the order of their lines.
type Errors []*Error

// Error returns one line per mistake.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}
