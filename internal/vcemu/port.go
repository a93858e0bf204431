package vcemu

import (
	"fmt"
	"image"
	"slices"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// port is one port of a component. Guarded by VideoCore.mu.
type port struct {
	comp     *component
	typ      mmal.PortType
	index    uint16
	indexAll uint16 // among all ports of the component
	handle   uint32
	enabled  bool
	params   map[mmal.ParameterID]*param
	peer     *port      // the other end of a tunnel
	kind     opaqueKind // of the images that it gives or takes by reference

	format       mmal.Format
	isCommitted  bool // the host has set the format, for an output perhaps by setting the input's
	min, advised mmal.Buffers
	want         mmal.Buffers // as the host set them
	pool         *pool        // images that an output makes; nil if it passes on those of others

	buffers []hostBuffer // output: empty ones of the host's
	lent    []lentImage  // output: opaque references that the host has
	outlet  *outlet      // output of an encoder: what waits for buffers

	queue []arrived // input: images to work on
	busy  arrived   // input: the one that is being worked on
	epoch int       // input: counts how often it was disabled or flushed, so that stale work is known
}

// hostBuffer is a buffer header of the host's, as it came.
type hostBuffer struct {
	context, data, capacity uint32
}

// lentImage is an image that left by an opaque reference in the host's buffer of that context.
type lentImage struct {
	context uint32
	image   *gpuImage
}

// arrived is an image at an input, with a reference to it.
type arrived struct {
	image *gpuImage
	pts   int64
	host  hostBuffer // the buffer that brought it; context 0 if it came through a tunnel
}

func (p *port) String() string {
	if p.typ == mmal.PortControl {
		return p.comp.name + ":control"
	}
	return fmt.Sprintf("%s:%v%d", p.comp.name, p.typ, p.index)
}

// info is what the host is told of the port.
func (p *port) info() mmal.PortInfo {
	return mmal.PortInfo{
		Component: p.comp.handle,
		Type:      p.typ,
		Index:     uint32(p.index),
		Found:     true,
		Handle:    p.handle,
		Port: mmal.PortBlock{
			Type:     p.typ,
			Index:    p.index,
			IndexAll: p.indexAll,
			Enabled:  p.enabled,
			Min:      p.min,
			Advised:  p.advised,
			Buffers:  p.want,
		},
		Format: p.format,
	}
}

// commit sets the port's format, or says why not.
func (p *port) commit(f mmal.Format, want mmal.Buffers) mmal.Status {
	if p.enabled || p.typ == mmal.PortControl || f.Type != mmal.ESVideo {
		return mmal.EInval
	}
	if status := p.comp.unit.commit(p, &f); status != mmal.Success {
		return status
	}
	p.format, p.isCommitted = f, true
	p.want = want
	p.require()
	p.comp.unit.committed(p)
	return mmal.Success
}

// setDefault gives a new port its format.
func (p *port) setDefault(encoding mmal.FourCC) {
	p.format = mmal.Format{
		Type:     mmal.ESVideo,
		Encoding: encoding,
		Video: mmal.VideoFormat{
			Width: 320, Height: 240,
			Crop:        mmal.Rect{Width: 320, Height: 240},
			FrameRate:   mmal.Rational{Num: 0, Den: 1},
			PixelAspect: mmal.Rational{Num: 1, Den: 1},
		},
	}
	p.require()
}

// require sets how many buffers of what size the port's format takes.
func (p *port) require() {
	switch p.format.Encoding {
	case mmal.EncodingOpaque:
		p.min = mmal.Buffers{Num: 1, Size: opaqueSize}
		p.advised = p.min
	case mmal.EncodingI420:
		p.min = mmal.Buffers{Num: 1, Size: p.format.Video.Width * p.format.Video.Height * 3 / 2}
		p.advised = p.min
	case mmal.EncodingH264:
		p.min = mmal.Buffers{Num: 1, Size: 32 << 10}
		p.advised = mmal.Buffers{Num: 1, Size: 64 << 10}
	case mmal.EncodingJPEG:
		p.min = mmal.Buffers{Num: 1, Size: 32 << 10}
		p.advised = mmal.Buffers{Num: 1, Size: 80 << 10}
	}
	p.want.Num, p.want.Size = max(p.want.Num, p.min.Num), max(p.want.Size, p.min.Size)
}

// picture checks that f is a format of pictures that are not coded, and makes the crop explicit.
func (p *port) picture(f *mmal.Format) mmal.Status {
	if f.Encoding != mmal.EncodingOpaque && f.Encoding != mmal.EncodingI420 {
		return mmal.EInval
	}
	v := &f.Video
	if p.comp.vc.cfg.Quirks.RoundAlign {
		v.Width, v.Height = (v.Width+31)&^31, (v.Height+15)&^15
	}
	const largest = 8192
	if v.Width == 0 || v.Height == 0 || v.Width > largest || v.Height > largest || v.Width%32 != 0 || v.Height%16 != 0 {
		return mmal.EInval
	}
	c := &v.Crop
	if c.Width == 0 && c.Height == 0 {
		c.Width, c.Height = int32(v.Width)-c.X, int32(v.Height)-c.Y
	}
	if c.X < 0 || c.Y < 0 || c.Width < 2 || c.Height < 2 || c.Width%2 != 0 || c.Height%2 != 0 ||
		int64(c.X)+int64(c.Width) > int64(v.Width) || int64(c.Y)+int64(c.Height) > int64(v.Height) {
		return mmal.EInval
	}
	return rate(v.FrameRate)
}

// rate checks a frame rate; 0 is variable.
func rate(r mmal.Rational) mmal.Status {
	if r.Num < 0 || r.Den < 0 || r.Num > 0 && r.Den == 0 {
		return mmal.EInval
	}
	return mmal.Success
}

// visible is the size of the port's pictures.
func (p *port) visible() image.Point {
	c := p.format.Video.Crop
	return image.Pt(int(c.Width), int(c.Height))
}

// newPool gives an output of pictures a pool of n images of its format.
func (p *port) newPool(n int) {
	p.retirePool()
	p.pool = newPool(p, n)
}

func (p *port) retirePool() {
	if p.pool != nil {
		p.pool.retired, p.pool.free = true, nil
		p.pool = nil
	}
}

// enable lets buffers or images flow; at a tunnel, at both ends.
func (p *port) enable(want mmal.Buffers) mmal.Status {
	if p.enabled {
		return mmal.EInval
	}
	if p.peer == nil {
		return p.open(want)
	}
	if !p.source().feeds(p.sink()) {
		return mmal.EInval
	}
	ends := []*port{p}
	if !p.comp.vc.cfg.Quirks.SingleEndEnable {
		ends = []*port{p.sink(), p.source()}
	}
	for i, end := range ends {
		if end.enabled {
			continue
		}
		if status := end.open(end.want); status != mmal.Success {
			for _, opened := range ends[:i] {
				opened.close()
			}
			return status
		}
	}
	return mmal.Success
}

// open enables this port alone.
func (p *port) open(want mmal.Buffers) mmal.Status {
	if p.typ != mmal.PortControl {
		tunnelled := p.peer != nil
		if p.format.Encoding == 0 || !tunnelled && (want.Num < p.min.Num || want.Size < p.min.Size) {
			return mmal.EInval
		}
		if p.typ == mmal.PortOutput && !p.isCommitted {
			return mmal.EInval // there are no images of a format that nobody has set
		}
		if p.typ == mmal.PortOutput && !tunnelled && p.format.Encoding == mmal.EncodingOpaque &&
			p.comp.vc.cfg.Quirks.RefuseOpaqueToARM {
			return mmal.EInval
		}
		if status := p.comp.unit.opening(p); status != mmal.Success {
			return status
		}
		p.want.Num = want.Num
	}
	p.enabled = true
	p.comp.unit.switched(p)
	p.comp.unit.kick()
	return mmal.Success
}

// disable stops the flow. All of the host's buffers go back before it returns; at a tunnel, the peer stops too.
func (p *port) disable() mmal.Status {
	if !p.enabled {
		return mmal.EInval
	}
	if p.peer == nil || p.comp.vc.cfg.Quirks.SingleEndEnable {
		p.close()
		return mmal.Success
	}
	p.source().close()
	p.sink().close()
	return mmal.Success
}

// close disables this port alone.
func (p *port) close() {
	if !p.enabled {
		return
	}
	p.drop()
	for _, l := range p.lent {
		l.image.unlend()
	}
	p.lent = nil
	p.enabled = false
	p.comp.unit.switched(p)
	p.comp.unit.kick()
}

// flush gives back what the port holds.
func (p *port) flush() mmal.Status {
	if p.enabled {
		p.drop()
		p.comp.unit.kick()
	}
	return mmal.Success
}

// drop returns the host's buffers and forgets the images, or coded pictures, that wait.
func (p *port) drop() {
	for _, b := range p.buffers {
		p.giveBack(b, mmal.Success, 0)
	}
	p.buffers = p.buffers[:0]
	if p.outlet != nil {
		p.outlet.clear()
	}
	if p.busy.host.context != 0 {
		p.giveBack(p.busy.host, mmal.Success, 0)
	}
	p.busy = arrived{}
	p.epoch++
	for _, a := range p.queue {
		if a.host.context != 0 {
			p.giveBack(a.host, mmal.Success, 0)
		}
		a.image.release()
	}
	p.queue = p.queue[:0]
}

// setRequirements is what libmmal sends to one end of a tunnel before it enables the other.
func (p *port) setRequirements(want mmal.Buffers) mmal.Status {
	if p.peer == nil {
		return mmal.ENotConn
	}
	p.want.Num, p.want.Size = max(want.Num, p.min.Num), max(want.Size, p.min.Size)
	return mmal.Success
}

// take begins to work on the next image at an input. The worker owns the image's reference, and says done with the
// result's epoch.
func (p *port) take() (a arrived, epoch int) {
	p.busy = p.queue[0]
	p.queue = slices.Delete(p.queue, 0, 1)
	return p.busy, p.epoch
}

// done ends the work on an image: its buffer goes back to the host, unless that has happened already.
func (p *port) done(a arrived, epoch int) {
	if p.epoch == epoch {
		if a.host.context != 0 {
			p.giveBack(a.host, mmal.Success, 0)
		}
		p.busy = arrived{}
	}
	a.image.release()
}

// accept takes an image, and a reference of its own to it.
func (p *port) accept(a arrived) {
	a.image.hold()
	p.queue = append(p.queue, a)
	p.comp.unit.kick()
}

// ready says that an enabled output can pass on an image.
func (p *port) ready() bool {
	if p.peer != nil {
		return p.peer.enabled
	}
	return len(p.buffers) > 0
}

// emit passes on an image from an output that is ready, with references of its own.
func (p *port) emit(m *gpuImage, pts int64) {
	if p.peer != nil {
		p.peer.accept(arrived{image: m, pts: pts})
		return
	}
	b := p.buffers[0]
	p.buffers = slices.Delete(p.buffers, 0, 1)
	if p.format.Encoding == mmal.EncodingOpaque {
		p.lent = append(p.lent, lentImage{b.context, m})
		p.sendReference(b, m, pts)
		return
	}
	p.sendPicture(b, m, pts)
}

// emitOwn passes on an image that the port's component has made, and gives up the maker's reference.
func (p *port) emitOwn(m *gpuImage, pts int64) {
	if p.enabled && p.pool == m.pool && p.ready() {
		p.emit(m, pts)
	}
	m.release()
}
