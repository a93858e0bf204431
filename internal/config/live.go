package config

import (
	"math"
	"strings"
	"time"
)

// Control describes a key of the camera section that can change while the camera runs.
type Control struct {
	Key     string   // as brightness, or annotate.size for one of the section annotate
	Kind    Kind     // what its value is
	Min     float64  // of a number, and of each number of a list
	Max     float64  // the same; the most bytes of a text
	Length  int      // of a list
	Choices []string // of a choice
	Default any      // as in [Camera.Live]
}

// Kind says what the value of a control is.
type Kind string

// The kinds.
const (
	IntegerKind  Kind = "integer"
	GainKind     Kind = "gain" // a number from 1 to Max; or 0: automatic
	BooleanKind  Kind = "boolean"
	ChoiceKind   Kind = "choice"
	RotationKind Kind = "rotation" // 0, 90, 180 or 270
	TextKind     Kind = "text"
	ColorKind    Kind = "color"    // text, as #ff8000; or empty: the firmware's own
	DecimalsKind Kind = "decimals" // a list of Length numbers
	IntegersKind Kind = "integers" // a list of Length whole numbers
	PairKind     Kind = "pair"     // a list of two whole numbers, or null
)

// Controls describes all live keys, in the order of the reference. The limits are those at this camera's frame rate.
func (c Camera) Controls() []Control {
	var all []Control
	def := defaultCamera()
	for _, k := range liveKeys() {
		k.Default = k.value(&def)
		if k.Key == "shutter_speed" {
			k.Max = min(k.Max, framePeriod(c))
		}
		all = append(all, k.Control)
	}
	return all
}

// Live returns the values of all live keys by their names as a JSON or YAML file has them: int, float64, bool, string,
// lists of numbers, nil, and for annotate a map of its own.
func (c Camera) Live() map[string]any {
	state := make(map[string]any)
	for _, k := range liveKeys() {
		section, key, nested := strings.Cut(k.Key, ".")
		if !nested {
			state[k.Key] = k.value(&c)
			continue
		}
		if state[section] == nil {
			state[section] = make(map[string]any)
		}
		state[section].(map[string]any)[key] = k.value(&c)
	}
	return state
}

// WithLive returns c with the live values of another.
func (c Camera) WithLive(other Camera) Camera {
	other.Number, other.Width, other.Height = c.Number, c.Width, c.Height
	other.FrameRate, other.SensorMode = c.FrameRate, c.SensorMode
	return other
}

// framePeriod is the time of a frame, in microseconds, rounded up.
func framePeriod(c Camera) float64 { return math.Ceil(1e6 / c.FrameRate) }

// liveKey is a control with its place in a Camera.
type liveKey struct {
	Control
	read  func(*decoder, *Camera) reader
	value func(*Camera) any
}

