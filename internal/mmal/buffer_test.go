package mmal

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// newIdleBench is a bench whose ports are not enabled.
func newIdleBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{f: newFirmware(1, 2)}
	b.rig = start(t, b.f.hear)
	b.comp = b.create("ril.x", nil)
	return b
}

func (b *bench) enable(p *Port, n Buffers) {
	b.Helper()
	if err := p.Enable(b.Context(), n, b.log.note); err != nil {
		b.Fatal(err)
	}
}

// wantContexts requires that the firmware has n buffers of a port, and returns their contexts.
func (b *bench) wantContexts(p *Port, n int) []uint32 {
	b.Helper()
	all := b.f.contexts(p)
	sorted := slices.Compact(slices.Sorted(slices.Values(all)))
	if len(all) != n || len(sorted) != n || slices.Contains(all, 0) {
		b.Errorf("firmware has the buffers %#x of %v, want %d different ones without 0", all, p, n)
	}
	return all
}

func TestEnable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newIdleBench(t)
		out := b.comp.Outputs[0]
		b.enable(out, Buffers{Num: 5, Size: 4711})
		b.wantContexts(out, 5)
		for _, got := range b.f.held(out) {
			want := BufferMessage{
				Buffer:   BufferAddress{Component: 0x100, Port: 0x130, Context: got.Buffer.Context},
				Data:     got.Data,
				Capacity: 4711,
				PTS:      TimeUnknown,
				DTS:      TimeUnknown,
			}
			if diff := cmp.Diff(want, got); diff != "" || got.Data == 0 {
				t.Errorf("buffer with data %#x (-want +got):\n%s", got.Data, diff)
			}
		}
		if want := (Buffers{5, 4711}); out.Block().Buffers != want {
			t.Errorf("port has buffers %v, want %v", out.Block().Buffers, want)
		}
		b.enable(b.comp.Control, Buffers{})
		b.enable(b.comp.Inputs[0], Buffers{3, 128})
		b.wantContexts(b.comp.Control, 0)
		b.wantContexts(b.comp.Inputs[0], 0)
		want := []string{"ENABLE 0x130", "ENABLE 0x110", "ENABLE 0x120"}
		if diff := cmp.Diff(want, b.f.done()); diff != "" {
			t.Errorf("actions (-want +got):\n%s", diff)
		}
	})
}

// TestCapacityStays has the firmware report another size for an enabled port.
func TestCapacityStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newIdleBench(t)
		out := b.comp.Outputs[0]
		b.enable(out, Buffers{1, 4096})
		if err := out.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.say(short(b.f.next(t, out), "x", 0), nil)
		if got := b.f.held(out)[0].Capacity; got != 4096 {
			t.Errorf("buffer of %d bytes, want 4096", got)
		}
	})
}

func TestEnableRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFirmware(1, 1)
		r := start(t, failNth(0, PortAction, ENoMem, f.hear))
		out := r.create("ril.x", nil).Outputs[0]
		if err := out.Enable(t.Context(), Buffers{3, 128}, nil); !errors.Is(err, ENoMem) {
			t.Errorf("got %v, want %v", err, ENoMem)
		}
		if got := f.held(out); len(got) != 0 {
			t.Errorf("firmware has %d buffers of a port that is disabled", len(got))
		}
	})
}

func TestTooManyBuffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newIdleBench(t)
		one, two := b.comp.Outputs[0], b.comp.Outputs[1]
		b.enable(one, Buffers{maxBuffers - 1, 128})
		for _, n := range []uint32{2, 1 << 31, 1<<32 - 1} {
			if err := two.Enable(t.Context(), Buffers{n, 128}, nil); !errors.Is(err, errTooManyBuffers) {
				t.Errorf("%d more: got %v, want %v", n, err, errTooManyBuffers)
			}
		}
		b.enable(two, Buffers{1, 128})
		b.wantContexts(one, maxBuffers-1)
		b.wantContexts(two, 1)
	})
}

// TestContextsAreNew has contexts go round many times, and a port be enabled again.
func TestContextsAreNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newIdleBench(t)
		out := b.comp.Outputs[0]
		for range 3 {
			b.enable(out, Buffers{3, 128})
			for range 10 {
				b.say(short(b.f.next(t, out), "x", 0), nil)
			}
			b.wantContexts(out, 3)
			if err := out.Disable(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.wantContexts(out, 0)
		}
		if got := len(b.log.take()); got != 30 {
			t.Errorf("handled %d buffers, want 30", got)
		}
		given := slices.Clone(b.f.port(out.peerAddress()).given)
		if len(given) != 3*(3+10) {
			t.Errorf("firmware was given %d buffers, want 39", len(given))
		}
		slices.Sort(given)
		if n := len(slices.Compact(given)); n != 39 {
			t.Errorf("only %d of 39 contexts are different", n)
		}
		if n := len(b.client.buffers); n != 3 {
			t.Errorf("table has grown to %d places, want 3", n)
		}
	})
}

