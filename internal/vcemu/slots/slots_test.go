package slots

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu"
)

const (
	echoName = 'e'<<24 | 'c'<<16 | 'h'<<8 | 'o'
	sinkName = 's'<<24 | 'i'<<16 | 'n'<<8 | 'k'
)

// echo is a service whose messages begin with a word. Bit 31 announces a bulk transfer of as many bytes as the second
// word says; otherwise the message comes back, with a bulk transfer of so many bytes behind it.
type echo struct {
	carrier vcemu.Carrier
	mu      sync.Mutex
	closed  bool
	hold    chan struct{} // closed when requests may be executed; nil at once
	done    chan struct{}
}

func echoService(hold chan struct{}) Service {
	return Service{
		FourCC: echoName, Version: 5, MinVersion: 3,
		Open: func(c vcemu.Carrier) (Session, error) {
			return &echo{carrier: c, hold: hold, done: make(chan struct{})}, nil
		},
		BulkOf: func(msg []byte) int {
			if len(msg) >= 8 && word(msg)>>31 == 1 {
				return int(word(msg[4:]))
			}
			return 0
		},
	}
}

func (e *echo) Feed(msg, bulk []byte) error {
	if e.hold != nil {
		select {
		case <-e.hold:
		case <-e.done:
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return mmal.ErrClosed
	case bulk != nil:
		e.carrier.Transmit(msg, bulk)
	case len(msg) >= 8 && word(msg[4:]) > 0 && word(msg[4:]) <= maxBulk:
		e.carrier.Transmit(msg, pattern(int(word(msg[4:]))))
	default:
		e.carrier.Transmit(msg, nil)
	}
	return nil
}

func (e *echo) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.closed = true
		close(e.done)
		e.carrier.Shut()
	}
}

// pattern is bytes that differ from their neighbours, and in each page.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7 + i>>8*13 + 3)
	}
	return p
}

func ask(bulk int, announce bool) []byte {
	var first uint32
	if announce {
		first = 1 << 31
	}
	return putWord(putWord(nil, first), uint32(bulk))
}

// rig is a guest and VideoCore.
type rig struct {
	*arm
	stop func()
}

// launch starts both sides inside a bubble; services nil is the echo service. It does not connect.
func launch(t testing.TB, services ...Service) rig {
	t.Helper()
	a := newARM(t, testRAM)
	if services == nil {
		services = []Service{echoService(nil)}
	}
	vc, err := New(Config{
		Memory: a.ram, Wires: a, Services: services,
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		t.Fatal(err)
	}
	a.vc = vc
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { a.run(ctx) })
	wg.Go(func() {
		if err := vc.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return rig{a, func() {
		cancel()
		wg.Wait()
		if n := vc.Stats().Services; n != 0 {
			t.Errorf("%d services left", n)
		}
	}}
}

// connected is launch and all that comes before the first service.
func connected(t testing.TB, services ...Service) rig {
	t.Helper()
	r := launch(t, services...)
	if v := r.begin(); v != 0 {
		t.Fatalf("VCHIQ_INIT answers %d", v)
	}
	r.connect()
	return r
}

// check ends the rig, which must not have seen a complaint.
func (r rig) check(t *testing.T) {
	t.Helper()
	r.stop()
	if s := r.vc.Stats(); s.ProtocolErrors+s.BulkMismatches != 0 {
		t.Errorf("complaints: %+v", s)
	}
	if len(r.stray) > 0 {
		t.Errorf("messages to nobody: %#x", r.stray)
	}
}

func mustReceive(t testing.TB, c mmal.Transport, k mmal.DeliveryKind) mmal.Delivery {
	t.Helper()
	d, err := c.Receive()
	if err != nil {
		t.Fatal(err)
	}
	if d.Kind != k {
		t.Fatalf("delivery of kind %d, want %d", d.Kind, k)
	}
	return d
}

func TestOpen(t *testing.T) {
	tests := []struct {
		name           string
		fourcc         uint32
		version, least int16
		ok             bool
	}{
		{"as offered", echoName, 5, 3, true},
		{"older client", echoName, 3, 1, true},
		{"newer client", echoName, 9, 5, true},
		{"client too old", echoName, 2, 1, false},
		{"client too new", echoName, 9, 6, false},
		{"unknown", sinkName, 5, 3, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := connected(t)
				c := r.dial(test.fourcc, test.version, test.least)
				if (c != nil) != test.ok {
					t.Errorf("open %v, want %v", c != nil, test.ok)
				}
				if c != nil {
					c.Close()
				}
				s := r.vc.Stats()
				if s.Services != 0 || (s.Refused == 1) == test.ok || (s.Opened == 1) != test.ok {
					t.Errorf("%+v", s)
				}
				r.check(t)
			})
		})
	}
}

