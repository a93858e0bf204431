package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/config"
	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu"
	"github.com/camkrazy/camkrazy/internal/webd"
)

// controlRig is everything between a PATCH and an emulated VideoCore, in a synctest bubble.
type controlRig struct {
	settings *settings
	wire     wire
	log      bytes.Buffer
	stop     func()
	vc       *vcemu.VideoCore

	mu    sync.Mutex
	times []time.Duration // of the pictures of hqstream
}

func startControls(t *testing.T, h headers) *controlRig {
	t.Helper()
	cfg, err := config.Parse(strings.NewReader("camera: {resolution: 128x96}\nsnapshot: {interval: 0}\n"))
	if err != nil {
		t.Fatal(err)
	}
	vc, err := vcemu.New(vcemu.Config{})
	if err != nil {
		t.Fatal(err)
	}
	r := &controlRig{vc: vc, wire: wire{headers: h, mu: new(sync.Mutex), set: new([][]byte)}}
	cc := cameraConfig(cfg)
	for i, s := range cc.Streams {
		cc.Streams[i].Sink = func(au camera.AccessUnit) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if s.Name == "hqstream" {
				r.times = append(r.times, au.PTS)
			}
		}
	}
	cam, err := camera.New(cc, func(ctx context.Context) (mmal.Transport, error) {
		w := r.wire
		w.Transport, err = vc.Dial(ctx)
		return w, err
	}, slog.New(slog.NewTextHandler(&r.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	vcContext, vcCancel := context.WithCancel(t.Context())
	var parts sync.WaitGroup
	parts.Go(func() { vc.Run(vcContext) })
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := cam.Run(ctx); err != nil {
			t.Errorf("camera ended with %v", err)
		}
	})
	r.settings = newSettings(cfg.Camera, "", cam.SetControls)
	r.stop = func() { cancel(); ended.Wait(); vcCancel(); parts.Wait() }
	time.Sleep(time.Second)
	return r
}

// arrived returns what was set since the last call.
func (r *controlRig) arrived() [][]byte {
	r.wire.mu.Lock()
	defer r.wire.mu.Unlock()
	all := *r.wire.set
	*r.wire.set = nil
	return all
}

// controlStep is a change and what it is to send.
type controlStep struct {
	patch string
	want  []golden
}

// controlCase is one control: what is sent at the start, which is its default, and then by its greatest and least values
// and its default. What is illegal is refused by the given key, and nothing is sent.
type controlCase struct {
	key     string
	start   []golden
	steps   []controlStep
	illegal string
	refused string // the key in the refusal; "" is key
}

func one(param, field string, value int) []golden {
	return []golden{{param: param, fields: map[string]any{field: value}}}
}

func on3Ports(param, field string, value int) []golden {
	g := one(param, field, value)
	g[0].times = 3
	return g
}

func hundredths(param string, n int) []golden {
	return []golden{{param: param, fields: map[string]any{"value.num": n, "value.den": 100}}}
}

func crop(x, y, w, h int) []golden {
	return []golden{{param: "INPUT_CROP", fields: map[string]any{"rect.x": x, "rect.y": y, "rect.width": w, "rect.height": h}}}
}

// word is a control with one field for its value, in the range lo..hi.
func wordCase(key, param, field string, lo, def, hi int) controlCase {
	c := controlCase{key: key, start: one(param, field, def), illegal: fmt.Sprintf(`{"%s": %d}`, key, hi+1)}
	for _, v := range []int{hi, lo, def} {
		step := controlStep{patch: fmt.Sprintf(`{"%s": %d}`, key, v)}
		if v != lo || lo != def || len(c.steps) < 2 {
			step.want = one(param, field, v)
		}
		c.steps = append(c.steps, step)
	}
	return c
}

func hundredthsCase(key, param string, lo, def, hi int) controlCase {
	c := controlCase{key: key, start: hundredths(param, def), illegal: fmt.Sprintf(`{"%s": %d}`, key, lo-1)}
	for _, v := range []int{hi, lo, def} {
		c.steps = append(c.steps, controlStep{fmt.Sprintf(`{"%s": %d}`, key, v), hundredths(param, v)})
	}
	return c
}

