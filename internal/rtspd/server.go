package rtspd

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"regexp"
	"time"

	"github.com/bluenviron/gortsplib/v5"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/rarelog"
	"github.com/camkrazy/camkrazy/internal/throttle"
)

const (
	// sessionName is the s= line of every session description.
	sessionName = "camkrazy"

	// describeWait is how long a DESCRIBE waits for the camera's first picture.
	describeWait = 5 * time.Second

	// writeQueue is how many packets may wait for one viewer: about 1.5 s at 8 Mbit/s and 1.5 MB at most.
	writeQueue = 1024

	// writeTimeout ends the session of a viewer whose connection takes nothing for so long.
	writeTimeout = 10 * time.Second

	// DefaultMaxReaders is more than a recorder and a household have, and as many as fit the memory of the smallest
	// board if all of them are slow.
	DefaultMaxReaders = 32
)

// Config describes a server.
type Config struct {
	// Listen is the TCP address of RTSP, as "127.0.0.1:8554" or ":8554"; with port 0 the system chooses one. RTP and
	// RTCP over UDP get the first free pair of ports above it, on the same address. It may be empty if TLSListen is not.
	Listen string

	// TLSListen is the TCP address of RTSPS; empty for none. TLS has the certificate.
	TLSListen string
	TLS       *tls.Config

	// Multicast is the group and port of the RTP of the first stream, whose RTCP is at the next port; the other streams
	// have the groups after it, which must be groups too. It is sent while somebody has asked for it. The zero value is no
	// multicast.
	Multicast netip.AddrPort

	// Streams are the streams to serve, at least one, with different names.
	Streams []StreamConfig

	// Users may watch; none means that everybody may. They prove who they are by digest authentication (RFC 7616, with
	// SHA-256 or MD5), so that no password crosses the network, and over TLS also by basic (RFC 7617).
	Users []User

	// BasicAuth lets users show their password as it is in plain RTSP too, for players that know no digest.
	BasicAuth bool

	// Throttle slows down who guesses passwords; nil: the server has its own.
	Throttle *throttle.Throttle

	// MaxReaders is how many sessions may be set up at once, of all streams together; 0: [DefaultMaxReaders].
	MaxReaders int

	// Logger is told of viewers that come and go; nil discards.
	Logger *slog.Logger

	// KeyFrame asks the camera for an IDR picture of a stream, because a viewer began to play it. It is called at most
	// twenty times a second, and twice in the long run, for each stream, from any goroutine, also from within a Sink, and must not block. It may be nil.
	KeyFrame func(stream string)
}

// User is a viewer's name and password, neither of them empty.
type User struct {
	Name, Password string
}

// StreamConfig describes one stream.
type StreamConfig struct {
	// Name is the path, without a slash: letters, digits, '-', '_' and '.'.
	Name string

	// FrameRate is the nominal rate in pictures per second, for the session description; 0 leaves it out.
	FrameRate float64
}

// StreamStats are the counters of one stream since New.
type StreamStats struct {
	Readers     int       // sessions that play now
	ReaderDrops uint64    // sessions ended because the viewer took nothing for too long
	ReaderSkips uint64    // times that a slow viewer lost pictures until the next IDR picture
	Refused     uint64    // sessions refused because there were MaxReaders
	Frames      uint64    // pictures from the camera, watched or not
	KeyFrames   uint64    // IDR pictures among them
	Bytes       uint64    // of NAL units in them
	LastWrite   time.Time // arrival of the newest picture; zero before the first
}

// Server is an RTSP server. Its methods may be called from any goroutine, but Listen before Run.
type Server struct {
	listen  string
	secure  string      // TLSListen
	tls     *tls.Config // nil if secure is empty
	log     *slog.Logger
	streams map[string]*stream
	door    *door
	viewers *viewers
	crowded rarelog.Rarely // to say that there are too many of them
	guests  *guests
	wait    time.Duration // describeWait, but in tests
	fresh   time.Duration // greetAge, but in tests
	two     time.Duration // twoWait, but in tests
	queue   int           // writeQueue, but in tests
	stalled time.Duration // writeTimeout, but in tests
	sockets *sockets      // from Listen, until Run takes them
	groups  groups
}

func (cfg *Config) checkAddresses() error {
	if cfg.Listen == "" && cfg.TLSListen == "" {
		return errors.New("rtsp: no address to listen on; set rtsp.listen or rtsp.tls_listen in camera.yaml")
	}
	if cfg.TLSListen != "" && cfg.TLS == nil {
		return errors.New("rtsp: no certificate for TLS")
	}
	for _, address := range []string{cfg.Listen, cfg.TLSListen} {
		if _, _, err := net.SplitHostPort(address); address != "" && err != nil {
			return fmt.Errorf("rtsp: listen address: %w", err)
		}
	}
	return nil
}

