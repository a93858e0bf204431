package vchiq

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// errRecord says that the driver's records make no sense.
var errRecord = errors.New("driver's record makes no sense")

// completions fetches records until the driver has no more. It waits for nothing but the driver, and goes on when the
// service has ended, lest the driver stall.
func (s *Service) completions() {
	a := s.dev.arena
	for {
		a.await = awaitCompletion{
			count:       batch,
			records:     unsafe.Pointer(&a.records),
			bufferSize:  slotSize,
			bufferCount: batch,
			buffers:     unsafe.Pointer(&a.buffers),
		}
		n, err := s.dev.port.ioctl("receive", reqAwaitCompletion, unsafe.Pointer(&a.await), 0, nil)
		if err != nil || n == 0 {
			s.fetchEnded(err)
			return
		}
		if s.take(a.records[:min(n, batch)]) {
			s.confirmClose()
		}
	}
}

// fetchEnded takes note that there will be no more records, for the reason err or because the connection has ended.
func (s *Service) fetchEnded(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.end(mmal.ErrClosed)
		return
	}
	s.deaf = true
	s.fail(err)
}

// confirmClose says that SERVICE_CLOSED has been seen. A refusal means that the driver does not wait for it.
func (s *Service) confirmClose() {
	s.mu.Lock()
	handle := s.handle
	s.mu.Unlock()
	if handle != 0 && s.dev.handshake() { // else open will do it
		_ = s.dev.port.call("confirm close", reqCloseDelivered, handle, nil)
	}
}

// take passes records on and says whether the service's close is among them.
func (s *Service) take(records []completion) (closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := batch // the driver takes buffers from the end of the array
	for i := range records {
		r := &records[i]
		if r.header != nil {
			next--
			if next < 0 || r.header != s.dev.arena.buffers[next] {
				s.fail(fmt.Errorf("%w: message in another buffer", errRecord))
				continue
			}
		}
		if r.serviceUserdata != userdata {
			continue
		}
		switch r.reason {
		case messageArrived:
			if r.header != nil {
				s.takeMessage(next)
			}
		case receiveDone, receiveAborted:
			s.takeReceive(r)
		case transmitDone, transmitAborted:
			s.takeTransmit(r)
		case serviceClosed:
			closed = true
			s.takeClose()
		case serviceOpened: // only those who offer a service are told
		}
	}
	return closed
}

// takeMessage queues the message in one of the kernel's buffers, and gives the kernel another one instead.
func (s *Service) takeMessage(i int) {
	buffer := s.dev.arena.buffers[i]
	size := (*messageHeader)(buffer).size
	switch {
	case s.err != nil:
		return
	case size > maxMessage:
		s.fail(fmt.Errorf("%w: message of %d bytes", errRecord, size))
		return
	case len(s.spare) == 0:
		s.fail(errOverrun)
		return
	}
	data := unsafe.Slice((*byte)(unsafe.Add(buffer, messageHeaderSize)), int(size))
	s.deliver(delivery{Delivery: mmal.Delivery{Kind: mmal.DeliveryMessage, Data: data}, buffer: buffer})
	s.dev.arena.buffers[i] = s.takeSpare()
}

// deliver queues a delivery: there is room for all messages and for all transfers that there can be.
func (s *Service) deliver(d delivery) {
	s.deliveries.push(d)
	s.arrived.Signal()
}

// takeReceive takes the end of the oldest receive.
func (s *Service) takeReceive(r *completion) {
	if s.err != nil {
		return // all memory goes when the file is closed
	}
	t, ok := s.rx.complete(r.bulkUserdata)
	switch {
	case !ok:
		s.fail(fmt.Errorf("%w: bulk receive %d is not the oldest", errRecord, r.bulkUserdata))
	case r.reason == receiveAborted:
		s.pool.put(t.pages)
		s.deliver(aborted(t))
	default:
		s.deliver(delivery{
			Delivery: mmal.Delivery{Kind: mmal.DeliveryBulk, Data: t.pages.mem[:t.size:t.size], Cookie: t.cookie},
			pages:    t.pages,
		})
	}
}

func aborted(t transfer) delivery {
	return delivery{Delivery: mmal.Delivery{Kind: mmal.DeliveryBulkAborted, Cookie: t.cookie}}
}

// takeTransmit takes the end of the oldest transmission.
func (s *Service) takeTransmit(r *completion) {
	if s.err != nil {
		return
	}
	t, ok := s.tx.complete(r.bulkUserdata)
	if !ok {
		s.fail(fmt.Errorf("%w: bulk transmission %d is not the oldest", errRecord, r.bulkUserdata))
		return
	}
	s.pool.put(t.pages)
	s.tx.held--
	s.room.Broadcast()
}

// takeClose ends the service: what the driver had of it has been aborted before, what it never got is aborted now.
func (s *Service) takeClose() {
	s.wasClosed = true
	if s.err == nil {
		for s.rx.head != s.rx.tail {
			s.deliver(aborted(*s.rx.at(s.rx.head)))
			s.rx.head++
		}
		s.rx.next = s.rx.tail
	}
	s.end(fmt.Errorf("%w by VideoCore", mmal.ErrClosed))
}