// gainCase is a gain up to hi. None is sent as long as it is automatic, which old firmware does anyway.
func gainCase(key, param string, hi int) controlCase {
	c := controlCase{key: key, illegal: fmt.Sprintf(`{"%s": 0.99}`, key)}
	for _, v := range []int{hi, 1, 0} {
		want := []golden{{param: param, fields: map[string]any{"value.num": v << 16, "value.den": 1 << 16}}}
		c.steps = append(c.steps, controlStep{fmt.Sprintf(`{"%s": %d}`, key, v), want})
	}
	return c
}

func boolCase(key, param string, def bool) controlCase {
	number := map[bool]int{true: 1}
	return controlCase{
		key: key, start: one(param, "enable", number[def]), illegal: fmt.Sprintf(`{"%s": 1}`, key),
		steps: []controlStep{
			{fmt.Sprintf(`{"%s": %v}`, key, !def), one(param, "enable", number[!def])},
			{fmt.Sprintf(`{"%s": %v}`, key, def), one(param, "enable", number[def])},
		},
	}
}

// choiceCase is a control whose choices are enumerators: prefix and the name in capitals, unless special names another.
func choiceCase(h headers, c config.Control, param, field, prefix string, special map[string]string) controlCase {
	number := func(choice string) int {
		name := prefix + strings.ToUpper(choice)
		if other := special[choice]; other != "" {
			name = prefix + other
		}
		n, known := h.Constants[name]
		if !known {
			return -1 // no test wants it
		}
		return int(n)
	}
	def := c.Default.(string)
	cc := controlCase{key: c.Key, start: one(param, field, number(def)), illegal: fmt.Sprintf(`{"%s": "moonlight"}`, c.Key)}
	for _, choice := range append(slices.Clone(c.Choices), def) {
		if choice == def && len(cc.steps) == 0 || c.Key == "awb_mode" && choice == "off" {
			continue // it is so already; or needs gains, which have a case of their own
		}
		cc.steps = append(cc.steps, controlStep{fmt.Sprintf(`{"%s": "%s"}`, c.Key, choice), one(param, field, number(choice))})
	}
	return cc
}

// annotation is ANNOTATE with a text and what else.
func annotation(fields map[string]any) []golden {
	all := map[string]any{"enable": 1, "text": "x", "text_size": 32}
	maps.Copy(all, fields)
	return []golden{{param: "ANNOTATE", fields: all}}
}

