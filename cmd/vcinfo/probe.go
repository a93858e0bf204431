package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// probe asks the firmware. Its steps return an error only when the firmware cannot be asked any more; a refusal is an
// answer.
type probe struct {
	client *mmal.Client
	report *report
	// listed says that the firmware told how many cameras there are.
	listed bool
	// passthrough are the ports with that capability.
	passthrough []string
}

func (p *probe) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		p.version, p.cameraInfo, p.components, p.cameras, p.passthroughPorts, p.splitter, p.encoder, p.stills, p.resizer,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// lost is err if the firmware cannot be asked any more.
func lost(err error) error {
	for _, end := range []error{
		mmal.ErrNoReply, mmal.ErrClosed, mmal.ErrProtocol, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, end) {
			return err
		}
	}
	return nil
}

// answer is what the firmware said to a request, in a few words.
func answer(err error) string {
	if err == nil {
		return "accepted"
	}
	if status, ok := errors.AsType[mmal.Status](err); ok {
		return "refused, " + status.String()
	}
	if errors.Is(err, mmal.ErrMalformed) {
		return "answered with too little"
	}
	if op, ok := errors.AsType[*mmal.OpError](err); ok {
		return op.Err.Error()
	}
	return err.Error()
}

// with makes a component, has it used, and destroys it. err is why it could not be made, if that is an answer.
func (p *probe) with(ctx context.Context, name string, use func(*mmal.Component) error) (refused, gone error) {
	comp, err := p.client.CreateComponent(ctx, name, nil)
	if err != nil {
		return err, lost(err)
	}
	gone = use(comp)
	if gone == nil {
		gone = lost(comp.Destroy(ctx))
	}
	return nil, gone
}

func (p *probe) version(ctx context.Context) error {
	const ours, oldest = 16, 10 // the version of the reference client, and the oldest firmware that speaks it
	major, minor, err := p.client.Version(ctx)
	if err != nil {
		return err
	}
	p.report.MMAL = fmt.Sprintf("version %d.%d", major, minor)
	if major < oldest {
		p.report.find(fmt.Sprintf("MMAL version %d", major), "the firmware is too old", doStartX)
	}
	if major != ours {
		p.report.fact("MMAL version other than 16", fmt.Sprint(major))
	}
	return nil
}

// cameraInfo lists the cameras.
func (p *probe) cameraInfo(ctx context.Context) error {
	const question = "camera_info tells the sensors' names (CAMERA_INFO V2)"
	refused, gone := p.with(ctx, "camera_info", func(info *mmal.Component) error {
		var list mmal.CameraInfo
		err := info.Control.Get(ctx, &list)
		if lost(err) != nil {
			return err
		}
		if err != nil {
			p.report.fact(question, "no: "+answer(err))
			return nil
		}
		p.listed = true
		p.report.fact(question, "yes")
		for i, s := range list.Cameras {
			p.report.Cameras = append(p.report.Cameras, camera{
				Number: i, Sensor: s.Name, Width: s.MaxWidth, Height: s.MaxHeight, Port: s.Port, Lens: s.LensPresent,
			})
		}
		return nil
	})
	if refused != nil && gone == nil {
		p.report.fact(question, "no: camera_info "+answer(refused))
	}
	return gone
}

