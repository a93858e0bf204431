package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/camkrazy/camkrazy/internal/config"
)

func TestPatch(t *testing.T) {
	tests := []struct {
		patch string
		want  func(*config.Camera)
	}{
		{`{}`, func(*config.Camera) {}},
		{` { "brightness" : 60 , "hflip" : true } `, func(c *config.Camera) { c.Brightness, c.HFlip = 60, true }},
		{`{"contrast": 1e1, "saturation": -2.5e1}`, func(c *config.Camera) { c.Contrast, c.Saturation = 10, -25 }},
		{`{"brightness": 60.0, "rotation": 90.0, "iso": 1.6e3}`, func(c *config.Camera) { c.Brightness, c.Rotation, c.ISO = 60, 90, 1600 }},
		{`{"zoom": [0.25, 1e-7, 0.5, 0.75]}`, func(c *config.Camera) { c.Zoom = [4]float64{0.25, 1e-7, 0.5, 0.75} }},
		{`{"shutter_speed": 33334}`, func(c *config.Camera) { c.ShutterSpeed = 33334 * time.Microsecond }},
		{`{"color_effects": [0, 255]}`, func(c *config.Camera) { c.ColorEffects = &[2]int{0, 255} }},
		{`{"color_effects": null}`, func(*config.Camera) {}},
		{`{"color_effects": "none"}`, func(*config.Camera) {}},
		{`{"annotate": {"text": "100%% \u0041\n", "color": "#FF00AA"}}`, func(c *config.Camera) {
			c.Annotate.Text, c.Annotate.Color = "100%% A\n", "#ff00aa"
		}},
		{`{"annotate": {"offset": [1, 2]}, "annotate": {}}`, nil},
		{`{"awb_mode": "off", "awb_gains": [1.5, 2]}`, func(c *config.Camera) { c.AWBMode, c.AWBGains = "off", [2]float64{1.5, 2} }},
	}
	for _, tt := range tests {
		got, err := config.Default().Camera.Patch([]byte(tt.patch))
		if tt.want == nil {
			if err == nil {
				t.Errorf("%s: no error", tt.patch)
			}
			continue
		}
		want := config.Default().Camera
		tt.want(&want)
		if err != nil {
			t.Errorf("%s: %v", tt.patch, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.patch, diff)
		}
	}
}

// TestPatchWhiteBalance has gains go with the mode that uses them.
func TestPatchWhiteBalance(t *testing.T) {
	c, err := config.Default().Camera.Patch([]byte(`{"awb_mode": "off", "awb_gains": [1.5, 2]}`))
	if err != nil {
		t.Fatal(err)
	}
	if c, err = c.Patch([]byte(`{"awb_gains": [1, 1]}`)); err != nil || c.AWBGains != [2]float64{1, 1} {
		t.Errorf("gains are %v, %v", c.AWBGains, err)
	}
	if c, err = c.Patch([]byte(`{"awb_mode": "greyworld"}`)); err != nil || c.AWBGains != [2]float64{} {
		t.Errorf("gains are %v, %v", c.AWBGains, err)
	}
}