func annotateCases() []controlCase {
	longest := strings.Repeat("~", 255)
	show := controlStep{`{"annotate": {"text": "x"}}`, annotation(nil)}
	return []controlCase{
		{key: "annotate.text", steps: []controlStep{
			{`{"annotate": {"text": "` + longest + `"}}`, annotation(map[string]any{"text": longest})},
			{`{"annotate": {"text": ""}}`, []golden{{param: "ANNOTATE"}}},
		}, illegal: `{"annotate": {"text": "` + longest + `~"}}`},
		{key: "annotate.size", steps: []controlStep{
			show,
			{`{"annotate": {"size": 160}}`, annotation(map[string]any{"text_size": 160})},
			{`{"annotate": {"size": 6}}`, annotation(map[string]any{"text_size": 6})},
			{`{"annotate": {"size": 32}}`, annotation(nil)},
		}, illegal: `{"annotate": {"size": 161}}`},
		// The colours are those of ITU-R BT.601 for black, white and 75 % blue bars.
		{key: "annotate.color", steps: []controlStep{
			{`{"annotate": {"color": "#000000"}}`, annotation(map[string]any{"custom_text_colour": 1, "custom_text_Y": 16, "custom_text_U": 128, "custom_text_V": 128})},
			{`{"annotate": {"color": "#ffffff"}}`, annotation(map[string]any{"custom_text_colour": 1, "custom_text_Y": 235, "custom_text_U": 128, "custom_text_V": 128})},
			{`{"annotate": {"color": ""}}`, annotation(nil)},
		}, illegal: `{"annotate": {"color": "#fffffg"}}`},
		{key: "annotate.background", steps: []controlStep{
			{`{"annotate": {"background": true}}`, annotation(map[string]any{"enable_text_background": 1})},
			{`{"annotate": {"background": false}}`, annotation(nil)},
		}, illegal: `{"annotate": {"background": "yes"}}`},
		{key: "annotate.background_color", steps: []controlStep{
			{`{"annotate": {"background_color": "#0000bf"}}`, annotation(map[string]any{
				"custom_background_colour": 1, "custom_background_Y": 35, "custom_background_U": 212, "custom_background_V": 114})},
			{`{"annotate": {"background_color": ""}}`, annotation(nil)},
		}, illegal: `{"annotate": {"background_color": 0}}`},
		{key: "annotate.align", steps: []controlStep{
			{`{"annotate": {"align": "left"}}`, annotation(map[string]any{"justify": 1})},
			{`{"annotate": {"align": "right"}}`, annotation(map[string]any{"justify": 2})},
			{`{"annotate": {"align": "center"}}`, annotation(nil)},
		}, illegal: `{"annotate": {"align": "top"}}`},
		{key: "annotate.offset", steps: []controlStep{
			{`{"annotate": {"offset": [4056, 4055]}}`, annotation(map[string]any{"x_offset": 4056, "y_offset": 4055})},
			{`{"annotate": {"offset": [0, 0]}}`, annotation(nil)},
		}, illegal: `{"annotate": {"offset": [0, -1]}}`, refused: "annotate.offset[1]"},
		{key: "annotate.frame_num", steps: []controlStep{
			{`{"annotate": {"frame_num": true}}`, annotation(map[string]any{"show_frame_num": 1})},
			{`{"annotate": {"frame_num": false}}`, annotation(nil)},
			{`{"annotate": {"text": ""}}`, []golden{{param: "ANNOTATE"}}},
		}, illegal: `{"annotate": {"frame_num": null}}`},
	}
}

