package mmal

import "fmt"

// ParameterID names a parameter (MMAL_PARAMETER_*).
type ParameterID uint32

// The parameters of a camera pipeline (mmal_parameters_common.h, _camera.h, _video.h).
const (
	ParamSupportedEncodings ParameterID = 0x00001
	ParamChangeEventRequest ParameterID = 0x00003
	ParamZeroCopy           ParameterID = 0x00004
	ParamStatistics         ParameterID = 0x00006
	ParamSystemTime         ParameterID = 0x0000d

	ParamThumbnail            ParameterID = 0x10000
	ParamRotation             ParameterID = 0x10002
	ParamEXIFDisable          ParameterID = 0x10003
	ParamAWBMode              ParameterID = 0x10005
	ParamImageEffect          ParameterID = 0x10006
	ParamColourEffect         ParameterID = 0x10007
	ParamFlickerAvoid         ParameterID = 0x10008
	ParamExposureCompensation ParameterID = 0x1000d
	ParamMirror               ParameterID = 0x1000f
	ParamCameraNum            ParameterID = 0x10010
	ParamCapture              ParameterID = 0x10011
	ParamExposureMode         ParameterID = 0x10012
	ParamMeteringMode         ParameterID = 0x10013
	ParamCameraConfig         ParameterID = 0x10015
	ParamJPEGQuality          ParameterID = 0x10019
	ParamFrameRate            ParameterID = 0x1001a
	ParamCameraInfo           ParameterID = 0x1001c
	ParamVideoStabilisation   ParameterID = 0x1001d
	ParamInputCrop            ParameterID = 0x10025
	ParamDRC                  ParameterID = 0x1002a
	ParamSharpness            ParameterID = 0x1002c
	ParamContrast             ParameterID = 0x1002d
	ParamBrightness           ParameterID = 0x1002e
	ParamSaturation           ParameterID = 0x1002f
	ParamISO                  ParameterID = 0x10030
	ParamSensorMode           ParameterID = 0x10037 // CAMERA_CUSTOM_SENSOR_CONFIG
	ParamFPSRange             ParameterID = 0x1003e
	ParamShutterSpeed         ParameterID = 0x10043
	ParamAWBGains             ParameterID = 0x10044 // CUSTOM_AWB_GAINS
	ParamCameraSettings       ParameterID = 0x10045
	ParamVideoDenoise         ParameterID = 0x10047
	ParamStillsDenoise        ParameterID = 0x10048
	ParamAnnotate             ParameterID = 0x10049
	ParamStereoscopicMode     ParameterID = 0x1004a
	ParamCrop                 ParameterID = 0x10055
	ParamAnalogGain           ParameterID = 0x10059
	ParamDigitalGain          ParameterID = 0x1005a

	ParamProfile        ParameterID = 0x20002
	ParamIntraPeriod    ParameterID = 0x20003
	ParamRateControl    ParameterID = 0x20004
	ParamRequestIFrame  ParameterID = 0x2000b
	ParamIntraRefresh   ParameterID = 0x2000c
	ParamImmutableInput ParameterID = 0x2000d
	ParamBitRate        ParameterID = 0x2000e
	ParamMinQuant       ParameterID = 0x20010
	ParamMaxQuant       ParameterID = 0x20011
	ParamInitialQuant   ParameterID = 0x20017
	ParamInlineHeader   ParameterID = 0x2002a
	ParamSEIEnable      ParameterID = 0x2002b
	ParamSPSTiming      ParameterID = 0x20030
)

