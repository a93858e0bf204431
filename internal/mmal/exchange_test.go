package mmal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// arrivalLog is what a handler got: data is copied, as it is valid in the handler only.
type arrivalLog struct {
	mu  sync.Mutex
	got []string
}

// note takes a line for a buffer and releases it.
func (l *arrivalLog) note(b *Buffer) {
	l.add(fmt.Sprintf("%v %v pts=%d %x", b.Port(), b.Flags, b.PTS, b.Data))
	b.Release()
}

func (l *arrivalLog) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got = append(l.got, line)
}

func (l *arrivalLog) take() []string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	got := l.got
	l.got = nil
	return got
}

// bench is a component whose outputs are enabled, each with 3 buffers.
type bench struct {
	*rig
	f    *firmware
	comp *Component
	log  arrivalLog
}

func newBench(t *testing.T, outputs uint32) *bench {
	t.Helper()
	b := &bench{f: newFirmware(1, outputs)}
	b.rig = start(t, b.f.hear)
	b.comp = b.create("ril.x", func(e Event) {
		b.log.add(fmt.Sprintf("event %v %v%d %x", e.Cmd, e.PortType, e.PortIndex, e.Data))
	})
	for _, p := range b.comp.Outputs {
		if err := p.Enable(t.Context(), Buffers{3, 65536}, b.log.note); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// wantHandled requires what the handlers got since the last time.
func (b *bench) wantHandled(want ...string) {
	b.Helper()
	if diff := cmp.Diff(want, b.log.take()); diff != "" {
		b.Errorf("handled (-want +got):\n%s", diff)
	}
}

func handled(port string, flags BufferFlags, data []byte) string {
	return fmt.Sprintf("ril.x:%s %v pts=42 %x", port, flags, data)
}

func TestPayloads(t *testing.T) {
	type payload struct {
		name    string
		length  int
		flags   BufferFlags
		bulk    bool
		receive []int
		handled bool
	}
	tests := []payload{
		{"empty goes back", 0, 0, false, nil, false},
		{"empty end of frame", 0, FlagFrameEnd, false, nil, true},
		{"empty end of stream", 0, FlagEOS, true, []int{8}, true},
	}
	for _, n := range []int{1, 4, 127, 128} {
		tests = append(tests, payload{fmt.Sprintf("%d in message", n), n, FlagFrameEnd, false, nil, true})
	}
	for n, padded := range map[int]int{1: 4, 3: 4, 4: 4, 128: 128, 129: 132, 4095: 4096, 4096: 4096, 4097: 4100} {
		tests = append(tests, payload{fmt.Sprintf("%d by bulk", n), n, FlagFrameEnd, true, []int{padded}, true})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 1)
				out := b.comp.Outputs[0]
				data := pattern(tt.length, 1)
				m := b.f.next(t, out)
				if tt.bulk {
					b.say(inBulk(m, tt.length, tt.flags), bulkOf(data))
				} else {
					b.say(short(m, string(data), tt.flags), nil)
				}
				var want []string
				if tt.handled {
					want = []string{handled("out0", tt.flags, data)}
				}
				b.wantHandled(want...)
				if diff := cmp.Diff(tt.receive, b.receives()); diff != "" {
					t.Errorf("receives (-want +got):\n%s", diff)
				}
				contexts := b.f.contexts(out)
				if len(contexts) != 3 || slices.Contains(contexts, m.Buffer.Context) {
					t.Errorf("firmware has %#x, want three without %#x", contexts, m.Buffer.Context)
				}
			})
		})
	}
}

