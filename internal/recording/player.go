package recording

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// Patience is how much later than in the recording a client may do something.
const Patience = 5 * time.Second

// Divergence is the difference between what a client did and what the recorded one did.
type Divergence struct {
	Line          int    // of the block that was expected; of the last one if there is none
	Expected, Got string // on one line each
}

// Error names the line, what was expected and what came.
func (d *Divergence) Error() string {
	return fmt.Sprintf("replay: recording's line %d: expected %s, got %s", d.Line, d.Expected, d.Got)
}

// errEnds says that the recording ends before the client did.
var errEnds = fmt.Errorf("recording ends: %w", mmal.ErrClosed)

// Player is a transport that plays a recording back; package documentation tells how. Its clock starts with its first
// use.
type Player struct {
	blocks []Block
	ports  map[lane]bool  // those that the client disables at some time
	rounds []int          // of a block that is a buffer, how often its port is disabled before
	lanes  map[lane][]int // blocks that the client sends, in order; the unmatched ones

	mu       sync.Mutex    // guards what follows
	change   chan struct{} // closed, and made anew, at each change of what follows
	started  time.Time
	progress time.Time // of the last block that was matched or delivered
	matched  []bool
	next     int // the first block that is neither matched nor delivered
	posted   []posted
	live     map[alias]uint32  // the client's number in this run, by the recorded one
	round    map[lane]int      // how often the client has disabled the port
	extra    map[lane][][]byte // buffers that the recorded client did not give before it disabled the port
	home     [][]byte          // the same, on their way back
	err      error             // of all calls from now on
	closed   bool
	data     []byte // of the last delivery
}

// posted is a bulk receive that the client asked for.
type posted struct {
	size   int
	cookie uint64
}

// alias is a recorded number of the client's choice.
type alias struct {
	kind  aliasKind
	value uint32
}

type aliasKind int

const (
	requestContext aliasKind = iota
	bufferContext
	clientComponent
)

// NewPlayer makes a transport that expects and says what was recorded.
func NewPlayer(r *Recording) *Player {
	p := &Player{
		blocks:  r.Blocks,
		ports:   make(map[lane]bool),
		rounds:  make([]int, len(r.Blocks)),
		lanes:   make(map[lane][]int),
		change:  make(chan struct{}),
		matched: make([]bool, len(r.Blocks)),
		live:    make(map[alias]uint32),
		round:   make(map[lane]int),
		extra:   make(map[lane][][]byte),
	}
	disabled := make(map[lane]int)
	for i := range p.blocks {
		b := &p.blocks[i]
		if !b.Sent || b.Kind != Message {
			continue
		}
		l := laneOf(b.Data)
		p.lanes[l] = append(p.lanes[l], i)
		p.rounds[i] = disabled[l]
		if port, ok := disables(b.Data); ok {
			disabled[port]++
			p.ports[port] = true
		}
	}
	return p
}

// Send implements mmal.Transport.
func (p *Player) Send(msg, bulk []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.start()
	switch {
	case p.err != nil:
		return p.err
	case p.closed:
		return fmt.Errorf("send: %w", mmal.ErrClosed)
	}
	l := laneOf(msg)
	waiting := p.lanes[l]
	if p.ports[l] && (len(waiting) == 0 || p.rounds[waiting[0]] > p.round[l]) {
		p.extra[l] = append(p.extra[l], bytes.Clone(msg))
		return nil
	}
	if len(waiting) == 0 {
		return p.diverge(p.nextSent(), describe(msg, true))
	}
	i := waiting[0]
	if at := difference(p.blocks[i].Data, msg); at >= 0 {
		return p.diverge(i, fmt.Sprintf("%s, which differs from byte %d on", describe(msg, true), at))
	}
	if err := p.checkBulk(i+1, bulk); err != nil {
		return err
	}
	p.lanes[l] = waiting[1:]
	p.learn(p.blocks[i].Data, msg)
	if port, ok := disables(msg); ok {
		p.round[port]++
		for _, b := range p.extra[port] {
			p.home = append(p.home, emptied(b))
		}
		delete(p.extra, port)
	}
	p.advance(i)
	return nil
}

// checkBulk compares the bulk transfer behind a message with the block behind the message's.
func (p *Player) checkBulk(i int, bulk []byte) error {
	recorded := i < len(p.blocks) && p.blocks[i].Kind == Bulk && p.blocks[i].Sent
	switch {
	case !recorded && bulk == nil:
	case !recorded:
		return p.diverge(i-1, fmt.Sprintf("a BULK of %d bytes behind it", len(bulk)))
	case bulk == nil:
		return p.diverge(i, "none")
	case len(bulk) != p.blocks[i].Length || sha256.Sum256(bulk) != p.blocks[i].Sum:
		return p.diverge(i, fmt.Sprintf("%d other bytes", len(bulk)))
	default:
		p.advance(i)
	}
	return nil
}

// PostReceive implements mmal.Transport.
func (p *Player) PostReceive(size int, cookie uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.err != nil:
		return p.err
	case p.closed:
		return fmt.Errorf("post bulk receive: %w", mmal.ErrClosed)
	}
	p.posted = append(p.posted, posted{size, cookie})
	p.changed()
	return nil
}

