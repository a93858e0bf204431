package vchiq

import (
	"fmt"
	"os"
	"syscall"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// ErrStuck says that VideoCore does not answer and the kernel waits for it: what has been left behind ends when it
// answers, or with the process.
var ErrStuck = mmal.ErrStuck

// errOverrun says that nobody fetches what VideoCore sends.
var errOverrun = fmt.Errorf("%d messages wait to be received: nobody does", maxQueued)

// Error is a refusal by the kernel. It wraps an *os.SyscallError, and so its syscall.Errno.
type Error struct {
	Op      string // what was to be done, as "create MMAL service"
	Request string // the system call, or the name of the ioctl request
	Errno   syscall.Errno
}

// Error is what was to be done, why it failed, and what that means.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s: %s: %v", e.Op, e.Request, e.Errno)
	if hint := e.Hint(); hint != "" {
		text += " (" + hint + ")"
	}
	return text
}

// Unwrap returns an *os.SyscallError.
func (e *Error) Unwrap() error {
	if e.Request == openRequest {
		return os.NewSyscallError("open", e.Errno)
	}
	return os.NewSyscallError("ioctl "+e.Request, e.Errno)
}

// Hint says what the refusal means for the machine that it happened on; empty if that is not known.
func (e *Error) Hint() string {
	switch {
	case e.Request == openRequest:
		return e.openHint()
	case e.Errno == syscall.ENOTTY:
		return "not the VCHIQ driver, or another version of it"
	case e.Errno == syscall.ENOTCONN:
		return "VideoCore is not connected: is the firmware start_x.elf or start4x.elf?"
	case e.Request != reqCreateService.String():
		return ""
	}
	switch e.Errno {
	case syscall.EIO:
		return "the firmware has no MMAL service: start_x.elf or start4x.elf is needed, which gpu_mem=256 and " +
			"start_x=1 in config.txt select"
	case syscall.EEXIST:
		return "the driver has no room for another service"
	}
	return ""
}

// Lasting says whether a program that is started again will be refused too: the machine, its kernel or its firmware lack
// something.
func (e *Error) Lasting() bool {
	return e.Unreachable() || e.Errno == syscall.ENOTTY || e.Request == reqCreateService.String() && e.Errno == syscall.EIO
}

// Unreachable says whether it is the node that is missing, or not for this user.
func (e *Error) Unreachable() bool {
	if e.Request != openRequest {
		return false
	}
	switch e.Errno {
	case syscall.ENOENT, syscall.ENXIO, syscall.ENODEV, syscall.EACCES, syscall.EPERM:
		return true
	}
	return false
}

// openHint is for the open of the node.
func (e *Error) openHint() string {
	switch e.Errno {
	case syscall.ENOENT, syscall.ENXIO, syscall.ENODEV:
		return "wrong kernel: it has no VCHIQ driver with a character device, or this is no Raspberry Pi"
	case syscall.EACCES, syscall.EPERM:
		return "this user may not use the GPU: be root or in the node's group"
	case syscall.ENOTCONN:
		return "VideoCore has not answered the driver: is the firmware start_x.elf or start4x.elf?"
	}
	return ""
}
