package vcemu

import (
	"encoding/binary"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
)

// The camera's outputs.
const (
	previewPort = 0
	videoPort   = 1
	stillPort   = 2
)

// Parameters of the camera that package mmal has no use for.
const (
	paramCaptureStatus    mmal.ParameterID = 0x10016
	paramUseSTC           mmal.ParameterID = 0x1001b
	paramRawCapture       mmal.ParameterID = 0x1001f
	paramCaptureMode      mmal.ParameterID = 0x10023
	paramSensorInfo       mmal.ParameterID = 0x10026
	paramEffectParameters mmal.ParameterID = 0x10032
	paramBurstCapture     mmal.ParameterID = 0x10033
	paramUseCase          mmal.ParameterID = 0x10035
	paramStatsPass        mmal.ParameterID = 0x10036
	paramISPBlocks        mmal.ParameterID = 0x10051
)

// camera is ril.camera. While it is enabled, the sensor is its own.
type camera struct {
	passive
	comp         *component
	look         scene.Look
	caption      scene.Caption // the zero value is none
	numbered     bool          // the frame's number follows the caption
	captureZero  int64         // clock at the first frame of this capture, for TimestampReset
	broken       bool          // a fault: it gives no frames any more
	capturing    bool          // frames have left by the video port since CAPTURE was set
	watched      bool          // the host wants to know the settings when they change
	nextSettings time.Duration // capture time, since the sensor started, from which on they are sent again
}

func newCamera(comp *component) mmal.Status {
	v := comp.vc
	if v.cfg.NoCamera && !v.cfg.Quirks.NoCameraAtEnable || v.refusesCamera() {
		return mmal.ENoMem
	}
	if status := v.cfg.Quirks.refusal(AtCreate); status != mmal.Success {
		return status
	}
	c := &camera{comp: comp, look: plainLook()}
	comp.unit = c
	for i := range 3 {
		p := comp.addPort(mmal.PortOutput, i)
		p.kind = []opaqueKind{previewPort: singleImage, videoPort: dualImage, stillPort: strips}[i]
		p.setDefault(mmal.EncodingOpaque)
		p.format.Variant = mmal.EncodingI420
		c.addPortParameters(p)
	}
	c.addParameters(comp.control)
	c.addControls(comp.control)
	return mmal.Success
}

// addParameters adds what configures the camera as a whole.
func (c *camera) addParameters(p *port) {
	idle := func(check func([]byte) mmal.Status) func([]byte) mmal.Status {
		return func(v []byte) mmal.Status {
			if c.comp.enabled {
				return mmal.EInval
			}
			return check(v)
		}
	}
	num := p.addNumber(mmal.ParamCameraNum, 0, -1, 0) // -1 is how the kernel's driver gives the camera up
	num.check = idle(num.check)
	mode := p.addWord(mmal.ParamSensorMode, 0, 0, uint32(len(c.comp.vc.mode.modes)))
	mode.check = idle(mode.check)
	useCase := p.addWord(paramUseCase, 0, 0, 2)
	useCase.check = idle(useCase.check)
	blocks := p.addWord(paramISPBlocks, 0xffffffff, 0, 0xffffffff)
	blocks.check = idle(blocks.check)

	config := p.add(&mmal.CameraConfig{
		MaxStillsWidth: c.comp.vc.mode.width, MaxStillsHeight: c.comp.vc.mode.height, OneShotStills: true,
		MaxVideoWidth: 1920, MaxVideoHeight: 1080, VideoFrames: 3,
	})
	config.check = idle(c.checkConfig)
	config.changed = func() {
		for _, out := range c.comp.outputs {
			out.isCommitted = false
		}
	}

	change := p.add(&mmal.ChangeEventRequest{Change: mmal.ParamCameraSettings})
	change.check = func(v []byte) mmal.Status {
		return when(mmal.ParameterID(binary.LittleEndian.Uint32(v)) == mmal.ParamCameraSettings)
	}
	change.changed = func() {
		var r mmal.ChangeEventRequest
		p.get(&r)
		c.watched, c.nextSettings = r.Enable, 0
	}
	p.params[mmal.ParamCameraSettings] = &param{constant: true, read: func(uint32) []byte { return c.settings() }}
	p.params[paramCaptureStatus] = &param{constant: true, read: c.captureStatus}
	p.params[paramSensorInfo] = &param{constant: true, read: func(uint32) []byte {
		return words(20, 10, 304, 100, 0, 0, 0) // f/2.0, 3.04 mm
	}}
}