// TestOrder has buffers, empty ones, replies and bulk transfers come in every order that the firmware may choose.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		one, two := b.comp.Outputs[0], b.comp.Outputs[1]
		first, second := pattern(1000, 1), pattern(333, 2)
		b.say(inBulk(b.f.next(t, one), len(first), 0), nil)
		b.say(short(b.f.next(t, one), "after first", 0), nil)
		b.say(short(b.f.next(t, two), "other port", FlagKeyFrame), nil)
		empty := b.f.next(t, two)
		b.say(short(empty, "", 0), nil)
		b.say(inBulk(b.f.next(t, two), len(second), FlagFrameEnd), nil)
		b.say(short(b.f.next(t, one), "after second", FlagConfig), nil)
		if _, _, err := b.client.Version(t.Context()); err != nil {
			t.Errorf("reply between message and bulk transfer: %v", err)
		}
		b.wantHandled()
		if diff := cmp.Diff([]int{1000, 336}, b.receives()); diff != "" {
			t.Errorf("receives (-want +got):\n%s", diff)
		}
		b.say(nil, bulkOf(first))
		b.wantHandled(handled("out0", 0, first), handled("out0", 0, []byte("after first")),
			handled("out1", FlagKeyFrame, []byte("other port")))
		b.say(nil, bulkOf(second))
		b.wantHandled(handled("out1", FlagFrameEnd, second), handled("out0", FlagConfig, []byte("after second")))
		for _, p := range []*Port{one, two} {
			if got := len(b.f.held(p)); got != 3 {
				t.Errorf("firmware has %d buffers of %v, want 3", got, p)
			}
		}
		b.say(short(b.f.next(t, one), "at once", 0), nil)
		b.wantHandled(handled("out0", 0, []byte("at once")))
	})
}

// TestForeignBuffers has the firmware bring back what it does not have. The transfers behind must not come out of step.
func TestForeignBuffers(t *testing.T) {
	tests := map[string]func(m *BufferMessage, b *bench){
		"context of nobody":    func(m *BufferMessage, _ *bench) { m.Buffer.Context = 0x10063 },
		"context 0":            func(m *BufferMessage, _ *bench) { m.Buffer.Context = 0 },
		"all ones":             func(m *BufferMessage, _ *bench) { m.Buffer.Context = 0xffffffff },
		"newer generation":     func(m *BufferMessage, _ *bench) { m.Buffer.Context += 1 << 16 },
		"generation 0":         func(m *BufferMessage, _ *bench) { m.Buffer.Context &= 0xffff },
		"other component":      func(m *BufferMessage, _ *bench) { m.Buffer.Component++ },
		"other port":           func(m *BufferMessage, b *bench) { m.Buffer.Port = b.comp.Outputs[1].peerAddress().Port },
		"port of nobody":       func(m *BufferMessage, _ *bench) { m.Buffer.Port = 0 },
		"sent back twice":      func(m *BufferMessage, b *bench) { b.say(short(*m, "", 0), nil) },
		"sent back when it is": func(m *BufferMessage, b *bench) { b.say(inBulk(*m, 5, 0), []byte("rightful")) },
	}
	for name, change := range tests {
		for _, bulk := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, bulk %v", name, bulk), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t, 2)
					out := b.comp.Outputs[0]
					m := b.f.next(t, out)
					change(&m, b)
					synctest.Wait() // so that a buffer that is sent back twice is with the firmware again
					b.log.take()
					if bulk {
						b.say(inBulk(m, 200, 0), pattern(200, 9))
					} else {
						b.say(short(m, "stolen", 0), nil)
					}
					b.wantHandled()
					b.wantLog("buffer that the firmware does not have", fmt.Sprintf("context=%d", m.Buffer.Context))
					data := pattern(130, 3)
					b.say(inBulk(b.f.next(t, out), len(data), FlagFrameEnd), bulkOf(data))
					b.wantHandled(handled("out0", FlagFrameEnd, data))
				})
			})
		}
	}
}

// TestTwiceBeforeBulk has a buffer come again while the data of its first coming is under way.
func TestTwiceBeforeBulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		m := b.f.next(t, b.comp.Outputs[0])
		b.say(inBulk(m, 300, 0), nil)
		b.say(inBulk(m, 400, FlagEOS), nil)
		b.say(short(m, "third", FlagEOS), nil)
		b.say(nil, pattern(300, 1))
		b.wantHandled(handled("out0", 0, pattern(300, 1)))
		b.say(nil, pattern(400, 2))
		b.wantHandled()
		if got := b.f.contexts(b.comp.Outputs[0]); len(got) != 3 {
			t.Errorf("firmware has %#x, want three", got)
		}
	})
}

func TestBulkAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		out := b.comp.Outputs[0]
		b.say(inBulk(b.f.next(t, out), 300, FlagFrameEnd), nil)
		b.say(short(b.f.next(t, out), "behind", 0), nil)
		synctest.Wait()
		b.abort()
		b.wantHandled(handled("out0", FlagFrameEnd|FlagTransmissionFailed, nil), handled("out0", 0, []byte("behind")))
		if got := len(b.f.held(out)); got != 3 {
			t.Errorf("firmware has %d buffers, want 3", got)
		}
	})
}

// TestOwed announces two transfers, and holds for how long the older one is awaited.
func TestOwed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		out := b.comp.Outputs[0]
		want := func(want time.Duration) {
			t.Helper()
			synctest.Wait()
			if got := b.client.Owed(); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		}
		want(0)
		time.Sleep(time.Hour)
		for range 2 {
			b.say(inBulk(b.f.next(t, out), 300, FlagFrameEnd), nil)
			synctest.Wait()
			time.Sleep(time.Second)
		}
		want(2 * time.Second)
		b.abort()
		want(time.Second)
		b.abort()
		want(0)
	})
}

func TestEvents(t *testing.T) {
	event := func(client uint32, length uint32) []byte {
		m := EventMessage{ClientComponent: client, PortType: PortOutput, PortIndex: 1, Cmd: EventError, Length: length}
		copy(m.Data[:], pattern(256, 5))
		return Append(nil, Header{ID: EventToHost}, &m)
	}
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		other := b.create("ril.y", func(e Event) { b.log.add(fmt.Sprintf("y %x", e.Data)) })
		deaf := b.create("ril.z", nil)
		ids := b.f.clients
		if len(ids) != 3 || slices.Contains(ids, 0) || ids[0] == ids[1] || ids[1] == ids[2] || ids[0] == ids[2] {
			t.Fatalf("components have the ids %d, want three different", ids)
		}
		b.say(event(ids[0], 4), nil)
		b.say(event(ids[1], 256), nil)
		b.say(event(ids[2], 4), nil)
		b.say(event(ids[0], 0), nil)
		b.wantHandled(fmt.Sprintf("event ERRO out1 %x", pattern(4, 5)), fmt.Sprintf("y %x", pattern(256, 5)),
			"event ERRO out1 ")

		b.say(event(77, 4), nil)
		b.wantLog("event of an unknown component", "component=77")
		for _, c := range []*Component{other, deaf} {
			if err := c.Destroy(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		b.say(event(ids[1], 4), nil)
		b.wantLog("event of an unknown component", fmt.Sprintf("component=%d", ids[1]))
		b.create("ril.again", func(e Event) { t.Error("event of a component that is no more") })
		b.say(event(ids[1], 4), nil)
		b.wantHandled()
	})
}

// TestLargeEvent has an event that does not fit its message, in front of a buffer: both have bulk transfers.
func TestLargeEvent(t *testing.T) {
	for _, client := range []uint32{1, 77} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, 1)
			m := EventMessage{ClientComponent: client, Cmd: EventFormatChanged, Length: 257}
			b.say(Append(nil, Header{ID: EventToHost}, &m), make([]byte, 260))
			data := pattern(50, 1)
			b.say(inBulk(b.f.next(t, b.comp.Outputs[0]), len(data), 0), bulkOf(data))
			b.wantHandled(handled("out0", 0, data))
			b.wantLog("event too large", "EFCH")
			if diff := cmp.Diff([]int{260, 52}, b.receives()); diff != "" {
				t.Errorf("receives (-want +got):\n%s", diff)
			}
		})
	}
}

