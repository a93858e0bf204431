package webd

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
)

// restricted asks for a user's name and password, if there are users.
func (s *Server) restricted(next http.HandlerFunc) http.Handler {
	if len(s.cfg.Users) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _, tried := r.BasicAuth()
		switch {
		case tried && !s.guessers.Wait(r.Context(), r.RemoteAddr):
			w.Header().Set("Retry-After", "5")
			http.Error(w, "too many wrong passwords from your address: wait a moment", http.StatusTooManyRequests)
		case !tried || !s.known(r):
			if tried {
				s.guessers.Failed(r.RemoteAddr)
				s.guesses.Warn(s.log, "wrong password", "remote", r.RemoteAddr, "user", name)
			}
			w.Header().Set("WWW-Authenticate", `Basic realm="camkrazy", charset="UTF-8"`)
			http.Error(w, "name and password of a user in camera.yaml, please", http.StatusUnauthorized)
		default:
			next(w, r)
		}
	})
}

// known looks through all users whatever comes, so that the time taken tells nothing.
func (s *Server) known(r *http.Request) bool {
	name, password, _ := r.BasicAuth()
	given := digest(name, password)
	found := 0
	for _, u := range s.cfg.Users {
		want := digest(u.Name, u.Password)
		found |= subtle.ConstantTimeCompare(given[:], want[:])
	}
	return found == 1
}

// digest makes credentials equally long, so that they can be compared in constant time. No name holds a colon.
func digest(name, password string) [sha256.Size]byte {
	return sha256.Sum256([]byte(name + ":" + password))
}
