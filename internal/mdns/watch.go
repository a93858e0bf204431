package mdns

import (
	"context"
	"time"
)

// watch follows an announcement from the outside.
type watch struct {
	id      identity
	wire    *wire
	unheard map[string]bool // service instances whose announcement was not heard yet
}

func newWatch(id identity, on *wire) *watch {
	w := &watch{id: id, wire: on, unheard: make(map[string]bool)}
	for _, instance := range id.instances {
		w.unheard[instance] = true
	}
	return w
}

// heard says whether all of the announcement was heard.
func (w *watch) heard() bool {
	return len(w.unheard) == 0
}

// run returns why the announcement cannot go on; onHeard is called when all of it was heard.
func (w *watch) run(ctx context.Context, onHeard func()) error {
	tick := time.NewTicker(rescan)
	defer tick.Stop()
	late := time.NewTimer(announceTimeout)
	defer late.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return errUnheard
		case <-tick.C:
			if err := w.look(); err != nil {
				return err
			}
		case p := <-w.wire.packets:
			if err := w.take(p); err != nil {
				return err
			}
			if w.heard() && late.Stop() {
				onHeard()
			}
		}
	}
}

// look says whether the interfaces are still the same.
func (w *watch) look() error {
	now, err := scanLinks()
	if err != nil {
		return err
	}
	if !now.equal(w.id.host) {
		return errLinks
	}
	return nil
}

func (w *watch) take(p packet) error {
	for _, instance := range w.id.announcedBy(p) {
		delete(w.unheard, instance)
	}
	if _, foreign := w.id.claimedBy(p); !foreign || !p.msg.Response {
		// Who only asks for the name will hear that it is taken.
		return nil
	}
	// An address that is as new as the packet is no stranger's.
	if err := w.look(); err != nil {
		return err
	}
	return errConflict
}
