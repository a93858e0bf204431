package rtspd

import (
	"slices"
	"time"

	"github.com/camkrazy/camkrazy/internal/camera"
)

// picture is a copy of an access unit as it was sent. Its buffers are reused.
type picture struct {
	known bool
	pts   time.Duration
	rtp   uint32
	ntp   time.Time // of the capture
	nals  [][]byte  // in data
	data  []byte
}

// recent keeps the newest pictures of a stream.
type recent struct {
	idr, other picture       // newest of each kind
	kept       int           // pictures since the last forget
	two        chan struct{} // closed when two pictures have been kept
}

func newRecent() recent { return recent{two: make(chan struct{})} }

// keep copies a picture.
func (r *recent) keep(nals [][]byte, au camera.AccessUnit, timestamp uint32, ntp time.Time) {
	if r.kept++; r.kept == 2 {
		defer close(r.two)
	}
	p := &r.other
	if au.IDR {
		p = &r.idr
	}
	p.known, p.pts, p.rtp, p.ntp = true, au.PTS, timestamp, ntp
	size := 0
	for _, nal := range nals {
		size += len(nal)
	}
	p.nals = p.nals[:0]
	p.data = slices.Grow(p.data[:0], size) // now append moves nothing
	for _, nal := range nals {
		start := len(p.data)
		p.data = append(p.data, nal...)
		p.nals = append(p.nals, p.data[start:])
	}
}

// forget makes all that follows the first.
func (r *recent) forget() {
	r.idr.known, r.other.known = false, false
	if r.kept >= 2 {
		r.two = make(chan struct{})
	}
	r.kept = 0
}

// newest returns the newest picture; nil if there is none.
func (r *recent) newest() *picture {
	switch {
	case r.idr.known && (!r.other.known || r.idr.pts > r.other.pts):
		return &r.idr
	case r.other.known:
		return &r.other
	}
	return nil
}

// opening returns the pictures with which a session should begin, oldest first: the newest non-IDR picture, and the
// newest IDR picture if that came after it, by less than maxAge. There are none before the first non-IDR picture.
func (r *recent) opening(maxAge time.Duration) []*picture {
	switch {
	case !r.other.known:
		return nil
	case !r.idr.known || r.idr.pts < r.other.pts:
		return []*picture{&r.other}
	case r.idr.pts-r.other.pts > maxAge:
		return nil
	}
	return []*picture{&r.other, &r.idr}
}
