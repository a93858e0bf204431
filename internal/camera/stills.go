package camera

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

const (
	// stillTimeout is how long a picture may take once all is open for it.
	stillTimeout = 3 * time.Second
	// stillStop bounds the closing of the branch when the camera is to stop in the middle of a picture.
	stillStop = 500 * time.Millisecond
	// stillBuffers and stillBufferSize hold a JPEG on its way; the firmware's default of 80 KiB is less than one.
	stillBuffers    = 2
	stillBufferSize = 512 << 10
	// maxStill bounds a JPEG that the firmware may send.
	maxStill = 32 << 20
)

// ErrNoStill says that no picture came.
var ErrNoStill = errors.New("no picture came from the JPEG encoder")

// stills takes JPEG pictures from the running video, one at a time.
type stills struct {
	cfg   SnapshotConfig
	log   *slog.Logger
	asked chan chan stillResult

	from    *mmal.Port // the splitter's
	scaler  *mmal.Component
	encoder *mmal.Component

	mu   sync.Mutex // guards what follows
	data []byte
	pts  int64
	done chan error // nil while no picture is being taken
	last Still
	n    uint64
}

type stillResult struct {
	still Still
	err   error
}

func newStills(cfg SnapshotConfig, log *slog.Logger) *stills {
	return &stills{cfg: cfg, log: log, asked: make(chan chan stillResult)}
}

// build makes the branch, connected but not enabled.
func (st *stills) build(ctx context.Context, s *session) error {
	var err error
	if st.from, err = s.split(ctx); err != nil {
		return err
	}
	if st.scaler, err = createScaler(ctx, s); err != nil {
		return err
	}
	if st.encoder, err = s.create(ctx, "ril.image_encode", nil); err != nil {
		return err
	}
	if err := s.connect(ctx, st.from, st.scaler.Inputs[0]); err != nil {
		return err
	}
	size := picture420(st.cfg.Width, st.cfg.Height, mmal.Rational{Num: 0, Den: 1})
	if err := st.scaler.Outputs[0].Commit(ctx, size, mmal.Buffers{}); err != nil {
		return err
	}
	if err := s.connect(ctx, st.scaler.Outputs[0], st.encoder.Inputs[0]); err != nil {
		return err
	}
	if err := st.configure(ctx); err != nil {
		return err
	}
	s.workers = append(s.workers, st.scaler, st.encoder)
	return nil
}

func (st *stills) configure(ctx context.Context) error {
	out := st.encoder.Outputs[0]
	format := st.encoder.Inputs[0].Format()
	format.Encoding, format.Variant = mmal.EncodingJPEG, 0
	if err := out.Commit(ctx, format, mmal.Buffers{Num: stillBuffers, Size: stillBufferSize}); err != nil {
		return err
	}
	quality := &mmal.Uint32{ID: mmal.ParamJPEGQuality, Value: uint32(st.cfg.Quality)}
	if err := out.Set(ctx, quality); err != nil {
		return err
	}
	return st.encoder.Control.Set(ctx, &mmal.Thumbnail{})
}

// run takes pictures at their interval, the first at once, and when asked to, until ctx is done. A picture that fails is
// a warning, for the streams do not need it; a firmware that answers no more is the end.
func (st *stills) run(ctx context.Context) error {
	due := make(<-chan time.Time)
	if st.cfg.Interval > 0 {
		t := time.NewTicker(st.cfg.Interval)
		defer t.Stop()
		due = t.C
	}
	for first := st.cfg.Interval > 0; ; first = false {
		var answer chan stillResult
		if !first {
			select {
			case <-due:
			case answer = <-st.asked:
			case <-ctx.Done():
				return nil
			}
		}
		still, err := st.take(ctx)
		for answer != nil {
			answer <- stillResult{still, err}
			answer = st.waiting()
		}
		if ctx.Err() != nil {
			return nil
		} else if errors.Is(err, mmal.ErrNoReply) || errors.Is(err, mmal.ErrClosed) {
			return err
		} else if err != nil {
			st.log.Warn("no snapshot", "err", err)
		}
	}
}

