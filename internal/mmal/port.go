package mmal

import (
	"context"
	"fmt"
)

// Port is one port of a component.
type Port struct {
	component *Component
	typ       PortType
	index     uint32
	name      string // "ril.camera:out1"

	// Guarded by the client's mu.
	info        PortInfo
	handler     func(*Buffer)
	capacity    uint32 // of each buffer
	enabled     bool   // with buffers of ours
	buffers     []*Buffer
	outstanding int           // buffers that the firmware has
	allHome     chan struct{} // closed when outstanding falls to 0 after a Disable
}

func (comp *Component) newPort(t PortType, index uint32) *Port {
	name := fmt.Sprintf("%s:%v%d", comp.Name, t, index)
	if t == PortControl {
		name = comp.Name + ":control"
	}
	return &Port{component: comp, typ: t, index: index, name: name}
}

// String is the port's name, as "ril.camera:out1".
func (p *Port) String() string { return p.name }

// Format is the port's format as the firmware last reported it.
func (p *Port) Format() Format { return p.state().Format }

// Block is the rest of the port's state as the firmware last reported it.
func (p *Port) Block() PortBlock { return p.state().Port }

func (p *Port) state() PortInfo {
	c := p.component.client
	c.mu.Lock()
	defer c.mu.Unlock()
	return p.info
}

// address names the port for Refresh and Commit.
func (p *Port) address() PortInfoRequest {
	return PortInfoRequest{Component: p.component.handle, Type: p.typ, Index: p.index}
}

