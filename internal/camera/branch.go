package camera

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// branch is one stream: what is between the splitter and its Sink.
type branch struct {
	part
	cfg StreamConfig
	asm *assembler
	log *slog.Logger
	// wanted holds at most one wish for a key frame that has not been passed on yet.
	wanted chan struct{}

	from    *mmal.Port // the splitter's
	encoder *mmal.Component
	scaler  *mmal.Component // nil if the stream has the camera's size
	gate    *gate           // nil if the stream has the camera's rate
	vitals  vitals

	frames, keyFrames, bytes, dropped, empties atomic.Uint64
	meter                                      meter
	idrSeen                                    chan struct{}
	size                                       int // bytes since the last picture; the reading goroutine's own

	mu        sync.Mutex // guards what follows
	link      string
	frameRate float64 // that the stream really has
	noGate    bool    // the firmware has shown that the gate does not work
	// asked are the ports that are asked for key frames, the encoder's output and control.
	asked [2]*mmal.Port
}

func newBranch(cfg StreamConfig, log *slog.Logger) *branch {
	return &branch{
		cfg: cfg, asm: newAssembler(), log: log.With("stream", cfg.Name),
		wanted: make(chan struct{}, 1), idrSeen: make(chan struct{}, 1),
	}
}

// build makes the branch as a part of a new pipeline.
func (b *branch) build(ctx context.Context, s *session, plan StreamPlan) error {
	var err error
	if b.from, err = s.split(ctx); err != nil {
		return err
	}
	return b.make(ctx, s, plan)
}

// make makes the branch's components and tunnels. A stream slower than the camera has its frames carried through ARM;
// if the firmware refuses that, it runs at the camera's rate.
func (b *branch) make(ctx context.Context, s *session, plan StreamPlan) error {
	if err := b.createComponents(ctx, s); err != nil {
		return err
	}
	from := b.from
	var err error
	entry := b.encoder.Inputs[0]
	if b.scaler != nil {
		entry = b.scaler.Inputs[0]
	}
	if plan.Every > 1 {
		if plan, err = b.tryGate(ctx, s, newGate(from, entry, plan.Every, &b.dropped), plan); err != nil {
			return err
		}
	}
	b.setRate(plan.FrameRate)
	if b.gate != nil {
		err = entry.Commit(ctx, b.gate.format(plan), mmal.Buffers{})
	} else {
		err = b.tunnel(ctx, from, entry)
	}
	if err != nil {
		return err
	}
	if b.scaler != nil {
		out := b.scaler.Outputs[0]
		size := picture420(plan.Width, plan.Height, rational(plan.FrameRate))
		if err := out.Commit(ctx, size, mmal.Buffers{}); err != nil {
			return err
		}
		if err := b.tunnel(ctx, out, b.encoder.Inputs[0]); err != nil {
			return err
		}
	}
	return b.configure(ctx, plan)
}

// createComponents makes the encoder, and a scaler if the stream's size is not the camera's.
func (b *branch) createComponents(ctx context.Context, s *session) (err error) {
	b.scaler, b.gate = nil, nil
	b.setLink("tunnel")
	if b.cfg.Width != s.cfg.Width || b.cfg.Height != s.cfg.Height {
		if b.scaler, err = b.createScaler(ctx, b.log); err != nil {
			return err
		}
		b.workers = append(b.workers, b.scaler)
	}
	if b.encoder, err = b.create(ctx, "ril.video_encode", nil); err != nil {
		return err
	}
	b.workers = append(b.workers, b.encoder)
	b.vitals.built(s.plan.stream(b.cfg.Name), &s.controls.shutter)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = [2]*mmal.Port{b.encoder.Outputs[0], b.encoder.Control}
	return nil
}

// errGateDead says that a firmware took frames from ARM and made nothing of them.
var errGateDead = errors.New("no picture came of the frames that were carried through ARM")

// tryGate finds out, while nothing depends on it yet, whether the firmware lets ARM carry frames. It returns the plan
// that holds then.
func (b *branch) tryGate(ctx context.Context, s *session, g *gate, plan StreamPlan) (StreamPlan, error) {
	err := errGateDead
	if !b.gateIsDead() {
		err = g.to.Commit(ctx, g.format(plan), mmal.Buffers{})
		if err == nil {
			err = g.enable(ctx)
		}
		if err == nil {
			err = g.disable(ctx)
		}
	}
	if err == nil {
		b.gate = g
		b.setLink(fmt.Sprintf("1 of %d frames through ARM", g.every))
		return plan, nil
	}
	if _, refused := errors.AsType[mmal.Status](err); !refused && !errors.Is(err, errGateDead) {
		return plan, err
	}
	full := s.plan.atFullRate(s.cfg, b.cfg.Name)
	b.log.Warn("firmware does not let ARM carry frames: the stream runs at the camera's frame rate",
		"framerate", s.cfg.FrameRate, "err", err)
	for _, w := range full.Warnings {
		b.log.Warn(w)
	}
	s.plan = full
	b.setLink("tunnel at the camera's frame rate: " + err.Error())
	return full.stream(b.cfg.Name), nil
}

