package rtspd

import (
	"sync"
	"time"
)

// keySpacing is the least time between two requests for an IDR picture. Viewers that come and go in a hurry would
// otherwise turn every picture into one, at the cost of the others' quality.
const keySpacing = 500 * time.Millisecond

// keyRequester asks the camera for an IDR picture until one has come after the last wish for it.
type keyRequester struct {
	ask func() // does not block; nil asks nobody

	mu     sync.Mutex
	wanted bool
	asked  time.Time
}

// want asks for an IDR picture: now, or with the first picture after keySpacing.
func (k *keyRequester) want(now time.Time) {
	k.mu.Lock()
	k.wanted = true
	k.mu.Unlock()
	k.retry(now)
}

// picture tells of a picture that is about to be sent.
func (k *keyRequester) picture(idr bool, now time.Time) {
	if !idr {
		k.retry(now)
		return
	}
	k.mu.Lock()
	k.wanted = false
	k.mu.Unlock()
}

func (k *keyRequester) retry(now time.Time) {
	k.mu.Lock()
	due := k.wanted && k.ask != nil && now.Sub(k.asked) >= keySpacing
	if due {
		k.asked = now
	}
	k.mu.Unlock()
	if due {
		k.ask()
	}
}
