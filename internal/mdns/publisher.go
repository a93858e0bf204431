package mdns

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/brutella/dnssd"
)

// stopTimeout bounds the goodbyes; the library needs 0.25 s for each interface.
const stopTimeout = 3 * time.Second

var errStuck = errors.New("the responder does not end")

// publisher is the library's responder. One is kept for as long as it works, for it cannot be ended without a trace: it
// listens for changes of links in a system call that closing the socket does not interrupt, and that returns at the next
// change only.
//
// It joins the groups of the interfaces that are there when it is made. On later ones it hears what wire has joined:
// Linux delivers to a socket what any socket of the host has joined (ip(7), IP_MULTICAST_ALL).
type publisher struct {
	responder dnssd.Responder
	published []dnssd.ServiceHandle
	cancel    context.CancelFunc
	ended     chan struct{}
}

// newPublisher starts a responder that has nothing to say yet.
func newPublisher() (*publisher, error) {
	r, err := dnssd.NewResponder()
	if err != nil {
		return nil, fmt.Errorf("open multicast DNS: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &publisher{responder: r, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		// It ends when it is told to; an error would be of services that it was given earlier.
		_ = r.Respond(ctx)
	}()
	return p, nil
}

// publish probes for the services and announces them, one after the other. That takes 1.3 s for each of them, and
// now and then it costs a goroutine: the library's reader stays behind if a message comes as probing ends.
func (p *publisher) publish(name string, services []Service, on links) error {
	for _, s := range services {
		service, err := dnssd.NewService(dnssd.Config{
			Name: name, Type: s.Type, Host: name, Text: maps.Clone(s.Text), Port: s.Port, Ifaces: on.names(),
		})
		if err != nil {
			return fmt.Errorf("describe service %s: %w", s.Type, err)
		}
		handle, err := p.responder.Add(service)
		if err != nil {
			return fmt.Errorf("announce service %s: %w", s.Type, err)
		}
		p.published = append(p.published, handle)
	}
	return nil
}

// withdraw says goodbye to all services.
func (p *publisher) withdraw() {
	for _, handle := range p.published {
		p.responder.Remove(handle)
	}
	p.published = nil
}

// close says goodbye and ends the responder.
func (p *publisher) close() error {
	p.cancel()
	select {
	case <-p.ended:
	case <-time.After(stopTimeout):
		return errStuck
	}
	// The responder's readers can be waiting to deliver what came since, its own goodbye for one: nobody else would ever
	// take it from them. They end when a context was cancelled, but not when its deadline has passed.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer time.AfterFunc(20*time.Millisecond, cancel).Stop()
	p.responder.Debug(ctx, func(*dnssd.Request) {})
	return nil
}
