package rtspd

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v5"
)

// restTime is how long a session that does not play keeps its place though another one wants it. It is not ended by that
// alone: a person may pause a player for an hour, and nobody is worse off while there are other places.
const restTime = time.Minute

// viewers knows the sessions that are set up, and bounds how many there may be.
type viewers struct {
	limit int
	rest  time.Duration // restTime, but in tests

	mu       sync.Mutex
	sessions map[*gortsplib.ServerSession]*viewer
}

// viewer is one session that may play.
type viewer struct {
	stream  *stream
	remote  string
	playing bool
	rests   time.Time // since when it does not play, unless it does
	played  bool      // it plays or did before
	lane    *lane     // that can leave out pictures; nil if there is none
	dropped bool      // it was too slow and is being closed

	ports netip.AddrPort // of its RTP over UDP; invalid for other ways
	gone  chan struct{}  // closed when the session is
}

func newViewers(limit int) *viewers {
	return &viewers{limit: limit, rest: restTime, sessions: make(map[*gortsplib.ServerSession]*viewer)}
}

// seat has a place for a session that is set up for st; false if all places are taken.
func (v *viewers) seat(s *gortsplib.ServerSession, st *stream, remote string, ports netip.AddrPort) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.sessions[s] != nil {
		return true
	}
	if len(v.sessions) >= v.limit {
		return false
	}
	v.sessions[s] = &viewer{stream: st, remote: remote, rests: time.Now(), ports: ports, gone: make(chan struct{})}
	return true
}

// replace ends another session that is sent to the same UDP ports, and returns when it is gone, which takes a moment, or
// ctx is done. Its player has ended without a word, for the ports are another one's now.
func (v *viewers) replace(ctx context.Context, s *gortsplib.ServerSession, ports netip.AddrPort) {
	v.mu.Lock()
	var gone <-chan struct{}
	for other, r := range v.sessions {
		if other != s && ports.IsValid() && r.ports == ports {
			other.Close()
			gone = r.gone
		}
	}
	v.mu.Unlock()
	await(ctx, gone)
}

// makeRoom ends the session that has not played for longest, if that is restTime or more, and returns true when it is
// gone; false if there is none.
func (v *viewers) makeRoom(ctx context.Context) bool {
	v.mu.Lock()
	var session *gortsplib.ServerSession
	var longest *viewer
	for s, r := range v.sessions {
		if !r.playing && time.Since(r.rests) >= v.rest && (longest == nil || r.rests.Before(longest.rests)) {
			session, longest = s, r
		}
	}
	v.mu.Unlock()
	if longest == nil {
		return false
	}
	longest.stream.log.Info("viewer that does not play makes room for another", "remote", longest.remote)
	session.Close()
	return await(ctx, longest.gone)
}

// await returns true when a session is gone, or false if there is none or ctx is done.
func await(ctx context.Context, gone <-chan struct{}) bool {
	if gone == nil {
		return false
	}
	select {
	case <-gone:
		return true
	case <-ctx.Done():
		return false
	}
}

// play notes that a session plays; false if it did already.
func (v *viewers) play(s *gortsplib.ServerSession, l *lane) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.sessions[s]
	if r == nil || r.playing {
		return false
	}
	r.playing, r.played, r.lane = true, true, l
	return true
}

// leavesOut notes that a session has no room for a packet of the newest picture; false if it cannot do without.
func (v *viewers) leavesOut(s *gortsplib.ServerSession) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.sessions[s]
	if r == nil || r.lane == nil {
		return false
	}
	r.lane.lost.Store(new(r.stream.newest.Load()))
	return true
}

// joined says whether a session plays, or has played and is paused.
func (v *viewers) joined(s *gortsplib.ServerSession) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.sessions[s]
	return r != nil && r.played
}

// pause notes that a session plays no more, but may again.
func (v *viewers) pause(s *gortsplib.ServerSession) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r := v.sessions[s]; r != nil {
		r.playing, r.rests = false, time.Now()
	}
}

// drop notes that a session is too slow. It returns the viewer the first time, then nil.
func (v *viewers) drop(s *gortsplib.ServerSession) *viewer {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.sessions[s]
	if r == nil || r.dropped {
		return nil
	}
	r.dropped = true
	return r
}

// remove forgets a session; nil if it never played.
func (v *viewers) remove(s *gortsplib.ServerSession) *viewer {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.sessions[s]
	delete(v.sessions, s)
	if r != nil {
		close(r.gone)
	}
	if r == nil || !r.played {
		return nil
	}
	return r
}

// playing returns how many sessions play st.
func (v *viewers) playing(st *stream) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := 0
	for _, r := range v.sessions {
		if r.stream == st && r.playing {
			n++
		}
	}
	return n
}

// closeAll ends the sessions of st and says how many they were.
func (v *viewers) closeAll(st *stream) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := 0
	for s, r := range v.sessions {
		if r.stream == st {
			s.Close()
			n++
		}
	}
	return n
}
