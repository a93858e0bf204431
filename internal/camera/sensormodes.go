package camera

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// SensorMode is one way in which a sensor is read out.
type SensorMode struct {
	// Number is the firmware's, from 1.
	Number int
	// Width and Height are the size in pixels that the sensor delivers.
	Width, Height int
	// MinRate and MaxRate bound the frame rate, in 1/s. Above says that MinRate itself belongs to another mode.
	MinRate, MaxRate float64
	Above            bool
	// LockedRate is what the mode reaches with exposure_mode off, where that is more than MaxRate; else 0.
	LockedRate float64
	// AreaWidth and AreaHeight are the part of the sensor that is read, in its own pixels.
	AreaWidth, AreaHeight int
	// Binning says how many pixels make one, as "2x2"; "" is none.
	Binning string
}

// sensorModel is what is documented of a kind of sensor.
type sensorModel struct {
	name, module  string
	width, height int
	modes         []SensorMode // mode 1 first
}

// sensorModels are the sensors of Camera Module V1 and V2 (picamera 1.13's documentation, "Camera Hardware") and of the
// HQ camera (raspicam's documentation). Where these do not give the area it is the size times the binning. Mode 4 of the
// imx477 is that of newer firmware; older one delivers 1012x760 there, 4x4 binned from the whole sensor.
func sensorModels() []sensorModel {
	return []sensorModel{
		{"ov5647", "V1", 2592, 1944, []SensorMode{
			{Number: 1, Width: 1920, Height: 1080, MinRate: 1, Above: true, MaxRate: 30,
				AreaWidth: 1920, AreaHeight: 1080},
			{Number: 2, Width: 2592, Height: 1944, MinRate: 1, Above: true, MaxRate: 15,
				AreaWidth: 2592, AreaHeight: 1944},
			{Number: 3, Width: 2592, Height: 1944, MinRate: 1. / 6, MaxRate: 1,
				AreaWidth: 2592, AreaHeight: 1944},
			{Number: 4, Width: 1296, Height: 972, MinRate: 1, Above: true, MaxRate: 42,
				AreaWidth: 2592, AreaHeight: 1944, Binning: "2x2"},
			{Number: 5, Width: 1296, Height: 730, MinRate: 1, Above: true, MaxRate: 49,
				AreaWidth: 2592, AreaHeight: 1460, Binning: "2x2"},
			{Number: 6, Width: 640, Height: 480, MinRate: 42, Above: true, MaxRate: 60,
				AreaWidth: 2592, AreaHeight: 1944, Binning: "2x2"},
			{Number: 7, Width: 640, Height: 480, MinRate: 60, Above: true, MaxRate: 90,
				AreaWidth: 2592, AreaHeight: 1944, Binning: "2x2"},
		}},
		{"imx219", "V2", 3280, 2464, []SensorMode{
			{Number: 1, Width: 1920, Height: 1080, MinRate: 0.1, MaxRate: 30,
				AreaWidth: 1920, AreaHeight: 1080},
			{Number: 2, Width: 3280, Height: 2464, MinRate: 0.1, MaxRate: 15,
				AreaWidth: 3280, AreaHeight: 2464},
			{Number: 3, Width: 3280, Height: 2464, MinRate: 0.1, MaxRate: 15,
				AreaWidth: 3280, AreaHeight: 2464},
			{Number: 4, Width: 1640, Height: 1232, MinRate: 0.1, MaxRate: 40,
				AreaWidth: 3280, AreaHeight: 2464, Binning: "2x2"},
			{Number: 5, Width: 1640, Height: 922, MinRate: 0.1, MaxRate: 40,
				AreaWidth: 3280, AreaHeight: 1844, Binning: "2x2"},
			{Number: 6, Width: 1280, Height: 720, MinRate: 40, Above: true, MaxRate: 90,
				AreaWidth: 2560, AreaHeight: 1440, Binning: "2x2"},
			{Number: 7, Width: 640, Height: 480, MinRate: 40, Above: true, MaxRate: 90, LockedRate: 200,
				AreaWidth: 1280, AreaHeight: 960, Binning: "2x2"},
		}},
		{"imx477", "HQ", 4056, 3040, []SensorMode{
			{Number: 1, Width: 2028, Height: 1080, MinRate: 0.1, MaxRate: 50,
				AreaWidth: 4056, AreaHeight: 2160, Binning: "2x2"},
			{Number: 2, Width: 2028, Height: 1520, MinRate: 0.1, MaxRate: 50,
				AreaWidth: 4056, AreaHeight: 3040, Binning: "2x2"},
			{Number: 3, Width: 4056, Height: 3040, MinRate: 0.005, MaxRate: 10,
				AreaWidth: 4056, AreaHeight: 3040},
			{Number: 4, Width: 1332, Height: 990, MinRate: 50.1, MaxRate: 120,
				AreaWidth: 2664, AreaHeight: 1980, Binning: "2x2"},
		}},
	}
}

