package rtspd

import (
	"sync"
	"time"
)

const (
	// keySpacing is the least time between two requests for an IDR picture: all who join within it share one.
	keySpacing = 50 * time.Millisecond

	// keyEvery is the time between two requests in the long run, and keyBurst how many there may be before that counts.
	// Viewers that come and go in a hurry would otherwise turn every picture into an IDR picture, at the cost of the
	// others' quality.
	keyEvery = 500 * time.Millisecond
	keyBurst = 20
)

// keyRequester asks the camera for an IDR picture until one has come after the last wish for it.
type keyRequester struct {
	ask func() // does not block; nil asks nobody

	mu     sync.Mutex
	wanted bool
	asked  time.Time
	free   time.Time // when the requests made so far will have been paid for, one each keyEvery
}

// want asks for an IDR picture: now, or with the first picture after which there may be one.
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
	due := k.wanted && k.ask != nil && now.Sub(k.asked) >= keySpacing && k.free.Sub(now) < keyBurst*keyEvery
	if due {
		k.asked = now
		if k.free.Before(now) {
			k.free = now
		}
		k.free = k.free.Add(keyEvery)
	}
	k.mu.Unlock()
	if due {
		k.ask()
	}
}
