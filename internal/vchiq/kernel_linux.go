//go:build arm64 || amd64

package vchiq

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// file is the driver's file. It is a bare descriptor since the driver has no poll, which os.File's needs.
type file int

// openKernel opens the driver. No child of this process inherits the file: the driver would not notice its close.
func openKernel(path string) (kernel, error) {
	for {
		fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
		if err != syscall.EINTR {
			return file(fd), err
		}
	}
}

func (f file) ioctl(req request, arg unsafe.Pointer, value uint32) (int, syscall.Errno) {
	var n uintptr
	var errno syscall.Errno
	if req == reqCreateService {
		defer blockSignals()()
	}
	if req.byValue() {
		n, _, errno = syscall.Syscall(syscall.SYS_IOCTL, uintptr(f), uintptr(req), uintptr(value))
	} else {
		n, _, errno = syscall.Syscall(syscall.SYS_IOCTL, uintptr(f), uintptr(req), uintptr(arg))
	}
	runtime.KeepAlive(arg)
	return int(n), errno
}

// blockSignals keeps signals from this goroutine until the returned function is called: the Go runtime's own, by which it
// asks threads to pause, and all others, which other threads then take.
func blockSignals() (unblock func()) {
	const setMask = 2 // SIG_SETMASK
	runtime.LockOSThread()
	all, before := ^uint64(0), uint64(0)
	mask := func(now, before *uint64) {
		// It cannot fail with these arguments, rt_sigprocmask(2).
		syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, setMask, uintptr(unsafe.Pointer(now)), uintptr(unsafe.Pointer(before)), unsafe.Sizeof(*now), 0, 0)
	}
	mask(&all, &before)
	return func() {
		mask(&before, nil)
		runtime.UnlockOSThread()
	}
}

// close does not repeat after EINTR: Linux has freed the descriptor then.
func (f file) close() error {
	if err := syscall.Close(int(f)); err != nil && err != syscall.EINTR {
		return os.NewSyscallError("close", err)
	}
	return nil
}

// mapMemory returns zeroed pages outside Go's heap, which never move. They are shared so that a fork cannot make the
// kernel write into the child's copy.
func mapMemory(size int) ([]byte, error) {
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_SHARED)
	return b, os.NewSyscallError("mmap", err)
}

// unmapMemory returns what mapMemory gave, which must not be touched any more.
func unmapMemory(b []byte) error { return os.NewSyscallError("munmap", syscall.Munmap(b)) }