// waiting is another one who has asked meanwhile, and gets the same picture; nil if there is none.
func (st *stills) waiting() chan stillResult {
	select {
	case answer := <-st.asked:
		return answer
	default:
		return nil
	}
}

// take enables the branch for one picture.
func (st *stills) take(ctx context.Context) (Still, error) {
	still, err := st.capture(ctx)
	if ctx.Err() != nil {
		return Still{}, context.Cause(ctx)
	}
	if err != nil {
		return Still{}, fmt.Errorf("take snapshot: %w", err)
	}
	st.mu.Lock()
	st.last = still
	st.n++
	st.mu.Unlock()
	if st.cfg.Sink != nil {
		st.cfg.Sink(still)
	}
	return still, nil
}

func (st *stills) capture(ctx context.Context) (still Still, err error) {
	done := st.begin()
	out, mid, in := st.encoder.Outputs[0], st.scaler.Outputs[0], st.scaler.Inputs[0]
	var undo []func(context.Context) error
	defer func() {
		// The branch must not stay open, not even if ctx is over; but then somebody is waiting for the end.
		clear := context.WithoutCancel(ctx)
		if ctx.Err() != nil {
			var cancel context.CancelFunc
			clear, cancel = context.WithTimeout(clear, stillStop)
			defer cancel()
		}
		for i := len(undo) - 1; i >= 0; i-- {
			err = errors.Join(err, undo[i](clear))
		}
	}()
	block := out.Block()
	buffers := mmal.Buffers{Num: max(stillBuffers, block.Min.Num), Size: max(block.Buffers.Size, block.Min.Size)}
	if err := out.Enable(ctx, buffers, st.fragment); err != nil {
		return Still{}, err
	}
	undo = append(undo, out.Disable)
	for _, t := range []tunnel{{mid, st.encoder.Inputs[0]}, {st.from, in}} {
		if err := t.from.EnableTunnel(ctx, t.to, tunnelSize(t.from, t.to)); err != nil {
			return Still{}, err
		}
		undo = append(undo, func(ctx context.Context) error { return t.from.DisableTunnel(ctx, t.to) })
	}
	timeout := time.NewTimer(stillTimeout)
	defer timeout.Stop()
	select {
	case err := <-done:
		return st.end(), err
	case <-timeout.C:
		return Still{}, ErrNoStill
	case <-ctx.Done():
		return Still{}, context.Cause(ctx)
	}
}

func (st *stills) begin() <-chan error {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.data, st.pts = nil, mmal.TimeUnknown
	st.done = make(chan error, 1)
	return st.done
}

func (st *stills) end() Still {
	st.mu.Lock()
	defer st.mu.Unlock()
	return Still{JPEG: st.data, PTS: time.Duration(st.pts) * time.Microsecond, Taken: time.Now()}
}

// fragment takes a part of a JPEG, on the goroutine that reads messages. Pictures after the first are thrown away.
func (st *stills) fragment(buf *mmal.Buffer) {
	defer buf.Release()
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.done == nil {
		return
	}
	st.data = append(st.data, buf.Data...)
	if st.pts == mmal.TimeUnknown {
		st.pts = buf.PTS
	}
	switch {
	case buf.Flags&(mmal.FlagTransmissionFailed|mmal.FlagCorrupted) != 0, len(st.data) > maxStill:
		st.done <- fmt.Errorf("%w: its data is damaged (%v)", ErrNoStill, buf.Flags)
	case buf.Flags&mmal.FlagFrameEnd != 0:
		st.done <- nil
	default:
		return
	}
	st.done = nil
}

func (st *stills) status() SnapshotStatus {
	st.mu.Lock()
	defer st.mu.Unlock()
	return SnapshotStatus{Frames: st.n, Last: st.last}
}
