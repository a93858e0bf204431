package vcemu

import (
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"io"
	"math/bits"
	"strings"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
)

// sensor is the image sensor with its clock. Frames are taken at start + n periods whether somebody can take them or
// not. Guarded by VideoCore.mu, but for what says otherwise.
type sensor struct {
	changed chan struct{} // holds an element after start, stop or a change of rate
	camera  *camera       // the one that is enabled
	number  uint32        // of the next frame
	zero    time.Time     // of frame 0

	// starved says that a frame is due and waits for an image.
	starved bool

	started bool
	start   time.Time // of the present run
	rate    mmal.Rational
	taken   int64 // frames of the present run, taken or missed

	views [3]view // by output; the sensor goroutine's own
	shots []shot  // the same
}

// restart begins a run at a new rate, one period before its first frame.
func (s *sensor) restart(r mmal.Rational) {
	s.started, s.starved, s.start, s.rate, s.taken = true, false, time.Now(), r, 0
	s.signal()
}

func (s *sensor) stop() {
	s.camera, s.started = nil, false
	s.signal()
}

func (s *sensor) signal() {
	select {
	case s.changed <- struct{}{}:
	default: // it is signalled already
	}
}

// offset is the time of the run's n-th frame since its start, in parts of 1/unit seconds, rounded.
func (s *sensor) offset(n, unit int64) int64 {
	num := uint64(s.rate.Num)
	high, low := bits.Mul64(uint64(n)*uint64(s.rate.Den), uint64(unit))
	low, carry := bits.Add64(low, num/2, 0)
	quotient, _ := bits.Div64(high+carry, low, num) // fits: it is a time since the start
	return int64(quotient)
}

// due is the time of the run's n-th frame.
func (s *sensor) due(n int64) time.Time {
	return s.start.Add(time.Duration(s.offset(n, int64(time.Second))))
}

// grace is how late a frame may be put into an image. A real sensor has none; this one shares a machine with others,
// and is not to lose frames because it was not its turn for a moment. The frame stays what it was when it was due.
const grace = 250 * time.Millisecond

// next is when there is something to do about the next frame.
func (s *sensor) next() time.Time {
	due := s.due(s.taken + 1)
	if s.starved {
		return due.Add(grace)
	}
	return due
}

// runSensor takes the frames until ctx is done.
func (v *VideoCore) runSensor(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	defer v.closeViews()
	for {
		v.mu.Lock()
		timer.Stop()
		if v.sensor.started {
			timer.Reset(time.Until(v.sensor.next()))
		}
		v.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-v.sensor.changed:
		case <-timer.C:
			v.takeFrame()
		}
	}
}

// shot is one output's share of a frame.
type shot struct {
	port    *port
	epoch   *pool // the port's pool then, to see that the format is still the same
	image   *gpuImage
	orient  scene.Orientation
	zoom    mmal.Rect
	look    scene.Look
	caption scene.Caption
	unseen  bool // goes to a null sink, so what is drawn does not matter
}

// takeFrame takes the frame that is due and gives it to all outputs that want it.
func (v *VideoCore) takeFrame() {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := &v.sensor
	c := s.camera
	if !s.started || time.Now().Before(s.due(s.taken+1)) {
		return
	}
	v.skipLate()
	if s.starved = c.starved() && time.Since(s.due(s.taken+1)) < grace; s.starved {
		return
	}
	s.taken++
	n := s.number
	s.number++
	due := s.due(s.taken)
	if s.zero.IsZero() {
		s.zero = due
	}
	elapsed := time.Duration(s.offset(s.taken, int64(time.Second)))
	clock := v.clock(s.start) + s.offset(s.taken, 1_000_000)
	c.report(elapsed)
	c.shoot(n, clock)

	v.mu.Unlock()
	err := v.draw(n, due)
	v.mu.Lock()

	if err != nil {
		v.log.Error("sensor gives no picture", "err", err)
		c.fail(mmal.EIO)
	}
	pts := c.pts(clock)
	for _, x := range s.shots {
		if err == nil && x.port.pool == x.epoch && c.comp.enabled && c.active(x.port) && x.port.ready() {
			x.port.emit(x.image, pts)
			if x.port.index == stillPort {
				binary.LittleEndian.PutUint32(x.port.params[mmal.ParamCapture].value, 0)
			}
		}
		x.image.release()
	}
	s.shots = s.shots[:0]
}

// skipLate counts the frames that came and went while this machine was busy with others.
func (v *VideoCore) skipLate() {
	s := &v.sensor
	now, wanted := time.Now(), false
	for _, p := range s.camera.comp.outputs {
		wanted = wanted || s.camera.active(p)
	}
	for now.Sub(s.due(s.taken+1)) > grace {
		s.taken++
		s.number++
		if wanted {
			v.count.sensorDropped.Add(1)
		}
	}
}

// starved says that an output would miss a frame now for want of an image.
func (c *camera) starved() bool {
	for _, p := range c.comp.outputs {
		if c.active(p) && p.ready() && !p.pool.available() {
			return true
		}
	}
	return false
}