// TestManyMessages lets all slots be used many times over, with messages of all sizes.
func TestManyMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := connected(t)
		c := r.dial(echoName, 5, 3)
		const messages = 6000
		size := func(i int) int { return 8 + i*577%(maxPayload-7) }
		message := func(i int) []byte {
			m := make([]byte, size(i))
			binary.LittleEndian.PutUint32(m, uint32(i))
			m[len(m)-1] |= byte(i & 0x7f)
			if len(m) > 8 {
				copy(m[8:], fmt.Sprint(i))
			} else {
				clear(m[4:])
			}
			return m
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range messages {
				if err := c.Send(message(i), nil); err != nil {
					t.Error(err)
					return
				}
			}
		})
		for i := range messages {
			if d := mustReceive(t, c, mmal.DeliveryMessage); !bytes.Equal(d.Data, message(i)) {
				t.Fatalf("message %d: %d bytes, want %d", i, len(d.Data), size(i))
			}
		}
		wg.Wait()
		c.Close()
		s := r.vc.Stats()
		if s.SlotsReceived < 2000 || s.SlotsSent < 2000 {
			t.Errorf("slots hardly recycled: %+v", s)
		}
		r.check(t)
	})
}

var bulkSizes = []int{1, 3, 4, 63, 64, 65, 127, 128, 129, 4095, 4096, 4097, 8192, 1 << 20, 1<<20 + 13}

// TestBulk transfers both ways, at all kinds of ends.
func TestBulk(t *testing.T) {
	for _, offset := range []uint32{0, 1, 32, 63, 64, 100, 4032, 4095} {
		t.Run(fmt.Sprint(offset), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := connected(t)
				c := r.dial(echoName, 5, 3)
				c.offset = offset
				for _, n := range bulkSizes {
					want := pattern(n)
					if err := c.Send(ask(n, true), want); err != nil {
						t.Fatal(err)
					}
					mustReceive(t, c, mmal.DeliveryMessage)
					if err := c.PostReceive(n, uint64(n)); err != nil {
						t.Fatal(err)
					}
					d := mustReceive(t, c, mmal.DeliveryBulk)
					if !bytes.Equal(d.Data, want) || d.Cookie != uint64(n) {
						t.Errorf("%d bytes at offset %d do not come back", n, offset)
					}
				}
				c.Close()
				r.check(t)
			})
		})
	}
}

// TestBulkOrder posts receives before and after what they get.
func TestBulkOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := connected(t)
		c := r.dial(echoName, 5, 3)
		for i := range 3 {
			c.PostReceive(100+i, uint64(i))
		}
		for i := range 20 {
			c.Send(ask(100+i, false), nil)
		}
		messages, bulks := 0, 0
		synctest.Wait()
		if n := len(c.ready); n != 7+3 {
			t.Errorf("%d deliveries with 3 receives posted and 4 under way, want 10", n)
		}
		for i := 3; i < 20; i++ {
			c.PostReceive(100+i, uint64(i))
		}
		for messages+bulks < 40 {
			d, err := c.Receive()
			if err != nil {
				t.Fatal(err)
			}
			if d.Kind == mmal.DeliveryMessage {
				if word(d.Data[4:]) != uint32(100+messages) {
					t.Errorf("message %d announces %d", messages, word(d.Data[4:]))
				}
				messages++
				continue
			}
			if d.Cookie != uint64(bulks) || len(d.Data) != 100+bulks || bulks >= messages {
				t.Errorf("transfer %d of %d bytes after %d messages, want %d", d.Cookie, len(d.Data), messages, bulks)
			}
			bulks++
		}
		c.Close()
		r.check(t)
	})
}

