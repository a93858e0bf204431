package vcemu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"slices"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// FaultKind is a way in which VideoCore can fail. What names no time lasts until the part concerned is destroyed and
// made again.
type FaultKind int

// The kinds of fault.
const (
	// Stall has video encoders give no more buffers. They go on taking images, unless Quirks.StallHoldsImages.
	Stall FaultKind = iota
	// Freeze has video encoders go on with the picture that they see then.
	Freeze
	// Lockup is a Stall of video encoders that do not answer either when they, or their ports, are to be disabled or
	// destroyed. Closing the service ends them.
	Lockup
	// LoseBulk has one bulk transfer of every client never complete, and so none that comes after it, until the service
	// is closed. Behind the fourth that waits, messages wait too.
	LoseBulk
	// SensorError has the camera report an error and give no more frames.
	SensorError
	// Silence has no request answered for FaultTime. They are executed after that.
	Silence
	// Disconnect closes the service of every client.
	Disconnect
	// RefuseCamera refuses to create (ENOMEM) or enable (ENOSPC) the camera for FaultTime.
	RefuseCamera
)

// FaultTime is how long those faults last that name a time.
const FaultTime = 10 * time.Second

// faultNames are what a user calls them.
var faultNames = [...]string{"stall", "freeze", "lockup", "bulk", "sensor", "silent", "disconnect", "nocamera"}

// FaultNames are the names of all kinds, in their order.
func FaultNames() []string { return slices.Clone(faultNames[:]) }

// String is the kind's name.
func (k FaultKind) String() string {
	if k < 0 || int(k) >= len(faultNames) {
		return fmt.Sprintf("fault(%d)", int(k))
	}
	return faultNames[k]
}

// ParseFault finds a kind by its name.
func ParseFault(name string) (FaultKind, bool) {
	i := slices.Index(faultNames[:], name)
	return FaultKind(i), i >= 0
}

// OfEncoders says whether the fault is one of single video encoders.
func (k FaultKind) OfEncoders() bool { return k == Stall || k == Freeze || k == Lockup }

// ErrNothing says that there was nothing to fail.
var ErrNothing = errors.New("nothing is there that could fail so")

// Inject makes something fail from now on. Of a fault of encoders, concerned says which, those of JPEG included; nil is
// all. The error is ErrNothing, or that the kind is none.
func (v *VideoCore) Inject(k FaultKind, concerned func(EncoderStats) bool) error {
	if k == Disconnect {
		return v.closeSessions()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	n := 0
	switch k {
	case Stall, Freeze, Lockup:
		n = v.failEncoders(k, concerned)
	case LoseBulk:
		for s := range v.sessions {
			s.bulkLost = true
			n++
		}
	case SensorError:
		if c := v.sensor.camera; c != nil {
			n++
			c.broken = true
			c.fail(mmal.EIO)
		}
	case Silence:
		v.silentUntil = time.Now().Add(FaultTime)
		n++
	case RefuseCamera:
		v.refuseUntil = time.Now().Add(FaultTime)
		n++
	default:
		return fmt.Errorf("inject %v: unknown", k)
	}
	if n == 0 {
		return fmt.Errorf("inject %v: %w", k, ErrNothing)
	}
	return nil
}

func (v *VideoCore) closeSessions() error {
	v.mu.Lock()
	var open []*session
	for s := range v.sessions {
		open = append(open, s)
	}
	v.mu.Unlock()
	for _, s := range open {
		s.close()
	}
	if len(open) == 0 {
		return fmt.Errorf("inject %v: %w", Disconnect, ErrNothing)
	}
	return nil
}

// failEncoders says how many it was. The caller holds mu.
func (v *VideoCore) failEncoders(k FaultKind, concerned func(EncoderStats) bool) (n int) {
	for _, c := range v.components {
		var f *encoderFault
		switch unit := c.unit.(type) {
		case *videoEncoder:
			if concerned != nil && !concerned(unit.stats()) {
				continue
			}
			f = &unit.fault
		case *imageEncoder:
			size := c.inputs[0].visible()
			jpeg := EncoderStats{Component: c.handle, Width: size.X, Height: size.Y, JPEG: true}
			if concerned != nil && !concerned(jpeg) {
				continue
			}
			f = &unit.fault
		default:
			continue
		}
		n++
		f.stalled = f.stalled || k == Stall || k == Lockup
		f.freeze = f.freeze || k == Freeze
		c.lockedUp = c.lockedUp || k == Lockup
		c.wake.Broadcast()
	}
	return n
}

// encoderFault is what is wrong with an encoder. Guarded by VideoCore.mu.
type encoderFault struct {
	stalled, freeze bool
	frozen          *image.YCbCr // what it goes on with
}

// picture is what the encoder sees instead of an image. The copy is made with the lock held: once.
func (f *encoderFault) picture(m *image.YCbCr) *image.YCbCr {
	if !f.freeze {
		return m
	}
	if f.frozen == nil || f.frozen.Rect != m.Rect {
		kept := newPicture(m.YStride, m.Rect.Size())
		copyPicture(&kept, m)
		f.frozen = &kept
	}
	return f.frozen
}

// fail reports an error, and stops the sensor.
func (c *camera) fail(status mmal.Status) {
	c.comp.session.sendEvent(c.comp.control, mmal.EventError, binary.LittleEndian.AppendUint32(nil, uint32(status)))
	if s := &c.comp.vc.sensor; s.camera == c {
		s.stop()
	}
}

// refusesCamera says whether a RefuseCamera lasts. The caller holds mu.
func (v *VideoCore) refusesCamera() bool { return time.Now().Before(v.refuseUntil) }

// hush waits while a Silence lasts, or until the session is closed.
func (s *session) hush() {
	s.vc.mu.Lock()
	rest := time.Until(s.vc.silentUntil)
	s.vc.mu.Unlock()
	if rest <= 0 {
		return
	}
	t := time.NewTimer(rest)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.closed:
	}
}

// transmit sends a message, and the bulk transfer behind it, as far as they get. The caller holds VideoCore.mu.
func (s *session) transmit(msg, bulk []byte) {
	if s.bulkLost && bulk != nil {
		s.lost++
		bulk = nil
	}
	if s.lost <= maxBulks {
		s.link.transmit(msg, bulk)
	}
}

// swallow takes an image that nothing will come of, as a stalled encoder does, and says whether there was one.
func (p *port) swallow() bool {
	if len(p.queue) == 0 || p.comp.vc.cfg.Quirks.StallHoldsImages {
		return false
	}
	a, epoch := p.take()
	p.done(a, epoch)
	return true
}

// isStuck says whether a request that ends something goes unanswered because of a Lockup.
func (p *port) isStuck() bool { return p.comp.lockedUp || p.peer != nil && p.peer.comp.lockedUp }
