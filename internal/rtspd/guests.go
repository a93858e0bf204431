package rtspd

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/camkrazy/camkrazy/internal/origin"
)

const (
	// maxIdle is how many connections may be open without playing: together with what one of them can send (see lane)
	// it bounds the memory that strangers can use up.
	maxIdle = 192

	// maxIdleFrom is how many of those one address may have. It lets a recorder with dozens of viewers in one host
	// start them all at once.
	maxIdleFrom = 64

	// idleTime is how long a connection that does not play may send nothing. No player pauses for so long between two
	// requests, unless it asks a person for the password.
	idleTime = 10 * time.Second
)

var errReplaced = errors.New("too many connections that do not play")

// guests bounds how many connections are open without playing, and for how long one may be idle: to play nothing, and
// to wait for nothing but its own next request. The library's idle timeout cannot be that short, because it is for those
// that play as well, some of which send nothing but a keep-alive each half minute.
//
// One more than there may be is not refused: whoever has been idle for longest goes, of the address that has the most. A
// player comes and plays within a moment, so that a crowd that says nothing does not keep it out.
type guests struct {
	limit  time.Duration // idleTime, but in tests
	finder origin.Finder

	mu    sync.Mutex
	all   int                       // that do not play
	idle  map[netip.Prefix][]*guest // the same by what counts as one address, the longest idle first
	stood uint64                    // calls of stand
}

// guest is one open connection. Its fields are guarded by guests.mu.
type guest struct {
	from    netip.Prefix
	stood   uint64 // orders those that are idle by since when they are
	playing bool
	gone    bool
	timer   *time.Timer // shows the guest out
	out     func(error)
}

func newGuests(limit time.Duration) *guests {
	return &guests{limit: limit, idle: make(map[netip.Prefix][]*guest)}
}

// enter takes a new connection from remote, an IP address or HOST:PORT. If it is idle for too long, or has to make room,
// out is called, which must not block.
func (g *guests) enter(remote string, out func(error)) *guest {
	at := g.finder.Of(remote)
	g.mu.Lock()
	defer g.mu.Unlock()
	from := origin.Key(at, g.idle)
	switch {
	case len(g.idle[from]) >= maxIdleFrom:
		g.replace(from)
	case g.all >= maxIdle:
		g.replace(g.busiest())
	}
	v := &guest{from: from, out: out}
	v.timer = time.AfterFunc(g.limit, func() { out(nil) })
	g.stand(v)
	return v
}

// replace shows out who has been idle for longest of an address. The caller holds mu.
func (g *guests) replace(from netip.Prefix) {
	v := g.idle[from][0]
	g.forget(v)
	v.out(errReplaced)
}

// busiest is the address with the most idle guests, of several the one that has been idle for longest: so where each has
// but one, as in a crowd, the newest stays. The caller holds mu.
func (g *guests) busiest() (found netip.Prefix) {
	var most []*guest
	for from, idle := range g.idle {
		if len(idle) > len(most) || len(idle) == len(most) && idle[0].stood < most[0].stood {
			found, most = from, idle
		}
	}
	return found
}

// ask notes that a request has come: from now on the guest waits for us.
func (g *guests) ask(v *guest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	v.timer.Stop()
}

// answer notes that the request is answered, and whether the guest now has a session that plays, or has played and is
// paused.
func (g *guests) answer(v *guest, playing bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if v.gone {
		return
	}
	if !v.playing {
		g.sit(v)
	}
	v.playing = playing
	if !playing {
		g.stand(v) // now as the last
		v.timer.Reset(g.limit)
	}
}

// leave forgets a connection that is closed.
func (g *guests) leave(v *guest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget(v)
}

// forget is leave. The caller holds mu.
func (g *guests) forget(v *guest) {
	if v.gone {
		return
	}
	v.gone = true
	v.timer.Stop()
	if !v.playing {
		g.sit(v)
	}
}

// stand counts one that does not play. The caller holds mu.
func (g *guests) stand(v *guest) {
	g.all++
	g.stood++
	v.stood = g.stood
	g.idle[v.from] = append(g.idle[v.from], v)
}

// sit takes back stand. The caller holds mu.
func (g *guests) sit(v *guest) {
	g.all--
	i := slices.Index(g.idle[v.from], v)
	g.idle[v.from] = slices.Delete(g.idle[v.from], i, i+1)
	if len(g.idle[v.from]) == 0 {
		delete(g.idle, v.from)
	}
}
