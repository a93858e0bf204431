package camera

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// quietest is how long any stream may give no picture; slow ones may for quietFrames frame times. With the time until
	// somebody looks, a fault is known after 2 s, or 4 frame times.
	quietest    = 2*time.Second - watchPeriod
	quietFrames = 3.5
	// sinkSlow is when a sink that takes nothing is to blame for what is missing, sinkStuck when something is done about it.
	sinkSlow, sinkStuck = time.Second, 5 * time.Second
	// firstPicture is how long the first picture of a new encoder may take: the sensor may have to start.
	firstPicture = 5 * time.Second
)

// Content says what can be told of a stream's pictures without decoding them.
type Content string

// The kinds of content.
const (
	Moving Content = "moving"
	// Unchanging pictures are all the same as the one before: no sensor gives that but in the dark.
	Unchanging Content = "unchanging"
	// Uniform pictures do not change, and of one colour: a covered lens, or darkness.
	Uniform Content = "uniform"
)

// vitals are the signs of life of one stream.
type vitals struct {
	mu        sync.Mutex
	made      time.Time     // the encoder
	planned   time.Duration // from one picture to the next
	shutter   *atomic.Int64 // nanoseconds that a picture is exposed, where that is longer
	step      time.Duration // from the picture before the last to the last
	lastFrame time.Time     // out of the encoder; zero if there was none ever
	taken     time.Time     // that the sink was through with a picture
	waiting   int           // pictures that it has or will get
	offered   time.Time     // since when the first of them has been waiting
	excused   time.Time     // until when nothing is held against the stream
	still     time.Time     // since when all pictures are the same; zero if they are not
	content   Content
}

// built says that a new encoder is there for a stream that was planned so.
func (v *vitals) built(plan StreamPlan, shutter *atomic.Int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.made, v.step, v.still, v.content = time.Now(), 0, time.Time{}, Moving
	v.planned, v.shutter = time.Duration(float64(time.Second)/plan.FrameRate), shutter
}

// frame says that a picture came, so many microseconds after the one before, the run-th that is the same.
func (v *vitals) frame(step int64, run int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lastFrame = time.Now()
	if v.waiting++; v.waiting == 1 {
		v.offered = v.lastFrame
	}
	v.step = min(time.Duration(step)*time.Microsecond, time.Minute)
	switch {
	case run == 0:
		v.still, v.content = time.Time{}, Moving
	case v.still.IsZero():
		v.still = v.lastFrame
	}
}

// period is how long a picture takes. The caller holds mu.
func (v *vitals) period() time.Duration {
	if v.shutter == nil {
		return v.planned // nothing has been built yet
	}
	return max(v.planned, v.step, time.Duration(v.shutter.Load()))
}

// patience is how long a slow stream may give no picture. The caller holds mu.
func (v *vitals) patience() time.Duration { return time.Duration(quietFrames * float64(v.period())) }

// took says that the sink has taken a picture.
func (v *vitals) took() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.taken = time.Now()
	v.waiting--
	v.offered = v.taken
}

func (v *vitals) times() (lastFrame, taken time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.lastFrame, v.taken
}

func (v *vitals) contentNow() Content {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.content
}

func (v *vitals) setContent(c Content) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.still.IsZero() {
		v.content = c
	}
}

// age is how long the stream has had no picture from its present encoder, and limit how long that may be.
func (v *vitals) age() (age, limit time.Duration, first bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	limit = max(quietest, v.patience())
	since := v.lastFrame
	if first = since.Before(v.made); first {
		since, limit = v.made, max(firstPicture, limit)
	}
	if since.Before(v.excused) {
		since = v.excused
	}
	return time.Since(since), limit, first
}

// excuse says that what has not come so far is nobody's fault.
func (v *vitals) excuse() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.excused, v.offered = time.Now(), time.Now()
}

// isQuiet says that the stream gives no pictures at the moment, though perhaps not for long enough to be sure.
func (v *vitals) isQuiet() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return time.Since(v.lastFrame) > max(quietest/4, 2*v.period())
}

// holdup is how long the sink has had a picture, or has let one wait, without taking it.
func (v *vitals) holdup() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.waiting == 0 {
		return 0
	}
	return time.Since(v.offered)
}

const (
	// suspectTime and suspectPictures are how long, and for how many pictures, a stream has to be the same until it is
	// looked into.
	suspectTime     = 800 * time.Millisecond
	suspectPictures = 3
)

// suspect says that the stream's pictures have not changed for too long to be natural.
func (v *vitals) suspect() bool {
	since, natural := v.sameSince()
	return !since.IsZero() && time.Since(since) > natural
}

// sameSince is since when all pictures are the same, zero if they are not, and for how long that may be natural.
func (v *vitals) sameSince() (since time.Time, natural time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.still, max(suspectTime, suspectPictures*v.period())
}

// stillness counts the coded pictures that say nothing but "as before". A picture predicted from the one before costs,
// where nothing has changed, next to nothing: all its macroblocks are skipped. A sensor's noise never lets that happen in
// all of a picture, but in complete darkness.
//
// Such a picture is at most stillBytes long and 1/200 byte for each macroblock, and its end, which has neither number
// nor time in it, is that of the one before.
type stillness struct {
	macroblocks int
	run         int // pictures in a row
	tail        [stillTail]byte
}

const (
	stillBytes = 24
	stillShare = 200
	stillTail  = 4
)

func (s *stillness) reset() { s.run = 0 }

// add looks at a picture. An IDR picture says nothing: it is coded without those before it.
func (s *stillness) add(u *unit) {
	if u.idr {
		return
	}
	size := 0
	var slice []byte
	for _, n := range u.nals {
		if t := nalType(n); t >= 1 && t <= 5 {
			size += len(n)
			slice = n
		}
	}
	if size > stillBytes+s.macroblocks/stillShare || len(slice) < stillTail {
		s.run = 0
		return
	}
	tail := slice[len(slice)-stillTail:]
	if s.run > 0 && !bytes.Equal(tail, s.tail[:]) {
		s.run = 0
	}
	copy(s.tail[:], tail)
	s.run++
}