// String is the name in the C headers, or the number of one that has none here.
func (id ParameterID) String() string {
	switch id {
	case ParamSupportedEncodings:
		return "SUPPORTED_ENCODINGS"
	case ParamChangeEventRequest:
		return "CHANGE_EVENT_REQUEST"
	case ParamZeroCopy:
		return "ZERO_COPY"
	case ParamStatistics:
		return "STATISTICS"
	case ParamSystemTime:
		return "SYSTEM_TIME"
	case ParamThumbnail:
		return "THUMBNAIL_CONFIGURATION"
	case ParamRotation:
		return "ROTATION"
	case ParamEXIFDisable:
		return "EXIF_DISABLE"
	case ParamAWBMode:
		return "AWB_MODE"
	case ParamImageEffect:
		return "IMAGE_EFFECT"
	case ParamColourEffect:
		return "COLOUR_EFFECT"
	case ParamFlickerAvoid:
		return "FLICKER_AVOID"
	case ParamExposureCompensation:
		return "EXPOSURE_COMP"
	case ParamMirror:
		return "MIRROR"
	case ParamCameraNum:
		return "CAMERA_NUM"
	case ParamCapture:
		return "CAPTURE"
	case ParamExposureMode:
		return "EXPOSURE_MODE"
	case ParamMeteringMode:
		return "EXP_METERING_MODE"
	case ParamCameraConfig:
		return "CAMERA_CONFIG"
	case ParamJPEGQuality:
		return "JPEG_Q_FACTOR"
	case ParamFrameRate:
		return "FRAME_RATE"
	case ParamCameraInfo:
		return "CAMERA_INFO"
	case ParamVideoStabilisation:
		return "VIDEO_STABILISATION"
	case ParamInputCrop:
		return "INPUT_CROP"
	case ParamDRC:
		return "DYNAMIC_RANGE_COMPRESSION"
	case ParamSharpness:
		return "SHARPNESS"
	case ParamContrast:
		return "CONTRAST"
	case ParamBrightness:
		return "BRIGHTNESS"
	case ParamSaturation:
		return "SATURATION"
	case ParamISO:
		return "ISO"
	case ParamSensorMode:
		return "CAMERA_CUSTOM_SENSOR_CONFIG"
	case ParamFPSRange:
		return "FPS_RANGE"
	case ParamShutterSpeed:
		return "SHUTTER_SPEED"
	case ParamAWBGains:
		return "CUSTOM_AWB_GAINS"
	case ParamCameraSettings:
		return "CAMERA_SETTINGS"
	case ParamVideoDenoise:
		return "VIDEO_DENOISE"
	case ParamStillsDenoise:
		return "STILLS_DENOISE"
	case ParamAnnotate:
		return "ANNOTATE"
	case ParamStereoscopicMode:
		return "STEREOSCOPIC_MODE"
	case ParamCrop:
		return "CROP"
	case ParamAnalogGain:
		return "ANALOG_GAIN"
	case ParamDigitalGain:
		return "DIGITAL_GAIN"
	case ParamProfile:
		return "PROFILE"
	case ParamIntraPeriod:
		return "INTRAPERIOD"
	case ParamRateControl:
		return "RATECONTROL"
	case ParamRequestIFrame:
		return "VIDEO_REQUEST_I_FRAME"
	case ParamIntraRefresh:
		return "VIDEO_INTRA_REFRESH"
	case ParamImmutableInput:
		return "VIDEO_IMMUTABLE_INPUT"
	case ParamBitRate:
		return "VIDEO_BIT_RATE"
	case ParamMinQuant:
		return "VIDEO_ENCODE_MIN_QUANT"
	case ParamMaxQuant:
		return "VIDEO_ENCODE_MAX_QUANT"
	case ParamInitialQuant:
		return "VIDEO_ENCODE_INITIAL_QUANT"
	case ParamInlineHeader:
		return "VIDEO_ENCODE_INLINE_HEADER"
	case ParamSEIEnable:
		return "VIDEO_ENCODE_SEI_ENABLE"
	case ParamSPSTiming:
		return "VIDEO_ENCODE_SPS_TIMING"
	}
	return fmt.Sprintf("parameter(%#x)", uint32(id))
}

// Parameter is a value that a port holds. The types of this file implement it; set one or get one by its pointer.
type Parameter interface {
	ParameterID() ParameterID
	fields(*fields)
}

// AppendParameter adds p's value, without id and size, to dst and returns the longer slice.
func AppendParameter(dst []byte, p Parameter) []byte {
	f := fields{b: dst}
	p.fields(&f)
	return f.b
}

// DecodeParameter reads p from the value part of a parameter. It fails if the value is shorter than p's layout.
func DecodeParameter(value []byte, p Parameter) error {
	f := fields{b: value, decoding: true}
	p.fields(&f)
	if f.bad {
		return fmt.Errorf("decode parameter %v of %d bytes: %w", p.ParameterID(), len(value), ErrMalformed)
	}
	return nil
}