func controlCases(h headers) []controlCase {
	byKey := map[string]config.Control{}
	for _, c := range config.Default().Camera.Controls() {
		byKey[c.Key] = c
	}
	gains := func(red, blue int) []golden {
		return []golden{{param: "CUSTOM_AWB_GAINS", fields: map[string]any{
			"r_gain.num": red, "r_gain.den": 65536, "b_gain.num": blue, "b_gain.den": 65536}}}
	}
	tint := func(enable, u, v int) []golden {
		return []golden{{param: "COLOUR_EFFECT", fields: map[string]any{"enable": enable, "u": u, "v": v}}}
	}
	mirror := func(name string) []golden {
		return on3Ports("MIRROR", "value", int(h.Constants["MMAL_PARAM_MIRROR_"+name]))
	}
	return append([]controlCase{
		{key: "rotation", start: on3Ports("ROTATION", "value", 0), steps: []controlStep{
			{`{"rotation": 270}`, on3Ports("ROTATION", "value", 270)},
			{`{"rotation": 90}`, on3Ports("ROTATION", "value", 90)},
			{`{"rotation": 180}`, on3Ports("ROTATION", "value", 180)},
			{`{"rotation": 0}`, on3Ports("ROTATION", "value", 0)},
		}, illegal: `{"rotation": 91}`},
		{key: "hflip", start: mirror("NONE"), illegal: `{"hflip": "left"}`, steps: []controlStep{
			{`{"hflip": true}`, mirror("HORIZONTAL")}, {`{"vflip": true}`, mirror("BOTH")}, {`{"hflip": false}`, mirror("VERTICAL")},
		}},
		{key: "vflip", start: mirror("NONE"), illegal: `{"vflip": 0}`, steps: []controlStep{{`{"vflip": false}`, mirror("NONE")}}},
		{key: "zoom", start: crop(0, 0, 65536, 65536), steps: []controlStep{
			{`{"zoom": [0, 0.1, 1, 0.75]}`, crop(0, 6554, 65536, 49152)}, // examples/full-width.yaml
			{`{"zoom": [0.5, 0.25, 0.5, 0.75]}`, crop(32768, 16384, 32768, 49152)},
			{`{"zoom": [1e-9, 0, 1e-9, 1e-9]}`, crop(0, 0, 1, 1)},
			{`{"zoom": [0.00000762939453125, 0, 0.99999237060546875, 1]}`, crop(1, 0, 65535, 65536)}, // both halves of a unit
			{`{"zoom": [0, 0, 1, 1]}`, crop(0, 0, 65536, 65536)},
		}, illegal: `{"zoom": [0, 0.5, 1, 0.6]}`},
		hundredthsCase("brightness", "BRIGHTNESS", 0, 50, 100),
		hundredthsCase("contrast", "CONTRAST", -100, 0, 100),
		hundredthsCase("saturation", "SATURATION", -100, 0, 100),
		hundredthsCase("sharpness", "SHARPNESS", -100, 0, 100),
		wordCase("iso", "ISO", "value", 0, 0, 1600),
		wordCase("shutter_speed", "SHUTTER_SPEED", "value", 0, 0, 33334),
		wordCase("exposure_compensation", "EXPOSURE_COMP", "value", -25, 0, 25),
		gainCase("analog_gain", "ANALOG_GAIN", 12),
		gainCase("digital_gain", "DIGITAL_GAIN", 64),
		choiceCase(h, byKey["exposure_mode"], "EXPOSURE_MODE", "value", "MMAL_PARAM_EXPOSUREMODE_", nil),
		choiceCase(h, byKey["meter_mode"], "EXP_METERING_MODE", "value", "MMAL_PARAM_EXPOSUREMETERINGMODE_", nil),
		choiceCase(h, byKey["awb_mode"], "AWB_MODE", "value", "MMAL_PARAM_AWBMODE_", nil),
		{key: "awb_gains", steps: []controlStep{
			{`{"awb_mode": "off", "awb_gains": [8, 8]}`, append(one("AWB_MODE", "value", 0), gains(8<<16, 8<<16)...)},
			{`{"awb_gains": [0.00001, 1.5]}`, gains(1, 98304)},
			{`{"awb_gains": [1e-9, 1.5]}`, nil}, // the same: the firmware has no gain of 0
			{`{"awb_mode": "auto"}`, one("AWB_MODE", "value", 1)},
		}, illegal: `{"awb_mode": "off", "awb_gains": [8.01, 1]}`, refused: "awb_gains[0]"},
		choiceCase(h, byKey["drc_strength"], "DYNAMIC_RANGE_COMPRESSION", "strength", "MMAL_PARAMETER_DRC_STRENGTH_", nil),
		choiceCase(h, byKey["flicker_avoid"], "FLICKER_AVOID", "value", "MMAL_PARAM_FLICKERAVOID_", nil),
		boolCase("video_stabilization", "VIDEO_STABILISATION", false),
		boolCase("video_denoise", "VIDEO_DENOISE", true),
		boolCase("image_denoise", "STILLS_DENOISE", true),
		choiceCase(h, byKey["image_effect"], "IMAGE_EFFECT", "value", "MMAL_PARAM_IMAGEFX_", map[string]string{
			"watercolor": "WATERCOLOUR", "colorswap": "COLOURSWAP", "colorpoint": "COLOURPOINT", "colorbalance": "COLOURBALANCE",
			"deinterlace1": "DEINTERLACE_DOUBLE", "deinterlace2": "DEINTERLACE_ADV"}),
		{key: "color_effects", start: tint(0, 128, 128), steps: []controlStep{
			{`{"color_effects": [255, 0]}`, tint(1, 255, 0)},
			{`{"color_effects": [0, 255]}`, tint(1, 0, 255)},
			{`{"color_effects": null}`, tint(0, 128, 128)},
		}, illegal: `{"color_effects": [0, 256]}`, refused: "color_effects[1]"},
	}, annotateCases()...)
}