// TestProtocolBroken has messages after which the order of bulk transfers is lost.
func TestProtocolBroken(t *testing.T) {
	patch := func(msg []byte, offset int, w uint32) []byte {
		binary.LittleEndian.PutUint32(msg[offset:], w)
		return msg
	}
	event := Append(nil, Header{ID: EventToHost}, &EventMessage{ClientComponent: 1})
	tests := map[string]struct {
		message func(good []byte) []byte // of a buffer
		want    string
	}{
		"empty":                {func([]byte) []byte { return []byte{} }, "without a header"},
		"no whole header":      {func(m []byte) []byte { return m[:HeaderSize-1] }, "without a header"},
		"wrong magic":          {func(m []byte) []byte { return patch(m, 0, 0x6d6d616c) }, "without a header"},
		"header only":          {func(m []byte) []byte { return m[:HeaderSize] }, "buffer message of 24 bytes"},
		"buffer cut short":     {func(m []byte) []byte { return m[:295] }, "buffer message of 295 bytes"},
		"buffer without magic": {func(m []byte) []byte { return patch(m, 24, 0) }, "buffer message"},
		"129 bytes in message": {func(m []byte) []byte { return patch(m, 160, 129) }, "buffer message"},
		"4 GiB in message":     {func(m []byte) []byte { return patch(m, 160, 0xffffffff) }, "buffer message"},
		"large bulk":           {func(m []byte) []byte { return patch(patch(m, 160, 0), 76, maxBulk+1) }, "16777217 bytes"},
		"4 GiB of bulk":        {func(m []byte) []byte { return patch(patch(m, 160, 0), 76, 0xffffffff) }, "4294967295 bytes"},
		"event cut short":      {func([]byte) []byte { return event[:303] }, "event message of 303 bytes"},
		"large event":          {func([]byte) []byte { return patch(bytes.Clone(event), 40, 0xffffffff) }, "4294967295 bytes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 1)
				b.say(tt.message(short(b.f.next(t, b.comp.Outputs[0]), "data", 0)), nil)
				err := b.end()
				if !errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %v: %s", err, ErrProtocol, tt.want)
				}
				b.wantHandled()
				if got := b.receives(); got != nil {
					t.Errorf("receives of %d bytes, want none", got)
				}
			})
		})
	}
}

// TestBulkOutOfOrder has the transport deliver what was not asked for.
func TestBulkOutOfOrder(t *testing.T) {
	for name, posted := range map[string]bool{"none asked for": false, "another asked for": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 1)
				if posted {
					b.say(inBulk(b.f.next(t, b.comp.Outputs[0]), 4, 0), nil)
				}
				b.toHost <- Delivery{Kind: DeliveryBulk, Data: make([]byte, 4), Cookie: 17}
				if err := b.end(); !errors.Is(err, ErrProtocol) {
					t.Errorf("got %v, want %v", err, ErrProtocol)
				}
				b.wantHandled()
			})
		})
	}
}

// TestLargestBulk has a transfer of just the size that is still taken.
func TestLargestBulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.say(inBulk(b.f.next(t, b.comp.Outputs[0]), maxBulk, 0), nil)
		synctest.Wait()
		if diff := cmp.Diff([]int{maxBulk}, b.receives()); diff != "" {
			t.Errorf("receives (-want +got):\n%s", diff)
		}
	})
}

// TestBufferFailed holds that nothing is asked for after a buffer whose message has a status, and that the next
// transfer goes where it belongs.
func TestBufferFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		out := b.comp.Outputs[0]
		msg := inBulk(b.f.next(t, out), 300, FlagFrameEnd)
		var m BufferMessage
		if err := Decode(msg, &m); err != nil {
			t.Fatal(err)
		}
		b.say(Append(nil, Header{ID: BufferToHost, Status: EIO}, &m), nil)
		b.say(inBulk(b.f.next(t, out), 5, FlagFrameEnd), pattern(8, 1))
		b.wantHandled(handled("out0", FlagFrameEnd|FlagTransmissionFailed, nil), handled("out0", FlagFrameEnd, pattern(8, 1)[:5]))
	})
}
