package vchiq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

const (
	// openTimeout is how long VideoCore has to answer CONNECT and CREATE_SERVICE.
	openTimeout = 10 * time.Second
	// closeTimeout is how long Close waits.
	closeTimeout = 3 * time.Second
	// refusalGrace is how long a refusal may still turn out to be VideoCore's close.
	refusalGrace = 100 * time.Millisecond

	// batch is how many records and messages one AWAIT_COMPLETION fetches.
	batch = 16
	// maxQueued is how many messages can wait for Receive. mmal's client has up to 128 buffers out with the firmware,
	// which can all come home at once; the rest is for replies and events.
	maxQueued = 512
	// sendSlots is how many messages can wait for the kernel to take them.
	sendSlots = 32
	// maxTransfers bounds the transfers of one direction from the call that asks for one to the one that is through
	// with it.
	maxTransfers = 256

	// userdata marks the service's records.
	userdata = 0x6d6d616c
)

// Service is VideoCore's MMAL service. It implements mmal.Transport.
type Service struct {
	dev      *Device
	pool     pool
	received []byte // mapped: the messages from VideoCore
	outgoing []byte // mapped: the messages to VideoCore

	opened chan struct{} // closed when open has returned
	wg     sync.WaitGroup
	ended  atomic.Bool // err is set, for those who would repeat an interrupted request

	closing sync.Once     // shutdown is started
	settled sync.Once     // Close has its result
	done    chan struct{} // closed when Close may return
	result  error         // that Close returns; set before done is closed

	mu        sync.Mutex  // guards what follows
	arrived   sync.Cond   // deliveries or err changed
	room      sync.Cond   // slots or tx.held or err changed
	work      sync.Cond   // outbox or err changed
	err       error       // why the service has ended; wraps mmal.ErrClosed
	local     bool        // Close has been called
	deaf      bool        // nobody fetches records any more
	wasClosed bool        // SERVICE_CLOSED has been seen
	handle    uint32      // 0 until the service is open
	gone      bool        // the kernel is through with all memory
	grace     *time.Timer // runs when the driver has refused something; then the service fails
	copying   int         // goroutines that write to outgoing or to memory for a transmission

	deliveries ring[delivery]
	lent       delivery         // what Receive returned last
	spare      []unsafe.Pointer // buffers in received that neither the kernel nor a delivery has
	outbox     ring[message]
	slots      []int // in outgoing, free
	rx, tx     bulkQueue
}

// delivery is one for Receive, and the memory that its data is in.
type delivery struct {
	mmal.Delivery
	buffer unsafe.Pointer // in received
	pages  *pages
}

// message is one for the kernel, and the transfer behind it.
type message struct {
	slot, size int
	pages      *pages // nil if there is no transfer
	bulk       int    // bytes of the transfer
}

// newService makes a service of a device that is not connected. It must be closed, even if err is not nil.
func newService(d *Device) (*Service, error) {
	s := &Service{
		dev:        d,
		opened:     make(chan struct{}),
		done:       make(chan struct{}),
		deliveries: newRing[delivery](maxQueued + maxTransfers),
		outbox:     newRing[message](sendSlots),
	}
	for _, c := range s.conditions() {
		c.L = &s.mu
	}
	s.rx.init(reqBulkReceive, "receive bulk transfer", &d.arena.bulks[0])
	s.tx.init(reqBulkTransmit, "send bulk transfer", &d.arena.bulks[1])
	var err error
	if s.received, err = mapMemory((batch + maxQueued) * slotSize); err == nil {
		s.outgoing, err = mapMemory(sendSlots * slotSize)
	}
	if err != nil {
		close(s.opened)
		return s, fmt.Errorf("open MMAL service: %w", err)
	}
	for i := range sendSlots {
		s.slots = append(s.slots, i)
	}
	for i := batch + maxQueued - 1; i >= 0; i-- {
		s.spare = append(s.spare, unsafe.Pointer(&s.received[i*slotSize]))
	}
	for i := range d.arena.buffers {
		d.arena.buffers[i] = s.takeSpare()
	}
	return s, nil
}

func (s *Service) takeSpare() unsafe.Pointer {
	b := s.spare[len(s.spare)-1]
	s.spare = s.spare[:len(s.spare)-1]
	return b
}

// openWithin opens the service. If that fails it closes it; when ctx is done it leaves both to themselves.
func (s *Service) openWithin(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, openTimeout, ErrStuck)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		defer close(s.opened)
		failed <- s.open()
	}()
	select {
	case err := <-failed:
		if err != nil {
			return errors.Join(err, s.Close())
		}
		return nil
	case <-ctx.Done():
		s.beginClose()
		return fmt.Errorf("open MMAL service: %w", context.Cause(ctx))
	}
}

