package mmal

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func TestCreateComponent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFirmware(2, 3)
		var req CreateRequest
		r := start(t, func(h Header, msg, bulk []byte) []says {
			if h.ID == ComponentCreate {
				Decode(msg, &req)
			}
			return f.hear(h, msg, bulk)
		})
		c := r.create("ril.x", nil)
		var names []string
		var handles []uint32
		for _, p := range slices.Concat([]*Port{c.Control}, c.Inputs, c.Outputs) {
			names = append(names, p.String())
			handles = append(handles, p.peerAddress().Port)
		}
		want := []string{"ril.x:control", "ril.x:in0", "ril.x:in1", "ril.x:out0", "ril.x:out1", "ril.x:out2"}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("ports (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]uint32{0x110, 0x120, 0x121, 0x130, 0x131, 0x132}, handles); diff != "" {
			t.Errorf("their handles (-want +got):\n%s", diff)
		}
		if want := (CreateRequest{req.ClientComponent, "ril.x", uint32(os.Getpid())}); req != want || req.ClientComponent == 0 {
			t.Errorf("asked for %+v, want %+v", req, want)
		}
		if want := (Buffers{3, 8192}); c.Outputs[2].Block().Advised != want {
			t.Errorf("port advises %v, want %v", c.Outputs[2].Block().Advised, want)
		}
		if err := c.Enable(t.Context()); err != nil {
			t.Error(err)
		}
		if err := c.Disable(t.Context()); err != nil {
			t.Error(err)
		}
		if err := c.Destroy(t.Context()); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]uint32{0x100}, f.destroyed); diff != "" {
			t.Errorf("destroyed (-want +got):\n%s", diff)
		}
		for _, id := range []MessageID{ComponentEnable, ComponentDisable} {
			if n := len(r.requests(id)); n != 1 {
				t.Errorf("%d %v, want 1", n, id)
			}
		}
	})
}

// TestCreateFails has each request of a creation fail: a component that exists must not stay.
func TestCreateFails(t *testing.T) {
	refused := func(n int) func(fake) fake {
		return func(next fake) fake { return failNth(n, PortInfoGet, ENoEnt, next) }
	}
	ports := func(inputs, outputs uint32) func(fake) fake {
		return func(next fake) fake {
			return func(h Header, msg, bulk []byte) []says {
				if h.ID == ComponentCreate {
					next(h, msg, bulk)
					return answer(h, &CreateReply{Component: 0x100, Inputs: inputs, Outputs: outputs})
				}
				return next(h, msg, bulk)
			}
		}
	}
	tests := map[string]struct {
		with      func(fake) fake
		want      error
		destroyed []uint32
	}{
		"not there":       {func(next fake) fake { return fail(ComponentCreate, ENoMem, next) }, ENoMem, nil},
		"no answer":       {func(next fake) fake { return silent(ComponentCreate, next) }, ErrNoReply, nil},
		"control port":    {refused(0), ENoEnt, []uint32{0x100}},
		"input":           {refused(1), ENoEnt, []uint32{0x100}},
		"last output":     {refused(3), ENoEnt, []uint32{0x100}},
		"mute port":       {func(next fake) fake { return silent(PortInfoGet, next) }, ErrNoReply, []uint32{0x100}},
		"17 inputs":       {ports(17, 0), ErrProtocol, []uint32{0x100}},
		"17 outputs":      {ports(0, 17), ErrProtocol, []uint32{0x100}},
		"4 Gi of outputs": {ports(0, 1<<32-1), ErrProtocol, []uint32{0x100}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFirmware(1, 2)
				r := start(t, tt.with(f.hear))
				c, err := r.client.CreateComponent(t.Context(), "ril.x", nil)
				if c != nil || !errors.Is(err, tt.want) {
					t.Errorf("got %v, %v, want %v", c, err, tt.want)
				}
				if err != nil && !strings.Contains(err.Error(), "ril.x") {
					t.Errorf("%q does not name the component", err)
				}
				if diff := cmp.Diff(tt.destroyed, f.destroyed); diff != "" {
					t.Errorf("destroyed (-want +got):\n%s", diff)
				}
				if n := len(r.client.components); n != 0 {
					t.Errorf("client still knows %d components", n)
				}
			})
		})
	}
}

