package rtspd

import (
	"sync"
	"time"
)

// rareSpacing is the least time between two log lines about something that strangers can cause at will.
const rareSpacing = 10 * time.Second

// rarely keeps a log readable.
type rarely struct {
	mu     sync.Mutex
	last   time.Time
	missed int
}

// now says whether to log now, and how many times it has said no since.
func (r *rarely) now() (missed int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); r.last.IsZero() || now.Sub(r.last) >= rareSpacing {
		missed, r.missed, r.last = r.missed, 0, now
		return missed, true
	}
	r.missed++
	return 0, false
}
