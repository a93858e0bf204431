// Package throttle slows down who guesses passwords, each address on its own.
package throttle

import (
	"context"
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/camkrazy/camkrazy/internal/origin"
)

const (
	// free is how many failures cost nothing: people mistype.
	free = 5
	// pause is the time between two tries of an address that has failed more often, whatever they try.
	pause = 500 * time.Millisecond
	// line is how long a try may have to wait for its turn; one that would wait longer is refused.
	line = 5 * time.Second
	// memory is how long a failure is remembered.
	memory = time.Minute
	// maxAddresses bounds what is remembered. Beyond it the address that failed longest ago is forgotten. What
	// [origin.Key] counts of one /64 is far less, so that nobody can make room for further guesses with that alone.
	maxAddresses = 1024
)

// Throttle remembers who failed. The zero value is ready, and all methods may be called at any time.
type Throttle struct {
	finder origin.Finder

	mu     sync.Mutex
	from   map[netip.Prefix]*guesser
	failed uint64
}

// guesser is an address that failed.
type guesser struct {
	failures int
	last     time.Time // of the failures
	turn     time.Time // of the newest try
}

// Wait returns when remote, an IP address or HOST:PORT, may have a password looked at, or false if it may not: too many
// tries of that address wait already, or ctx is done.
func (t *Throttle) Wait(ctx context.Context, remote string) bool {
	delay := t.next(t.finder.Of(remote), time.Now())
	if delay <= 0 {
		return true
	}
	if delay > line {
		return false
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// next gives a try its turn and returns the time until then.
func (t *Throttle) next(from origin.Origin, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.from[origin.Key(from, t.from)]
	if g == nil || g.failures <= free || now.Sub(g.last) > memory {
		return 0
	}
	turn := g.turn.Add(pause)
	if turn.Before(now) {
		turn = now
	}
	if turn.Sub(now) <= line {
		g.turn = turn
	}
	return turn.Sub(now)
}

// Failed notes that remote gave a wrong password.
func (t *Throttle) Failed(remote string) {
	from := t.finder.Of(remote)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed++
	now := time.Now()
	maps.DeleteFunc(t.from, func(_ netip.Prefix, g *guesser) bool { return now.Sub(g.last) > memory })
	key := origin.Key(from, t.from)
	g := t.from[key]
	if g == nil {
		g = t.add(key)
	}
	g.failures++
	g.last = now
}

// add makes room for an address. The caller holds mu.
func (t *Throttle) add(from netip.Prefix) *guesser {
	if t.from == nil {
		t.from = make(map[netip.Prefix]*guesser)
	}
	if len(t.from) >= maxAddresses {
		oldest := from
		for address, g := range t.from {
			if o := t.from[oldest]; o == nil || g.last.Before(o.last) {
				oldest = address
			}
		}
		delete(t.from, oldest)
	}
	g := &guesser{}
	t.from[from] = g
	return g
}

// Failures counts the wrong passwords since the start.
func (t *Throttle) Failures() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed
}
