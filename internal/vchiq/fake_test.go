package vchiq

import (
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"unsafe"
)

const (
	fakeHandle      = 0x1001
	fakeCompletions = 128 // MAX_COMPLETIONS
	fakeQuota       = 8   // messages that VideoCore has not read
)

// fakeKernel is the driver as doc.go tells it, and VideoCore's end of one service, which the tests play.
type fakeKernel struct {
	t testing.TB

	mu         sync.Mutex
	change     sync.Cond
	rng        *rand.Rand
	interrupts float64 // how likely a request, or one that wakes, is interrupted

	version     int16
	noServer    bool // CREATE_SERVICE is refused
	silent      bool // VideoCore does not answer the driver
	forgetful   bool // CLOSE_SERVICE does not know a service that VideoCore has closed
	unread      bool // messages are only counted, and what comes by bulk is thrown away
	deaf        bool // AWAIT_COMPLETION fails
	hold        bool // AWAIT_COMPLETION returns nothing
	refuseBulks int  // how many QUEUE_BULK are refused with EIO

	connected, closing, released bool
	libVersion                   uint32
	state                        fakeState
	closeAsked, closePending     bool
	records                      []fakeRecord
	rx, tx                       []fakeBulk  // outstanding
	through                      *[]fakeBulk // the queue whose first transfer has its record, and still its place
	removed                      int         // bulk_remove_event: places that were made, in either queue, and nobody waited for
	bulkStalls                   int         // QUEUE_BULK that had to wait
	stalled                      int         // times that the ring was full

	events   []fakeEvent // what VideoCore does, one after the other
	vcTx     [][]byte    // its bulk transmissions under way
	vcRx     int         // its bulk receives that wait
	messages [][]byte    // that it got and has not read
	count    int         // of all messages
	bulks    [][]byte    // that it got
}

type fakeState int

const (
	fakeNone fakeState = iota
	fakeOpen
	fakeClosing
	fakeClosed
)

type fakeRecord struct {
	reason reason
	msg    []byte
	bulk   uint64
	at     unsafe.Pointer // where the message is said to be, if not nil
	size   uint32         // that the message is said to have, if not 0
}

type fakeBulk struct {
	data     unsafe.Pointer
	size     int
	userdata uint64
}

type fakeEvent struct {
	msg, bulk []byte
	close     bool
}

// newFake starts a driver. It runs until its file is closed.
func newFake(t testing.TB) *fakeKernel {
	k := &fakeKernel{t: t, rng: rand.New(rand.NewPCG(4, 2)), version: 8}
	k.change.L = &k.mu
	go k.slotHandler()
	return k
}

// with changes the driver under its lock.
func (k *fakeKernel) with(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
	k.change.Broadcast()
}

// until waits for a condition, which must come.
func (k *fakeKernel) until(cond func() bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for !cond() {
		k.change.Wait()
	}
}

// sends has VideoCore send messages.
func (k *fakeKernel) sends(msgs ...[]byte) {
	k.with(func() {
		for _, m := range msgs {
			k.events = append(k.events, fakeEvent{msg: m})
		}
	})
}

// sendsBulk has VideoCore begin bulk transmissions.
func (k *fakeKernel) sendsBulk(bulks ...[]byte) {
	k.with(func() {
		for _, b := range bulks {
			k.events = append(k.events, fakeEvent{bulk: b})
		}
	})
}

// closes has VideoCore close the service.
func (k *fakeKernel) closes() { k.with(func() { k.events = append(k.events, fakeEvent{close: true}) }) }

// reads waits for a message to VideoCore.
func (k *fakeKernel) reads() []byte {
	k.until(func() bool { return len(k.messages) > 0 })
	k.mu.Lock()
	defer k.mu.Unlock()
	m := k.messages[0]
	k.messages = slices.Delete(k.messages, 0, 1)
	k.change.Broadcast()
	return m
}

// wait waits in a request; it says no if it is interrupted. The caller holds mu.
func (k *fakeKernel) wait(cond func() bool) bool {
	for !cond() {
		k.change.Wait()
		if !cond() && k.interrupted() {
			return false
		}
	}
	return true
}

