package mmal

import "errors"

// ErrClosed says that the transport is closed, by either side.
var ErrClosed = errors.New("MMAL service closed")

// ErrStuck says that the firmware does not answer the kernel, which waits for it: what a transport has left behind ends when
// the firmware answers, or the machine is rebooted, and the process may not even be able to end.
var ErrStuck = errors.New("VideoCore does not answer the kernel")

// Transport carries messages and bulk transfers between one client and the firmware. /dev/vchiq is one, the emulated
// VideoCore another.
//
// Send and PostReceive may be called from any goroutine, at any time; Receive is called from one only.
type Transport interface {
	// Send queues one message and, right behind it, bulk as one bulk transfer if it is not nil. Both slices are
	// copied or sent before Send returns. It may block while the firmware's queue is full.
	Send(msg, bulk []byte) error

	// PostReceive asks for the firmware's next bulk transfer, which must be one of size bytes. It does not block.
	// Receive delivers the transfers in the order in which they were asked for, each with its cookie.
	PostReceive(size int, cookie uint64) error

	// Receive waits for the next delivery. Once the transport is closed it returns an error that wraps ErrClosed.
	Receive() (Delivery, error)

	// Close ends the service: the firmware destroys all that the client made, and a Receive or Send that waits
	// returns. It may be called more than once, from any goroutine.
	Close() error
}

// DeliveryKind says what Receive brought.
type DeliveryKind int

// The kinds of delivery.
const (
	DeliveryMessage DeliveryKind = iota
	DeliveryBulk
	DeliveryBulkAborted // Data is nil
)

// Delivery is what a Transport received.
type Delivery struct {
	Kind DeliveryKind
	// Data is the message, or the bytes of the bulk transfer. It is valid until the next call of Receive.
	Data []byte
	// Cookie is that of the PostReceive that a bulk delivery answers.
	Cookie uint64
}
