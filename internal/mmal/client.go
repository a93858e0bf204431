package mmal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// requestTimeout is how long the kernel's own MMAL client waits for any answer, the camera's start included.
	requestTimeout = 3 * time.Second
	// maxBulk bounds what one buffer may announce; no port of ours is given buffers of more than 1 MiB.
	maxBulk = 16 << 20
	// sendQueue bounds the requests that wait to be sent.
	sendQueue = 16
	// maxBuffers bounds the buffers of all ports together.
	maxBuffers = 128
	// returnQueue bounds the buffers on their way back to the firmware: each is there at most once, and beside them
	// those of ports that have been disabled meanwhile.
	returnQueue = 2 * maxBuffers
)

// Client is one user of the firmware's MMAL service. Its methods, and those of its components and ports, may be called
// from any goroutine once Run has been started.
type Client struct {
	transport Transport
	log       *slog.Logger

	requests chan []byte   // encoded, to be sent
	returns  chan *Buffer  // buffers to give to the firmware
	done     chan struct{} // closed when Run is about to return
	reason   error         // that Run returns; set before done is closed
	closeErr error         // of the transport; the same

	mu          sync.Mutex // guards what follows
	lastContext uint32
	lastID      uint32 // of a component
	calls       map[uint32]*call
	components  map[uint32]*Component // by the id that the firmware gives with events
	buffers     []slot

	began time.Time
	owed  atomic.Int64 // since when, after began, the oldest bulk transfer is awaited; 0: none is

	rx receiver // the reading goroutine's own
	tx sender   // the writing goroutine's own
}

// call is a request whose reply is awaited. It leaves Client.calls when its reply arrives or its caller gives up,
// whichever is first; the one who takes it out owns it.
type call struct {
	id    MessageID
	reply reply
	done  chan struct{}
	err   error
}

// reply is a message whose body starts with the status of the request.
type reply interface {
	Message
	status() Status
}

// New makes a client of a service that is open. A nil logger logs nothing.
func New(t Transport, log *slog.Logger) *Client {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Client{
		transport:  t,
		log:        log,
		requests:   make(chan []byte, sendQueue),
		returns:    make(chan *Buffer, returnQueue),
		done:       make(chan struct{}),
		calls:      make(map[uint32]*call),
		components: make(map[uint32]*Component),
		began:      time.Now(),
	}
}

// Owed is for how long the oldest bulk transfer that the firmware has announced is awaited; 0 if none is. All that comes
// after it waits for it, so that one which never completes stops every stream.
func (c *Client) Owed() time.Duration {
	since := c.owed.Load()
	if since == 0 {
		return 0
	}
	return time.Since(c.began) - time.Duration(since)
}

// Run serves the client until ctx is done (it returns nil) or the service fails (the reason, which wraps ErrClosed or
// ErrProtocol). It closes the transport. Pending calls then fail with ErrClosed, and wrap the reason too.
func (c *Client) Run(ctx context.Context) error {
	defer close(c.done)
	running, stop := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		<-running.Done()
		if c.closeErr = c.transport.Close(); c.closeErr != nil {
			c.log.Error("MMAL service does not close", "err", c.closeErr)
		}
	})
	wg.Go(func() {
		if err := c.write(running); err != nil {
			stop(err)
		}
	})
	stop(c.read())
	wg.Wait()
	reason := context.Cause(running)
	if ctx.Err() == nil || !errors.Is(reason, context.Cause(ctx)) {
		c.reason = reason
	}
	return c.reason
}

// CloseError is the error of closing the transport, once Run has returned.
func (c *Client) CloseError() error { return c.closeErr }

// Version asks for the version of the firmware's MMAL server.
func (c *Client) Version(ctx context.Context) (major, minor uint32, err error) {
	var v versionReply
	if err := c.call(ctx, GetVersion, &Version{}, &v); err != nil {
		return 0, 0, opError("get version of", "MMAL service", err)
	}
	return v.Major, v.Minor, nil
}

// versionReply is the one reply without a status.
type versionReply struct{ Version }

func (*versionReply) status() Status { return Success }

// call sends a request and waits for its reply: the one place where both meet. The error is the reply's Status if that
// is not Success.
func (c *Client) call(ctx context.Context, id MessageID, req Message, rep reply) error {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, ErrNoReply)
	defer cancel()
	cl := &call{id: id, reply: rep, done: make(chan struct{})}
	key := c.register(cl)
	msg := Append(make([]byte, 0, MaxMessage), Header{ID: id, Context: key}, req)
	select {
	case c.requests <- msg:
	case <-ctx.Done():
		return c.abandon(key, cl, context.Cause(ctx))
	case <-c.done:
		return c.abandon(key, cl, c.ended())
	}
	select {
	case <-cl.done:
		return cl.err
	case <-ctx.Done():
		return c.abandon(key, cl, context.Cause(ctx))
	case <-c.done:
		return c.abandon(key, cl, c.ended())
	}
}

// ended is the error of what needs a client whose done is closed.
func (c *Client) ended() error {
	switch {
	case c.reason == nil:
		return ErrClosed
	case errors.Is(c.reason, ErrClosed):
		return c.reason
	}
	return fmt.Errorf("%w: %w", ErrClosed, c.reason)
}

// register gives a call its context: each number is used once in 2³² requests, so that a late reply meets nobody.
func (c *Client) register(cl *call) uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		c.lastContext++
		if _, taken := c.calls[c.lastContext]; c.lastContext != 0 && !taken {
			c.calls[c.lastContext] = cl
			return c.lastContext
		}
	}
}

// abandon ends a call for the given reason, unless its reply has just arrived: then that is the result.
func (c *Client) abandon(key uint32, cl *call, reason error) error {
	c.mu.Lock()
	_, mine := c.calls[key]
	delete(c.calls, key)
	c.mu.Unlock()
	if mine {
		return reason
	}
	<-cl.done // the reading goroutine has it and is decoding
	return cl.err
}

// complete hands a reply to its caller.
func (c *Client) complete(h Header, msg []byte) {
	c.mu.Lock()
	cl := c.calls[h.Context]
	delete(c.calls, h.Context)
	c.mu.Unlock()
	if cl == nil {
		c.log.Info("reply that nobody waits for", "message", h.ID, "context", h.Context)
		return
	}
	defer close(cl.done)
	if cl.id != h.ID {
		cl.err = fmt.Errorf("reply to %v is a %v: %w", cl.id, h.ID, ErrProtocol)
		return
	}
	if err := Decode(msg, cl.reply); err != nil {
		// A refusal may be cut short behind its status, which is all that it has to say.
		var r Reply
		if Decode(msg, &r) == nil && r.Status != Success {
			err = r.Status
		}
		cl.err = err
		return
	}
	if s := cl.reply.status(); s != Success {
		cl.err = s
	}
}
