package vcemu

import (
	"bytes"
	"image"
	"image/jpeg"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// Parameters of the JPEG encoder that package mmal has no use for.
const (
	paramEXIF            mmal.ParameterID = 0x10004
	paramRestartInterval mmal.ParameterID = 0x10050
	paramIJGScaling      mmal.ParameterID = 0x10061
)

// imageEncoder is ril.image_encode: it makes a JPEG of each image for which it has a buffer. Without buffers it keeps
// the images that it gets, which in the end stops the camera.
type imageEncoder struct {
	passive
	comp   *component
	outlet outlet
	fault  encoderFault
	full   image.YCbCr // the worker's own: the picture in JPEG's range of values
	writer bytes.Buffer
}

func newImageEncoder(comp *component) {
	e := &imageEncoder{comp: comp}
	comp.unit = e
	in := comp.addPort(mmal.PortInput, 0)
	in.setDefault(mmal.EncodingI420)
	in.kind = strips
	out := comp.addPort(mmal.PortOutput, 0)
	out.setDefault(mmal.EncodingJPEG)
	e.outlet.port, e.outlet.fault, out.outlet = out, &e.fault, &e.outlet
	out.addWord(mmal.ParamJPEGQuality, 85, 1, 100)
	out.addWord(paramRestartInterval, 0, 0, 0)
	out.addFlag(paramIJGScaling, false)
	out.addFlag(mmal.ParamEXIFDisable, false)
	out.params[paramEXIF] = &param{value: make([]byte, 16), sizes: exifSizes()}
	thumbnail := comp.control.add(&mmal.Thumbnail{Enable: true, Width: 64, Height: 48, Quality: 35})
	thumbnail.check = func(v []byte) mmal.Status {
		var t mmal.Thumbnail
		_ = mmal.DecodeParameter(v, &t) // the size has been checked
		return when(!comp.enabled && (!t.Enable || t.Width > 0 && t.Height > 0 && t.Quality >= 1 && t.Quality <= 100))
	}
}

// exifSizes are the lengths that a value of EXIF may have: three words and some text.
func exifSizes() []int {
	const most = 384
	var sizes []int
	for n := 13; n <= most; n++ {
		sizes = append(sizes, n)
	}
	return sizes
}

func (e *imageEncoder) commit(p *port, f *mmal.Format) mmal.Status {
	if p.typ == mmal.PortInput {
		if e.comp.outputs[0].enabled {
			return mmal.EInval
		}
		return p.picture(f)
	}
	if f.Encoding != mmal.EncodingJPEG {
		return mmal.EInval
	}
	f.Video = e.comp.inputs[0].format.Video
	return mmal.Success
}

func (e *imageEncoder) committed(p *port) {
	if p.typ == mmal.PortInput {
		e.comp.outputs[0].format.Video = p.format.Video
	}
}

func (e *imageEncoder) opening(p *port) mmal.Status {
	return when(p.typ == mmal.PortInput || e.comp.inputs[0].isCommitted)
}

func (e *imageEncoder) kick() {
	e.outlet.drain()
	e.comp.wake.Broadcast()
}

// step implements worker.
func (e *imageEncoder) step() bool {
	in, out := e.comp.inputs[0], e.comp.outputs[0]
	if e.fault.stalled {
		return in.swallow()
	}
	if !e.comp.enabled || !out.enabled || len(in.queue) == 0 || len(out.buffers) == 0 || len(e.outlet.waiting) > 0 {
		return false
	}
	a, epoch := in.take()
	quality, opened := int(out.word(mmal.ParamJPEGQuality)), out.epoch
	memory := e.outlet.memory()
	var err error
	picture := e.fault.picture(&a.image.pic)
	e.comp.unlocked(func() { memory, err = e.encode(memory, picture, quality) })
	in.done(a, epoch)
	switch {
	case err != nil:
		e.comp.vc.log.Error("image not encoded", "err", err)
	case out.enabled && out.epoch == opened:
		e.outlet.push(coded{data: memory, whole: memory, last: mmal.FlagFrameEnd, pts: a.pts})
	}
	return true
}

// encode appends the picture as a JFIF file to memory. It is called without the lock.
func (e *imageEncoder) encode(memory []byte, m *image.YCbCr, quality int) ([]byte, error) {
	if e.full.Rect != m.Rect {
		e.full = newPicture(m.YStride, m.Rect.Size())
	}
	fullRange(&e.full, m)
	e.writer.Reset()
	if err := jpeg.Encode(&e.writer, &e.full, &jpeg.Options{Quality: quality}); err != nil {
		return memory, err
	}
	// APP0 "JFIF" version 1.1, square pixels (ITU-T T.871 section 10.1), which package jpeg leaves out.
	const head = "\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
	memory = append(memory, head...)
	return append(memory, e.writer.Bytes()[2:]...), nil
}

// fullRange copies a picture of limited range (black 16, white 235) to JPEG's full range.
func fullRange(dst, src *image.YCbCr) {
	var luma, chroma [256]byte
	for i := range 256 {
		luma[i] = byte(min(max((i-16)*255*2+219, 0)/(219*2), 255))
		chroma[i] = byte(min(max(128*2*224+(i-128)*255*2+224, 0)/(224*2), 255))
	}
	copyPicture(dst, src)
	size := src.Rect.Size()
	translate(dst.Y, dst.YStride, size.X, size.Y, &luma)
	translate(dst.Cb, dst.CStride, (size.X+1)/2, (size.Y+1)/2, &chroma)
	translate(dst.Cr, dst.CStride, (size.X+1)/2, (size.Y+1)/2, &chroma)
}

func translate(plane []byte, stride, w, h int, table *[256]byte) {
	for y := range h {
		row := plane[y*stride:][:w]
		for x, v := range row {
			row[x] = table[v]
		}
	}
}
