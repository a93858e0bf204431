package guard

import "time"

const (
	// squeezeShare is what part of the memory has to be left: less is a machine that reads its programs' code from the card
	// over and over, and does nothing else. The kernel sees a page that it can take away, and ends nobody.
	squeezeShare = 40
	// squeezeTime is how long that may last, squeezePause what the kernel has to end a program.
	squeezeTime  = 1500 * time.Millisecond
	squeezePause = 10 * time.Second
)

// Squeeze tells when the kernel has to be asked to end the program that has most of the memory. The zero value is ready.
type Squeeze struct {
	since time.Time // zero while there is enough
	asked time.Time
}

// Look is told how much memory there is, in bytes, and says whether to ask.
func (s *Squeeze) Look(total, available uint64, now time.Time) bool {
	if available >= total/squeezeShare {
		s.since = time.Time{}
		return false
	}
	if s.since.IsZero() {
		s.since = now
	}
	if now.Sub(s.since) < squeezeTime || now.Sub(s.asked) < squeezePause {
		return false
	}
	s.asked = now
	return true
}