// TestCreateGivenUp has the caller give up while the ports are learnt.
func TestCreateGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFirmware(1, 1)
		r := start(t, silent(PortInfoGet, f.hear))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := r.client.CreateComponent(ctx, "ril.x", nil)
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
		if diff := cmp.Diff([]uint32{0x100}, f.destroyed); diff != "" {
			t.Errorf("destroyed (-want +got):\n%s", diff)
		}
	})
}

// TestDestroyWithBuffersOut destroys a component whose buffers are everywhere: with the firmware, with the handler, and
// with their data under way.
func TestDestroyWithBuffersOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newIdleBench(t)
		other := b.create("ril.y", nil)
		b.enable(other.Outputs[0], Buffers{1, 4096})
		out := b.comp.Outputs[0]
		var kept []*Buffer
		if err := out.Enable(t.Context(), Buffers{4, 4096}, func(buf *Buffer) { kept = append(kept, buf) }); err != nil {
			t.Fatal(err)
		}
		b.say(short(b.f.next(t, out), "kept", 0), nil)
		b.say(inBulk(b.f.next(t, out), 300, 0), nil)
		late, empty := b.f.next(t, out), b.f.next(t, out)
		synctest.Wait()
		if err := b.comp.Destroy(t.Context()); err != nil {
			t.Fatal(err)
		}
		kept[0].Release()
		b.say(short(empty, "", 0), nil)
		b.say(inBulk(late, 200, 0), nil)
		data := pattern(100, 3)
		b.say(inBulk(b.f.next(t, other.Outputs[0]), 100, FlagFrameEnd), nil)
		b.enable(other.Outputs[1], Buffers{4, 4096}) // in the places that are free now
		for _, bulk := range [][]byte{pattern(300, 1), pattern(200, 2), data} {
			b.say(nil, bulk)
		}
		b.wantHandled("ril.y:out0 FRAME_END pts=42 " + hexOf(data))
		if len(kept) != 1 {
			t.Errorf("handler got %d buffers, want none after Destroy", len(kept)-1)
		}
		b.wantContexts(out, 0)
		b.wantContexts(other.Outputs[1], 4)
		if err := other.Outputs[1].Disable(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestDestroyWhileDisabling has a port's last buffer stay away until its component is destroyed.
func TestDestroyWhileDisabling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newIdleBench(t)
		b.f.keeps = 1
		out := b.comp.Outputs[0]
		b.enable(out, Buffers{2, 4096})
		b.wantContexts(out, 2)
		done := make(chan error, 1)
		go func() { done <- out.Disable(t.Context()) }()
		synctest.Wait()
		if err := b.comp.Destroy(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("Disable still waits for what cannot come")
		}
	})
}

// TestDestroyDoesNotFeed has the firmware give its buffers back before it has destroyed a component: none must return.
func TestDestroyDoesNotFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFirmware(0, 1)
		var request Header
		r := start(t, func(h Header, msg, bulk []byte) []says {
			if h.ID == ComponentDestroy {
				request = h
				return nil
			}
			return f.hear(h, msg, bulk)
		})
		c := r.create("ril.x", nil)
		out := c.Outputs[0]
		if err := out.Enable(t.Context(), Buffers{3, 4096}, nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		done := make(chan error, 1)
		go func() { done <- c.Destroy(t.Context()) }()
		for range 3 {
			r.say(short(f.next(t, out), "", 0), nil)
		}
		if got := f.contexts(out); len(got) != 0 {
			t.Errorf("firmware was given the buffers %#x of a component that it destroys", got)
		}
		r.say(answer(request, &Reply{})[0].msg, nil)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
