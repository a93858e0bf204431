package rtspd

import (
	"errors"
	"sync"
	"time"
)

const (
	// maxConns is how many connections may be open at once. More viewers than any network of a camera can carry fit;
	// without a bound a stranger could use up the memory or the file descriptors.
	maxConns = 256

	// maxIdle is how many connections from one address may be open without playing. It lets a recorder with dozens
	// of viewers in one host start them all at once, and no single host can take all of maxConns before it has shown
	// who it is.
	maxIdle = 64

	// idleTime is how long a connection that does not play may send nothing. No player pauses for so long between two
	// requests, unless it asks a person for the password.
	idleTime = 10 * time.Second
)

var (
	errFull        = errors.New("too many connections")
	errFullAddress = errors.New("too many connections from one address that do not play")
)

// guests bounds how many connections are open, and for how long one may be idle: to play nothing, and to wait for
// nothing but its own next request. The library's idle timeout cannot be that short, because it is for those that
// play as well, some of which send nothing but a keep-alive each half minute.
type guests struct {
	limit time.Duration // idleTime, but in tests

	mu   sync.Mutex
	open int
	idle map[string]int // of those that do not play, by address
}

// guest is one open connection. Its fields are guarded by guests.mu.
type guest struct {
	from    string
	playing bool
	timer   *time.Timer // shows the guest out
}

func newGuests(limit time.Duration) *guests {
	return &guests{limit: limit, idle: make(map[string]int)}
}

// enter takes a new connection from an address. If it is idle for too long, out is called, which must not block.
func (g *guests) enter(from string, out func()) (*guest, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.open >= maxConns:
		return nil, errFull
	case g.idle[from] >= maxIdle:
		return nil, errFullAddress
	}
	g.open++
	g.idle[from]++
	return &guest{from: from, timer: time.AfterFunc(g.limit, out)}, nil
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
	if playing != v.playing {
		v.playing = playing
		if playing {
			g.stand(v.from, -1)
		} else {
			g.stand(v.from, 1)
		}
	}
	if !playing {
		v.timer.Reset(g.limit)
	}
}

// leave forgets a connection that is closed.
func (g *guests) leave(v *guest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	v.timer.Stop()
	g.open--
	if !v.playing {
		g.stand(v.from, -1)
	}
}

// stand counts those that do not play. The caller holds mu.
func (g *guests) stand(from string, n int) {
	g.idle[from] += n
	if g.idle[from] == 0 {
		delete(g.idle, from)
	}
}
