package mmal

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"testing"
)

// cNames maps the constants of this package to those of the C headers.
func cNames() map[string]string {
	return join(messageNames(), stateNames(), formatNames(), parameterNames())
}

func messageNames() map[string]string {
	return map[string]string{
		"Magic": "MMAL_MAGIC", "MaxMessage": "MMAL_WORKER_MAX_MSG_LEN", "MaxShortPayload": "MMAL_VC_SHORT_DATA",
		"maxParameter": "MMAL_WORKER_PORT_PARAMETER_SET_MAX", "maxCameras": "MMAL_PARAMETER_CAMERA_INFO_MAX_CAMERAS",

		"GetVersion": "MMAL_WORKER_GET_VERSION", "ComponentCreate": "MMAL_WORKER_COMPONENT_CREATE",
		"ComponentDestroy": "MMAL_WORKER_COMPONENT_DESTROY", "ComponentEnable": "MMAL_WORKER_COMPONENT_ENABLE",
		"ComponentDisable": "MMAL_WORKER_COMPONENT_DISABLE", "PortInfoGet": "MMAL_WORKER_PORT_INFO_GET",
		"PortInfoSet": "MMAL_WORKER_PORT_INFO_SET", "PortAction": "MMAL_WORKER_PORT_ACTION",
		"BufferFromHost": "MMAL_WORKER_BUFFER_FROM_HOST", "BufferToHost": "MMAL_WORKER_BUFFER_TO_HOST",
		"PortParameterSet": "MMAL_WORKER_PORT_PARAMETER_SET", "PortParameterGet": "MMAL_WORKER_PORT_PARAMETER_GET",
		"EventToHost": "MMAL_WORKER_EVENT_TO_HOST",

		"ActionEnable": "MMAL_WORKER_PORT_ACTION_ENABLE", "ActionDisable": "MMAL_WORKER_PORT_ACTION_DISABLE",
		"ActionFlush": "MMAL_WORKER_PORT_ACTION_FLUSH", "ActionConnect": "MMAL_WORKER_PORT_ACTION_CONNECT",
		"ActionDisconnect":      "MMAL_WORKER_PORT_ACTION_DISCONNECT",
		"ActionSetRequirements": "MMAL_WORKER_PORT_ACTION_SET_REQUIREMENTS",
	}
}

func stateNames() map[string]string {
	return map[string]string{
		"Success": "MMAL_SUCCESS", "ENoMem": "MMAL_ENOMEM", "ENoSpc": "MMAL_ENOSPC", "EInval": "MMAL_EINVAL",
		"ENoSys": "MMAL_ENOSYS", "ENoEnt": "MMAL_ENOENT", "ENXIO": "MMAL_ENXIO", "EIO": "MMAL_EIO",
		"ESPipe": "MMAL_ESPIPE", "ECorrupt": "MMAL_ECORRUPT", "ENotReady": "MMAL_ENOTREADY", "EConfig": "MMAL_ECONFIG",
		"EIsConn": "MMAL_EISCONN", "ENotConn": "MMAL_ENOTCONN", "EAgain": "MMAL_EAGAIN", "EFault": "MMAL_EFAULT",

		"PortControl": "MMAL_PORT_TYPE_CONTROL", "PortInput": "MMAL_PORT_TYPE_INPUT",
		"PortOutput": "MMAL_PORT_TYPE_OUTPUT", "PortClock": "MMAL_PORT_TYPE_CLOCK",

		"FlagEOS": "MMAL_BUFFER_HEADER_FLAG_EOS", "FlagFrameStart": "MMAL_BUFFER_HEADER_FLAG_FRAME_START",
		"FlagFrameEnd": "MMAL_BUFFER_HEADER_FLAG_FRAME_END", "FlagKeyFrame": "MMAL_BUFFER_HEADER_FLAG_KEYFRAME",
		"FlagDiscontinuity": "MMAL_BUFFER_HEADER_FLAG_DISCONTINUITY", "FlagConfig": "MMAL_BUFFER_HEADER_FLAG_CONFIG",
		"FlagCodecSideInfo":      "MMAL_BUFFER_HEADER_FLAG_CODECSIDEINFO",
		"FlagCorrupted":          "MMAL_BUFFER_HEADER_FLAG_CORRUPTED",
		"FlagTransmissionFailed": "MMAL_BUFFER_HEADER_FLAG_TRANSMISSION_FAILED",
		"FlagNALEnd":             "MMAL_BUFFER_HEADER_FLAG_NAL_END",
		"TimeUnknown":            "MMAL_TIME_UNKNOWN",
	}
}

