package camera

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

const (
	// controlsTimeout bounds a change of controls, rollbackTimeout the way back from one that went wrong.
	controlsTimeout = 5 * time.Second
	rollbackTimeout = 2 * time.Second
)

// ControlError says that the firmware refuses the value of a control.
type ControlError struct {
	Control string // its key in camera.yaml, as awb_mode
	Status  mmal.Status
}

// Error names the control.
func (e *ControlError) Error() string { return fmt.Sprintf("set %s: %v", e.Control, e.Status) }

// Unwrap returns the status.
func (e *ControlError) Unwrap() error { return e.Status }

// controls are the image controls, which outlive sessions. Who holds the lock may use the rest.
type controls struct {
	lock    chan struct{} // holds an element while somebody has it
	wanted  Controls
	session *session // the one to tell of changes; nil while there is none
	sent    []setting
	text    *annotator
	log     *slog.Logger
	// shutter is the longest time, in nanoseconds, that a picture may take because of its exposure; whoever wants may read it.
	shutter atomic.Int64
}

func newControls(c Controls, log *slog.Logger) *controls {
	l := &controls{lock: make(chan struct{}, 1), wanted: c, text: &annotator{log: log}, log: log}
	l.shutter.Store(int64(c.ShutterSpeed))
	return l
}

func (l *controls) acquire(ctx context.Context) error {
	select {
	case l.lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *controls) release() { <-l.lock }

// attach sends all controls to a new session, and from then on the changes. One that the firmware does not know or does
// not take is a warning: no picture is worse than one with the firmware's own white balance.
func (l *controls) attach(ctx context.Context, s *session) error {
	if err := l.acquire(ctx); err != nil {
		return err
	}
	defer l.release()
	settings, err := s.settings(l.wanted)
	if err != nil {
		return err
	}
	for _, set := range settings {
		if set.usual() {
			continue
		}
		err := set.port.Set(ctx, set.param)
		if status, refused := errors.AsType[mmal.Status](err); refused {
			l.log.Warn("image control refused", "control", set.param.ParameterID(), "status", status)
		} else if err != nil {
			return err
		}
	}
	l.session, l.sent = s, settings
	return l.text.begin(ctx, l.wanted.Annotate, s.sensor.Control)
}

// detach ends that. A change under way that takes longer than ctx fails together with the session's client.
func (l *controls) detach(ctx context.Context) error {
	if err := l.acquire(ctx); err != nil {
		return err
	}
	defer l.release()
	l.session, l.sent = nil, nil
	return nil
}

// set changes the controls of the session that runs, if there is one, and of those to come.
func (l *controls) set(ctx context.Context, c Controls) error {
	ctx, cancel := context.WithTimeoutCause(ctx, controlsTimeout, errors.New("the firmware takes too long"))
	defer cancel()
	if err := l.acquire(ctx); err != nil {
		return fmt.Errorf("set controls: %w", err)
	}
	defer l.release()
	l.shutter.Store(int64(max(l.wanted.ShutterSpeed, c.ShutterSpeed)))
	defer func() { l.shutter.Store(int64(l.wanted.ShutterSpeed)) }()
	if l.session == nil {
		_, err := (&session{}).settings(c)
		if err == nil {
			l.wanted = c
		}
		return err
	}
	settings, err := l.session.settings(c)
	if err != nil {
		return err
	}
	err = l.send(ctx, settings, c.Annotate)
	if err != nil && !errors.Is(err, mmal.ErrClosed) { // else the session ends, and the next one begins with the new ones
		return err
	}
	l.wanted = c
	return nil
}

// send sends the settings that differ from those the firmware has, and the text. When one fails it takes all back.
func (l *controls) send(ctx context.Context, settings []setting, text Annotate) (err error) {
	var changed []setting
	defer func() {
		if err != nil && !errors.Is(err, mmal.ErrClosed) {
			l.undo(ctx, changed)
		}
	}()
	for _, set := range settings {
		if slices.ContainsFunc(l.sent, set.equal) {
			continue
		}
		changed = append(changed, set)
		if err := set.port.Set(ctx, set.param); err != nil {
			return named(set.control, err)
		}
	}
	if err := l.text.change(ctx, text); err != nil {
		return named("annotate", err)
	}
	l.sent = settings
	return nil
}

// named gives a firmware's refusal the control's name.
func named(control string, err error) error {
	if status, refused := errors.AsType[mmal.Status](err); refused {
		return &ControlError{control, status}
	}
	return err
}

// undo gives the firmware the values back that it had before the settings changed. What cannot be taken back is sent
// again with the next change.
func (l *controls) undo(ctx context.Context, changed []setting) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	for _, set := range slices.Backward(changed) {
		i := slices.IndexFunc(l.sent, set.same)
		if i < 0 {
			continue // gains, which nothing uses unless the white balance is off
		}
		err := l.sent[i].port.Set(ctx, l.sent[i].param)
		if _, refused := errors.AsType[mmal.Status](err); err != nil && !refused {
			l.log.Warn("image control was not taken back", "control", set.control, "err", err)
			l.sent = slices.Delete(slices.Clone(l.sent), i, i+1)
		}
	}
}

// runText keeps the time in the text up to date until ctx is done. The picture is worth more than the text: what goes
// wrong is a warning.
func (l *controls) runText(ctx context.Context) {
	for {
		now := time.Now()
		if !sleep(ctx, now.Truncate(time.Second).Add(time.Second).Sub(now)) {
			return
		}
		if l.acquire(ctx) != nil {
			return
		}
		err := l.text.update(ctx)
		l.release()
		if err != nil && ctx.Err() == nil {
			l.log.Warn("text in the picture was not changed", "err", err)
		}
	}
}

// SetControls changes the image controls of the pictures that come, and of all pipelines built later. Only what differs
// is sent, while pictures go on. If the firmware refuses a control ([ControlError]) or does not answer, those sent
// before it are taken back and nothing has changed. It takes some seconds at most, and may be called at any time.
func (c *Camera) SetControls(ctx context.Context, controls Controls) error {
	return c.controls.set(ctx, controls)
}
