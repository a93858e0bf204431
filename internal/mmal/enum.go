package mmal

import "fmt"

// MessageID says what a message is (MMAL_WORKER_CMD_T).
type MessageID uint32

// The messages that a camera pipeline needs.
const (
	GetVersion       MessageID = 3
	ComponentCreate  MessageID = 4
	ComponentDestroy MessageID = 5
	ComponentEnable  MessageID = 6
	ComponentDisable MessageID = 7
	PortInfoGet      MessageID = 8
	PortInfoSet      MessageID = 9
	PortAction       MessageID = 10
	BufferFromHost   MessageID = 11
	BufferToHost     MessageID = 12
	PortParameterSet MessageID = 14
	PortParameterGet MessageID = 15
	EventToHost      MessageID = 16
)

// String is the name in the C headers, or the number of one that has none here.
func (id MessageID) String() string {
	switch id {
	case GetVersion:
		return "GET_VERSION"
	case ComponentCreate:
		return "COMPONENT_CREATE"
	case ComponentDestroy:
		return "COMPONENT_DESTROY"
	case ComponentEnable:
		return "COMPONENT_ENABLE"
	case ComponentDisable:
		return "COMPONENT_DISABLE"
	case PortInfoGet:
		return "PORT_INFO_GET"
	case PortInfoSet:
		return "PORT_INFO_SET"
	case PortAction:
		return "PORT_ACTION"
	case BufferFromHost:
		return "BUFFER_FROM_HOST"
	case BufferToHost:
		return "BUFFER_TO_HOST"
	case PortParameterSet:
		return "PORT_PARAMETER_SET"
	case PortParameterGet:
		return "PORT_PARAMETER_GET"
	case EventToHost:
		return "EVENT_TO_HOST"
	}
	return fmt.Sprintf("message(%d)", uint32(id))
}

// Status is the firmware's answer to a request (MMAL_STATUS_T). As an error it says that the firmware refused, as
// opposed to the kernel, whose refusals are *os.SyscallError.
type Status uint32

// The statuses, in the words of mmal_types.h.
const (
	Success   Status = 0
	ENoMem    Status = 1  // out of memory; creating the camera: no camera support in the firmware that booted
	ENoSpc    Status = 2  // out of resources other than memory; enabling the camera: it is in use or not connected
	EInval    Status = 3  // invalid argument
	ENoSys    Status = 4  // not implemented by this component
	ENoEnt    Status = 5  // no such component, port or parameter
	ENXIO     Status = 6  // no such device
	EIO       Status = 7  // input/output error
	ESPipe    Status = 8  // illegal seek
	ECorrupt  Status = 9  // data is corrupt
	ENotReady Status = 10 // component is not ready
	EConfig   Status = 11 // component is not configured
	EIsConn   Status = 12 // port is already connected
	ENotConn  Status = 13 // port is not connected
	EAgain    Status = 14 // resource temporarily unavailable
	EFault    Status = 15 // bad address
)

// String is the name in the C headers, or the number of one that has none here.
func (s Status) String() string {
	names := [...]string{
		"SUCCESS", "ENOMEM", "ENOSPC", "EINVAL", "ENOSYS", "ENOENT", "ENXIO", "EIO",
		"ESPIPE", "ECORRUPT", "ENOTREADY", "ECONFIG", "EISCONN", "ENOTCONN", "EAGAIN", "EFAULT",
	}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("status(%d)", uint32(s))
}

// Error implements error; a Success must not be used as one.
func (s Status) Error() string { return "firmware answered " + s.String() }

// PortType says on which side of a component a port is (MMAL_PORT_TYPE_T).
type PortType uint32

// The port types.
const (
	PortControl PortType = 1
	PortInput   PortType = 2
	PortOutput  PortType = 3
	PortClock   PortType = 4
)