// open connects, starts the goroutines and opens the service, in this order: VideoCore's answer is a record too.
func (s *Service) open() error {
	d := s.dev
	if err := d.port.call("connect to VideoCore", reqConnect, 0, &s.ended); err != nil {
		return err
	}
	s.wg.Go(s.completions)
	s.wg.Go(s.send)
	s.wg.Go(func() { s.post(&s.rx) })
	s.wg.Go(func() { s.post(&s.tx) })
	d.arena.create = createService{
		fourCC:     mmalFourCC,
		userdata:   userdata,
		version:    mmalVersion,
		versionMin: mmalVersionMin,
		isOpen:     1,
	}
	_, err := d.port.ioctl("open MMAL service", reqCreateService, unsafe.Pointer(&d.arena.create), 0, &s.ended)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.handle = d.arena.create.handle
	wasClosed := s.wasClosed
	s.mu.Unlock()
	if wasClosed {
		s.confirmClose()
	}
	return nil
}

// end notes why the service has ended, if it has not yet, and wakes all. The caller holds mu.
func (s *Service) end(reason error) {
	if s.err == nil {
		s.err = reason
		s.ended.Store(true)
	}
	for _, c := range s.conditions() {
		c.Broadcast()
	}
}

func (s *Service) conditions() [5]*sync.Cond {
	return [...]*sync.Cond{&s.arrived, &s.room, &s.work, &s.rx.work, &s.tx.work}
}

// fail ends the service for a fault of its own. The caller holds mu.
func (s *Service) fail(cause error) { s.end(fmt.Errorf("%w: %w", mmal.ErrClosed, cause)) }

// refused ends the service since the driver has refused what had to go in its turn. That may be because VideoCore is
// closing the service: then its record is on its way, and tells better. The caller holds mu, and asks for nothing more.
func (s *Service) refused(cause error) {
	if s.err != nil || s.grace != nil {
		return
	}
	s.grace = time.AfterFunc(refusalGrace, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.fail(cause)
	})
}

// Receive implements mmal.Transport. The data is where the kernel put it; the next Receive gives it back to the kernel.
// When VideoCore has closed the service, what came before is still delivered; after Close nothing is.
func (s *Service) Receive() (mmal.Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveBack()
	for s.deliveries.waiting == 0 || s.local {
		if s.err != nil {
			return mmal.Delivery{}, fmt.Errorf("receive: %w", s.err)
		}
		s.arrived.Wait()
	}
	s.lent = s.deliveries.pop()
	if s.lent.Kind != mmal.DeliveryMessage {
		s.rx.held--
	}
	return s.lent.Delivery, nil
}

// giveBack ends the last delivery. The caller holds mu.
func (s *Service) giveBack() {
	if s.lent.buffer != nil {
		s.spare = append(s.spare, s.lent.buffer)
	}
	s.pool.put(s.lent.pages)
	s.lent = delivery{}
	s.unmap()
}

// PostReceive implements mmal.Transport. It fails for sizes outside 1 to 16 MiB, and when 256 transfers have been asked
// for and not been received.
func (s *Service) PostReceive(size int, cookie uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return fmt.Errorf("post bulk receive: %w", s.err)
	case size <= 0 || size > maxTransfer:
		return fmt.Errorf("post bulk receive of %d bytes: %w", size, syscall.EMSGSIZE)
	case s.rx.held == maxTransfers:
		return fmt.Errorf("post bulk receive: %w: %d are under way", syscall.ENOBUFS, maxTransfers)
	}
	s.rx.held++
	s.rx.push(transfer{size: size, cookie: cookie})
	return nil
}