func formatNames() map[string]string {
	return map[string]string{
		"ESVideo": "MMAL_ES_TYPE_VIDEO", "EncodingOpaque": "MMAL_ENCODING_OPAQUE", "EncodingI420": "MMAL_ENCODING_I420",
		"EncodingH264": "MMAL_ENCODING_H264", "EncodingJPEG": "MMAL_ENCODING_JPEG",

		"EventError": "MMAL_EVENT_ERROR", "EventEOS": "MMAL_EVENT_EOS",
		"EventFormatChanged": "MMAL_EVENT_FORMAT_CHANGED", "EventParameterChanged": "MMAL_EVENT_PARAMETER_CHANGED",

		"TimestampZero": "MMAL_PARAM_TIMESTAMP_MODE_ZERO", "TimestampRaw": "MMAL_PARAM_TIMESTAMP_MODE_RAW_STC",
		"TimestampReset": "MMAL_PARAM_TIMESTAMP_MODE_RESET_STC",

		"ProfileBaseline": "MMAL_VIDEO_PROFILE_H264_BASELINE", "ProfileMain": "MMAL_VIDEO_PROFILE_H264_MAIN",
		"ProfileHigh":                "MMAL_VIDEO_PROFILE_H264_HIGH",
		"ProfileConstrainedBaseline": "MMAL_VIDEO_PROFILE_H264_CONSTRAINED_BASELINE",
		"Level3":                     "MMAL_VIDEO_LEVEL_H264_3", "Level31": "MMAL_VIDEO_LEVEL_H264_31",
		"Level32": "MMAL_VIDEO_LEVEL_H264_32", "Level4": "MMAL_VIDEO_LEVEL_H264_4",
		"Level41": "MMAL_VIDEO_LEVEL_H264_41", "Level42": "MMAL_VIDEO_LEVEL_H264_42",

		"RefreshCyclic":     "MMAL_VIDEO_INTRA_REFRESH_CYCLIC",
		"RefreshAdaptive":   "MMAL_VIDEO_INTRA_REFRESH_ADAPTIVE",
		"RefreshBoth":       "MMAL_VIDEO_INTRA_REFRESH_BOTH",
		"RefreshCyclicRows": "MMAL_VIDEO_INTRA_REFRESH_CYCLIC_MROWS",
	}
}

func parameterNames() map[string]string {
	return under("Param", "MMAL_PARAMETER_", map[string]string{
		"SupportedEncodings": "SUPPORTED_ENCODINGS", "ChangeEventRequest": "CHANGE_EVENT_REQUEST",
		"ZeroCopy": "ZERO_COPY", "Statistics": "STATISTICS", "SystemTime": "SYSTEM_TIME",

		"Thumbnail": "THUMBNAIL_CONFIGURATION", "Rotation": "ROTATION", "EXIFDisable": "EXIF_DISABLE",
		"AWBMode": "AWB_MODE", "ImageEffect": "IMAGE_EFFECT", "ColourEffect": "COLOUR_EFFECT",
		"FlickerAvoid": "FLICKER_AVOID", "ExposureCompensation": "EXPOSURE_COMP", "Mirror": "MIRROR",
		"CameraNum": "CAMERA_NUM", "Capture": "CAPTURE", "ExposureMode": "EXPOSURE_MODE",
		"MeteringMode": "EXP_METERING_MODE", "CameraConfig": "CAMERA_CONFIG", "JPEGQuality": "JPEG_Q_FACTOR",
		"FrameRate": "FRAME_RATE", "CameraInfo": "CAMERA_INFO", "VideoStabilisation": "VIDEO_STABILISATION",
		"InputCrop": "INPUT_CROP", "DRC": "DYNAMIC_RANGE_COMPRESSION", "Sharpness": "SHARPNESS",
		"Contrast": "CONTRAST", "Brightness": "BRIGHTNESS", "Saturation": "SATURATION", "ISO": "ISO",
		"SensorMode": "CAMERA_CUSTOM_SENSOR_CONFIG", "FPSRange": "FPS_RANGE", "ShutterSpeed": "SHUTTER_SPEED",
		"AWBGains": "CUSTOM_AWB_GAINS", "CameraSettings": "CAMERA_SETTINGS", "VideoDenoise": "VIDEO_DENOISE",
		"StillsDenoise": "STILLS_DENOISE", "AnalogGain": "ANALOG_GAIN", "DigitalGain": "DIGITAL_GAIN",
		"Annotate": "ANNOTATE", "StereoscopicMode": "STEREOSCOPIC_MODE", "Crop": "CROP",

		"Profile": "PROFILE", "IntraPeriod": "INTRAPERIOD", "RateControl": "RATECONTROL",
		"RequestIFrame": "VIDEO_REQUEST_I_FRAME", "IntraRefresh": "VIDEO_INTRA_REFRESH",
		"ImmutableInput": "VIDEO_IMMUTABLE_INPUT", "BitRate": "VIDEO_BIT_RATE",
		"MinQuant": "VIDEO_ENCODE_MIN_QUANT", "MaxQuant": "VIDEO_ENCODE_MAX_QUANT",
		"InitialQuant": "VIDEO_ENCODE_INITIAL_QUANT", "InlineHeader": "VIDEO_ENCODE_INLINE_HEADER",
		"SEIEnable": "VIDEO_ENCODE_SEI_ENABLE", "SPSTiming": "VIDEO_ENCODE_SPS_TIMING",
	})
}