// SensorPlan says how a sensor is read out for a Config.
type SensorPlan struct {
	// Sensor is the firmware's name in lower case, Module that of the camera module: V1, V2 or HQ.
	Sensor, Module string
	// Mode is zero if there is none that does what is asked for. It is a guess unless Config.SensorMode names it.
	Mode SensorMode
	// Text is Mode in words; "" if there is none.
	Text string
	// Errors are what the sensor does not do, Warnings what is possible but seldom meant.
	Errors, Warnings []string
}

// PlanSensor works out how the sensor that the firmware calls name is read out for cfg. ok is false if nothing is known
// of such a sensor.
//
// How the firmware chooses a mode is not documented in full. Known is that it wants the frame rate inside the mode's
// range, would rather shrink a picture than enlarge it, and likes the same shape; of modes that are equal in that, the
// one nearest in size is taken here. The result is called likely for that reason.
func PlanSensor(name string, cfg Config) (p SensorPlan, ok bool) {
	models := sensorModels()
	i := slices.IndexFunc(models, func(m sensorModel) bool { return strings.EqualFold(m.name, name) })
	if i < 0 {
		return SensorPlan{}, false
	}
	return models[i].plan(cfg), true
}

func (m sensorModel) plan(cfg Config) SensorPlan {
	p := SensorPlan{Sensor: m.name, Module: m.module}
	fail := func(format string, args ...any) SensorPlan {
		p.Errors = append(p.Errors, fmt.Sprintf(format, args...))
		return p
	}
	if cfg.Width > m.width || cfg.Height > m.height {
		return fail("camera.resolution: %dx%d is more than the %dx%d of the %s",
			cfg.Width, cfg.Height, m.width, m.height, m.name)
	}
	if cfg.SensorMode > len(m.modes) {
		return fail("camera.sensor_mode: the %s has the modes 1 to %d, not %d; 0 lets the firmware choose",
			m.name, len(m.modes), cfg.SensorMode)
	}
	if cfg.SensorMode > 0 {
		p.Mode = m.modes[cfg.SensorMode-1]
	} else {
		p.Mode = m.choose(cfg)
	}
	// The exposure may change while the camera runs, and be kept: a start does not fail for it.
	if top := max(p.Mode.MaxRate, p.Mode.LockedRate); cfg.FrameRate > top {
		p.Mode = SensorMode{}
		if cfg.SensorMode == 0 {
			return fail("camera.framerate: the sensor does not do %.4g frames/s at %dx%d: no mode of the %s goes beyond %.4g",
				cfg.FrameRate, cfg.Width, cfg.Height, m.name, top)
		}
		return fail("camera.framerate: mode %d of the %s ends at %.4g frames/s, not %.4g: lower it, or let sensor_mode: 0 choose",
			cfg.SensorMode, m.name, top, cfg.FrameRate)
	}
	p.Text = m.describe(p.Mode, cfg)
	p.Warnings = p.Mode.unusual(cfg)
	return p
}

// choose is the mode that the firmware likely takes. If none reaches the frame rate, it is the fastest one.
func (m sensorModel) choose(cfg Config) SensorMode {
	penalty := func(wrong bool) int {
		if wrong {
			return 1
		}
		return 0
	}
	return slices.MinFunc(m.modes, func(a, b SensorMode) int {
		size := func(mode SensorMode) int {
			d := mode.Width*mode.Height - cfg.Width*cfg.Height
			return max(d, -d)
		}
		return cmp.Or(
			cmp.Compare(max(0, cfg.FrameRate-a.top(cfg)), max(0, cfg.FrameRate-b.top(cfg))),
			penalty(a.below(cfg.FrameRate))-penalty(b.below(cfg.FrameRate)),
			penalty(a.enlarged(cfg))-penalty(b.enlarged(cfg)),
			cmp.Compare(a.shape(cfg), b.shape(cfg)),
			cmp.Compare(size(a), size(b)),
			cmp.Compare(a.Number, b.Number))
	})
}

