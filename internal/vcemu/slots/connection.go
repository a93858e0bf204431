package slots

import (
	"errors"
	"fmt"
	"slices"
)

var (
	// errSlotZero says that the shared memory that the guest offers cannot be used.
	errSlotZero = errors.New("bad slot zero")
	// errProtocol says that the guest broke the protocol, so that nothing it sends can be trusted any more.
	errProtocol = errors.New("slot protocol violated")
)

// maxControl bounds the messages that wait for a slot and are not data: ARM has had far more answers than it takes.
const maxControl = 4096

// connection is the slot protocol in one guest's shared memory, from VCHIQ_INIT to the next one. It is touched by the
// goroutine that runs the VideoCore only.
type connection struct {
	v             *VideoCore
	mem           Memory
	zero          uint32 // address of slot zero
	master, slave uint32 // addresses of the shared states
	fragments     fragments
	connected     bool
	paused        bool
	ended         bool // the guest's memory is not to be touched any more

	services map[uint16]*service // by VideoCore's port
	turn     []*service          // the same, in the order in which they may send
	lastPort uint16
	unfed    int // bytes of bulk transfers that sessions have still to take

	// Messages from ARM.
	rxPos    uint32
	rx       *rxSlot // where rxPos is; nil at the start of a slot
	rxFirst  uint32
	rxLast   uint32
	rxUsed   [maxSlots]*rxSlot // those that ARM has not got back
	recycled uint32            // how many slots were ever put into ARM's queue

	// Messages to ARM.
	txPos     uint32
	tx        *txSlot // where txPos is; nil at the start of a slot
	queue     [slotsPerSide]*txSlot
	entered   uint32 // how many slots of the queue have been entered
	free      uint32 // how many have ever been put into the queue
	txSlots   [maxSlots]*txSlot
	dataSlots int // slots with data in them, which ARM has not given back
	dataQuota int // most of dataSlots: one is left for other messages
	slotQuota int // most that one service may have of them
	control   []outgoing
}

// rxSlot is one slot of ARM's that VideoCore reads or has read.
type rxSlot struct {
	conn  *connection
	index uint32
	// uses is the messages in it that nobody has consumed yet, and one while it is being read. ARM gets the slot back
	// when nothing uses it: that is what holds back a client that sends faster than its requests are executed.
	uses int
}

// txSlot is one slot of VideoCore's.
type txSlot struct {
	index    uint32
	full     bool       // written to its end, so that ARM may give it back
	services []*service // those with data in it
}

// outgoing is a message that is no data.
type outgoing struct {
	id      uint32
	payload []byte
}

// newConnection checks slot zero and prepares VideoCore's half of the shared memory.
func newConnection(v *VideoCore, zero uint32) (*connection, error) {
	m := v.cfg.Memory
	if zero%slotSize != 0 || !within(m, zero, slotSize) {
		return nil, fmt.Errorf("%w: at %#x", errSlotZero, zero)
	}
	c := &connection{
		v: v, mem: m, zero: zero, master: zero + zeroMaster, slave: zero + zeroSlave,
		services: make(map[uint16]*service),
	}
	versions := m.Load32(zero + zeroVersions)
	theirs, least := versions&0xffff, versions>>16
	switch {
	case m.Load32(zero+zeroMagic) != magic:
		return nil, fmt.Errorf("%w: magic %#x", errSlotZero, m.Load32(zero+zeroMagic))
	case theirs < versionMin || least > version:
		return nil, fmt.Errorf("%w: version %d, at least %d", errSlotZero, theirs, least)
	case m.Load32(zero+zeroSize) != zeroLength || m.Load32(zero+zeroSlotSize) != slotSize ||
		m.Load32(zero+zeroSlots) != maxSlots || m.Load32(zero+zeroPerSide) != slotsPerSide:
		return nil, fmt.Errorf("%w: unknown sizes", errSlotZero)
	case m.Load32(c.slave+stateInitialised) == 0:
		return nil, fmt.Errorf("%w: not initialised", errSlotZero)
	}
	if theirs > version {
		m.Store32(zero+zeroVersions, least<<16|version)
	}
	first, n, err := c.region(c.master)
	if err != nil {
		return nil, err
	}
	var ours uint32
	c.rxFirst, ours, err = c.region(c.slave)
	if err != nil {
		return nil, err
	}
	c.rxLast = c.rxFirst + ours - 1
	if first-1 <= c.rxLast && c.rxFirst-1 <= first+n-1 {
		return nil, fmt.Errorf("%w: both sides have the same slots", errSlotZero)
	}
	if c.recycled = m.Load32(c.slave + stateRecycled); c.recycled != ours {
		return nil, fmt.Errorf("%w: %d of %d slots in the queue", errSlotZero, c.recycled, ours)
	}
	c.fragments = fragments{m.Load32(zero + zeroFragments), m.Load32(zero + zeroFragments + 4), uint32(v.cfg.CacheLine)}
	c.prepare(first, n)
	return c, nil
}

