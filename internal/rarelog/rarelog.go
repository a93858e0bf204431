// Package rarelog keeps a log readable to which strangers can cause lines at will.
package rarelog

import (
	"log/slog"
	"slices"
	"sync"
	"time"
)

// spacing is the least time between two lines.
const spacing = 10 * time.Second

// Rarely is what is told rarely. The zero value is ready, and it may be told of from any goroutine.
type Rarely struct {
	mu       sync.Mutex
	last     time.Time
	unlogged int
}

// Warn logs, unless it did in the last 10 s. How many lines were left out since the one before, if there are any, is in
// the next one as "unlogged".
func (r *Rarely) Warn(log *slog.Logger, msg string, args ...any) {
	unlogged, ok := r.now()
	if !ok {
		return
	}
	if unlogged > 0 {
		args = append(slices.Clip(args), "unlogged", unlogged)
	}
	log.Warn(msg, args...)
}

// now says whether to log now, and how many times it has said no since.
func (r *Rarely) now() (unlogged int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); r.last.IsZero() || now.Sub(r.last) >= spacing {
		unlogged, r.unlogged, r.last = r.unlogged, 0, now
		return unlogged, true
	}
	r.unlogged++
	return 0, false
}