// shoot gets an image for each output that wants frame n. An output without a free image misses the frame.
func (c *camera) shoot(n uint32, clock int64) {
	s := &c.comp.vc.sensor
	r := mmal.Rectangle{ID: mmal.ParamInputCrop}
	c.comp.control.get(&r)
	text := c.caption
	if c.numbered {
		text.Text = strings.TrimSpace(fmt.Sprint(text.Text, " ", n))
	}
	for _, p := range c.comp.outputs {
		if !c.active(p) {
			continue
		}
		if p.index == videoPort && !c.capturing {
			c.capturing, c.captureZero = true, clock
		}
		var m *gpuImage
		if p.ready() {
			m = p.pool.get()
		}
		if m == nil {
			c.comp.vc.count.sensorDropped.Add(1)
			continue
		}
		m.number = n
		mirror := p.word(mmal.ParamMirror)
		unseen := p.peer != nil && p.peer.comp.isNullSink()
		s.shots = append(s.shots, shot{
			port: p, epoch: p.pool, image: m, zoom: r.Value, look: c.look, caption: text, unseen: unseen,
			orient: scene.Orientation{Rotation: int(p.word(mmal.ParamRotation)), VFlip: mirror&1 != 0, HFlip: mirror&2 != 0},
		})
	}
}

// draw draws frame n into the images of all shots. It is called without the lock.
func (v *VideoCore) draw(n uint32, due time.Time) error {
	s := &v.sensor
	for i := range s.shots {
		x := &s.shots[i]
		if x.unseen {
			continue
		}
		w := &s.views[x.port.index]
		if err := w.draw(v.cfg.Scene, x, n, due.Sub(s.zero), due); err != nil {
			return err
		}
		if !v.cfg.Unstamped {
			scene.DrawStamp(&x.image.pic, n)
		}
	}
	return nil
}

func (v *VideoCore) closeViews() {
	for i := range v.sensor.views {
		v.sensor.views[i].close()
	}
}

// view is how one output sees the scene.
type view struct {
	source        scene.Source
	size          image.Point // the source's
	plain, zoomed image.YCbCr // scratch: before zoom, and between zoom and rotation
	scaler        *scene.Scaler
	scalerZoom    mmal.Rect
	grader        scene.Grader
	captions      scene.Captions
}

// draw draws one shot: the scene, zoomed, turned, its colours changed, and the text. The stamp is the caller's.
func (w *view) draw(open func(int, int) (scene.Source, error), x *shot, n uint32, elapsed time.Duration, now time.Time) error {
	dst := &x.image.pic
	size := dst.Rect.Size()
	if x.orient.SwapsAxes() {
		size = image.Pt(size.Y, size.X)
	}
	if w.source == nil || w.size != size {
		w.close()
		source, err := open(size.X, size.Y)
		if err != nil {
			return err
		}
		w.source, w.size = source, size
		w.plain, w.zoomed, w.scaler = image.YCbCr{}, image.YCbCr{}, nil
	}
	turned := x.orient != scene.Orientation{}
	near := x.zoom.Width < whole-1 || x.zoom.Height < whole-1 // 65535 is picamera's idea of all
	target := dst
	if turned || near {
		w.scratch(&w.plain)
		target = &w.plain
	}
	if err := w.source.Draw(target, n, elapsed, now); err != nil {
		return err
	}
	switch {
	case !turned && !near:
	case !near:
		scene.Transform(dst, &w.plain, x.orient)
	case !turned:
		w.zoom(x.zoom).Scale(dst, &w.plain)
	default:
		w.scratch(&w.zoomed)
		w.zoom(x.zoom).Scale(&w.zoomed, &w.plain)
		scene.Transform(dst, &w.zoomed, x.orient)
	}
	if x.look != plainLook() {
		w.grader.Apply(dst, x.look)
	}
	w.captions.Draw(dst, x.caption)
	return nil
}

func (w *view) scratch(m *image.YCbCr) {
	if m.Rect.Size() != w.size {
		*m = newPicture((w.size.X+31)&^31, w.size)
	}
}

// zoom gives the scaler that enlarges a part of the picture to its full size.
func (w *view) zoom(r mmal.Rect) *scene.Scaler {
	if w.scaler == nil || w.scalerZoom != r {
		part := image.Rect(
			int(int64(r.X)*int64(w.size.X)/whole), int(int64(r.Y)*int64(w.size.Y)/whole),
			int(int64(r.X+r.Width)*int64(w.size.X)/whole), int(int64(r.Y+r.Height)*int64(w.size.Y)/whole),
		)
		part.Max.X, part.Max.Y = max(part.Max.X, part.Min.X+2), max(part.Max.Y, part.Min.Y+2)
		w.scaler, w.scalerZoom = scene.NewCropScaler(w.size.X, w.size.Y, w.size.X, w.size.Y, part), r
	}
	return w.scaler
}

func (w *view) close() {
	if c, ok := w.source.(io.Closer); ok {
		_ = c.Close() // only read from
	}
	w.source = nil
}
