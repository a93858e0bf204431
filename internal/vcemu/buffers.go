package vcemu

import (
	"slices"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// maxHeld is how many buffers of the host's one port can hold: more than any client has.
const maxHeld = 256

// bufferFromHost executes BUFFER_FROM_HOST, which has no reply.
func (s *session) bufferFromHost(msg, bulk []byte) {
	m := &s.buffer
	if err := mmal.Decode(msg, m); err != nil {
		s.bad("buffer message is malformed", "err", err)
		return
	}
	p := s.findPort(mmal.PortAddress{Component: m.Buffer.Component, Port: m.Buffer.Port})
	if p == nil || m.Buffer.Context == 0 || m.InMessage > mmal.MaxShortPayload {
		s.bad("buffer of nothing", "component", m.Buffer.Component, "port", m.Buffer.Port, "context", m.Buffer.Context)
		return
	}
	b := hostBuffer{m.Buffer.Context, m.Data, m.Capacity}
	if !p.enabled || p.peer != nil || p.typ == mmal.PortControl || p.holds(b.context) ||
		len(p.buffers)+len(p.queue) >= maxHeld || m.Data == 0 {
		p.refuse(b, 0)
		return
	}
	if p.typ == mmal.PortInput {
		payload := m.Short[:m.InMessage]
		if m.InMessage == 0 {
			payload = bulk
		}
		p.imageFromHost(b, m, payload)
		return
	}
	p.returned(b.context)
	if b.capacity < p.min.Size {
		p.refuse(b, 0)
		return
	}
	p.buffers = append(p.buffers, b)
	p.comp.unit.kick()
}

// holds says that the firmware has a buffer of that context already.
func (p *port) holds(context uint32) bool {
	return p.busy.host.context == context ||
		slices.ContainsFunc(p.buffers, func(b hostBuffer) bool { return b.context == context }) ||
		slices.ContainsFunc(p.queue, func(a arrived) bool { return a.host.context == context })
}

// imageFromHost takes a buffer that the host has sent to an input: an opaque reference to an image that it was given.
func (p *port) imageFromHost(b hostBuffer, m *mmal.BufferMessage, payload []byte) {
	if m.Length == 0 {
		p.giveBack(b, mmal.Success, 0)
		return
	}
	image := p.comp.vc.borrowed(payload)
	if p.format.Encoding != mmal.EncodingOpaque || int(m.Length) != len(payload) || image == nil ||
		image.pool.size != p.visible() || !p.understands(image.pool.kind) {
		p.refuse(b, mmal.FlagCorrupted)
		return
	}
	p.accept(arrived{image: image, pts: m.PTS, host: b})
}

// returned ends the loan that the host's buffer stands for. How the firmware tells which one that is, is not known.
// Here it is the one that left with the same context; with the same low half, for a client that never uses a context
// twice counts in the high half; or the oldest, if the port's buffers are all accounted for.
func (p *port) returned(context uint32) {
	if len(p.lent) == 0 {
		return
	}
	i := slices.IndexFunc(p.lent, func(l lentImage) bool { return l.context == context })
	if i < 0 {
		i = slices.IndexFunc(p.lent, func(l lentImage) bool { return l.context&0xffff == context&0xffff })
	}
	if i < 0 && len(p.lent)+len(p.buffers) >= int(p.want.Num) {
		i = 0
	}
	if i < 0 {
		return
	}
	image := p.lent[i].image
	p.lent = slices.Delete(p.lent, i, i+1)
	image.unlend()
}

// refuse gives back a buffer that cannot be used.
func (p *port) refuse(b hostBuffer, flags mmal.BufferFlags) {
	p.comp.vc.count.badBuffers.Add(1)
	p.comp.vc.log.Warn("buffer refused", "port", p, "context", b.context, "capacity", b.capacity)
	p.giveBack(b, mmal.EInval, flags|mmal.FlagTransmissionFailed)
}

// giveBack sends a buffer back with nothing in it.
func (p *port) giveBack(b hostBuffer, status mmal.Status, flags mmal.BufferFlags) {
	m := p.message(b)
	m.Flags = flags
	p.sendBuffer(status, m, nil)
}

// message is a buffer message to the host without contents.
func (p *port) message(b hostBuffer) *mmal.BufferMessage {
	m := &p.comp.session.buffer
	*m = mmal.BufferMessage{
		Buffer:   mmal.BufferAddress{Component: p.comp.handle, Port: p.handle, Context: b.context},
		Data:     b.data,
		Capacity: b.capacity,
		PTS:      mmal.TimeUnknown,
		DTS:      mmal.TimeUnknown,
	}
	return m
}

// sendBuffer sends a buffer message, and payload by bulk transfer if it is not nil; its length must be a multiple of 4.
func (p *port) sendBuffer(status mmal.Status, m *mmal.BufferMessage, payload []byte) {
	s := p.comp.session
	s.out = mmal.Append(s.out[:0], mmal.Header{ID: mmal.BufferToHost, Status: status}, m)
	s.transmit(s.out, payload)
}

// sendReference sends an image to the host by reference.
func (p *port) sendReference(b hostBuffer, image *gpuImage, pts int64) {
	m := p.message(b)
	image.lend(&m.Short)
	m.Length, m.InMessage = opaqueSize, opaqueSize
	m.Flags, m.PTS = mmal.FlagFrameEnd, pts
	p.sendBuffer(mmal.Success, m, nil)
}

// sendPicture sends an image's samples to the host: the planes one after the other, with the buffer's strides.
func (p *port) sendPicture(b hostBuffer, image *gpuImage, pts int64) {
	w, h := int(p.format.Video.Width), int(p.format.Video.Height)
	payload := make([]byte, (w*h*3/2+3)&^3)
	copy(payload[:w*h], image.pic.Y)
	copy(payload[w*h:w*h*5/4], image.pic.Cb)
	copy(payload[w*h*5/4:], image.pic.Cr)
	m := p.message(b)
	m.Length = uint32(w * h * 3 / 2)
	m.Flags, m.PTS = mmal.FlagFrameEnd, pts
	p.sendBuffer(mmal.Success, m, payload)
}