// TestGenerationWraps has one buffer go round until its context is one that was used before: no sooner than it must.
func TestGenerationWraps(t *testing.T) {
	c := New(newWire(nil), nil)
	p := &Port{component: &Component{client: c, handle: 1}, typ: PortOutput}
	b := p.addBuffers(Buffers{1, 128}, nil)[0]
	seen := make(map[uint32]bool)
	var m BufferMessage
	for {
		b.Release()
		if _, ok := c.depart(<-c.returns, &m); !ok {
			t.Fatal("buffer did not depart")
		}
		if m.Buffer.Context == 0 {
			t.Fatal("context 0")
		}
		if seen[m.Buffer.Context] {
			break
		}
		seen[m.Buffer.Context] = true
		c.deliver(c.arrive(&m))
	}
	if want := 1<<16 - 1; len(seen) != want {
		t.Errorf("%d different contexts, want %d", len(seen), want)
	}
}

func TestReleaseTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newIdleBench(t)
		out := b.comp.Outputs[0]
		var kept *Buffer
		handler := func(buf *Buffer) {
			kept = buf
			buf.Release()
			buf.Release()
		}
		if err := out.Enable(t.Context(), Buffers{1, 4096}, handler); err != nil {
			t.Fatal(err)
		}
		m := b.f.next(t, out)
		b.say(inBulk(m, 4, 0), []byte("data"))
		b.wantContexts(out, 1)
		kept.Release() // the firmware has it
		b.wantContexts(out, 1)
		b.say(inBulk(b.f.next(t, out), 4, 0), nil)
		synctest.Wait()
		kept.Release() // its data is under way
		b.wantContexts(out, 0)
		b.say(nil, []byte("data"))
		b.wantContexts(out, 1)
		if n := len(b.f.port(out.peerAddress()).given); n != 3 {
			t.Errorf("firmware was given %d buffers, want 3", n)
		}
	})
}

func TestDisable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newIdleBench(t)
		out := b.comp.Outputs[0]
		var kept []*Buffer
		keep := func(buf *Buffer) { kept = append(kept, buf) }
		if err := out.Enable(t.Context(), Buffers{4, 4096}, keep); err != nil {
			t.Fatal(err)
		}
		b.say(short(b.f.next(t, out), "kept", 0), nil)
		pending := b.f.next(t, out)
		b.say(inBulk(pending, 300, 0), nil)
		synctest.Wait()

		done := make(chan error, 1)
		go func() { done <- out.Disable(t.Context()) }()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("Disable returned %v with a bulk transfer under way", err)
		default:
		}
		kept[0].Release() // its port is being disabled
		b.say(nil, pattern(300, 1))
		synctest.Wait()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if len(kept) != 2 {
			t.Fatalf("handler got %d buffers, want the one whose data was under way, too", len(kept))
		}
		for _, buf := range kept {
			buf.Release()
		}
		b.wantContexts(out, 0)
		if n := len(b.f.port(out.peerAddress()).given); n != 4 {
			t.Errorf("firmware was given %d buffers, want 4", n)
		}
		b.say(short(pending, "late", 0), nil)
		b.wantLog("buffer that the firmware does not have")
		b.enable(out, Buffers{2, 4096})
		b.say(short(pending, "later", 0), nil)
		kept[0].Release() // of the time before
		b.wantContexts(out, 2)
		b.wantHandled()
	})
}

func TestDisableTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newIdleBench(t)
		b.f.keeps = 1
		out := b.comp.Outputs[0]
		b.enable(out, Buffers{3, 4096})
		b.wantContexts(out, 3)
		begin := time.Now()
		err := out.Disable(t.Context())
		want := "get buffers back from port ril.x:out0: " + ErrNoReply.Error()
		if !errors.Is(err, ErrNoReply) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("gave up after %v, want 3s", took)
		}
		stale := b.f.next(t, out)
		b.enable(out, Buffers{2, 4096})
		b.say(inBulk(stale, 130, FlagEOS), pattern(132, 1)) // of the time before
		b.wantLog("buffer that the firmware does not have")
		b.wantContexts(out, 2)
		b.f.keeps = 0
		if err := out.Disable(t.Context()); err != nil {
			t.Errorf("second time: %v", err)
		}
		b.wantHandled()
	})
}

