package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/camkrazy/camkrazy/internal/config"
)

// TestMistakes has every message once. Several mistakes in one text also show that all of them are reported.
func TestMistakes(t *testing.T) {
	tests := []struct {
		name, text, want string
	}{
		{"scalar document", "hello\n", `line 1: must be a section of key: value, not a single value`},
		{"list document", "\n- camera\n", `line 2: must be a section of key: value, not a list`},

		{"unknown keys", `
kamera: {}
camera:
  bright: 5
  zzz_zzz: 6
  annotate: {colour: red}
  "two words": 1
  sensor-mode: 1
snapshot: {aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: 1}
streams: {s: {fps: 30}}
`, `
line 2: kamera: unknown key; did you mean camera?
line 4: camera.bright: unknown key; did you mean brightness?
line 5: camera.zzz_zzz: unknown key; known here: analog_gain, annotate, awb_gains, awb_mode, brightness, color_effects, contrast, digital_gain, drc_strength, exposure_compensation, exposure_mode, flicker_avoid, framerate, hflip, image_denoise, image_effect, iso, meter_mode, number, resolution, rotation, saturation, sensor_mode, sharpness, shutter_speed, vflip, video_denoise, video_stabilization, zoom
line 6: camera.annotate.colour: unknown key; did you mean color?
line 7: camera."two words": unknown key; known here: analog_gain, annotate, awb_gains, awb_mode, brightness, color_effects, contrast, digital_gain, drc_strength, exposure_compensation, exposure_mode, flicker_avoid, framerate, hflip, image_denoise, image_effect, iso, meter_mode, number, resolution, rotation, saturation, sensor_mode, sharpness, shutter_speed, vflip, video_denoise, video_stabilization, zoom
line 8: camera.sensor-mode: unknown key; did you mean sensor_mode?
line 9: snapshot."aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\u2026": unknown key; known here: interval, quality, resolution
line 10: streams.s.fps: unknown key; known here: bitrate, framerate, intra_refresh, keyframe_interval, level, max_qp, min_qp, profile, qp, resolution`},

		{"duplicate keys", `
camera:
  iso: 100
  iso: 200
streams:
  s:
  t:
  s:
camera: {}
users: [{name: a, name: b, password: c}]
`, `
line 4: camera.iso: is already set in line 3; keep one of them
line 8: streams.s: is already set in line 6; keep one of them
line 9: camera: is already set in line 2; keep one of them
line 10: users[0].name: is already set in line 10; keep one of them`},

		{"sections that are none", `
camera: 5
streams: [hqstream]
snapshot: [1]
rtsp: ":8554"
`, `
line 2: camera: must be a section of key: value, not a single value
line 3: streams: must be a section with one key per stream, not a list
line 4: snapshot: must be a section of key: value, not a list
line 5: rtsp: must be a section of key: value, not a single value`},

		{"whole numbers", `
camera:
  number: 2
  brightness: -5
  contrast: 101
  saturation: 99999999999999999999999
  sharpness: 1.5
  iso: "100"
  sensor_mode: {a: b}
  exposure_compensation:
  rotation: 45
`, `
line 3: camera.number: 2 is out of range 0..1
line 4: camera.brightness: -5 is out of range 0..100
line 5: camera.contrast: 101 is out of range -100..100
line 6: camera.saturation: 99999999999999999999999 is out of range -100..100
line 7: camera.sharpness: 1.5 is not a whole number; write a whole number in -100..100
line 8: camera.iso: "100" is text; write the number without quotes
line 9: camera.sensor_mode: must be a whole number in 0..7, not a section of key: value
line 10: camera.exposure_compensation: has no value; write a whole number in -25..25, or remove the key
line 11: camera.rotation: 45 is not one of 0, 90, 180, 270`},

		{"numbers that YAML versions read differently", `
camera:
  iso: 0o17
  contrast: 1_0
  saturation: 1e1
  sharpness: +5
  brightness: 010
  number: 0x1
  sensor_mode: 0b1
  framerate: .inf
  exposure_compensation: ten
  rotation: 090
snapshot:
  quality: .nan
`, `
line 3: camera.iso: "0o17" is not a number; write a whole number in 0..1600 in plain decimal digits
line 4: camera.contrast: "1_0" is not a number; write a whole number in -100..100 in plain decimal digits
line 5: camera.saturation: "1e1" is not a number; write a whole number in -100..100 in plain decimal digits
line 6: camera.sharpness: "+5" is not a number; write a whole number in -100..100 in plain decimal digits
line 7: camera.brightness: "010" is not a number; write a whole number in 0..100 in plain decimal digits
line 8: camera.number: "0x1" is not a number; write a whole number in 0..1 in plain decimal digits
line 9: camera.sensor_mode: "0b1" is not a number; write a whole number in 0..7 in plain decimal digits
line 10: camera.framerate: ".inf" is not a number; write a number in 0.1..200
line 11: camera.exposure_compensation: "ten" is not a number; write a whole number in -25..25
line 12: camera.rotation: "090" is not a number; write 0, 90, 180 or 270 in plain decimal digits
line 14: snapshot.quality: ".nan" is not a number; write a whole number in 1..100`},

		{"booleans", `
camera:
  hflip: yes
  vflip: Off
  video_denoise: 1
  video_stabilization: "true"
  annotate: {background: maybe}
`, `
line 3: camera.hflip: "yes" is not a boolean; write true
line 4: camera.vflip: "Off" is not a boolean; write false
line 5: camera.video_denoise: 1 is not a boolean; write true
line 6: camera.video_stabilization: "true" is not a boolean; write true
line 7: camera.annotate.background: "maybe" is not a boolean; write true or false`},
		{"boolean without a value", "camera: {hflip: }", `line 1: camera.hflip: has no value; write true or false, or remove the key`},

		{"words", `
camera:
  meter_mode: avrage
  drc_strength: 3
  flicker_avoid: 50
  awb_mode: Auto
  exposure_mode: [night]
  image_effect: ""
`, `
line 3: camera.meter_mode: "avrage" is not one of average, spot, backlit, matrix; did you mean average?
line 4: camera.drc_strength: 3 is not one of off, low, medium, high
line 5: camera.flicker_avoid: 50 is not one of off, auto, 50hz, 60hz
line 6: camera.awb_mode: "Auto" is not one of off, auto, sunlight, cloudy, shade, tungsten, fluorescent, incandescent, flash, horizon, greyworld; did you mean auto?
line 7: camera.exposure_mode: must be one of off, auto, night, nightpreview, backlight, spotlight, sports, snow, beach, verylong, fixedfps, antishake, fireworks, not a list
line 8: camera.image_effect: "" is not one of none, negative, solarize, sketch, denoise, emboss, oilpaint, hatch, gpen, pastel, watercolor, film, blur, saturation, colorswap, washedout, posterise, colorpoint, colorbalance, cartoon, deinterlace1, deinterlace2`},

		{"zoom: list", "camera: {zoom: 1}", `line 1: camera.zoom: must be a list like [0, 0, 1, 1], not 1`},
		{"zoom: section", "camera: {zoom: {x: 0}}", `line 1: camera.zoom: must be a list like [0, 0, 1, 1], not a section of key: value`},
		{"zoom: empty", "camera: {zoom: }", `line 1: camera.zoom: has no value; write [0, 0, 1, 1], or remove the key`},
		{"zoom: length", "camera: {zoom: [0, 0, 1]}", `line 1: camera.zoom: has 3 elements instead of 4; write it like [0, 0, 1, 1]`},
		{"zoom: elements", "camera:\n  zoom:\n  - 0\n  - left\n  - 1.01\n  - [1]\n", `
line 4: camera.zoom[1]: "left" is not a number; write a number in 0..1
line 5: camera.zoom[2]: 1.01 is out of range 0..1
line 6: camera.zoom[3]: must be a number in 0..1, not a list`},
		{"zoom: no area", "camera: {zoom: [0, 0, 1, 0]}", `line 1: camera.zoom: width and height, the last two, must be above 0`},
		{"zoom: too wide", "camera: {zoom: [0.7, 0, 0.35, 1]}", `line 1: camera.zoom: x + width is 1.05; it must be at most 1`},
		{"zoom: too high", "camera: {zoom: [0, 0.1, 1, 1]}", `line 1: camera.zoom: y + height is 1.1; it must be at most 1`},

		{"resolutions", `
camera: {resolution: 4058x3040}
streams:
  a: {resolution: 2028x1520}
  b: {resolution: 641x480}
  c: {resolution: 62x64}
snapshot: {resolution: 800 x 600}
`, `
line 2: camera.resolution: 4058x3040 is out of range 64x64..4056x3040
line 4: streams.a.resolution: 2028x1520 is out of range 64x64..1920x1920
line 5: streams.b.resolution: 641x480 has an odd side; the nearest that works is 640x480
line 6: streams.c.resolution: 62x64 is out of range 64x64..1920x1920
line 7: snapshot.resolution: "800 x 600" is not a resolution; write WIDTHxHEIGHT, as 1280x720`},
		{"resolution: number", "snapshot: {resolution: 800}", `line 1: snapshot.resolution: 800 is not a resolution; write WIDTHxHEIGHT, as 1280x720`},
		{"resolution: huge", "snapshot: {resolution: 99999999999999999999x64}", `line 1: snapshot.resolution: 99999999999999999999x64 is out of range 64x64..3280x2464`},
		{"resolution: list", "snapshot: {resolution: [800, 600]}", `line 1: snapshot.resolution: must be a resolution like 1280x720, not a list`},

		{"camera framerate", "camera: {framerate: 0}\nstreams: {s: {framerate: 7}}", `line 1: camera.framerate: 0 is out of range 0.1..200`},
		{"shutter longer than a frame", "camera:\n  shutter_speed: 33335\n", `line 2: camera.shutter_speed: 33335 is longer than a frame, which has 33334 microseconds at camera.framerate 30; lower one of them`},
		{"gains in another mode", "camera:\n  awb_gains: [1, 1]\n", `line 2: camera.awb_gains: is only used with awb_mode: off, but awb_mode is auto; change one of them`},
		{"mode without gains", "camera:\n  awb_mode: off\n", `line 2: camera.awb_mode: off needs awb_gains: [red, blue], for example awb_gains: [1.5, 1.2]`},
		{"one gain of 0", "camera:\n  awb_mode: off\n  awb_gains: [1, 0]\n", `line 3: camera.awb_gains: both gains must be above 0`},
		{"gains out of range", "camera:\n  awb_mode: off\n  awb_gains: [9, 1]\n", `line 3: camera.awb_gains[0]: 9 is out of range 0..8`},
		{"color effects", "camera: {color_effects: [1, 256]}", `line 1: camera.color_effects[1]: 256 is out of range 0..255`},
		{"color effects word", "camera: {color_effects: grey}", `line 1: camera.color_effects: must be a list like [128, 128] or none, not "grey"`},

		{"annotate: number", "camera: {annotate: {text: 2024}}", `line 1: camera.annotate.text: must be text; put it in quotes`},
		{"annotate: empty", "camera: {annotate: {text: }}", `line 1: camera.annotate.text: has no value; write text, or remove the key`},
		{"annotate: foreign", "camera: {annotate: {text: 5 °C}}", `line 1: camera.annotate.text: has the character '\u00b0', which the firmware cannot draw; use ASCII`},
		{"annotate: long", "camera: {annotate: {text: " + strings.Repeat("x", 256) + "}}", `line 1: camera.annotate.text: has 256 bytes; the firmware takes at most 255`},
		{"annotate: conversion", "camera:\n  annotate: {text: \"%H:%Q\"}", `line 2: camera.annotate.text: has the unknown conversion "%Q"; known are %Y %m %d %H %M %S %y %j %a %A %b %B %p %I %Z %z %e %F %T %D %R %s %%`},
		{"annotate: lone %", "camera: {annotate: {text: 5%}}", `line 1: camera.annotate.text: ends with a lone %; write %% for a percent sign`},
		{"annotate: size", "camera: {annotate: {size: 5}}", `line 1: camera.annotate.size: 5 is out of range 6..160`},

		{"no streams", "streams: {}", `line 1: streams: has no stream; write 1 to 3 of them, or remove the key to have hqstream and lqstream`},
		{"too many streams", "streams:\n  a:\n  b:\n  c:\n  d:\n", `line 5: streams.d: is stream number 4; the firmware's pipeline has room for 3`},
		{"stream names", "streams:\n  HQ:\n  a/b:\n  " + strings.Repeat("x", 33) + ":\n", `
line 2: streams.HQ: is the RTSP path, so it must be 1 to 32 of the characters a-z 0-9 _ -
line 3: streams."a/b": is the RTSP path, so it must be 1 to 32 of the characters a-z 0-9 _ -
line 4: streams.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: is the RTSP path, so it must be 1 to 32 of the characters a-z 0-9 _ -`},
		{"a stream that is none", "streams:\n  a: 640x480\n", `line 2: streams.a: must be a section of key: value, not a single value`},
		{"stream framerates", `
streams:
  a: {framerate: 7}
  b: {framerate: 60}
  c: {framerate: 0.05}
camera: {framerate: 30}
`, `
line 3: streams.a.framerate: 7 is not camera.framerate (30) divided by a whole number; the nearest are 6 and 7.5
line 4: streams.b.framerate: 60 is above camera.framerate, which is 30; lower it or raise that
line 5: streams.c.framerate: 0.05 is out of range 0.1..200`},
		{"stream values", `
streams:
  a:
    bitrate: 25000001
    keyframe_interval: 50ms
    profile: extended
    level: 5
    min_qp: 52
    max_qp: -1
    intra_refresh: off
`, `
line 4: streams.a.bitrate: 25000001 is out of range 0..25000000
line 5: streams.a.keyframe_interval: 50ms is out of range 100ms..1m
line 6: streams.a.profile: "extended" is not one of baseline, constrained, main, high
line 7: streams.a.level: 5 is not one of "", 3, 3.1, 3.2, 4, 4.1, 4.2
line 8: streams.a.min_qp: 52 is out of range 0..51
line 9: streams.a.max_qp: -1 is out of range 0..51
line 10: streams.a.intra_refresh: "off" is not one of "", cyclic, adaptive, both, cyclicrows`},
		{"quality", `
streams:
  a: {bitrate: 0}
  b: {bitrate: 9999}
  c:
    qp: 30
    min_qp: 20
`, `
line 3: streams.a.bitrate: 0 turns rate control off, which needs qp: 1..51; or write 10000..25000000
line 4: streams.b.bitrate: 9999 is out of range 10000..25000000 (bits per second)
line 6: streams.c.qp: makes the quantiser constant; remove it, or remove min_qp and max_qp`},
		{"crossed limits", "streams:\n  a:\n    max_qp: 20\n    min_qp: 21\n", `line 4: streams.a.min_qp: 21 is above max_qp, which is 20`},

		{"durations", `
streams:
  a: {keyframe_interval: 2}
  b: {keyframe_interval: soon}
  c: {keyframe_interval: 0}
snapshot: {interval: 100ms, quality: 0}
`, `
line 3: streams.a.keyframe_interval: 2 has no unit; write 2s or 2ms
line 4: streams.b.keyframe_interval: "soon" is not a duration; write it like 1s or 500ms
line 5: streams.c.keyframe_interval: 0 is out of range 100ms..1m
line 6: snapshot.interval: 100ms is out of range 200ms..1h, or 0
line 6: snapshot.quality: 0 is out of range 1..100`},
		{"duration: empty", "snapshot: {interval: }", `line 1: snapshot.interval: has no value; write a duration in 200ms..1h, or 0, or remove the key`},

		{"addresses", `
rtsp:
  listen: 8554
  tls_listen: ":0"
http:
  listen: "a b:80"
  tls_listen: ":https"
`, `
line 3: rtsp.listen: 8554 is not an address; write ":PORT" or "HOST:PORT", as ":8554"
line 4: rtsp.tls_listen: port "0" is out of range 1..65535
line 6: http.listen: "a b" is neither an IP address nor a host name
line 7: http.tls_listen: port "https" is out of range 1..65535`},
		{"address: name only", "rtsp: {listen: localhost}", `line 1: rtsp.listen: "localhost" is not an address; write ":PORT" or "HOST:PORT"`},
		{"address: empty", "rtsp: {listen: }", `line 1: rtsp.listen: has no value; write ":PORT" or "HOST:PORT", or "" for off, or remove the key`},
		{"files of TLS", "tls:\n  certificate: cert.pem\n  key: 7\n", `line 2: tls.certificate: "cert.pem" is not an absolute path, as /perm/camkrazy/tls.crt
line 3: tls.key: must be text; put it in quotes`},
		{"key without certificate", "tls: {key: /perm/k}", `line 1: tls.key: is the key of no certificate; set tls.certificate too`},
		{"multicast", "rtsp:\n  multicast: 239.1.2.3\n  max_readers: 0\n", `line 2: rtsp.multicast: "239.1.2.3" is not a group; write "GROUP:PORT", as "239.255.77.1:5004"
line 3: rtsp.max_readers: 0 is out of range 1..1000`},
		{"multicast: no group", "rtsp: {multicast: 192.0.2.1:5004}", `line 1: rtsp.multicast: 192.0.2.1 is not a group for private use; take one from 239.0.0.0 on`},
		{"multicast: group of routers", "rtsp: {multicast: 224.0.0.5:5004}", `line 1: rtsp.multicast: 224.0.0.5 is not a group for private use; take one from 239.0.0.0 on`},
		{"multicast: last group", "rtsp: {multicast: 239.255.255.255:5004}", `line 1: rtsp.multicast: 239.255.255.255 has no room for the groups of all 2 streams, one after the other; take one up to 239.255.255.254`},
		{"multicast: one too far", "streams: {a: {}, b: {}, c: {}}\nrtsp: {multicast: 239.255.255.254:5004}", `line 2: rtsp.multicast: 239.255.255.254 has no room for the groups of all 3 streams, one after the other; take one up to 239.255.255.253`},
		{"multicast: odd port", "rtsp: {multicast: 239.1.2.3:5005}", `line 1: rtsp.multicast: port 5005 is odd or 0; RTP needs an even one, and RTCP the next`},
		{"one port twice", "http:\n  listen: :443\n  tls_listen: 127.0.0.1:443\n", `line 3: http.tls_listen: port 443 is also that of http.listen; give them different ones`},
		{"port of a default", "rtsp:\n  listen: :80\n", `line 2: rtsp.listen: port 80 is also that of http.listen; give them different ones`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Parse(strings.NewReader(tt.text))
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestReadInSpite holds which streams come out of a file with mistakes: those that none of them can be about.
func TestReadInSpite(t *testing.T) {
	const lq = "  lq: {framerate: 5}\n"
	for text, want := range map[string]string{
		"camera: {rotation: 45}\nstreams:\n  hq: {}\n" + lq:                         "hq lq",
		"users: 7\nstreams:\n  hq: {keyframe_interval: 1, intra_refresh: x}\n" + lq: "hq lq",
		"streams:\n  hq: {bitrat: 1}\n" + lq:                                        "lq",
		"streams:\n  hq: {qp: 90}\n" + lq:                                           "lq",
		"streams:\n  hq: []\n" + lq:                                                 "lq",
		"camera: {resolutio: 640x480}\nstreams:\n  hq: {}\n" + lq:                   "",
		"camera: {framerate: 0}\nstreams:\n  hq: {}\n" + lq:                         "",
		"cam: {framerate: 60}\nstreams:\n  hq: {}\n" + lq:                           "",
		"camera: []\nstreams:\n  hq: {}\n" + lq:                                     "",
		"camera: {":                                                                 "",
	} {
		cfg, err := config.Parse(strings.NewReader(text))
		var got []string
		for _, s := range cfg.Streams {
			got = append(got, s.Name)
		}
		if err == nil || strings.Join(got, " ") != want || cfg.RTSP.Addr != ":8554" {
			t.Errorf("%s\n(%v)\ngot the streams %q and RTSP at %q, want %q and :8554", text, err, got, cfg.RTSP.Addr, want)
		}
	}
}

func TestNotYAML(t *testing.T) {
	tests := []struct {
		name, text string
		line       int
		want       string // part of the problem
	}{
		{"tab", "camera:\n\tiso: 100\n", 2, "a tab in the indentation; use spaces"},
		{"tab after a space", "camera:\n \tiso: 100\n", 2, "a tab in the indentation; use spaces"},
		{"open brace", "camera: {iso: 100\nsnapshot: {}\n", 2, "not valid YAML: ',' or '}' must be specified"},
		{"open quote", "camera:\n  annotate:\n    text: \"abc\n", 3, "not valid YAML: "},
		{"stray indentation", "camera:\n  iso: 100\n contrast: 2\n", 3, "not valid YAML: "},
		{"two colons", "camera:\n  awb_mode: off: on\n", 2, "not valid YAML: "},
		{"reserved", "camera:\n  awb_mode: @off\n", 2, "not valid YAML: '@' is a reserved character"},
		{"UTF-16", "camera: {}\n\xff\xfec\x00", 2, "not valid UTF-8; save the file as UTF-8 text"},
		{"control character", "camera: {}\nusers:\x00\n", 2, "control character 0x00; the file must be plain text"},
		{"two documents", "camera: {}\n---\ncamera: {}\n", 2, "a second YAML document begins here; keep one, without ---"},
		{"document after an empty one", "---\n# users\n---\nusers: []\n", 3, "a second YAML document begins here; keep one, without ---"},
		{"document after an end", "camera: {}\n...\n# next\nusers: []\n", 4, "a second YAML document begins here; keep one, without ---"},
		{"anchor", "camera: &c {}\n", 1, "YAML anchors (&name) are not supported; "},
		{"alias", "camera: {}\nsnapshot: *c\n", 2, "YAML aliases (*name) are not supported; "},
		{"merge", "camera:\n  <<: {}\n", 2, "YAML merge keys (<<) are not supported; "},
		{"tag", "camera:\n  iso: !!int 100\n", 2, "YAML tags (!name) are not supported; "},
		{"directive", "%YAML 1.2\n---\ncamera: {}\n", 1, "YAML directives (%NAME) are not supported; "},
		{"complex key", "? camera\n: {}\n", 1, "YAML complex keys (? key) are not supported; "},
		{"depth", "camera: [[[[[[[]]]]]]]\n", 1, "nested too deeply"},
		{"open brackets", strings.Repeat("[", 9_000), 1, "not valid YAML: "},
		{"too many tokens", strings.Repeat("- - - - - - - - - -\n", 2_000), 0, "the file has more than 10000 YAML tokens, which no camera.yaml has"},
		{"too large", strings.Repeat("# x\n", 1<<18) + "#", 0, "the file is larger than 1048576 bytes, which no camera.yaml is"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Parse(strings.NewReader(tt.text))
			errs, ok := errors.AsType[config.Errors](err)
			if !ok || len(errs) != 1 {
				t.Fatalf("got %v, want one line", err)
			}
			if errs[0].Line != tt.line || !strings.HasPrefix(errs[0].Problem, tt.want) {
				t.Errorf("got  %v\nwant line %d: %s…", err, tt.line, tt.want)
			}
		})
	}
}

// TestAliasesDoNotGrow is the "billion laughs": nine levels of lists, each with nine aliases of the one before.
func TestAliasesDoNotGrow(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 lol\n")
	for i := range 9 {
		prev, this := string(rune('0'+i)), string(rune('1'+i))
		b.WriteString("a" + this + ": &a" + this + " [" + strings.Repeat("*a"+prev+", ", 9) + "]\n")
	}
	_, err := config.Parse(strings.NewReader(b.String()))
	errs, ok := errors.AsType[config.Errors](err)
	if want := 10 + 9*9; !ok || len(errs) != want {
		t.Errorf("got %d errors, want one for each of %d anchors and aliases", len(errs), want)
	}
}

// TestUserMistakes also holds that no password gets into an error, whatever is wrong around it.
func TestUserMistakes(t *testing.T) {
	const secret = "hunter2"
	tests := []struct {
		name, text, want string
	}{
		{"absent value", "users:\n", `line 1: users: has no value; write [] to let anyone on the network watch, or - {name: viewer, password: …}`},
		{"text", "users: hunter2\n", `line 1: users: must be a list like [{name: viewer, password: …}], not a single value`},
		{"section", "users: {viewer: hunter2}\n", `line 1: users: must be a list like [{name: viewer, password: …}], not a section of key: value`},
		{"list of text", "users:\n- hunter2\n-\n", `
line 2: users[0]: must be {name: …, password: …}, not a single value
line 3: users[1]: must be {name: …, password: …}, not empty`},
		{"names", "users:\n- {name: a, password: hunter2}\n- {name: 'a:b', password: hunter2}\n- {name: '', password: hunter2}\n- {name: a, password: hunter2}\n- {name: \"a\\tb\", password: hunter2}\n- {name: 12, password: hunter2}\n- {name: 'a\"b', password: hunter2}\n", `
line 3: users[1].name: must not have a colon in it, which ends the name in an RTSP or HTTP login
line 4: users[2].name: must not be empty
line 5: users[3].name: "a" is already the user of line 2; names must differ
line 6: users[4].name: must be one line of text
line 7: users[5].name: must be text; put it in quotes
line 8: users[6].name: must not have a " in it, which ends the name in a login by digest`},
		{"passwords", "users:\n- {name: a, password: 123456}\n- {name: b, password: }\n- {name: c, password: ''}\n- {name: d, password: [hunter2]}\n- {name: e, password: \"hunter2\\n\"}\n- {name: f, password: true}\n", `
line 2: users[0].password: must be text; put it in quotes
line 3: users[1].password: has no value; write text, or remove the key
line 4: users[2].password: must not be empty; remove the user, or all of them to let anyone watch
line 5: users[3].password: must be text, not a list
line 6: users[4].password: must be one line of text
line 7: users[5].password: must be text; put it in quotes`},
		{"keys", "users:\n- {nam: a, pasword: hunter2}\n- {name: b, password: hunter2, hunter2: x}\n- {hunter2}\n", `
line 2: users[0]: unknown key "nam"; did you mean name?
line 2: users[0]: unknown key "pasword"; did you mean password?
line 2: users[0]: has no name; write {name: …, password: …}
line 2: users[0]: has no password; write {name: …, password: …}
line 3: users[1]: unknown key; known here: name, password
line 4: users[2]: unknown key; known here: name, password
line 4: users[2]: has no name; write {name: …, password: …}
line 4: users[2]: has no password; write {name: …, password: …}`},
		{"syntax: block header", "users:\n- name: a\n  password: |hunter2\n", `line 3: not valid YAML: invalid header option: …`},
		{"syntax: escape", "users:\n- name: a\n  password: \"\\hunter2\"\n", `line 3: not valid YAML: found unknown escape character …`},
		{"tag", "users:\n- name: a\n  password: !hunter2\n", `line 3: YAML tags (!name) are not supported; leave it out, or put text that begins with ! in quotes`},
		{"alias", "users:\n- name: a\n  password: *hunter2\n", `line 3: YAML aliases (*name) are not supported; write the value out, or put text that begins with * in quotes`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Parse(strings.NewReader(tt.text))
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "123456") {
				t.Errorf("a password is in the error:\n%v", err)
			}
		})
	}
}

// TestSyntaxErrorsHideSource breaks a file with a password in it at every place, with every character that means
// something to YAML.
func TestSyntaxErrorsHideSource(t *testing.T) {
	const secret = "hunter2"
	text := "camera:\n  iso: 100\nusers:\n- name: viewer\n  password: hunter2\n- {name: other, password: 'hunter2'}\n"
	refused := 0
	for i := range len(text) + 1 {
		for _, c := range "\"'{}[]:,#|>@`%&*!?-\t\n\\" {
			broken := text[:i] + string(c) + text[i:]
			_, err := config.Parse(strings.NewReader(broken))
			if err == nil {
				continue
			}
			refused++
			if strings.Contains(err.Error(), secret) {
				t.Errorf("a password is in the error:\n%v\nof:\n%s", err, broken)
			}
		}
	}
	if refused < len(text) {
		t.Errorf("only %d of the broken files were refused; the test does not reach what it is for", refused)
	}
}
