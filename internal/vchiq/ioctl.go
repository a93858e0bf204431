package vchiq

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

// kernel is the driver behind an open file. There are two: /dev/vchiq, and one in the tests.
type kernel interface {
	// ioctl makes one system call and does not repeat it. arg points to memory that does not move; it is nil in the
	// requests that take value. No signal comes during CREATE_SERVICE.
	ioctl(req request, arg unsafe.Pointer, value uint32) (int, syscall.Errno)
	// close closes the file. The driver then ends all that it still has of it, and may wait long for VideoCore.
	close() error
}

// port is a kernel with the rule of EINTR: it comes whenever the process gets a signal, nothing has been done, and the
// request is to be made again. CREATE_SERVICE, for which that does not hold, the kernel keeps from all signals.
type port struct {
	kernel kernel
}

// ioctl makes a request, again and again while it is interrupted; but not once quit is set, if it is not nil. It then
// returns EINTR.
func (p port) ioctl(op string, req request, arg unsafe.Pointer, value uint32, quit *atomic.Bool) (int, error) {
	for {
		n, errno := p.kernel.ioctl(req, arg, value)
		switch {
		case errno == 0:
			return n, nil
		case errno == syscall.EINTR && (quit == nil || !quit.Load()):
			continue
		}
		return 0, &Error{Op: op, Request: req.String(), Errno: errno}
	}
}

// call makes a request whose argument is a number, or that has none.
func (p port) call(op string, req request, value uint32, quit *atomic.Bool) error {
	_, err := p.ioctl(op, req, nil, value, quit)
	return err
}
