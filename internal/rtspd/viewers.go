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

// leaveTime is how long a viewer waits for another one's place. A session that is closed is gone within milliseconds, but
// for one in the middle of a request: that of a PLAY takes longest, which waits for pictures.
const leaveTime = 2 * time.Second

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
	leaves  bool      // its place is promised to another one, and it is being closed

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
// leaveTime is over. Its player has ended without a word, for the ports are another one's now. A session that leaves
// itself waits for nobody, so that no two wait for each other.
func (v *viewers) replace(ctx context.Context, s *gortsplib.ServerSession, ports netip.AddrPort) {
	v.mu.Lock()
	var gone <-chan struct{}
	self := v.sessions[s]
	for other, r := range v.sessions {
		if other != s && ports.IsValid() && r.ports == ports && (self == nil || !self.leaves) {
			v.close(other, r)
			gone = r.gone
		}
	}
	v.mu.Unlock()
	await(ctx, gone)
}

// close ends a session, once. The caller holds mu.
func (v *viewers) close(s *gortsplib.ServerSession, r *viewer) {
	if !r.leaves {
		r.leaves = true
		s.Close() // does not wait
	}
}

// makeRoom ends the session that has not played for longest, if that is restTime or more, and returns true when it is
// gone; false if there is none, or leaveTime is over.
func (v *viewers) makeRoom(ctx context.Context) bool {
	v.mu.Lock()
	session, longest := v.longest()
	if longest != nil {
		v.close(session, longest)
	}
	v.mu.Unlock()
	if longest == nil {
		return false
	}
	longest.stream.log.Info("viewer that does not play makes room for another", "remote", longest.remote)
	return await(ctx, longest.gone)
}

// longest is the session that has not played for longest, of those that may be ended for that; nil if there is none. The
// caller holds mu.
func (v *viewers) longest() (session *gortsplib.ServerSession, longest *viewer) {
	for s, r := range v.sessions {
		if !r.playing && !r.leaves && time.Since(r.rests) >= v.rest && (longest == nil || r.rests.Before(longest.rests)) {
			session, longest = s, r
		}
	}
	return session, longest
}

// await returns true when a session is gone, or false if there is none, ctx is done or leaveTime is over.
func await(ctx context.Context, gone <-chan struct{}) bool {
	if gone == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTime)
	defer cancel()
	select {
	case <-gone:
		return true
	case <-ctx.Done():
		return false
	}
}

// play notes that a session plays. began is false if it did already; stays is false if it may not, because it is being
// closed.
func (v *viewers) play(s *gortsplib.ServerSession, l *lane) (began, stays bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.sessions[s]
	if r == nil || r.leaves {
		return false, false
	}
	if r.playing {
		return false, true
	}
	r.playing, r.played, r.lane = true, true, l
	return true, true
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
			v.close(s, r)
			n++
		}
	}
	return n
}