// top is the highest frame rate of the mode.
func (mode SensorMode) top(cfg Config) float64 {
	if cfg.Controls.ExposureMode == "off" {
		return max(mode.MaxRate, mode.LockedRate)
	}
	return mode.MaxRate
}

// below says that a frame rate is lower than the mode's range.
func (mode SensorMode) below(rate float64) bool {
	return rate < mode.MinRate || mode.Above && rate == mode.MinRate
}

// enlarged says that the mode has fewer pixels than the camera is to deliver.
func (mode SensorMode) enlarged(cfg Config) bool {
	return mode.Width < cfg.Width || mode.Height < cfg.Height
}

// shape is how far the mode's aspect ratio is from the camera's, in steps of 2 %, less than which nobody sees.
func (mode SensorMode) shape(cfg Config) int {
	ratio := float64(mode.Width) * float64(cfg.Height) / (float64(mode.Height) * float64(cfg.Width))
	return int(math.Abs(math.Log(ratio)) / math.Log(1.02))
}

// describe says in words what the mode means for cfg.
func (m sensorModel) describe(mode SensorMode, cfg Config) string {
	likely, binning := "", "not binned"
	if cfg.SensorMode == 0 {
		likely = "likely "
	}
	if mode.Binning != "" {
		binning = mode.Binning + " binned"
	}
	above := ""
	if mode.Above {
		above = "above "
	}
	return fmt.Sprintf("%smode %d, %dx%d: sees %s, %s, %s%.4g to %.4g frames/s",
		likely, mode.Number, mode.Width, mode.Height, m.view(mode, cfg.Controls.Zoom), binning,
		above, mode.MinRate, mode.top(cfg))
}

// view is the field of view in words. Zoom takes a part of what the mode sees; all zeroes is no zoom.
func (m sensorModel) view(mode SensorMode, zoom [4]float64) string {
	w := 100 * float64(mode.AreaWidth) / float64(m.width)
	h := 100 * float64(mode.AreaHeight) / float64(m.height)
	zoomed := ""
	if zoom[2] > 0 && zoom[3] > 0 && (zoom[2] < 1 || zoom[3] < 1) {
		w, h, zoomed = w*zoom[2], h*zoom[3], " after zoom"
	}
	const whole = 99.5
	switch {
	case w >= whole && h >= whole:
		return "the whole sensor"
	case w >= whole:
		return fmt.Sprintf("the whole width and %.0f %% of the height%s", h, zoomed)
	case h >= whole:
		return fmt.Sprintf("%.0f %% of the width and the whole height%s", w, zoomed)
	}
	return fmt.Sprintf("%.0f %% of the width and %.0f %% of the height%s", w, h, zoomed)
}

// unusual is what works and is seldom meant.
func (mode SensorMode) unusual(cfg Config) []string {
	var out []string
	warn := func(format string, args ...any) {
		out = append(out, fmt.Sprintf("mode %d: ", mode.Number)+fmt.Sprintf(format, args...))
	}
	if mode.below(cfg.FrameRate) {
		warn("%.4g frames/s is below its range, which begins at %.4g", cfg.FrameRate, mode.MinRate)
	}
	if cfg.FrameRate > mode.top(cfg) {
		warn("beyond %.4g frames/s it needs exposure_mode: off", mode.MaxRate)
	}
	if mode.enlarged(cfg) {
		warn("its %dx%d pixels are enlarged to %dx%d", mode.Width, mode.Height, cfg.Width, cfg.Height)
	}
	if mode.shape(cfg) > 0 {
		warn("%dx%d has another shape than its %dx%d: the picture is likely cut at two sides",
			cfg.Width, cfg.Height, mode.Width, mode.Height)
	}
	return out
}

// rows are the lines of a table that has the sensor's name in front.
func (p SensorPlan) rows() string {
	var b strings.Builder
	name := fmt.Sprintf("%s (%s)", p.Sensor, p.Module)
	if p.Text != "" {
		fmt.Fprintf(&b, "%-12s %s\n", name, p.Text)
	}
	for _, e := range p.Errors {
		fmt.Fprintf(&b, "%-12s not possible: %s\n", name, e)
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(&b, "%-12s unusual: %s\n", name, w)
	}
	return b.String()
}

// cameraModel is how a picture tells what it was taken with, by the firmware's name of the sensor: "" if that is unknown.
func cameraModel(sensor string) string {
	for _, m := range sensorModels() {
		if strings.EqualFold(m.name, sensor) {
			return fmt.Sprintf("Camera Module %s (%s)", m.module, m.name)
		}
	}
	return sensor
}