// Refresh asks the firmware for the port's state.
func (p *Port) Refresh(ctx context.Context) error {
	req := p.address()
	var info PortInfo
	c := p.component.client
	if err := c.call(ctx, PortInfoGet, &req, &info); err != nil {
		return opError("get info of port", p.name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p.info = info
	return nil
}

// Commit sets the port's format. A buffers size of 0 leaves the port's as it is; it has to be set here, for at the time
// of Enable some components have made up their mind. Afterwards Format and Block tell what the firmware made of it,
// also for the outputs if the port is an input.
func (p *Port) Commit(ctx context.Context, format Format, buffers Buffers) error {
	req := &PortInfoUpdate{PortInfoRequest: p.address(), Port: p.Block(), Format: format}
	if buffers.Size != 0 {
		req.Port.Buffers = buffers
	}
	var info PortInfo
	if err := p.component.client.call(ctx, PortInfoSet, req, &info); err != nil {
		return opError("commit format of port", p.name, err)
	}
	stale := []*Port{p}
	if p.typ == PortInput {
		stale = append(stale, p.component.Outputs...)
	}
	for _, q := range stale {
		if err := q.Refresh(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Set gives the port a parameter's value.
func (p *Port) Set(ctx context.Context, param Parameter) error {
	req := &ParameterSetRequest{
		Component: p.component.handle,
		Port:      p.state().Handle,
		ID:        param.ParameterID(),
		Value:     AppendParameter(nil, param),
	}
	err := p.component.client.call(ctx, PortParameterSet, req, &Reply{})
	return opError(fmt.Sprintf("set %v of port", req.ID), p.name, err)
}

// Get reads a parameter of the port into param, which says by its type and ID which one.
func (p *Port) Get(ctx context.Context, param Parameter) error {
	op := fmt.Sprintf("get %v of port", param.ParameterID())
	req := &ParameterGetRequest{
		Component: p.component.handle,
		Port:      p.state().Handle,
		ID:        param.ParameterID(),
		Size:      uint32(len(AppendParameter(nil, param)) + parameterHeader),
	}
	value := parameterReply{param: param}
	return opError(op, p.name, p.component.client.call(ctx, PortParameterGet, req, &value))
}

// parameterReply decodes the value while the message that holds it is still there.
type parameterReply struct {
	ParameterGetReply
	param Parameter
}

func (r *parameterReply) fields(f *fields) {
	r.ParameterGetReply.fields(f)
	if r.Status != Success || f.bad {
		return
	}
	if r.ID != r.param.ParameterID() || DecodeParameter(r.Value, r.param) != nil {
		f.fail()
	}
}

// Enable enables a port that exchanges buffers with this client. Those of an output port are given to the firmware at
// once. The handler gets each buffer that comes back with something in it, and each one that comes back to an input
// port, on the goroutine that reads all messages: it must not block, and must see to it that Release is called for the
// buffers of an output port. A nil handler releases all. At the control port, enabled for its events, buffers must be
// zero. All ports together can have 128 buffers.
func (p *Port) Enable(ctx context.Context, buffers Buffers, handler func(*Buffer)) error {
	if handler == nil {
		handler = (*Buffer).Release
	}
	if !p.component.client.hasRoom(buffers.Num) {
		return opError("enable port", p.name, errTooManyBuffers)
	}
	block := p.Block()
	block.Buffers = buffers
	if err := p.action(ctx, PortActionRequest{Action: ActionEnable, Block: block}, "enable port"); err != nil {
		return err
	}
	for _, b := range p.addBuffers(buffers, handler) {
		b.Release()
	}
	return nil
}

// Disable disables a port that was enabled with buffers, and waits until the firmware has given them all back.
func (p *Port) Disable(ctx context.Context) error {
	home := p.retire()
	if err := p.action(ctx, PortActionRequest{Action: ActionDisable}, "disable port"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, ErrNoReply)
	defer cancel()
	select {
	case <-home:
		p.dropBuffers()
		return nil
	case <-ctx.Done():
		return opError("get buffers back from port", p.name, context.Cause(ctx))
	case <-p.component.client.done:
		return opError("get buffers back from port", p.name, p.component.client.ended())
	}
}

// Flush makes the firmware give back all buffers of the port; those of an output port return to it at once.
func (p *Port) Flush(ctx context.Context) error {
	return p.action(ctx, PortActionRequest{Action: ActionFlush}, "flush port")
}

// Connect tunnels an output port to an input port inside the firmware. Both formats must have been committed and must
// agree, and both ports be disabled.
func (p *Port) Connect(ctx context.Context, in *Port) error {
	req := PortActionRequest{Action: ActionConnect, Peer: in.peerAddress()}
	return p.action(ctx, req, "connect to "+in.name+" from port")
}

// Disconnect ends a tunnel at its output port; it must be disabled.
func (p *Port) Disconnect(ctx context.Context) error {
	return p.action(ctx, PortActionRequest{Action: ActionDisconnect}, "disconnect port")
}

// EnableTunnel enables both ends of a tunnel, given its ends. The firmware is known to enable the peer of a port that
// is enabled, but no document promises it, so the peer is asked.
func (p *Port) EnableTunnel(ctx context.Context, in *Port, buffers Buffers) error {
	for _, end := range []*Port{p, in} {
		if err := end.Refresh(ctx); err != nil {
			return err
		}
		block := end.Block()
		if block.Enabled {
			continue
		}
		block.Buffers = buffers
		if err := end.action(ctx, PortActionRequest{Action: ActionEnable, Block: block}, "enable tunnel at port"); err != nil {
			return err
		}
	}
	return nil
}

// DisableTunnel disables both ends of a tunnel, its source first.
func (p *Port) DisableTunnel(ctx context.Context, in *Port) error {
	for _, end := range []*Port{p, in} {
		if err := end.Refresh(ctx); err != nil {
			return err
		}
		if !end.Block().Enabled {
			continue
		}
		if err := end.action(ctx, PortActionRequest{Action: ActionDisable}, "disable tunnel at port"); err != nil {
			return err
		}
	}
	return nil
}

func (p *Port) peerAddress() PortAddress {
	return PortAddress{Component: p.component.handle, Port: p.state().Handle}
}

func (p *Port) action(ctx context.Context, req PortActionRequest, op string) error {
	req.Component, req.Port = p.component.handle, p.state().Handle
	return opError(op, p.name, p.component.client.call(ctx, PortAction, &req, &Reply{}))
}
