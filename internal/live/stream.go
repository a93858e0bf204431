package live

import (
	"context"
	"log/slog"
	"math"
	"sync"

	"github.com/camkrazy/camkrazy/internal/camera"
)

const (
	// queueSeconds is how much may wait for a watcher; more would be late anyway.
	queueSeconds = 1
	// minQueue is the least number of fragments that may wait, for slow streams.
	minQueue = 4
)

// Config describes a stream.
type Config struct {
	Name string
	// FrameRate is the nominal one in 1/s.
	FrameRate float64
	// KeyFrame asks the camera for an IDR picture. It does not block.
	KeyFrame func()
	// Logger is told of trouble; nil discards.
	Logger *slog.Logger
}

// Stats counts what a stream's watchers got.
type Stats struct {
	Watchers int
	// Fragments and Bytes are those that were taken by watchers, Drops the fragments that slow ones lost.
	Fragments, Bytes, Drops uint64
}

// Stream hands one camera stream to its watchers.
type Stream struct {
	cfg   Config
	log   *slog.Logger
	queue int // fragments that may wait for a watcher

	mu       sync.Mutex // guards what follows, and the watchers' queues
	mux      mux
	head     []byte // of the present parameter sets; nil before them
	watchers map[*Watcher]struct{}
	stats    Stats
}

// New makes a stream.
func New(cfg Config) *Stream {
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Stream{
		cfg: cfg, log: log.With("stream", cfg.Name),
		queue:    max(minQueue, int(math.Ceil(cfg.FrameRate*queueSeconds))),
		mux:      mux{time: newTimeline(cfg.FrameRate)},
		watchers: make(map[*Watcher]struct{}),
	}
}

// Write is the stream's camera.Sink.
func (s *Stream) Write(au camera.AccessUnit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mux.learn(au) {
		s.head = nil // the watchers get the new one with the next IDR picture
	}
	if len(s.watchers) == 0 {
		return
	}
	if s.head == nil && au.IDR {
		var err error
		if s.head, err = s.mux.head(); err != nil {
			s.log.Warn("no live view", "err", err)
		}
	}
	data := s.mux.fragment(au)
	if data == nil || s.head == nil {
		return
	}
	for w := range s.watchers {
		w.offer(fragment{s.head, data}, au.IDR)
	}
}

// Stats tells of the watchers.
func (s *Stream) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Watchers = len(s.watchers)
	return st
}

// Watch adds a watcher and asks the camera for an IDR picture. The caller closes the watcher.
func (s *Stream) Watch() *Watcher {
	w := &Watcher{stream: s, more: make(chan struct{}, 1), lost: true}
	s.mu.Lock()
	s.watchers[w] = struct{}{}
	s.mu.Unlock()
	if s.cfg.KeyFrame != nil {
		s.cfg.KeyFrame()
	}
	return w
}

// Watcher receives one stream as MP4. Its methods are for one goroutine.
type Watcher struct {
	stream *Stream
	more   chan struct{} // holds one token while there may be something in waiting

	// These are guarded by stream.mu.
	waiting []fragment
	head    []byte // that was sent last
	kind    string // MIME type of the head that was sent first
	lost    bool   // nothing can be decoded before the next IDR picture
}

// fragment is one picture, with the initialization segment that it needs.
type fragment struct{ head, data []byte }

// offer queues a fragment. The caller holds stream.mu.
func (w *Watcher) offer(f fragment, idr bool) {
	if len(w.waiting) >= w.stream.queue {
		w.stream.stats.Drops += uint64(len(w.waiting))
		clear(w.waiting)
		w.waiting = w.waiting[:0]
		w.lost = true
	}
	if w.lost && !idr {
		if w.kind != "" {
			w.stream.stats.Drops++
		}
		return
	}
	w.lost = false
	w.waiting = append(w.waiting, f)
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// Next returns the next segment, an initialization segment first, or the context's error. What it returns is shared
// and must not be written to.
func (w *Watcher) Next(ctx context.Context) ([]byte, error) {
	for {
		if segment := w.take(); segment != nil {
			return segment, nil
		}
		select {
		case <-w.more:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (w *Watcher) take() []byte {
	w.stream.mu.Lock()
	defer w.stream.mu.Unlock()
	if len(w.waiting) == 0 {
		return nil
	}
	stats, next := &w.stream.stats, w.waiting[0]
	if len(w.head) == 0 || &w.head[0] != &next.head[0] {
		w.head = next.head
		if w.kind == "" {
			w.kind = w.stream.mux.contentType()
		}
		stats.Bytes += uint64(len(next.head))
		return next.head
	}
	w.waiting[0] = fragment{}
	w.waiting = w.waiting[1:]
	stats.Fragments++
	stats.Bytes += uint64(len(next.data))
	return next.data
}

// ContentType is the MIME type, with the codec, of what Next has returned; "" before its first segment.
func (w *Watcher) ContentType() string {
	w.stream.mu.Lock()
	defer w.stream.mu.Unlock()
	return w.kind
}

// Close removes the watcher.
func (w *Watcher) Close() {
	w.stream.mu.Lock()
	defer w.stream.mu.Unlock()
	delete(w.stream.watchers, w)
}
