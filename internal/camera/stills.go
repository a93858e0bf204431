package camera

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/camkrazy/camkrazy/internal/exif"
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

// errLate says that the encoder gave nothing, as opposed to something damaged.
var errLate = fmt.Errorf("%w within %v", ErrNoStill, stillTimeout)

// stills takes JPEG pictures from the running video, one at a time.
type stills struct {
	cfg    SnapshotConfig
	widest int // that may be asked for
	log    *slog.Logger
	asked  chan stillRequest
	usual  stillShape

	part
	from    *mmal.Port // the splitter's
	scaler  *mmal.Component
	encoder *mmal.Component
	linked  bool       // scaler and encoder are connected
	fitted  stillShape // what the branch is set up for; zero if it is unknown
	model   string     // of the camera, as Exif has it
	// pending belongs to run: who waits for a picture of another shape than the one being taken.
	pending []stillRequest

	mu   sync.Mutex // guards what follows
	data []byte
	pts  int64
	done chan error // nil while no picture is being taken
	last Still
	n    uint64
}

// stillRequest is somebody who waits for a picture, as long as ctx is not done.
type stillRequest struct {
	ctx    context.Context
	shape  stillShape
	answer chan<- stillResult // has room
}

type stillResult struct {
	still Still
	err   error
}

func newStills(cfg Config, log *slog.Logger) *stills {
	c := cfg.Snapshot
	return &stills{
		cfg: c, widest: widestStill(cfg), log: log, asked: make(chan stillRequest),
		usual: stillShape{c.Width, c.Height, c.Quality},
	}
}

// build makes the branch, connected but not enabled.
func (st *stills) build(ctx context.Context, s *session) error {
	st.model = cameraModel(s.sensorInfo.Name)
	var err error
	if st.from, err = s.split(ctx); err != nil {
		return err
	}
	return st.make(ctx)
}

// make makes the branch's components, connected but not enabled.
func (st *stills) make(ctx context.Context) (err error) {
	st.linked, st.fitted = false, stillShape{}
	if st.scaler, err = st.createScaler(ctx, st.log); err != nil {
		return err
	}
	if st.encoder, err = st.create(ctx, "ril.image_encode", nil); err != nil {
		return err
	}
	if err := st.connect(ctx, st.from, st.scaler.Inputs[0]); err != nil {
		return err
	}
	st.onStop(st.unlink)
	if err := st.fit(ctx, st.usual); err != nil {
		return err
	}
	if err := st.configure(ctx); err != nil {
		return err
	}
	st.workers = append(st.workers, st.scaler, st.encoder)
	return nil
}

// fit sets the branch up for pictures of a shape; it is not enabled. Only what differs is changed, and if something
// fails, all of it is the next time.
func (st *stills) fit(ctx context.Context, want stillShape) error {
	was := st.fitted
	st.fitted = stillShape{}
	if was.width != want.width || was.height != want.height {
		if err := st.link(ctx, want.width, want.height); err != nil {
			return err
		}
	}
	if was.quality != want.quality {
		quality := &mmal.Uint32{ID: mmal.ParamJPEGQuality, Value: uint32(want.quality)}
		if err := st.encoder.Outputs[0].Set(ctx, quality); err != nil {
			return err
		}
	}
	st.fitted = want
	return nil
}

// link connects the scaler with the encoder, by pictures of a size. It first ends the link that there may be, for no
// document says that a port's format may change while it is connected.
func (st *stills) link(ctx context.Context, width, height int) error {
	if err := st.unlink(ctx); err != nil {
		return err
	}
	from, to, out := st.scaler.Outputs[0], st.encoder.Inputs[0], st.encoder.Outputs[0]
	if err := from.Commit(ctx, picture420(width, height, mmal.Rational{Num: 0, Den: 1}), mmal.Buffers{}); err != nil {
		return err
	}
	if err := to.Commit(ctx, from.Format(), mmal.Buffers{}); err != nil {
		return err
	}
	if err := from.Connect(ctx, to); err != nil {
		return err
	}
	st.linked = true
	format := to.Format()
	format.Encoding, format.Variant = mmal.EncodingJPEG, 0
	return out.Commit(ctx, format, mmal.Buffers{Num: stillBuffers, Size: stillBufferSize})
}

// unlink ends the connection of scaler and encoder, if there is one.
func (st *stills) unlink(ctx context.Context) error {
	if !st.linked {
		return nil
	}
	err := st.scaler.Outputs[0].Disconnect(ctx)
	st.linked = err != nil
	return err
}

// configure leaves thumbnail and Exif to this program, which knows more.
func (st *stills) configure(ctx context.Context) error {
	off := &mmal.Boolean{ID: mmal.ParamEXIFDisable, Value: true}
	err := st.encoder.Outputs[0].Set(ctx, off)
	if _, refused := errors.AsType[mmal.Status](err); refused {
		st.log.Warn("firmware writes Exif of its own, which is replaced", "err", err)
	} else if err != nil {
		return err
	}
	return st.encoder.Control.Set(ctx, &mmal.Thumbnail{})
}

