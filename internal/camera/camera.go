package camera

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// Camera runs the pipeline.
type Camera struct {
	cfg      Config
	open     func(context.Context) (mmal.Transport, error)
	log      *slog.Logger
	branches []*branch
	stills   *stills
	controls *controls

	mu     sync.Mutex // guards what follows
	state  State
	sensor string
}

// State is what the camera is doing.
type State string

// The states.
const (
	Starting  State = "starting"
	Streaming State = "streaming"
	Stopped   State = "stopped"
)

// Status is a snapshot of the camera's state.
type Status struct {
	State    State
	Sensor   string // the firmware's name for it; "" until it is known
	Streams  map[string]StreamStatus
	Snapshot SnapshotStatus
}

// StreamStatus counts what one stream has delivered since the start.
type StreamStatus struct {
	// Link says how the frames get to the encoder, and FrameRate how many a second; 0 until that is known.
	Link      string
	FrameRate float64
	// Frames and KeyFrames are access units; Dropped are those that were lost on the way to the sink.
	Frames, KeyFrames, Dropped uint64
	// Empty counts the pictures that the encoder left out, as its rate control does when the bitrate is low.
	Empty uint64
	// Bytes are those of the coded stream.
	Bytes uint64
	// Bitrate is the mean of the last pictures, in bit/s.
	Bitrate   int
	LastFrame time.Time // zero if there was none
}

// SnapshotStatus tells of the stills.
type SnapshotStatus struct {
	Frames uint64
	Last   Still
}

// New makes a camera that opens the MMAL service by open. A nil logger logs nothing.
func New(cfg Config, open func(context.Context) (mmal.Transport, error), log *slog.Logger) (*Camera, error) {
	if len(cfg.Streams) == 0 {
		return nil, errors.New("configure camera: no stream")
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Camera{
		cfg: cfg, open: open, log: log, state: Starting,
		stills: newStills(cfg, log), controls: newControls(cfg.Controls, log),
	}
	for _, s := range cfg.Streams {
		c.branches = append(c.branches, newBranch(s, log))
	}
	return c, nil
}

// Run builds the pipeline and delivers pictures until ctx is done (it returns nil) or something fails. It is called
// once.
func (c *Camera) Run(ctx context.Context) error {
	defer c.setState(Stopped)
	finished := make(chan struct{})
	var deliveries sync.WaitGroup
	defer deliveries.Wait()
	defer close(finished)
	for _, b := range c.branches {
		deliveries.Go(func() { b.asm.deliver(finished, b.cfg.Sink) })
	}
	for {
		err := c.session(ctx)
		if !errors.Is(err, errGateDead) {
			return err
		}
		c.log.Warn("pipeline is built anew, without a gate", "err", err)
	}
}

// session opens the service, and runs one pipeline on it.
func (c *Camera) session(ctx context.Context) error {
	transport, err := c.open(ctx)
	if err != nil && ctx.Err() != nil {
		return nil
	} else if err != nil {
		return fmt.Errorf("open MMAL service: %w", err)
	}
	client := mmal.New(transport, c.log)

	// The client outlives ctx: it is needed to take the pipeline down.
	clientCtx, closeClient := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	var serving sync.WaitGroup
	defer serving.Wait()
	defer closeClient()
	serving.Go(func() { served <- client.Run(clientCtx) })

	for _, b := range c.branches {
		b.asm.restart()
	}
	s := newSession(c, client)
	err = c.stream(ctx, s, served)
	if errors.Is(err, mmal.ErrClosed) {
		return err // the firmware has taken it down
	}
	if stopErr := s.stop(context.WithoutCancel(ctx)); stopErr != nil {
		c.log.Warn("pipeline did not come down in order", "err", stopErr)
	}
	return err
}

// errEnded ends the goroutines of a session.
var errEnded = errors.New("session ended")

// stream runs a session until ctx is done or something fails.
func (c *Camera) stream(ctx context.Context, s *session, served <-chan error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := s.build(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, mmal.EInval) && !errors.Is(err, ErrImpossible) {
			err = fmt.Errorf("%w: %w", ErrImpossible, err)
		}
		return fmt.Errorf("build pipeline: %w", err)
	}
	c.mu.Lock()
	c.state, c.sensor = Streaming, s.sensorInfo.Name
	c.mu.Unlock()

	var wg sync.WaitGroup
	defer wg.Wait()
	fail := func(err error) {
		if err != nil {
			cancel(err)
		}
	}
	for _, b := range c.branches {
		wg.Go(func() { fail(b.serveKeyFrames(ctx)) })
	}
	wg.Go(func() { fail(c.stills.run(ctx)) })
	wg.Go(func() { fail(c.watch(ctx)) })
	wg.Go(func() { c.controls.runText(ctx) })
	select {
	case err := <-s.failed:
		cancel(err)
	case err := <-served:
		cancel(err)
	case <-ctx.Done():
	}
	cancel(errEnded)
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && err != errEnded {
		return err
	}
	return nil
}

// watchPeriod is how often the streams are looked at.
const watchPeriod = time.Second

// watch ends a session whose firmware stopped giving pictures without a word.
func (c *Camera) watch(ctx context.Context) error {
	since := time.Now()
	for sleep(ctx, watchPeriod) {
		for _, b := range c.branches {
			err := b.checkAlive(since)
			if errors.Is(err, errGateDead) {
				b.giveUpGate()
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Camera) setState(s State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = s
}

// RequestKeyFrame asks the encoder of a stream for a key frame. It returns at once; requests that come together share
// one key frame.
func (c *Camera) RequestKeyFrame(stream string) {
	for _, b := range c.branches {
		if b.cfg.Name == stream {
			b.wantKeyFrame()
		}
	}
}

// TakeStill takes a picture now, whatever the interval. Those who ask for the same at the same time share one. Its error
// wraps ErrStillOptions if there cannot be such a picture.
func (c *Camera) TakeStill(ctx context.Context, o StillOptions) (Still, error) {
	shape, err := c.stills.shape(o)
	if err != nil {
		return Still{}, err
	}
	answer := make(chan stillResult, 1)
	select {
	case c.stills.asked <- stillRequest{ctx, shape, answer}:
	case <-ctx.Done():
		return Still{}, fmt.Errorf("take snapshot: %w", context.Cause(ctx))
	}
	select {
	case r := <-answer:
		return r.still, r.err
	case <-ctx.Done():
		return Still{}, fmt.Errorf("take snapshot: %w", context.Cause(ctx))
	}
}

// Status tells what the camera is doing.
func (c *Camera) Status() Status {
	c.mu.Lock()
	st := Status{State: c.state, Sensor: c.sensor, Streams: make(map[string]StreamStatus)}
	c.mu.Unlock()
	for _, b := range c.branches {
		st.Streams[b.cfg.Name] = b.status()
	}
	st.Snapshot = c.stills.status()
	return st
}
