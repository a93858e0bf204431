package systest

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
)

// watcher watches a feed and comes back whenever it is cut off, as a network video recorder does.
type watcher struct {
	feed feed
	done chan struct{} // closed when it has stopped watching

	mu       sync.Mutex
	sessions int       // connections that showed a picture
	began    time.Time // when the player of the present picture's connection was started
	first    time.Time // when that connection's first picture came
	last     time.Time // when the last picture came
	number   int       // its stamp; -1 if it could not be read
	longest  time.Duration
	changed  chan struct{} // closed at the next picture
}

// watch watches until ctx is done.
func watch(ctx context.Context, b *board, f feed) *watcher {
	w := &watcher{feed: f, done: make(chan struct{}), changed: make(chan struct{})}
	go func() {
		defer close(w.done)
		again := time.NewTicker(pollInterval)
		defer again.Stop()
		for ctx.Err() == nil {
			w.session(ctx, b)
			select {
			case <-again.C:
			case <-ctx.Done():
			}
		}
	}()
	return w
}

// session is one connection. Whatever ends it, the next one shows whether there are pictures.
func (w *watcher) session(ctx context.Context, b *board) {
	began := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := b.ffmpeg(ctx, w.feed, "-")
	pictures, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		return
	}
	gray := make([]byte, w.feed.width*w.feed.height)
	for first := true; ; first = false {
		if _, err := io.ReadFull(pictures, gray); err != nil {
			break
		}
		number, ok := scene.ReadStamp(gray, w.feed.width, w.feed.width, w.feed.height)
		if !ok {
			w.note(began, first, -1)
			continue
		}
		w.note(began, first, int(number))
	}
	cancel()
	cmd.Wait() // its error says what the end of its pictures has said
}

func (w *watcher) note(began time.Time, first bool, number int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if first {
		w.sessions++
		w.began, w.first = began, now
	}
	if !w.last.IsZero() {
		w.longest = max(w.longest, now.Sub(w.last))
	}
	w.last, w.number = now, number
	close(w.changed)
	w.changed = make(chan struct{})
}

// pictureAfter waits for a picture of a connection that was made after a time.
func (w *watcher) pictureAfter(ctx context.Context, since time.Time) error {
	for {
		w.mu.Lock()
		began, changed := w.began, w.changed
		w.mu.Unlock()
		if began.After(since) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// picture waits for one that is right, and returns when it came.
func (w *watcher) picture(ctx context.Context, right func(number int, session time.Time) bool) (time.Time, error) {
	for {
		w.mu.Lock()
		last, number, began, changed := w.last, w.number, w.began, w.changed
		w.mu.Unlock()
		if right(number, began) {
			return last, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return time.Time{}, context.Cause(ctx)
		}
	}
}

// connections counts those that showed a picture.
func (w *watcher) connections() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sessions
}

// firstPicture is when the present connection's first picture came.
func (w *watcher) firstPicture() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.first
}

// longestGap is the longest time between two pictures.
func (w *watcher) longestGap() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.longest
}

// wait waits until the watcher has stopped, after its context's end.
func (w *watcher) wait() { <-w.done }

// lastPicture is when the last picture came.
func (w *watcher) lastPicture() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}
