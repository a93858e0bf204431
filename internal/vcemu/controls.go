package vcemu

import (
	"math"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
)

// addControls adds the image controls, which can be changed at any time. Ranges and defaults are those of the
// reference programs, raspicam and picamera. Those that look names act on the picture, and so do zoom, annotate,
// rotation and mirror; the others are only kept.
func (c *camera) addControls(p *port) {
	hundredth := func(n int32) mmal.Rational { return mmal.Rational{Num: n, Den: 100} }
	p.addRatio(mmal.ParamSaturation, hundredth(0), -1, 1).changed = c.updateLook
	p.addRatio(mmal.ParamSharpness, hundredth(0), -1, 1).changed = c.updateLook
	p.addRatio(mmal.ParamContrast, hundredth(0), -1, 1).changed = c.updateLook
	p.addRatio(mmal.ParamBrightness, hundredth(50), 0, 1).changed = c.updateLook
	p.addWord(mmal.ParamISO, 0, 0, 1600).changed = c.updateLook
	p.addFlag(mmal.ParamVideoStabilisation, false)
	p.addNumber(mmal.ParamExposureCompensation, 0, -25, 25).changed = c.updateLook
	p.addWord(mmal.ParamExposureMode, 1, 0, 12).changed = c.updateLook
	p.addWord(mmal.ParamMeteringMode, 0, 0, 3)
	p.addWord(mmal.ParamAWBMode, 1, 0, 10).changed = c.updateLook
	gains := p.add(&mmal.AWBGains{})
	gains.check, gains.changed = checkGains, c.updateLook
	p.addWord(mmal.ParamImageEffect, 0, 0, 25).changed = c.updateLook
	p.addWord(mmal.ParamFlickerAvoid, 0, 0, 3)
	p.addWord(mmal.ParamDRC, 0, 0, 3).changed = c.updateLook
	p.addWord(mmal.ParamShutterSpeed, 0, 0, 200_000_000).changed = c.updateLook
	p.addRatio(mmal.ParamAnalogGain, mmal.Rational{Num: 0, Den: 65536}, 0, 16).changed = c.updateLook
	p.addRatio(mmal.ParamDigitalGain, mmal.Rational{Num: 0, Den: 65536}, 0, 64).changed = c.updateLook
	p.addFlag(mmal.ParamVideoDenoise, true)
	p.addFlag(mmal.ParamStillsDenoise, true)
	p.addFlag(paramStatsPass, false)
	p.addFlag(paramBurstCapture, false)
	p.addWord(paramCaptureMode, 0, 0, 2)

	colour := p.add(&mmal.ColourEffect{})
	colour.check = func(v []byte) mmal.Status {
		var m mmal.ColourEffect
		_ = mmal.DecodeParameter(v, &m) // the size has been checked
		return when(m.U <= 255 && m.V <= 255)
	}
	colour.changed = c.updateLook

	zoom := p.add(&mmal.Rectangle{ID: mmal.ParamInputCrop, Value: mmal.Rect{Width: whole, Height: whole}})
	zoom.check = func(v []byte) mmal.Status {
		m := mmal.Rectangle{ID: mmal.ParamInputCrop}
		_ = mmal.DecodeParameter(v, &m) // the size has been checked
		r := m.Value
		return when(r.X >= 0 && r.Y >= 0 && r.Width > 0 && r.Height > 0 &&
			int64(r.X)+int64(r.Width) <= whole && int64(r.Y)+int64(r.Height) <= whole)
	}

	effect := &param{value: make([]byte, 32), sizes: []int{32, 28}} // six words or, from the kernel's driver, five
	p.params[paramEffectParameters] = effect

	annotate := &param{value: make([]byte, 304), sizes: []int{56, 288, 304, 316}} // V1 to V4
	if c.comp.vc.cfg.Quirks.NoAnnotateV4 {
		annotate.sizes = annotate.sizes[:3]
	}
	annotate.check = checkAnnotate
	annotate.changed = func() { c.caption, c.numbered = caption(annotate.value) }
	p.params[mmal.ParamAnnotate] = annotate
}

// caption is the text that a value of ANNOTATE puts into the picture. That of versions 1 and 2 is only kept. Whether the
// frame's number is to be added is in number.
func caption(value []byte) (c scene.Caption, number bool) {
	m, ok := annotation(value)
	if !ok || !m.Enable {
		return scene.Caption{}, false
	}
	c = scene.Caption{
		Text: m.Text, Size: int(m.TextSize), Colour: scene.White, Background: m.Background, BoxColour: scene.Black,
		Justify: scene.Justify(m.Justify), X: int(m.XOffset), Y: int(m.YOffset),
	}
	if c.Size == 0 {
		c.Size = 32
	}
	if own := m.TextColour; own.Enable {
		c.Colour = scene.Colour{Y: own.Y, Cb: own.U, Cr: own.V}
	}
	if own := m.BackgroundColour; own.Enable {
		c.BoxColour = scene.Colour{Y: own.Y, Cb: own.U, Cr: own.V}
	}
	return c, m.FrameNumber
}

// annotation is a value of ANNOTATE from version 3 on; ok is false for those before.
func annotation(value []byte) (m mmal.Annotate, ok bool) {
	const v3, place = 304, 12 // bytes; version 3 has no place for the text
	if len(value) < v3 {
		return mmal.Annotate{}, false
	}
	_ = mmal.DecodeParameter(append(value[:len(value):len(value)], make([]byte, place)...), &m)
	return m, true
}