// Boolean is an MMAL_PARAMETER_BOOLEAN_T.
type Boolean struct {
	ID    ParameterID
	Value bool
}

// ParameterID implements Parameter.
func (p *Boolean) ParameterID() ParameterID { return p.ID }

func (p *Boolean) fields(f *fields) { flag(f, &p.Value) }

// Uint32 is an MMAL_PARAMETER_UINT32_T, or any parameter that holds nothing but one enumerator.
type Uint32 struct {
	ID    ParameterID
	Value uint32
}

// ParameterID implements Parameter.
func (p *Uint32) ParameterID() ParameterID { return p.ID }

func (p *Uint32) fields(f *fields) { word(f, &p.Value) }

// Int32 is an MMAL_PARAMETER_INT32_T.
type Int32 struct {
	ID    ParameterID
	Value int32
}

// ParameterID implements Parameter.
func (p *Int32) ParameterID() ParameterID { return p.ID }

func (p *Int32) fields(f *fields) { word(f, &p.Value) }

// Uint64 is an MMAL_PARAMETER_UINT64_T.
type Uint64 struct {
	ID    ParameterID
	Value uint64
}

// ParameterID implements Parameter.
func (p *Uint64) ParameterID() ParameterID { return p.ID }

func (p *Uint64) fields(f *fields) { long(f, &p.Value) }

// Ratio is an MMAL_PARAMETER_RATIONAL_T.
type Ratio struct {
	ID    ParameterID
	Value Rational
}

// ParameterID implements Parameter.
func (p *Ratio) ParameterID() ParameterID { return p.ID }

func (p *Ratio) fields(f *fields) { p.Value.fields(f) }

// Rectangle is a parameter that holds a rectangle: InputCrop in 65536ths of the sensor's area, Crop in pixels.
type Rectangle struct {
	ID    ParameterID
	Value Rect
}

// ParameterID implements Parameter.
func (p *Rectangle) ParameterID() ParameterID { return p.ID }

func (p *Rectangle) fields(f *fields) { p.Value.fields(f) }

// CameraConfig bounds the sizes and the image pool of the camera (MMAL_PARAMETER_CAMERA_CONFIG_T).
type CameraConfig struct {
	MaxStillsWidth, MaxStillsHeight uint32
	StillsYUV422                    bool
	OneShotStills                   bool
	MaxVideoWidth, MaxVideoHeight   uint32 // of preview and video port
	VideoFrames                     uint32 // images in the pool of preview and video
	StillsBufferHeight              uint32
	FastPreviewResume               bool
	Timestamps                      TimestampMode
}

// TimestampMode is the zero of buffers' pts (MMAL_PARAMETER_CAMERA_CONFIG_TIMESTAMP_MODE_T).
type TimestampMode uint32

// The timestamp modes.
const (
	TimestampZero  TimestampMode = 0 // always 0
	TimestampRaw   TimestampMode = 1 // VideoCore's boot
	TimestampReset TimestampMode = 2 // start of capture
)

// ParameterID implements Parameter.
func (*CameraConfig) ParameterID() ParameterID { return ParamCameraConfig }

func (p *CameraConfig) fields(f *fields) {
	word(f, &p.MaxStillsWidth)
	word(f, &p.MaxStillsHeight)
	flag(f, &p.StillsYUV422)
	flag(f, &p.OneShotStills)
	word(f, &p.MaxVideoWidth)
	word(f, &p.MaxVideoHeight)
	word(f, &p.VideoFrames)
	word(f, &p.StillsBufferHeight)
	flag(f, &p.FastPreviewResume)
	word(f, &p.Timestamps)
}

// FPSRange bounds a camera port's frame rate, in 1/s (MMAL_PARAMETER_FPS_RANGE_T).
type FPSRange struct {
	Low, High Rational
}

// ParameterID implements Parameter.
func (*FPSRange) ParameterID() ParameterID { return ParamFPSRange }

func (p *FPSRange) fields(f *fields) {
	p.Low.fields(f)
	p.High.fields(f)
}