// components asks which components there are.
func (p *probe) components(ctx context.Context) error {
	// camkrazy makes all that are wanted, and one of the scalers; the others are asked for to know.
	wanted := []string{"null_sink", "ril.video_splitter", "ril.video_encode", "ril.image_encode"}
	scalers := []string{"ril.isp", "ril.resize"}
	others := []string{"camera_info", "splitter", "ril.hvs"}
	missing := map[string]error{}
	for _, name := range slices.Concat(others, wanted, scalers) {
		c := component{Name: name}
		refused, gone := p.with(ctx, name, func(comp *mmal.Component) error {
			c.Inputs, c.Outputs = len(comp.Inputs), len(comp.Outputs)
			p.capabilities(comp)
			return p.unaligned(ctx, comp)
		})
		if gone != nil {
			return gone
		}
		if refused != nil {
			missing[name] = refused
			c.Error = answer(refused)
		}
		p.report.Components = append(p.report.Components, c)
		if name == "ril.hvs" {
			p.report.fact("inputs of ril.hvs", cmp.Or(c.Error, fmt.Sprint(c.Inputs)))
		}
	}
	for _, name := range wanted {
		if missing[name] != nil {
			p.report.find(missing[name].Error(), "the firmware lacks a component without which there is no stream", doStartX)
		}
	}
	if missing[scalers[0]] != nil && missing[scalers[1]] != nil {
		p.report.find(missing[scalers[0]].Error(), "the firmware has no scaler, neither ril.isp nor ril.resize", doStartX)
	}
	return nil
}

// passthroughPorts tells what was noted of the ports of all components.
func (p *probe) passthroughPorts(context.Context) error {
	p.report.fact("ports with the capability PASSTHROUGH", cmp.Or(strings.Join(p.passthrough, " "), "none"))
	return nil
}

// capabilities notes ports with MMAL_PORT_CAPABILITY_PASSTHROUGH.
func (p *probe) capabilities(comp *mmal.Component) {
	const passthrough = 1
	for _, port := range slices.Concat(comp.Inputs, comp.Outputs) {
		if port.Block().Capabilities&passthrough != 0 {
			p.passthrough = append(p.passthrough, port.String())
		}
	}
}

// picture is a format of pictures that are not coded.
func picture(encoding mmal.FourCC, width, height uint32) mmal.Format {
	f := mmal.Format{
		Type: mmal.ESVideo, Encoding: encoding,
		Video: mmal.VideoFormat{
			Width: width, Height: height, Crop: mmal.Rect{Width: int32(width), Height: int32(height)},
			FrameRate: mmal.Rational{Num: 0, Den: 1}, PixelAspect: mmal.Rational{Num: 1, Den: 1},
		},
	}
	if encoding == mmal.EncodingOpaque {
		f.Variant = mmal.EncodingI420
	}
	return f
}

// unaligned asks what becomes of a picture whose sides are no multiples of 32 and 16.
func (p *probe) unaligned(ctx context.Context, comp *mmal.Component) error {
	const oddWidth, oddHeight = 650, 490
	if len(comp.Inputs) == 0 {
		return nil
	}
	in := comp.Inputs[0]
	err := in.Commit(ctx, picture(mmal.EncodingI420, oddWidth, oddHeight), mmal.Buffers{})
	if lost(err) != nil {
		return err
	}
	text := answer(err)
	if v := in.Format().Video; err == nil {
		text = fmt.Sprintf("accepted as %dx%d", v.Width, v.Height)
	}
	p.report.fact(fmt.Sprintf("picture of %dx%d at %v", oddWidth, oddHeight, in), text)
	return nil
}

// cameras opens and starts each camera that is listed; the first if the firmware does not list them.
func (p *probe) cameras(ctx context.Context) error {
	if p.listed && len(p.report.Cameras) == 0 {
		refused, gone := p.with(ctx, "ril.camera", func(comp *mmal.Component) error {
			_, err := p.start(ctx, comp, 0)
			p.report.fact("starting ril.camera without a camera", answer(err))
			return lost(err)
		})
		if gone == nil {
			p.report.fact("making ril.camera without a camera", answer(refused))
			p.report.Findings = append(p.report.Findings, noCamera(refused))
		}
		return gone
	}
	if !p.listed {
		p.report.Cameras = append(p.report.Cameras, camera{Sensor: unknown})
	}
	for i := range p.report.Cameras {
		c := &p.report.Cameras[i]
		var what string
		var failed error
		refused, gone := p.with(ctx, "ril.camera", func(comp *mmal.Component) error {
			what, failed = p.start(ctx, comp, int32(c.Number))
			if failed != nil {
				return lost(failed)
			}
			c.Answers = true
			if i > 0 {
				return nil
			}
			p.capabilities(comp)
			return p.cameraFacts(ctx, comp)
		})
		switch {
		case gone != nil:
			return gone
		case refused != nil:
			p.report.Findings = append(p.report.Findings, explainCamera(c.Number, "be opened", refused))
		case failed != nil:
			p.report.Findings = append(p.report.Findings, explainCamera(c.Number, what, failed))
		}
	}
	return nil
}

