package camera

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

const (
	previewPort = 0
	videoPort   = 1
	stillPort   = 2
	// tunnelBuffers is the number of images that raspivid asks for on the video port's tunnel.
	tunnelBuffers = 3
	// encoderBuffers and encoderBufferSize are the coded data that may be on its way to ARM; larger buffers mean
	// fewer fragments of a key frame.
	encoderBuffers    = 3
	encoderBufferSize = 256 << 10
	// stopTimeout bounds the orderly end of a pipeline; what is left then, the firmware clears when the service closes.
	stopTimeout = time.Second
)

// session is one pipeline, from its first component to its end.
type session struct {
	part // the sensor and what all streams share
	cfg  Config
	plan Plan
	log  *slog.Logger

	sensorInfo mmal.Sensor
	told       *mmal.Sensor // the one that the log was last told of; the camera's
	sensor     *mmal.Component
	splitter   *mmal.Component
	splits     int // splitter outputs in use
	branches   []*branch
	stills     *stills
	controls   *controls
	failed     chan error // an event that ends the session
	// stopCapture ends the flow of images; nil until it has begun.
	stopCapture func(context.Context) error
}

func newSession(c *Camera, client *mmal.Client) *session {
	return &session{
		part: part{client: client}, cfg: c.cfg, plan: NewPlan(c.cfg), log: c.log,
		branches: c.branches, stills: c.stills, controls: c.controls, told: &c.told, failed: make(chan error, 1),
	}
}

// build makes the pipeline and starts it: components and formats first, then the tunnels from the sinks to the sensor,
// then the encoders' buffers, and the capture last.
func (s *session) build(ctx context.Context) error {
	steps := []func(context.Context) error{s.findSensor, s.buildSensor, s.buildSplitter}
	for i, b := range s.branches {
		steps = append(steps, func(ctx context.Context) error { return b.build(ctx, s, s.plan.Streams[i]) })
	}
	steps = append(steps, func(ctx context.Context) error { return s.stills.build(ctx, s) }, s.start)
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return explained(err)
		}
	}
	return nil
}

// findSensor asks which sensors there are.
func (s *session) findSensor(ctx context.Context) error {
	info, err := s.client.CreateComponent(ctx, "camera_info", nil)
	if errors.Is(err, mmal.ENoEnt) || errors.Is(err, mmal.ENoSys) {
		return fmt.Errorf("%w (%w)", ErrNoSupport, err)
	} else if err != nil {
		return err
	}
	defer info.Destroy(ctx)
	var list mmal.CameraInfo
	err = info.Control.Get(ctx, &list)
	if _, refused := errors.AsType[mmal.Status](err); refused || errors.Is(err, mmal.ErrMalformed) {
		s.log.Warn("old firmware does not tell which sensor it has", "err", err)
		return nil
	} else if err != nil {
		return err
	}
	if s.cfg.Number >= len(list.Cameras) {
		*s.told = mmal.Sensor{} // the log says that there is none, and so has to say that it is back
		return noCamera(s.cfg.Number, len(list.Cameras))
	}
	s.sensorInfo = list.Cameras[s.cfg.Number]
	log := s.log
	if s.sensorInfo == *s.told { // as at the last connection
		log = slog.New(slog.DiscardHandler)
	}
	*s.told = s.sensorInfo
	known, err := checkSensor(s.sensorInfo.Name)
	if err != nil {
		return err
	}
	if !known {
		log.Warn("nothing is known of this sensor's modes: resolution and frame rate are left to the firmware; if there is no picture, use a Camera Module 1, 2 or HQ",
			"sensor", s.sensorInfo.Name)
	}
	if w, h := int(s.sensorInfo.MaxWidth), int(s.sensorInfo.MaxHeight); s.cfg.Width > w || s.cfg.Height > h {
		return fmt.Errorf("camera.resolution: %dx%d is more than the %dx%d of the %s: %w",
			s.cfg.Width, s.cfg.Height, w, h, s.sensorInfo.Name, ErrImpossible)
	}
	log.Info("camera found", "sensor", s.sensorInfo.Name, "width", s.sensorInfo.MaxWidth, "height", s.sensorInfo.MaxHeight)
	return s.checkSensorMode(log)
}