// VideoProfile chooses the coding tools and the level of an H.264 encoder (MMAL_PARAMETER_VIDEO_PROFILE_T, one entry).
type VideoProfile struct {
	Profile Profile
	Level   Level
}

// Profile is an H.264 profile by MMAL's number (MMAL_VIDEO_PROFILE_T).
type Profile uint32

// The H.264 profiles.
const (
	ProfileBaseline            Profile = 25
	ProfileMain                Profile = 26
	ProfileHigh                Profile = 28
	ProfileConstrainedBaseline Profile = 32
)

// Level is an H.264 level by MMAL's number (MMAL_VIDEO_LEVEL_T).
type Level uint32

// The H.264 levels.
const (
	Level3  Level = 25
	Level31 Level = 26
	Level32 Level = 27
	Level4  Level = 28
	Level41 Level = 29
	Level42 Level = 30
)

// ParameterID implements Parameter.
func (*VideoProfile) ParameterID() ParameterID { return ParamProfile }

func (p *VideoProfile) fields(f *fields) {
	word(f, &p.Profile)
	word(f, &p.Level)
}

// IntraRefresh spreads intra macroblocks over pictures (MMAL_PARAMETER_VIDEO_INTRA_REFRESH_T). Get it first and change
// Mode only.
type IntraRefresh struct {
	Mode           RefreshMode
	AIRMBs, AIRRef uint32
	CIRMBs, PIRMBs uint32
}

// RefreshMode is the kind of intra refresh (MMAL_VIDEO_INTRA_REFRESH_T).
type RefreshMode uint32

// The intra refresh modes that are known to work; PSEUDO_RAND is said to crash the encoder.
const (
	RefreshCyclic     RefreshMode = 0
	RefreshAdaptive   RefreshMode = 1
	RefreshBoth       RefreshMode = 2
	RefreshCyclicRows RefreshMode = 0x7f000001
)

// ParameterID implements Parameter.
func (*IntraRefresh) ParameterID() ParameterID { return ParamIntraRefresh }

func (p *IntraRefresh) fields(f *fields) {
	word(f, &p.Mode)
	word(f, &p.AIRMBs)
	word(f, &p.AIRRef)
	word(f, &p.CIRMBs)
	word(f, &p.PIRMBs)
}

// StereoscopicMode pairs two cameras (MMAL_PARAMETER_STEREOSCOPIC_MODE_T); all zero is none.
type StereoscopicMode struct {
	Mode               uint32
	Decimate, SwapEyes bool
}

// ParameterID implements Parameter.
func (*StereoscopicMode) ParameterID() ParameterID { return ParamStereoscopicMode }

func (p *StereoscopicMode) fields(f *fields) {
	word(f, &p.Mode)
	flag(f, &p.Decimate)
	flag(f, &p.SwapEyes)
}

// ChangeEventRequest asks for an event each time that a parameter changes (MMAL_PARAMETER_CHANGE_EVENT_REQUEST_T).
type ChangeEventRequest struct {
	Change ParameterID
	Enable bool
}

// ParameterID implements Parameter.
func (*ChangeEventRequest) ParameterID() ParameterID { return ParamChangeEventRequest }

func (p *ChangeEventRequest) fields(f *fields) {
	word(f, &p.Change)
	flag(f, &p.Enable)
}

// ColourEffect replaces both chroma values of the whole picture (MMAL_PARAMETER_COLOURFX_T); 128, 128 is grey.
type ColourEffect struct {
	Enable bool
	U, V   uint32 // 0..255
}

// ParameterID implements Parameter.
func (*ColourEffect) ParameterID() ParameterID { return ParamColourEffect }

func (p *ColourEffect) fields(f *fields) {
	flag(f, &p.Enable)
	word(f, &p.U)
	word(f, &p.V)
}

// AWBGains fixes the white balance (MMAL_PARAMETER_AWB_GAINS_T); it acts while the AWB mode is off.
type AWBGains struct {
	Red, Blue Rational
}

// ParameterID implements Parameter.
func (*AWBGains) ParameterID() ParameterID { return ParamAWBGains }

