package vcemu

import (
	"bytes"
	"encoding/binary"
	"image"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
)

// addControls adds the image controls, which can be changed at any time. Ranges and defaults are those of the
// reference programs, raspicam and picamera. Brightness, contrast, saturation, colour effect, zoom,
// annotate, rotation and mirror act on the picture; the others are only kept.
func (c *camera) addControls(p *port) {
	hundredth := func(n int32) mmal.Rational { return mmal.Rational{Num: n, Den: 100} }
	p.addRatio(mmal.ParamSaturation, hundredth(0), -1, 1).changed = c.mixColours
	p.addRatio(mmal.ParamSharpness, hundredth(0), -1, 1)
	p.addRatio(mmal.ParamContrast, hundredth(0), -1, 1).changed = c.mixColours
	p.addRatio(mmal.ParamBrightness, hundredth(50), 0, 1).changed = c.mixColours
	p.addWord(mmal.ParamISO, 0, 0, 1600)
	p.addFlag(mmal.ParamVideoStabilisation, false)
	p.addNumber(mmal.ParamExposureCompensation, 0, -25, 25)
	p.addWord(mmal.ParamExposureMode, 1, 0, 12)
	p.addWord(mmal.ParamMeteringMode, 0, 0, 3)
	p.addWord(mmal.ParamAWBMode, 1, 0, 10)
	p.add(&mmal.AWBGains{}).check = checkGains
	p.addWord(mmal.ParamImageEffect, 0, 0, 25)
	p.addWord(mmal.ParamFlickerAvoid, 0, 0, 3)
	p.addWord(mmal.ParamDRC, 0, 0, 3)
	p.addWord(mmal.ParamShutterSpeed, 0, 0, 200_000_000)
	p.addRatio(paramAnalogGain, mmal.Rational{Num: 0, Den: 65536}, 0, 16)
	p.addRatio(paramDigitalGain, mmal.Rational{Num: 0, Den: 65536}, 0, 64)
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
	colour.changed = c.mixColours

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
	annotate.changed = func() { c.caption = caption(annotate.value) }
	p.params[mmal.ParamAnnotate] = annotate
}

// caption is the text that a value of ANNOTATE puts into the picture. That of versions 1 and 2 is only kept.
func caption(value []byte) scene.Caption {
	// Places in the value, without id and size.
	const background, size, text, end, v3 = 28, 47, 48, 304, 304
	if len(value) < v3 || binary.LittleEndian.Uint32(value) == 0 {
		return scene.Caption{}
	}
	line, _, _ := bytes.Cut(value[text:end], []byte{0})
	c := scene.Caption{Text: string(line), Size: int(value[size])}
	c.Background = binary.LittleEndian.Uint32(value[background:]) != 0
	if c.Size == 0 {
		c.Size = 32
	}
	return c
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

// colours maps samples to samples.
type colours struct {
	luma, cb, cr [256]byte
}

// mixColours makes the tables of the controls' present values, or none if they change nothing.
func (c *camera) mixColours() {
	p := c.comp.control
	value := func(id mmal.ParameterID) float64 {
		m := mmal.Ratio{ID: id}
		p.get(&m)
		f, _ := fraction(m.Value)
		return f
	}
	brightness, contrast := value(mmal.ParamBrightness), value(mmal.ParamContrast)
	saturation := value(mmal.ParamSaturation)
	var effect mmal.ColourEffect
	p.get(&effect)
	c.colours = nil
	if brightness == 0.5 && contrast == 0 && saturation == 0 && !effect.Enable {
		return
	}
	const darkest, brightest, middle, least, most, neutral = 16, 235, 125.5, 16, 240, 128
	t := new(colours)
	for i := range 256 {
		luma := (float64(i)-middle)*(1+contrast) + middle + (brightness-0.5)*(brightest-darkest)
		t.luma[i] = byte(min(max(luma, darkest), brightest))
		chroma := (float64(i)-neutral)*(1+saturation) + neutral
		t.cb[i] = byte(min(max(chroma, least), most))
		t.cr[i] = t.cb[i]
		if effect.Enable {
			t.cb[i], t.cr[i] = byte(effect.U), byte(effect.V)
		}
	}
	c.colours = t
}

// apply changes a picture's colours in place.
func (t *colours) apply(m *image.YCbCr) {
	size := m.Rect.Size()
	cw, ch := (size.X+1)/2, (size.Y+1)/2
	translate(m.Y, m.YStride, size.X, size.Y, &t.luma)
	translate(m.Cb, m.CStride, cw, ch, &t.cb)
	translate(m.Cr, m.CStride, cw, ch, &t.cr)
}

func translate(plane []byte, stride, w, h int, table *[256]byte) {
	for y := range h {
		row := plane[y*stride:][:w]
		for x, v := range row {
			row[x] = table[v]
		}
	}
}