// New makes a server; it opens nothing yet.
func New(cfg Config) (*Server, error) {
	if err := cfg.checkAddresses(); err != nil {
		return nil, err
	}
	if len(cfg.Streams) == 0 {
		return nil, errors.New("rtsp: no streams")
	}
	s := &Server{
		listen:  cfg.Listen,
		secure:  cfg.TLSListen,
		tls:     cfg.TLS,
		log:     cfg.Logger,
		streams: make(map[string]*stream),
		viewers: newViewers(cmp.Or(cfg.MaxReaders, DefaultMaxReaders)),
		guests:  newGuests(idleTime),
		wait:    describeWait,
		fresh:   greetAge,
		two:     twoWait,
		queue:   writeQueue,
		stalled: writeTimeout,
		groups:  groups{cfg.Multicast},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.door = newDoor(cfg, s.log)
	valid := regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
	clock := newClock(rand.Uint32())
	for i, sc := range cfg.Streams {
		switch {
		case !valid.MatchString(sc.Name):
			return nil, fmt.Errorf("rtsp: stream name %q: only letters, digits, '-', '_' and '.'", sc.Name)
		case s.streams[sc.Name] != nil:
			return nil, fmt.Errorf("rtsp: stream name %q: used twice", sc.Name)
		}
		var ask func()
		if cfg.KeyFrame != nil {
			ask = func() { cfg.KeyFrame(sc.Name) }
		}
		s.streams[sc.Name] = newStream(sc, s.log, clock, s.viewers, ask)
		s.streams[sc.Name].index = i
	}
	return s, nil
}

// Listen opens the sockets, so that a port in use is known before anything else is started. Run serves on them, and
// closes them. The error is one line that says what to do.
func (s *Server) Listen() error {
	socks, err := openSockets(s.listen, s.secure, s.tls, s.log)
	if err != nil {
		return err
	}
	s.sockets = socks
	return nil
}

// Addr returns the address of RTSP that Listen opened; nil if there is none, or before.
func (s *Server) Addr() net.Addr {
	if s.sockets == nil {
		return nil
	}
	return addrOf(s.sockets.plain)
}

// TLSAddr returns the address of RTSPS that Listen opened; nil if there is none, or before.
func (s *Server) TLSAddr() net.Addr {
	if s.sockets == nil {
		return nil
	}
	return addrOf(s.sockets.secure)
}

// Run serves until ctx is done, and returns nil then. It calls Listen if nobody has, and closes the sockets and all
// sessions before it returns. It is called once.
func (s *Server) Run(ctx context.Context) error {
	if s.sockets == nil {
		if err := s.Listen(); err != nil {
			return err
		}
	}
	defer s.sockets.Close()

	srv := s.library(ctx)
	if err := srv.Start(); err != nil {
		return fmt.Errorf("start rtsp: %w", err)
	}
	defer srv.Close()
	for _, st := range s.streams {
		if err := st.open(srv, s.groups); err != nil {
			return err
		}
		defer st.close()
	}
	close(s.sockets.serving)
	s.sockets.report(s.log)

	stop := context.AfterFunc(ctx, srv.Close)
	defer stop()
	if err := srv.Wait(); ctx.Err() == nil {
		return fmt.Errorf("serve rtsp: %w", err)
	}
	return nil
}

// library returns gortsplib's server on our sockets. It asks for them by address, and closes them. To it, a connection
// that came by TLS is one like any other: so both kinds share the streams, each packet is made once, and the description
// says RTP/AVP to both, which every player understands.
func (s *Server) library(ctx context.Context) *gortsplib.Server {
	rtp, rtcp := s.sockets.udpAddresses()
	return &gortsplib.Server{
		RTSPAddress:    s.sockets.Addr().String(),
		UDPRTPAddress:  rtp,
		UDPRTCPAddress: rtcp,

		MulticastIPRange:  s.groups.network(),
		MulticastRTPPort:  int(s.groups.first.Port()),
		MulticastRTCPPort: s.groups.rtcpPort(),

		WriteQueueSize: s.queue,
		WriteTimeout:   s.stalled,
		Handler:        &handler{s: s, ctx: ctx},
		Listen:         func(string, string) (net.Listener, error) { return s.sockets, nil },
		ListenPacket: func(_, address string) (net.PacketConn, error) {
			if address == rtp {
				return s.sockets.rtp, nil
			}
			return s.sockets.rtcp, nil
		},
	}
}

// Sink returns where the camera puts the access units of a stream, whether Run runs or not. It is nil for a stream
// that is not configured.
func (s *Server) Sink(stream string) camera.Sink {
	st := s.streams[stream]
	if st == nil {
		return nil
	}
	return st.write
}

// Stats returns the counters of a stream; zero for one that is not configured.
func (s *Server) Stats(stream string) StreamStats {
	st := s.streams[stream]
	if st == nil {
		return StreamStats{}
	}
	return st.stats()
}
