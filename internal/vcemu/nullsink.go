package vcemu

import "github.com/camkrazy/camkrazy/internal/mmal"

// nullSink is null_sink: it takes images and gives them back at once, enabled or not.
type nullSink struct {
	passive
	comp *component
}

func newNullSink(comp *component) {
	comp.unit = &nullSink{comp: comp}
	comp.addPort(mmal.PortInput, 0).setDefault(mmal.EncodingI420)
}

func (c *component) isNullSink() bool {
	_, ok := c.unit.(*nullSink)
	return ok
}

func (n *nullSink) commit(p *port, f *mmal.Format) mmal.Status { return p.picture(f) }

func (n *nullSink) kick() {
	in := n.comp.inputs[0]
	for len(in.queue) > 0 {
		in.done(in.take())
	}
}