// liveKeys is the one list of live keys: the file, changes while the camera runs and what is saved all follow it.
func liveKeys() []liveKey {
	return []liveKey{
		{
			Control: Control{Key: "rotation", Kind: RotationKind},
			read:    func(d *decoder, c *Camera) reader { return d.rotation(&c.Rotation) },
			value:   func(c *Camera) any { return c.Rotation },
		},
		booleanKey("hflip", func(c *Camera) *bool { return &c.HFlip }),
		booleanKey("vflip", func(c *Camera) *bool { return &c.VFlip }),
		{
			Control: Control{Key: "zoom", Kind: DecimalsKind, Min: 0, Max: 1, Length: 4},
			read:    func(d *decoder, c *Camera) reader { return d.zoom(&c.Zoom) },
			value:   func(c *Camera) any { return c.Zoom[:] },
		},
		integerKey("brightness", 0, 100, func(c *Camera) *int { return &c.Brightness }),
		integerKey("contrast", -100, 100, func(c *Camera) *int { return &c.Contrast }),
		integerKey("saturation", -100, 100, func(c *Camera) *int { return &c.Saturation }),
		integerKey("sharpness", -100, 100, func(c *Camera) *int { return &c.Sharpness }),
		integerKey("iso", 0, 1600, func(c *Camera) *int { return &c.ISO }),
		{
			Control: Control{Key: "shutter_speed", Kind: IntegerKind, Min: 0, Max: maxShutterMicroseconds},
			read:    func(d *decoder, c *Camera) reader { return d.microseconds(&c.ShutterSpeed, maxShutterMicroseconds) },
			value:   func(c *Camera) any { return int(c.ShutterSpeed / time.Microsecond) },
		},
		choiceKey("exposure_mode", func(c *Camera) *string { return &c.ExposureMode }, "off", "auto", "night", "nightpreview",
			"backlight", "spotlight", "sports", "snow", "beach", "verylong", "fixedfps", "antishake", "fireworks"),
		integerKey("exposure_compensation", -25, 25, func(c *Camera) *int { return &c.ExposureCompensation }),
		gainKey("analog_gain", 12, func(c *Camera) *float64 { return &c.AnalogGain }),
		gainKey("digital_gain", 64, func(c *Camera) *float64 { return &c.DigitalGain }),
		choiceKey("meter_mode", func(c *Camera) *string { return &c.MeterMode }, "average", "spot", "backlit", "matrix"),
		choiceKey("awb_mode", func(c *Camera) *string { return &c.AWBMode }, "off", "auto", "sunlight", "cloudy", "shade",
			"tungsten", "fluorescent", "incandescent", "flash", "horizon", "greyworld"),
		{
			Control: Control{Key: "awb_gains", Kind: DecimalsKind, Min: 0, Max: 8, Length: 2},
			read:    func(d *decoder, c *Camera) reader { return d.decimals(c.AWBGains[:], 0, 8, "[1.5, 1.2]") },
			value:   func(c *Camera) any { return c.AWBGains[:] },
		},
		choiceKey("drc_strength", func(c *Camera) *string { return &c.DRCStrength }, "off", "low", "medium", "high"),
		choiceKey("flicker_avoid", func(c *Camera) *string { return &c.FlickerAvoid }, "off", "auto", "50hz", "60hz"),
		booleanKey("video_stabilization", func(c *Camera) *bool { return &c.VideoStabilization }),
		booleanKey("video_denoise", func(c *Camera) *bool { return &c.VideoDenoise }),
		booleanKey("image_denoise", func(c *Camera) *bool { return &c.ImageDenoise }),
		choiceKey("image_effect", func(c *Camera) *string { return &c.ImageEffect }, "none", "negative", "solarize", "sketch",
			"denoise", "emboss", "oilpaint", "hatch", "gpen", "pastel", "watercolor", "film", "blur", "saturation", "colorswap",
			"washedout", "posterise", "colorpoint", "colorbalance", "cartoon", "deinterlace1", "deinterlace2"),
		{
			Control: Control{Key: "color_effects", Kind: PairKind, Min: 0, Max: 255, Length: 2},
			read:    func(d *decoder, c *Camera) reader { return d.colorEffects(&c.ColorEffects) },
			value: func(c *Camera) any {
				if c.ColorEffects == nil {
					return nil
				}
				return c.ColorEffects[:]
			},
		},
		{
			Control: Control{Key: "annotate.text", Kind: TextKind, Max: maxAnnotateText},
			read:    func(d *decoder, c *Camera) reader { return d.annotateText(&c.Annotate.Text) },
			value:   func(c *Camera) any { return c.Annotate.Text },
		},
		integerKey("annotate.size", 6, 160, func(c *Camera) *int { return &c.Annotate.Size }),
		colorKey("annotate.color", func(c *Camera) *string { return &c.Annotate.Color }),
		booleanKey("annotate.background", func(c *Camera) *bool { return &c.Annotate.Background }),
		colorKey("annotate.background_color", func(c *Camera) *string { return &c.Annotate.BackgroundColor }),
		choiceKey("annotate.align", func(c *Camera) *string { return &c.Annotate.Align }, "center", "left", "right"),
		{
			Control: Control{Key: "annotate.offset", Kind: IntegersKind, Min: 0, Max: maxCameraWidth, Length: 2},
			read:    func(d *decoder, c *Camera) reader { return d.offset(&c.Annotate.Offset) },
			value:   func(c *Camera) any { return c.Annotate.Offset[:] },
		},
		booleanKey("annotate.frame_num", func(c *Camera) *bool { return &c.Annotate.FrameNum }),
	}
}

func integerKey(key string, lo, hi int, place func(*Camera) *int) liveKey {
	return liveKey{
		Control: Control{Key: key, Kind: IntegerKind, Min: float64(lo), Max: float64(hi)},
		read:    func(d *decoder, c *Camera) reader { return d.integer(place(c), lo, hi) },
		value:   func(c *Camera) any { return *place(c) },
	}
}

// gainKey is a control whose value is 1 or more, or 0 for what the firmware likes.
func gainKey(key string, hi float64, place func(*Camera) *float64) liveKey {
	return liveKey{
		Control: Control{Key: key, Kind: GainKind, Min: 0, Max: hi},
		read:    func(d *decoder, c *Camera) reader { return d.gain(place(c), hi) },
		value:   func(c *Camera) any { return *place(c) },
	}
}

func booleanKey(key string, place func(*Camera) *bool) liveKey {
	return liveKey{
		Control: Control{Key: key, Kind: BooleanKind},
		read:    func(d *decoder, c *Camera) reader { return d.boolean(place(c)) },
		value:   func(c *Camera) any { return *place(c) },
	}
}

func choiceKey(key string, place func(*Camera) *string, choices ...string) liveKey {
	return liveKey{
		Control: Control{Key: key, Kind: ChoiceKind, Choices: choices},
		read:    func(d *decoder, c *Camera) reader { return d.oneOf(place(c), choices...) },
		value:   func(c *Camera) any { return *place(c) },
	}
}

func colorKey(key string, place func(*Camera) *string) liveKey {
	return liveKey{
		Control: Control{Key: key, Kind: ColorKind},
		read:    func(d *decoder, c *Camera) reader { return d.color(place(c)) },
		value:   func(c *Camera) any { return *place(c) },
	}
}

// liveTable has the readers of the live keys of c.
func (d *decoder) liveTable(c *Camera) table {
	readers, sections := table{}, map[string]table{}
	for _, k := range liveKeys() {
		section, key, nested := strings.Cut(k.Key, ".")
		if !nested {
			readers[k.Key] = k.read(d, c)
			continue
		}
		if sections[section] == nil {
			inner := table{}
			sections[section] = inner
			readers[section] = func(path string, n *node) { d.mapping(path, n, inner) }
		}
		sections[section][key] = k.read(d, c)
	}
	return readers
}
