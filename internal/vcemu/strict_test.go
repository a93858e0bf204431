package vcemu

import (
	"encoding/binary"
	"testing"
	"testing/synctest"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

func TestCreate(t *testing.T) {
	type counts struct{ in, out uint32 }
	for _, c := range []struct {
		name   string
		cfg    Config
		want   mmal.Status
		counts counts
	}{
		{"ril.camera", Config{}, mmal.Success, counts{0, 3}},
		{"camera_info", Config{}, mmal.Success, counts{0, 0}},
		{"null_sink", Config{}, mmal.Success, counts{1, 0}},
		{"ril.video_splitter", Config{}, mmal.Success, counts{1, 4}},
		{"ril.isp", Config{}, mmal.Success, counts{1, 3}},
		{"ril.resize", Config{}, mmal.Success, counts{1, 1}},
		{"ril.video_encode", Config{}, mmal.Success, counts{1, 1}},
		{"ril.image_encode", Config{}, mmal.Success, counts{1, 1}},
		{"ril.isp", Config{Quirks: Quirks{NoISP: true}}, mmal.ENoEnt, counts{}},
		{"ril.camera", Config{NoCamera: true}, mmal.ENoMem, counts{}},
		{"ril.nothing", Config{}, mmal.ENoEnt, counts{}},
		{"vc.ril.camera", Config{}, mmal.ENoSys, counts{}},
		{"", Config{}, mmal.ENoSys, counts{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, stop := machine(t, c.cfg)
				defer stop()
				r := dial(t, v).tryCreate(c.name)
				if got := (counts{r.Inputs, r.Outputs}); r.Status != c.want || got != c.counts {
					t.Errorf("got %v %v, want %v %v", r.Status, got, c.want, c.counts)
				}
				if c.want == mmal.Success && r.Component < 0x100 {
					t.Errorf("handle %#x could be guessed", r.Component)
				}
			})
		})
	}
}

func TestNotTooManyComponents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{})
		defer stop()
		h, other := dial(t, v), dial(t, v)
		for range maxComponents {
			h.create("null_sink")
		}
		if r := other.tryCreate("null_sink"); r.Status != mmal.ENoMem {
			t.Errorf("one too many: %v, want ENOMEM", r.Status)
		}
		h.tr.Close()
		other.create("null_sink")
	})
}