// Receive implements mmal.Transport.
func (p *Player) Receive() (mmal.Delivery, error) {
	for {
		p.mu.Lock()
		p.start()
		d, wait, err := p.step()
		change := p.change
		p.mu.Unlock()
		if err != nil || wait == 0 {
			return d, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-change:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Close implements mmal.Transport.
func (p *Player) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	for i := range p.blocks {
		if p.blocks[i].Kind == Close {
			p.advance(i)
		}
	}
	p.changed()
	return nil
}

// Finish says what is wrong with the replay so far: a *Divergence if the client did something else, or has not sent all
// that was recorded.
func (p *Player) Finish() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := errors.AsType[*Divergence](p.err); ok {
		return p.err
	}
	for i := range p.blocks {
		b := &p.blocks[i]
		if b.Kind == End && b.Sent {
			break
		}
		if !b.Sent || p.matched[i] || p.closed && (b.Kind == Bulk || laneOf(b.Data).buffers) {
			continue
		}
		return &Divergence{Line: p.blocks[i].Line, Expected: p.blocks[i].String(), Got: "the end"}
	}
	return nil
}

// step finds out what Receive has to do: to deliver d, to fail with err, or to wait. The caller holds mu.
func (p *Player) step() (d mmal.Delivery, wait time.Duration, err error) {
	switch {
	case p.err != nil:
		return d, 0, p.err
	case p.closed:
		return d, 0, fmt.Errorf("receive: %w", mmal.ErrClosed)
	}
	for p.next < len(p.blocks) && (p.matched[p.next] || p.forgone(p.next)) {
		p.next++
	}
	if len(p.home) > 0 {
		d.Data = p.home[0]
		p.home = p.home[1:]
		return d, 0, nil
	}
	if p.next == len(p.blocks) {
		p.err = errEnds
		return d, 0, p.err
	}
	b := &p.blocks[p.next]
	if b.Sent && b.Kind != End {
		wait, err = p.patience(b)
		return d, wait, err
	}
	if early := time.Until(p.started.Add(b.Time)); early > 0 {
		return d, early, nil
	}
	switch {
	case b.Kind == End:
		p.err = fmt.Errorf("recorded: %s: %w", b.Text, mmal.ErrClosed)
		return d, 0, p.err
	case b.Kind == Message:
		d = mmal.Delivery{Kind: mmal.DeliveryMessage, Data: p.translate(b.Data)}
	case len(p.posted) == 0:
		wait, err = p.patience(b)
		return d, wait, err
	case b.Kind == Bulk && p.posted[0].size != b.Length:
		return d, 0, p.diverge(p.next, fmt.Sprintf("a request for %d bytes", p.posted[0].size))
	case b.Kind == Bulk:
		d = mmal.Delivery{Kind: mmal.DeliveryBulk, Cookie: p.posted[0].cookie, Data: p.bulk(b)}
		p.posted = p.posted[1:]
	default:
		d = mmal.Delivery{Kind: mmal.DeliveryBulkAborted, Cookie: p.posted[0].cookie}
		p.posted = p.posted[1:]
	}
	p.advance(p.next)
	return d, 0, nil
}

// forgone says that the client will not send block i any more, and drops it with its bulk transfer: a buffer of a port
// that the client has disabled.
func (p *Player) forgone(i int) bool {
	b := &p.blocks[i]
	l := laneOf(b.Data)
	if !b.Sent || b.Kind != Message || !l.buffers || p.rounds[i] >= p.round[l] {
		return false
	}
	p.lanes[l] = p.lanes[l][1:]
	p.matched[i] = true
	if i+1 < len(p.blocks) && p.blocks[i+1].Sent && p.blocks[i+1].Kind == Bulk {
		p.matched[i+1] = true
	}
	return true
}

// patience is how long the client may still take for b; when that is over, it diverges.
func (p *Player) patience(b *Block) (time.Duration, error) {
	since := p.started.Add(b.Time)
	if p.progress.After(since) {
		since = p.progress
	}
	left := time.Until(since.Add(Patience))
	if left > 0 {
		return left, nil
	}
	got := "nothing"
	if !b.Sent {
		got = "no request for it"
	}
	return 0, p.diverge(p.next, got)
}

// start starts the clock.
func (p *Player) start() {
	if p.started.IsZero() {
		p.started = time.Now()
		p.progress = p.started
	}
}

// advance takes note that a block is done with.
func (p *Player) advance(i int) {
	p.matched[i] = true
	p.progress = time.Now()
	p.changed()
}

// changed wakes Receive.
func (p *Player) changed() {
	close(p.change)
	p.change = make(chan struct{})
}

// diverge ends the replay: block i was expected.
func (p *Player) diverge(i int, got string) error {
	d := &Divergence{Expected: "nothing more", Got: got}
	if len(p.blocks) > 0 {
		d.Line = p.blocks[min(i, len(p.blocks)-1)].Line
	}
	if i < len(p.blocks) {
		d.Expected = p.blocks[i].String()
	}
	p.err = d
	p.changed()
	return d
}

// nextSent is the first block of the client's that has not come; len(p.blocks) if all have.
func (p *Player) nextSent() int {
	for i := range p.blocks {
		if p.blocks[i].Sent && !p.matched[i] {
			return i
		}
	}
	return len(p.blocks)
}

// bulk is what was kept of a bulk transfer, and zeros.
func (p *Player) bulk(b *Block) []byte {
	p.data = append(p.data[:0], b.Data...)
	p.data = append(p.data, make([]byte, b.Length-len(b.Data))...)
	return p.data
}

// Where a message has what its client chose; see package mmal.
const (
	headerContext   = 12
	createComponent = mmal.HeaderSize
	createPID       = 156
	bufferOwn       = 36
	bufferReference = 52
	bufferData      = 68
	eventComponent  = mmal.HeaderSize
)

// lane is what has to be in order: all that is sent to one component, or the buffers of one port.
type lane struct {
	component, port uint32
	buffers         bool
}

// laneOf finds a message's lane. Those that are not for a component that exists have one together.
func laneOf(msg []byte) lane {
	const bufferComponent, bufferPort = 28, 32
	h, err := mmal.DecodeHeader(msg)
	switch {
	case err != nil || h.ID == mmal.GetVersion || h.ID == mmal.ComponentCreate:
		return lane{}
	case h.ID == mmal.BufferFromHost:
		return lane{component: word(msg, bufferComponent), port: word(msg, bufferPort), buffers: true}
	}
	return lane{component: word(msg, mmal.HeaderSize)}
}

// disables tells the lane of the buffers of the port that a message disables.
func disables(msg []byte) (l lane, ok bool) {
	const port, action = 28, 32
	h, err := mmal.DecodeHeader(msg)
	if err != nil || h.ID != mmal.PortAction || mmal.Action(word(msg, action)) != mmal.ActionDisable {
		return lane{}, false
	}
	return lane{component: word(msg, mmal.HeaderSize), port: word(msg, port), buffers: true}, true
}

// emptied is a buffer of the client's as the firmware gives it back when its port is disabled.
func emptied(msg []byte) []byte {
	const id, length, flags, inMessage = 4, 76, 84, 160
	setWord(msg, id, uint32(mmal.BufferToHost))
	for _, at := range []int{length, flags, inMessage} {
		setWord(msg, at, 0)
	}
	return msg
}

// word reads a message's field; 0 if the message is too short for it.
func word(msg []byte, at int) uint32 {
	if len(msg) < at+4 {
		return 0
	}
	return binary.LittleEndian.Uint32(msg[at:])
}

// setWord writes a message's field, if the message has it.
func setWord(msg []byte, at int, v uint32) {
	if len(msg) >= at+4 {
		binary.LittleEndian.PutUint32(msg[at:], v)
	}
}

// difference is the first byte in which two messages of the client's differ, apart from what it may choose; -1 if none.
func difference(a, b []byte) int {
	a, b = fixed(a), fixed(b)
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	if len(a) != len(b) {
		return min(len(a), len(b))
	}
	return -1
}

// fixed is a message without what its client may choose.
func fixed(msg []byte) []byte {
	h, err := mmal.DecodeHeader(msg)
	if err != nil {
		return msg
	}
	msg = bytes.Clone(msg)
	free := []int{headerContext}
	switch h.ID {
	case mmal.ComponentCreate:
		free = append(free, createComponent, createPID)
	case mmal.BufferFromHost:
		free = append(free, bufferOwn, bufferData)
	}
	for _, at := range free {
		setWord(msg, at, 0)
	}
	return msg
}

// learn keeps what the client chose in a message that was recorded with other choices.
func (p *Player) learn(recorded, msg []byte) {
	h, err := mmal.DecodeHeader(msg)
	if err != nil {
		return
	}
	switch h.ID {
	case mmal.BufferFromHost:
		p.live[alias{bufferContext, word(recorded, bufferOwn)}] = word(msg, bufferOwn)
		return
	case mmal.ComponentCreate:
		p.live[alias{clientComponent, word(recorded, createComponent)}] = word(msg, createComponent)
	}
	p.live[alias{requestContext, word(recorded, headerContext)}] = word(msg, headerContext)
}

// translate puts what the client chose in this run into a message of the firmware's. What the firmware made up itself
// becomes 0, which no client chooses.
func (p *Player) translate(recorded []byte) []byte {
	p.data = append(p.data[:0], recorded...)
	h, err := mmal.DecodeHeader(recorded)
	if err != nil {
		return p.data
	}
	put := func(kind aliasKind, at int) { setWord(p.data, at, p.live[alias{kind, word(recorded, at)}]) }
	switch h.ID {
	case mmal.BufferToHost:
		put(bufferContext, bufferOwn)
		put(bufferContext, bufferReference)
		if live, ok := p.live[alias{bufferContext, word(recorded, bufferData)}]; ok {
			setWord(p.data, bufferData, live)
		}
	case mmal.EventToHost:
		put(clientComponent, eventComponent)
	default:
		put(requestContext, headerContext)
	}
	return p.data
}
