package camera

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/recovery"
)

// ErrPermanent says that neither trying again nor a restart can help. Those who open the service may wrap it. Of a board
// that has given pictures since it was started it is not believed: that one needs a reboot.
var ErrPermanent = errors.New("trying again does not help")

// isRefused says whether the firmware has a camera, but does not give it.
func isRefused(err error) bool { return errors.Is(err, ErrRefused) || errors.Is(err, ErrInUse) }

// errSinkStuck says that pictures come, and nobody takes them.
var errSinkStuck = errors.New("pictures come from the encoder, but are not taken")

// openError says that the service could not be opened.
type openError struct{ err error }

func (e *openError) Error() string { return "open MMAL service: " + e.err.Error() }
func (e *openError) Unwrap() error { return e.err }

// remedy is a fault with what is to be done about it.
type remedy struct {
	recovery.Action
	error
}

func (r *remedy) Unwrap() error { return r.error }

const (
	// absentPause is between two questions for a camera that is not there; it grows like the other pauses.
	leastAbsentPause, mostAbsentPause = 3 * time.Second, 30 * time.Second
	// absentShare is what part of the time without a camera the pause is.
	absentShare = 8
)

// decide turns an error into a remedy, unless there is one in it, or there can be none: then it returns err. What comes of a
// ctx that is done is no fault.
func (c *Camera) decide(ctx context.Context, err error) error {
	if _, known := errors.AsType[*remedy](err); known || ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled) {
		return err
	}
	if errors.Is(err, ErrNoCamera) {
		return c.absent(err)
	}
	f, curable := c.diagnose(err)
	if !curable {
		return err
	}
	if errors.Is(err, ErrPermanent) || errors.Is(err, ErrNoSupport) {
		err = errors.New(err.Error()) // or the process would end for good where it is to be restarted
	}
	return c.remedy(f, err)
}

// diagnose says what kind of fault an error is; not ok if nothing can be done.
func (c *Camera) diagnose(err error) (f recovery.Fault, ok bool) {
	f.Reason = err.Error()
	_, refused := errors.AsType[mmal.Status](err)
	_, opening := errors.AsType[*openError](err)
	_, asking := errors.AsType[*mmal.OpError](err)
	switch {
	case errors.Is(err, ErrImpossible), (errors.Is(err, ErrPermanent) || errors.Is(err, ErrNoSupport)) && !c.ladder.Worked():
		return f, false
	case errors.Is(err, mmal.ErrStuck):
		f.Least = recovery.Reboot
	case errors.Is(err, errSinkStuck):
		f.Least = recovery.Restart
	case isRefused(err), errors.Is(err, ErrMemory):
		f.Least = recovery.Reconnect
		if !c.ladder.Worked() {
			f.Most = recovery.Reconnect // the cause is in cable, configuration or memory: a reboot finds them as they are
		}
	case errors.Is(err, mmal.ErrNoReply), errors.Is(err, mmal.ErrClosed), errors.Is(err, mmal.ErrProtocol), opening:
		f.Least = recovery.Reconnect
	case refused:
		f.Least = recovery.RebuildPipeline
	case asking:
		f.Least = recovery.Reconnect
	default:
		return f, false // of this program's own
	}
	return f, true
}

// remedy asks the ladder, and says so.
func (c *Camera) remedy(f recovery.Fault, err error) *remedy {
	a := c.ladder.Decide(f)
	since := c.lastPicture(f.Stream)
	c.mu.Lock()
	c.lastErr, c.turn = err, time.Now()
	if f.Stream != SnapshotName {
		c.treated = c.turn
		if c.stopped.IsZero() {
			c.stopped = since
		}
	}
	if a.Step > recovery.RebuildStream {
		c.state = Recovering
		if isRefused(err) && !c.ladder.Worked() {
			c.state = NoCamera
		}
	}
	c.mu.Unlock()
	log := c.log
	if f.Stream != "" {
		log = log.With("stream", f.Stream)
	}
	log.Warn("pictures have stopped", "step", a.Step, "pause", a.Pause.Round(time.Millisecond), "err", err)
	return &remedy{a, err}
}