func (c *camera) captureStatus(uint32) []byte {
	if c.comp.enabled && c.comp.outputs[videoPort].flag(mmal.ParamCapture) {
		return words(1)
	}
	return words(0)
}

func (c *camera) checkConfig(value []byte) mmal.Status {
	var m mmal.CameraConfig
	_ = mmal.DecodeParameter(value, &m) // the size has been checked
	model := c.comp.vc.mode
	for _, out := range c.comp.outputs {
		if out.enabled {
			return mmal.EInval
		}
	}
	const mostFrames = 32
	return when(m.MaxStillsWidth <= model.width && m.MaxStillsHeight <= model.height &&
		m.MaxVideoWidth <= model.width && m.MaxVideoHeight <= model.height &&
		m.VideoFrames >= 1 && m.VideoFrames <= mostFrames && m.Timestamps <= mmal.TimestampReset)
}

// addPortParameters adds what belongs to one output.
func (c *camera) addPortParameters(p *port) {
	stereo := p.add(&mmal.StereoscopicMode{})
	stereo.check = func(v []byte) mmal.Status { return when(binary.LittleEndian.Uint32(v) == 0) } // one sensor only
	stereo.stopped = true

	fps := p.add(&mmal.FPSRange{High: mmal.Rational{Num: 30, Den: 1}, Low: mmal.Rational{Num: 1, Den: 1}})
	fps.stopped = true
	fps.check = func(v []byte) mmal.Status {
		var r mmal.FPSRange
		_ = mmal.DecodeParameter(v, &r) // the size has been checked
		low, ok1 := fraction(r.Low)
		high, ok2 := fraction(r.High)
		return when(ok1 && ok2 && 0 <= low && low <= high && c.comp.vc.mode.supports(c.sensorMode(), r.High))
	}

	rotation := p.addNumber(mmal.ParamRotation, 0, 0, 270)
	rotation.check = func(v []byte) mmal.Status {
		n := binary.LittleEndian.Uint32(v)
		sideways := p.index == videoPort && n%180 != 0
		return when(n <= 270 && n%90 == 0 && !(sideways && c.comp.vc.cfg.Quirks.NoSidewaysVideo))
	}
	p.addWord(mmal.ParamMirror, 0, 0, 3)
	p.addWord(paramUseSTC, 0, 0, 2)

	frameRate := p.add(&mmal.Ratio{ID: mmal.ParamFrameRate, Value: mmal.Rational{Num: 0, Den: 1}})
	frameRate.check = func(v []byte) mmal.Status {
		r := mmal.Ratio{ID: mmal.ParamFrameRate}
		_ = mmal.DecodeParameter(v, &r) // the size has been checked
		return when(rate(r.Value) == mmal.Success && c.comp.vc.mode.supports(c.sensorMode(), r.Value))
	}
	frameRate.changed = func() {
		r := mmal.Ratio{ID: mmal.ParamFrameRate}
		p.get(&r)
		p.format.Video.FrameRate = r.Value
		c.updateLook()
		if c.comp.vc.sensor.camera == c {
			c.nextSettings = 0
			c.comp.vc.sensor.restart(c.rate())
		}
	}
	if p.index != previewPort {
		p.addFlag(mmal.ParamCapture, false).changed = func() { c.capturing = false }
	}
	if p.index == stillPort {
		p.addFlag(paramRawCapture, false)
	}
}

func (c *camera) sensorMode() uint32 {
	if q := c.comp.control.params[mmal.ParamSensorMode]; q != nil {
		return binary.LittleEndian.Uint32(q.value)
	}
	return 0
}

func (c *camera) config() mmal.CameraConfig {
	var m mmal.CameraConfig
	c.comp.control.get(&m)
	return m
}

