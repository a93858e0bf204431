package slots

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/camkrazy/camkrazy/internal/vcemu"
)

const (
	// maxBulks is how many bulk transfers of a service can be under way in one direction.
	maxBulks = 4
	// longQueue is the number of messages to the client from which on the session should not execute requests.
	longQueue = 512
	// maxUnfed bounds the bytes of bulk transfers that wait for sessions of all services; one more may exceed it.
	maxUnfed = 256 << 20
)

// Service is what clients on ARM can open.
type Service struct {
	// FourCC has its first letter in the uppermost byte.
	FourCC uint32
	// Version is offered, and clients of at least MinVersion are taken.
	Version, MinVersion int16
	// Open makes a session for one client, whose messages go to it by the carrier. It must not wait.
	Open func(vcemu.Carrier) (Session, error)
	// BulkOf returns the bytes of the bulk transfer that a message of the client announces, 0 if none.
	BulkOf func(msg []byte) int
}

// Session is the end of a service that executes requests. Feed takes one message and its bulk transfer, nil if there is
// none; it may wait until the session can take more, or is closed. Close returns when all that the client had is gone.
type Session interface {
	Feed(msg, bulk []byte) error
	Close()
}

// MMAL is the multimedia service of an emulated VideoCore.
func MMAL(v *vcemu.VideoCore) Service {
	return Service{
		FourCC: 'm'<<24 | 'm'<<16 | 'a'<<8 | 'l', Version: 16, MinVersion: 10,
		Open:   func(c vcemu.Carrier) (Session, error) { return v.Open(c) },
		BulkOf: vcemu.BulkOf,
	}
}

// service is one client's open service. Its fields belong to the goroutine that runs the VideoCore, unless they are
// said to be guarded by VideoCore.mu.
type service struct {
	conn    *connection
	offer   *Service
	session Session
	port    uint16 // VideoCore's
	remote  uint16 // ARM's
	closing bool   // ended on this side: ARM's answer is awaited
	slots   int    // of VideoCore's, with data of this service

	pending   []incoming // messages that wait for the bulk transfer of the first one
	transmits []pageList // bulk transfers that ARM has posted
	receives  []pageList
	unfed     int      // bulk transfers that the session has still to take
	sent      [][]byte // bulk transfers whose message is sent

	// Guarded by VideoCore.mu.
	change sync.Cond
	ready  []incoming // what the session has not yet been fed
	out    []Parcel
	over   bool // nothing may be fed or sent any more
	shut   bool // by the session
}

// incoming is one message of the client's.
type incoming struct {
	msg, bulk []byte
	slot      *rxSlot
}

func newService(c *connection, offer *Service, port, remote uint16) *service {
	s := &service{conn: c, offer: offer, port: port, remote: remote}
	s.change.L = &c.v.mu
	return s
}

// begin feeds the session from now on.
func (s *service) begin(session Session) {
	s.session = session
	v := s.conn.v
	v.mu.Lock()
	v.stats.Opened++
	v.stats.Services++
	v.mu.Unlock()
	v.wg.Go(s.feed)
}

// feed hands messages to the session until the service ends.
func (s *service) feed() {
	v := s.conn.v
	for {
		v.mu.Lock()
		for len(s.ready) == 0 && !s.over {
			s.change.Wait()
		}
		if s.over {
			v.mu.Unlock()
			return
		}
		m := s.ready[0]
		s.ready = s.ready[1:]
		v.mu.Unlock()
		_ = s.session.Feed(m.msg, m.bulk) // it is closed: so is the service, soon
		v.mu.Lock()
		v.consumed = append(v.consumed, consumed{s, m})
		v.mu.Unlock()
		v.kick()
	}
}

// Transmit implements vcemu.Carrier.
func (s *service) Transmit(msg, bulk []byte) {
	v := s.conn.v
	v.mu.Lock()
	defer v.mu.Unlock()
	if s.over {
		return
	}
	parcels := []Parcel{{msg, bulk}}
	if v.tamper != nil {
		parcels = v.tamper(msg, bulk)
	}
	for _, p := range parcels {
		if len(p.Bulk) == 0 {
			p.Bulk = nil // the driver would not free the memory of a transfer of nothing
		}
		if len(p.Message) > maxPayload {
			v.log.Error("message is too long for a slot", "bytes", len(p.Message))
			continue
		}
		s.out = append(s.out, Parcel{slices.Clone(p.Message), slices.Clone(p.Bulk)})
	}
	v.kick()
}

// Wait implements vcemu.Carrier.
func (s *service) Wait() {
	v := s.conn.v
	v.mu.Lock()
	defer v.mu.Unlock()
	for len(s.out) > longQueue && !s.over && !s.shut {
		s.change.Wait()
	}
}

// Shut implements vcemu.Carrier.
func (s *service) Shut() {
	v := s.conn.v
	v.mu.Lock()
	defer v.mu.Unlock()
	s.shut = true
	s.change.Broadcast()
	v.kick()
}

// arrived takes a message of the client's.
func (s *service) arrived(msg []byte) {
	slot := s.conn.rx
	slot.uses++
	s.pending = append(s.pending, incoming{msg: msg, slot: slot})
	s.ripen()
}

// consumed is a message that its service's session has taken.
type consumed struct {
	service *service
	incoming
}

// settle lets ARM have the slot of a message that the session has taken.
func (m consumed) settle() {
	c := m.service.conn
	c.release(m.slot)
	if m.bulk == nil {
		return
	}
	m.service.unfed--
	c.unfed -= len(m.bulk)
	for _, s := range c.turn {
		if !s.closing {
			s.ripen()
		}
	}
}

