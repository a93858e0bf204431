package vcemu

import (
	"image"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
)

// paramResize is RESIZE_PARAMS of ril.resize: another way to say the size, which is accepted in its neutral form only.
const paramResize mmal.ParameterID = 0x10054

// resizer is ril.isp or ril.resize: it cuts a part out of each image (CROP) and scales it to the size of each output.
// An output that cannot take an image holds up all. ril.resize runs without being enabled, as picamera relies on.
type resizer struct {
	passive
	comp    *component
	scaling int // outputs that give pictures

	// What follows is the worker's own.
	made    []*gpuImage // by output
	scalers []scaling   // by output
}

// scaling is a scaler and what it was made for.
type scaling struct {
	scaler   *scene.Scaler
	from, to image.Point
	part     image.Rectangle
}

func newResizer(comp *component, outputs int) {
	r := &resizer{comp: comp, scaling: outputs, made: make([]*gpuImage, outputs), scalers: make([]scaling, outputs)}
	comp.unit = r
	in := comp.addPort(mmal.PortInput, 0)
	in.setDefault(mmal.EncodingI420)
	crop := in.add(&mmal.Rectangle{ID: mmal.ParamCrop})
	crop.check = func(v []byte) mmal.Status {
		m := mmal.Rectangle{ID: mmal.ParamCrop}
		_ = mmal.DecodeParameter(v, &m) // the size has been checked
		return when(m.Value.X >= 0 && m.Value.Y >= 0 && m.Value.Width >= 0 && m.Value.Height >= 0)
	}
	for i := range outputs {
		comp.addPort(mmal.PortOutput, i).setDefault(mmal.EncodingI420)
	}
	if comp.name == "ril.resize" {
		resize := &param{value: make([]byte, 24)}
		resize.check = func(v []byte) mmal.Status { return when(string(v[:4]) == "\x00\x00\x00\x00") }
		comp.outputs[0].params[paramResize] = resize
	}
}

func (r *resizer) commit(p *port, f *mmal.Format) mmal.Status {
	if p.typ == mmal.PortInput {
		if anyEnabled(r.comp.outputs) {
			return mmal.EInval
		}
		return p.picture(f)
	}
	if int(p.index) >= r.scaling || f.Encoding != mmal.EncodingI420 {
		return mmal.EInval
	}
	return p.picture(f)
}

func (r *resizer) committed(p *port) {
	if p.typ == mmal.PortOutput {
		p.newPool(resizerImages)
		return
	}
	for _, out := range r.comp.outputs[:r.scaling] {
		out.format.Video = p.format.Video
		out.isCommitted = true
		out.require()
		out.newPool(resizerImages)
	}
}

func (r *resizer) kick() { r.comp.wake.Broadcast() }

// step implements worker.
func (r *resizer) step() bool {
	in, outs := r.comp.inputs[0], r.comp.outputs[:r.scaling]
	if len(in.queue) == 0 || !anyEnabled(outs) || !r.comp.enabled && r.comp.name != "ril.resize" {
		return false
	}
	for _, out := range outs {
		if out.enabled && (!out.ready() || !out.pool.available()) {
			return false
		}
	}
	a, epoch := in.take()
	for i, out := range outs {
		r.made[i] = nil
		if out.enabled {
			r.made[i] = out.pool.get()
		}
	}
	crop := mmal.Rectangle{ID: mmal.ParamCrop}
	in.get(&crop)
	r.comp.unlocked(func() { r.scale(a.image, crop.Value) })
	for i, out := range outs {
		if r.made[i] != nil {
			out.emitOwn(r.made[i], a.pts)
		}
	}
	in.done(a, epoch)
	return true
}

// scale fills the images that were got for the outputs. It is called without the lock.
func (r *resizer) scale(from *gpuImage, crop mmal.Rect) {
	size := from.pic.Rect.Size()
	all := image.Rectangle{Max: size}
	part := image.Rect(int(crop.X), int(crop.Y), int(crop.X)+int(crop.Width), int(crop.Y)+int(crop.Height)).Intersect(all)
	if part.Empty() {
		part = all
	}
	for i, m := range r.made {
		if m == nil {
			continue
		}
		s, to := &r.scalers[i], m.pic.Rect.Size()
		if s.scaler == nil || s.from != size || s.to != to || s.part != part {
			*s = scaling{scene.NewCropScaler(to.X, to.Y, size.X, size.Y, part), size, to, part}
		}
		s.scaler.Scale(&m.pic, &from.pic)
		m.number = from.number
		if part != all && !m.pool.vc.cfg.Unstamped {
			scene.DrawStamp(&m.pic, m.number) // the crop may have cut it off
		}
	}
}