func TestBulkMismatch(t *testing.T) {
	for _, size := range []int{50, 300} {
		synctest.Test(t, func(t *testing.T) {
			r := connected(t)
			c := r.dial(echoName, 5, 3)
			c.Send(ask(100, false), nil)
			mustReceive(t, c, mmal.DeliveryMessage)
			c.PostReceive(size, 1)
			d := mustReceive(t, c, mmal.DeliveryBulk)
			if n := min(size, 100); !bytes.Equal(d.Data, pattern(n)) {
				t.Errorf("%d bytes, want %d", len(d.Data), n)
			}
			c.Close()
			if n := r.vc.Stats().BulkMismatches; n != 1 {
				t.Errorf("%d mismatches", n)
			}
			r.stop()
		})
	}
}

// TestCloseDuringBulk aborts the receives that are posted, from both sides.
func TestCloseDuringBulk(t *testing.T) {
	for _, byARM := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r := connected(t)
			c := r.dial(echoName, 5, 3)
			for i := range uint64(6) {
				c.PostReceive(5000, i)
			}
			synctest.Wait()
			if byARM {
				c.Close()
			} else {
				r.vc.CloseServices()
				r.until(func() bool { return c.closed })
			}
			for i := range uint64(4) {
				if d := mustReceive(t, c, mmal.DeliveryBulkAborted); d.Cookie != i {
					t.Errorf("aborted %d, want %d", d.Cookie, i)
				}
			}
			synctest.Wait()
			if n := r.vc.Stats().Services; n != 0 {
				t.Errorf("%d services open", n)
			}
			if again := r.dial(echoName, 5, 3); again == nil {
				t.Error("service does not open again")
			}
			r.stop()
		})
	}
}

// TestCloseBeforeAck closes a service by the port that the client knows only.
func TestCloseBeforeAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := connected(t)
		r.send(open, 9, 0, openPayload(echoName, 5, 3))
		r.send(closing, 9, 0, nil)
		r.send(closing, 8, 0, nil)
		synctest.Wait()
		r.mu.Lock()
		if len(r.stray) != 2 || kind(r.stray[0]>>24) != openAck || kind(r.stray[1]>>24) != closing {
			t.Errorf("answers %#x", r.stray)
		}
		r.stray = nil
		r.mu.Unlock()
		if s := r.vc.Stats(); s.Services != 0 || s.Opened != 1 {
			t.Errorf("%+v", s)
		}
		r.check(t)
	})
}

// TestLazyClient does not let a client that reads nothing, or whose requests are not executed, stop another one.
func TestLazyClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		slow := echoService(hold)
		slow.FourCC = sinkName
		r := connected(t, echoService(nil), slow)
		lazy, brisk, held := r.dial(echoName, 5, 3), r.dial(echoName, 5, 3), r.dial(sinkName, 5, 3)
		lazy.lazy = true
		const lot = 200
		for range lot { // 100 slots of answers for a client that takes none
			if err := lazy.Send(append(ask(0, false), make([]byte, 2000)...), nil); err != nil {
				t.Fatal(err)
			}
		}
		for range 15 { // 15 slots of requests that nobody executes
			held.Send(append(ask(0, false), make([]byte, 4000)...), nil)
		}
		synctest.Wait()
		s := r.vc.Stats()
		if s.QuotaStalls == 0 {
			t.Errorf("no stall: %+v", s)
		}
		for i := range 500 {
			brisk.Send(append(ask(0, false), make([]byte, i)...), nil)
			if d := mustReceive(t, brisk, mmal.DeliveryMessage); len(d.Data) != 8+i {
				t.Fatalf("message %d has %d bytes", i, len(d.Data))
			}
		}
		for range lot {
			mustReceive(t, lazy, mmal.DeliveryMessage)
		}
		close(hold)
		for range 15 {
			mustReceive(t, held, mmal.DeliveryMessage)
		}
		lazy.Close()
		held.Close()
		brisk.Close()
		r.check(t)
	})
}