// TestFormats commits formats to fresh ports.
func TestFormats(t *testing.T) {
	wide := func(f mmal.Format, w, h uint32) mmal.Format {
		f.Video.Width, f.Video.Height = w, h
		return f
	}
	crop := func(f mmal.Format, r mmal.Rect) mmal.Format {
		f.Video.Crop = r
		return f
	}
	coded := func(f mmal.Format, bitrate uint32) mmal.Format {
		f.Bitrate = bitrate
		return f
	}
	good := opaque(1640, 1232, 30)
	for _, c := range []struct {
		name      string
		component string
		typ       mmal.PortType
		index     uint32
		format    mmal.Format
		want      mmal.Status
	}{
		{"camera", "ril.camera", mmal.PortOutput, 1, good, mmal.Success},
		{"camera I420", "ril.camera", mmal.PortOutput, 1, raw(mmal.EncodingI420, 640, 480, 30), mmal.Success},
		{"camera H264", "ril.camera", mmal.PortOutput, 1, raw(mmal.EncodingH264, 640, 480, 30), mmal.EInval},
		{"camera at 90", "ril.camera", mmal.PortOutput, 1, opaque(640, 480, 90), mmal.Success},
		{"camera too fast", "ril.camera", mmal.PortOutput, 1, opaque(640, 480, 201), mmal.EInval},
		{"camera above its config", "ril.camera", mmal.PortOutput, 1, opaque(1920, 1232, 30), mmal.EInval},
		{"camera width unaligned", "ril.camera", mmal.PortOutput, 1, wide(good, 1640, 1232), mmal.EInval},
		{"camera height unaligned", "ril.camera", mmal.PortOutput, 1, wide(opaque(1640, 1230, 30), 1664, 1230), mmal.EInval},
		{"camera crop outside", "ril.camera", mmal.PortOutput, 1, crop(good, mmal.Rect{X: 32, Width: 1640, Height: 1232}), mmal.EInval},
		{"camera crop odd", "ril.camera", mmal.PortOutput, 1, crop(good, mmal.Rect{Width: 1639, Height: 1232}), mmal.EInval},
		{"camera crop negative", "ril.camera", mmal.PortOutput, 1, crop(good, mmal.Rect{X: -2, Width: 1640, Height: 1232}), mmal.EInval},
		{"camera no size", "ril.camera", mmal.PortOutput, 1, wide(good, 0, 0), mmal.EInval},
		{"camera audio", "ril.camera", mmal.PortOutput, 1, mmal.Format{Type: 2, Encoding: mmal.EncodingOpaque, Video: good.Video}, mmal.EInval},
		{"camera control port", "ril.camera", mmal.PortControl, 0, good, mmal.EInval},
		{"camera no such port", "ril.camera", mmal.PortOutput, 3, good, mmal.ENoEnt},
		{"camera has no input", "ril.camera", mmal.PortInput, 0, good, mmal.ENoEnt},
		{"splitter in", "ril.video_splitter", mmal.PortInput, 0, good, mmal.Success},
		{"splitter out of another size", "ril.video_splitter", mmal.PortOutput, 0, good, mmal.EInval},
		{"isp in", "ril.isp", mmal.PortInput, 0, good, mmal.Success},
		{"isp out", "ril.isp", mmal.PortOutput, 0, raw(mmal.EncodingI420, 640, 480, 0), mmal.Success},
		{"isp out opaque", "ril.isp", mmal.PortOutput, 0, opaque(640, 480, 0), mmal.EInval},
		{"isp statistics", "ril.isp", mmal.PortOutput, 2, raw(mmal.EncodingI420, 640, 480, 0), mmal.EInval},
		{"resize out", "ril.resize", mmal.PortOutput, 0, raw(mmal.EncodingI420, 640, 480, 0), mmal.Success},
		{"resize out opaque", "ril.resize", mmal.PortOutput, 0, opaque(640, 480, 0), mmal.EInval},
		{"encoder in", "ril.video_encode", mmal.PortInput, 0, good, mmal.Success},
		{"encoder in at the limit", "ril.video_encode", mmal.PortInput, 0, opaque(1920, 1088, 30), mmal.Success},
		{"encoder in too wide", "ril.video_encode", mmal.PortInput, 0, opaque(1952, 1080, 30), mmal.EInval},
		{"encoder in too large", "ril.video_encode", mmal.PortInput, 0, opaque(1920, 1440, 30), mmal.EInval},
		{"encoder out", "ril.video_encode", mmal.PortOutput, 0, coded(raw(mmal.EncodingH264, 640, 480, 0), 1_000_000), mmal.Success},
		{"encoder out MJPEG", "ril.video_encode", mmal.PortOutput, 0, raw(0x47504a4d, 640, 480, 0), mmal.EInval},
		{"encoder out too fast", "ril.video_encode", mmal.PortOutput, 0, coded(raw(mmal.EncodingH264, 640, 480, 0), 62_500_001), mmal.EInval},
		{"jpeg in", "ril.image_encode", mmal.PortInput, 0, raw(mmal.EncodingI420, 800, 600, 0), mmal.Success},
		{"jpeg out", "ril.image_encode", mmal.PortOutput, 0, raw(mmal.EncodingJPEG, 800, 600, 0), mmal.Success},
		{"jpeg out I420", "ril.image_encode", mmal.PortOutput, 0, raw(mmal.EncodingI420, 800, 600, 0), mmal.EInval},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, stop := machine(t, Config{})
				defer stop()
				h := dial(t, v)
				comp := h.create(c.component)
				if c.component == "ril.camera" {
					h.must("config", h.set(h.port(comp, mmal.PortControl, 0), &mmal.CameraConfig{
						MaxVideoWidth: 1640, MaxVideoHeight: 1232, VideoFrames: 3,
					}))
				}
				p := target{mmal.PortInfo{Component: comp, Type: c.typ, Index: c.index}}
				if got := h.tryCommit(p, c.format); got != c.want {
					t.Fatalf("got %v, want %v", got, c.want)
				}
				if info := h.port(comp, c.typ, c.index); c.want == mmal.Success && info.Port.Buffers.Size < info.Port.Min.Size {
					t.Errorf("buffers %+v, at least %+v", info.Port.Buffers, info.Port.Min)
				}
			})
		})
	}
}

