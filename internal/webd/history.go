package webd

import (
	"context"
	"net/http"
	"sync"
	"time"
)

const (
	// historyPeriod and historyLength make five minutes of bitrates.
	historyPeriod = 2 * time.Second
	historyLength = 150
)

// history remembers the bitrates of the last minutes, for the page's graphs.
type history struct {
	mu      sync.Mutex // guards what follows
	last    time.Time
	bytes   map[string]uint64 // at last
	streams map[string][]int  // bit/s, oldest first
}

// run takes samples until ctx is done.
func (h *history) run(ctx context.Context, status func() Status) {
	tick := time.NewTicker(historyPeriod)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			h.add(status(), now)
		case <-ctx.Done():
			return
		}
	}
}

// add takes one sample.
func (h *history) add(st Status, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.streams == nil {
		h.bytes, h.streams = make(map[string]uint64), make(map[string][]int)
	}
	span := now.Sub(h.last).Seconds()
	for name, s := range st.Streams {
		if before, known := h.bytes[name]; known && span > 0 && s.Bytes >= before {
			list := append(h.streams[name], int(float64(s.Bytes-before)*8/span))
			h.streams[name] = list[max(0, len(list)-historyLength):]
		}
		h.bytes[name] = s.Bytes
	}
	h.last = now
}

// serveHistory answers /history.json.
func (s *Server) serveHistory(w http.ResponseWriter, _ *http.Request) {
	s.history.mu.Lock()
	streams := make(map[string][]int)
	for name, list := range s.history.streams {
		streams[name] = append([]int{}, list...)
	}
	s.history.mu.Unlock()
	s.json(w, http.StatusOK, struct {
		PeriodMS   int64            `json:"period_ms"`
		BitrateBPS map[string][]int `json:"bitrate_bps"` // oldest first
	}{historyPeriod.Milliseconds(), streams})
}
