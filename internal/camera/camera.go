package camera

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/recovery"
)

// Camera runs the pipeline.
type Camera struct {
	cfg      Config
	open     func(context.Context) (mmal.Transport, error)
	log      *slog.Logger
	branches []*branch
	stills   *stills
	controls *controls

	ladder *recovery.Ladder
	frozen suspicion   // of watch, one after the other
	told   mmal.Sensor // of the sessions, one after the other

	mu          sync.Mutex // guards what follows
	state       State
	sensor      string
	pipeline    int // that have been built
	lastErr     error
	stopped     time.Time // when the pictures did that are not back yet; else zero
	treated     time.Time // when something was last decided about that
	turn        time.Time // when Run was last seen to go on
	absentSince time.Time // since when there is no camera
}

// State is what the camera is doing.
type State string

// The states.
const (
	Starting  State = "starting"
	Streaming State = "streaming"
	// Recovering is the time from a fault to the next pictures.
	Recovering State = "recovering"
	// NoCamera says that the firmware has no sensor to offer. It is asked again and again.
	NoCamera State = "no camera"
	Stopped  State = "stopped"
)

// Status is a snapshot of the camera's state.
type Status struct {
	State    State
	Sensor   string // the firmware's name for it; "" until it is known
	Restarts int    // pipelines built after the first one
	// LastError is the newest fault, nil if there was none.
	LastError error
	// Turn is when the camera was last seen to go on. Nothing that it does takes longer than a minute.
	Turn     time.Time
	Recovery recovery.Record
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
	LastFrame time.Time // out of the encoder; zero if there was none
	// Taken is when the sink was through with a picture, zero if it never was.
	Taken   time.Time
	Content Content
}

// SnapshotStatus tells of the stills.
type SnapshotStatus struct {
	Frames uint64
	Last   Still
}

// New makes a camera that opens the MMAL service by open; an error of open that wraps ErrPermanent is not tried again. A
// nil logger logs nothing.
func New(cfg Config, open func(context.Context) (mmal.Transport, error), log *slog.Logger) (*Camera, error) {
	if len(cfg.Streams) == 0 {
		return nil, errors.New("configure camera: no stream")
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Camera{
		cfg: cfg, open: open, log: log, state: Starting, turn: time.Now(),
		stills: newStills(cfg, log), controls: newControls(cfg.Controls, log),
	}
	if c.ladder = cfg.Recovery; c.ladder == nil {
		began := time.Now()
		c.ladder = recovery.New(recovery.Config{Now: func() time.Duration { return time.Since(began) }})
	}
	for _, s := range cfg.Streams {
		c.branches = append(c.branches, newBranch(s, log))
	}
	return c, nil
}

// Run builds the pipeline and delivers pictures until ctx is done (it returns nil), or a restart of the process is the next
// thing to try, or nothing helps: the error wraps ErrPermanent then. It is called once.
func (c *Camera) Run(ctx context.Context) error {
	defer c.setState(Stopped)
	finished := make(chan struct{})
	var deliveries sync.WaitGroup
	defer c.awaitDeliveries(&deliveries)
	defer close(finished)
	for _, b := range c.branches {
		deliveries.Go(func() { b.asm.deliver(finished, b.cfg.Sink, b.vitals.took) })
	}
	for {
		err := c.connection(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if r, known := errors.AsType[*remedy](err); !known || r.Step >= recovery.Restart {
			return err
		} else if !c.pause(ctx, r.Pause) {
			return nil
		}
	}
}

// awaitDeliveries waits for the sinks, but not for one that is stuck: that one ends with the process.
func (c *Camera) awaitDeliveries(deliveries *sync.WaitGroup) {
	done := make(chan struct{})
	go func() {
		deliveries.Wait()
		close(done)
	}()
	late := time.NewTimer(stopTimeout)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
		c.log.Error("a stream's pictures are not taken, and nobody waits for that any more")
	}
}

// connection opens the service, and runs one pipeline after the other on it until the next has to be on another one.
func (c *Camera) connection(ctx context.Context) error {
	transport, err := c.open(ctx)
	if err != nil {
		return c.decide(ctx, &openError{err})
	}
	client := mmal.New(transport, c.log)

	// The client outlives ctx: it is needed to take the pipeline down.
	clientCtx, closeClient := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	var serving sync.WaitGroup
	serving.Go(func() { served <- client.Run(clientCtx) })
	for {
		err = c.runPipeline(ctx, client, served)
		r, known := errors.AsType[*remedy](err)
		if !known || r.Step > recovery.RebuildPipeline || !c.pause(ctx, r.Pause) {
			break
		}
	}
	closeClient()
	serving.Wait()
	if stuck := client.CloseError(); errors.Is(stuck, mmal.ErrStuck) && ctx.Err() == nil {
		return c.decide(ctx, stuck)
	}
	return err
}

// runPipeline builds a pipeline and runs it to its end.
func (c *Camera) runPipeline(ctx context.Context, client *mmal.Client, served <-chan error) error {
	for _, b := range c.branches {
		b.asm.restart()
	}
	s := newSession(c, client)
	for _, p := range s.parts()[1:] {
		*p = part{client: client} // what an earlier connection left has gone with it
	}
	err := c.stream(ctx, s, served)
	if errors.Is(err, mmal.ErrClosed) || errors.Is(err, mmal.ErrNoReply) {
		return err // the firmware has taken it down, or does when the service closes
	}
	if stopErr := s.stop(context.WithoutCancel(ctx)); stopErr != nil {
		c.log.Warn("pipeline did not come down in order", "err", stopErr)
		if r, known := errors.AsType[*remedy](err); known && r.Step < recovery.Reconnect {
			return c.decide(ctx, fmt.Errorf("take pipeline down: %w", stopErr))
		}
	}
	return err
}

// errEnded ends the goroutines of a session.
var errEnded = errors.New("session ended")

// stream runs a session until ctx is done or something fails that its own parts cannot mend.
func (c *Camera) stream(ctx context.Context, s *session, served <-chan error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := s.build(ctx); err != nil {
		if errors.Is(err, mmal.EInval) && !errors.Is(err, ErrImpossible) && !c.ladder.Worked() {
			err = fmt.Errorf("%w: %w", ErrImpossible, err)
		}
		return c.decide(ctx, fmt.Errorf("build pipeline: %w", err))
	}
	c.built(s.sensorInfo.Name)

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
	wg.Go(func() { fail(c.stills.run(ctx, c.treatStills)) })
	wg.Go(func() { fail(c.watch(ctx, s)) })
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
		return c.decide(ctx, err)
	}
	return nil
}

func (c *Camera) setState(s State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state, c.turn = s, time.Now()
}

// built notes a new pipeline.
func (c *Camera) built(sensor string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state, c.sensor, c.turn = Streaming, sensor, time.Now()
	c.pipeline++
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
	st := Status{
		State: c.state, Sensor: c.sensor, Restarts: max(0, c.pipeline-1), LastError: c.lastErr, Turn: c.turn,
		Streams: make(map[string]StreamStatus),
	}
	c.mu.Unlock()
	st.Recovery = c.ladder.Record()
	for _, b := range c.branches {
		st.Streams[b.cfg.Name] = b.status()
	}
	st.Snapshot = c.stills.status()
	return st
}