// TestPatchMistakes holds the errors to the keys of the object, and to the words of the file's errors.
func TestPatchMistakes(t *testing.T) {
	tests := []struct{ patch, want string }{
		{`{"brightness": 101, "sharpness": "5", "hflip": "true"}`, `
brightness: 101 is out of range 0..100
sharpness: "5" is text; write the number without quotes
hflip: "true" is not a boolean; write true`},
		{`{"brightness": null, "annotate": null}`, `
annotate: has no value; write {"text": ""} for no text, or remove the key
brightness: has no value; write a whole number in 0..100, or remove the key`},
		{`{"rotation": 45, "zoom": [0, 0, 2, 1], "iso": 1.5}`, `
rotation: 45 is not one of 0, 90, 180, 270
zoom[2]: 2 is out of range 0..1
iso: 1.5 is not a whole number; write a whole number in 0..1600`},
		{`{"awb_mode": "greywrld", "image_effect": 3}`, `
awb_mode: "greywrld" is not one of off, auto, sunlight, cloudy, shade, tungsten, fluorescent, incandescent, flash, horizon, greyworld; did you mean greyworld?
image_effect: 3 is not one of none, negative, solarize, sketch, denoise, emboss, oilpaint, hatch, gpen, pastel, watercolor, film, blur, saturation, colorswap, washedout, posterise, colorpoint, colorbalance, cartoon, deinterlace1, deinterlace2`},
		{`{"annotate": {"size": 5, "color": "red", "offset": [1], "text": "é"}, "annotate": 3}`, `
annotate: is already set in line 1; keep one of them
annotate.size: 5 is out of range 6..160
annotate.color: "red" is not a colour; write a colour like "#ff8000", in quotes
annotate.offset: has 1 elements instead of 2; write it like [0, 0]
annotate.text: has the character '\u00e9', which the firmware cannot draw; use ASCII`},
		{`{"framerate": 25, "resolution": "640x480", "number": 0, "sensor_mode": 4}`, `
framerate: cannot change while the camera runs; change it in camera.yaml and start again
resolution: cannot change while the camera runs; change it in camera.yaml and start again
number: cannot change while the camera runs; change it in camera.yaml and start again
sensor_mode: cannot change while the camera runs; change it in camera.yaml and start again`},
		{`{"britness": 50}`, `
britness: unknown key; did you mean brightness?`},
		{`{"picture": 1, "number": 1}`, `
number: cannot change while the camera runs; change it in camera.yaml and start again
picture: unknown key; known here: analog_gain, annotate, awb_gains, awb_mode, brightness, color_effects, contrast, digital_gain, drc_strength, exposure_compensation, exposure_mode, flicker_avoid, hflip, image_denoise, image_effect, iso, meter_mode, rotation, saturation, sharpness, shutter_speed, vflip, video_denoise, video_stabilization, zoom`},
		{`{"shutter_speed": 40000}`, `
shutter_speed: 40000 is longer than a frame, which has 33334 microseconds at camera.framerate 30; lower one of them`},
		{`{"awb_mode": "off"}`, `
awb_mode: off needs awb_gains: [red, blue], for example awb_gains: [1.5, 1.2]`},
		{`{"awb_gains": [1, 1]}`, `
awb_gains: is only used with awb_mode: off, but awb_mode is auto; change one of them`},
		{`{"contrast": 1e300, "saturation": 1e999}`, `
contrast: 1000000000000000000000000000000000000000… is out of range -100..100
saturation: "1e999" is not a number; write a whole number in -100..100 in plain decimal digits`},
	}
	for _, tt := range tests {
		_, err := config.Default().Camera.Patch([]byte(tt.patch))
		errs, ok := errors.AsType[config.Errors](err)
		if !ok {
			t.Errorf("%s: got %v", tt.patch, err)
			continue
		}
		var lines []string
		for _, e := range errs {
			lines = append(lines, e.Key+": "+e.Problem)
		}
		if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), strings.Join(lines, "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.patch, diff)
		}
	}
}

func TestPatchNoObject(t *testing.T) {
	for _, patch := range []string{"", "null", "[]", "3", `"x"`, "{", `{"a":1}}`, `{"a":1} {}`, `{a:1}`, `{"a":1,}`, "{\"a\":\"\xff\"}", "brightness: 60"} {
		if _, err := config.Default().Camera.Patch([]byte(patch)); !errors.Is(err, config.ErrNotObject) {
			t.Errorf("%q: got %v", patch, err)
		}
	}
}

