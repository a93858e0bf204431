package scene

import (
	"fmt"
	"image"
)

// Scaler scales 4:2:0 pictures of one size to another. Each axis that shrinks is area averaged, each that grows is
// interpolated linearly; chroma counts as sited in the middle of its 2x2 luma samples. It holds its tables and scratch
// memory, so Scale does not allocate, and one goroutine at a time may use it.
type Scaler struct {
	source, target image.Point
	crop           image.Rectangle
	luma, chroma   *resampler
}

// NewScaler makes a Scaler from sw x sh to dw x dh pixels.
func NewScaler(dw, dh, sw, sh int) *Scaler {
	return NewCropScaler(dw, dh, sw, sh, image.Rect(0, 0, sw, sh))
}

// NewCropScaler makes a Scaler that takes the part r of a picture of sw x sh pixels, counted from the picture's top left
// corner, to dw x dh pixels. It clips r to the picture and rounds it outward to whole chroma samples; what is empty
// after that makes a Scaler that does nothing.
func NewCropScaler(dw, dh, sw, sh int, r image.Rectangle) *Scaler {
	whole := image.Rect(0, 0, max(sw, 0), max(sh, 0))
	r = r.Intersect(whole)
	r.Min.X &^= 1
	r.Min.Y &^= 1
	r.Max.X = min((r.Max.X+1)&^1, whole.Max.X)
	r.Max.Y = min((r.Max.Y+1)&^1, whole.Max.Y)
	s := &Scaler{source: whole.Max, target: image.Pt(dw, dh), crop: r}
	if r.Empty() || dw < 1 || dh < 1 {
		return s
	}
	s.luma = newResampler(dw, dh, r.Dx(), r.Dy())
	s.chroma = newResampler((dw+1)/2, (dh+1)/2, (r.Dx()+1)/2, (r.Dy()+1)/2)
	return s
}

// Scale fills dst from src. They must not overlap, have the sizes that the Scaler was made for (it panics otherwise, as
// an index out of range does), and start at even coordinates.
func (s *Scaler) Scale(dst, src *image.YCbCr) {
	if src.Rect.Size() != s.source || dst.Rect.Size() != s.target {
		panic(fmt.Sprintf("scene: scaler %v to %v used for %v to %v", s.source, s.target, src.Rect.Size(), dst.Rect.Size()))
	}
	if s.luma == nil {
		return
	}
	from, to, r := planes(src), planes(dst), s.crop
	s.luma.run(to[0], from[0].crop(r.Min.X, r.Min.Y, r.Dx(), r.Dy()))
	for i := 1; i < 3; i++ {
		s.chroma.run(to[i], from[i].crop(r.Min.X/2, r.Min.Y/2, (r.Dx()+1)/2, (r.Dy()+1)/2))
	}
}
