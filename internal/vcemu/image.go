package vcemu

import (
	"encoding/binary"
	"image"
)

// gpuImage is a picture in the GPU's memory. Who keeps it for longer than a call holds a reference. Only its maker
// writes to pic, and only before it passes the image on. All other fields are guarded by VideoCore.mu.
type gpuImage struct {
	pic    image.YCbCr // of the visible size; the strides are those of the buffer
	number uint32      // of the sensor's frame
	pool   *pool
	refs   int
	// token is what an opaque reference on ARM says, unique to the stay there; 0 while the host has none.
	token uint32
	lent  int // opaque buffers of the host that refer to the image
}

// pool is a fixed number of images of one size. Guarded by VideoCore.mu.
type pool struct {
	vc      *VideoCore
	maker   *component // is told when an image returns
	kind    opaqueKind
	size    image.Point
	stride  int
	left    int // images that may still be made
	free    []*gpuImage
	retired bool // its port changed format: images that return are forgotten
}

// newPool makes a pool of n images of an output's format.
func newPool(p *port, n int) *pool {
	return &pool{
		vc: p.comp.vc, maker: p.comp, kind: p.kind,
		size: p.visible(), stride: int(p.format.Video.Width), left: n,
	}
}

// get returns an image with one reference, the caller's, or nil if all are in use.
func (p *pool) get() *gpuImage {
	var m *gpuImage
	switch n := len(p.free); {
	case n > 0:
		m, p.free = p.free[n-1], p.free[:n-1]
	case p.left > 0:
		p.left--
		m = &gpuImage{pic: newPicture(p.stride, p.size), pool: p}
	default:
		return nil
	}
	m.refs = 1
	p.vc.imagesInUse++
	return m
}

// available says that get would succeed.
func (p *pool) available() bool { return len(p.free) > 0 || p.left > 0 }

// newPicture makes a 4:2:0 picture whose luma rows are stride samples apart.
func newPicture(stride int, size image.Point) image.YCbCr {
	cw, ch := stride/2, (size.Y+1)/2
	memory := make([]byte, stride*size.Y+2*cw*ch)
	y, c := memory[:stride*size.Y], memory[stride*size.Y:]
	return image.YCbCr{
		Y: y, Cb: c[: cw*ch : cw*ch], Cr: c[cw*ch:],
		YStride: stride, CStride: cw,
		SubsampleRatio: image.YCbCrSubsampleRatio420,
		Rect:           image.Rectangle{Max: size},
	}
}

func (m *gpuImage) hold() { m.refs++ }

// release gives up one reference; the last one returns the image to its pool.
func (m *gpuImage) release() {
	m.refs--
	if m.refs > 0 {
		return
	}
	p := m.pool
	p.vc.imagesInUse--
	if p.retired {
		return
	}
	p.free = append(p.free, m)
	p.maker.unit.kick()
}

// opaqueMagic starts every opaque reference.
const opaqueMagic = 0x65676d69

// lend makes the reference that stands for the image on ARM, and holds the image until unlend.
func (m *gpuImage) lend(ref *[opaqueSize]byte) {
	v := m.pool.vc
	if m.lent == 0 {
		v.lastToken += 0x1f123bb5 // odd, so that it is long until a token comes again
		if v.lastToken == 0 {
			v.lastToken = 0x1f123bb5
		}
		m.token = v.lastToken
		v.lent[m.token] = m
	}
	m.lent++
	m.hold()
	binary.LittleEndian.PutUint32(ref[0:], opaqueMagic)
	binary.LittleEndian.PutUint32(ref[4:], m.token)
	binary.LittleEndian.PutUint32(ref[8:], opaqueMagic^m.token)
}

func (m *gpuImage) unlend() {
	m.lent--
	if m.lent == 0 {
		delete(m.pool.vc.lent, m.token)
		m.token = 0
	}
	m.release()
}

// opaqueSize is the length of an opaque reference.
const opaqueSize = 128

// borrowed finds the image that an opaque reference of the host's stands for; nil if it stands for none, or for one
// that the host has given back.
func (v *VideoCore) borrowed(ref []byte) *gpuImage {
	if len(ref) != opaqueSize {
		return nil
	}
	token := binary.LittleEndian.Uint32(ref[4:])
	if binary.LittleEndian.Uint32(ref) != opaqueMagic || binary.LittleEndian.Uint32(ref[8:]) != opaqueMagic^token {
		return nil
	}
	return v.lent[token]
}
