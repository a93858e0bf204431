package mmal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// Component is one component of the firmware's that this client made.
type Component struct {
	// Name is the component's name as in messages: "ril.camera".
	Name string
	// Control is the control port; Inputs and Outputs are in the order of their indexes.
	Control         *Port
	Inputs, Outputs []*Port

	client  *Client
	id      uint32 // ours, comes with events
	handle  uint32 // the firmware's
	onEvent func(Event)
}

// Event is what a component says of its own accord.
type Event struct {
	PortType  PortType
	PortIndex uint32
	Cmd       FourCC
	Data      []byte // valid until the handler returns
}

// CreateComponent makes a component and learns its ports. onEvent, if not nil, gets the component's events on the
// goroutine that reads all messages, so it must not block. Events come only from ports that are enabled.
func (c *Client) CreateComponent(ctx context.Context, name string, onEvent func(Event)) (*Component, error) {
	comp := &Component{Name: name, client: c, onEvent: onEvent}
	c.mu.Lock()
	c.lastID++ // never used again, so that a late event meets nobody
	comp.id = c.lastID
	c.components[comp.id] = comp
	c.mu.Unlock()

	req := &CreateRequest{ClientComponent: comp.id, Name: name, PID: uint32(os.Getpid())}
	var rep CreateReply
	if err := c.call(ctx, ComponentCreate, req, &rep); err != nil {
		c.forget(comp)
		return nil, opError("create component", name, err)
	}
	comp.handle = rep.Component
	if err := comp.learnPorts(ctx, &rep); err != nil {
		// If the caller has given up, the component must not stay even so; but the caller is not to wait for long.
		ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), undoTimeout, ErrNoReply)
		defer cancel()
		return nil, fmt.Errorf("learn ports: %w", errors.Join(err, comp.Destroy(ctx)))
	}
	return comp, nil
}

// undoTimeout bounds the destruction of a component that came to be only in part.
const undoTimeout = 500 * time.Millisecond

// maxPorts bounds the ports of one type that a component may claim to have.
const maxPorts = 16

func (comp *Component) learnPorts(ctx context.Context, rep *CreateReply) error {
	if max(rep.Inputs, rep.Outputs) > maxPorts {
		return opError("count ports of", comp.Name, ErrProtocol)
	}
	comp.Control = comp.newPort(PortControl, 0)
	for i := range rep.Inputs {
		comp.Inputs = append(comp.Inputs, comp.newPort(PortInput, i))
	}
	for i := range rep.Outputs {
		comp.Outputs = append(comp.Outputs, comp.newPort(PortOutput, i))
	}
	for _, p := range slices.Concat([]*Port{comp.Control}, comp.Inputs, comp.Outputs) {
		if err := p.Refresh(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Enable lets the component work: data flows once its ports are enabled too.
func (comp *Component) Enable(ctx context.Context) error {
	return comp.request(ctx, ComponentEnable, "enable component")
}

// Disable stops the component.
func (comp *Component) Disable(ctx context.Context) error {
	return comp.request(ctx, ComponentDisable, "disable component")
}

// Destroy ends the component; the firmware disables and disconnects its ports. Their handlers are not called any more.
func (comp *Component) Destroy(ctx context.Context) error {
	for _, p := range slices.Concat(comp.Inputs, comp.Outputs) {
		p.retire()
	}
	err := comp.request(ctx, ComponentDestroy, "destroy component")
	for _, p := range slices.Concat(comp.Inputs, comp.Outputs) {
		p.dropBuffers()
	}
	comp.client.forget(comp)
	return err
}

func (comp *Component) request(ctx context.Context, id MessageID, op string) error {
	err := comp.client.call(ctx, id, &ComponentRequest{Component: comp.handle}, &Reply{})
	return opError(op, comp.Name, err)
}

// forget drops the events of a component from now on.
func (c *Client) forget(comp *Component) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.components, comp.id)
}