// String is the name in the C headers, or the number of one that has none here.
func (t PortType) String() string {
	switch t {
	case PortControl:
		return "control"
	case PortInput:
		return "in"
	case PortOutput:
		return "out"
	case PortClock:
		return "clock"
	}
	return fmt.Sprintf("porttype(%d)", uint32(t))
}

// Action is what a PORT_ACTION message asks for (MMAL_WORKER_PORT_ACTIONS).
type Action uint32

// The port actions.
const (
	ActionEnable          Action = 1
	ActionDisable         Action = 2
	ActionFlush           Action = 3
	ActionConnect         Action = 4
	ActionDisconnect      Action = 5
	ActionSetRequirements Action = 6
)

// String is the name in the C headers, or the number of one that has none here.
func (a Action) String() string {
	switch a {
	case ActionEnable:
		return "ENABLE"
	case ActionDisable:
		return "DISABLE"
	case ActionFlush:
		return "FLUSH"
	case ActionConnect:
		return "CONNECT"
	case ActionDisconnect:
		return "DISCONNECT"
	case ActionSetRequirements:
		return "SET_REQUIREMENTS"
	}
	return fmt.Sprintf("action(%d)", uint32(a))
}

// FourCC is a four-letter code, first letter in the lowest byte.
type FourCC uint32

// Encodings (mmal_encodings.h) and event commands (mmal_events.h).
const (
	EncodingOpaque FourCC = 'O' | 'P'<<8 | 'Q'<<16 | 'V'<<24 // a reference to an image in the GPU's memory
	EncodingI420   FourCC = 'I' | '4'<<8 | '2'<<16 | '0'<<24
	EncodingH264   FourCC = 'H' | '2'<<8 | '6'<<16 | '4'<<24
	EncodingJPEG   FourCC = 'J' | 'P'<<8 | 'E'<<16 | 'G'<<24

	EventError            FourCC = 'E' | 'R'<<8 | 'R'<<16 | 'O'<<24 // data: the status
	EventEOS              FourCC = 'E' | 'E'<<8 | 'O'<<16 | 'S'<<24 // data: port type and index
	EventFormatChanged    FourCC = 'E' | 'F'<<8 | 'C'<<16 | 'H'<<24
	EventParameterChanged FourCC = 'E' | 'P'<<8 | 'C'<<16 | 'H'<<24 // data: the whole parameter
)

// String is the name in the C headers, or the number of one that has none here.
func (c FourCC) String() string {
	b := [4]byte{byte(c), byte(c >> 8), byte(c >> 16), byte(c >> 24)}
	for _, ch := range b {
		if ch < ' ' || ch > '~' {
			return fmt.Sprintf("fourcc(%#x)", uint32(c))
		}
	}
	return string(b[:])
}

// ESType says what an elementary stream carries (MMAL_ES_TYPE_T).
type ESType uint32

// ESVideo is the only elementary stream here: pictures, coded or not.
const ESVideo ESType = 3

// BufferFlags tell what is in a buffer (MMAL_BUFFER_HEADER_FLAG_*).
type BufferFlags uint32

// The buffer flags.
const (
	FlagEOS                BufferFlags = 1 << 0
	FlagFrameStart         BufferFlags = 1 << 1 // not reliable on the encoder
	FlagFrameEnd           BufferFlags = 1 << 2 // last fragment of a frame, or of the parameter sets
	FlagKeyFrame           BufferFlags = 1 << 3
	FlagDiscontinuity      BufferFlags = 1 << 4
	FlagConfig             BufferFlags = 1 << 5 // SPS or PPS
	FlagCodecSideInfo      BufferFlags = 1 << 7 // motion vectors; not part of the bitstream
	FlagCorrupted          BufferFlags = 1 << 9
	FlagTransmissionFailed BufferFlags = 1 << 10
	FlagNALEnd             BufferFlags = 1 << 12 // last fragment of a NAL unit
)

// TimeUnknown is the pts or dts of a buffer that has none (MMAL_TIME_UNKNOWN).
const TimeUnknown int64 = -1 << 63
