package webd

import (
	"encoding/json"
	"net/http"
)

// Handler answers the requests.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.Handle("GET /camera.jpg", s.restricted(s.snapshot))
	mux.Handle("GET /status.json", s.restricted(s.status))
	s.handleSettings(mux)
	return mux
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
		Problems []string `json:"problems"`
	}{st.Healthy, st.Problems})
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
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	w.Write(append(body, '\n'))
}
