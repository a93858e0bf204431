package vchiq

import (
	"fmt"
	"structs"
	"unsafe"
)

// request is the number of an ioctl.
type request uint32

// The requests. CREATE_SERVICE and those after it with a struct carry its size in their number.
const (
	reqConnect         request = 0x0000c400
	reqShutdown        request = 0x0000c401
	reqCreateService   request = 0xc030c402
	reqQueueMessage    request = 0x4010c404
	reqBulkTransmit    request = 0xc028c405
	reqBulkReceive     request = 0xc028c406
	reqAwaitCompletion request = 0xc020c407
	reqGetConfig       request = 0xc010c40a
	reqCloseService    request = 0x0000c40b
	reqLibVersion      request = 0x0000c410
	reqCloseDelivered  request = 0x0000c411
	// reqProperty is /dev/vcio's one request, and carries a pointer's size in its number.
	reqProperty request = 0xc0086400
)

// byValue says whether the argument is a number. It is a pointer in those requests whose direction bits are set.
func (r request) byValue() bool { return r>>30 == 0 }

// String is the request's name in the kernel's headers, without its prefix.
func (r request) String() string {
	switch r {
	case reqConnect:
		return "CONNECT"
	case reqShutdown:
		return "SHUTDOWN"
	case reqCreateService:
		return "CREATE_SERVICE"
	case reqQueueMessage:
		return "QUEUE_MESSAGE"
	case reqBulkTransmit:
		return "QUEUE_BULK_TRANSMIT"
	case reqBulkReceive:
		return "QUEUE_BULK_RECEIVE"
	case reqAwaitCompletion:
		return "AWAIT_COMPLETION"
	case reqGetConfig:
		return "GET_CONFIG"
	case reqCloseService:
		return "CLOSE_SERVICE"
	case reqLibVersion:
		return "LIB_VERSION"
	case reqCloseDelivered:
		return "CLOSE_DELIVERED"
	case reqProperty:
		return "MBOX_PROPERTY"
	}
	return fmt.Sprintf("request(%#x)", uint32(r))
}

const (
	// ourVersion and ourVersionMin are the driver's versions that this package can speak to.
	ourVersion    = 8
	ourVersionMin = 3
	// handshakeVersion is the driver's version from which on there is CLOSE_DELIVERED.
	handshakeVersion = 7

	// mmalFourCC names the service: "mmal", its first letter in the most significant byte.
	mmalFourCC = 0x6d6d616c
	// mmalVersion and mmalVersionMin are what userland's client announces.
	mmalVersion    = 16
	mmalVersionMin = 10

	// slotSize is that of the memory that a message and its header fit into.
	slotSize = 4096
	// maxMessage is the size of the largest message.
	maxMessage = slotSize - messageHeaderSize
	// serviceBulks is how many transfers of one direction can be under way in a service.
	serviceBulks = 4
	// bulkCallback has a transfer's end told by a record.
	bulkCallback = 0
)

// reason says what a record tells.
type reason int32

// The reasons.
const (
	serviceOpened   reason = 0
	serviceClosed   reason = 1
	messageArrived  reason = 2
	transmitDone    reason = 3
	receiveDone     reason = 4
	transmitAborted reason = 5
	receiveAborted  reason = 6
)

// createService is the argument of CREATE_SERVICE.
type createService struct {
	_          structs.HostLayout
	fourCC     int32
	_          [4]byte
	callback   unsafe.Pointer
	userdata   uint64
	version    int16
	versionMin int16
	_          [4]byte
	isOpen     int32
	isVCHI     int32
	handle     uint32
	_          [4]byte
}

// element is one piece of a message.
type element struct {
	_    structs.HostLayout
	data unsafe.Pointer
	size uint32
	_    [4]byte
}

// queueMessage is the argument of QUEUE_MESSAGE.
type queueMessage struct {
	_        structs.HostLayout
	handle   uint32
	count    uint32
	elements unsafe.Pointer
}

// queueBulk is the argument of QUEUE_BULK_TRANSMIT and QUEUE_BULK_RECEIVE.
type queueBulk struct {
	_        structs.HostLayout
	handle   uint32
	_        [4]byte
	data     unsafe.Pointer
	size     uint32
	_        [4]byte
	userdata uint64 // a pointer for C, a number for the kernel
	mode     int32
	_        [4]byte
}

// completion is one record.
type completion struct {
	_               structs.HostLayout
	reason          reason
	_               [4]byte
	header          unsafe.Pointer
	serviceUserdata uint64
	bulkUserdata    uint64
}

// awaitCompletion is the argument of AWAIT_COMPLETION.
type awaitCompletion struct {
	_           structs.HostLayout
	count       uint32
	_           [4]byte
	records     unsafe.Pointer
	bufferSize  uint32
	bufferCount uint32
	buffers     unsafe.Pointer
}

// messageHeader precedes a message in its buffer.
type messageHeader struct {
	_    structs.HostLayout
	id   int32
	size uint32
}

const messageHeaderSize = 8

// getConfig is the argument of GET_CONFIG.
type getConfig struct {
	_      structs.HostLayout
	size   uint32
	_      [4]byte
	config unsafe.Pointer
}

// config is what GET_CONFIG fills in.
type config struct {
	_             structs.HostLayout
	maxMessage    uint32
	bulkThreshold uint32
	maxBulks      uint32
	maxServices   uint32
	version       int16
	versionMin    int16
}