// region reads which slots a side has, without the first one, which is for synchronous messages.
func (c *connection) region(state uint32) (first, n uint32, err error) {
	first, last := c.mem.Load32(state+stateFirst), c.mem.Load32(state+stateLast)
	sync := c.mem.Load32(state + stateSync)
	if sync < 1 || first != sync+1 || last <= first || last >= maxSlots || last-first >= slotsPerSide ||
		!within(c.mem, c.zero, uint64(last+1)*slotSize) {
		return 0, 0, fmt.Errorf("%w: slots %d to %d, %d", errSlotZero, first, last, sync)
	}
	return first, last - first + 1, nil
}

// prepare fills in VideoCore's shared state.
func (c *connection) prepare(first, n uint32) {
	m, s := c.mem, c.master
	for i := range n {
		slot := &txSlot{index: first + i}
		c.txSlots[slot.index], c.queue[i] = slot, slot
		m.Store32(s+stateQueue+4*i, slot.index)
	}
	c.free = n
	c.dataQuota, c.slotQuota = int(n)-1, int(n)/2
	m.Store32(s+stateTxPos, 0)
	m.Store32(s+stateRecycled, n)
	for _, e := range []uint32{stateTrigger, stateRecycle, stateSyncTrigger, stateSyncRelease} {
		m.Store32(s+e+eventArmed, 0)
	}
	// The slot for synchronous messages is free. It stays so, for no service here is synchronous.
	m.Store32(c.slot(first-1), msgid(padding, 0, 0))
	m.Store32(s+stateSyncRelease+eventFired, 1)
	m.Store32(s+stateInitialised, 1)
}

// slot is a slot's address.
func (c *connection) slot(index uint32) uint32 { return c.zero + index*slotSize }

// signal sets an event of ARM's.
func (c *connection) signal(event uint32) {
	c.mem.Store32(c.slave+event+eventFired, 1)
	if c.mem.Load32(c.slave+event+eventArmed) != 0 {
		c.v.ring = true
	}
}

// awaited are the events that VideoCore waits for.
var awaited = [...]uint32{stateTrigger, stateRecycle, stateSyncTrigger}

// wake takes note of the events that ARM has set, and says whether there were any.
func (c *connection) wake() bool {
	var any bool
	for _, e := range awaited {
		c.mem.Store32(c.master+e+eventArmed, 0)
		if c.mem.Load32(c.master+e+eventFired) == 0 {
			continue
		}
		c.mem.Store32(c.master+e+eventFired, 0)
		any = true
		if e == stateSyncTrigger {
			c.v.complain("synchronous message")
			c.mem.Store32(c.slot(c.rxFirst-1), msgid(padding, 0, 0))
			c.signal(stateSyncRelease)
		}
	}
	return any
}

// arm asks ARM to ring, and says whether nothing has happened before it could see that.
func (c *connection) arm() bool {
	quiet := true
	for _, e := range awaited {
		c.mem.Store32(c.master+e+eventArmed, 1)
		quiet = quiet && c.mem.Load32(c.master+e+eventFired) == 0
	}
	return quiet
}

// receive reads all messages that ARM has written.
func (c *connection) receive() error {
	end := c.mem.Load32(c.slave + stateTxPos)
	if rest := end - c.rxPos; rest > (c.rxLast-c.rxFirst+1)*slotSize || end%headerSize != 0 {
		return fmt.Errorf("%w: tx_pos went from %#x to %#x", errProtocol, c.rxPos, end)
	}
	for c.rxPos != end {
		if c.rx == nil {
			if err := c.enter(); err != nil {
				return err
			}
		}
		at := c.slot(c.rx.index) + c.rxPos%slotSize
		id, size := c.mem.Load32(at), c.mem.Load32(at+4)
		if size > maxPayload || c.rxPos%slotSize+stride(int(size)) > slotSize || stride(int(size)) > end-c.rxPos {
			return fmt.Errorf("%w: message %#x of %d bytes at %#x", errProtocol, id, size, c.rxPos)
		}
		var payload []byte
		if kind(id>>24) != padding {
			payload = make([]byte, size)
			c.mem.Read(at+headerSize, payload)
		}
		c.message(id, payload)
		if len(c.control) > maxControl {
			return fmt.Errorf("%w: %d messages that ARM does not take", errProtocol, len(c.control))
		}
		c.rxPos += stride(int(size))
		if c.rxPos%slotSize == 0 {
			c.release(c.rx)
			c.rx = nil
		}
	}
	return nil
}

