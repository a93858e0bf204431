package webd

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/camkrazy/camkrazy/internal/camera"
)

const (
	// stillWait bounds the wait for a picture that has to be taken, so that the answer is there within 2 s.
	stillWait = 1900 * time.Millisecond
	// tooOld is when a picture is no longer better than none.
	tooOld = 30 * time.Second
)

// snapshot sends the newest still, or takes one if that is too old, or not what is asked for.
func (s *Server) snapshot(w http.ResponseWriter, r *http.Request) {
	want, err := snapshotQuery(r.URL.RawQuery)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	still := s.cfg.Still()
	if want.fresh || still.JPEG == nil || time.Since(still.Taken) > s.cfg.MaxAge {
		ctx, cancel := context.WithTimeout(r.Context(), stillWait)
		defer cancel()
		fresh, err := s.cfg.TakeStill(ctx, want.StillOptions)
		switch {
		case err == nil:
			still = fresh
		case errors.Is(err, camera.ErrStillOptions):
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		case want.fresh || still.JPEG == nil || time.Since(still.Taken) > tooOld:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "no picture: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	// Two pictures are never of the same nanosecond.
	etag := `"` + strconv.FormatInt(still.Taken.UnixNano(), 36) + `"`
	h.Set("ETag", etag)
	if strings.Contains(r.Header.Get("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "image/jpeg")
	h.Set("Content-Length", strconv.Itoa(len(still.JPEG)))
	h.Set("Last-Modified", still.Taken.UTC().Format(http.TimeFormat))
	h.Set("Age", strconv.Itoa(int(time.Since(still.Taken).Seconds())))
	if r.Method != http.MethodHead {
		w.Write(still.JPEG)
	}
}