// TestDisableAgain has a Disable that failed repeated when the last buffer is back.
func TestDisableAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newIdleBench(t)
		b.f.keeps = 1
		out := b.comp.Outputs[0]
		b.enable(out, Buffers{2, 4096})
		b.wantContexts(out, 2)
		if err := out.Disable(t.Context()); !errors.Is(err, ErrNoReply) {
			t.Fatalf("got %v, want %v", err, ErrNoReply)
		}
		b.say(short(b.f.next(t, out), "", 0), nil)
		if err := out.Disable(t.Context()); err != nil {
			t.Error(err)
		}
		b.wantContexts(out, 0)
	})
}

func TestDisableWhenServiceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newIdleBench(t)
		b.f.keeps = 1
		out := b.comp.Outputs[0]
		b.enable(out, Buffers{2, 4096})
		b.wantContexts(out, 2)
		done := make(chan error, 1)
		go func() { done <- out.Disable(t.Context()) }()
		synctest.Wait()
		b.Close()
		if err := <-done; !errors.Is(err, ErrClosed) {
			t.Errorf("got %v, want %v", err, ErrClosed)
		}
		if err := b.end(); !errors.Is(err, ErrClosed) {
			t.Errorf("Run: got %v, want %v", err, ErrClosed)
		}
	})
}

// TestReleaseAfterEnd has more buffers released than the queue holds, with nobody to take them from it.
func TestReleaseAfterEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newIdleBench(t)
		var kept []*Buffer
		out := b.comp.Outputs[0]
		if err := out.Enable(t.Context(), Buffers{2, 128}, func(buf *Buffer) { kept = append(kept, buf) }); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			b.say(short(b.f.next(t, out), "kept", 0), nil)
		}
		b.cancel(nil)
		if err := b.end(); err != nil {
			t.Fatal(err)
		}
		for range returnQueue {
			kept[0].Release()
			kept[1].Release()
		}
	})
}

func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newIdleBench(t)
		out := b.comp.Outputs[0]
		b.enable(out, Buffers{3, 128})
		before := b.wantContexts(out, 3)
		if err := out.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, context := range b.wantContexts(out, 3) {
			if slices.Contains(before, context) {
				t.Errorf("context %#x was not changed", context)
			}
		}
		b.wantHandled()
	})
}

func TestSend(t *testing.T) {
	for _, encoding := range []FourCC{EncodingOpaque, EncodingI420} {
		for _, n := range []int{0, 1, 127, 128, 129, 130, 131, 132, 4097} {
			t.Run(fmt.Sprint(encoding, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testSend(t, encoding, n) })
			})
		}
	}
}