func (p *AWBGains) fields(f *fields) {
	p.Red.fields(f)
	p.Blue.fields(f)
}

// Annotate is text that the camera draws into every output (MMAL_PARAMETER_CAMERA_ANNOTATE_V4_T).
type Annotate struct {
	Enable           bool
	FrameNumber      bool // shows it behind the text
	Background       bool
	BackgroundColour CustomColour
	TextColour       CustomColour
	TextSize         uint8  // 6..160; 0 is the firmware's choice
	Text             string // ASCII, at most 255 bytes
	Justify          uint32 // 0 centre, 1 left, 2 right
	XOffset, YOffset uint32 // pixels, from the edge that Justify names and from the top
}

// CustomColour is a colour in place of the firmware's own; the zero value leaves that.
type CustomColour struct {
	Enable  bool
	Y, U, V uint8
}

func (c *CustomColour) fields(f *fields) {
	flag(f, &c.Enable)
	yuv := []byte{c.Y, c.U, c.V}
	array(f, yuv)
	c.Y, c.U, c.V = yuv[0], yuv[1], yuv[2]
}

// ParameterID implements Parameter.
func (*Annotate) ParameterID() ParameterID { return ParamAnnotate }

func (p *Annotate) fields(f *fields) {
	(*AnnotateV3)(p).fields(f)
	word(f, &p.Justify)
	word(f, &p.XOffset)
	word(f, &p.YOffset)
}

// AnnotateV3 is Annotate for firmware that does not know version 4, and so no place for the text
// (MMAL_PARAMETER_CAMERA_ANNOTATE_V3_T).
type AnnotateV3 Annotate

// ParameterID implements Parameter.
func (*AnnotateV3) ParameterID() ParameterID { return ParamAnnotate }

func (p *AnnotateV3) fields(f *fields) {
	flag(f, &p.Enable)
	skip(f, 5*4) // shutter, gain, lens, focus and motion, not shown
	flag(f, &p.FrameNumber)
	flag(f, &p.Background)
	p.BackgroundColour.fields(f)
	skip(f, 1)
	p.TextColour.fields(f)
	size := []byte{p.TextSize}
	array(f, size)
	p.TextSize = size[0]
	text(f, &p.Text, 256)
}

// Thumbnail is the small picture inside a JPEG (MMAL_PARAMETER_THUMBNAIL_CONFIG_T).
type Thumbnail struct {
	Enable                 bool
	Width, Height, Quality uint32
}

// ParameterID implements Parameter.
func (*Thumbnail) ParameterID() ParameterID { return ParamThumbnail }

func (p *Thumbnail) fields(f *fields) {
	flag(f, &p.Enable)
	word(f, &p.Width)
	word(f, &p.Height)
	word(f, &p.Quality)
}

// CameraInfo lists the sensors that the firmware found (MMAL_PARAMETER_CAMERA_INFO_V2_T).
type CameraInfo struct {
	Cameras []Sensor // at most 4
}

// Sensor is one entry of CameraInfo.
type Sensor struct {
	Port                uint32
	MaxWidth, MaxHeight uint32 // samples
	LensPresent         bool
	Name                string // as "imx219", at most 15 bytes
}

// maxCameras is the room in CameraInfo (MMAL_PARAMETER_CAMERA_INFO_MAX_CAMERAS).
const maxCameras = 4

// ParameterID implements Parameter.
func (*CameraInfo) ParameterID() ParameterID { return ParamCameraInfo }

func (p *CameraInfo) fields(f *fields) {
	cameras, flashes := uint32(min(len(p.Cameras), maxCameras)), uint32(0)
	word(f, &cameras)
	word(f, &flashes)
	if cameras > maxCameras {
		f.fail()
		return
	}
	var all [maxCameras]Sensor
	copy(all[:], p.Cameras)
	for i := range all {
		s := &all[i]
		word(f, &s.Port)
		word(f, &s.MaxWidth)
		word(f, &s.MaxHeight)
		flag(f, &s.LensPresent)
		text(f, &s.Name, 16)
	}
	skip(f, 2*4) // flashes
	if f.decoding {
		p.Cameras = append([]Sensor(nil), all[:cameras]...)
	}
}
