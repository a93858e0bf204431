package vchiq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"unsafe"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// Path is the driver's node.
const Path = "/dev/vchiq"

// openRequest is Error.Request when the node cannot be opened.
const openRequest = "open " + Path

// ErrVersion says that the driver's version and this package's have nothing in common.
var ErrVersion = fmt.Errorf("driver's version is none of %d to %d", ourVersionMin, ourVersion)

// errUsed says that a device has had its service.
var errUsed = errors.New("device has been used already")

// Info is what the driver says of itself.
type Info struct {
	Version        int // of the driver
	VersionMin     int // the oldest that it can speak to
	LibraryVersion int // what this package announced to it; 0 if the driver is too old to be told
	MaxMessage     int // bytes
	BulkThreshold  int // bytes
	MaxBulks       int // transfers under way in one direction of a service
	MaxServices    int
}

// Device is an open /dev/vchiq. It is good for one service.
type Device struct {
	port  port
	info  Info
	arena *arena
	mem   []byte // the arena's

	mu      sync.Mutex // guards what follows
	service *Service
	closed  bool
}

// Open opens the driver and agrees with it on the version. It does not wait for VideoCore. Its errors are *Error, or
// wrap ErrVersion.
func Open() (*Device, error) {
	k, err := openKernel(Path)
	if err != nil {
		if errno, ok := errors.AsType[syscall.Errno](err); ok {
			return nil, &Error{Op: "open VCHIQ driver", Request: openRequest, Errno: errno}
		}
		return nil, fmt.Errorf("open VCHIQ driver: %w", err)
	}
	return newDevice(k)
}

// Dial opens the driver and its MMAL service, whose Close ends both.
func Dial(ctx context.Context) (mmal.Transport, error) {
	d, err := Open()
	if err != nil {
		return nil, err
	}
	s, err := d.OpenMMAL(ctx)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// newDevice takes over an open driver, and closes it if it fails.
func newDevice(k kernel) (*Device, error) {
	d := &Device{port: port{k}}
	err := d.setUp()
	if err != nil {
		_ = d.release()
		return nil, err
	}
	return d, nil
}

// setUp asks for the driver's version and tells it ours.
func (d *Device) setUp() error {
	const op = "get VCHIQ version"
	var err error
	if d.arena, d.mem, err = newArena(); err != nil {
		return fmt.Errorf("open VCHIQ driver: %w", err)
	}
	a := d.arena
	a.getConfig = getConfig{size: uint32(unsafe.Sizeof(config{})), config: unsafe.Pointer(&a.config)}
	if _, err := d.port.ioctl(op, reqGetConfig, unsafe.Pointer(&a.getConfig), 0, nil); err != nil {
		return err
	}
	d.info = Info{
		Version:       int(a.config.version),
		VersionMin:    int(a.config.versionMin),
		MaxMessage:    int(a.config.maxMessage),
		BulkThreshold: int(a.config.bulkThreshold),
		MaxBulks:      int(a.config.maxBulks),
		MaxServices:   int(a.config.maxServices),
	}
	if d.info.Version < ourVersionMin || d.info.VersionMin > ourVersion {
		return fmt.Errorf("%s: %w: %d, at least %d", op, ErrVersion, d.info.Version, d.info.VersionMin)
	}
	if d.info.Version < handshakeVersion {
		return nil
	}
	d.info.LibraryVersion = ourVersion
	return d.port.call("tell VCHIQ version", reqLibVersion, ourVersion, nil)
}

// handshake says whether CLOSE_SERVICE waits for CLOSE_DELIVERED.
func (d *Device) handshake() bool { return d.info.LibraryVersion != 0 }

// Info returns what the driver said of itself when it was opened.
func (d *Device) Info() Info { return d.info }

// OpenMMAL connects to VideoCore and opens its MMAL service. It can be called once; if it fails, it closes the device.
// It waits for VideoCore until ctx is done, and no longer than 10 s: the error then wraps ErrStuck.
func (d *Device) OpenMMAL(ctx context.Context) (*Service, error) {
	d.mu.Lock()
	if d.closed || d.service != nil {
		d.mu.Unlock()
		return nil, fmt.Errorf("open MMAL service: %w", errUsed)
	}
	s, err := newService(d)
	d.service = s
	d.mu.Unlock()
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.openWithin(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends the device's service and closes the device. It may be called more than once, from any goroutine.
func (d *Device) Close() error {
	d.mu.Lock()
	s, first := d.service, !d.closed
	d.closed = true
	d.mu.Unlock()
	switch {
	case s != nil:
		return s.Close()
	case first:
		return d.release()
	}
	return nil
}

// release closes the file and then unmaps what requests pointed to: none may be under way.
func (d *Device) release() error {
	err := d.port.kernel.close()
	if d.arena != nil {
		err = errors.Join(err, unmapMemory(d.mem))
		d.arena, d.mem = nil, nil
	}
	return err
}
