package camera

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// The numbers of the firmware for picamera's names (mmal_parameters_camera.h): a name's place in its list.
var (
	exposureModes = [...]string{"off", "auto", "night", "nightpreview", "backlight", "spotlight", "sports", "snow",
		"beach", "verylong", "fixedfps", "antishake", "fireworks"}
	meterModes = [...]string{"average", "spot", "backlit", "matrix"}
	awbModes   = [...]string{"off", "auto", "sunlight", "cloudy", "shade", "tungsten", "fluorescent", "incandescent",
		"flash", "horizon", "greyworld"}
	drcStrengths = [...]string{"off", "low", "medium", "high"}
	flickerModes = [...]string{"off", "auto", "50hz", "60hz"}
	imageEffects = [...]string{"none", "negative", "solarize", "posterize", "whiteboard", "blackboard", "sketch",
		"denoise", "emboss", "oilpaint", "hatch", "gpen", "pastel", "watercolor", "film", "blur", "saturation",
		"colorswap", "washedout", "posterise", "colorpoint", "colorbalance", "cartoon", "deinterlace1",
		"deinterlace2"}
)

// setting is one control as the firmware takes it.
type setting struct {
	control string // its key in camera.yaml
	port    *mmal.Port
	param   mmal.Parameter
}

// same says that two settings are of the same parameter.
func (s setting) same(o setting) bool {
	return s.port == o.port && s.param.ParameterID() == o.param.ParameterID()
}

// usual says that this is what the firmware does without being told; one that is old does not know the parameter.
func (s setting) usual() bool {
	g, ok := s.param.(*mmal.Ratio)
	return ok && (g.ID == mmal.ParamAnalogGain || g.ID == mmal.ParamDigitalGain) && g.Value.Num == 0
}

// equal says that two settings are of the same parameter and give it the same value.
func (s setting) equal(o setting) bool {
	return s.same(o) && bytes.Equal(mmal.AppendParameter(nil, s.param), mmal.AppendParameter(nil, o.param))
}

// settings translates the controls but for the text, in the order in which raspivid sends them.
func (s *session) settings(c Controls) ([]setting, error) {
	var n names
	var control *mmal.Port
	var outputs []*mmal.Port
	if s.sensor != nil {
		control, outputs = s.sensor.Control, s.sensor.Outputs
	}
	all := []setting{
		{"saturation", control, percent(mmal.ParamSaturation, c.Saturation)},
		{"sharpness", control, percent(mmal.ParamSharpness, c.Sharpness)},
		{"contrast", control, percent(mmal.ParamContrast, c.Contrast)},
		{"brightness", control, percent(mmal.ParamBrightness, c.Brightness)},
		{"iso", control, &mmal.Uint32{ID: mmal.ParamISO, Value: uint32(c.ISO)}},
		{"video_stabilization", control, &mmal.Boolean{ID: mmal.ParamVideoStabilisation, Value: c.VideoStabilization}},
		{"exposure_compensation", control, &mmal.Int32{ID: mmal.ParamExposureCompensation, Value: int32(c.ExposureCompensation)}},
		{"exposure_mode", control, n.enum(mmal.ParamExposureMode, c.ExposureMode, exposureModes[:])},
		{"flicker_avoid", control, n.enum(mmal.ParamFlickerAvoid, c.FlickerAvoid, flickerModes[:])},
		{"meter_mode", control, n.enum(mmal.ParamMeteringMode, c.MeterMode, meterModes[:])},
		{"awb_mode", control, n.enum(mmal.ParamAWBMode, c.AWBMode, awbModes[:])},
	}
	if c.AWBMode == "off" {
		gains := &mmal.AWBGains{Red: gain(c.AWBGains[0]), Blue: gain(c.AWBGains[1])}
		all = append(all, setting{"awb_gains", control, gains})
	}
	all = append(all,
		setting{"image_effect", control, n.enum(mmal.ParamImageEffect, c.ImageEffect, imageEffects[:])},
		setting{"color_effects", control, colourEffect(c.ColorEffects)})
	flip := "vflip"
	if c.HFlip {
		flip = "hflip"
	}
	for _, out := range outputs {
		all = append(all,
			setting{"rotation", out, &mmal.Int32{ID: mmal.ParamRotation, Value: int32(c.Rotation)}},
			setting{flip, out, &mmal.Uint32{ID: mmal.ParamMirror, Value: mirror(c)}})
	}
	shutter := &mmal.Uint32{ID: mmal.ParamShutterSpeed, Value: uint32(c.ShutterSpeed.Microseconds())}
	all = append(all,
		setting{"zoom", control, inputCrop(c.Zoom)},
		setting{"shutter_speed", control, shutter},
		setting{"drc_strength", control, n.enum(mmal.ParamDRC, c.DRCStrength, drcStrengths[:])},
		setting{"video_denoise", control, &mmal.Boolean{ID: mmal.ParamVideoDenoise, Value: c.VideoDenoise}},
		setting{"image_denoise", control, &mmal.Boolean{ID: mmal.ParamStillsDenoise, Value: c.ImageDenoise}},
		setting{"analog_gain", control, &mmal.Ratio{ID: mmal.ParamAnalogGain, Value: gain(c.AnalogGain)}},
		setting{"digital_gain", control, &mmal.Ratio{ID: mmal.ParamDigitalGain, Value: gain(c.DigitalGain)}})
	return all, n.err
}

// names looks names up and keeps the first one that is unknown.
type names struct{ err error }

func (n *names) enum(id mmal.ParameterID, name string, list []string) mmal.Parameter {
	i := slices.Index(list, name)
	if i < 0 && n.err == nil {
		n.err = fmt.Errorf("set %v: unknown name %q", id, name)
	}
	return &mmal.Uint32{ID: id, Value: uint32(i)}
}

func percent(id mmal.ParameterID, v int) mmal.Parameter {
	return &mmal.Ratio{ID: id, Value: mmal.Rational{Num: int32(v), Den: 100}}
}

// gain does not let one round to 0, which is none.
func gain(v float64) mmal.Rational {
	g := mmal.Rational{Num: int32(math.Round(v * 65536)), Den: 65536}
	if v > 0 {
		g.Num = max(g.Num, 1)
	}
	return g
}

func colourEffect(uv *[2]int) mmal.Parameter {
	if uv == nil {
		return &mmal.ColourEffect{U: 128, V: 128}
	}
	return &mmal.ColourEffect{Enable: true, U: uint32(uv[0]), V: uint32(uv[1])}
}

// inputCrop has rounding neither leave nothing of the picture nor reach beyond it.
func inputCrop(zoom [4]float64) mmal.Parameter {
	const whole = 65536
	part := func(at, size float64) (first, length int32) {
		first = min(int32(math.Round(at*whole)), whole-1)
		return first, max(min(int32(math.Round(size*whole)), whole-first), 1)
	}
	var r mmal.Rect
	r.X, r.Width = part(zoom[0], zoom[2])
	r.Y, r.Height = part(zoom[1], zoom[3])
	return &mmal.Rectangle{ID: mmal.ParamInputCrop, Value: r}
}

// mirror is MMAL_PARAM_MIRROR_T: bit 0 turns the picture upside down, bit 1 swaps left and right.
func mirror(c Controls) uint32 {
	var m uint32
	if c.VFlip {
		m |= 1
	}
	if c.HFlip {
		m |= 2
	}
	return m
}