// TestParameters sets parameters of fresh ports.
func TestParameters(t *testing.T) {
	ratio := func(id mmal.ParameterID, num, den int32) mmal.Parameter {
		return &mmal.Ratio{ID: id, Value: mmal.Rational{Num: num, Den: den}}
	}
	number := func(id mmal.ParameterID, n uint32) mmal.Parameter { return &mmal.Uint32{ID: id, Value: n} }
	config := mmal.CameraConfig{MaxVideoWidth: 1640, MaxVideoHeight: 1232, VideoFrames: 3}
	large, noFrames, noMode := config, config, config
	large.MaxVideoWidth, noFrames.VideoFrames, noMode.Timestamps = 3281, 0, 3
	type place struct {
		component string
		typ       mmal.PortType
		index     uint32
	}
	camera := place{"ril.camera", mmal.PortControl, 0}
	video := place{"ril.camera", mmal.PortOutput, 1}
	preview := place{"ril.camera", mmal.PortOutput, 0}
	coded := place{"ril.video_encode", mmal.PortOutput, 0}
	for _, c := range []struct {
		name  string
		at    place
		param mmal.Parameter
		want  mmal.Status
	}{
		{"camera number", camera, number(mmal.ParamCameraNum, 0), mmal.Success},
		{"camera number, none", camera, number(mmal.ParamCameraNum, 0xffffffff), mmal.Success},
		{"camera number, absent", camera, number(mmal.ParamCameraNum, 1), mmal.EInval},
		{"sensor mode", camera, number(mmal.ParamSensorMode, 7), mmal.Success},
		{"sensor mode, absent", camera, number(mmal.ParamSensorMode, 8), mmal.EInval},
		{"config", camera, &config, mmal.Success},
		{"config, too large", camera, &large, mmal.EInval},
		{"config, no frames", camera, &noFrames, mmal.EInval},
		{"config, no such clock", camera, &noMode, mmal.EInval},
		{"config at a port", video, &config, mmal.ENoSys},
		{"range", video, &mmal.FPSRange{Low: mmal.Rational{Num: 10, Den: 1}, High: mmal.Rational{Num: 25, Den: 1}}, mmal.Success},
		{"range, reversed", video, &mmal.FPSRange{Low: mmal.Rational{Num: 25, Den: 1}, High: mmal.Rational{Num: 10, Den: 1}}, mmal.EInval},
		{"range, no fraction", video, &mmal.FPSRange{}, mmal.EInval},
		{"range, too fast", video, &mmal.FPSRange{Low: mmal.Rational{Num: 10, Den: 1}, High: mmal.Rational{Num: 250, Den: 1}}, mmal.EInval},
		{"no stereo", video, &mmal.StereoscopicMode{}, mmal.Success},
		{"stereo", video, &mmal.StereoscopicMode{Mode: 1}, mmal.EInval},
		{"rotation", video, number(mmal.ParamRotation, 180), mmal.Success},
		{"rotation, oblique", video, number(mmal.ParamRotation, 45), mmal.EInval},
		{"rotation, full turn", video, number(mmal.ParamRotation, 360), mmal.EInval},
		{"rotation at control", camera, number(mmal.ParamRotation, 180), mmal.ENoSys},
		{"mirror", video, number(mmal.ParamMirror, 3), mmal.Success},
		{"mirror, absent", video, number(mmal.ParamMirror, 4), mmal.EInval},
		{"capture", video, &mmal.Boolean{ID: mmal.ParamCapture, Value: true}, mmal.Success},
		{"capture 2", video, number(mmal.ParamCapture, 2), mmal.EInval},
		{"capture at preview", preview, &mmal.Boolean{ID: mmal.ParamCapture, Value: true}, mmal.ENoSys},
		{"brightness", camera, ratio(mmal.ParamBrightness, 100, 100), mmal.Success},
		{"brightness, too high", camera, ratio(mmal.ParamBrightness, 101, 100), mmal.EInval},
		{"brightness, no fraction", camera, ratio(mmal.ParamBrightness, 50, 0), mmal.EInval},
		{"contrast", camera, ratio(mmal.ParamContrast, -100, 100), mmal.Success},
		{"contrast, too low", camera, ratio(mmal.ParamContrast, -101, 100), mmal.EInval},
		{"ISO", camera, number(mmal.ParamISO, 800), mmal.Success},
		{"exposure mode", camera, number(mmal.ParamExposureMode, 12), mmal.Success},
		{"exposure mode, absent", camera, number(mmal.ParamExposureMode, 13), mmal.EInval},
		{"exposure compensation", camera, &mmal.Int32{ID: mmal.ParamExposureCompensation, Value: -25}, mmal.Success},
		{"exposure compensation, too low", camera, &mmal.Int32{ID: mmal.ParamExposureCompensation, Value: -26}, mmal.EInval},
		{"gains", camera, &mmal.AWBGains{Red: mmal.Rational{Num: 8, Den: 1}, Blue: mmal.Rational{Num: 1, Den: 2}}, mmal.Success},
		{"gains, too high", camera, &mmal.AWBGains{Red: mmal.Rational{Num: 9, Den: 1}, Blue: mmal.Rational{Num: 1, Den: 2}}, mmal.EInval},
		{"zoom", camera, &mmal.Rectangle{ID: mmal.ParamInputCrop, Value: mmal.Rect{X: 1, Width: 65535, Height: 65536}}, mmal.Success},
		{"zoom outside", camera, &mmal.Rectangle{ID: mmal.ParamInputCrop, Value: mmal.Rect{X: 2, Width: 65535, Height: 65536}}, mmal.EInval},
		{"zoom to nothing", camera, &mmal.Rectangle{ID: mmal.ParamInputCrop, Value: mmal.Rect{Height: 65536}}, mmal.EInval},
		{"colour effect", camera, &mmal.ColourEffect{Enable: true, U: 128, V: 255}, mmal.Success},
		{"colour effect, too high", camera, &mmal.ColourEffect{Enable: true, U: 128, V: 256}, mmal.EInval},
		{"annotate", camera, &mmal.Annotate{Enable: true, Text: "hello"}, mmal.Success},
		{"annotate, largest", camera, &mmal.Annotate{TextSize: 160, Justify: 2}, mmal.Success},
		{"annotate, too large", camera, &mmal.Annotate{TextSize: 161}, mmal.EInval},
		{"annotate, too small", camera, (*mmal.AnnotateV3)(&mmal.Annotate{TextSize: 5}), mmal.EInval},
		{"annotate nowhere", camera, &mmal.Annotate{Justify: 3}, mmal.EInval},
		{"watch settings", camera, &mmal.ChangeEventRequest{Change: mmal.ParamCameraSettings, Enable: true}, mmal.Success},
		{"watch something else", camera, &mmal.ChangeEventRequest{Change: mmal.ParamISO, Enable: true}, mmal.EInval},
		{"settings", camera, number(mmal.ParamCameraSettings, 0), mmal.EInval},
		{"profile", coded, &mmal.VideoProfile{Profile: mmal.ProfileHigh, Level: mmal.Level42}, mmal.Success},
		{"profile, absent", coded, &mmal.VideoProfile{Profile: 27, Level: mmal.Level4}, mmal.EInval},
		{"intra period", coded, number(mmal.ParamIntraPeriod, 0), mmal.Success},
		{"intra period at control", place{"ril.video_encode", mmal.PortControl, 0}, number(mmal.ParamIntraPeriod, 30), mmal.ENoSys},
		{"bit rate", coded, number(mmal.ParamBitRate, 25_000_000), mmal.Success},
		{"bit rate, too high", coded, number(mmal.ParamBitRate, 62_500_001), mmal.EInval},
		{"quantiser", coded, number(mmal.ParamInitialQuant, 51), mmal.Success},
		{"quantiser, too high", coded, number(mmal.ParamInitialQuant, 52), mmal.EInval},
		{"I frame", coded, &mmal.Boolean{ID: mmal.ParamRequestIFrame, Value: true}, mmal.Success},
		{"I frame at control", place{"ril.video_encode", mmal.PortControl, 0}, &mmal.Boolean{ID: mmal.ParamRequestIFrame, Value: true}, mmal.Success},
		{"immutable", place{"ril.video_encode", mmal.PortInput, 0}, &mmal.Boolean{ID: mmal.ParamImmutableInput, Value: true}, mmal.Success},
		{"immutable at output", coded, &mmal.Boolean{ID: mmal.ParamImmutableInput, Value: true}, mmal.ENoSys},
		{"refresh", coded, &mmal.IntraRefresh{Mode: mmal.RefreshBoth}, mmal.Success},
		{"refresh that crashes", coded, &mmal.IntraRefresh{Mode: 0x7f000002}, mmal.EInval},
		{"low latency", coded, &mmal.Boolean{ID: paramLowLatency, Value: true}, mmal.EInval},
		{"zero copy", coded, &mmal.Boolean{ID: mmal.ParamZeroCopy, Value: true}, mmal.EInval},
		{"quality", place{"ril.image_encode", mmal.PortOutput, 0}, number(mmal.ParamJPEGQuality, 100), mmal.Success},
		{"quality 0", place{"ril.image_encode", mmal.PortOutput, 0}, number(mmal.ParamJPEGQuality, 0), mmal.EInval},
		{"thumbnail", place{"ril.image_encode", mmal.PortControl, 0}, &mmal.Thumbnail{}, mmal.Success},
		{"thumbnail of nothing", place{"ril.image_encode", mmal.PortControl, 0}, &mmal.Thumbnail{Enable: true}, mmal.EInval},
		{"crop", place{"ril.isp", mmal.PortInput, 0}, &mmal.Rectangle{ID: mmal.ParamCrop, Value: mmal.Rect{Width: 320, Height: 240}}, mmal.Success},
		{"crop, negative", place{"ril.isp", mmal.PortInput, 0}, &mmal.Rectangle{ID: mmal.ParamCrop, Value: mmal.Rect{X: -1, Width: 320, Height: 240}}, mmal.EInval},
		{"crop at output", place{"ril.isp", mmal.PortOutput, 0}, &mmal.Rectangle{ID: mmal.ParamCrop}, mmal.ENoSys},
		{"clock", camera, &mmal.Uint64{ID: mmal.ParamSystemTime}, mmal.EInval},
		{"unknown", camera, number(0x1ffff, 0), mmal.ENoSys},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, stop := machine(t, Config{})
				defer stop()
				h := dial(t, v)
				p := h.port(h.create(c.at.component), c.at.typ, c.at.index)
				id, value := c.param.ParameterID(), mmal.AppendParameter(nil, c.param)
				if got := h.setRaw(p, id, value); got != c.want {
					t.Fatalf("set: %v, want %v", got, c.want)
				}
				if c.want != mmal.Success {
					return
				}
				if got := h.setRaw(p, id, value[:len(value)-4]); got != mmal.EInval {
					t.Errorf("set a word short: %v, want EINVAL", got)
				}
				if got := h.setRaw(p, id, append(value, 0, 0, 0, 0)); got != mmal.EInval {
					t.Errorf("set a word long: %v, want EINVAL", got)
				}
				size := uint32(len(value) + parameterHeader)
				if r := h.get(p, id, size); r.Status != mmal.Success || r.Size != size || string(r.Value) != string(value) {
					t.Errorf("get: %v, size %d, % x; want size %d, % x", r.Status, r.Size, r.Value, size, value)
				}
				if r := h.get(p, id, size-4); r.Status != mmal.ENoSpc || r.Size != size {
					t.Errorf("get with too little room: %v, size %d; want ENOSPC, %d", r.Status, r.Size, size)
				}
			})
		})
	}
}

