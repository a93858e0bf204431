package vcemu

import (
	"fmt"
	"sync"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// link carries messages from a session to its host. None of its methods but wait may block.
type link interface {
	// transmit queues one message and, right behind it, one bulk transfer if bulk is not nil. It copies both. It is
	// called with VideoCore.mu held.
	transmit(msg, bulk []byte)
	// wait returns when the queue is not too long, or the link is closed.
	wait()
	// shut ends the link: posted receives are aborted, and what is transmitted from now on is lost.
	shut()
}

// inboxSize is how many messages can wait for execution before the sender has to wait.
const inboxSize = 64

// request is one message of the host's, with the bulk transfer that came right behind it.
type request struct {
	msg, bulk []byte
}

// session is one client of the MMAL service, whatever carries its messages.
type session struct {
	vc     *VideoCore
	link   link
	inbox  chan request
	spare  chan []byte // memory for messages
	closed chan struct{}
	once   sync.Once

	// Guarded by VideoCore.mu.
	dead     bool               // closed: nothing may be executed any more
	bulkLost bool               // no bulk transfer completes any more
	lost     int                // bulk transfers, since then
	out      []byte             // the message that is being sent
	buffer   mmal.BufferMessage // made here, for what is passed to an interface would be allocated each time
	event    mmal.EventMessage
}

func newSession(v *VideoCore, l link) *session {
	return &session{
		vc:     v,
		link:   l,
		inbox:  make(chan request, inboxSize),
		spare:  make(chan []byte, inboxSize),
		closed: make(chan struct{}),
	}
}

// feed takes one message from the host and the bulk transfer behind it, nil if there is none. It copies both, and
// waits while many messages are still to be executed. It fails with mmal.ErrClosed.
func (s *session) feed(msg, bulk []byte) error {
	var r request
	select {
	case r.msg = <-s.spare:
	default:
	}
	r.msg = append(r.msg[:0], msg...)
	if bulk != nil {
		r.bulk = append([]byte{}, bulk...)
	}
	select {
	case <-s.closed:
		return fmt.Errorf("send message: %w", mmal.ErrClosed)
	default:
	}
	select {
	case s.inbox <- r:
		return nil
	case <-s.closed:
		return fmt.Errorf("send message: %w", mmal.ErrClosed)
	}
}

// run executes the host's messages one after the other until the session is closed.
func (s *session) run() {
	for {
		select {
		case <-s.closed:
			return
		case r := <-s.inbox:
			s.link.wait()
			s.hush()
			s.execute(r)
			select {
			case s.spare <- r.msg:
			default:
			}
		}
	}
}

// close ends the session: its components are destroyed, in the middle of whatever they do.
func (s *session) close() {
	s.once.Do(func() {
		close(s.closed)
		v := s.vc
		v.mu.Lock()
		defer v.mu.Unlock()
		s.dead = true
		s.link.shut()
		for i := len(v.components) - 1; i >= 0; i-- {
			if v.components[i].session == s {
				v.components[i].destroy()
			}
		}
		delete(v.sessions, s)
	})
}

// execute does what one message asks for.
func (s *session) execute(r request) {
	v := s.vc
	v.mu.Lock()
	defer v.mu.Unlock()
	if s.dead {
		return
	}
	h, err := mmal.DecodeHeader(r.msg)
	if err != nil {
		s.bad("message that is none", "err", err)
		return
	}
	switch h.ID {
	case mmal.GetVersion:
		s.send(h, &mmal.Version{Major: 16, Minor: 1, Minimum: 10})
	case mmal.ComponentCreate:
		s.create(h, r.msg)
	case mmal.ComponentDestroy, mmal.ComponentEnable, mmal.ComponentDisable:
		s.component(h, r.msg)
	case mmal.PortInfoGet, mmal.PortInfoSet:
		s.portInfo(h, r.msg)
	case mmal.PortAction:
		s.portAction(h, r.msg)
	case mmal.PortParameterSet:
		s.parameterSet(h, r.msg)
	case mmal.PortParameterGet:
		s.parameterGet(h, r.msg)
	case mmal.BufferFromHost:
		s.bufferFromHost(r.msg, r.bulk)
	default:
		s.bad("message of unknown kind", "message", h.ID)
	}
}

// bad counts a message that cannot be executed.
func (s *session) bad(what string, args ...any) {
	s.vc.count.badMessages.Add(1)
	s.vc.log.Warn(what, args...)
}

// send transmits a message to the host.
func (s *session) send(h mmal.Header, m mmal.Message) {
	s.out = mmal.Append(s.out[:0], h, m)
	s.transmit(s.out, nil)
}

// answer replies to a request with nothing but a status.
func (s *session) answer(h mmal.Header, status mmal.Status, args ...any) {
	if status != mmal.Success {
		s.vc.log.Info("request refused", append([]any{"message", h.ID, "status", status}, args...)...)
	}
	s.send(h, &mmal.Reply{Status: status})
}

// decode reads a request's body. A message that is too short is answered with EINVAL.
func (s *session) decode(h mmal.Header, msg []byte, m mmal.Message) bool {
	err := mmal.Decode(msg, m)
	if err != nil {
		s.bad("request too short", "message", h.ID, "err", err)
		s.answer(h, mmal.EInval)
	}
	return err == nil
}

func (s *session) create(h mmal.Header, msg []byte) {
	var m mmal.CreateRequest
	if !s.decode(h, msg, &m) {
		return
	}
	c, status := s.vc.newComponent(s, m)
	if status != mmal.Success {
		s.vc.log.Info("component refused", "component", m.Name, "status", status)
		s.send(h, &mmal.CreateReply{Status: status})
		return
	}
	s.send(h, &mmal.CreateReply{
		Component: c.handle,
		Inputs:    uint32(len(c.inputs)),
		Outputs:   uint32(len(c.outputs)),
	})
}

func (s *session) component(h mmal.Header, msg []byte) {
	var m mmal.ComponentRequest
	if !s.decode(h, msg, &m) {
		return
	}
	c := s.find(m.Component)
	if c == nil {
		s.answer(h, mmal.EInval, "component", m.Component)
		return
	}
	if c.lockedUp && h.ID != mmal.ComponentEnable {
		return
	}
	status := mmal.Success
	switch h.ID {
	case mmal.ComponentDestroy:
		c.destroy()
	case mmal.ComponentEnable:
		status = c.enable()
	case mmal.ComponentDisable:
		c.disable()
	}
	s.answer(h, status, "component", c.name)
}

// find returns the session's component with that handle, or nil.
func (s *session) find(handle uint32) *component {
	for _, c := range s.vc.components {
		if c.session == s && c.handle == handle {
			return c
		}
	}
	return nil
}

// findPort returns the session's port with those handles, or nil.
func (s *session) findPort(a mmal.PortAddress) *port {
	c := s.find(a.Component)
	if c == nil || a.Port < c.firstPort || a.Port-c.firstPort >= uint32(len(c.ports)) {
		return nil
	}
	return c.ports[a.Port-c.firstPort]
}

func (s *session) portInfo(h mmal.Header, msg []byte) {
	var m mmal.PortInfoUpdate
	var body mmal.Message = &m
	if h.ID == mmal.PortInfoGet {
		body = &m.PortInfoRequest
	}
	if err := mmal.Decode(msg, body); err != nil {
		s.bad("request too short", "message", h.ID, "err", err)
		s.send(h, &mmal.PortInfo{Status: mmal.EInval})
		return
	}
	p, status := s.portByIndex(m.PortInfoRequest)
	if p == nil {
		s.vc.log.Info("request refused", "message", h.ID, "port", m.PortInfoRequest, "status", status)
		s.send(h, &mmal.PortInfo{Status: status, Component: m.Component, Type: m.Type, Index: m.Index})
		return
	}
	if h.ID == mmal.PortInfoSet {
		if status = p.commit(m.Format, m.Port.Buffers); status != mmal.Success {
			s.vc.log.Info("format refused", "port", p, "status", status, "format", m.Format)
		}
	}
	info := p.info()
	info.Status = status
	s.send(h, &info)
}

func (s *session) portByIndex(a mmal.PortInfoRequest) (*port, mmal.Status) {
	c := s.find(a.Component)
	if c == nil {
		return nil, mmal.EInval
	}
	for _, p := range c.ports {
		if p.typ == a.Type && uint32(p.index) == a.Index {
			return p, mmal.Success
		}
	}
	return nil, mmal.ENoEnt
}

func (s *session) portAction(h mmal.Header, msg []byte) {
	var m mmal.PortActionRequest
	if !s.decode(h, msg, &m) {
		return
	}
	p := s.findPort(mmal.PortAddress{Component: m.Component, Port: m.Port})
	if p == nil {
		s.answer(h, mmal.EInval, "action", m.Action, "component", m.Component, "port", m.Port)
		return
	}
	if m.Action == mmal.ActionDisable && p.isStuck() {
		return
	}
	status := mmal.EInval
	switch m.Action {
	case mmal.ActionEnable:
		status = p.enable(m.Block.Buffers)
	case mmal.ActionDisable:
		status = p.disable()
	case mmal.ActionFlush:
		status = p.flush()
	case mmal.ActionConnect:
		status = p.connect(s.findPort(m.Peer))
	case mmal.ActionDisconnect:
		status = p.disconnect()
	case mmal.ActionSetRequirements:
		status = p.setRequirements(m.Block.Buffers)
	}
	s.answer(h, status, "action", m.Action, "port", p)
}

func (s *session) parameterSet(h mmal.Header, msg []byte) {
	var m mmal.ParameterSetRequest
	if !s.decode(h, msg, &m) {
		return
	}
	p := s.findPort(mmal.PortAddress{Component: m.Component, Port: m.Port})
	if p == nil {
		s.answer(h, mmal.EInval, "parameter", m.ID, "component", m.Component, "port", m.Port)
		return
	}
	s.answer(h, p.setParameter(m.ID, m.Value), "parameter", m.ID, "port", p)
}

func (s *session) parameterGet(h mmal.Header, msg []byte) {
	var m mmal.ParameterGetRequest
	if err := mmal.Decode(msg, &m); err != nil {
		s.bad("request too short", "message", h.ID, "err", err)
		s.send(h, &mmal.ParameterGetReply{Status: mmal.EInval})
		return
	}
	reply := mmal.ParameterGetReply{ID: m.ID, Size: m.Size}
	p := s.findPort(mmal.PortAddress{Component: m.Component, Port: m.Port})
	if p == nil {
		reply.Status = mmal.EInval
		s.send(h, &reply)
		return
	}
	reply.Value, reply.Status = p.parameter(m.ID, m.Size)
	need := uint32(len(reply.Value) + parameterHeader)
	switch {
	case reply.Status != mmal.Success:
		reply.Value = nil
	case need > m.Size:
		reply.Status, reply.Size, reply.Value = mmal.ENoSpc, need, nil
	default:
		reply.Size = need
	}
	if reply.Status != mmal.Success {
		s.vc.log.Info("request refused", "message", h.ID, "parameter", m.ID, "port", p, "status", reply.Status)
	}
	s.send(h, &reply)
}

// sendEvent sends an event of one of the session's ports.
func (s *session) sendEvent(p *port, cmd mmal.FourCC, data []byte) {
	if !p.enabled {
		return
	}
	s.event = mmal.EventMessage{
		ClientComponent: p.comp.client,
		PortType:        p.typ,
		PortIndex:       uint32(p.index),
		Cmd:             cmd,
		Length:          uint32(len(data)),
	}
	copy(s.event.Data[:], data)
	s.send(mmal.Header{ID: mmal.EventToHost}, &s.event)
}
