package camera

import (
	"context"
	"errors"
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
	port  *mmal.Port
	param mmal.Parameter
}

// applyControls sends all image controls to the camera. One that the firmware does not know or does not take is a warning: no
// picture is worse than one with the firmware's own white balance.
func (s *session) applyControls(ctx context.Context, c Controls) error {
	settings, err := s.settings(c)
	if err != nil {
		return err
	}
	for _, set := range settings {
		err := set.port.Set(ctx, set.param)
		if status, refused := errors.AsType[mmal.Status](err); refused {
			s.log.Warn("image control refused", "control", set.param.ParameterID(), "status", status)
		} else if err != nil {
			return err
		}
	}
	return s.annotator.update(ctx)
}

// settings translates the controls, in the order in which raspivid sends them.
func (s *session) settings(c Controls) ([]setting, error) {
	var n names
	control := s.sensor.Control
	all := []setting{
		{control, percent(mmal.ParamSaturation, c.Saturation)},
		{control, percent(mmal.ParamSharpness, c.Sharpness)},
		{control, percent(mmal.ParamContrast, c.Contrast)},
		{control, percent(mmal.ParamBrightness, c.Brightness)},
		{control, &mmal.Uint32{ID: mmal.ParamISO, Value: uint32(c.ISO)}},
		{control, &mmal.Boolean{ID: mmal.ParamVideoStabilisation, Value: c.VideoStabilization}},
		{control, &mmal.Int32{ID: mmal.ParamExposureCompensation, Value: int32(c.ExposureCompensation)}},
		{control, n.enum(mmal.ParamExposureMode, c.ExposureMode, exposureModes[:])},
		{control, n.enum(mmal.ParamFlickerAvoid, c.FlickerAvoid, flickerModes[:])},
		{control, n.enum(mmal.ParamMeteringMode, c.MeterMode, meterModes[:])},
		{control, n.enum(mmal.ParamAWBMode, c.AWBMode, awbModes[:])},
		{control, n.enum(mmal.ParamImageEffect, c.ImageEffect, imageEffects[:])},
		{control, colourEffect(c.ColorEffects)},
		{control, inputCrop(c.Zoom)},
		{control, &mmal.Uint32{ID: mmal.ParamShutterSpeed, Value: uint32(c.ShutterSpeed.Microseconds())}},
		{control, n.enum(mmal.ParamDRC, c.DRCStrength, drcStrengths[:])},
		{control, &mmal.Boolean{ID: mmal.ParamVideoDenoise, Value: c.VideoDenoise}},
	}
	if c.AWBMode == "off" {
		all = append(all, setting{control, &mmal.AWBGains{Red: gain(c.AWBGains[0]), Blue: gain(c.AWBGains[1])}})
	}
	for _, out := range s.sensor.Outputs {
		all = append(all,
			setting{out, &mmal.Int32{ID: mmal.ParamRotation, Value: int32(c.Rotation)}},
			setting{out, &mmal.Uint32{ID: mmal.ParamMirror, Value: mirror(c)}})
	}
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

func gain(v float64) mmal.Rational {
	return mmal.Rational{Num: int32(math.Round(v * 65536)), Den: 65536}
}

func colourEffect(uv *[2]int) mmal.Parameter {
	if uv == nil {
		return &mmal.ColourEffect{U: 128, V: 128}
	}
	return &mmal.ColourEffect{Enable: true, U: uint32(uv[0]), V: uint32(uv[1])}
}

func inputCrop(zoom [4]float64) mmal.Parameter {
	part := func(v float64) int32 { return int32(math.Round(v * 65536)) }
	r := mmal.Rect{X: part(zoom[0]), Y: part(zoom[1]), Width: part(zoom[2]), Height: part(zoom[3])}
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
