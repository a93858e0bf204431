package camera

import (
	"context"
	"errors"
	"log/slog"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// part is a piece of the pipeline that can be built, started and taken down while the others run.
type part struct {
	client *mmal.Client
	// undo is what takes the part down, in the order of building.
	undo    []func(context.Context) error
	workers []*mmal.Component // to be enabled, nearest to the sensor first
	tunnels []tunnel
}

// tunnel is a link inside the firmware.
type tunnel struct{ from, to *mmal.Port }

// stop takes the part down, whatever of it there is. It does not go on when ctx is done.
func (p *part) stop(ctx context.Context) error {
	var errs []error
	for len(p.undo) > 0 && ctx.Err() == nil {
		last := len(p.undo) - 1
		errs = append(errs, p.undo[last](ctx))
		p.undo = p.undo[:last]
	}
	p.workers, p.tunnels = nil, nil
	return errors.Join(errs...)
}

func (p *part) onStop(undo func(context.Context) error) { p.undo = append(p.undo, undo) }

// create makes a component that stop destroys.
func (p *part) create(ctx context.Context, name string, onEvent func(mmal.Event)) (*mmal.Component, error) {
	comp, err := p.client.CreateComponent(ctx, name, onEvent)
	if err != nil {
		return nil, err
	}
	p.onStop(comp.Destroy)
	return comp, nil
}

// createScaler makes the hardware's scaler, or the slower one in software of firmware that lacks it.
func (p *part) createScaler(ctx context.Context, log *slog.Logger) (*mmal.Component, error) {
	isp, err := p.create(ctx, "ril.isp", nil)
	if err == nil {
		return isp, nil
	}
	if _, refused := errors.AsType[mmal.Status](err); !refused {
		return nil, err
	}
	log.Warn("firmware has no ISP component, scaling by ril.resize", "err", err)
	return p.create(ctx, "ril.resize", nil)
}

// tunnel makes a link that enableTunnels enables: it gives the source's format to the sink and connects them.
func (p *part) tunnel(ctx context.Context, from, to *mmal.Port) error {
	if err := p.connect(ctx, from, to); err != nil {
		return err
	}
	p.tunnels = append(p.tunnels, tunnel{from, to})
	return nil
}

// connect gives the source's format to the sink and connects them, disabled.
func (p *part) connect(ctx context.Context, from, to *mmal.Port) error {
	if err := to.Commit(ctx, from.Format(), mmal.Buffers{}); err != nil {
		return err
	}
	if err := from.Connect(ctx, to); err != nil {
		return err
	}
	p.onStop(from.Disconnect)
	return nil
}

// enableWorkers enables the components, sinks first.
func (p *part) enableWorkers(ctx context.Context) error {
	for i := len(p.workers) - 1; i >= 0; i-- {
		if err := p.workers[i].Enable(ctx); err != nil && !errors.Is(err, mmal.ENoSys) {
			return err
		}
		p.onStop(p.workers[i].Disable)
	}
	return nil
}

// enableTunnels lets images flow, into the sinks first.
func (p *part) enableTunnels(ctx context.Context) error {
	for i := len(p.tunnels) - 1; i >= 0; i-- {
		t := p.tunnels[i]
		if err := t.from.EnableTunnel(ctx, t.to, tunnelSize(t.from, t.to)); err != nil {
			return err
		}
		p.onStop(func(ctx context.Context) error { return t.from.DisableTunnel(ctx, t.to) })
	}
	return nil
}

// tunnelSize is the number and size of buffers to ask for at both ends of a tunnel: what either of them wants.
func tunnelSize(from, to *mmal.Port) mmal.Buffers {
	a, b := from.Block(), to.Block()
	return mmal.Buffers{
		Num:  max(a.Min.Num, a.Advised.Num, b.Min.Num, b.Advised.Num, tunnelBuffers),
		Size: max(a.Min.Size, a.Advised.Size, b.Min.Size, b.Advised.Size),
	}
}
