package mdns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	dnssdlog "github.com/brutella/dnssd/log"
)

const (
	// rescan is how often the interfaces are looked at.
	rescan = time.Second
	// announceTimeout bounds the time until an announcement is heard; the library needs 1.3 s for each service.
	announceTimeout = 20 * time.Second
	// The wait after trouble doubles from the one to the other, and starts over after a time without trouble.
	minBackoff = time.Second
	maxBackoff = time.Minute
)

// What ends an announcement that was not to end.
var (
	errLinks    = errors.New("the network interfaces have changed")
	errConflict = errors.New("another host on the network uses the name")
	errUnheard  = errors.New("the announcement does not reach the network")
)

// Service is something that the host offers.
type Service struct {
	Type string            // as "_rtsp._tcp"
	Port int               // 1 to 65535
	Text map[string]string // key and value pairs of the TXT record (RFC 6763 section 6); may be nil
}

// Config says what is announced.
type Config struct {
	// Name is the host name that is asked for; of a full name the first label counts. What a host name may not have
	// becomes a hyphen.
	Name string

	// Services are announced under the same name as the host.
	Services []Service

	// Logger may be nil.
	Logger *slog.Logger
}

// Announcer announces one host. It is started once.
type Announcer struct {
	cfg  Config
	log  *slog.Logger
	base string // the name that is asked for

	mu    sync.Mutex // guards what follows
	inUse string     // "" while nothing is announced
	last  string     // the name that was in use last, to be asked for again
}

// New makes an announcer; nothing is sent yet.
func New(cfg Config) (*Announcer, error) {
	base := hostLabel(cfg.Name)
	if base == "" {
		return nil, fmt.Errorf("announce %q: no host name can be made of it", cfg.Name)
	}
	if len(cfg.Services) == 0 {
		return nil, fmt.Errorf("announce %s: no services", base)
	}
	for _, s := range cfg.Services {
		transport := strings.HasSuffix(s.Type, "._tcp") || strings.HasSuffix(s.Type, "._udp")
		if !strings.HasPrefix(s.Type, "_") || !transport || s.Port < 1 || s.Port > 65535 {
			return nil, fmt.Errorf("announce %s: service %q at port %d is none", base, s.Type, s.Port)
		}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Announcer{cfg: cfg, log: cfg.Logger, base: base, last: base}, nil
}

// Name is the host name in use, without ".local"; "" while there is no network or the name is still being claimed.
func (a *Announcer) Name() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.inUse
}

func (a *Announcer) setName(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inUse = name
	if name != "" {
		a.last = name
	}
}

// Run announces until ctx is done, and says goodbye. It always returns nil: without a network it waits for one, and
// after trouble it tries again.
func (a *Announcer) Run(ctx context.Context) error {
	// The library's own log goes to the program's standard output.
	dnssdlog.Info.Disable()
	var trouble backoff
	for {
		err := a.publish(ctx, &trouble)
		a.setName("")
		if !a.pause(ctx, &trouble, err) {
			return nil
		}
	}
}

// pause waits after trouble; it says false when ctx is done.
func (a *Announcer) pause(ctx context.Context, trouble *backoff, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	wait := trouble.next(time.Now())
	a.log.Warn("announcing anew", "err", err, "in", wait)
	select {
	case <-ctx.Done():
		return false
	case <-time.After(wait):
		return true
	}
}

// publish announces, on whatever links there are, until ctx is done or there is trouble with the library. What others on
// the network do must not cost a publisher each time.
func (a *Announcer) publish(ctx context.Context, trouble *backoff) error {
	var p *publisher
	for {
		on, err := awaitLinks(ctx)
		if err != nil {
			return err
		}
		if p == nil {
			if p, err = newPublisher(); err != nil {
				return err
			}
			defer func() {
				if err := p.close(); err != nil {
					a.log.Warn("goodbye is incomplete", "err", err)
				}
			}()
		}
		err = a.announce(ctx, p, on)
		if ctx.Err() != nil || !errors.Is(err, errLinks) && !errors.Is(err, errConflict) {
			return err
		}
		a.setName("")
		p.withdraw()
		if errors.Is(err, errLinks) {
			a.log.Info("announcing anew", "reason", errLinks)
		} else if !a.pause(ctx, trouble, err) {
			return err
		}
	}
}

// backoff is the wait after trouble.
type backoff struct {
	wait time.Duration
	last time.Time
}

func (b *backoff) next(now time.Time) time.Duration {
	b.wait = min(2*b.wait, maxBackoff)
	if b.wait == 0 || now.Sub(b.last) > 2*maxBackoff {
		b.wait = minBackoff
	}
	b.last = now
	// Hosts that disturb each other must not stay in step.
	return b.wait/2 + rand.N(b.wait)
}

// announce claims a name on these links and announces it there until ctx is done or something changes.
func (a *Announcer) announce(ctx context.Context, p *publisher, on links) error {
	wire, err := openWire(on)
	if err != nil {
		return err
	}
	defer wire.close()
	name, err := a.claim(ctx, wire)
	if err != nil {
		return err
	}
	if err := p.publish(name, a.cfg.Services, on); err != nil {
		return err
	}
	return newWatch(a.identity(name, on), wire).run(ctx, func() {
		a.setName(name)
		a.log.Info("announced", "name", name+domain, "interfaces", on.names())
	})
}