// ripen passes on the messages whose bulk transfer is there. The n-th message that announces one gets the n-th.
func (s *service) ripen() {
	v := s.conn.v
	for len(s.pending) > 0 {
		m := s.pending[0]
		if n := s.offer.BulkOf(m.msg); n > 0 {
			if len(s.transmits) == 0 || s.unfed >= maxBulks || s.conn.unfed >= maxUnfed {
				return
			}
			list := s.transmits[0]
			s.transmits = s.transmits[1:]
			m.bulk = list.read(s.conn.mem, s.agree(n, int(list.size)))
			s.unfed++
			s.conn.unfed += len(m.bulk)
			s.done(bulkTxDone, len(m.bulk))
		}
		s.pending = s.pending[1:]
		v.mu.Lock()
		s.ready = append(s.ready, m)
		s.change.Broadcast()
		v.mu.Unlock()
	}
}

// posted takes a bulk transfer that ARM has prepared.
func (s *service) posted(receive bool, payload []byte) error {
	if len(payload) < bulkLength {
		return fmt.Errorf("%w: bulk request of %d bytes", errProtocol, len(payload))
	}
	list, err := readPageList(s.conn.mem, s.conn.fragments, word(payload), word(payload[4:]), receive)
	if err != nil {
		return err
	}
	queue := &s.transmits
	if receive {
		queue = &s.receives
	}
	if len(*queue) >= maxBulks {
		return fmt.Errorf("%w: more than %d bulk transfers", errProtocol, maxBulks)
	}
	*queue = append(*queue, list)
	if receive {
		s.match()
	} else {
		s.ripen()
	}
	return nil
}

// match does the bulk transfers that both sides have asked for. The n-th that is sent goes to the n-th receive.
func (s *service) match() {
	for len(s.sent) > 0 && len(s.receives) > 0 {
		bulk, list := s.sent[0], s.receives[0]
		s.sent, s.receives = s.sent[1:], s.receives[1:]
		n := s.agree(len(bulk), int(list.size))
		list.write(s.conn.mem, bulk[:n])
		s.done(bulkRxDone, n)
	}
}

// agree returns how much is transferred when the two sides want so many bytes.
func (s *service) agree(ours, theirs int) int {
	if ours != theirs {
		if n := s.conn.v.count(func(st *Stats) *uint64 { return &st.BulkMismatches }); worthALine(n) {
			s.conn.v.log.Error("bulk transfer differs in size", "port", s.port, "videocore", ours, "arm", theirs, "count", n)
		}
	}
	return min(ours, theirs)
}

// done tells ARM of a bulk transfer.
func (s *service) done(k kind, actual int) {
	s.conn.send(msgid(k, s.port, s.remote), putWord(nil, uint32(int32(actual))))
}

// transmit writes one message, and says whether it did.
func (s *service) transmit() bool {
	v := s.conn.v
	v.mu.Lock()
	var p Parcel
	n := len(s.out)
	if n > 0 {
		p = s.out[0]
	}
	v.mu.Unlock()
	if n == 0 || p.Bulk != nil && len(s.sent) >= maxBulks ||
		!s.conn.write(s, msgid(data, s.port, s.remote), p.Message) {
		return false
	}
	v.mu.Lock()
	s.out = s.out[1:]
	if len(s.out) == longQueue {
		s.change.Broadcast()
	}
	v.mu.Unlock()
	if p.Bulk != nil {
		s.sent = append(s.sent, p.Bulk)
		s.match()
	}
	return true
}

// stop ends the session and all that waits, and leaves the port as it is.
func (s *service) stop() {
	v := s.conn.v
	v.mu.Lock()
	s.over = true
	held := append(s.pending, s.ready...)
	s.ready, s.out = nil, nil
	s.change.Broadcast()
	v.mu.Unlock()
	s.closing = true
	s.session.Close()
	v.mu.Lock()
	v.stats.Services--
	v.mu.Unlock()
	for _, m := range held {
		s.conn.unfed -= len(m.bulk)
		s.conn.release(m.slot)
	}
	for range s.receives {
		s.done(bulkRxDone, aborted)
	}
	for range s.transmits {
		s.done(bulkTxDone, aborted)
	}
	s.pending, s.sent, s.receives, s.transmits = nil, nil, nil, nil
}

// closedByARM ends the service as the client wants it, or has agreed to. The firmware may answer before it has
// destroyed the client's components; here they are gone when ARM reads the answer.
func (s *service) closedByARM() {
	c := s.conn
	c.forget(s)
	if s.closing {
		return
	}
	s.stop()
	c.send(msgid(closing, s.port, s.remote), nil)
}

// closeByVideoCore ends the service from this side. Its port is in use until ARM answers.
func (s *service) closeByVideoCore() {
	s.stop()
	s.conn.send(msgid(closing, s.port, s.remote), nil)
}

func (c *connection) forget(s *service) {
	delete(c.services, s.port)
	c.turn = slices.DeleteFunc(c.turn, func(other *service) bool { return other == s })
}

func word(b []byte) uint32              { return binary.LittleEndian.Uint32(b) }
func half(b []byte) uint16              { return binary.LittleEndian.Uint16(b) }
func putWord(b []byte, w uint32) []byte { return binary.LittleEndian.AppendUint32(b, w) }
func putHalf(b []byte, h uint16) []byte { return binary.LittleEndian.AppendUint16(b, h) }
func fourccString(fourcc uint32) string {
	return fmt.Sprintf("%q", binary.BigEndian.AppendUint32(nil, fourcc))
}
