// Package webd serves what a browser or a script asks the camera for over HTTP.
package webd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/camkrazy/camkrazy/internal/camera"
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