// TestControlBytes gives each control its greatest, least and default value, each choice, and an illegal value, and holds
// the bytes that arrive at VideoCore to what the firmware's headers make of them.
func TestControlBytes(t *testing.T) {
	h := readHeaders(t)
	cases := controlCases(h)
	synctest.Test(t, func(t *testing.T) {
		r := startControls(t, h)
		defer r.stop()
		start := r.arrived()
		missing := map[string]bool{}
		for _, c := range config.Default().Camera.Controls() {
			missing[c.Key] = true
		}
		for _, c := range cases {
			if !missing[c.key] {
				t.Errorf("%s is no control, or has two cases", c.key)
			}
			delete(missing, c.key)
			for _, want := range expand(t, h, c.start) {
				if !slices.ContainsFunc(start, func(b []byte) bool { return bytes.Equal(b, want) }) {
					t.Errorf("%s: % x was not sent at the start", c.key, want)
				}
			}
			for _, s := range c.steps {
				if _, err := r.settings.change(t.Context(), []byte(s.patch)); err != nil {
					t.Errorf("%s: %v", s.patch, err)
				}
				if diff := cmp.Diff(expand(t, h, s.want), r.arrived()); diff != "" {
					t.Errorf("%s sent (-want +got):\n%s", s.patch, diff)
				}
			}
			r.checkIllegal(t, c)
		}
		for key := range missing {
			t.Errorf("%s has no case", key)
		}
		if diff := cmp.Diff(config.Default().Camera.Live(), r.settings.live.Live()); diff != "" {
			t.Errorf("not all went back to its default:\n%s", diff)
		}
		if strings.Contains(r.log.String(), "refused") {
			t.Errorf("VideoCore refused something:\n%s", r.log.String())
		}
	})
}

func expand(t *testing.T, h headers, all []golden) [][]byte {
	t.Helper()
	var out [][]byte
	for _, g := range all {
		for range max(g.times, 1) {
			out = append(out, h.bytes(t, g))
		}
	}
	return out
}

func (r *controlRig) checkIllegal(t *testing.T, c controlCase) {
	t.Helper()
	before := r.settings.live
	_, err := r.settings.change(t.Context(), []byte(c.illegal))
	problems, ok := errors.AsType[webd.Problems](err)
	want := c.key
	if c.refused != "" {
		want = c.refused
	}
	if !ok || len(problems) != 1 || problems[0].Key != want || problems[0].Problem == "" {
		t.Errorf("%s: got %v, want a refusal of %s", c.illegal, err, want)
	}
	if got := r.arrived(); len(got) != 0 {
		t.Errorf("%s sent %x", c.illegal, got)
	}
	if diff := cmp.Diff(before, r.settings.live); diff != "" {
		t.Errorf("%s changed something:\n%s", c.illegal, diff)
	}
}

// TestNoFrameLost makes a thousand random changes within ten seconds of a clock that waits for everybody: there is no
// frame that is late or missing.
func TestNoFrameLost(t *testing.T) {
	h := readHeaders(t)
	synctest.Test(t, func(t *testing.T) {
		r := startControls(t, h)
		encode := func(v any) []byte {
			text, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		c := newChanges(t, encode(r.settings.controls()), encode(r.settings.live.Live()))
		for range manyChanges {
			change, after := c.next()
			state, err := r.settings.change(t.Context(), encode(change))
			if err != nil {
				t.Fatalf("%s: %v", encode(change), err)
			}
			if diff := cmp.Diff(after, decodeState(t, encode(state))); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", encode(change), diff)
			}
			c.state = after
			time.Sleep(10 * time.Millisecond)
		}
		r.stop()
		const period = time.Second / 30
		if n := len(r.times); n < 11*30-3 {
			t.Errorf("%d pictures in 11 s", n)
		}
		for i := 1; i < len(r.times); i++ {
			if step := r.times[i] - r.times[i-1]; step < period-time.Microsecond || step > period+time.Microsecond {
				t.Fatalf("picture %d comes %v after the one before", i, step)
			}
		}
		if st := r.vc.Stats(); st.SensorDropped != 0 {
			t.Errorf("the sensor dropped %d frames", st.SensorDropped)
		}
	})
}
