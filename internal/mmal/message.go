package mmal

// Version is the reply to GET_VERSION; as a request all of it is zero.
type Version struct {
	Flags, Major, Minor, Minimum uint32
}

func (m *Version) fields(f *fields) {
	word(f, &m.Flags)
	word(f, &m.Major)
	word(f, &m.Minor)
	word(f, &m.Minimum)
}

// CreateRequest asks for a component (COMPONENT_CREATE).
type CreateRequest struct {
	// ClientComponent comes back in the component's events. Never 0.
	ClientComponent uint32
	// Name is the component's name without "vc.", at most 127 bytes.
	Name string
	// PID is for the firmware's logs.
	PID uint32
}

func (m *CreateRequest) fields(f *fields) {
	word(f, &m.ClientComponent)
	text(f, &m.Name, 128)
	word(f, &m.PID)
}

// CreateReply names the new component's handle and counts its ports; each component has one control port besides.
type CreateReply struct {
	Status                  Status
	Component               uint32
	Inputs, Outputs, Clocks uint32
}

func (m *CreateReply) status() Status { return m.Status }

func (m *CreateReply) fields(f *fields) {
	word(f, &m.Status)
	word(f, &m.Component)
	word(f, &m.Inputs)
	word(f, &m.Outputs)
	word(f, &m.Clocks)
}

// ComponentRequest is the body of COMPONENT_DESTROY, COMPONENT_ENABLE and COMPONENT_DISABLE.
type ComponentRequest struct {
	Component uint32
}

func (m *ComponentRequest) fields(f *fields) { word(f, &m.Component) }

// Reply is the body of every reply that says nothing but its status.
type Reply struct {
	Status Status
}

func (m *Reply) status() Status { return m.Status }

func (m *Reply) fields(f *fields) { word(f, &m.Status) }

// PortInfoRequest is the body of PORT_INFO_GET.
type PortInfoRequest struct {
	Component uint32
	Type      PortType
	Index     uint32
}

func (m *PortInfoRequest) fields(f *fields) {
	word(f, &m.Component)
	word(f, &m.Type)
	word(f, &m.Index)
}

// PortInfoUpdate is the body of PORT_INFO_SET. The firmware uses the buffer number and size of Port and all of Format.
type PortInfoUpdate struct {
	PortInfoRequest
	Port   PortBlock
	Format Format
}

func (m *PortInfoUpdate) fields(f *fields) {
	m.PortInfoRequest.fields(f)
	m.Port.fields(f)
	m.Format.fields(f)
}

// PortInfo is the reply to PORT_INFO_GET and PORT_INFO_SET.
type PortInfo struct {
	Status    Status
	Component uint32
	Type      PortType
	Index     uint32
	Found     bool
	// Handle addresses the port in all other messages; it keeps its value as long as the component lives.
	Handle uint32
	Port   PortBlock
	Format Format
}

func (m *PortInfo) status() Status { return m.Status }

func (m *PortInfo) fields(f *fields) {
	word(f, &m.Status)
	word(f, &m.Component)
	word(f, &m.Type)
	word(f, &m.Index)
	flag(f, &m.Found)
	word(f, &m.Handle)
	m.Port.fields(f)
	m.Format.fields(f)
}

// Buffers says how many buffers a port takes and of what size in bytes.
type Buffers struct {
	Num, Size uint32
}

// PortBlock is the part of a port's state that travels in messages (MMAL_PORT_T).
type PortBlock struct {
	Type         PortType
	Index        uint16 // among the ports of its type
	IndexAll     uint16 // among all ports of the component
	Enabled      bool
	Min, Advised Buffers // valid for the committed format only
	AlignMin     uint32  // bytes
	Buffers      Buffers // asked for
	Capabilities uint32
}

func (p *PortBlock) fields(f *fields) {
	skip(f, 8)
	word(f, &p.Type)
	half(f, &p.Index)
	half(f, &p.IndexAll)
	flag(f, &p.Enabled)
	skip(f, 4)
	word(f, &p.Min.Num)
	word(f, &p.Min.Size)
	word(f, &p.AlignMin)
	word(f, &p.Advised.Num)
	word(f, &p.Advised.Size)
	word(f, &p.Buffers.Num)
	word(f, &p.Buffers.Size)
	skip(f, 8)
	word(f, &p.Capabilities)
}