func (k *fakeKernel) interrupted() bool { return k.interrupts > 0 && k.rng.Float64() < k.interrupts }

func (k *fakeKernel) slotHandler() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for !k.released {
		if k.step() {
			k.change.Broadcast()
		} else {
			k.change.Wait()
		}
	}
}

// step does one thing, if there is one that can be done.
func (k *fakeKernel) step() bool {
	if k.closeAsked && k.state == fakeOpen && !k.silent {
		k.state = fakeClosing
		return true
	}
	if k.through != nil {
		*k.through = slices.Delete(*k.through, 0, 1)
		k.through = nil
		k.removed++
		return true
	}
	pending := len(k.vcTx) > 0 && len(k.rx) > 0 || k.vcRx > 0 && len(k.tx) > 0 || len(k.events) > 0
	if len(k.records) == fakeCompletions && !k.closing {
		if pending {
			k.stalled++
		}
		return false
	}
	switch {
	case k.state == fakeClosing:
		k.closeStep()
	case k.state == fakeOpen && len(k.vcTx) > 0 && len(k.rx) > 0:
		b := k.rx[0]
		if len(k.vcTx[0]) != b.size {
			k.t.Errorf("bulk transfer of %d bytes meets a receive of %d", len(k.vcTx[0]), b.size)
		}
		copy(unsafe.Slice((*byte)(b.data), b.size), k.vcTx[0])
		k.vcTx = slices.Delete(k.vcTx, 0, 1)
		k.through = &k.rx
		k.record(fakeRecord{reason: receiveDone, bulk: b.userdata})
	case k.state == fakeOpen && k.vcRx > 0 && len(k.tx) > 0:
		b := k.tx[0]
		if !k.unread {
			k.bulks = append(k.bulks, slices.Clone(unsafe.Slice((*byte)(b.data), b.size)))
		}
		k.through = &k.tx
		k.vcRx--
		k.record(fakeRecord{reason: transmitDone, bulk: b.userdata})
	case k.state == fakeOpen && len(k.events) > 0:
		return k.event()
	default:
		return false
	}
	return true
}

func (k *fakeKernel) event() bool {
	e := k.events[0]
	switch {
	case e.close:
		k.state = fakeClosing
	case e.msg != nil:
		k.record(fakeRecord{reason: messageArrived, msg: e.msg})
	case len(k.vcTx) == serviceBulks:
		return false
	default:
		k.vcTx = append(k.vcTx, e.bulk)
	}
	k.events = slices.Delete(k.events, 0, 1)
	return true
}

func (k *fakeKernel) closeStep() {
	switch {
	case len(k.tx) > 0:
		k.record(fakeRecord{reason: transmitAborted, bulk: k.tx[0].userdata})
		k.tx = slices.Delete(k.tx, 0, 1)
	case len(k.rx) > 0:
		k.record(fakeRecord{reason: receiveAborted, bulk: k.rx[0].userdata})
		k.rx = slices.Delete(k.rx, 0, 1)
	default:
		k.record(fakeRecord{reason: serviceClosed})
		k.closePending = k.libVersion >= handshakeVersion
		k.state = fakeClosed
	}
}

func (k *fakeKernel) record(r fakeRecord) { k.records = append(k.records, r) }

// close implements kernel.
func (k *fakeKernel) close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.released {
		k.t.Error("file closed twice")
		return syscall.EBADF
	}
	k.closeAsked, k.closing = true, true
	k.change.Broadcast()
	for k.state == fakeOpen || k.state == fakeClosing {
		k.change.Wait()
	}
	k.released = true
	k.change.Broadcast()
	return nil
}