// run takes pictures at their interval, the first at once, and when asked to, until ctx is done. A picture that fails is
// a warning, for the streams do not need it, and treat may mend the branch; a firmware that answers no more is the end.
func (st *stills) run(ctx context.Context, treat func(context.Context, error) error) error {
	due := make(<-chan time.Time)
	if st.cfg.Interval > 0 {
		t := time.NewTicker(st.cfg.Interval)
		defer t.Stop()
		due = t.C
	}
	for first := st.cfg.Interval > 0; ; first = false {
		shape := st.usual
		if !first {
			var ok bool
			if shape, ok = st.next(ctx, due); !ok {
				return nil
			}
		}
		still, err := st.take(ctx, shape)
		st.answer(shape, stillResult{still, err})
		if ctx.Err() != nil {
			return nil
		} else if errors.Is(err, mmal.ErrNoReply) || errors.Is(err, mmal.ErrClosed) {
			return err
		} else if err != nil {
			st.log.Warn("no snapshot", "err", err)
			if !errors.Is(err, errLate) {
				continue
			}
			if err := treat(ctx, err); err != nil {
				return err
			}
		}
	}
}

// next waits for a reason to take a picture and says of which shape; not ok is the end. The interval goes first, so that
// those who ask cannot keep it off.
func (st *stills) next(ctx context.Context, due <-chan time.Time) (shape stillShape, ok bool) {
	for len(st.pending) > 0 {
		select {
		case <-due:
			return st.usual, true
		default:
		}
		if st.pending[0].ctx.Err() == nil {
			return st.pending[0].shape, true
		}
		st.pending = st.pending[1:] // has gone away
	}
	select {
	case <-due:
		return st.usual, true
	case r := <-st.asked:
		st.pending = append(st.pending, r)
		return r.shape, true
	case <-ctx.Done():
		return st.usual, false
	}
}

// answer gives a picture to all who have asked for its shape by now.
func (st *stills) answer(shape stillShape, result stillResult) {
	for {
		select {
		case r := <-st.asked:
			st.pending = append(st.pending, r)
			continue
		default:
		}
		break
	}
	st.pending = slices.DeleteFunc(st.pending, func(r stillRequest) bool {
		if r.shape == shape {
			r.answer <- result
		}
		return r.shape == shape
	})
}

// take enables the branch for one picture. Those of the usual shape are everybody's.
func (st *stills) take(ctx context.Context, shape stillShape) (Still, error) {
	err := st.fit(ctx, shape)
	var still Still
	if err == nil {
		still, err = st.capture(ctx)
	}
	if ctx.Err() != nil {
		return Still{}, context.Cause(ctx)
	}
	if err != nil {
		return Still{}, fmt.Errorf("take snapshot: %w", err)
	}
	if shape != st.usual {
		return still, nil
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
		clear, cancel := outliving(ctx, stillStop)
		defer cancel()
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
		if err != nil {
			return Still{}, err
		}
		return st.end()
	case <-timeout.C:
		return Still{}, errLate
	case <-ctx.Done():
		return Still{}, context.Cause(ctx)
	}
}

// outliving returns a context that is done some time after ctx is.
func outliving(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if sleep(longer, grace) {
			cancel()
		}
	})
	return longer, func() {
		stop()
		cancel()
	}
}

// rebuild takes the branch down and makes it anew while the streams run.
func (st *stills) rebuild(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, rebuildTimeout, mmal.ErrNoReply)
	defer cancel()
	if err := st.stop(ctx); errors.Is(err, mmal.ErrNoReply) || errors.Is(err, mmal.ErrClosed) {
		return fmt.Errorf("take snapshots down: %w", err)
	}
	if err := st.make(ctx); err != nil {
		return fmt.Errorf("rebuild snapshots: %w", err)
	}
	return st.enableWorkers(ctx)
}

func (st *stills) begin() <-chan error {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.data, st.pts = nil, mmal.TimeUnknown
	st.done = make(chan error, 1)
	return st.done
}

// end completes the picture that has come, and tells in it what it is of.
func (st *stills) end() (Still, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	now := time.Now()
	info := exif.Info{
		Taken: now, Make: "Raspberry Pi", Model: st.model, Software: "camkrazy",
		Width: st.fitted.width, Height: st.fitted.height,
	}
	file, err := exif.Add(st.data, info)
	if err != nil {
		return Still{}, fmt.Errorf("%w: %w", ErrNoStill, err)
	}
	return Still{JPEG: file, PTS: time.Duration(st.pts) * time.Microsecond, Taken: now}, nil
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