func TestAnnotateVersions(t *testing.T) {
	for _, c := range []struct {
		size   int
		quirks Quirks
		want   mmal.Status
	}{
		{64, Quirks{}, mmal.Success},
		{296, Quirks{}, mmal.Success},
		{312, Quirks{}, mmal.Success},
		{324, Quirks{}, mmal.Success},
		{324, Quirks{NoAnnotateV4: true}, mmal.EInval},
		{312, Quirks{NoAnnotateV4: true}, mmal.Success},
		{300, Quirks{}, mmal.EInval},
	} {
		synctest.Test(t, func(t *testing.T) {
			v, stop := machine(t, Config{Quirks: c.quirks})
			defer stop()
			h := dial(t, v)
			p := h.port(h.create("ril.camera"), mmal.PortControl, 0)
			if got := h.setRaw(p, mmal.ParamAnnotate, make([]byte, c.size-8)); got != c.want {
				t.Errorf("size %d, %+v: %v, want %v", c.size, c.quirks, got, c.want)
			}
		})
	}
}

func TestCameraInfo(t *testing.T) {
	for _, c := range []struct {
		name       string
		cfg        Config
		size       uint32
		want       mmal.Status
		wantSize   uint32
		cameras    uint32
		sensorName string
	}{
		{"whole", Config{}, 152, mmal.Success, 152, 1, "imx219"},
		{"raspicam's probe", Config{}, 148, mmal.ENoSpc, 152, 0, ""},
		{"V1", Config{}, 88, mmal.Success, 88, 1, ""},
		{"more room than needed", Config{}, 200, mmal.Success, 152, 1, "imx219"},
		{"old firmware", Config{Quirks: Quirks{CameraInfoV1: true}}, 148, mmal.Success, 88, 1, ""},
		{"other sensor", Config{Sensor: "ov5647"}, 152, mmal.Success, 152, 1, "ov5647"},
		{"no camera", Config{NoCamera: true}, 152, mmal.Success, 152, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, stop := machine(t, c.cfg)
				defer stop()
				h := dial(t, v)
				p := h.port(h.create("camera_info"), mmal.PortControl, 0)
				r := h.get(p, mmal.ParamCameraInfo, c.size)
				if r.Status != c.want || r.Size != c.wantSize {
					t.Fatalf("%v, size %d; want %v, %d", r.Status, r.Size, c.want, c.wantSize)
				}
				if c.want != mmal.Success {
					return
				}
				if got := binary.LittleEndian.Uint32(r.Value); got != c.cameras {
					t.Errorf("%d cameras, want %d", got, c.cameras)
				}
				var info mmal.CameraInfo
				if c.sensorName == "" {
					return
				}
				if err := mmal.DecodeParameter(r.Value, &info); err != nil || info.Cameras[0].Name != c.sensorName {
					t.Errorf("%+v, %v; want %s", info, err, c.sensorName)
				}
			})
		})
	}
}

