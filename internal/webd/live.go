package webd

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// firstPicture bounds the wait for the IDR picture that a live view begins with.
	firstPicture = 5 * time.Second
	// stuck is when a watcher that takes nothing is cut off.
	stuck = 10 * time.Second
	// maxWatchers bounds the live views of all streams, which maxConns does not: HTTP/2 has several on one connection.
	maxWatchers = 64
)

// live sends a stream as MP4 for as long as the watcher takes it.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	name, _ := strings.CutSuffix(r.PathValue("file"), ".mp4")
	stream := s.cfg.Live[name]
	if stream == nil || name == r.PathValue("file") {
		http.NotFound(w, r)
		return
	}
	defer s.watchers.Add(-1)
	if s.watchers.Add(1) > maxWatchers {
		w.Header().Set("Retry-After", "10")
		http.Error(w, fmt.Sprintf("%s: all %d live views are taken", name, maxWatchers), http.StatusServiceUnavailable)
		return
	}
	// The server's deadlines are for answers that end.
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Time{})
	watcher := stream.Watch()
	defer watcher.Close()
	limit, cancel := context.WithTimeout(r.Context(), firstPicture)
	segment, err := watcher.Next(limit)
	cancel()
	if err != nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, name+": no picture comes from the camera", http.StatusServiceUnavailable)
		return
	}
	h := w.Header()
	h.Set("Content-Type", watcher.ContentType())
	h.Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		return
	}
	for err == nil {
		control.SetWriteDeadline(time.Now().Add(stuck))
		if _, err = w.Write(segment); err != nil {
			return
		}
		if err = control.Flush(); err != nil {
			return
		}
		segment, err = watcher.Next(r.Context())
	}
}
