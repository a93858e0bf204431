package rtspd

import (
	"sync"

	"github.com/bluenviron/gortsplib/v5"
)

// viewers knows the sessions that play.
type viewers struct {
	mu       sync.Mutex
	sessions map[*gortsplib.ServerSession]*viewer
}

// viewer is one session that has begun to play.
type viewer struct {
	stream  *stream
	remote  string
	playing bool
	dropped bool // it lost packets and is being closed
}

// play notes that a session plays st; false if it did already.
func (v *viewers) play(s *gortsplib.ServerSession, st *stream, remote string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.sessions[s]
	if r == nil {
		r = &viewer{stream: st, remote: remote}
		v.sessions[s] = r
	}
	was := r.playing
	r.playing = true
	return !was
}

// joined says whether a session plays, or has played and is paused.
func (v *viewers) joined(s *gortsplib.ServerSession) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.sessions[s] != nil
}

// pause notes that a session plays no more, but may again.
func (v *viewers) pause(s *gortsplib.ServerSession) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r := v.sessions[s]; r != nil {
		r.playing = false
	}
}

// drop notes that a session lost packets. It returns the viewer the first time, then nil.
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
