package slots

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

const (
	testBase  = 0x40000000
	testRAM   = 16 << 20
	testZero  = testBase + 0x100000
	testSlots = 65 // what Linux has on arm64
	testFrags = testZero + testSlots*slotSize
	testPages = testFrags + 0x10000
	testLine  = 64
)

// arm is the slave's half of the slot protocol, as a well-behaved kernel has it, in the test's own words.
type arm struct {
	t   testing.TB
	ram *RAM
	vc  *VideoCore

	bell    chan struct{}
	replies chan uint32

	mu       sync.Mutex
	change   sync.Cond
	txPos    uint32
	entered  uint32 // slots of the queue
	free     uint32
	current  uint32 // slot
	rxPos    uint32
	recycled uint32
	held     map[uint32]int // messages that keep a slot from VideoCore
	clients  map[uint16]*client
	nextPort uint16
	next     uint32 // page
	spare    []uint32
	frags    []uint32
	linked   bool
	paused   bool
	stray    []uint32 // ids of messages to no client
	dead     bool
}

// newARM prepares slot zero as a kernel does that boots.
func newARM(t testing.TB, ram uint32) *arm {
	a := &arm{
		t: t, ram: NewRAM(testBase, ram), bell: make(chan struct{}, 1), replies: make(chan uint32, 64),
	}
	a.change.L = &a.mu
	a.boot()
	return a
}

func (a *arm) boot() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.txPos, a.entered, a.rxPos, a.next = 0, 0, 0, testPages
	a.linked, a.paused, a.spare, a.stray, a.frags = false, false, nil, nil, nil
	a.held, a.clients = make(map[uint32]int), make(map[uint16]*client)
	for i := range uint32(slotSize / 4) {
		a.ram.Store32(testZero+4*i, 0)
	}
	const half = (testSlots - 1) / 2
	for i, w := range []uint32{
		magic, version | versionMin<<16, zeroLength, slotSize, maxSlots, slotsPerSide, testFrags, 64,
	} {
		a.ram.Store32(testZero+uint32(4*i), w)
	}
	for side, state := range []uint32{testZero + zeroMaster, testZero + zeroSlave} {
		sync := uint32(1 + side*half)
		a.ram.Store32(state+stateSync, sync)
		a.ram.Store32(state+stateFirst, sync+1)
		a.ram.Store32(state+stateLast, sync+half-1)
	}
	s := a.slave()
	for i := range uint32(half - 1) {
		a.ram.Store32(s+stateQueue+4*i, 1+half+1+i)
	}
	a.free, a.recycled = half-1, half-1
	a.ram.Store32(s+stateRecycled, a.free)
	a.ram.Store32(s+stateInitialised, 1)
	for i := range uint32(64) {
		a.frags = append(a.frags, i)
	}
	a.RingARM() // so that run arms the events
}

func (a *arm) master() uint32 { return testZero + zeroMaster }
func (a *arm) slave() uint32  { return testZero + zeroSlave }

// RingARM implements Wires.
func (a *arm) RingARM() {
	select {
	case a.bell <- struct{}{}:
	default:
	}
}

// MailboxReply implements Wires.
func (a *arm) MailboxReply(v uint32) { a.replies <- v }

// property sends a property buffer and returns it with its answers.
func (a *arm) property(words ...uint32) []uint32 {
	a.t.Helper()
	const at = testBase + 0x1000
	for i, w := range words {
		a.ram.Store32(at+uint32(4*i), w)
	}
	a.vc.MailboxWrite(at | propertyChannel)
	if got := <-a.replies; got != at|propertyChannel {
		a.t.Errorf("mailbox answers %#x", got)
	}
	out := make([]uint32, len(words))
	for i := range out {
		out[i] = a.ram.Load32(at + uint32(4*i))
	}
	return out
}

// begin tells VideoCore where slot zero is, and returns its answer.
func (a *arm) begin() uint32 {
	a.t.Helper()
	r := a.property(28, 0, uint32(tagVCHIQ), 4, 0, testZero, 0)
	if r[1] != statusOK || r[4] != answered|4 {
		a.t.Fatalf("VCHIQ_INIT: %#x", r)
	}
	return r[5]
}

func (a *arm) signal(event uint32) {
	a.ram.Store32(a.master()+event+eventFired, 1)
	if a.ram.Load32(a.master()+event+eventArmed) != 0 {
		a.vc.Doorbell()
	}
}

