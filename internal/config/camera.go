package config

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/camkrazy/camkrazy/internal/strftime"
)

const (
	maxCameraWidth, maxCameraHeight = 4056, 3040 // the IMX477, the largest sensor that the firmware drives
	minFrameRate, maxFrameRate      = 0.1, 200

	// maxShutterMicroseconds is the IMX477's longest exposure (raspicam documentation), 200 s.
	maxShutterMicroseconds = 200_000_000

	maxAnnotateText = 255 // MMAL_CAMERA_ANNOTATE_MAX_TEXT_LEN_V3 without its NUL
)

func defaultCamera() Camera {
	return Camera{
		Width: 1640, Height: 1232,
		FrameRate:    30,
		Zoom:         [4]float64{0, 0, 1, 1},
		Brightness:   50,
		ExposureMode: "auto",
		MeterMode:    "average",
		AWBMode:      "auto",
		DRCStrength:  "off",
		FlickerAvoid: "off",
		VideoDenoise: true,
		ImageDenoise: true,
		ImageEffect:  "none",
		Annotate:     Annotate{Size: 32, Align: "center"},
	}
}

func (d *decoder) camera(key string, n *node, c *Camera) {
	readers := table{
		"number":      d.integer(&c.Number, 0, 1),
		"resolution":  d.size(&c.Width, &c.Height, maxCameraWidth, maxCameraHeight),
		"framerate":   d.decimal(&c.FrameRate, minFrameRate, maxFrameRate),
		"sensor_mode": d.integer(&c.SensorMode, 0, 7),
	}
	maps.Copy(readers, d.liveTable(c))
	d.mapping(key, n, readers)
	d.checkShutter(key, *c)
	d.checkGains(key, *c)
}

func (d *decoder) rotation(to *int) reader {
	return func(key string, n *node) {
		if !d.number(key, n, "0, 90, 180 or 270") {
			return
		}
		v, err := strconv.Atoi(n.text)
		if err != nil || !slices.Contains([]int{0, 90, 180, 270}, v) {
			d.fail(n.line, key, "%s is not one of 0, 90, 180, 270", show(n))
			return
		}
		*to = v
	}
}

func (d *decoder) microseconds(to *time.Duration, hi int) reader {
	return func(key string, n *node) {
		if v, ok := d.parseInteger(key, n, 0, hi); ok {
			*to = time.Duration(v) * time.Microsecond
		}
	}
}

func (d *decoder) gain(to *float64, hi float64) reader {
	return func(key string, n *node) {
		v, ok := d.parseDecimal(key, n, 0, hi)
		if ok && v > 0 && v < 1 {
			d.fail(n.line, key, "%s is out of range 1..%v, or 0", show(n), hi)
		} else if ok {
			*to = v
		}
	}
}

func (d *decoder) zoom(to *[4]float64) reader {
	// Fractions such as 0.1 and 0.9 are not exact in binary; the firmware's own steps are 1/65535.
	const tolerance = 1e-9
	return func(key string, n *node) {
		var z [4]float64
		d.decimals(z[:], 0, 1, "[0, 0, 1, 1]")(key, n)
		if d.bad[key] {
			return
		}
		x, y, w, h := z[0], z[1], z[2], z[3]
		switch {
		case w == 0 || h == 0:
			d.fail(n.line, key, "width and height, the last two, must be above 0")
		case x+w > 1+tolerance:
			d.fail(n.line, key, "x + width is %v; it must be at most 1", roundTo(x+w, 6))
		case y+h > 1+tolerance:
			d.fail(n.line, key, "y + height is %v; it must be at most 1", roundTo(y+h, 6))
		default:
			*to = z
		}
	}
}

// roundTo is for messages: 1.05, not 1.0499999999999998.
func roundTo(v float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(v*scale) / scale
}

func (d *decoder) colorEffects(to **[2]int) reader {
	return func(key string, n *node) {
		if n.kind == null || n.kind == scalar && n.text == "none" {
			*to = nil
			return
		}
		if !d.items(key, n, 2, "[128, 128] or none") {
			return
		}
		u, okU := d.parseInteger(key+"[0]", n.items[0], 0, 255)
		v, okV := d.parseInteger(key+"[1]", n.items[1], 0, 255)
		if okU && okV {
			*to = &[2]int{u, v}
		}
	}
}

// color reads a colour of red, green and blue, or "" for none.
func (d *decoder) color(to *string) reader {
	pattern := regexp.MustCompile(`^(#[0-9A-Fa-f]{6})?$`)
	return func(key string, n *node) {
		const what = `a colour like "#ff8000", in quotes`
		if !d.scalar(key, n, what) {
			return
		}
		if !pattern.MatchString(n.text) {
			d.fail(n.line, key, "%s is not a colour; write %s", show(n), what)
			return
		}
		*to = strings.ToLower(n.text)
	}
}

func (d *decoder) offset(to *[2]int) reader {
	return func(key string, n *node) {
		if !d.items(key, n, 2, "[0, 0]") {
			return
		}
		x, okX := d.parseInteger(key+"[0]", n.items[0], 0, maxCameraWidth)
		y, okY := d.parseInteger(key+"[1]", n.items[1], 0, maxCameraWidth)
		if okX && okY {
			*to = [2]int{x, y}
		}
	}
}

func (d *decoder) annotateText(to *string) reader {
	return func(key string, n *node) {
		text, ok := d.parseText(key, n)
		if !ok {
			return
		}
		if len(text) > maxAnnotateText {
			d.fail(n.line, key, "has %d bytes; the firmware takes at most %d", len(text), maxAnnotateText)
			return
		}
		if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }); i >= 0 {
			d.fail(n.line, key, "has the character %+q, which the firmware cannot draw; use ASCII", []rune(text[i:])[0])
			return
		}
		if err := strftime.Check(text); err != nil {
			d.fail(n.line, key, "%v", err)
			return
		}
		*to = text
	}
}

// checkShutter refuses an exposure that is longer than a frame: the firmware would shorten it without a word.
func (d *decoder) checkShutter(key string, c Camera) {
	frame := framePeriod(c)
	fps := join(key, "framerate")
	key = join(key, "shutter_speed")
	if d.bad[key] || d.bad[fps] || float64(c.ShutterSpeed.Microseconds()) <= frame {
		return
	}
	d.failKey(key, "%d is longer than a frame, which has %.0f microseconds at camera.framerate %s; lower one of them",
		c.ShutterSpeed.Microseconds(), frame, rate(c.FrameRate))
}

// checkGains holds awb_gains to the one mode that uses them; white balance that is off shows nothing useful without.
func (d *decoder) checkGains(key string, c Camera) {
	gains, mode := join(key, "awb_gains"), join(key, "awb_mode")
	if d.bad[gains] || d.bad[mode] {
		return
	}
	switch set := c.AWBGains != [2]float64{}; {
	case set && c.AWBMode != "off":
		d.failKey(gains, "is only used with awb_mode: off, but awb_mode is %s; change one of them", c.AWBMode)
	case c.AWBMode == "off" && !set && d.written(mode):
		d.failKey(mode, "off needs awb_gains: [red, blue], for example awb_gains: [1.5, 1.2]")
	case c.AWBMode == "off" && (c.AWBGains[0] == 0 || c.AWBGains[1] == 0):
		d.failKey(gains, "both gains must be above 0")
	}
}

// rate prints a frame rate as a person would write it.
func rate(v float64) string {
	return fmt.Sprint(roundTo(v, 4))
}