// TestStates asks for things in the wrong state or order.
func TestStates(t *testing.T) {
	none := mmal.Buffers{}
	three := mmal.Buffers{Num: 3, Size: 128}
	for _, c := range []struct {
		name string
		cfg  Config
		do   func(r *rig) mmal.Status
		want mmal.Status
	}{
		{"enable camera twice", Config{}, func(r *rig) mmal.Status {
			r.componentEnable(r.camera)
			return r.status(mmal.ComponentEnable, &mmal.ComponentRequest{Component: r.camera})
		}, mmal.Success},
		{"enable second camera", Config{}, func(r *rig) mmal.Status {
			r.componentEnable(r.camera)
			other := newRig(r.t, r.vc(), 320, 240, 30)
			return other.status(mmal.ComponentEnable, &mmal.ComponentRequest{Component: other.camera})
		}, mmal.ENoSpc},
		{"enable second camera after the first was disabled", Config{}, func(r *rig) mmal.Status {
			r.componentEnable(r.camera)
			r.must("disable", r.status(mmal.ComponentDisable, &mmal.ComponentRequest{Component: r.camera}))
			other := newRig(r.t, r.vc(), 320, 240, 30)
			return other.status(mmal.ComponentEnable, &mmal.ComponentRequest{Component: other.camera})
		}, mmal.Success},
		{"enable camera that is not there", Config{NoCamera: true, Quirks: Quirks{NoCameraAtEnable: true}}, func(r *rig) mmal.Status {
			return r.status(mmal.ComponentEnable, &mmal.ComponentRequest{Component: r.camera})
		}, mmal.ENoSpc},
		{"enable camera without formats", Config{}, func(r *rig) mmal.Status {
			return r.status(mmal.ComponentEnable, &mmal.ComponentRequest{Component: r.create("ril.camera")})
		}, mmal.EInval},
		{"configure camera that runs", Config{}, func(r *rig) mmal.Status {
			r.componentEnable(r.camera)
			return r.set(r.control, &mmal.CameraConfig{VideoFrames: 3})
		}, mmal.EInval},
		{"configure camera with tunnels enabled", Config{}, func(r *rig) mmal.Status {
			return r.set(r.control, &mmal.CameraConfig{VideoFrames: 3})
		}, mmal.EInval},
		{"format of an enabled port", Config{}, func(r *rig) mmal.Status { return r.tryCommit(r.video, r.video.Format) }, mmal.EInval},
		{"format of the other end", Config{}, func(r *rig) mmal.Status { return r.tryCommit(r.splitterIn, r.video.Format) }, mmal.EInval},
		{"enable what the peer enabled", Config{}, func(r *rig) mmal.Status { return r.action(r.splitterIn, mmal.ActionEnable, three, target{}) }, mmal.EInval},
		{"disable at the other end", Config{}, func(r *rig) mmal.Status {
			r.must("disable", r.action(r.splitterIn, mmal.ActionDisable, none, target{}))
			return r.action(r.video, mmal.ActionDisable, none, target{})
		}, mmal.EInval},
		{"disable what is disabled", Config{}, func(r *rig) mmal.Status { return r.action(r.out(0), mmal.ActionDisable, none, target{}) }, mmal.EInval},
		{"flush what is disabled", Config{}, func(r *rig) mmal.Status { return r.action(r.out(0), mmal.ActionFlush, none, target{}) }, mmal.Success},
		{"connect twice", Config{}, func(r *rig) mmal.Status {
			return r.action(r.video, mmal.ActionConnect, none, r.port(r.create("null_sink"), mmal.PortInput, 0))
		}, mmal.EIsConn},
		{"connect to an input in use", Config{}, func(r *rig) mmal.Status {
			return r.action(r.out(0), mmal.ActionConnect, none, r.splitterIn)
		}, mmal.EInval}, // of its own component
		{"connect to an input that is connected", Config{}, func(r *rig) mmal.Status {
			return r.action(r.out(0), mmal.ActionConnect, none, r.port(r.sink, mmal.PortInput, 0))
		}, mmal.EIsConn},
		{"connect different sizes", Config{}, func(r *rig) mmal.Status {
			in := r.commit(r.port(r.create("ril.video_encode"), mmal.PortInput, 0), opaque(640, 480, 30))
			return r.action(r.out(0), mmal.ActionConnect, none, in)
		}, mmal.EInval},
		{"connect different encodings", Config{}, func(r *rig) mmal.Status {
			in := r.commit(r.port(r.create("ril.video_encode"), mmal.PortInput, 0), raw(mmal.EncodingI420, 320, 240, 30))
			return r.action(r.out(0), mmal.ActionConnect, none, in)
		}, mmal.EInval},
		{"connect an enabled port", Config{}, func(r *rig) mmal.Status {
			r.enable(r.out(0), 3, 128)
			in := r.commit(r.port(r.create("ril.video_encode"), mmal.PortInput, 0), r.out(0).Format)
			return r.action(r.out(0), mmal.ActionConnect, none, in)
		}, mmal.EInval},
		{"connect to an enabled port", Config{}, func(r *rig) mmal.Status {
			in := r.commit(r.port(r.create("ril.video_encode"), mmal.PortInput, 0), r.out(0).Format)
			r.enable(in, 3, 128)
			return r.action(r.out(0), mmal.ActionConnect, none, in)
		}, mmal.EInval},
		{"connect to an output", Config{}, func(r *rig) mmal.Status { return r.action(r.out(0), mmal.ActionConnect, none, r.out(1)) }, mmal.EInval},
		{"connect from an input", Config{}, func(r *rig) mmal.Status {
			return r.action(r.port(r.create("null_sink"), mmal.PortInput, 0), mmal.ActionConnect, none, r.out(1))
		}, mmal.EInval},
		{"connect to nothing", Config{}, func(r *rig) mmal.Status { return r.action(r.out(0), mmal.ActionConnect, none, target{}) }, mmal.EInval},
		{"connect to another client's port", Config{}, func(r *rig) mmal.Status {
			h := dial(r.t, r.vc())
			in := h.port(h.create("null_sink"), mmal.PortInput, 0)
			return r.action(r.out(0), mmal.ActionConnect, none, in)
		}, mmal.EInval},
		{"disconnect what is not connected", Config{}, func(r *rig) mmal.Status { return r.action(r.out(0), mmal.ActionDisconnect, none, target{}) }, mmal.ENotConn},
		{"disconnect", Config{}, func(r *rig) mmal.Status {
			r.must("disable", r.action(r.video, mmal.ActionDisable, none, target{}))
			r.must("disconnect", r.action(r.video, mmal.ActionDisconnect, none, target{}))
			return r.action(r.splitterIn, mmal.ActionDisconnect, none, target{})
		}, mmal.ENotConn},
		{"requirements of what is not connected", Config{}, func(r *rig) mmal.Status { return r.action(r.out(0), mmal.ActionSetRequirements, three, target{}) }, mmal.ENotConn},
		{"requirements", Config{}, func(r *rig) mmal.Status { return r.action(r.video, mmal.ActionSetRequirements, three, target{}) }, mmal.Success},
		{"enable with too few buffers", Config{}, func(r *rig) mmal.Status {
			return r.action(r.out(0), mmal.ActionEnable, mmal.Buffers{Size: 128}, target{})
		}, mmal.EInval},
		{"enable with small buffers", Config{}, func(r *rig) mmal.Status {
			return r.action(r.out(0), mmal.ActionEnable, mmal.Buffers{Num: 1, Size: 127}, target{})
		}, mmal.EInval},
		{"opaque to ARM", Config{}, func(r *rig) mmal.Status { return r.action(r.out(0), mmal.ActionEnable, three, target{}) }, mmal.Success},
		{"opaque to ARM refused", Config{Quirks: Quirks{RefuseOpaqueToARM: true}}, func(r *rig) mmal.Status {
			return r.action(r.out(0), mmal.ActionEnable, three, target{})
		}, mmal.EInval},
		{"unknown action", Config{}, func(r *rig) mmal.Status { return r.action(r.out(0), 7, none, target{}) }, mmal.EInval},
		{"action at no port", Config{}, func(r *rig) mmal.Status {
			p := r.out(0)
			p.Handle = uint32(p.Port.IndexAll)
			return r.action(p, mmal.ActionEnable, three, target{})
		}, mmal.EInval},
		{"encoder output without formats", Config{}, func(r *rig) mmal.Status {
			return r.action(r.port(r.create("ril.video_encode"), mmal.PortOutput, 0), mmal.ActionEnable, mmal.Buffers{Num: 1, Size: 65536}, target{})
		}, mmal.EInval},
		{"encoder above its level", Config{}, func(r *rig) mmal.Status {
			_, _, out := r.newEncoder(opaque(1920, 1080, 60), 1)
			return r.action(out, mmal.ActionEnable, mmal.Buffers{Num: 1, Size: 65536}, target{})
		}, mmal.EInval},
		{"encoder at its level", Config{}, func(r *rig) mmal.Status {
			_, _, out := r.newEncoder(opaque(1920, 1080, 60), 1)
			r.must("profile", r.set(out, &mmal.VideoProfile{Profile: mmal.ProfileHigh, Level: mmal.Level42}))
			return r.action(out, mmal.ActionEnable, mmal.Buffers{Num: 1, Size: 65536}, target{})
		}, mmal.Success},
		{"level below the format", Config{}, func(r *rig) mmal.Status {
			_, _, out := r.newEncoder(opaque(1920, 1080, 30), 1)
			return r.set(out, &mmal.VideoProfile{Profile: mmal.ProfileHigh, Level: mmal.Level32})
		}, mmal.EInval},
		{"least quantiser above the highest", Config{}, func(r *rig) mmal.Status {
			_, _, out := r.newEncoder(opaque(320, 240, 30), 1)
			r.must("least", r.set(out, &mmal.Uint32{ID: mmal.ParamMinQuant, Value: 30}))
			r.must("most", r.set(out, &mmal.Uint32{ID: mmal.ParamMaxQuant, Value: 20}))
			return r.action(out, mmal.ActionEnable, mmal.Buffers{Num: 1, Size: 65536}, target{})
		}, mmal.EInval},
		{"profile of a running encoder", Config{}, func(r *rig) mmal.Status {
			_, _, out := r.newEncoder(opaque(320, 240, 30), 1)
			r.enable(out, 1, 65536)
			return r.set(out, &mmal.VideoProfile{Profile: mmal.ProfileHigh, Level: mmal.Level4})
		}, mmal.EInval},
		{"bit rate of a running encoder", Config{}, func(r *rig) mmal.Status {
			_, _, out := r.newEncoder(opaque(320, 240, 30), 1)
			r.enable(out, 1, 65536)
			return r.set(out, &mmal.Uint32{ID: mmal.ParamBitRate, Value: 1000})
		}, mmal.Success},
		{"bit rate of a running encoder, old firmware", Config{Quirks: Quirks{NoLiveBitRate: true}}, func(r *rig) mmal.Status {
			_, _, out := r.newEncoder(opaque(320, 240, 30), 1)
			r.enable(out, 1, 65536)
			return r.set(out, &mmal.Uint32{ID: mmal.ParamBitRate, Value: 1000})
		}, mmal.EInval},
		{"isp statistics", Config{}, func(r *rig) mmal.Status {
			return r.action(r.port(r.create("ril.isp"), mmal.PortOutput, 2), mmal.ActionEnable, mmal.Buffers{Num: 1, Size: 65536}, target{})
		}, mmal.EInval},
		{"destroyed component", Config{}, func(r *rig) mmal.Status {
			r.must("destroy", r.status(mmal.ComponentDestroy, &mmal.ComponentRequest{Component: r.splitter}))
			return r.status(mmal.ComponentDestroy, &mmal.ComponentRequest{Component: r.splitter})
		}, mmal.EInval},
		{"tunnel after its peer was destroyed", Config{}, func(r *rig) mmal.Status {
			r.must("destroy", r.status(mmal.ComponentDestroy, &mmal.ComponentRequest{Component: r.splitter}))
			return r.action(r.video, mmal.ActionDisconnect, none, target{})
		}, mmal.ENotConn},
		{"another client's component", Config{}, func(r *rig) mmal.Status {
			return dial(r.t, r.vc()).status(mmal.ComponentDestroy, &mmal.ComponentRequest{Component: r.splitter})
		}, mmal.EInval},
		{"unaligned width, rounded", Config{Quirks: Quirks{RoundAlign: true}}, func(r *rig) mmal.Status {
			f := opaque(300, 200, 30)
			f.Video.Width, f.Video.Height = 300, 200
			p := r.commit(r.port(r.create("null_sink"), mmal.PortInput, 0), f)
			if p.Format.Video.Width != 320 || p.Format.Video.Height != 208 {
				r.t.Errorf("rounded to %+v", p.Format.Video)
			}
			return mmal.Success
		}, mmal.Success},
		{"one end of a tunnel", Config{Quirks: Quirks{SingleEndEnable: true}}, func(r *rig) mmal.Status {
			if r.port(r.splitter, mmal.PortInput, 0).Port.Enabled {
				r.t.Error("peer is enabled too")
			}
			return r.action(r.splitterIn, mmal.ActionEnable, three, target{})
		}, mmal.Success},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, stop := machine(t, c.cfg)
				defer stop()
				r := newRig(t, v, 320, 240, 30)
				if got := c.do(r); got != c.want {
					t.Errorf("got %v, want %v", got, c.want)
				}
				r.tr.Close()
				synctest.Wait()
				if s := v.Stats(); s.ImagesInUse != 0 {
					t.Errorf("%d images in use at the end", s.ImagesInUse)
				}
			})
		})
	}
}

