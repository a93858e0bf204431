// Package webd serves what a browser or a script asks the camera for over HTTP.
package webd

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/camkrazy/camkrazy/internal/camera"
)

const (
	// stillWait bounds the answer of /camera.jpg when a picture has to be taken for it.
	stillWait = 2 * time.Second
	// tooOld is when a picture is no longer better than none.
	tooOld = 30 * time.Second
	// headerTimeout, idleTimeout and writeTimeout cut off clients that are slow on purpose or gone.
	headerTimeout = 5 * time.Second
	idleTimeout   = 60 * time.Second
	writeTimeout  = 30 * time.Second
	maxHeader     = 16 << 10
	stopTimeout   = time.Second
)

// Config describes a server.
type Config struct {
	// Listen is the TCP address, as ":80".
	Listen string
	// Users may look; none means that everybody may. Those who are asked for a password still get /healthz without.
	Users []User
	// Status tells the state of the appliance.
	Status func() Status
	// Still returns the newest snapshot; its JPEG is nil before the first.
	Still func() camera.Still
	// TakeStill takes a snapshot now. It is asked when the newest one is older than MaxAge.
	TakeStill func(context.Context) (camera.Still, error)
	MaxAge    time.Duration
	// Logger is told of trouble; nil discards.
	Logger *slog.Logger
}

// User may look at the camera.
type User struct{ Name, Password string }

// Server is an HTTP server.
type Server struct {
	cfg      Config
	log      *slog.Logger
	listener net.Listener
}

// New makes a server; it opens nothing yet.
func New(cfg Config) *Server {
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Server{cfg: cfg, log: log}
}

// Listen opens the socket, so that a port in use is known before anything else is started.
func (s *Server) Listen() error {
	var err error
	if s.listener, err = net.Listen("tcp", s.cfg.Listen); err == nil {
		return nil
	}
	remedy := "set http.listen in camera.yaml to an address of this machine"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		remedy = "stop the other program or set http.listen in camera.yaml"
	case errors.Is(err, syscall.EACCES):
		remedy = "start as root, or set http.listen in camera.yaml to a port from 1024 on"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	if sys, ok := errors.AsType[*os.SyscallError](err); ok {
		err = sys.Err
	}
	return fmt.Errorf("http: listen on %s: %w; %s", s.cfg.Listen, err, remedy)
}

// Addr is the address that Listen opened.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Run serves until ctx is done, and returns nil then. Listen comes first.
func (s *Server) Run(ctx context.Context) error {
	srv := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       headerTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if srv.Shutdown(limit) != nil {
			srv.Close()
		}
	})
	s.log.Info("http listens", "tcp", s.listener.Addr())
	err := srv.Serve(s.listener)
	if !stop() {
		<-stopped
		return nil
	}
	return fmt.Errorf("serve http: %w", err)
}

// Handler answers the requests.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.Handle("GET /camera.jpg", s.restricted(s.snapshot))
	mux.Handle("GET /status.json", s.restricted(s.status))
	return mux
}

// restricted asks for a user's name and password, if there are users.
func (s *Server) restricted(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(s.cfg.Users) > 0 && !s.known(r) {
			w.Header().Set("WWW-Authenticate", `Basic realm="camkrazy", charset="UTF-8"`)
			http.Error(w, "name and password of a user in camera.yaml, please", http.StatusUnauthorized)
			return
		}
		next(w, r)
	})
}

// known looks through all users whatever comes, so that the time taken tells nothing.
func (s *Server) known(r *http.Request) bool {
	name, password, _ := r.BasicAuth()
	given := digest(name, password)
	found := 0
	for _, u := range s.cfg.Users {
		want := digest(u.Name, u.Password)
		found |= subtle.ConstantTimeCompare(given[:], want[:])
	}
	return found == 1
}

// digest makes credentials equally long, so that they can be compared in constant time. No name holds a colon.
func digest(name, password string) [sha256.Size]byte {
	return sha256.Sum256([]byte(name + ":" + password))
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

// snapshot sends the newest still, or takes one if that is too old.
func (s *Server) snapshot(w http.ResponseWriter, r *http.Request) {
	still := s.cfg.Still()
	if still.JPEG == nil || time.Since(still.Taken) > s.cfg.MaxAge {
		ctx, cancel := context.WithTimeout(r.Context(), stillWait)
		defer cancel()
		fresh, err := s.cfg.TakeStill(ctx)
		if err == nil {
			still = fresh
		} else if still.JPEG == nil || time.Since(still.Taken) > tooOld {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "no picture: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	h := w.Header()
	h.Set("Content-Type", "image/jpeg")
	h.Set("Content-Length", strconv.Itoa(len(still.JPEG)))
	h.Set("Cache-Control", "no-store")
	h.Set("Last-Modified", still.Taken.UTC().Format(http.TimeFormat))
	h.Set("Age", strconv.Itoa(int(time.Since(still.Taken).Seconds())))
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodHead {
		w.Write(still.JPEG)
	}
}