// Format describes the elementary stream of a port (MMAL_ES_FORMAT_T with its video part).
type Format struct {
	Type     ESType
	Encoding FourCC
	Variant  FourCC // what an opaque image is, on its way to ARM: EncodingI420
	Bitrate  uint32 // bit/s of a coded stream
	Flags    uint32
	Video    VideoFormat
	// Extradata is never used by a camera pipeline and always empty here.
}

func (m *Format) fields(f *fields) {
	word(f, &m.Type)
	word(f, &m.Encoding)
	word(f, &m.Variant)
	skip(f, 4)
	word(f, &m.Bitrate)
	word(f, &m.Flags)
	skip(f, 8)
	m.Video.fields(f)
	skip(f, 128)
}

// VideoFormat is the video part of a Format (MMAL_VIDEO_FORMAT_T).
type VideoFormat struct {
	// Width and Height are those of the buffer in samples: multiples of 32 and 16 for pictures that are not coded.
	Width, Height uint32
	// Crop is the visible part.
	Crop Rect
	// FrameRate in 1/s; 0/1 is variable, or inherited from the input.
	FrameRate Rational
	// PixelAspect is 1/1 or 0/0 for square pixels.
	PixelAspect Rational
	ColorSpace  FourCC
}

func (v *VideoFormat) fields(f *fields) {
	word(f, &v.Width)
	word(f, &v.Height)
	v.Crop.fields(f)
	v.FrameRate.fields(f)
	v.PixelAspect.fields(f)
	word(f, &v.ColorSpace)
}

// Rect is a rectangle (MMAL_RECT_T), in pixels unless said otherwise.
type Rect struct {
	X, Y, Width, Height int32
}

func (r *Rect) fields(f *fields) {
	word(f, &r.X)
	word(f, &r.Y)
	word(f, &r.Width)
	word(f, &r.Height)
}

// Rational is a fraction (MMAL_RATIONAL_T).
type Rational struct {
	Num, Den int32
}

func (r *Rational) fields(f *fields) {
	word(f, &r.Num)
	word(f, &r.Den)
}

// PortActionRequest is the body of PORT_ACTION: Block for ENABLE and SET_REQUIREMENTS, Peer for CONNECT and DISCONNECT.
type PortActionRequest struct {
	Component uint32
	Port      uint32
	Action    Action
	Block     PortBlock
	Peer      PortAddress
}

// PortAddress names a port by its handles.
type PortAddress struct {
	Component, Port uint32
}

// hasPeer says that the action's argument is a PortAddress, as opposed to a PortBlock.
func (a Action) hasPeer() bool { return a == ActionConnect || a == ActionDisconnect }

// actionArgSize is the room that the argument takes in a message, whichever it is.
const actionArgSize = 64

func (m *PortActionRequest) fields(f *fields) {
	word(f, &m.Component)
	word(f, &m.Port)
	word(f, &m.Action)
	if !m.Action.hasPeer() {
		m.Block.fields(f)
		return
	}
	word(f, &m.Peer.Component)
	word(f, &m.Peer.Port)
	if !f.decoding { // the kernel's driver ends its messages here, so a reader must not ask for more
		skip(f, actionArgSize-8)
	}
}

// ParameterSetRequest is the body of PORT_PARAMETER_SET.
type ParameterSetRequest struct {
	Component uint32
	Port      uint32
	ID        ParameterID
	Value     []byte // what follows id and size
}

func (m *ParameterSetRequest) fields(f *fields) {
	word(f, &m.Component)
	word(f, &m.Port)
	parameter(f, &m.ID, &m.Value)
}

// ParameterGetRequest is the body of PORT_PARAMETER_GET.
type ParameterGetRequest struct {
	Component uint32
	Port      uint32
	ID        ParameterID
	// Size is that of the whole parameter, id and size included: the room that the client has for the answer.
	Size uint32
}

func (m *ParameterGetRequest) fields(f *fields) {
	word(f, &m.Component)
	word(f, &m.Port)
	word(f, &m.ID)
	word(f, &m.Size)
	if !f.decoding { // the kernel's driver ends its messages here, so a reader must not ask for more
		skip(f, int(min(m.Size, maxParameter))-parameterHeader)
	}
}

// ParameterGetReply is the reply to PORT_PARAMETER_GET.
type ParameterGetReply struct {
	Status Status
	ID     ParameterID
	// Size is that of the whole parameter; with ENOSPC, the size that the firmware would have needed.
	Size  uint32
	Value []byte
}

