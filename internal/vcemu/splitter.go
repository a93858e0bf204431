package vcemu

import (
	"image"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// resizerImages is how many images an output of a component that makes new images has.
const resizerImages = 3

// splitter is ril.video_splitter: it passes each image on to all its outputs, opaque ones by reference, the others as a
// copy. An output that cannot take an image holds up all. It runs without being enabled, as picamera relies on.
type splitter struct {
	passive
	comp   *component
	copies []*gpuImage // the worker's own, by output
}

func newSplitter(comp *component) {
	s := &splitter{comp: comp}
	comp.unit = s
	comp.addPort(mmal.PortInput, 0).setDefault(mmal.EncodingI420)
	for i := range 4 {
		comp.addPort(mmal.PortOutput, i).setDefault(mmal.EncodingI420)
	}
	s.copies = make([]*gpuImage, len(comp.outputs))
}

func (s *splitter) commit(p *port, f *mmal.Format) mmal.Status {
	if status := p.picture(f); status != mmal.Success {
		return status
	}
	if p.typ == mmal.PortInput {
		return when(!anyEnabled(s.comp.outputs))
	}
	in := s.comp.inputs[0].format
	same := in.Video.Width == f.Video.Width && in.Video.Height == f.Video.Height && in.Video.Crop == f.Video.Crop
	return when(same && (in.Encoding == f.Encoding || in.Encoding == mmal.EncodingOpaque))
}

func anyEnabled(ports []*port) bool {
	for _, p := range ports {
		if p.enabled {
			return true
		}
	}
	return false
}

func (s *splitter) committed(p *port) {
	outs := []*port{p}
	if p.typ == mmal.PortInput {
		outs = s.comp.outputs
		for _, out := range outs {
			out.format, out.isCommitted = p.format, true
			out.require()
		}
	}
	for _, out := range outs {
		out.retirePool()
		if out.format.Encoding == mmal.EncodingI420 {
			out.newPool(resizerImages)
		}
	}
}

func (s *splitter) kick() { s.comp.wake.Broadcast() }

// step implements worker.
func (s *splitter) step() bool {
	in := s.comp.inputs[0]
	if len(in.queue) == 0 {
		return false
	}
	for _, out := range s.comp.outputs {
		if out.enabled && (!out.ready() || out.pool != nil && !out.pool.available()) {
			return false
		}
	}
	a, epoch := in.take()
	work := false
	for i, out := range s.comp.outputs {
		s.copies[i] = nil
		if out.enabled && out.pool != nil {
			s.copies[i] = out.pool.get()
			work = true
		}
	}
	if work {
		s.comp.unlocked(func() { s.copyImage(a.image) })
	}
	for i, out := range s.comp.outputs {
		m := s.copies[i]
		switch {
		case m != nil:
			out.emitOwn(m, a.pts)
		case out.enabled && out.pool == nil && out.ready() && in.epoch == epoch:
			out.emit(a.image, a.pts)
		}
	}
	in.done(a, epoch)
	return true
}

// copyImage fills the copies. It is called without the lock.
func (s *splitter) copyImage(from *gpuImage) {
	for _, m := range s.copies {
		if m != nil && m.pic.Rect == from.pic.Rect {
			copyPicture(&m.pic, &from.pic)
			m.number = from.number
		}
	}
}

// copyPicture copies a 4:2:0 picture to another one of the same size.
func copyPicture(dst, src *image.YCbCr) {
	if dst.YStride == src.YStride && dst.CStride == src.CStride {
		copy(dst.Y, src.Y)
		copy(dst.Cb, src.Cb)
		copy(dst.Cr, src.Cr)
		return
	}
	w, h := src.Rect.Dx(), src.Rect.Dy()
	for y := range h {
		copy(dst.Y[y*dst.YStride:][:w], src.Y[y*src.YStride:])
	}
	for y := range (h + 1) / 2 {
		copy(dst.Cb[y*dst.CStride:][:(w+1)/2], src.Cb[y*src.CStride:])
		copy(dst.Cr[y*dst.CStride:][:(w+1)/2], src.Cr[y*src.CStride:])
	}
}