// configure sets the encoder up. Its output takes the size from its input, which has been committed.
func (b *branch) configure(ctx context.Context, plan StreamPlan) error {
	in, out := b.encoder.Inputs[0], b.encoder.Outputs[0]
	format := in.Format()
	format.Encoding, format.Variant = mmal.EncodingH264, 0
	format.Bitrate = uint32(b.cfg.Bitrate)
	format.Video.FrameRate = mmal.Rational{Num: 0, Den: 1} // as the input has it
	size := mmal.Buffers{Num: encoderBuffers, Size: encoderBufferSize}
	if err := out.Commit(ctx, format, size); err != nil {
		return err
	}
	params, err := b.parameters(plan)
	if err != nil {
		return err
	}
	for _, p := range params {
		if err := out.Set(ctx, p); err != nil {
			return err
		}
	}
	if err := b.configureRefresh(ctx, out); err != nil {
		return err
	}
	// The splitter's images are shared, so the encoder must not use them as its own reference pictures.
	return in.Set(ctx, &mmal.Boolean{ID: mmal.ParamImmutableInput, Value: true})
}

// parameters are those of the encoder's output.
func (b *branch) parameters(plan StreamPlan) ([]mmal.Parameter, error) {
	profiles := map[string]mmal.Profile{
		"baseline": mmal.ProfileBaseline, "constrained": mmal.ProfileConstrainedBaseline,
		"main": mmal.ProfileMain, "high": mmal.ProfileHigh,
	}
	levels := map[string]mmal.Level{
		"3": mmal.Level3, "3.1": mmal.Level31, "3.2": mmal.Level32,
		"4": mmal.Level4, "4.1": mmal.Level41, "4.2": mmal.Level42,
	}
	profile, ok := profiles[b.cfg.Profile]
	if !ok {
		return nil, fmt.Errorf("configure encoder of %s: unknown profile %q", b.cfg.Name, b.cfg.Profile)
	}
	level, ok := levels[plan.Level]
	if !ok {
		return nil, fmt.Errorf("configure encoder of %s: unknown level %q", b.cfg.Name, plan.Level)
	}
	params := []mmal.Parameter{
		&mmal.VideoProfile{Profile: profile, Level: level},
		&mmal.Uint32{ID: mmal.ParamIntraPeriod, Value: uint32(plan.KeyFrames)},
		&mmal.Boolean{ID: mmal.ParamInlineHeader, Value: true},
		&mmal.Boolean{ID: mmal.ParamSEIEnable, Value: true},
		&mmal.Boolean{ID: mmal.ParamSPSTiming, Value: true},
	}
	quants := []struct {
		id    mmal.ParameterID
		value int
	}{
		{mmal.ParamInitialQuant, b.cfg.QP},
		{mmal.ParamMinQuant, max(b.cfg.QP, b.cfg.MinQP)},
		{mmal.ParamMaxQuant, max(b.cfg.QP, b.cfg.MaxQP)},
	}
	for _, q := range quants {
		if q.value != 0 {
			params = append(params, &mmal.Uint32{ID: q.id, Value: uint32(q.value)})
		}
	}
	return params, nil
}

// configureRefresh changes the mode only and keeps the firmware's counts.
func (b *branch) configureRefresh(ctx context.Context, out *mmal.Port) error {
	modes := map[string]mmal.RefreshMode{
		"cyclic": mmal.RefreshCyclic, "adaptive": mmal.RefreshAdaptive,
		"both": mmal.RefreshBoth, "cyclicrows": mmal.RefreshCyclicRows,
	}
	if b.cfg.IntraRefresh == "" {
		return nil
	}
	mode, ok := modes[b.cfg.IntraRefresh]
	if !ok {
		return fmt.Errorf("configure encoder of %s: unknown intra refresh %q", b.cfg.Name, b.cfg.IntraRefresh)
	}
	var refresh mmal.IntraRefresh
	if err := out.Get(ctx, &refresh); err != nil {
		return err
	}
	refresh.Mode = mode
	return out.Set(ctx, &refresh)
}