// TestLive holds that the live state is a patch that makes itself, and that no control is missing from either.
func TestLive(t *testing.T) {
	c := load(t, "doorbell.yaml").Camera
	state, err := json.Marshal(c.Live())
	if err != nil {
		t.Fatal(err)
	}
	_, err = config.Default().Camera.Patch(state)
	if err == nil || !strings.Contains(err.Error(), "shutter_speed") {
		t.Errorf("80 ms at 30 frames/s: got %v", err)
	}
	base := config.Default().Camera
	base.Number, base.Width, base.Height, base.FrameRate, base.SensorMode = c.Number, c.Width, c.Height, c.FrameRate, c.SensorMode
	got, err := base.Patch(state)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, control := range c.Controls() {
		if !strings.Contains(string(config.Reference()), control.Key[strings.LastIndexByte(control.Key, '.')+1:]+":") {
			t.Errorf("the reference does not have %s", control.Key)
		}
	}
}

// TestControlLimits holds the descriptions to what Patch takes: the limits are taken, and what lies outside is not.
func TestControlLimits(t *testing.T) {
	def := config.Default().Camera
	patch := func(key string, v any) error {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		object := fmt.Sprintf(`{"%s": %s}`, key, text)
		if section, inner, nested := strings.Cut(key, "."); nested {
			object = fmt.Sprintf(`{"%s": {"%s": %s}}`, section, inner, text)
		}
		_, err = def.Patch([]byte(object))
		return err
	}
	for _, c := range def.Controls() {
		if err := patch(c.Key, c.Default); err != nil {
			t.Errorf("%s: the default is refused: %v", c.Key, err)
		}
		switch c.Kind {
		case config.IntegerKind:
			if patch(c.Key, c.Min) != nil || patch(c.Key, c.Max) != nil || patch(c.Key, c.Min-1) == nil || patch(c.Key, c.Max+1) == nil {
				t.Errorf("%s is not %v..%v", c.Key, c.Min, c.Max)
			}
		case config.ChoiceKind:
			for _, choice := range c.Choices {
				if err := patch(c.Key, choice); err != nil && choice != "off" {
					t.Errorf("%s: %v", c.Key, err)
				}
			}
			if patch(c.Key, "moonlight") == nil {
				t.Errorf("%s takes anything", c.Key)
			}
		case config.TextKind:
			if patch(c.Key, strings.Repeat("x", int(c.Max))) != nil || patch(c.Key, strings.Repeat("x", int(c.Max)+1)) == nil {
				t.Errorf("%s does not take %v bytes at most", c.Key, c.Max)
			}
		case config.BooleanKind:
			if patch(c.Key, true) != nil || patch(c.Key, 1) == nil {
				t.Errorf("%s is no boolean", c.Key)
			}
		}
	}
}

func FuzzPatch(f *testing.F) {
	state, err := json.Marshal(config.Default().Camera.Live())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(state)
	f.Add([]byte(`{"awb_mode": "off", "awb_gains": [1.5, 2], "zoom": [0, 1e-1, 1, 0.75]}`))
	f.Add([]byte(`{"annotate": {"text": "\u0041%H", "offset": [1, 2]}, "color_effects": null}`))
	f.Add([]byte(`[[[[[[{"a": 1}]]]]]]`))
	f.Fuzz(func(t *testing.T, object []byte) {
		base := config.Default().Camera
		c, err := base.Patch(object)
		_, mistakes := errors.AsType[config.Errors](err)
		if err != nil && !mistakes && !errors.Is(err, config.ErrNotObject) {
			t.Fatalf("got %v", err)
		}
		if err != nil {
			return
		}
		checkCamera(t, c)
		state, err := json.Marshal(c.Live())
		if err != nil {
			t.Fatal(err)
		}
		if again, err := base.Patch(state); err != nil || !cmp.Equal(again, c) {
			t.Errorf("the state is no patch that makes itself: %v\n%s", err, cmp.Diff(c, again))
		}
		for _, file := range []string{"", string(config.Reference()), "camera: {annotate: {text: old},\n zoom: [0, 0, 1,\n 1]}\n"} {
			text, err := config.Rewrite([]byte(file), c)
			if err != nil {
				t.Fatalf("rewrite: %v", err)
			}
			if got := parse(t, string(text)); !cmp.Equal(got.Camera, c) {
				t.Errorf("rewritten:\n%s\n%s", text, cmp.Diff(c, got.Camera))
			}
		}
	})
}
