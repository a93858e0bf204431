package mmal

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Trace returns a transport that passes everything on to t and writes a line about each message and each bulk transfer
// to w: the seconds since Trace was called, an arrow (> from the client, < from the firmware) and the decoded fields.
func Trace(t Transport, w io.Writer) Transport {
	return &tracer{Transport: t, w: w, start: time.Now()}
}

type tracer struct {
	Transport
	start time.Time

	mu sync.Mutex // keeps lines whole
	w  io.Writer
}

func (t *tracer) line(arrow, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.w, "%10.6f %s %s\n", time.Since(t.start).Seconds(), arrow, text)
}

// Send implements Transport.
func (t *tracer) Send(msg, bulk []byte) error {
	t.line(">", Describe(msg, true))
	if bulk != nil {
		t.line(">", fmt.Sprintf("bulk of %d bytes", len(bulk)))
	}
	return t.Transport.Send(msg, bulk)
}

// Receive implements Transport.
func (t *tracer) Receive() (Delivery, error) {
	d, err := t.Transport.Receive()
	switch {
	case err != nil:
		t.line("<", "end: "+err.Error())
	case d.Kind == DeliveryMessage:
		t.line("<", Describe(d.Data, false))
	case d.Kind == DeliveryBulk:
		t.line("<", fmt.Sprintf("bulk %d of %d bytes", d.Cookie, len(d.Data)))
	default:
		t.line("<", fmt.Sprintf("bulk %d aborted", d.Cookie))
	}
	return d, err
}

// Describe renders a message on one line: its name and its decoded fields, or what is wrong with it. fromClient says who
// sent it, for the two sides' bodies differ.
func Describe(msg []byte, fromClient bool) string {
	h, err := DecodeHeader(msg)
	if err != nil {
		return err.Error()
	}
	m := body(h.ID, fromClient)
	if m == nil {
		return fmt.Sprintf("%v context=%d, %d bytes", h.ID, h.Context, len(msg))
	}
	if err := Decode(msg, m); err != nil {
		return fmt.Sprintf("%v context=%d %v", h.ID, h.Context, err)
	}
	if b, ok := m.(*BufferMessage); ok {
		return fmt.Sprintf("%v component=%#x port=%d buffer=%#x length=%d in message=%d flags=%v pts=%d",
			h.ID, b.Buffer.Component, b.Buffer.Port, b.Buffer.Context, b.Length, b.InMessage, b.Flags, b.PTS)
	}
	if e, ok := m.(*EventMessage); ok {
		return fmt.Sprintf("%v client component=%d %v%d %v % x",
			h.ID, e.ClientComponent, e.PortType, e.PortIndex, e.Cmd, e.Data[:min(int(e.Length), len(e.Data))])
	}
	text := strings.TrimPrefix(fmt.Sprintf("%+v", m), "&")
	text = strings.Replace(text, Success.Error(), Success.String(), 1) // fmt takes a Status for an error
	return fmt.Sprintf("%v context=%d %s", h.ID, h.Context, text)
}

// body makes an empty message of the kind that id has in the given direction; nil if there is none.
func body(id MessageID, fromClient bool) Message {
	switch id {
	case GetVersion:
		return &Version{}
	case BufferFromHost, BufferToHost:
		return &BufferMessage{}
	case EventToHost:
		return &EventMessage{}
	}
	if !fromClient {
		switch id {
		case ComponentCreate:
			return &CreateReply{}
		case PortInfoGet, PortInfoSet:
			return &PortInfo{}
		case PortParameterGet:
			return &ParameterGetReply{}
		}
		return &Reply{}
	}
	switch id {
	case ComponentCreate:
		return &CreateRequest{}
	case ComponentDestroy, ComponentEnable, ComponentDisable:
		return &ComponentRequest{}
	case PortInfoGet:
		return &PortInfoRequest{}
	case PortInfoSet:
		return &PortInfoUpdate{}
	case PortAction:
		return &PortActionRequest{}
	case PortParameterSet:
		return &ParameterSetRequest{}
	case PortParameterGet:
		return &ParameterGetRequest{}
	}
	return nil
}

// String lists the flags' names, as "FRAME_END|KEYFRAME".
func (f BufferFlags) String() string {
	names := []struct {
		bit  BufferFlags
		name string
	}{
		{FlagEOS, "EOS"}, {FlagFrameStart, "FRAME_START"}, {FlagFrameEnd, "FRAME_END"}, {FlagKeyFrame, "KEYFRAME"},
		{FlagDiscontinuity, "DISCONTINUITY"}, {FlagConfig, "CONFIG"}, {FlagCodecSideInfo, "CODECSIDEINFO"},
		{FlagCorrupted, "CORRUPTED"}, {FlagTransmissionFailed, "TRANSMISSION_FAILED"}, {FlagNALEnd, "NAL_END"},
	}
	var set []string
	for _, n := range names {
		if f&n.bit != 0 {
			set = append(set, n.name)
			f &^= n.bit
		}
	}
	if f != 0 || len(set) == 0 {
		set = append(set, fmt.Sprintf("%#x", uint32(f)))
	}
	return strings.Join(set, "|")
}