// start lets frames in and gives the encoder its buffers.
func (b *branch) start(ctx context.Context) error {
	if b.gate != nil {
		if err := b.gate.enable(ctx); err != nil {
			return err
		}
		b.onStop(b.gate.disable)
	}
	out := b.encoder.Outputs[0]
	size := out.Block()
	buffers := mmal.Buffers{
		Num:  max(encoderBuffers, size.Min.Num),
		Size: max(size.Buffers.Size, size.Min.Size),
	}
	if err := out.Enable(ctx, buffers, b.fragment); err != nil {
		return err
	}
	b.onStop(out.Disable)
	return nil
}

// fragment takes coded data, on the goroutine that reads messages.
func (b *branch) fragment(buf *mmal.Buffer) {
	b.bytes.Add(uint64(len(buf.Data)))
	b.size += len(buf.Data)
	switch b.asm.add(buf.Data, buf.Flags, buf.PTS) {
	case skipped:
		b.dropped.Add(1)
	case deliveredIDR:
		b.keyFrames.Add(1)
		select {
		case b.idrSeen <- struct{}{}:
		default:
		}
		fallthrough
	case delivered:
		b.frames.Add(1)
		b.meter.add(b.size, b.asm.pts)
		b.size = 0
		b.vitals.frame(b.asm.step, b.asm.still.run)
	case dropped:
		b.dropped.Add(1)
		b.wantKeyFrame()
	}
	b.empties.Store(b.asm.empties)
	buf.Release()
}

// wantKeyFrame asks for a key frame soon. It does not block, and wishes that come together are one.
func (b *branch) wantKeyFrame() {
	select {
	case b.wanted <- struct{}{}:
	default:
	}
}

const (
	// keyFrameFloor is the least time between two requests: viewers who come at the same moment share one key frame.
	keyFrameFloor = 50 * time.Millisecond
	// keyFrameRetry is when a request counts as lost, as one is that meets a stalled encoder.
	keyFrameRetry = time.Second
	// keyFrameTries bounds the requests for one wish; after that the regular key frame has come or the stream stands.
	keyFrameTries = 3
)

// serveKeyFrames passes wishes for key frames on to the encoder. One that refuses has its regular key frames still.
func (b *branch) serveKeyFrames(ctx context.Context) error {
	for {
		select {
		case <-b.wanted:
		case <-ctx.Done():
			return nil
		}
		for range keyFrameTries {
			seen, err := b.requestKeyFrame(ctx)
			if status, refused := errors.AsType[mmal.Status](err); refused {
				b.log.Warn("encoder refuses to make a key frame", "status", status)
				break
			} else if err != nil {
				return err
			}
			if seen {
				break
			}
		}
		if !sleep(ctx, keyFrameFloor) {
			return nil
		}
	}
}

// requestKeyFrame asks once and says whether a key frame came.
func (b *branch) requestKeyFrame(ctx context.Context) (seen bool, err error) {
	select {
	case <-b.idrSeen: // an old one
	default:
	}
	// raspivid asks the output port, picamera the control port; which firmware takes which is not documented.
	request := &mmal.Boolean{ID: mmal.ParamRequestIFrame, Value: true}
	b.mu.Lock()
	out, control := b.asked[0], b.asked[1]
	b.mu.Unlock()
	err = out.Set(ctx, request)
	if _, refused := errors.AsType[mmal.Status](err); refused {
		err = control.Set(ctx, request)
	}
	if ctx.Err() != nil {
		return true, nil
	} else if err != nil {
		return false, err
	}
	retry := time.NewTimer(keyFrameRetry)
	defer retry.Stop()
	select {
	case <-b.idrSeen:
		return true, nil
	case <-retry.C:
		return false, nil
	case <-ctx.Done():
		return true, nil
	}
}

// sleep waits and says whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (b *branch) setLink(link string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.link = link
}

func (b *branch) setRate(rate float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.frameRate = rate
}

func (b *branch) gateIsDead() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.noGate
}

func (b *branch) giveUpGate() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.noGate = true
}

func (b *branch) status() StreamStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	lastFrame, taken := b.vitals.times()
	return StreamStatus{
		Link:      b.link,
		FrameRate: b.frameRate,
		Frames:    b.frames.Load(),
		KeyFrames: b.keyFrames.Load(),
		Bytes:     b.bytes.Load(),
		Dropped:   b.dropped.Load(),
		Empty:     b.empties.Load(),
		Bitrate:   b.meter.bitrate(),
		LastFrame: lastFrame,
		Taken:     taken,
		Content:   b.vitals.contentNow(),
	}
}