// start configures a camera, starts it and stops it again. what is what it failed at.
func (p *probe) start(ctx context.Context, comp *mmal.Component, number int32) (what string, err error) {
	const outputs = 3
	if len(comp.Outputs) < outputs {
		return "be used", fmt.Errorf("it has %d outputs, not %d", len(comp.Outputs), outputs)
	}
	if err := comp.Control.Set(ctx, &mmal.Int32{ID: mmal.ParamCameraNum, Value: number}); err != nil {
		return "be chosen", err
	}
	if number == 0 {
		if err := p.sensorModes(ctx, comp.Control); err != nil {
			return "be asked for its modes", err
		}
	}
	if err := comp.Control.Enable(ctx, mmal.Buffers{}, nil); err != nil {
		return "be watched", err
	}
	if err := comp.Control.Set(ctx, &mmal.CameraConfig{
		MaxStillsWidth: width, MaxStillsHeight: height, OneShotStills: true, MaxVideoWidth: width, MaxVideoHeight: height,
		VideoFrames: 3, Timestamps: mmal.TimestampRaw,
	}); err != nil {
		return "be configured", err
	}
	for _, out := range comp.Outputs[:outputs] {
		if err := out.Commit(ctx, picture(mmal.EncodingOpaque, width, height), mmal.Buffers{}); err != nil {
			return "take a format", err
		}
	}
	if err := comp.Enable(ctx); err != nil {
		return "be started", err
	}
	return "be stopped", comp.Disable(ctx)
}

// sensorModes asks which numbers the firmware takes for a sensor mode, and leaves the choice to the firmware.
func (p *probe) sensorModes(ctx context.Context, control *mmal.Port) error {
	const most = 8
	var accepted []string
	for mode := range uint32(most + 1) {
		mode = most - mode // 0, automatic, is the last
		err := control.Set(ctx, &mmal.Uint32{ID: mmal.ParamSensorMode, Value: mode})
		if lost(err) != nil {
			return err
		}
		if err == nil && mode != 0 {
			accepted = append([]string{fmt.Sprint(mode)}, accepted...)
		}
	}
	p.report.fact(fmt.Sprintf("sensor modes of 1 to %d that are taken", most), cmp.Or(strings.Join(accepted, " "), "none"))
	return nil
}

// cameraFacts asks what is uncertain of a camera that is not running.
func (p *probe) cameraFacts(ctx context.Context, comp *mmal.Component) error {
	const videoPort = 1
	video := comp.Outputs[videoPort]
	return p.ask([]question{
		{"ROTATION of 90 degrees at the video port", func() error {
			return video.Set(ctx, &mmal.Int32{ID: mmal.ParamRotation, Value: 90})
		}},
		{"ANNOTATE in its newest form (V4)", func() error { return comp.Control.Set(ctx, &mmal.Annotate{}) }},
		{"SYSTEM_TIME at the video port", func() error { return video.Get(ctx, &mmal.Uint64{ID: mmal.ParamSystemTime}) }},
	})
}

// question is a request whose answer is a fact.
type question struct {
	what string
	ask  func() error
}

// must asks what is known to be accepted, for what follows needs it: only a refusal is a fact. It fails if the firmware
// is lost.
func (p *probe) must(what string, err error) error {
	if err != nil && lost(err) == nil {
		p.report.fact(what, answer(err))
	}
	return lost(err)
}

// ask asks all, and fails if the firmware is lost.
func (p *probe) ask(questions []question) error {
	for _, q := range questions {
		err := q.ask()
		if lost(err) != nil {
			return err
		}
		p.report.fact(q.what, answer(err))
	}
	return nil
}
