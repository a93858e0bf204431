package camera

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
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
	shown   mmal.Annotate // as the firmware took it; the zero value is none
	version int           // of ANNOTATE that the firmware takes: 4, 3, or 0 for not known yet
	off     bool          // the firmware does not take the text
}

// begin shows the text in the pictures of a new pipeline.
func (a *annotator) begin(ctx context.Context, cfg Annotate, control *mmal.Port) error {
	*a = annotator{cfg: cfg, control: control, log: a.log}
	return a.update(ctx)
}

// update sends the text if it changed. A firmware that refuses it in both versions is not asked again.
func (a *annotator) update(ctx context.Context) error {
	if a.off {
		return nil
	}
	err := a.show(ctx, a.cfg)
	if status, refused := errors.AsType[mmal.Status](err); refused {
		a.off = true
		a.log.Warn("image control refused", "control", mmal.ParamAnnotate, "status", status)
		return nil
	}
	return err
}

// change shows another text. When that fails the one before stays, or comes back with the next update.
func (a *annotator) change(ctx context.Context, cfg Annotate) error {
	if cfg == a.cfg {
		return nil
	}
	if err := a.show(ctx, cfg); err != nil {
		return err
	}
	a.cfg, a.off = cfg, false
	return nil
}

// show sends what cfg means now, if the firmware does not have it.
func (a *annotator) show(ctx context.Context, cfg Annotate) error {
	p := cfg.parameter(time.Now())
	if p == a.shown {
		return nil
	}
	err := a.set(ctx, p)
	if status, refused := errors.AsType[mmal.Status](err); refused && a.version == 0 {
		a.version = 3
		a.log.Warn("firmware refuses version 4 of ANNOTATE, version 3 is tried, which puts the text where the firmware likes",
			"status", status)
		if err = a.set(ctx, p); err != nil {
			a.version = 0
		}
	}
	_, refused := errors.AsType[mmal.Status](err)
	switch {
	case err == nil:
		a.shown, a.version = p, cmp.Or(a.version, 4)
	case !refused:
		a.shown = mmal.Annotate{Text: "\xff"} // nobody knows: whatever comes next is sent
	}
	return err
}

func (a *annotator) set(ctx context.Context, p mmal.Annotate) error {
	ctx, cancel := context.WithTimeout(ctx, annotateTimeout)
	defer cancel()
	if a.version == 3 {
		return a.control.Set(ctx, (*mmal.AnnotateV3)(&p))
	}
	return a.control.Set(ctx, &p)
}

// parameter is the text with its looks as the firmware takes them; without anything to show it is the zero value.
func (c Annotate) parameter(now time.Time) mmal.Annotate {
	if c.Text == "" && !c.FrameNum {
		return mmal.Annotate{}
	}
	text := strftime.Format(c.Text, now)
	return mmal.Annotate{
		Enable:           true,
		FrameNumber:      c.FrameNum,
		Background:       c.Background,
		BackgroundColour: customColour(c.BackgroundColor),
		TextColour:       customColour(c.Color),
		TextSize:         uint8(c.Size),
		Text:             text[:min(len(text), annotateLimit)],
		Justify:          map[string]uint32{"left": 1, "right": 2}[c.Align],
		XOffset:          uint32(c.Offset[0]),
		YOffset:          uint32(c.Offset[1]),
	}
}

// customColour is a colour like #ff8000 in Y'CbCr of limited range (ITU-R BT.601-7, 2.5.1); "" is none.
func customColour(hex string) mmal.CustomColour {
	rgb, err := strconv.ParseUint(strings.TrimPrefix(hex, "#"), 16, 24)
	if err != nil {
		return mmal.CustomColour{}
	}
	r, g, b := float64(rgb>>16)/255, float64(rgb>>8&255)/255, float64(rgb&255)/255
	luma := 0.299*r + 0.587*g + 0.114*b
	return mmal.CustomColour{
		Enable: true,
		Y:      uint8(16.5 + 219*luma),
		U:      uint8(128.5 + 224*(b-luma)/1.772),
		V:      uint8(128.5 + 224*(r-luma)/1.402),
	}
}