// wireConstants evaluates all constants that the wire format's files declare.
func wireConstants(t *testing.T) map[string]*types.Const {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range []string{"wire.go", "enum.go", "message.go", "parameter.go"} {
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	// No constant needs an import, so that nothing but the constants has to type-check.
	config := types.Config{Error: func(error) {}}
	pkg, _ := config.Check("mmal", fset, files, nil)
	all := map[string]*types.Const{}
	for _, name := range pkg.Scope().Names() {
		if c, ok := pkg.Scope().Lookup(name).(*types.Const); ok {
			all[name] = c
		}
	}
	return all
}

func TestConstants(t *testing.T) {
	layout := loadLayout(t)
	sizes := map[string]int{
		"HeaderSize":      layout.Structs["mmal_worker_msg_header"].Size,
		"parameterHeader": layout.Structs["MMAL_PARAMETER_UINT32_T"].Fields["hdr"].Size,
		"actionArgSize":   layout.Structs["mmal_worker_port_action"].Fields["param"].Size,
	}
	names := cNames()
	for name, c := range wireConstants(t) {
		want, ok := layout.Constants[names[name]]
		if size, isSize := sizes[name]; isSize {
			want, ok = int64(size), true
		}
		if !ok {
			t.Errorf("%s: no constant %q in layout.json", name, names[name])
			continue
		}
		if got, exact := constant.Int64Val(constant.ToInt(c.Val())); !exact || got != want {
			t.Errorf("%s = %v, want %d (%s)", name, c.Val(), want, names[name])
		}
		delete(names, name)
	}
	for name, c := range names {
		t.Errorf("%s: no Go constant %s", c, name)
	}
}

// TestNames checks that what a constant calls itself is what the headers call it.
func TestNames(t *testing.T) {
	text := map[string]func(uint32) string{
		"mmal.MessageID":   func(v uint32) string { return "MMAL_WORKER_" + MessageID(v).String() },
		"mmal.Action":      func(v uint32) string { return "MMAL_WORKER_PORT_ACTION_" + Action(v).String() },
		"mmal.Status":      func(v uint32) string { return "MMAL_" + Status(v).String() },
		"mmal.ParameterID": func(v uint32) string { return "MMAL_PARAMETER_" + ParameterID(v).String() },
	}
	checked := 0
	for name, c := range wireConstants(t) {
		own, ok := text[c.Type().String()]
		if !ok {
			continue
		}
		v, _ := constant.Uint64Val(c.Val())
		if got, want := own(uint32(v)), cNames()[name]; got != want {
			t.Errorf("%s calls itself %s, want %s", name, got, want)
		}
		checked++
	}
	if checked == 0 {
		t.Error("no constant checked")
	}
}

func TestNamesOfUnknownValues(t *testing.T) {
	tests := []struct{ got, want string }{
		{MessageID(99).String(), "message(99)"},
		{Status(16).String(), "status(16)"},
		{Status(0xffffffff).String(), "status(4294967295)"},
		{PortType(9).String(), "porttype(9)"},
		{Action(9).String(), "action(9)"},
		{ParameterID(0x1ffff).String(), "parameter(0x1ffff)"},
		{FourCC(0x01020304).String(), "fourcc(0x1020304)"},
		{EncodingH264.String(), "H264"},
		{EventError.String(), "ERRO"},
		{PortControl.String() + PortInput.String() + PortOutput.String() + PortClock.String(), "controlinoutclock"},
		{ENoSpc.Error(), "firmware answered ENOSPC"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// TestParameterTypes checks that each parameter whose C struct is known has a Go type, and one whose layout is tested.
func TestParameterTypes(t *testing.T) {
	without := map[string]string{
		"SUPPORTED_ENCODINGS": "an array of any length, not read",
		"STATISTICS":          "not read",
		"CAMERA_SETTINGS":     "arrives in events only",
		"AWB_MODE":            "its table names the enum, not the struct",
		"ANNOTATE":            "its table names version 1, this package has 4",
	}
	layout := loadLayout(t)
	types := map[string]layoutCase{}
	for _, tt := range layoutCases() {
		types[tt.c] = tt
	}
	for name, cName := range parameterNames() {
		param, ok := layout.Params[cName]
		short := strings.TrimPrefix(cName, "MMAL_PARAMETER_")
		if _, skip := without[short]; skip || !ok {
			continue // the headers name no struct
		}
		tt, ok := types[param.Struct]
		if !ok {
			t.Errorf("%s: no Go type for %s", name, param.Struct)
			continue
		}
		p := tt.base().(Parameter)
		if id := p.ParameterID(); id != 0 && id != param.ID {
			t.Errorf("%s: type %T is for %v, want %v", name, p, id, param.ID)
		}
		if got := len(encodeWhole(p)); got != param.Size {
			t.Errorf("%s: size %d, want %d", name, got, param.Size)
		}
	}
}
