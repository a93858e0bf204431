package camera

import (
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// unitQueue is how many pictures of a stream may wait for its sink, the one being put together included.
const unitQueue = 4

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
	headers []byte
	inside  frameKind
	// broken says that a picture was lost, so that nothing can be decoded before the next IDR; began, that there was one.
	broken, began bool
	// pts is that of the last complete picture, step what it was more than the one before.
	pts, step int64
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
	a.unit, a.inside, a.broken, a.pts, a.step = nil, between, true, 0, 0
	a.headers = a.headers[:0]
}

// add takes one fragment. It copies data once and never blocks.
func (a *assembler) add(data []byte, flags mmal.BufferFlags, pts int64) outcome {
	if flags&mmal.FlagCodecSideInfo != 0 {
		return nothing
	}
	result := nothing
	if a.inside == between {
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
	if flags&mmal.FlagConfig != 0 {
		a.inside = parameters
		a.headers = a.headers[:0]
		return nothing
	}
	a.inside = lost
	idr := flags&mmal.FlagKeyFrame != 0
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
	a.broken, a.began = false, true
	*a.unit = unit{data: a.unit.data[:0], nals: a.unit.nals[:0], pts: pts, idr: idr}
	if idr {
		a.unit.data = append(a.unit.data, a.headers...)
	}
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
	a.unit = nil
	idr := u.idr
	a.full <- u // has room for all units there are
	if idr {
		return deliveredIDR
	}
	return delivered
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

// deliver passes pictures to sink until done is closed.
func (a *assembler) deliver(done <-chan struct{}, sink Sink) {
	for {
		select {
		case u := <-a.full:
			sink(AccessUnit{NALs: u.nals, PTS: time.Duration(u.pts) * time.Microsecond, IDR: u.idr})
			a.free <- u
		case <-done:
			return
		}
	}
}
