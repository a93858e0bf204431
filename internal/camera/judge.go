package camera

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"slices"
	"sync"
	"time"

	"github.com/camkrazy/camkrazy/internal/recovery"
)

// errFrozen says that pictures come, but always the same one.
var errFrozen = errors.New("gives the same picture again and again")

// judge finds out whether a stream that shows the same picture again and again is frozen, or the world is. It takes two
// snapshots, whose way from the sensor is another one, and compares:
//
//	snapshots                       verdict
//	of one colour                   covered lens, or darkness: nothing is wrong
//	differ, as a sensor's noise has it   the stream's encoder is frozen: the stream is built anew
//	equal to the last bit           what is before the encoders is frozen: the pipeline is built anew
//
// As the evidence is indirect, it never costs more than a new connection, and after each action that did not help it is
// believed less often: a scene that really is always the same costs one action an hour in the end. An action after which
// pictures move for a while was right, and the next suspicion is believed at once.
type judge struct {
	wg      sync.WaitGroup
	running bool
	done    chan verdict
}

// suspicion is what outlives a pipeline of the judge's work.
type suspicion struct {
	next  time.Time     // when a stream may be suspected again
	last  time.Time     // verdict
	acted time.Time     // when something was last done because of a verdict
	vain  bool          // it did not help: a stream was suspect again before next
	doubt time.Duration // from one verdict to the next
}

type verdict struct {
	stream string
	step   recovery.Step
	err    error // nil if nothing is wrong, or if there is no telling
}

const (
	// judgePause is between the two snapshots.
	judgePause = 100 * time.Millisecond
	judgeTime  = 3 * time.Second
	// leastDoubt and mostDoubt are the time after a verdict until the next one.
	leastDoubt, mostDoubt = 10 * time.Second, time.Hour
	// trust is after what time without suspicion the doubt begins anew.
	trust = 10 * time.Minute
	// frozenMost is the most that a frozen picture is reason for.
	frozenMost = recovery.Reconnect
)

func (j *judge) wait() { j.wg.Wait() }

// look says whether a stream is frozen. It does not wait: the verdict on a suspicion comes with a later look.
func (j *judge) look(ctx context.Context, c *Camera) (f recovery.Fault, err error) {
	if j.running {
		select {
		case v := <-j.done:
			j.running = false
			return j.hear(c, v)
		default:
			return f, nil
		}
	}
	i := slices.IndexFunc(c.branches, func(b *branch) bool { return b.vitals.suspect() })
	if i < 0 {
		return f, nil
	}
	b := c.branches[i]
	since, natural := b.vitals.sameSince()
	moved := since.Sub(c.frozen.acted)
	if time.Now().Before(c.frozen.next) {
		c.frozen.vain = c.frozen.vain || moved > 0
		return f, nil
	}
	if !c.frozen.vain && moved > max(leastDoubt, natural) {
		c.frozen.doubt = 0
	}
	j.running, j.done = true, make(chan verdict, 1)
	j.wg.Go(func() { j.done <- c.try(ctx, b) })
	return f, nil
}

// hear takes a verdict.
func (j *judge) hear(c *Camera, v verdict) (f recovery.Fault, err error) {
	now := time.Now()
	if now.Sub(c.frozen.last) > trust {
		c.frozen.doubt = 0
	}
	c.frozen.last = now
	if v.err == nil {
		c.frozen.next = now.Add(leastDoubt)
		return f, nil
	}
	c.frozen.doubt = min(max(2*c.frozen.doubt, leastDoubt), mostDoubt)
	c.frozen.next = now.Add(c.frozen.doubt)
	c.frozen.acted, c.frozen.vain = now, false
	f = recovery.Fault{Stream: v.stream, Least: v.step, Most: frozenMost, Reason: v.err.Error()}
	if v.step > recovery.RebuildStream {
		f.Stream = ""
	}
	return f, v.err
}

// try takes the snapshots and judges.
func (c *Camera) try(ctx context.Context, b *branch) verdict {
	ctx, cancel := context.WithTimeout(ctx, judgeTime)
	defer cancel()
	first, err := c.TakeStill(ctx, StillOptions{})
	if err == nil && !sleep(ctx, judgePause) {
		err = ctx.Err()
	}
	var second Still
	if err == nil {
		second, err = c.TakeStill(ctx, StillOptions{})
	}
	if err == nil && !b.vitals.suspect() {
		return verdict{} // it moves again
	}
	if err != nil {
		return verdict{}
	}
	plain, err := isUniform(second.JPEG)
	switch {
	case err != nil:
		c.log.Warn("snapshot cannot be read", "err", err)
		return verdict{}
	case plain:
		b.vitals.setContent(Uniform)
		return verdict{}
	}
	b.vitals.setContent(Unchanging)
	v := verdict{stream: b.cfg.Name, step: recovery.RebuildStream, err: fmt.Errorf("stream %s %w", b.cfg.Name, errFrozen)}
	if bytes.Equal(scan(first.JPEG), scan(second.JPEG)) {
		v.step, v.err = recovery.RebuildPipeline, fmt.Errorf("camera %w", errFrozen)
	}
	return v
}

// scan is the coded picture of a JPEG, without what is said about it (ITU-T T.81 section B.1.1.3: from SOS on).
func scan(file []byte) []byte {
	return file[max(0, bytes.LastIndex(file, []byte{0xff, 0xda})):]
}

// uniformSpread is how much the luma of a picture of one colour may vary, of 255: less than a hand before the lens does.
const uniformSpread = 6

// isUniform says whether a JPEG shows nothing. The extremes do not count: 1 in 16 samples at either end, for there may
// be a caption.
func isUniform(file []byte) (bool, error) {
	picture, err := jpeg.Decode(bytes.NewReader(file))
	if err != nil {
		return false, err
	}
	m, ok := picture.(*image.YCbCr)
	if !ok {
		return false, fmt.Errorf("JPEG is a %T", picture)
	}
	var count [256]int
	for y := range m.Rect.Dy() {
		for _, v := range m.Y[y*m.YStride:][:m.Rect.Dx()] {
			count[v]++
		}
	}
	const outliers = 16
	limit := m.Rect.Dx() * m.Rect.Dy() / outliers
	low, high := 0, len(count)-1
	for n := count[low]; n <= limit; n += count[low] {
		low++
	}
	for n := count[high]; n <= limit; n += count[high] {
		high--
	}
	return high-low <= uniformSpread, nil
}
