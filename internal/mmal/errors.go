package mmal

import (
	"errors"
	"fmt"
)

// ErrNoReply says that the firmware did not answer a request in time: it is most likely wedged.
var ErrNoReply = errors.New("firmware did not answer in time")

// ErrProtocol says that the firmware sent what the protocol does not allow, so that the order of bulk transfers can no
// longer be trusted: the service has to be opened anew.
var ErrProtocol = errors.New("firmware broke the MMAL protocol")

// errTooManyBuffers says that a port was to be enabled with more buffers than all ports together can have.
var errTooManyBuffers = fmt.Errorf("more than %d buffers", maxBuffers)

// OpError is the failure of one operation on a component or port. Err is a Status if the firmware refused, wraps
// *os.SyscallError if the kernel did, ErrNoReply or ErrClosed if nobody answered.
type OpError struct {
	Op     string // as "enable", "set BRIGHTNESS"
	Object string // as "ril.camera", "ril.camera:out1"
	Err    error
}

// Error is the operation, its object and the cause.
func (e *OpError) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Object, e.Err) }

// Unwrap returns Err.
func (e *OpError) Unwrap() error { return e.Err }

// opError wraps err, unless there is none.
func opError(op, object string, err error) error {
	if err == nil {
		return nil
	}
	return &OpError{Op: op, Object: object, Err: err}
}