func (c *camera) commit(p *port, f *mmal.Format) mmal.Status {
	if status := c.comp.vc.cfg.Quirks.refusal(AtCommit); status != mmal.Success {
		return status
	}
	if status := p.picture(f); status != mmal.Success {
		return status
	}
	config := c.config()
	w, h := config.MaxVideoWidth, config.MaxVideoHeight
	if p.index == stillPort {
		w, h = config.MaxStillsWidth, config.MaxStillsHeight
	}
	crop := f.Video.Crop
	if uint32(crop.Width) > w || uint32(crop.Height) > h {
		return mmal.EInval
	}
	if f.Encoding == mmal.EncodingOpaque {
		f.Variant = mmal.EncodingI420
	}
	return when(c.comp.vc.mode.supports(c.sensorMode(), f.Video.FrameRate))
}

func (c *camera) committed(p *port) {
	images := 1
	if p.index != stillPort {
		images = int(c.config().VideoFrames)
	}
	p.newPool(images)
}

// enable starts the sensor.
func (c *camera) enable() mmal.Status {
	s := &c.comp.vc.sensor
	if c.comp.vc.cfg.NoCamera || s.camera != nil || c.comp.vc.refusesCamera() {
		return mmal.ENoSpc
	}
	if status := c.comp.vc.cfg.Quirks.refusal(AtEnable); status != mmal.Success {
		return status
	}
	if !c.comp.outputs[previewPort].isCommitted || !c.comp.outputs[videoPort].isCommitted {
		return mmal.EInval
	}
	if c.broken {
		return mmal.Success
	}
	s.camera = c
	c.capturing, c.nextSettings = false, 0
	c.updateLook() // the exposure depends on the rate
	s.restart(c.rate())
	return mmal.Success
}

// kick notices that the component was disabled, and that a frame may no longer have to wait for an image.
func (c *camera) kick() {
	s := &c.comp.vc.sensor
	switch {
	case s.camera != c || !s.started:
	case !c.comp.enabled:
		s.stop()
	case s.starved:
		s.starved = false
		s.signal()
	}
}

func (c *camera) destroy() {
	if s := &c.comp.vc.sensor; s.camera == c {
		s.stop()
	}
}

// rate is the sensor's frame rate: that of the video port, else of the preview; where both leave it open, the highest
// that the video port's range allows.
func (c *camera) rate() mmal.Rational {
	for _, i := range []int{videoPort, previewPort} {
		if r := c.comp.outputs[i].format.Video.FrameRate; r.Num > 0 {
			return r
		}
	}
	var r mmal.FPSRange
	c.comp.outputs[videoPort].get(&r)
	if r.High.Num <= 0 {
		return mmal.Rational{Num: 30, Den: 1}
	}
	return r.High
}

// pts is the timestamp of a frame taken at that time of VideoCore's clock.
func (c *camera) pts(clock int64) int64 {
	switch c.config().Timestamps {
	case mmal.TimestampRaw:
		return clock
	case mmal.TimestampReset:
		if !c.capturing {
			return 0
		}
		return clock - c.captureZero
	}
	return 0
}

// active says that an output wants the next frame.
func (c *camera) active(p *port) bool {
	return p.enabled && (p.index == previewPort || p.flag(mmal.ParamCapture))
}

// settings is the value of CAMERA_SETTINGS: what the exposure control of a sensor in a well-lit room would say.
func (c *camera) settings() []byte {
	exposure, analog, digital := c.exposure()
	red, blue := mmal.Rational{Num: 256 * autoRed, Den: 256}, mmal.Rational{Num: 256 * autoBlue, Den: 256}
	if c.comp.control.word(mmal.ParamAWBMode) == 0 {
		var g mmal.AWBGains
		c.comp.control.get(&g)
		red, blue = g.Red, g.Blue
	}
	return words(uint32(exposure.Microseconds()), uint32(256*analog), 256, uint32(256*digital), 256,
		uint32(red.Num), uint32(red.Den), uint32(blue.Num), uint32(blue.Den), 0)
}

// settingsInterval is how often changed settings are reported: they never stay the same on real light.
const settingsInterval = time.Second

// report sends the settings to a host that asked for them, when it is time; elapsed is since the sensor started.
func (c *camera) report(elapsed time.Duration) {
	if !c.watched || elapsed < c.nextSettings {
		return
	}
	c.nextSettings = elapsed + settingsInterval
	value := c.settings()
	header := words(uint32(mmal.ParamCameraSettings), uint32(len(value)+parameterHeader))
	c.comp.session.sendEvent(c.comp.control, mmal.EventParameterChanged, append(header, value...))
}