// ioctl implements kernel.
func (k *fakeKernel) ioctl(req request, arg unsafe.Pointer, value uint32) (int, syscall.Errno) {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer k.change.Broadcast()
	switch {
	case k.released:
		k.t.Errorf("%v on a closed file", req)
		return 0, syscall.EBADF
	case req.byValue() != (arg == nil):
		k.t.Errorf("%v has the wrong kind of argument", req)
		return 0, syscall.EFAULT
	case k.interrupted():
		return 0, syscall.EINTR
	}
	switch req {
	case reqGetConfig:
		return k.getConfig((*getConfig)(arg))
	case reqLibVersion:
		if value < 3 {
			return 0, syscall.EINVAL
		}
		k.libVersion = value
		return 0, 0
	case reqConnect:
		return k.connect()
	case reqShutdown:
		return k.shutdown()
	}
	if !k.connected {
		return 0, syscall.ENOTCONN
	}
	switch req {
	case reqCreateService:
		return k.create((*createService)(arg))
	case reqQueueMessage:
		return k.queueMessage((*queueMessage)(arg))
	case reqBulkReceive:
		return k.queueBulk((*queueBulk)(arg), &k.rx)
	case reqBulkTransmit:
		return k.queueBulk((*queueBulk)(arg), &k.tx)
	case reqAwaitCompletion:
		return k.await((*awaitCompletion)(arg))
	case reqCloseService:
		return k.closeService(value)
	case reqCloseDelivered:
		if value != fakeHandle || !k.closePending {
			return 0, syscall.EINVAL
		}
		k.closePending = false
		return 0, 0
	}
	k.t.Errorf("%v is not implemented", req)
	return 0, syscall.ENOTTY
}

func (k *fakeKernel) getConfig(a *getConfig) (int, syscall.Errno) {
	if a.size > 20 {
		return 0, syscall.EINVAL
	}
	*(*config)(a.config) = config{
		maxMessage: 4088, bulkThreshold: 4088, maxBulks: 4, maxServices: 4096, version: k.version, versionMin: 3,
	}
	return 0, 0
}

func (k *fakeKernel) connect() (int, syscall.Errno) {
	if k.connected {
		return 0, syscall.EINVAL
	}
	if !k.wait(func() bool { return !k.silent }) {
		return 0, syscall.EINTR
	}
	k.connected = true
	return 0, 0
}

func (k *fakeKernel) shutdown() (int, syscall.Errno) {
	if !k.connected {
		return 0, 0
	}
	k.closeAsked = true
	k.change.Broadcast()
	if !k.wait(func() bool { return k.state == fakeNone || k.state == fakeClosed }) {
		return 0, syscall.EINTR
	}
	k.closing = true
	return 0, 0
}

func (k *fakeKernel) create(a *createService) (int, syscall.Errno) {
	if a.fourCC != 0x6d6d616c || a.version != 16 || a.versionMin != 10 || a.isOpen != 1 || a.isVCHI != 0 {
		k.t.Errorf("CREATE_SERVICE of %+v", *a)
	}
	if k.state != fakeNone {
		return 0, syscall.EEXIST
	}
	if !k.wait(func() bool { return !k.silent }) {
		return 0, syscall.EINTR
	}
	if k.noServer {
		return 0, syscall.EIO
	}
	k.state = fakeOpen
	a.handle = fakeHandle
	return 0, 0
}

func (k *fakeKernel) queueMessage(a *queueMessage) (int, syscall.Errno) {
	if a.handle != fakeHandle || a.count > 8 {
		return 0, syscall.EINVAL
	}
	var msg []byte
	if !k.unread || a.count != 1 {
		msg = make([]byte, 0, maxMessage)
	}
	size := 0
	for _, e := range unsafe.Slice((*element)(a.elements), a.count) {
		if size += int(e.size); size > maxMessage {
			return 0, syscall.EIO
		}
		if msg != nil {
			msg = append(msg, unsafe.Slice((*byte)(e.data), e.size)...)
		}
	}
	if size == 0 {
		return 0, syscall.EIO
	}
	if !k.wait(func() bool { return k.state != fakeOpen || k.closeAsked || len(k.messages) < fakeQuota }) {
		return 0, syscall.EINTR
	}
	if k.state != fakeOpen || k.closeAsked {
		return 0, 0 // though nothing is sent
	}
	k.count++
	if msg != nil {
		k.messages = append(k.messages, msg)
	}
	return 0, 0
}

