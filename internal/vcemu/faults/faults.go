// Package faults reads a script of faults, and lets them happen to an emulated VideoCore.
package faults

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/camkrazy/camkrazy/internal/vcemu"
)

// Stream is a coded stream as its encoder shows it.
type Stream struct {
	Name          string
	Width, Height int
	BitRate       int // bit/s
}

// Fault is one line of a script.
type Fault struct {
	After  time.Duration // since the start
	Kind   vcemu.FaultKind
	Stream Stream // zero if all are concerned
}

// String is the fault as a script has it.
func (f Fault) String() string {
	text := fmt.Sprintf("%v:%v", f.After, f.Kind)
	if f.Stream.Name != "" {
		text += ":" + f.Stream.Name
	}
	return text
}

// Parse reads a script: AFTER:FAULT or AFTER:FAULT:STREAM, separated by commas, as "10s:stall:lqstream,45s:disconnect".
// The error is one line that says what can be written instead.
func Parse(script string, streams []Stream) ([]Fault, error) {
	var list []Fault
	for text := range strings.SplitSeq(script, ",") {
		f, err := parse(strings.TrimSpace(text), streams)
		if err != nil {
			return nil, fmt.Errorf("fault %q: %w", strings.TrimSpace(text), err)
		}
		list = append(list, f)
	}
	slices.SortStableFunc(list, func(a, b Fault) int { return int(a.After - b.After) })
	return list, nil
}

func parse(text string, streams []Stream) (Fault, error) {
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return Fault{}, errors.New("is not AFTER:FAULT or AFTER:FAULT:STREAM, as 10s:stall:lqstream")
	}
	var f Fault
	var err error
	if f.After, err = time.ParseDuration(parts[0]); err != nil || f.After < 0 {
		return f, fmt.Errorf("%q is no time after the start, as 10s or 1m30s", parts[0])
	}
	var known bool
	if f.Kind, known = vcemu.ParseFault(parts[1]); !known {
		return f, fmt.Errorf("%q is none of %s", parts[1], strings.Join(vcemu.FaultNames(), ", "))
	}
	if len(parts) == 2 {
		return f, nil
	}
	if !f.Kind.OfEncoders() {
		return f, fmt.Errorf("%v is not of one stream: leave %q out", f.Kind, ":"+parts[2])
	}
	i := slices.IndexFunc(streams, func(s Stream) bool { return s.Name == parts[2] })
	if i < 0 {
		var names []string
		for _, s := range streams {
			names = append(names, s.Name)
		}
		return f, fmt.Errorf("there is no stream %q, only %s", parts[2], strings.Join(names, ", "))
	}
	f.Stream = streams[i]
	return f, nil
}

// Inject lets the fault happen now. Of two encoders that cannot be told apart, both are concerned.
func (f Fault) Inject(v *vcemu.VideoCore) error {
	if f.Stream == (Stream{}) {
		return v.Inject(f.Kind, nil)
	}
	return v.Inject(f.Kind, func(e vcemu.EncoderStats) bool {
		return !e.JPEG && e.Width == f.Stream.Width && e.Height == f.Stream.Height && e.BitRate == f.Stream.BitRate
	})
}

// Run lets all faults happen, each at its time, until ctx is done. What cannot happen, for there is nothing that could
// fail, is only logged.
func Run(ctx context.Context, list []Fault, v *vcemu.VideoCore, log *slog.Logger) {
	start := time.Now()
	for _, f := range list {
		t := time.NewTimer(time.Until(start.Add(f.After)))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
		if err := f.Inject(v); err != nil {
			log.Warn("fault does not happen", "fault", f, "err", err)
		} else {
			log.Warn("fault happens", "fault", f)
		}
	}
}