// lastPicture is when a stream, or if it is "" the worst of all, last gave a picture; now if there was none ever.
func (c *Camera) lastPicture(stream string) time.Time {
	last := time.Now()
	for _, b := range c.branches {
		frame, _ := b.vitals.times()
		if !frame.IsZero() && frame.Before(last) && (stream == "" || stream == b.cfg.Name) {
			last = frame
		}
	}
	return last
}

// picturesAreBack ends what remedy says, once each stream has given a picture since, and from its present encoder.
func (c *Camera) picturesAreBack() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped.IsZero() {
		return
	}
	for _, b := range c.branches {
		frame, _ := b.vitals.times()
		if _, _, first := b.vitals.age(); first || !frame.After(c.treated) {
			return
		}
	}
	c.log.Info("pictures are back", "away", time.Since(c.stopped).Round(100*time.Millisecond))
	c.stopped = time.Time{}
}

// absent is the remedy for a sensor that is not there: to ask again, and nothing else.
func (c *Camera) absent(err error) *remedy {
	c.ladder.Unwell()
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.state != NoCamera {
		c.absentSince = now
		c.log.Warn("no camera: asking again from time to time", "err", err)
	}
	c.state, c.lastErr, c.turn = NoCamera, err, now
	pause := min(max(now.Sub(c.absentSince)/absentShare, leastAbsentPause), mostAbsentPause)
	return &remedy{recovery.Action{Step: recovery.Reconnect, Pause: pause}, err}
}

// pause waits and says whether ctx is still alive. It is seen to go on meanwhile.
func (c *Camera) pause(ctx context.Context, d time.Duration) bool {
	const look = 5 * time.Second
	for d > 0 {
		if !sleep(ctx, min(d, look)) {
			return false
		}
		d -= look
		c.goesOn()
	}
	return ctx.Err() == nil
}

func (c *Camera) goesOn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn = time.Now()
}

const (
	// watchPeriod is how often the streams are looked at.
	watchPeriod = 250 * time.Millisecond
	// standstill is how late a look may be. If it is later this process was not let run, and its streams neither.
	standstill = 750 * time.Millisecond
	// transferLimit is how long a bulk transfer may take where pictures are missing. On the same connection nothing can
	// overtake one that never ends.
	transferLimit = time.Second
)

// watch sees to it that all streams give pictures. What it cannot mend alone is its error.
func (c *Camera) watch(ctx context.Context, s *session) error {
	var j judge
	defer j.wait()
	for last := time.Now(); sleep(ctx, watchPeriod); last = time.Now() {
		c.goesOn()
		if late := time.Since(last) - watchPeriod; late > standstill {
			c.log.Warn("this program was not let run", "for", late.Round(time.Millisecond))
			for _, b := range c.branches {
				b.vitals.excuse()
			}
		}
		fault, err := c.ailment()
		if err == nil {
			fault, err = j.look(ctx, c)
		}
		if err == nil {
			continue
		}
		c.ladder.Unwell()
		if owed := s.client.Owed(); owed > transferLimit {
			fault.Stream, fault.Least = "", recovery.Reconnect
			err = fmt.Errorf("%v (%w: a bulk transfer is under way for %v)", err, mmal.ErrNoReply, owed.Round(100*time.Millisecond))
			fault.Reason = err.Error()
		}
		if err := c.treat(ctx, s, fault, err); err != nil {
			return err
		}
	}
	return nil
}

// treat mends a stream alone if that is what has to be done; else the remedy is its error.
func (c *Camera) treat(ctx context.Context, s *session, f recovery.Fault, err error) error {
	if errors.Is(err, errGateDead) {
		c.branch(f.Stream).giveUpGate()
	}
	for {
		r := c.remedy(f, err)
		if r.Step > recovery.RebuildStream {
			return r
		}
		if !c.pause(ctx, r.Pause) {
			return nil
		}
		if err = c.branch(f.Stream).rebuild(ctx, s); err == nil || ctx.Err() != nil {
			return nil
		}
		worse, curable := c.diagnose(err)
		if !curable {
			return err
		}
		if worse.Least >= recovery.Reconnect {
			return c.remedy(worse, err)
		}
		f.Reason = worse.Reason
	}
}