func (k *fakeKernel) queueBulk(a *queueBulk, queue *[]fakeBulk) (int, syscall.Errno) {
	usable := func() bool { return k.state == fakeOpen && !k.closeAsked }
	switch {
	case a.handle != fakeHandle:
		return 0, syscall.EINVAL
	case !usable() || a.data == nil || a.size == 0:
		return 0, syscall.EIO
	case k.refuseBulks > 0:
		k.refuseBulks--
		return 0, syscall.EIO
	case a.mode != bulkCallback:
		k.t.Errorf("bulk transfer of mode %d", a.mode)
	}
	if len(*queue) == serviceBulks {
		k.bulkStalls++
	}
	for usable() && len(*queue) == serviceBulks {
		if !k.wait(func() bool { return !usable() || k.removed > 0 }) {
			return 0, syscall.EINTR
		}
		k.removed = max(0, k.removed-1)
	}
	if !usable() {
		return 0, syscall.EIO
	}
	b := fakeBulk{data: a.data, size: int(a.size), userdata: a.userdata}
	k.checkPages(b)
	*queue = append(*queue, b)
	return 0, 0
}

// checkPages sees that a transfer has whole pages of its own.
func (k *fakeKernel) checkPages(b fakeBulk) {
	pages := func(b fakeBulk) (from, to uintptr) {
		return uintptr(b.data), (uintptr(b.data) + uintptr(b.size) + pageSize - 1) &^ (pageSize - 1)
	}
	from, to := pages(b)
	if from%pageSize != 0 {
		k.t.Errorf("memory of a bulk transfer at %#x", from)
	}
	for _, queue := range [][]fakeBulk{k.rx, k.tx} {
		for _, other := range queue {
			if k.through != nil && other == (*k.through)[0] {
				continue // its memory is free again
			}
			if first, end := pages(other); from < end && first < to {
				k.t.Errorf("two bulk transfers share memory at %#x", from)
			}
		}
	}
}

func (k *fakeKernel) await(a *awaitCompletion) (int, syscall.Errno) {
	if !k.wait(func() bool { return len(k.records) > 0 && !k.hold || k.closing || k.deaf }) {
		return 0, syscall.EINTR
	}
	if k.deaf {
		return 0, syscall.EMSGSIZE
	}
	out := unsafe.Slice((*completion)(a.records), a.count)
	buffers := unsafe.Slice((*unsafe.Pointer)(a.buffers), a.bufferCount)
	n := 0
	for n < len(out) && len(k.records) > 0 {
		r := k.records[0]
		c := completion{reason: r.reason, serviceUserdata: userdata, bulkUserdata: r.bulk}
		if r.msg != nil {
			if len(buffers) == 0 {
				break
			}
			if int(a.bufferSize) < messageHeaderSize+len(r.msg) {
				return 0, syscall.EMSGSIZE
			}
			c.header = buffers[len(buffers)-1]
			buffers = buffers[:len(buffers)-1]
			(*messageHeader)(c.header).size = uint32(len(r.msg))
			copy(unsafe.Slice((*byte)(unsafe.Add(c.header, messageHeaderSize)), len(r.msg)), r.msg)
			if r.at != nil {
				c.header = r.at
			}
			if r.size != 0 {
				(*messageHeader)(c.header).size = r.size
			}
		}
		out[n] = c
		n++
		k.records = slices.Delete(k.records, 0, 1)
	}
	a.bufferCount = uint32(len(buffers))
	return n, 0
}

func (k *fakeKernel) closeService(handle uint32) (int, syscall.Errno) {
	if handle != fakeHandle || k.state == fakeNone || k.state == fakeClosed && k.forgetful && !k.closeAsked {
		return 0, syscall.EINVAL
	}
	k.closeAsked = true
	k.change.Broadcast()
	if !k.wait(func() bool { return k.state == fakeClosed && !k.closePending }) {
		return 0, syscall.EINTR
	}
	return 0, 0
}
