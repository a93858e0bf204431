package camera

import (
	"context"
	"sync/atomic"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// gate is a link between two ports that lets every N-th frame through. The firmware has no component that does, so the
// link is not tunnelled: each frame comes to ARM as a buffer that holds only a reference to an image in GPU memory.
// Those to be passed on are given to the input port, and back to the output port when the input port returns them;
// the others go back at once, as images that ARM holds are missing in the camera's pool.
type gate struct {
	from, to *mmal.Port
	every    int

	// These belong to the goroutine that reads messages: the frames seen, and the one that the input port has.
	count   int
	in, out *mmal.Buffer
	payload [mmal.MaxShortPayload]byte

	skipped *atomic.Uint64 // frames that were due while the input port still had the one before
	refused atomic.Uint64  // frames that came back with an error
}

// gateBuffers is how many images ARM may hold. While the input port has one the splitter needs another, for an output
// without buffers holds up all the others; and the two are fewer than the camera has.
const gateBuffers = 2

// newGate makes a link that counts the frames that it skips.
func newGate(from, to *mmal.Port, every int, skipped *atomic.Uint64) *gate {
	return &gate{from: from, to: to, every: every, skipped: skipped}
}

// format is that of the receiving port: the frames as they are, at the rate at which they get through.
func (g *gate) format(plan StreamPlan) mmal.Format {
	f := g.from.Format()
	f.Video.FrameRate = rational(plan.FrameRate)
	return f
}

// enable opens both ports, the receiving one first.
func (g *gate) enable(ctx context.Context) error {
	if err := g.to.Enable(ctx, g.buffers(g.to), g.returned); err != nil {
		return err
	}
	if err := g.from.Enable(ctx, g.buffers(g.from), g.frame); err != nil {
		g.to.Disable(ctx) // the first error is the one that counts
		return err
	}
	return nil
}

func (g *gate) disable(ctx context.Context) error {
	err := g.from.Disable(ctx)
	if err2 := g.to.Disable(ctx); err == nil {
		err = err2
	}
	return err
}

func (g *gate) buffers(p *mmal.Port) mmal.Buffers {
	b := p.Block()
	return mmal.Buffers{Num: max(b.Min.Num, gateBuffers), Size: max(b.Min.Size, b.Advised.Size, mmal.MaxShortPayload)}
}

// frame handles a frame from the splitter.
func (g *gate) frame(out *mmal.Buffer) {
	if len(out.Data) == 0 {
		out.Release()
		return
	}
	due := g.count%g.every == 0
	g.count++
	if !due {
		out.Release()
		return
	}
	if g.in == nil {
		n := copy(g.payload[:], out.Data)
		if g.in = g.to.Send(g.payload[:n], out.Flags, out.PTS); g.in != nil {
			g.out = out
			return
		}
	}
	g.skipped.Add(1)
	out.Release()
}

// returned handles a buffer that the receiving component is done with.
func (g *gate) returned(in *mmal.Buffer) {
	if in.Flags&(mmal.FlagTransmissionFailed|mmal.FlagCorrupted) != 0 {
		g.refused.Add(1)
	}
	if in == g.in {
		g.out.Release()
		g.in, g.out = nil, nil
	}
}
