package vchiq

import (
	"errors"
	"sync"
	"syscall"
	"unsafe"
)

const (
	// maxSending bounds the transmissions that have been copied and not been moved yet.
	maxSending = 2 * serviceBulks
	// maxPosted bounds the transfers of one direction that the driver has, so that QUEUE_BULK never waits in it: both
	// directions of a service wait there for one event, and who is woken for the other's sake uses the event up
	// (vchiq_core.c, bulk_remove_event). The driver makes a transfer's record before it has made room for the next one,
	// so the fourth place may still be taken.
	maxPosted = serviceBulks - 1
	// bulkAttempts is how often a transfer is offered to the driver. It may refuse one by mistake, when a signal comes
	// while it waits for the memory that all transfers share.
	bulkAttempts = 3
)

// transfer is one bulk transfer. A receive has no memory until its turn to be posted has come.
type transfer struct {
	size   int
	cookie uint64 // the consumer's
	pages  *pages
}

// bulkQueue has the transfers of one direction in their order, from the one that asks for them to the driver's record.
// Those from head up to next are with the driver, those up to tail wait for the goroutine that posts. The numbers count
// up for ever; a transfer's number is its userdata.
type bulkQueue struct {
	op   string
	req  request
	arg  *queueBulk // of the goroutine that posts
	work sync.Cond  // there may be something to post, or the service has ended

	// Guarded by Service.mu.
	head, next, tail uint64
	held             int // transfers that count against the bound of the direction
	transfers        [maxTransfers]transfer
}

func (q *bulkQueue) init(req request, op string, arg *queueBulk) {
	q.req, q.op, q.arg = req, op, arg
	q.head, q.next, q.tail = 1, 1, 1
}

func (q *bulkQueue) at(number uint64) *transfer { return &q.transfers[number%maxTransfers] }

// push appends a transfer. The caller holds Service.mu and knows that there is room.
func (q *bulkQueue) push(t transfer) {
	*q.at(q.tail) = t
	q.tail++
	q.work.Signal()
}

// complete takes out the transfer that the driver says it is through with, which must be the oldest.
func (q *bulkQueue) complete(number uint64) (transfer, bool) {
	if q.head == q.next || number != q.head {
		return transfer{}, false
	}
	t := *q.at(number)
	*q.at(number) = transfer{}
	q.head++
	q.work.Signal()
	return t, true
}

// post gives the transfers of one direction to the driver, in order, until the service ends. A transfer that cannot be
// given to it ends the service: those behind it would meet the wrong ones of VideoCore's.
func (s *Service) post(q *bulkQueue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for (q.next == q.tail || q.next-q.head == maxPosted) && s.err == nil {
			q.work.Wait()
		}
		if s.err != nil {
			return
		}
		number := q.next
		t := *q.at(number)
		s.mu.Unlock()
		var err error
		if t.pages == nil {
			t.pages, err = s.pool.get(t.size)
		}
		s.mu.Lock()
		switch {
		case s.err != nil:
			return
		case err != nil:
			s.fail(err)
			return
		}
		*q.at(number) = t
		q.next++ // its record may come before the request returns
		*q.arg = queueBulk{
			handle:   s.handle,
			data:     unsafe.Pointer(unsafe.SliceData(t.pages.mem)),
			size:     uint32(t.size),
			userdata: number,
			mode:     bulkCallback,
		}
		s.mu.Unlock()
		err = s.queueBulk(q)
		s.mu.Lock()
		if err != nil {
			s.refused(err)
			return
		}
	}
}

// queueBulk makes the request that posts a transfer. Each refusal means that it has not been queued.
func (s *Service) queueBulk(q *bulkQueue) error {
	var err error
	for range bulkAttempts {
		_, err = s.dev.port.ioctl(q.op, q.req, unsafe.Pointer(q.arg), 0, &s.ended)
		if !errors.Is(err, syscall.EIO) || s.ended.Load() {
			return err
		}
	}
	return err
}
