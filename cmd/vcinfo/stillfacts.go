package main

import (
	"context"
	"fmt"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// stills asks what snapshots of other sizes rest on: that the link from scaler to JPEG encoder can be made anew while both
// are enabled. No picture is taken.
func (p *probe) stills(ctx context.Context) error {
	const scalerName, encoderName = "ril.isp", "ril.image_encode"
	_, gone := p.with(ctx, scalerName, func(scaler *mmal.Component) error {
		_, gone := p.with(ctx, encoderName, func(encoder *mmal.Component) error {
			if len(scaler.Inputs) == 0 || len(scaler.Outputs) == 0 || len(encoder.Inputs) == 0 || len(encoder.Outputs) == 0 {
				return nil
			}
			from, out := scaler.Outputs[0], encoder.Outputs[0]
			again := func() error {
				if err := from.Disconnect(ctx); err != nil {
					return err
				}
				return linkStills(ctx, scaler, encoder, width/2, height/2)
			}
			return p.ask([]question{
				{fmt.Sprintf("EXIF_DISABLE at %v", out), func() error {
					return out.Set(ctx, &mmal.Boolean{ID: mmal.ParamEXIFDisable, Value: true})
				}},
				{"link of a scaler to the JPEG encoder", func() error {
					if err := scaler.Inputs[0].Commit(ctx, picture(mmal.EncodingOpaque, width, height), mmal.Buffers{}); err != nil {
						return err
					}
					if err := linkStills(ctx, scaler, encoder, width, height); err != nil {
						return err
					}
					if err := encoder.Enable(ctx); err != nil {
						return err
					}
					return scaler.Enable(ctx)
				}},
				{"the same for another size while both are enabled", again},
				{"JPEG quality while the encoder is enabled", func() error {
					return out.Set(ctx, &mmal.Uint32{ID: mmal.ParamJPEGQuality, Value: 50})
				}},
				{"end of that link", func() error { return from.Disconnect(ctx) }},
			})
		})
		return gone
	})
	return gone
}

// linkStills connects a scaler with a JPEG encoder, by pictures of a size.
func linkStills(ctx context.Context, scaler, encoder *mmal.Component, width, height uint32) error {
	from, to := scaler.Outputs[0], encoder.Inputs[0]
	if err := from.Commit(ctx, picture(mmal.EncodingI420, width, height), mmal.Buffers{}); err != nil {
		return err
	}
	if err := to.Commit(ctx, from.Format(), mmal.Buffers{}); err != nil {
		return err
	}
	if err := from.Connect(ctx, to); err != nil {
		return err
	}
	coded := to.Format()
	coded.Encoding, coded.Variant = mmal.EncodingJPEG, 0
	return encoder.Outputs[0].Commit(ctx, coded, mmal.Buffers{})
}
