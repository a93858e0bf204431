package camera

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/strftime"
)

const (
	// annotateLimit is the room for text in ANNOTATE, without its NUL.
	annotateLimit = 255
	// annotateTimeout bounds one change of the text.
	annotateTimeout = 5 * time.Second
)

// annotator keeps the text in the picture up to date. One goroutine at a time uses it.
type annotator struct {
	cfg     Annotate
	control *mmal.Port
	log     *slog.Logger
	shown   string // as the firmware took it
	v3      bool   // the firmware refused version 4
	off     bool   // there is no text, or the firmware does not take it
}

func newAnnotator(cfg Annotate, control *mmal.Port, log *slog.Logger) *annotator {
	return &annotator{cfg: cfg, control: control, log: log, off: cfg.Text == ""}
}

// run changes the text at the start of each second until ctx is done. The picture is worth more than the text: what
// goes wrong is a warning.
func (a *annotator) run(ctx context.Context) {
	for !a.off {
		now := time.Now()
		if !sleep(ctx, now.Truncate(time.Second).Add(time.Second).Sub(now)) {
			return
		}
		if err := a.update(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("text in the picture was not changed", "err", err)
		}
	}
}

// update sends the text if it changed. A firmware that refuses it in both versions is not asked again.
func (a *annotator) update(ctx context.Context) error {
	if a.off {
		return nil
	}
	text := strftime.Format(a.cfg.Text, time.Now())
	text = text[:min(len(text), annotateLimit)]
	if text == a.shown {
		return nil
	}
	err := a.set(ctx, text)
	if status, refused := errors.AsType[mmal.Status](err); refused && !a.v3 {
		a.v3 = true
		a.log.Warn("firmware refuses version 4 of ANNOTATE, version 3 is tried", "status", status)
		err = a.set(ctx, text)
	}
	if status, refused := errors.AsType[mmal.Status](err); refused {
		a.off = true
		a.log.Warn("image control refused", "control", mmal.ParamAnnotate, "status", status)
		return nil
	} else if err != nil {
		return err
	}
	a.shown = text
	return nil
}

func (a *annotator) set(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeout(ctx, annotateTimeout)
	defer cancel()
	p := &mmal.Annotate{Enable: true, Background: a.cfg.Background, TextSize: uint8(a.cfg.Size), Text: text}
	if a.v3 {
		return a.control.Set(ctx, (*mmal.AnnotateV3)(p))
	}
	return a.control.Set(ctx, p)
}
