package vcemu

import "github.com/camkrazy/camkrazy/internal/mmal"

// connect tunnels the port, an output, to an input of another component. The order of the checks is that of libmmal's
// core, which the firmware shares.
func (p *port) connect(in *port) mmal.Status {
	switch {
	case in == nil || p.typ != mmal.PortOutput || in.typ != mmal.PortInput || in.comp == p.comp:
		return mmal.EInval
	case p.peer != nil:
		return mmal.EIsConn
	case p.enabled:
		return mmal.EInval
	case in.peer != nil:
		return mmal.EIsConn
	case in.enabled || !p.feeds(in):
		return mmal.EInval
	}
	p.peer, in.peer = in, p
	return mmal.Success
}

// disconnect ends a tunnel, at either end. An enabled one is disabled first, as in libmmal's core.
func (p *port) disconnect() mmal.Status {
	if p.peer == nil {
		return mmal.ENotConn
	}
	source, sink := p.source(), p.sink()
	source.close()
	sink.close()
	source.peer, sink.peer = nil, nil
	return mmal.Success
}

// source is the output end of the port's tunnel.
func (p *port) source() *port {
	if p.typ == mmal.PortOutput {
		return p
	}
	return p.peer
}

// sink is the input end of the port's tunnel.
func (p *port) sink() *port {
	if p.typ == mmal.PortInput {
		return p
	}
	return p.peer
}

// feeds says that the images of an output are what the input expects.
func (p *port) feeds(in *port) bool {
	a, b := p.format.Video, in.format.Video
	if p.format.Encoding == 0 || p.format.Encoding != in.format.Encoding ||
		a.Width != b.Width || a.Height != b.Height || a.Crop != b.Crop {
		return false
	}
	return p.format.Encoding != mmal.EncodingOpaque || in.understands(p.kind)
}
