package camera

import (
	"slices"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// unitQueue is how many pictures of a stream may wait for its sink, the one being put together included: half a second at
// 30 frames/s, for a machine that is busy for a moment. Their memory is kept.
const unitQueue = 16

// unit is the memory of one access unit; it goes round between the assembler and the sink.
type unit struct {
	data []byte
	nals [][]byte
	pts  int64
	idr  bool
}

// assembler puts the fragments that an encoder delivers together to access units. The encoder cuts its output anywhere,
// even inside a parameter set, and only the end of a frame is marked; what a frame is, its first fragment's flags say.
type assembler struct {
	free chan *unit // units that nobody uses
	full chan *unit // units for the sink, in order

	unit    *unit // being put together; nil between frames and while a frame is thrown away
	own     int   // where the unit's own data begins, after headers
	headers []byte
	lone    bool // headers have come since the last picture
	// empties counts the pictures that the encoder left out: nothing came of them, or no more than parameter sets.
	empties uint64
	inside  frameKind
	// whole says that broken was not set before the present picture.
	whole bool
	// broken says that a picture was lost, so that nothing can be decoded before the next IDR; began, that there was one.
	broken, began bool
	// pts is that of the last complete picture, step what it was more than the one before.
	pts, step int64
	// still tells pictures that are the same as the one before.
	still stillness
}

// frameKind says what the fragments up to the next FRAME_END belong to.
type frameKind int

const (
	between    frameKind = iota
	parameters           // SPS and PPS
	picture
	lost // a picture that is thrown away
)

// outcome is what a fragment led to.
type outcome int

const (
	nothing outcome = iota
	delivered
	deliveredIDR
	dropped // a picture was lost: ask for an IDR
	skipped // a picture was thrown away because one before it was lost
)

func newAssembler() *assembler {
	a := &assembler{free: make(chan *unit, unitQueue), full: make(chan *unit, unitQueue), broken: true}
	for range unitQueue {
		a.free <- &unit{}
	}
	return a
}

// restart forgets what an encoder left unfinished that is no more; another one's output follows.
func (a *assembler) restart() {
	if a.unit != nil {
		a.free <- a.unit
	}
	a.unit, a.inside, a.broken, a.lone, a.pts, a.step = nil, between, true, false, 0, 0
	a.still.reset()
	a.headers = a.headers[:0]
}

// add takes one fragment. It copies data once and never blocks.
func (a *assembler) add(data []byte, flags mmal.BufferFlags, pts int64) outcome {
	if flags&mmal.FlagCodecSideInfo != 0 {
		return nothing
	}
	result := nothing
	if a.inside == between {
		if len(data) == 0 {
			if flags&mmal.FlagFrameEnd != 0 && a.began {
				a.empties++ // as the rate control of the Broadcom encoder skips pictures
			}
			return nothing
		}
		result = a.begin(flags, pts)
	}
	switch a.inside {
	case parameters:
		a.headers = append(a.headers, data...)
	case picture:
		a.unit.data = append(a.unit.data, data...)
		if a.unit.pts == mmal.TimeUnknown {
			a.unit.pts = pts
		}
		if flags&(mmal.FlagTransmissionFailed|mmal.FlagCorrupted) != 0 {
			result = a.lose()
		}
	}
	if flags&mmal.FlagFrameEnd == 0 {
		return result
	}
	if a.inside == picture {
		result = a.finish()
	}
	a.inside = between
	return result
}

// begin decides what a frame is by its first fragment.
func (a *assembler) begin(flags mmal.BufferFlags, pts int64) outcome {
	config, idr := flags&mmal.FlagConfig != 0, flags&mmal.FlagKeyFrame != 0
	if a.lone && !idr && !a.broken {
		a.empties++ // the parameter sets before this were all that came of a picture
	}
	a.lone = config
	if config {
		a.inside = parameters
		a.headers = a.headers[:0]
		return nothing
	}
	a.inside = lost
	if a.broken && !idr {
		if a.began {
			return skipped
		}
		return nothing
	}
	select {
	case a.unit = <-a.free:
	default:
		a.broken = true
		return dropped
	}
	a.inside = picture
	a.whole = !a.broken
	a.broken, a.began = false, true
	*a.unit = unit{data: a.unit.data[:0], nals: a.unit.nals[:0], pts: pts, idr: idr}
	if idr {
		a.unit.data = append(a.unit.data, a.headers...)
	}
	a.own = len(a.unit.data)
	return nothing
}

// lose gives the picture up that is being put together.
func (a *assembler) lose() outcome {
	a.free <- a.unit
	a.unit, a.inside, a.broken = nil, lost, true
	return dropped
}

// finish hands a complete picture to the sink.
func (a *assembler) finish() outcome {
	u := a.unit
	u.nals = splitNALs(u.nals, u.data)
	if len(u.nals) > 0 && !hasSlice(u.nals) {
		return a.leave()
	}
	if u.pts == mmal.TimeUnknown && a.step > 0 {
		u.pts = a.pts + a.step // no document says that each picture has a time; the frame rate is constant
	}
	if len(u.nals) == 0 || u.idr && !hasParameters(u.nals) || u.pts == mmal.TimeUnknown {
		return a.lose()
	}
	if a.pts != 0 {
		a.step = u.pts - a.pts
	}
	a.pts = u.pts
	a.still.add(u)
	a.unit = nil
	idr := u.idr
	a.full <- u // has room for all units there are
	if idr {
		return deliveredIDR
	}
	return delivered
}

// leave gives up what is no picture. Its parameter sets, if it has any, are those of the next one.
func (a *assembler) leave() outcome {
	u := a.unit
	own := splitNALs(u.nals[:0], u.data[a.own:])
	if hasParameters(own) {
		a.headers = append(a.headers[:0], u.data[a.own:]...)
	}
	a.free <- u
	a.unit, a.broken = nil, !a.whole
	a.empties++
	return nothing
}

// hasSlice says whether there is something of a picture in it.
func hasSlice(nals [][]byte) bool {
	return slices.ContainsFunc(nals, func(n []byte) bool { return nalType(n) >= nalSlice && nalType(n) <= nalIDR })
}

// hasParameters says whether an IDR picture can be decoded by one who has seen nothing before. An encoder that puts
// its parameter sets into the picture's own buffers sends them again although they are in front already: harmless.
func hasParameters(nals [][]byte) bool {
	var sps, pps bool
	for _, n := range nals {
		sps = sps || nalType(n) == nalSPS
		pps = pps || nalType(n) == nalPPS
	}
	return sps && pps
}

// deliver passes pictures to sink until done is closed, and says when one has been taken.
func (a *assembler) deliver(done <-chan struct{}, sink Sink, taken func()) {
	for {
		select {
		case u := <-a.full:
			sink(AccessUnit{NALs: u.nals, PTS: time.Duration(u.pts) * time.Microsecond, IDR: u.idr})
			a.free <- u
			taken()
		case <-done:
			return
		}
	}
}