// TestDataLeavesASlot opens and closes services while clients that read nothing have all slots that data may have.
func TestDataLeavesASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := connected(t)
		var lazy [3]*client
		for i := range lazy {
			lazy[i] = r.dial(echoName, 5, 3)
			lazy[i].lazy = true
			for range 20 {
				lazy[i].Send(append(ask(0, false), make([]byte, 4000)...), nil)
			}
		}
		synctest.Wait()
		for range 200 {
			c := r.dial(echoName, 5, 3)
			if c == nil {
				t.Fatal("refused")
			}
			c.Close()
		}
		for _, c := range lazy {
			for range 20 {
				mustReceive(t, c, mmal.DeliveryMessage)
			}
			c.Close()
		}
		r.check(t)
	})
}

// TestHeldTransmits leaves in the guest's memory what a session cannot take yet: four transfers are read, four posted.
func TestHeldTransmits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		r := connected(t, echoService(hold))
		c := r.dial(echoName, 5, 3)
		const lot = 12
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range lot {
				if err := c.Send(ask(1000+i, true), pattern(1000+i)); err != nil {
					t.Error(err)
				}
			}
		})
		synctest.Wait()
		r.mu.Lock()
		if done, posted := len(c.transmitted), c.transmits; done != maxBulks || posted != maxBulks {
			t.Errorf("%d transfers done and %d posted", done, posted)
		}
		r.mu.Unlock()
		close(hold)
		for i := range lot {
			c.PostReceive(1000+i, uint64(i))
		}
		for got := 0; got < lot; {
			d, err := c.Receive()
			if err != nil {
				t.Fatal(err)
			}
			if d.Kind != mmal.DeliveryBulk {
				continue
			}
			if !bytes.Equal(d.Data, pattern(1000+got)) {
				t.Errorf("transfer %d does not come back", got)
			}
			got++
		}
		wg.Wait()
		c.Close()
		r.check(t)
	})
}

// TestClientsComeAndGo opens and closes with requests and transfers under way, many times.
func TestClientsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := connected(t)
		for i := range 300 {
			c := r.dial(echoName, 5, 3)
			if c == nil {
				t.Fatal("refused")
			}
			for j := range i % 7 {
				if n := 1000 * j; j%2 == 1 {
					c.Send(ask(n, true), pattern(n))
				} else {
					c.Send(ask(n, false), nil)
				}
			}
			c.Close()
		}
		s := r.vc.Stats()
		if s.Services != 0 || s.Opened != 300 {
			t.Errorf("%+v", s)
		}
		r.stop()
	})
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := connected(t)
		c := r.dial(echoName, 5, 3)
		r.send(pause, 0, 0, nil)
		r.until(func() bool { return r.paused })
		c.Send(ask(0, false), nil)
		synctest.Wait()
		if len(c.ready) != 0 {
			t.Error("message while paused")
		}
		r.send(resume, 0, 0, nil)
		mustReceive(t, c, mmal.DeliveryMessage)
		r.send(remoteUse, 0, 0, nil)
		r.send(remoteUseActive, 0, 0, nil)
		r.send(remoteRelease, 0, 0, nil)
		synctest.Wait()
		r.mu.Lock()
		if len(r.stray) != 1 || r.stray[0] != msgid(remoteUseActive, 0, 0) {
			t.Errorf("answers %#x", r.stray)
		}
		r.stray = nil
		r.mu.Unlock()
		c.Close()
		r.check(t)
	})
}

// TestReboot begins anew in the middle of everything.
func TestReboot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		slow := echoService(hold)
		slow.FourCC = sinkName
		r := connected(t, echoService(nil), slow)
		for i := range 5 {
			c, held := r.dial(echoName, 5, 3), r.dial(sinkName, 5, 3)
			c.PostReceive(100, 1)
			held.Send(ask(0, false), nil)
			c.Send(ask(0, false), nil)
			mustReceive(t, c, mmal.DeliveryMessage)
			if i%2 == 0 {
				r.vc.Reset()
			} else {
				r.property(24, 0, uint32(tagNotifyReboot), 0, 0, 0)
			}
			synctest.Wait()
			if n := r.vc.Stats().Services; n != 0 {
				t.Errorf("%d services after the reset", n)
			}
			r.boot()
			if v := r.begin(); v != 0 {
				t.Fatalf("VCHIQ_INIT answers %d", v)
			}
			r.connect()
			synctest.Wait()
			if s := r.vc.Stats(); s.Services != 0 || s.Connections != uint64(2+i) {
				t.Errorf("%+v", s)
			}
		}
		r.check(t)
	})
}
