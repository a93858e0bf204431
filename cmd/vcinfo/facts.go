package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// Parameters that package mmal has no use for (mmal_parameters_video.h, mmal_parameters_camera.h).
const (
	paramVideoFrameRate mmal.ParameterID = 0x2000f
	paramSeparateNALs   mmal.ParameterID = 0x20033
	paramResize         mmal.ParameterID = 0x10054
)

// The size of pictures in all questions.
const width, height = 640, 480

// headerWait is how long the encoder may take to send SPS and PPS of its own accord.
const headerWait = 300 * time.Millisecond

// opaqueBuffers is room for three references to images.
var opaqueBuffers = mmal.Buffers{Num: 3, Size: mmal.MaxShortPayload}

// splitter asks what may be linked with the splitter's outputs. Nothing runs.
func (p *probe) splitter(ctx context.Context) error {
	_, gone := p.with(ctx, "ril.video_splitter", func(split *mmal.Component) error {
		if len(split.Inputs) == 0 || len(split.Outputs) == 0 {
			return nil
		}
		out := split.Outputs[0]
		err := p.ask([]question{
			{"OPAQUE pictures at the splitter", func() error {
				err := split.Inputs[0].Commit(ctx, picture(mmal.EncodingOpaque, width, height), mmal.Buffers{})
				if err != nil {
					return err
				}
				return out.Commit(ctx, split.Inputs[0].Format(), mmal.Buffers{})
			}},
			{"OPAQUE output of the splitter to ARM, which drops frames for a slow stream", func() error {
				return openAndShut(ctx, out, opaqueBuffers)
			}},
			{"SUPPORTED_ENCODINGS of the splitter's output, one of them", func() error {
				return out.Get(ctx, &mmal.Uint32{ID: mmal.ParamSupportedEncodings})
			}},
		})
		if err != nil {
			return err
		}
		for _, name := range []string{"ril.image_encode", "ril.isp", "ril.video_encode"} {
			if err := p.link(ctx, out, name); err != nil {
				return err
			}
		}
		return nil
	})
	return gone
}

// openAndShut enables a port that is not tunnelled, and disables it again.
func openAndShut(ctx context.Context, port *mmal.Port, buffers mmal.Buffers) error {
	if err := port.Enable(ctx, buffers, nil); err != nil {
		return err
	}
	return port.Disable(ctx)
}

// link asks whether OPAQUE pictures may be tunnelled to a component, and whether it takes them from ARM.
func (p *probe) link(ctx context.Context, out *mmal.Port, name string) error {
	_, gone := p.with(ctx, name, func(comp *mmal.Component) error {
		if len(comp.Inputs) == 0 {
			return nil
		}
		in := comp.Inputs[0]
		return p.ask([]question{
			{fmt.Sprintf("tunnel of OPAQUE pictures from %v to %v", out, in), func() error {
				if err := in.Commit(ctx, out.Format(), mmal.Buffers{}); err != nil {
					return err
				}
				if err := out.Connect(ctx, in); err != nil {
					return err
				}
				return out.Disconnect(ctx)
			}},
			{fmt.Sprintf("OPAQUE pictures from ARM to %v", in), func() error { return openAndShut(ctx, in, opaqueBuffers) }},
		})
	})
	return gone
}

// encoder asks what the H.264 encoder does before it has seen a picture.
func (p *probe) encoder(ctx context.Context) error {
	const bitrate = 1_000_000
	_, gone := p.with(ctx, "ril.video_encode", func(comp *mmal.Component) error {
		if len(comp.Inputs) == 0 || len(comp.Outputs) == 0 {
			return nil
		}
		in, out := comp.Inputs[0], comp.Outputs[0]
		coded := picture(mmal.EncodingH264, width, height)
		coded.Bitrate = bitrate
		buffers := mmal.Buffers{Num: 3, Size: 64 << 10}
		err := p.must("formats of the H.264 encoder", func() error {
			if err := in.Commit(ctx, picture(mmal.EncodingOpaque, width, height), mmal.Buffers{}); err != nil {
				return err
			}
			return out.Commit(ctx, coded, buffers)
		}())
		if err != nil {
			return err
		}
		err = p.ask([]question{
			{"VIDEO_ENCODE_SEPARATE_NAL_BUFS", func() error {
				return out.Set(ctx, &mmal.Boolean{ID: paramSeparateNALs, Value: false})
			}},
			{"VIDEO_ENCODE_SEI_ENABLE", func() error {
				return out.Set(ctx, &mmal.Boolean{ID: mmal.ParamSEIEnable, Value: true})
			}},
			{"VIDEO_FRAME_RATE at the encoder's output", func() error {
				return out.Get(ctx, &mmal.Ratio{ID: paramVideoFrameRate})
			}},
		})
		if err != nil {
			return err
		}
		inline := out.Set(ctx, &mmal.Boolean{ID: mmal.ParamInlineHeader, Value: true})
		if err := p.must("INLINE_HEADER", inline); err != nil {
			return err
		}
		if err := p.must("starting the encoder", comp.Enable(ctx)); err != nil {
			return err
		}
		return p.runningEncoder(ctx, out, buffers)
	})
	return gone
}

// runningEncoder asks an encoder that is enabled and gets no pictures.
func (p *probe) runningEncoder(ctx context.Context, out *mmal.Port, buffers mmal.Buffers) error {
	early := &headers{whole: make(chan struct{})}
	err := out.Enable(ctx, buffers, early.take)
	if err != nil {
		return p.must("enabling the encoder's output", err)
	}
	timer := time.NewTimer(headerWait)
	defer timer.Stop()
	select {
	case <-early.whole:
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p.report.fact("SPS and PPS before any picture", early.String())
	err = p.ask([]question{{"VIDEO_BIT_RATE while the encoder runs", func() error {
		return out.Set(ctx, &mmal.Uint32{ID: mmal.ParamBitRate, Value: 500_000})
	}}})
	if err != nil {
		return err
	}
	return p.must("disabling the encoder's output", out.Disable(ctx))
}

// headers notes what an encoder sends. Its handler runs on the client's goroutine.
type headers struct {
	once  sync.Once
	whole chan struct{} // closed when the last part has come

	mu   sync.Mutex // guards text
	text string
}

func (h *headers) take(b *mmal.Buffer) {
	h.mu.Lock()
	h.text += fmt.Sprintf(" %d bytes %v", len(b.Data), b.Flags)
	h.mu.Unlock()
	last := b.Flags&mmal.FlagFrameEnd != 0
	b.Release()
	if last {
		h.once.Do(func() { close(h.whole) })
	}
}

func (h *headers) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.text == "" {
		return fmt.Sprintf("no, nothing in %v", headerWait)
	}
	return "yes:" + h.text
}

// resizer asks at which port of ril.resize RESIZE_PARAMS is known. Too little room is asked for, so a port that knows
// it says something else than one that does not.
func (p *probe) resizer(ctx context.Context) error {
	_, gone := p.with(ctx, "ril.resize", func(comp *mmal.Component) error {
		var questions []question
		for _, ports := range [][]*mmal.Port{comp.Inputs, comp.Outputs} {
			for _, port := range ports {
				what := fmt.Sprintf("RESIZE_PARAMS at %v, with too little room", port)
				questions = append(questions, question{what, func() error {
					return port.Get(ctx, &mmal.Uint32{ID: paramResize})
				}})
			}
		}
		return p.ask(questions)
	})
	return gone
}