func (m *ParameterGetReply) status() Status { return m.Status }

func (m *ParameterGetReply) fields(f *fields) {
	word(f, &m.Status)
	word(f, &m.ID)
	word(f, &m.Size)
	if f.decoding && m.Status == Success && badSize(f, m.Size) {
		f.fail()
	}
	rest(f, &m.Value)
	if n := int(m.Size) - parameterHeader; f.decoding && n >= 0 && n < len(m.Value) {
		m.Value = m.Value[:n]
	}
}

const (
	parameterHeader = 8
	// maxParameter is the size of the largest parameter, id and size included.
	maxParameter = 392
)

// badSize says that a parameter cannot have the size, as its value is what f still has to read.
func badSize(f *fields, size uint32) bool {
	return size < parameterHeader || size > maxParameter || int(size)-parameterHeader > len(f.b)
}

// parameter walks {id, size, value}. A size that disagrees with the message is an error.
func parameter(f *fields, id *ParameterID, value *[]byte) {
	word(f, id)
	size := uint32(len(*value) + parameterHeader)
	word(f, &size)
	if f.decoding && badSize(f, size) {
		f.fail()
		return
	}
	rest(f, value)
	if f.decoding {
		*value = (*value)[:size-parameterHeader]
	}
}

// MaxShortPayload is the most payload that a buffer message carries itself.
const MaxShortPayload = 128

// BufferAddress identifies a buffer of the client's.
type BufferAddress struct {
	Component, Port uint32
	// Context is chosen by the client and comes back with the buffer; never 0.
	Context uint32
}

// fields walks the address and returns its magic. The caller judges it: a reference that is not in use may hold
// anything, and a buffer message refused for that would take its bulk transfer with it.
func (a *BufferAddress) fields(f *fields) (magic uint32) {
	if *a != (BufferAddress{}) {
		magic = Magic
	}
	word(f, &magic)
	word(f, &a.Component)
	word(f, &a.Port)
	word(f, &a.Context)
	return magic
}

// BufferMessage is the body of BUFFER_FROM_HOST and BUFFER_TO_HOST.
type BufferMessage struct {
	Buffer    BufferAddress
	Reference BufferAddress // of a buffer passed through; zero here
	Cmd       FourCC        // 0, or the event that the buffer carries
	Data      uint32        // non-zero; means nothing without shared memory
	Capacity  uint32        // bytes that the firmware may fill
	Length    uint32        // bytes of payload, in the message or by bulk transfer
	Offset    uint32        // of the payload in the firmware's buffer
	Flags     BufferFlags
	PTS, DTS  int64 // microseconds, or TimeUnknown
	ZeroCopy  bool
	HasRef    bool
	InMessage uint32 // bytes of Short in use, 0..MaxShortPayload
	Short     [MaxShortPayload]byte
}

func (m *BufferMessage) fields(f *fields) {
	own := m.Buffer.fields(f)
	ref := m.Reference.fields(f)
	skip(f, 8)
	word(f, &m.Cmd)
	word(f, &m.Data)
	word(f, &m.Capacity)
	word(f, &m.Length)
	word(f, &m.Offset)
	word(f, &m.Flags)
	long(f, &m.PTS)
	long(f, &m.DTS)
	skip(f, 8+40) // type, user data, and the planes of a picture that is not coded
	flag(f, &m.ZeroCopy)
	flag(f, &m.HasRef)
	word(f, &m.InMessage)
	if f.decoding && (own != Magic || m.HasRef && ref != Magic || m.InMessage > MaxShortPayload) {
		f.fail()
	}
	array(f, m.Short[:])
	skip(f, 4)
}

// EventMessage is the body of EVENT_TO_HOST.
type EventMessage struct {
	ClientComponent uint32
	PortType        PortType
	PortIndex       uint32
	Cmd             FourCC
	Length          uint32 // of Data in use; more than it holds is a bulk transfer
	Data            [256]byte
}

func (m *EventMessage) fields(f *fields) {
	word(f, &m.ClientComponent)
	word(f, &m.PortType)
	word(f, &m.PortIndex)
	word(f, &m.Cmd)
	word(f, &m.Length)
	array(f, m.Data[:])
	skip(f, 4)
}