// vc is the VideoCore behind the transport.
func (h *host) vc() *VideoCore { return h.tr.(*inproc).vc }

// TestBuffers gives buffers that cannot be used.
func TestBuffers(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*mmal.BufferMessage)
		status mmal.Status // of the returned buffer
		bad    uint64      // messages counted instead of a return
	}{
		{"too small", func(m *mmal.BufferMessage) { m.Capacity = 32767 }, mmal.EInval, 0},
		{"no data word", func(m *mmal.BufferMessage) { m.Data = 0 }, mmal.EInval, 0},
		{"given twice", func(m *mmal.BufferMessage) { m.Buffer.Context = 1 }, mmal.EInval, 0},
		{"control port", func(m *mmal.BufferMessage) { m.Buffer.Port -= 2 }, mmal.EInval, 0},
		{"disabled port", func(m *mmal.BufferMessage) { m.Buffer.Port-- }, mmal.EInval, 0},
		{"no such port", func(m *mmal.BufferMessage) { m.Buffer.Port++ }, 0, 1},
		{"index instead of a handle", func(m *mmal.BufferMessage) { m.Buffer.Port = 2 }, 0, 1},
		{"no such component", func(m *mmal.BufferMessage) { m.Buffer.Component++ }, 0, 1},
		{"no context", func(m *mmal.BufferMessage) { m.Buffer.Context = 0 }, 0, 1},
		{"too much payload", func(m *mmal.BufferMessage) { m.InMessage = 129 }, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, stop := machine(t, Config{})
				defer stop()
				h := dial(t, v)
				_, _, out := h.newEncoder(raw(mmal.EncodingI420, 320, 240, 30), 100_000)
				h.enable(out, 3, 65536)
				h.give(out, 1, 65536)
				m := mmal.BufferMessage{
					Buffer: mmal.BufferAddress{Component: out.Component, Port: out.Handle, Context: 2},
					Data:   2, Capacity: 65536, PTS: mmal.TimeUnknown, DTS: mmal.TimeUnknown,
				}
				c.change(&m)
				h.send(out, m)
				h.port(out.Component, mmal.PortOutput, 0) // all before it has been executed then
				switch {
				case c.bad > 0:
					if len(h.buffers) != 0 {
						t.Errorf("%d buffers came back", len(h.buffers))
					}
				case len(h.buffers) != 1:
					t.Fatalf("%d buffers came back, want 1", len(h.buffers))
				default:
					b := h.buffers[0]
					if b.status != c.status || b.Buffer != m.Buffer || b.Flags&mmal.FlagTransmissionFailed == 0 {
						t.Errorf("came back %+v with %v, flags %v", b.Buffer, b.status, b.Flags)
					}
				}
				if got := v.Stats().BadMessages; got != c.bad {
					t.Errorf("%d bad messages, want %d", got, c.bad)
				}
			})
		})
	}
}