// Send implements mmal.Transport. It copies what it is given and does not wait for the kernel, only for room in its
// queue. If the kernel refuses the message later, the service ends. A message has 1 to 4088 bytes, a transfer up to
// 16 MiB.
func (s *Service) Send(msg, bulk []byte) error {
	if len(msg) == 0 || len(msg) > maxMessage || bulk != nil && len(bulk) == 0 || len(bulk) > maxTransfer {
		return fmt.Errorf("send message of %d bytes, bulk transfer of %d: %w", len(msg), len(bulk), syscall.EMSGSIZE)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && (len(s.slots) == 0 || bulk != nil && s.tx.held == maxSending) {
		s.room.Wait()
	}
	if s.err != nil {
		return fmt.Errorf("send message: %w", s.err)
	}
	m := message{slot: s.slots[len(s.slots)-1], size: len(msg), bulk: len(bulk)}
	s.slots = s.slots[:len(s.slots)-1]
	if bulk != nil {
		s.tx.held++
	}
	s.copying++
	s.mu.Unlock()
	err := s.fill(&m, msg, bulk)
	s.mu.Lock()
	s.copying--
	switch {
	case s.err != nil:
		s.unmap()
		return fmt.Errorf("send message: %w", s.err)
	case err != nil: // nothing has been sent
		s.slots = append(s.slots, m.slot)
		s.tx.held--
		s.room.Broadcast()
		return fmt.Errorf("send message: %w", err)
	}
	s.outbox.push(m)
	s.work.Signal()
	return nil
}

// fill copies a message and its transfer to memory of their own.
func (s *Service) fill(m *message, msg, bulk []byte) (err error) {
	copy(s.outgoing[m.slot*slotSize:], msg)
	if bulk == nil {
		return nil
	}
	if m.pages, err = s.pool.get(len(bulk)); err != nil {
		return err
	}
	copy(m.pages.mem, bulk)
	return nil
}

// send gives messages to the kernel, in order, until the service ends.
func (s *Service) send() {
	a := s.dev.arena
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for s.outbox.waiting == 0 && s.err == nil {
			s.work.Wait()
		}
		if s.err != nil {
			return
		}
		m := s.outbox.pop()
		a.element = element{data: unsafe.Pointer(&s.outgoing[m.slot*slotSize]), size: uint32(m.size)}
		a.message = queueMessage{handle: s.handle, count: 1, elements: unsafe.Pointer(&a.element)}
		s.mu.Unlock()
		_, err := s.dev.port.ioctl("send message", reqQueueMessage, unsafe.Pointer(&a.message), 0, &s.ended)
		s.mu.Lock()
		if err != nil {
			s.refused(err)
			return
		}
		s.slots = append(s.slots, m.slot)
		s.room.Broadcast()
		if m.pages != nil {
			s.tx.push(transfer{size: m.bulk, pages: m.pages})
		}
	}
}

// Close implements mmal.Transport. It also closes the device. Every other call ends at once; Close itself waits up to
// 3 s, and returns ErrStuck if the kernel still waits for VideoCore then.
func (s *Service) Close() error {
	s.beginClose()
	<-s.done
	return s.result
}

// beginClose ends the service and starts what undoes it, unless that has been done.
func (s *Service) beginClose() {
	s.mu.Lock()
	s.local = true
	s.end(mmal.ErrClosed)
	s.mu.Unlock()
	s.closing.Do(func() {
		late := time.AfterFunc(closeTimeout, func() {
			s.settle(fmt.Errorf("close MMAL service: %w within %v", ErrStuck, closeTimeout))
		})
		go func() {
			err := s.shutdown()
			late.Stop()
			s.settle(err)
		}()
	})
}

func (s *Service) settle(result error) {
	s.settled.Do(func() {
		s.result = result
		close(s.done)
	})
}

// shutdown undoes open. VideoCore, or the attempt to open the service, may make it wait for ever.
func (s *Service) shutdown() error {
	<-s.opened
	s.mu.Lock()
	handle, deaf := s.handle, s.deaf
	s.mu.Unlock()
	var err error
	if !deaf { // else CLOSE_SERVICE would wait for CLOSE_DELIVERED; close(2) does not
		if handle != 0 {
			err = s.closeService(handle)
		}
		err = errors.Join(err, s.dev.port.call("close VCHIQ connection", reqShutdown, 0, nil))
	}
	s.wg.Wait()
	err = errors.Join(err, s.dev.release())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.grace != nil {
		s.grace.Stop()
	}
	s.gone = true
	s.unmap()
	return err
}

// closeService closes the service. The driver may say of one that VideoCore has closed that it has none.
func (s *Service) closeService(handle uint32) error {
	err := s.dev.port.call("close MMAL service", reqCloseService, handle, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wasClosed {
		return nil
	}
	return err
}

// unmap returns the service's memory when nobody uses it any more: not the kernel, nor the consumer of the last
// delivery, nor a Send that is copying. The caller holds mu.
func (s *Service) unmap() {
	if !s.gone || s.copying != 0 || s.lent.buffer != nil || s.lent.pages != nil {
		return
	}
	s.deliveries, s.spare, s.outbox = ring[delivery]{}, nil, ring[message]{}
	s.rx.arg, s.tx.arg = nil, nil
	s.pool.unmap()
	for _, m := range []*[]byte{&s.received, &s.outgoing} {
		if *m != nil {
			_ = unmapMemory(*m) // fails only for addresses that are none
			*m = nil
		}
	}
}
