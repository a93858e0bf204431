package webd

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// maxBody bounds what a client may send.
const maxBody = 64 << 10

// Handler answers the requests.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	metrics, counting := s.newMetrics(mux)
	mux.HandleFunc("GET /healthz", s.healthz)
	for pattern, answer := range map[string]http.HandlerFunc{
		"GET /camera.jpg":   s.snapshot,
		"GET /status.json":  s.status,
		"GET /history.json": s.serveHistory,
		"GET /live/{file}":  s.live,
		"GET /frigate.yaml": s.frigate,
		"GET /metrics":      metrics.ServeHTTP,
	} {
		mux.Handle(pattern, s.restricted(answer))
	}
	s.handleSettings(mux)
	for _, f := range pageFiles() {
		mux.Handle("GET "+f.path, s.restricted(f.serve))
	}
	return secured(http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(counting, maxBody)))
}

// secured tells browsers to take nothing for what it is not, to load nothing from elsewhere, to show no page of ours
// inside another's, and to tell others nothing of it.
func secured(next http.Handler) http.Handler {
	const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; " +
		"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

// healthz says whether all is well, and if not, why.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	st := s.cfg.Status()
	code := http.StatusOK
	if !st.Healthy {
		code = http.StatusServiceUnavailable
	}
	s.json(w, code, struct {
		Healthy  bool     `json:"healthy"`
		State    string   `json:"state"` // of the camera
		Problems []string `json:"problems"`
		Notices  []string `json:"notices"`
	}{st.Healthy, st.Camera.State, st.Problems, st.Notices})
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	s.json(w, http.StatusOK, s.cfg.Status())
}

func (s *Server) json(w http.ResponseWriter, code int, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		s.log.Error("encode answer", "err", err)
		http.Error(w, "cannot encode the answer", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(code)
	w.Write(append(body, '\n'))
}