// TestDisableReturnsBuffersFirst checks that the reply comes after all buffers.
func TestDisableReturnsBuffersFirst(t *testing.T) {
	for _, action := range []mmal.Action{mmal.ActionDisable, mmal.ActionFlush} {
		synctest.Test(t, func(t *testing.T) {
			v, stop := machine(t, Config{})
			defer stop()
			h := dial(t, v)
			_, _, out := h.newEncoder(raw(mmal.EncodingI420, 320, 240, 30), 100_000)
			h.enable(out, 3, 65536)
			for i := range uint32(3) {
				h.give(out, 10+i, 65536)
			}
			h.must("action", h.action(out, action, mmal.Buffers{}, target{}))
			if len(h.buffers) != 3 {
				t.Fatalf("%v: %d buffers before the reply, want 3", action, len(h.buffers))
			}
			for i, b := range h.buffers {
				if b.Buffer.Context != uint32(10+i) || b.Length != 0 || b.Flags != 0 || b.status != mmal.Success {
					t.Errorf("%v: buffer %d: %+v", action, i, b.BufferMessage)
				}
			}
		})
	}
}

// TestBadMessages sends what is no request.
func TestBadMessages(t *testing.T) {
	header := func(id mmal.MessageID, n int) []byte {
		m := mmal.Append(nil, mmal.Header{ID: id, Context: 77}, &mmal.Reply{})
		return append(m, make([]byte, 600)...)[:n]
	}
	for _, c := range []struct {
		name    string
		msg     []byte
		refused bool // with EINVAL; else there is no reply
	}{
		{"nothing", nil, false},
		{"no header", header(mmal.GetVersion, 23), false},
		{"wrong magic", make([]byte, 40), false},
		{"too long", header(mmal.GetVersion, 513), false},
		{"unknown", header(99, 40), false},
		{"from the firmware", header(mmal.BufferToHost, 296), false},
		{"short create", header(mmal.ComponentCreate, 159), true},
		{"short enable", header(mmal.ComponentEnable, 27), true},
		{"short info", header(mmal.PortInfoGet, 35), true},
		{"short update", header(mmal.PortInfoSet, 303), true},
		{"short action", header(mmal.PortAction, 35), true},
		{"short set", header(mmal.PortParameterSet, 39), true},
		{"short get", header(mmal.PortParameterGet, 39), true},
		{"short buffer", header(mmal.BufferFromHost, 200), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, stop := machine(t, Config{})
				defer stop()
				h := dial(t, v)
				if err := h.tr.Send(c.msg, nil); err != nil {
					t.Fatal(err)
				}
				h.create("null_sink") // the service still works
				if got := v.Stats().BadMessages; got != 1 {
					t.Errorf("%d bad messages, want 1", got)
				}
				reply := h.replies[77]
				if (reply != nil) != c.refused {
					t.Fatalf("reply % x", reply)
				}
				var r mmal.Reply
				if c.refused && (mmal.Decode(reply, &r) != nil || r.Status != mmal.EInval) {
					t.Errorf("%v, want EINVAL", r.Status)
				}
			})
		})
	}
}

func TestVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{})
		defer stop()
		var got mmal.Version
		if err := mmal.Decode(dial(t, v).ask(mmal.GetVersion, &mmal.Version{}), &got); err != nil {
			t.Fatal(err)
		}
		if want := (mmal.Version{Major: 16, Minor: 1, Minimum: 10}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}