// enter begins to read the next slot of ARM's.
func (c *connection) enter() error {
	index := c.mem.Load32(c.slave + stateQueue + 4*(c.rxPos/slotSize&queueMask))
	if index < c.rxFirst || index > c.rxLast {
		return fmt.Errorf("%w: slot %d is not ARM's", errProtocol, index)
	}
	if c.rxUsed[index] != nil {
		return fmt.Errorf("%w: slot %d is in use", errProtocol, index)
	}
	c.rx = &rxSlot{conn: c, index: index, uses: 1}
	c.rxUsed[index] = c.rx
	return nil
}

// release ends one use of a slot, and gives it back to ARM with the last one.
func (c *connection) release(s *rxSlot) {
	s.uses--
	if s.uses > 0 || c.ended {
		return
	}
	c.rxUsed[s.index] = nil
	c.mem.Store32(c.slave+stateQueue+4*(c.recycled&queueMask), s.index)
	c.recycled++
	c.mem.Store32(c.slave+stateRecycled, c.recycled)
	c.signal(stateRecycle)
	c.v.count(func(s *Stats) *uint64 { return &s.SlotsReceived })
}

// message executes one message of ARM's.
func (c *connection) message(id uint32, payload []byte) {
	c.v.count(func(s *Stats) *uint64 { return &s.MessagesIn })
	k, src, dst := splitID(id)
	switch k {
	case padding, remoteRelease, remoteUseActive:
	case connect:
		c.connected = true
		c.send(msgid(connect, 0, 0), nil)
	case open:
		c.open(src, dst, payload)
	case closing, data, bulkRx, bulkTx:
		c.service(k, src, dst, payload)
	case pause:
		if c.paused {
			c.v.complain("pause while paused")
			return
		}
		c.send(msgid(pause, 0, 0), nil)
	case resume:
		if !c.paused {
			c.v.complain("resume while not paused")
		}
		c.paused = false
	case remoteUse:
		c.send(msgid(remoteUseActive, 0, 0), nil)
	default:
		c.v.complain("message of a kind that VideoCore sends, or nobody", "kind", uint8(k), "port", dst)
	}
}

// open answers a client that wants a service.
func (c *connection) open(src, dst uint16, payload []byte) {
	refuse := func(reason string, args ...any) {
		if n := c.v.count(func(s *Stats) *uint64 { return &s.Refused }); worthALine(n) {
			c.v.log.Warn("service refused", append([]any{"reason", reason, "port", src, "count", n}, args...)...)
		}
		c.send(msgid(closing, 0, src), nil)
	}
	switch {
	case !c.connected || dst != 0 || len(payload) < openLength || c.byRemote(src) != nil:
		c.v.complain("open out of place", "port", src, "to", dst, "bytes", len(payload), "connected", c.connected)
		refuse("out of place")
		return
	case len(c.services) >= c.v.cfg.MaxServices:
		refuse("too many services")
		return
	}
	fourcc, most, least := word(payload), int16(half(payload[8:])), int16(half(payload[10:]))
	offer := c.v.offer(fourcc)
	if offer == nil {
		refuse("unknown", "service", fourccString(fourcc))
		return
	}
	if offer.Version < least || most < offer.MinVersion {
		refuse("version", "service", fourccString(fourcc), "version", most, "least", least)
		return
	}
	s := newService(c, offer, c.newPort(), src)
	session, err := offer.Open(s)
	if err != nil {
		refuse("not available", "service", fourccString(fourcc), "err", err)
		return
	}
	c.services[s.port] = s
	c.turn = append(c.turn, s)
	s.begin(session)
	c.send(msgid(openAck, s.port, src), putHalf(nil, uint16(offer.Version)))
}

// newPort returns a port of VideoCore's that no service has. There are fewer services than ports.
func (c *connection) newPort() uint16 {
	for {
		c.lastPort = c.lastPort%portMask + 1
		if c.services[c.lastPort] == nil {
			return c.lastPort
		}
	}
}

// byRemote finds the open service at a port of ARM's, or nil.
func (c *connection) byRemote(port uint16) *service {
	for _, s := range c.turn {
		if s.remote == port && !s.closing {
			return s
		}
	}
	return nil
}

// service executes a message to a service.
func (c *connection) service(k kind, src, dst uint16, payload []byte) {
	s := c.services[dst]
	if dst == 0 && k == closing {
		// A client that gives up before it has heard of its port. If the service was refused, that was the answer.
		if s = c.byRemote(src); s == nil {
			return
		}
	}
	if s == nil || s.remote != src {
		c.v.complain("message to a port that is not open", "kind", uint8(k), "port", dst, "from", src)
		return
	}
	if k == closing {
		s.closedByARM()
		return
	}
	if s.closing {
		return // it was under way when ARM heard that the service closes
	}
	var err error
	switch k {
	case data:
		s.arrived(payload)
	case bulkRx, bulkTx:
		err = s.posted(k == bulkRx, payload)
	}
	if err != nil {
		c.v.complain("service broken", "port", s.port, "err", err)
		s.closeByVideoCore()
	}
}