func testSend(t *testing.T, encoding FourCC, n int) {
	b := newIdleBench(t)
	in := b.comp.Inputs[0]
	if err := in.Commit(t.Context(), Format{Encoding: encoding}, Buffers{}); err != nil {
		t.Fatal(err)
	}
	if in.Send([]byte("early"), 0, 0) != nil {
		t.Error("port took data before it was enabled")
	}
	b.enable(in, Buffers{1, 8192})
	room := pattern(n+8, 1)
	data := room[:n]
	if in.Send(data, FlagKeyFrame, 4242) == nil {
		t.Fatal("Send found no buffer")
	}
	if in.Send(data, 0, 0) != nil {
		t.Error("Send found a second buffer")
	}
	got := b.f.held(in)
	if len(got) != 1 {
		t.Fatalf("firmware got %d buffers, want 1", len(got))
	}
	want := BufferMessage{
		Buffer: BufferAddress{Component: 0x100, Port: 0x120, Context: got[0].Buffer.Context},
		Data:   got[0].Data, Capacity: 8192, Length: uint32(n),
		Flags: FlagKeyFrame, PTS: 4242, DTS: TimeUnknown,
	}
	var bulk []byte
	if encoding == EncodingOpaque && n <= MaxShortPayload {
		want.InMessage = uint32(copy(want.Short[:], data))
	} else if n > 0 {
		bulk = bulkOf(data)
	}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(bulk, b.f.port(in.peerAddress()).bulks[0]); diff != "" {
		t.Errorf("bulk transfer (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(pattern(n+8, 1), room); diff != "" {
		t.Errorf("what lies behind the data changed:\n%s", diff)
	}
}

// TestSendAgain has buffers of an input port come home, in order and behind another port's data.
func TestSendAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newIdleBench(t)
		in, out := b.comp.Inputs[0], b.comp.Outputs[0]
		b.enable(out, Buffers{1, 4096})
		var home []*Buffer
		var flags []BufferFlags
		handler := func(buf *Buffer) {
			home, flags = append(home, buf), append(flags, buf.Flags)
			if in.Send([]byte("no"), 0, 0) != nil {
				t.Error("Send found the buffer that is the handler's")
			}
			buf.Release()
		}
		if err := in.Enable(t.Context(), Buffers{2, 128}, handler); err != nil {
			t.Fatal(err)
		}
		first, second := in.Send([]byte("one"), 0, 1), in.Send(nil, 0, 2)
		if first == nil || second == nil || first == second {
			t.Fatalf("Send returned %p and %p", first, second)
		}
		synctest.Wait()
		b.say(inBulk(b.f.next(t, out), 4, 0), nil)
		b.say(short(b.f.next(t, in), "", FlagCorrupted), nil)
		synctest.Wait()
		if in.Send([]byte("no"), 0, 0) != nil || len(home) != 0 {
			t.Error("a buffer was free before its turn")
		}
		b.say(nil, []byte("data"))
		synctest.Wait()
		if len(home) != 1 || home[0] != first || flags[0] != FlagCorrupted {
			t.Fatalf("home came %p with %v, want %p with %v", home, flags, first, FlagCorrupted)
		}
		if got := in.Send([]byte("three"), 0, 3); got != first {
			t.Errorf("Send returned %p, want %p", got, first)
		}
		b.wantContexts(in, 2)
		if err := in.Disable(t.Context()); err != nil {
			t.Error(err)
		}
		if len(home) != 3 {
			t.Errorf("%d buffers came home, want 3", len(home))
		}
		if in.Send([]byte("late"), 0, 0) != nil {
			t.Error("port took data after it was disabled")
		}
	})
}

// TestDisableInput has buffers that are queued, or with the firmware, when their port is disabled.
func TestDisableInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newIdleBench(t)
		in := b.comp.Inputs[0]
		b.enable(in, Buffers{2, 128})
		in.Send([]byte("one"), 0, 1)
		b.wantContexts(in, 1)
		home := in.retire() // what Disable does first
		if in.Send([]byte("two"), 0, 2) != nil {
			t.Error("port took data while it was being disabled")
		}
		b.say(short(b.f.next(t, in), "", 0), nil)
		<-home
		b.wantHandled("ril.x:in0 0x0 pts=42 ")
	})
}

// TestTraffic has several ports exchange buffers while they are disabled, enabled and refreshed: for the race detector.
func TestTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFirmware(1, 2)
		var w *wire
		echo := func(h Header, msg, bulk []byte) []says {
			if h.ID != BufferFromHost {
				return f.hear(h, msg, bulk)
			}
			var m BufferMessage
			Decode(msg, &m)
			f.mu.Lock()
			enabled := f.port(PortAddress{m.Buffer.Component, m.Buffer.Port}).block.Enabled
			f.mu.Unlock()
			if !enabled {
				t.Error("buffer for a port that is disabled")
			}
			if m.Buffer.Context&1 == 0 {
				return []says{{msg: short(m, "short", 0)}}
			}
			return []says{{inBulk(m, 130, 0), pattern(132, 1)}}
		}
		r := start(t, echo)
		w = r.wire
		comp := r.create("ril.x", nil)
		in := comp.Inputs[0]
		var wg sync.WaitGroup
		for _, p := range []*Port{in, comp.Outputs[0], comp.Outputs[1]} {
			wg.Go(func() {
				for range 20 {
					handled := make(chan struct{}, 1)
					err := p.Enable(t.Context(), Buffers{4, 4096}, func(b *Buffer) {
						if n := len(b.Data); n != 5 && n != 130 {
							t.Errorf("%v: %d bytes", p, n)
						}
						b.Flags, b.PTS = 0, 0
						select {
						case handled <- struct{}{}:
						default:
						}
						b.Release()
					})
					if err != nil {
						t.Error(err)
					}
					for range 10 {
						if p == in {
							p.Send([]byte("sent"), 0, 1)
						}
						<-handled
						if err := p.Refresh(t.Context()); err != nil {
							t.Error(err)
						}
						_ = p.Format()
					}
					if err := p.Disable(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		if len(w.sent) != 0 || len(w.wanted) != 0 {
			t.Errorf("%d transfers and %d receives are left over", len(w.sent), len(w.wanted))
		}
	})
}