func checkAnnotate(value []byte) mmal.Status {
	m, ok := annotation(value)
	const smallest, largest = 6, 160
	return when(!ok || m.Justify <= 2 && (m.TextSize == 0 || m.TextSize >= smallest && m.TextSize <= largest))
}

// whole is the sensor's width or height in the unit of INPUT_CROP.
const whole = 65536

func checkGains(v []byte) mmal.Status {
	var m mmal.AWBGains
	_ = mmal.DecodeParameter(v, &m) // the size has been checked
	red, ok1 := fraction(m.Red)
	blue, ok2 := fraction(m.Blue)
	return when(ok1 && ok2 && 0 <= red && red <= 8 && 0 <= blue && blue <= 8)
}

// plainLook leaves pictures as they are.
func plainLook() scene.Look { return scene.Look{Brightness: 0.5} }

// updateLook works out what the controls' present values make of pictures.
func (c *camera) updateLook() {
	p := c.comp.control
	var tint mmal.ColourEffect
	p.get(&tint)
	c.look = scene.Look{
		DRC:        int(p.word(mmal.ParamDRC)),
		Brightness: p.ratio(mmal.ParamBrightness), Contrast: p.ratio(mmal.ParamContrast),
		Saturation: p.ratio(mmal.ParamSaturation), Sharpness: p.ratio(mmal.ParamSharpness),
		Tint: tint.Enable, U: uint8(tint.U), V: uint8(tint.V),
		Effect: effects()[p.word(mmal.ParamImageEffect)],
	}
	c.setBalance(&c.look)
	exposure, analog, digital := c.exposure()
	const millionth = 1e-6 // of a stop: no more than rounding
	c.look.Light = math.Round(math.Log2(exposure.Seconds()*analog*digital/goodExposure.Seconds())/millionth) * millionth
}

// effects are those of IMAGE_EFFECT (MMAL_PARAM_IMAGEFX_T) that do something to the picture here.
func effects() map[uint32]scene.Effect {
	return map[uint32]scene.Effect{
		1: scene.Negative, 2: scene.Solarize, 3: scene.Posterise, 6: scene.Sketch, 8: scene.Emboss, 11: scene.Pen,
		14: scene.Film, 15: scene.Blur, 16: scene.Saturate, 17: scene.SwapColours, 18: scene.WashedOut, 19: scene.Posterise,
		20: scene.ColourPoint, 21: scene.ShiftColours, 22: scene.Cartoon,
	}
}

// autoRed and autoBlue are the gains that make the scene's light white; the scenes show it so.
const autoRed, autoBlue = 1.5, 1.25

// setBalance applies the white balance: a mode for light that is bluer than the scene's makes red stronger.
func (c *camera) setBalance(k *scene.Look) {
	stops := map[uint32][2]float64{ // red and blue by AWB_MODE (MMAL_PARAM_AWBMODE_T)
		2: {0.1, -0.1}, 3: {0.3, -0.3}, 4: {0.5, -0.5}, 5: {-0.9, 0.9}, 6: {-0.4, 0.5}, 7: {-0.8, 0.8}, 8: {0.2, -0.2}, 9: {-1, 1},
	}
	mode := c.comp.control.word(mmal.ParamAWBMode)
	k.Red, k.Blue = stops[mode][0], stops[mode][1]
	k.GreyWorld = mode == 10
	var m mmal.AWBGains
	c.comp.control.get(&m)
	red, _ := fraction(m.Red)
	blue, _ := fraction(m.Blue)
	if mode == 0 && red > 0 && blue > 0 { // else the gains stay what they were
		k.Red, k.Blue = math.Log2(red/autoRed), math.Log2(blue/autoBlue)
	}
}

const (
	// goodExposure is the time that exposes the scene well at gain 1; longest is what the exposure control prefers.
	goodExposure, longest = 40 * time.Millisecond, 20 * time.Millisecond
	// mostGain is the sensor's, leastGain any sensor's.
	mostGain, leastGain = 12, 1
)

// exposure is the time and the gains that the exposure control arrives at: what it may not choose it makes up for by the
// others, as far as frame time and sensor allow.
func (c *camera) exposure() (t time.Duration, analog, digital float64) {
	p := c.comp.control
	frame := c.framePeriod()
	limit := longest
	analog, digital = p.ratio(mmal.ParamAnalogGain), max(p.ratio(mmal.ParamDigitalGain), 1)
	if analog == 0 {
		analog = float64(p.word(mmal.ParamISO)) / 100
	}
	if analog > 0 {
		analog = min(max(analog, leastGain), mostGain)
		limit = frame
	}
	want := goodExposure.Seconds() * math.Exp2(float64(int32(p.word(mmal.ParamExposureCompensation)))/6) / digital
	t = time.Duration(p.word(mmal.ParamShutterSpeed)) * time.Microsecond
	if t == 0 {
		t = min(time.Duration(want/max(analog, leastGain)*float64(time.Second)), limit)
	}
	t = max(min(t, frame), time.Microsecond)
	if analog == 0 {
		analog = min(max(want/t.Seconds(), leastGain), mostGain)
	}
	return t, analog, digital
}

// framePeriod is the longest exposure at the sensor's frame rate.
func (c *camera) framePeriod() time.Duration {
	r := c.rate()
	return time.Duration(int64(r.Den)*int64(time.Second)/int64(r.Num)) - time.Microsecond
}