// send queues a message that is no data.
func (c *connection) send(id uint32, payload []byte) {
	c.control = append(c.control, outgoing{id, payload})
}

// reclaim takes back the slots that ARM has read.
func (c *connection) reclaim() error {
	end := c.mem.Load32(c.master + stateRecycled)
	for ; c.free != end; c.free++ {
		index := c.mem.Load32(c.master + stateQueue + 4*(c.free&queueMask))
		if index >= maxSlots || c.txSlots[index] == nil || !c.txSlots[index].full {
			return fmt.Errorf("%w: slot %d given back", errProtocol, index)
		}
		slot := c.txSlots[index]
		if len(slot.services) > 0 {
			c.dataSlots--
		}
		for _, s := range slot.services {
			s.slots--
		}
		slot.full, slot.services = false, nil
		c.queue[c.free&queueMask] = slot
		c.v.count(func(s *Stats) *uint64 { return &s.SlotsSent })
	}
	return nil
}

// transmit writes what may be written: first what is no data, then a message of each service in turn.
func (c *connection) transmit() {
	for again := true; again; {
		again = false
		for len(c.control) > 0 && !c.paused {
			o := c.control[0]
			if !c.write(nil, o.id, o.payload) {
				return
			}
			c.control = c.control[1:]
			c.paused = kind(o.id>>24) == pause
		}
		for _, s := range c.turn {
			if !c.paused && !s.closing && s.transmit() {
				again = true
			}
		}
	}
}

// write puts one message into the slots. It says no if there is no slot, or the service whose data it is, nil for a
// message that is none, has had its share.
func (c *connection) write(s *service, id uint32, payload []byte) bool {
	length := stride(len(payload))
	slot := c.tx
	next := slot == nil || length > slotSize-c.txPos%slotSize
	if next {
		if c.entered == c.free {
			// ARM gives this slot back only if it sees its end, and it may be the only one that it can give back.
			c.finish()
			c.v.count(func(s *Stats) *uint64 { return &s.SlotStalls })
			return false
		}
		slot = c.queue[c.entered&queueMask]
	}
	if s != nil && !c.mayUse(slot, s) {
		c.v.count(func(s *Stats) *uint64 { return &s.QuotaStalls })
		return false
	}
	if next {
		c.finish()
		c.tx = slot
		c.entered++
	}
	at := c.slot(slot.index) + c.txPos%slotSize
	c.mem.Write(at+headerSize, payload)
	c.mem.Store32(at, id)
	c.mem.Store32(at+4, uint32(len(payload)))
	c.txPos += length
	if c.txPos%slotSize == 0 {
		slot.full = true
		c.tx = nil
	}
	if s != nil {
		c.use(slot, s)
	}
	c.mem.Store32(c.master+stateTxPos, c.txPos)
	c.signal(stateTrigger)
	c.v.count(func(s *Stats) *uint64 { return &s.MessagesOut })
	return true
}

// finish fills up the slot that is being written, if there is one.
func (c *connection) finish() {
	if c.tx == nil {
		return
	}
	at, rest := c.slot(c.tx.index)+c.txPos%slotSize, slotSize-c.txPos%slotSize
	c.mem.Store32(at, msgid(padding, 0, 0))
	c.mem.Store32(at+4, rest-headerSize)
	c.txPos += rest
	c.tx.full = true
	c.tx = nil
	c.mem.Store32(c.master+stateTxPos, c.txPos)
	c.signal(stateTrigger)
}

// mayUse says whether the quotas let a service put data into a slot: data leaves one slot to other messages, and a
// service leaves half of them to others, whatever its client does not read.
func (c *connection) mayUse(slot *txSlot, s *service) bool {
	if len(slot.services) == 0 && c.dataSlots >= c.dataQuota {
		return false
	}
	return slot.has(s) || s.slots < c.slotQuota
}

func (c *connection) use(slot *txSlot, s *service) {
	if len(slot.services) == 0 {
		c.dataSlots++
	}
	if !slot.has(s) {
		slot.services = append(slot.services, s)
		s.slots++
	}
}

func (t *txSlot) has(s *service) bool { return slices.Contains(t.services, s) }

// end closes all services without a word to ARM, which may use the memory for something else by now.
func (c *connection) end() {
	c.ended = true
	for _, s := range c.turn {
		if !s.closing {
			s.stop()
		}
	}
	c.services, c.turn = nil, nil
}