// run is the kernel's threads.
func (a *arm) run(ctx context.Context) {
	for ctx.Err() == nil {
		a.mu.Lock()
		for _, e := range []uint32{stateTrigger, stateRecycle} {
			a.ram.Store32(a.slave()+e+eventArmed, 0)
			a.ram.Store32(a.slave()+e+eventFired, 0)
		}
		a.reclaim()
		a.read()
		quiet := true
		for _, e := range []uint32{stateTrigger, stateRecycle} {
			a.ram.Store32(a.slave()+e+eventArmed, 1)
			quiet = quiet && a.ram.Load32(a.slave()+e+eventFired) == 0
		}
		a.mu.Unlock()
		if quiet {
			select {
			case <-a.bell:
			case <-ctx.Done():
			}
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dead = true
	a.change.Broadcast()
}

func (a *arm) reclaim() {
	if n := a.ram.Load32(a.slave() + stateRecycled); n != a.free {
		a.free = n
		a.change.Broadcast()
	}
}

func (a *arm) read() {
	end := a.ram.Load32(a.master() + stateTxPos)
	for a.rxPos != end {
		index := a.ram.Load32(a.master() + stateQueue + 4*(a.rxPos/slotSize&queueMask))
		if index < 2 || index > 32 {
			a.t.Errorf("slot %d is not VideoCore's", index)
			return
		}
		if a.rxPos%slotSize == 0 {
			a.held[index]++
		}
		at := testZero + index*slotSize + a.rxPos%slotSize
		id, size := a.ram.Load32(at), a.ram.Load32(at+4)
		if size > maxPayload || a.rxPos%slotSize+stride(int(size)) > slotSize {
			a.t.Errorf("message %#x of %d bytes at %#x", id, size, a.rxPos)
			return
		}
		payload := make([]byte, size)
		a.ram.Read(at+headerSize, payload)
		a.message(id, payload, index)
		a.rxPos += stride(int(size))
		if a.rxPos%slotSize == 0 {
			a.unhold(index)
		}
	}
}

func (a *arm) unhold(index uint32) {
	if a.held[index]--; a.held[index] > 0 {
		return
	}
	n := a.ram.Load32(a.master() + stateRecycled)
	a.ram.Store32(a.master()+stateQueue+4*(n&queueMask), index)
	a.ram.Store32(a.master()+stateRecycled, n+1)
	a.signal(stateRecycle)
}

func (a *arm) message(id uint32, payload []byte, slot uint32) {
	defer a.change.Broadcast()
	k, src, dst := splitID(id)
	switch k {
	case padding:
		return
	case connect:
		a.linked = true
		return
	case pause:
		a.paused = true
		return
	}
	c := a.clients[dst]
	if c == nil {
		a.stray = append(a.stray, id)
		return
	}
	switch k {
	case openAck:
		c.remote, c.open = src, true
	case closing:
		if c.open && !c.closeSent {
			a.write(msgid(closing, c.port, c.remote), nil, false)
		}
		c.closed, c.open = true, false
	case data:
		if c.lazy {
			a.held[slot]++
			c.slots = append(c.slots, slot)
		}
		c.deliver(mmal.Delivery{Kind: mmal.DeliveryMessage, Data: payload})
	case bulkRxDone:
		b := c.receives[0]
		c.receives = c.receives[1:]
		c.received(b, int32(binary.LittleEndian.Uint32(payload)))
		c.post()
	case bulkTxDone:
		c.transmits--
		c.transmitted = append(c.transmitted, int32(binary.LittleEndian.Uint32(payload)))
	default:
		a.stray = append(a.stray, id)
	}
}

// write sends a message, waiting for a slot; mu is held. It says no if there is no slot and wait is false, or while it
// waits the machine has stopped or the client whose data it is has ended.
func (a *arm) write(id uint32, payload []byte, wait bool) bool {
	length := stride(len(payload))
	reserve := uint32(0)
	if kind(id>>24) == data {
		reserve = 1
	}
	for a.txPos%slotSize == 0 || length > slotSize-a.txPos%slotSize {
		if a.free-a.entered > reserve {
			break
		}
		if a.free == a.entered {
			a.finish() // VideoCore may wait for the end of this slot
			a.ram.Store32(a.slave()+stateTxPos, a.txPos)
			a.signal(stateTrigger)
		}
		if !wait || a.dead {
			return false
		}
		a.change.Wait()
		k, src, _ := splitID(id)
		if c := a.clients[src]; k == data && c != nil && c.over() {
			return false
		}
	}
	if length > slotSize-a.txPos%slotSize {
		a.finish()
	}
	if a.txPos%slotSize == 0 {
		next := a.ram.Load32(a.slave() + stateQueue + 4*(a.entered&queueMask))
		if next < 34 || next > 64 {
			return false // a fuzzer wrote this
		}
		a.current = next
		a.entered++
	}
	at := testZero + a.current*slotSize + a.txPos%slotSize
	a.ram.Write(at+headerSize, payload)
	a.ram.Store32(at, id)
	a.ram.Store32(at+4, uint32(len(payload)))
	a.txPos += length
	a.ram.Store32(a.slave()+stateTxPos, a.txPos)
	a.signal(stateTrigger)
	return true
}

// finish pads the current slot.
func (a *arm) finish() {
	if rest := slotSize - a.txPos%slotSize; rest != slotSize {
		at := testZero + a.current*slotSize + a.txPos%slotSize
		a.ram.Store32(at, 0)
		a.ram.Store32(at+4, rest-headerSize)
		a.txPos += rest
	}
}

// send is write for tests.
func (a *arm) send(k kind, src, dst uint16, payload []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.write(msgid(k, src, dst), payload, true)
}

// until waits for a condition on the kernel's state.
func (a *arm) until(done func() bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !done() && !a.dead {
		a.change.Wait()
	}
}

func (a *arm) connect() {
	a.send(connect, 0, 0, nil)
	a.until(func() bool { return a.linked })
}

// page returns a page; every other one is left out, so that runs are short but not all of one page.
func (a *arm) page() uint32 {
	if n := len(a.spare); n > 0 {
		p := a.spare[n-1]
		a.spare = a.spare[:n-1]
		return p
	}
	p := a.next
	a.next += pageSize
	if a.next/pageSize%7 == 0 {
		a.next += pageSize
	}
	if a.next > testBase+testRAM {
		a.t.Error("out of pages")
	}
	return p
}

// client is a process that has opened a service; it is an mmal.Transport.
type client struct {
	a            *arm
	port, remote uint16
	open         bool
	closeSent    bool
	closed       bool
	lazy         bool   // keeps what it has not received in the slots
	offset       uint32 // where in a page its buffers begin
	slots        []uint32
	ready        []mmal.Delivery
	waiting      []bulk
	receives     []bulk
	transmits    int
	transmitted  []int32
}

// bulk is a transfer of ARM's.
type bulk struct {
	size, offset uint32
	cookie       uint64
	list         uint32
	pages        []uint32
	fragment     int // -1 if none
}

func openPayload(fourcc uint32, version, least int16) []byte {
	p := binary.LittleEndian.AppendUint32(nil, fourcc)
	p = binary.LittleEndian.AppendUint32(p, 77)
	return putHalf(putHalf(p, uint16(version)), uint16(least))
}

// dial opens a service; nil if it is refused.
func (a *arm) dial(fourcc uint32, version, least int16) *client {
	a.mu.Lock()
	a.nextPort++
	c := &client{a: a, port: a.nextPort}
	a.clients[c.port] = c
	a.write(msgid(open, c.port, 0), openPayload(fourcc, version, least), true)
	a.mu.Unlock()
	a.until(func() bool { return c.open || c.closed })
	if !c.open {
		return nil
	}
	return c
}

func (c *client) deliver(d mmal.Delivery) { c.ready = append(c.ready, d) }

// over says that the driver sends nothing for the client any more.
func (c *client) over() bool { return c.closed || c.closeSent || c.a.dead }

// Send implements mmal.Transport.
func (c *client) Send(msg, payload []byte) error {
	c.a.mu.Lock()
	defer c.a.mu.Unlock()
	if c.over() || !c.a.write(msgid(data, c.port, c.remote), msg, true) {
		return fmt.Errorf("send: %w", mmal.ErrClosed)
	}
	if payload == nil {
		return nil
	}
	for c.transmits == maxBulks && !c.over() {
		c.a.change.Wait()
	}
	if c.over() {
		return fmt.Errorf("send: %w", mmal.ErrClosed)
	}
	c.transmits++
	b := c.prepare(bulk{size: uint32(len(payload)), offset: c.offset}, listWrite)
	rest, at := payload, c.offset
	for _, p := range b.pages {
		n := min(len(rest), int(pageSize-at))
		c.a.ram.Write(p+at, rest[:n])
		rest, at = rest[n:], 0
	}
	c.a.write(msgid(bulkTx, c.port, c.remote), putWord(putWord(nil, b.list), b.size), true)
	return nil
}

// prepare makes the page list.
func (c *client) prepare(b bulk, typ uint32) bulk {
	a := c.a
	b.fragment = -1
	for n := (b.offset + b.size + pageMask) / pageSize; n > 0; n-- {
		b.pages = append(b.pages, a.page())
	}
	if typ == listRead && (b.offset%testLine != 0 || (b.offset+b.size)%testLine != 0) {
		b.fragment = int(a.frags[0])
		a.frags = a.frags[1:]
		typ = uint32(listFragments + b.fragment)
	}
	b.list = a.page()
	a.ram.Store32(b.list, b.size)
	a.ram.Store32(b.list+4, typ|b.offset<<16)
	var runs []uint32
	for _, p := range b.pages {
		if n := len(runs); n > 0 && runs[n-1]&^uint32(pageMask)+(runs[n-1]&pageMask+1)*pageSize == p {
			runs[n-1]++
		} else {
			runs = append(runs, p)
		}
	}
	for i, r := range runs {
		a.ram.Store32(b.list+8+uint32(4*i), r)
	}
	return b
}

// PostReceive implements mmal.Transport.
func (c *client) PostReceive(size int, cookie uint64) error {
	c.a.mu.Lock()
	defer c.a.mu.Unlock()
	if c.over() {
		return fmt.Errorf("post: %w", mmal.ErrClosed)
	}
	c.waiting = append(c.waiting, bulk{size: uint32(size), cookie: cookie, offset: c.offset})
	c.post()
	return nil
}

func (c *client) post() {
	for len(c.waiting) > 0 && len(c.receives) < maxBulks && !c.over() {
		b := c.prepare(c.waiting[0], listRead)
		c.waiting = c.waiting[1:]
		c.receives = append(c.receives, b)
		for _, p := range b.pages { // what is around the transfer must stay
			c.a.ram.Write(p, bytes.Repeat([]byte{0xee}, pageSize))
		}
		c.a.write(msgid(bulkRx, c.port, c.remote), putWord(putWord(nil, b.list), b.size), false)
	}
}

// received completes a receive as the driver does: the fragments are copied to the ends.
func (c *client) received(b bulk, actual int32) {
	a := c.a
	defer func() {
		a.spare = append(append(a.spare, b.pages...), b.list)
		if b.fragment >= 0 {
			a.frags = append(a.frags, uint32(b.fragment))
		}
	}()
	if actual < 0 {
		c.deliver(mmal.Delivery{Kind: mmal.DeliveryBulkAborted, Cookie: b.cookie})
		return
	}
	n := uint32(actual)
	if b.fragment >= 0 {
		frag := uint32(testFrags + b.fragment*2*testLine)
		line := make([]byte, testLine)
		head := min((testLine-b.offset%testLine)%testLine, n)
		a.ram.Read(frag, line[:head])
		a.ram.Write(b.pages[0]+b.offset, line[:head])
		if tail := (b.offset + n) % testLine; head < n && tail > 0 {
			a.ram.Read(frag+testLine, line[:tail])
			last := b.pages[len(b.pages)-1]
			a.ram.Write(last+(b.offset+n)%pageSize/testLine*testLine, line[:tail])
		}
	}
	whole := make([]byte, len(b.pages)*pageSize)
	for i, p := range b.pages {
		a.ram.Read(p, whole[i*pageSize:][:pageSize])
	}
	before, after := whole[:b.offset], whole[b.offset+n:]
	if slices.ContainsFunc(slices.Concat(before, after), func(x byte) bool { return x != 0xee }) {
		a.t.Errorf("transfer of %d bytes at offset %d: bytes around it changed", n, b.offset)
	}
	c.deliver(mmal.Delivery{Kind: mmal.DeliveryBulk, Data: whole[b.offset:][:n], Cookie: b.cookie})
}

// Receive implements mmal.Transport.
func (c *client) Receive() (mmal.Delivery, error) {
	c.a.mu.Lock()
	defer c.a.mu.Unlock()
	for len(c.ready) == 0 {
		if c.closed || c.a.dead {
			return mmal.Delivery{}, fmt.Errorf("receive: %w", mmal.ErrClosed)
		}
		c.a.change.Wait()
	}
	d := c.ready[0]
	c.ready = c.ready[1:]
	if d.Kind == mmal.DeliveryMessage && len(c.slots) > 0 {
		c.a.unhold(c.slots[0])
		c.slots = c.slots[1:]
	}
	return d, nil
}

// Close implements mmal.Transport.
func (c *client) Close() error {
	c.a.mu.Lock()
	defer c.a.mu.Unlock()
	if c.open && !c.closeSent && !c.a.dead {
		c.closeSent = true
		c.a.change.Broadcast() // its senders
		for _, s := range c.slots {
			c.a.unhold(s)
		}
		c.slots = nil
		c.a.write(msgid(closing, c.port, c.remote), nil, true)
	}
	for !c.closed && !c.a.dead && c.closeSent {
		c.a.change.Wait()
	}
	return nil
}
