// Package webd serves what a browser or a script asks the camera for over HTTP.
package webd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/live"
	"github.com/camkrazy/camkrazy/internal/rarelog"
	"github.com/camkrazy/camkrazy/internal/throttle"
)

const (
	// headerTimeout, idleTimeout and writeTimeout cut off clients that are slow on purpose or gone.
	headerTimeout = 5 * time.Second
	idleTimeout   = 60 * time.Second
	writeTimeout  = 30 * time.Second
	maxHeader     = 16 << 10
	stopTimeout   = time.Second

	// maxStreams bounds the requests at the same time on one connection of HTTP/2: a page has fewer. maxUnread is how
	// many bytes of what such a connection uploads wait in memory for a handler, of which none reads more than a few
	// kilobytes; it is the least that net/http takes for a connection.
	maxStreams = 16
	maxUnread  = 64 << 10
)

// Config describes a server.
type Config struct {
	// Listen is the TCP address, as ":80", and TLSListen that of HTTPS, which TLS is for; empty is none.
	Listen, TLSListen string
	TLS               *tls.Config
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
	// Feeds are the streams as they are configured.
	Feeds []Feed
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
	plain    *guests // nil if there is none
	secure   *guests // nil if there is none
	guessers throttle.Throttle
	guesses  rarelog.Rarely
	history  history
	watchers atomic.Int64 // of all live views
}

// New makes a server; it opens nothing yet.
func New(cfg Config) *Server {
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Server{cfg: cfg, log: log}
}

// Listen opens the sockets, so that a port in use is known before anything else is started.
func (s *Server) Listen() error {
	var err error
	if s.cfg.Listen != "" {
		if s.plain, err = listen(s.cfg.Listen, "http.listen"); err != nil {
			return err
		}
	}
	if s.cfg.TLSListen != "" {
		if s.secure, err = listen(s.cfg.TLSListen, "http.tls_listen"); err != nil && s.plain != nil {
			s.plain.Close()
		}
	}
	return err
}

// Addr is the address of HTTP that Listen opened; nil if there is none.
func (s *Server) Addr() net.Addr { return addr(s.plain) }

// TLSAddr is the address of HTTPS that Listen opened; nil if there is none.
func (s *Server) TLSAddr() net.Addr { return addr(s.secure) }

func addr(l *guests) net.Addr {
	if l == nil {
		return nil
	}
	return l.Addr()
}

// Run serves until ctx is done, and returns nil then. Listen comes first.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	handler := s.Handler()
	var parts errgroup.Group
	serve := func(name string, l *guests, secure *tls.Config) {
		if l == nil {
			return
		}
		s.log.Info("http listens", name, l.Addr())
		parts.Go(func() error {
			defer cancel()
			return s.serve(ctx, l, handler, secure)
		})
	}
	serve("tcp", s.plain, nil)
	serve("tls", s.secure, s.cfg.TLS)
	parts.Go(func() error { s.history.run(ctx, s.cfg.Status); return nil })
	return parts.Wait()
}

// serve answers at one listener, with TLS unless secure is nil, until ctx is done. Each listener has an http.Server of its
// own: one that first serves without TLS has no HTTP/2 at all, though it offers it to TLS clients (net/http,
// onceSetNextProtoDefaults_Serve).
func (s *Server) serve(ctx context.Context, l net.Listener, handler http.Handler, secure *tls.Config) error {
	srv := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       headerTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerConnection: maxUnread, MaxReceiveBufferPerStream: maxUnread,
			WriteByteTimeout: stuck, // the deadlines of a request cannot end a connection that takes nothing
		},
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	listen := srv.Serve
	if secure != nil {
		srv.TLSConfig = secure.Clone() // the server adds to it
		listen = func(l net.Listener) error { return srv.ServeTLS(l, "", "") }
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
	if err := listen(l); !errors.Is(err, http.ErrServerClosed) {
		if stop() {
			srv.Close()
		} else {
			<-stopped
		}
		return fmt.Errorf("serve http: %w", err)
	}
	<-stopped
	return nil
}