func (c *Camera) branch(name string) *branch {
	for _, b := range c.branches {
		if b.cfg.Name == name {
			return b
		}
	}
	return nil
}

// SnapshotName stands for the snapshots where streams are counted.
const SnapshotName = "snapshot"

// treatStills mends the snapshots' part alone, unless the streams have no pictures either. It never costs the streams
// more than firmware that answers no more does.
func (c *Camera) treatStills(ctx context.Context, err error) error {
	for _, b := range c.branches {
		if b.vitals.isQuiet() {
			return nil
		}
	}
	r := c.remedy(recovery.Fault{Stream: SnapshotName, Most: recovery.RebuildStream, Reason: err.Error()}, err)
	if !c.pause(ctx, r.Pause) {
		return nil
	}
	err = c.stills.rebuild(ctx)
	if errors.Is(err, mmal.ErrNoReply) || errors.Is(err, mmal.ErrClosed) {
		return err
	} else if err != nil && ctx.Err() == nil {
		c.log.Warn("snapshots were not built anew", "err", err)
	}
	return nil
}

// ailment finds a stream that gives no pictures; nil if there is none. If no other one does either, it is a fault of
// all.
func (c *Camera) ailment() (f recovery.Fault, err error) {
	fresh, quiet := 0, 0
	for _, b := range c.branches {
		if b.vitals.isQuiet() {
			quiet++
		} else {
			fresh++
		}
		if err == nil {
			if f, err = b.ailment(); err != nil {
				f.Reason = err.Error()
			}
		}
	}
	switch {
	case err == nil && fresh == len(c.branches):
		c.ladder.Healthy()
		c.picturesAreBack()
	case err != nil && quiet == len(c.branches) && (len(c.branches) > 1 || !errors.Is(err, errGateDead)):
		f.Stream = ""
		err = errors.New(err.Error()) // which is no longer of the gate's only
	}
	return f, err
}

// ailment says what is wrong with the stream.
func (b *branch) ailment() (f recovery.Fault, err error) {
	f.Stream = b.cfg.Name
	switch held := b.vitals.holdup(); {
	case held > sinkStuck:
		f.Least = recovery.Restart
		return f, fmt.Errorf("stream %s: %w for %v", b.cfg.Name, errSinkStuck, held.Round(time.Second))
	case held > sinkSlow:
		return f, nil
	}
	age, limit, first := b.vitals.age()
	switch {
	case age < limit:
		return f, nil
	case first && b.gate != nil:
		return f, fmt.Errorf("stream %s: %w (%d refused)", b.cfg.Name, errGateDead, b.gate.refused.Load())
	}
	return f, fmt.Errorf("stream %s has given no picture for %v", b.cfg.Name, age.Round(100*time.Millisecond))
}

// rebuildTimeout is how long a stream may take to be made anew: firmware that is well needs some milliseconds.
const rebuildTimeout = time.Second

// rebuild takes the stream's part of the pipeline down and makes it anew while the rest runs. Those who watch see a
// gap, and after it a key frame with a time of the same clock.
func (b *branch) rebuild(ctx context.Context, s *session) error {
	ctx, cancel := context.WithTimeoutCause(ctx, rebuildTimeout, mmal.ErrNoReply)
	defer cancel()
	err := b.stop(ctx)
	if err == nil && len(b.undo) > 0 {
		err = context.Cause(ctx)
	}
	if errors.Is(err, mmal.ErrNoReply) || errors.Is(err, mmal.ErrClosed) || ctx.Err() != nil {
		return fmt.Errorf("take stream %s down: %w", b.cfg.Name, err)
	} else if err != nil {
		b.log.Warn("stream did not come down in order", "err", err)
	}
	b.asm.restart()
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) error { return b.make(ctx, s, s.plan.stream(b.cfg.Name)) },
		b.enableWorkers, b.enableTunnels, b.start,
	} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("rebuild stream %s: %w", b.cfg.Name, err)
		}
	}
	b.log.Info("stream was built anew")
	return nil
}
