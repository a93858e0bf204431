// Package webd serves what a browser or a script asks the camera for over HTTP.
package webd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/live"
	"github.com/camkrazy/camkrazy/internal/throttle"
)

const (
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
	// TakeStill takes a snapshot now. It is asked when the newest one is older than MaxAge, or is not what a client wants.
	TakeStill func(context.Context, camera.StillOptions) (camera.Still, error)
	MaxAge    time.Duration
	// Settings are the image controls; nil is none.
	Settings *Settings
	// Live are the streams that the page can show, by name.
	Live map[string]*live.Stream
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
	guessers throttle.Throttle
	history  history
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
	s.listener, err = listen(s.cfg.Listen, "http.listen")
	return err
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
		BaseContext:       func(net.Listener) context.Context { return ctx },
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
	var sampling sync.WaitGroup
	defer sampling.Wait()
	sampled, stopSampling := context.WithCancel(ctx)
	defer stopSampling()
	sampling.Go(func() { s.history.run(sampled, s.cfg.Status) })
	s.log.Info("http listens", "tcp", s.listener.Addr())
	err := srv.Serve(s.listener)
	if !stop() {
		<-stopped
		return nil
	}
	return fmt.Errorf("serve http: %w", err)
}