// checkSensorMode says how the sensor that was found will be read out, if anything is known of it.
func (s *session) checkSensorMode(log *slog.Logger) error {
	p, known := PlanSensor(s.sensorInfo.Name, s.cfg)
	if !known {
		return nil
	}
	if len(p.Errors) > 0 {
		return fmt.Errorf("%s: %w", strings.Join(p.Errors, "; "), ErrImpossible)
	}
	log.Info("sensor mode", "sensor", p.Sensor, "mode", p.Text)
	for _, w := range p.Warnings {
		log.Warn("sensor mode: "+w, "sensor", p.Sensor)
	}
	return nil
}

const (
	// sensorTries and sensorPause are how often the camera's component is asked for before the firmware counts as one
	// that has none: while it still tidies up after a program that was killed, it gives the same answer.
	sensorTries = 10
	sensorPause = time.Second
)

// createSensor makes the camera component.
func (s *session) createSensor(ctx context.Context) error {
	for try := 1; ; try++ {
		var err error
		s.sensor, err = s.create(ctx, "ril.camera", s.event)
		switch {
		case !errors.Is(err, mmal.ENoMem):
			return err
		case s.sensorInfo.Name != "": // so it is not the firmware that lacks something
			return fmt.Errorf("%w (%w)", ErrRefused, err)
		case try == sensorTries:
			return fmt.Errorf("%w (%w)", ErrNoSupport, err)
		case try == 1:
			s.log.Warn("camera is refused, asking again", "err", err)
		}
		if !sleep(ctx, sensorPause) {
			return err
		}
	}
}

// buildSensor makes the camera component ready to capture, with the null sink on its preview that keeps exposure and
// white balance running.
func (s *session) buildSensor(ctx context.Context) error {
	if err := s.createSensor(ctx); err != nil {
		return err
	}
	if len(s.sensor.Outputs) <= stillPort {
		return fmt.Errorf("ril.camera has %d outputs, not 3: %w", len(s.sensor.Outputs), mmal.ErrProtocol)
	}
	if err := s.configureSensor(ctx); err != nil {
		return err
	}
	for i, out := range s.sensor.Outputs {
		rate := rational(s.cfg.FrameRate)
		if i == stillPort {
			rate = mmal.Rational{Num: 0, Den: 1}
		} else if err := out.Set(ctx, &mmal.FPSRange{Low: rate, High: rate}); errors.Is(err, mmal.EInval) {
			return fmt.Errorf("camera.framerate: the sensor does not do %v frames/s at %dx%d: %w (%w)",
				s.cfg.FrameRate, s.cfg.Width, s.cfg.Height, ErrImpossible, err)
		} else if err != nil {
			return err
		}
		if err := out.Commit(ctx, opaque(s.cfg.Width, s.cfg.Height, rate), mmal.Buffers{}); err != nil {
			return err
		}
	}
	if err := s.controls.attach(ctx, s); err != nil {
		return err
	}
	s.onStop(s.controls.detach)
	sink, err := s.create(ctx, "null_sink", nil)
	if err != nil {
		return err
	}
	s.workers = append(s.workers, s.sensor, sink)
	return s.tunnel(ctx, s.sensor.Outputs[previewPort], sink.Inputs[0])
}

// configureSensor sets what has to be set before the ports' formats.
func (s *session) configureSensor(ctx context.Context) error {
	control := s.sensor.Control
	if err := control.Set(ctx, &mmal.Int32{ID: mmal.ParamCameraNum, Value: int32(s.cfg.Number)}); err != nil {
		return err
	}
	if s.cfg.SensorMode != 0 {
		mode := &mmal.Uint32{ID: mmal.ParamSensorMode, Value: uint32(s.cfg.SensorMode)}
		if err := control.Set(ctx, mode); err != nil {
			return err
		}
	}
	if err := control.Enable(ctx, mmal.Buffers{}, nil); err != nil {
		return err
	}
	w, h := uint32(s.cfg.Width), uint32(s.cfg.Height)
	return control.Set(ctx, &mmal.CameraConfig{
		MaxStillsWidth: w, MaxStillsHeight: h,
		OneShotStills: true,
		MaxVideoWidth: w, MaxVideoHeight: h,
		VideoFrames: videoFrames(s.cfg),
		Timestamps:  mmal.TimestampRaw,
	})
}

