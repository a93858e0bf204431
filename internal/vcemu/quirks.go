package vcemu

import "github.com/camkrazy/camkrazy/internal/mmal"

// Quirks decides what is not known of the firmware for certain. The zero value is the firmware that is most likely.
type Quirks struct {
	// ShortPayloads sends what is at most 128 bytes long inside the message, not by bulk transfer. It concerns SPS,
	// PPS and tiny pictures; opaque references always travel inside the message.
	ShortPayloads bool
	// CutSPS cuts the SPS into 7 bytes and the rest (seen in raspberrypi/firmware#698).
	CutSPS bool
	// HeaderOnOpen sends SPS and PPS when the encoder's output is enabled, before any picture.
	HeaderOnOpen bool
	// ConfigPTSZero gives SPS and PPS the timestamp 0 instead of none.
	ConfigPTSZero bool
	// PTSOnFirstFragment leaves the timestamp out of all fragments of a picture but the first.
	PTSOnFirstFragment bool
	// MaxFragment bounds the bytes of one output buffer of an encoder; 0 leaves it to the buffer's capacity.
	MaxFragment int
	// RefuseOpaqueToARM refuses to enable an opaque output that is not tunnelled (EINVAL).
	RefuseOpaqueToARM bool
	// NoISP is firmware without ril.isp: creating it fails with ENOENT.
	NoISP bool
	// RoundAlign rounds an unaligned picture size up when a format is committed instead of refusing it (EINVAL).
	RoundAlign bool
	// EmptyEncodingList answers SUPPORTED_ENCODINGS with an empty list (raspberrypi/firmware#1269).
	EmptyEncodingList bool
	// SingleEndEnable enables and disables only the addressed end of a tunnel, not its peer too.
	SingleEndEnable bool
	// NoAnnotateV4 is firmware that knows ANNOTATE up to V3.
	NoAnnotateV4 bool
	// CameraInfoV1 is firmware that knows CAMERA_INFO without the sensors' names only.
	CameraInfoV1 bool
	// NoLiveBitRate refuses VIDEO_BIT_RATE while the encoder's output is enabled (EINVAL), as old firmware does.
	NoLiveBitRate bool
	// NoCameraAtEnable moves the refusal of a missing camera (Config.NoCamera) from creating the component (ENOMEM)
	// to enabling it (ENOSPC).
	NoCameraAtEnable bool
	// ImageEncodeConverts lets ril.image_encode work on opaque images that are not in strips, those of all ports but the
	// camera's still port. Otherwise the tunnel is refused (EINVAL), and so is such a reference of the host's: recent
	// firmware is said to convert them, but nobody relies on it (raspberrypi/userland#390, #435).
	ImageEncodeConverts bool
	// LoseStalledIFrameRequest forgets a VIDEO_REQUEST_I_FRAME that comes while the encoder's output has no buffer of
	// the host's (raspberrypi/firmware#470). The request succeeds all the same.
	LoseStalledIFrameRequest bool
	// CodedOffset sets the offset in the buffer messages of coded pictures, which is 0 otherwise. What is transferred
	// still begins with the payload, and is as long as the message says.
	CodedOffset bool
	// StallHoldsImages has an encoder that stalls keep the images that come to it, which in the end stops the camera and
	// so all streams. Otherwise it goes on taking them.
	StallHoldsImages bool
	// NoSidewaysVideo refuses a ROTATION of 90 or 270 degrees at the camera's video port (EINVAL).
	NoSidewaysVideo bool
	// SkipEvery has an encoder leave out one of N pictures, as its rate control does at low bitrates; 0 is none. In turn
	// nothing comes of it but an empty buffer, SPS and PPS, and SPS and PPS that are marked as a picture.
	SkipEvery int
	// SensorName is what CAMERA_INFO calls the sensor, at most 15 bytes; "" is its own name.
	SensorName string
	// CameraRefusal is how ril.camera is refused although the sensor is listed: ENOMEM without enough gpu_mem, ENOSPC
	// while another client has it; Success is not at all. CameraRefusalAt says when.
	CameraRefusal   mmal.Status
	CameraRefusalAt CameraStep
}

// CameraStep is a step on the way to a running camera.
type CameraStep int

// The steps.
const (
	AtCreate CameraStep = iota
	AtCommit            // of an output's format
	AtEnable
)

// refusal is the status of a step of the camera's.
func (q *Quirks) refusal(at CameraStep) mmal.Status {
	if q.CameraRefusalAt == at {
		return q.CameraRefusal
	}
	return mmal.Success
}