// event handles what the camera says of its own accord.
func (s *session) event(e mmal.Event) {
	if e.Cmd != mmal.EventError {
		return
	}
	status := &mmal.Uint32{}
	mmal.DecodeParameter(e.Data, status) // too short reads as no status, which is no less of an error
	select {
	case s.failed <- fmt.Errorf("camera stopped: no data from the sensor: %w", mmal.Status(status.Value)):
	default:
	}
}

func (s *session) buildSplitter(ctx context.Context) error {
	var err error
	if s.splitter, err = s.create(ctx, "ril.video_splitter", nil); err != nil {
		return err
	}
	s.workers = append(s.workers, s.splitter)
	return s.tunnel(ctx, s.sensor.Outputs[videoPort], s.splitter.Inputs[0])
}

// split commits the next free output of the splitter.
func (s *session) split(ctx context.Context) (*mmal.Port, error) {
	if s.splits >= len(s.splitter.Outputs) {
		return nil, fmt.Errorf("split video: all %d outputs of the splitter are in use", s.splits)
	}
	out := s.splitter.Outputs[s.splits]
	s.splits++
	return out, out.Commit(ctx, s.splitter.Inputs[0].Format(), mmal.Buffers{})
}

// parts are all of the pipeline, the nearest to the sensor first.
func (s *session) parts() []*part {
	parts := []*part{&s.part}
	for _, b := range s.branches {
		parts = append(parts, &b.part)
	}
	return append(parts, &s.stills.part)
}

// stop takes the pipeline down, whatever of it there is, the sinks first.
func (s *session) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, stopTimeout, mmal.ErrNoReply)
	defer cancel()
	var errs []error
	if s.stopCapture != nil {
		errs = append(errs, s.stopCapture(ctx))
	}
	for _, p := range slices.Backward(s.parts()) {
		errs = append(errs, p.stop(ctx))
	}
	return errors.Join(errs...)
}

// start enables everything, sinks first.
func (s *session) start(ctx context.Context) error {
	parts := s.parts()
	for _, p := range slices.Backward(parts) {
		err := p.enableWorkers(ctx)
		if errors.Is(err, mmal.ENoSpc) && p == &s.part {
			return fmt.Errorf("%w (%w)", ErrInUse, err)
		} else if err != nil {
			return err
		}
	}
	for _, p := range slices.Backward(parts) {
		if err := p.enableTunnels(ctx); err != nil {
			return err
		}
	}
	for _, b := range s.branches {
		if err := b.start(ctx); err != nil {
			return err
		}
	}
	capture := s.sensor.Outputs[videoPort]
	if err := capture.Set(ctx, &mmal.Boolean{ID: mmal.ParamCapture, Value: true}); err != nil {
		return err
	}
	s.stopCapture = func(ctx context.Context) error {
		return capture.Set(ctx, &mmal.Boolean{ID: mmal.ParamCapture, Value: false})
	}
	return nil
}

// opaque is the format of pictures that stay on the GPU.
func opaque(width, height int, rate mmal.Rational) mmal.Format {
	f := picture420(width, height, rate)
	f.Encoding, f.Variant = mmal.EncodingOpaque, mmal.EncodingI420
	return f
}

// picture420 is the format of pictures that are not coded. The buffer is larger than the picture where the hardware
// wants it: multiples of 32 wide, of 16 high.
func picture420(width, height int, rate mmal.Rational) mmal.Format {
	return mmal.Format{
		Type:     mmal.ESVideo,
		Encoding: mmal.EncodingI420,
		Video: mmal.VideoFormat{
			Width:       uint32(width+31) &^ 31,
			Height:      uint32(height+15) &^ 15,
			Crop:        mmal.Rect{Width: int32(width), Height: int32(height)},
			FrameRate:   rate,
			PixelAspect: mmal.Rational{Num: 1, Den: 1},
		},
	}
}

// rational is a frame rate as the firmware keeps it, in 256ths of 1/s.
func rational(rate float64) mmal.Rational {
	if rate == math.Trunc(rate) {
		return mmal.Rational{Num: int32(rate), Den: 1}
	}
	return mmal.Rational{Num: int32(math.Round(rate * 256)), Den: 256}
}
