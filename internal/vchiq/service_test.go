package vchiq

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

var _ mmal.Transport = (*Service)(nil)

// storms are how likely a request is interrupted.
var storms = map[string]float64{"calm": 0, "storm": 0.7}

// opened returns the MMAL service of a driver, after change has been applied to it.
func opened(t testing.TB, change func(*fakeKernel)) (*fakeKernel, *Service) {
	t.Helper()
	k := newFake(t)
	if change != nil {
		k.with(func() { change(k) })
	}
	d, err := newDevice(k)
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.OpenMMAL(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return k, s
}

func closeService(t testing.TB, s *Service) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func receive(t testing.TB, s *Service) mmal.Delivery {
	t.Helper()
	d, err := s.Receive()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func wantClosed(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, mmal.ErrClosed) {
		t.Errorf("error is %v, want ErrClosed", err)
	}
}

// noise makes bytes that differ with seed.
func noise(size int, seed uint64) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(size)}).Read(b)
	return b
}

func numbered(n int) []byte { return binary.LittleEndian.AppendUint32(make([]byte, 20), uint32(n)) }

func TestMessages(t *testing.T) {
	for name, storm := range storms {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, s := opened(t, func(k *fakeKernel) { k.interrupts = storm })
				for i, size := range []int{1, 24, 512, 4087, 4088} {
					msg := noise(size, uint64(i))
					if err := s.Send(msg, nil); err != nil {
						t.Fatal(err)
					}
					got := k.reads()
					if !bytes.Equal(got, msg) {
						t.Errorf("VideoCore got another message of %d bytes than the %d sent", len(got), size)
					}
					k.sends(got)
					if d := receive(t, s); d.Kind != mmal.DeliveryMessage || !bytes.Equal(d.Data, msg) {
						t.Errorf("received another message of %d bytes than the %d sent", len(d.Data), size)
					}
				}
				closeService(t, s)
				closeService(t, s)
			})
		})
	}
}

func TestBulks(t *testing.T) {
	for name, storm := range storms {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, s := opened(t, func(k *fakeKernel) { k.interrupts = storm })
				sizes := []int{1, 127, 128, 129, 4095, 4096, 4097, 1 << 20, 8, 65536, 3 << 20}
				var sums []uint32
				for i, size := range sizes {
					data := noise(size, uint64(i))
					sums = append(sums, crc32.ChecksumIEEE(data))
					k.sendsBulk(data)
					if err := s.PostReceive(size, uint64(1000+i)); err != nil {
						t.Fatal(err)
					}
				}
				for i, size := range sizes {
					d := receive(t, s)
					if d.Kind != mmal.DeliveryBulk || d.Cookie != uint64(1000+i) || len(d.Data) != size {
						t.Errorf("received kind %d, cookie %d, %d bytes; want %d bytes", d.Kind, d.Cookie, len(d.Data), size)
					}
					if crc32.ChecksumIEEE(d.Data) != sums[i] {
						t.Errorf("transfer of %d bytes has come with others", size)
					}
				}
				go func() {
					for i, size := range sizes {
						if err := s.Send(numbered(i), noise(size, uint64(i))); err != nil {
							t.Error(err)
						}
					}
				}()
				for i, size := range sizes {
					if !bytes.Equal(k.reads(), numbered(i)) {
						t.Errorf("message %d is another one", i)
					}
					k.with(func() { k.vcRx++ })
					k.until(func() bool { return len(k.bulks) == i+1 })
					if !bytes.Equal(k.bulks[i], noise(size, uint64(i))) {
						t.Errorf("transmission of %d bytes has come with others", size)
					}
				}
				closeService(t, s)
			})
		})
	}
}

// TestManyBulks asks for more transfers than the driver takes, in both directions, while messages flow. None waits in
// the driver.
func TestManyBulks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := opened(t, nil)
		const n = 7
		for i := range n {
			if err := s.PostReceive(100, uint64(i)); err != nil {
				t.Fatal(err)
			}
			if err := s.Send(numbered(i), noise(200, uint64(i))); err != nil {
				t.Fatal(err)
			}
			k.reads()
		}
		synctest.Wait()
		k.with(func() {
			if len(k.rx) != maxPosted || len(k.tx) != maxPosted {
				t.Errorf("the driver has %d receives and %d transmissions, want %d of each", len(k.rx), len(k.tx), maxPosted)
			}
		})
		for i := range 1000 {
			if err := s.Send(numbered(i), nil); err != nil {
				t.Fatal(err)
			}
			k.sends(k.reads())
			if d := receive(t, s); !bytes.Equal(d.Data, numbered(i)) {
				t.Fatalf("message %d is another one", i)
			}
		}
		k.with(func() { k.vcRx = n })
		for i := range n {
			k.sendsBulk(noise(100, uint64(i)))
			d := receive(t, s)
			if d.Kind != mmal.DeliveryBulk || d.Cookie != uint64(i) || !bytes.Equal(d.Data, noise(100, uint64(i))) {
				t.Errorf("transfer %d: kind %d, cookie %d, or other data", i, d.Kind, d.Cookie)
			}
		}
		synctest.Wait()
		if len(k.bulks) != n || k.bulkStalls != 0 {
			t.Errorf("%d of %d transmissions arrived, %d requests waited in the driver", len(k.bulks), n, k.bulkStalls)
		}
		closeService(t, s)
	})
}

// TestBulkEcho has VideoCore send back what it gets, with twice as many transfers asked for ahead as the driver takes: who
// waits in it for the event that both directions share may wait for ever.
func TestBulkEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := opened(t, func(k *fakeKernel) { k.interrupts = 0.3 })
		const rounds, ahead = 100, 2 * serviceBulks
		for round := range rounds {
			for i := range ahead {
				if err := s.PostReceive(100, uint64(i)); err != nil {
					t.Fatal(err)
				}
			}
			for i := range ahead {
				if err := s.Send(numbered(i), noise(100, uint64(i))); err != nil {
					t.Fatal(err)
				}
			}
			for i := range ahead {
				k.reads()
				k.with(func() { k.vcRx++ })
				n := round*ahead + i
				k.until(func() bool { return len(k.bulks) > n })
				k.sendsBulk(k.bulks[n])
			}
			for i := range ahead {
				if d := receive(t, s); d.Cookie != uint64(i) || !bytes.Equal(d.Data, noise(100, uint64(i))) {
					t.Fatalf("round %d, transfer %d: cookie %d, or other data", round, i, d.Cookie)
				}
			}
		}
		if k.bulkStalls != 0 {
			t.Errorf("%d requests waited in the driver", k.bulkStalls)
		}
		closeService(t, s)
	})
}

// TestSendWaits has VideoCore read nothing: Send waits for room, and ends with the service.
func TestSendWaits(t *testing.T) {
	for _, bulk := range [][]byte{nil, noise(10, 1)} {
		synctest.Test(t, func(t *testing.T) {
			_, s := opened(t, nil)
			sent := 0
			ended := make(chan error)
			go func() {
				for {
					if err := s.Send(numbered(sent), bulk); err != nil {
						ended <- err
						return
					}
					sent++
				}
			}()
			synctest.Wait()
			most := fakeQuota + sendSlots
			if bulk != nil {
				most = maxSending
			}
			if sent != most {
				t.Errorf("%d messages were taken, want %d", sent, most)
			}
			closeService(t, s)
			wantClosed(t, <-ended)
		})
	}
}

// TestBurst has more messages come than the driver can keep while the consumer is busy: none is lost, nothing stalls.
func TestBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := opened(t, func(k *fakeKernel) { k.interrupts = 0.3 })
		for i := range maxQueued {
			k.sends(numbered(i))
		}
		synctest.Wait()
		for i := range maxQueued {
			if d := receive(t, s); !bytes.Equal(d.Data, numbered(i)) {
				t.Fatalf("message %d is another one", i)
			}
		}
		closeService(t, s)
	})
}

// TestNobodyReceives has the consumer stop: the service ends, and the driver does not stall.
func TestNobodyReceives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := opened(t, nil)
		for i := range 10 * maxQueued {
			k.sends(numbered(i))
		}
		synctest.Wait()
		k.with(func() {
			if len(k.events) != 0 || len(k.records) != 0 {
				t.Errorf("%d messages and %d records are stuck", len(k.events), len(k.records))
			}
		})
		wantClosed(t, s.Send(numbered(0), nil))
		for i := range maxQueued {
			if d := receive(t, s); !bytes.Equal(d.Data, numbered(i)) {
				t.Fatalf("message %d is another one", i)
			}
		}
		_, err := s.Receive()
		wantClosed(t, err)
		if !errors.Is(err, errOverrun) {
			t.Errorf("error is %v, want errOverrun", err)
		}
		closeService(t, s)
	})
}

// TestVideoCoreCloses has all transfers under way aborted, in their order, those that the driver never got included.
func TestVideoCoreCloses(t *testing.T) {
	for _, forgetful := range []bool{false, true} {
		for name, storm := range storms {
			t.Run(fmt.Sprintf("%s,forgetful=%v", name, forgetful), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					k, s := opened(t, func(k *fakeKernel) { k.interrupts, k.forgetful = storm, forgetful })
					for i := range 9 {
						if err := s.PostReceive(5000, uint64(i)); err != nil {
							t.Fatal(err)
						}
					}
					k.sends(numbered(7))
					synctest.Wait()
					k.closes()
					if d := receive(t, s); !bytes.Equal(d.Data, numbered(7)) {
						t.Error("message is another one")
					}
					for i := range 9 {
						d := receive(t, s)
						if d.Kind != mmal.DeliveryBulkAborted || d.Data != nil || d.Cookie != uint64(i) {
							t.Errorf("received kind %d, cookie %d; want aborted %d", d.Kind, d.Cookie, i)
						}
					}
					_, err := s.Receive()
					wantClosed(t, err)
					if !strings.Contains(err.Error(), "VideoCore") {
						t.Errorf("error is %v", err)
					}
					wantClosed(t, s.PostReceive(1, 1))
					wantClosed(t, s.Send(numbered(0), nil))
					closeService(t, s)
				})
			})
		}
	}
}

// TestCloseBusy closes, from either side, while all goroutines are busy. synctest sees that none is left.
func TestCloseBusy(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			k, s := opened(t, func(k *fakeKernel) {
				k.rng = rand.New(rand.NewPCG(seed, 1))
				k.interrupts = float64(seed%3) * 0.3
			})
			var wg sync.WaitGroup
			for i := range 3 {
				wg.Go(func() { // senders
					for n := 0; ; n++ {
						var bulk []byte
						if (n+i)%3 == 0 {
							bulk = noise(1+n%9000, uint64(n))
						}
						if err := s.Send(numbered(n), bulk); err != nil {
							wantClosed(t, err)
							return
						}
					}
				})
			}
			wg.Go(func() { // consumer
				sum := byte(0)
				for n := uint64(0); ; n++ {
					d, err := s.Receive()
					if err != nil {
						wantClosed(t, err)
						return
					}
					for _, b := range d.Data {
						sum ^= b
					}
					if d.Kind == mmal.DeliveryMessage {
						_ = s.PostReceive(1+int(d.Data[20])*50, n)
					}
				}
			})
			wg.Go(func() { // VideoCore
				for n := 0; ; n++ {
					over := false
					k.until(func() bool { over = k.released; return over || len(k.messages) > 0 })
					if over {
						return
					}
					m := k.reads()
					k.with(func() { k.vcRx++ })
					k.sends(m)
					k.sendsBulk(noise(1+int(m[20])*50, uint64(n)))
					if n == 50+int(seed) {
						if seed%2 == 0 {
							k.closes()
						} else {
							wg.Go(func() { closeService(t, s) })
						}
					}
				}
			})
			k.until(func() bool { return k.state == fakeClosed })
			for range 3 {
				wg.Go(func() { closeService(t, s) })
			}
			wg.Wait()
		})
	}
}

// TestSilentVideoCore has VideoCore answer nothing any more: nobody is held up but the kernel.
func TestSilentVideoCore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := opened(t, nil)
		k.with(func() { k.silent = true })
		var wg sync.WaitGroup
		var ends [2]time.Time
		wg.Go(func() {
			_, err := s.Receive()
			wantClosed(t, err)
			ends[0] = time.Now()
		})
		wg.Go(func() {
			for {
				if err := s.Send(numbered(0), nil); err != nil {
					wantClosed(t, err)
					ends[1] = time.Now()
					return
				}
			}
		})
		synctest.Wait()
		start := time.Now()
		err := s.Close()
		if took := time.Since(start); !errors.Is(err, ErrStuck) || took != closeTimeout {
			t.Errorf("close took %v: %v; want %v, ErrStuck", took, err, closeTimeout)
		}
		wg.Wait()
		for i, end := range ends {
			if end != start {
				t.Errorf("waiter %d ended after %v", i, end.Sub(start))
			}
		}
		start = time.Now()
		if err := s.Close(); !errors.Is(err, ErrStuck) || time.Since(start) != 0 {
			t.Errorf("second close: %v", err)
		}
		k.with(func() { k.silent = false }) // all that is left ends
	})
}

// TestHeldDelivery reads what was received last while the service is closed.
func TestHeldDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := opened(t, nil)
		if err := s.PostReceive(100000, 1); err != nil {
			t.Fatal(err)
		}
		k.sendsBulk(noise(100000, 3))
		d := receive(t, s)
		closeService(t, s)
		if !bytes.Equal(d.Data, noise(100000, 3)) {
			t.Error("data changed")
		}
		_, err := s.Receive()
		wantClosed(t, err)
		if s.received != nil || s.outgoing != nil {
			t.Error("memory is still mapped")
		}
		_, err = s.Receive()
		wantClosed(t, err)
	})
}

// TestCloseDiscards has Receive end at once, whatever waits for it.
func TestCloseDiscards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := opened(t, nil)
		k.sends(numbered(1), numbered(2))
		synctest.Wait()
		k.with(func() { k.silent = true }) // so that all memory stays
		if err := s.Close(); !errors.Is(err, ErrStuck) {
			t.Errorf("close: %v", err)
		}
		_, err := s.Receive()
		wantClosed(t, err)
		k.with(func() { k.silent = false })
	})
}

// TestRefusedBulk has the driver refuse transfers: some by mistake, then for good.
func TestRefusedBulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := opened(t, func(k *fakeKernel) { k.refuseBulks = bulkAttempts - 1 })
		if err := s.PostReceive(8, 1); err != nil {
			t.Fatal(err)
		}
		k.sendsBulk(noise(8, 1))
		if d := receive(t, s); d.Kind != mmal.DeliveryBulk {
			t.Errorf("received kind %d", d.Kind)
		}
		k.with(func() { k.refuseBulks = bulkAttempts })
		if err := s.PostReceive(8, 2); err != nil {
			t.Fatal(err)
		}
		_, err := s.Receive()
		wantClosed(t, err)
		refusal, ok := errors.AsType[*Error](err)
		if !ok || !errors.Is(err, syscall.EIO) || refusal.Request != "QUEUE_BULK_RECEIVE" {
			t.Errorf("error is %v", err)
		}
		closeService(t, s)
	})
}

// TestAwaitFails has the driver give no more records, so that CLOSE_SERVICE would wait for ever.
func TestAwaitFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := opened(t, nil)
		k.with(func() { k.deaf = true })
		_, err := s.Receive()
		wantClosed(t, err)
		if !errors.Is(err, syscall.EMSGSIZE) {
			t.Errorf("error is %v", err)
		}
		closeService(t, s)
	})
}

// TestFullRing has the driver keep all the records that it can while transfers wait in both directions.
func TestFullRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := opened(t, func(k *fakeKernel) { k.interrupts = 0.3 })
		k.with(func() { k.hold = true })
		const n = 300
		for i := range n {
			k.sends(numbered(i))
		}
		synctest.Wait() // for the ring to be full
		for i := range 6 {
			k.sendsBulk(noise(50, uint64(i)))
			if err := s.PostReceive(50, uint64(i)); err != nil {
				t.Fatal(err)
			}
			if err := s.Send(numbered(i), noise(60, uint64(i))); err != nil {
				t.Fatal(err)
			}
			k.with(func() { k.vcRx++ })
		}
		synctest.Wait()
		k.with(func() {
			if len(k.records) != fakeCompletions || k.stalled == 0 {
				t.Errorf("%d records, %d stalls; want %d and some", len(k.records), k.stalled, fakeCompletions)
			}
			k.hold = false
		})
		messages, bulks := 0, 0
		for messages < n || bulks < 6 {
			switch d := receive(t, s); d.Kind {
			case mmal.DeliveryMessage:
				if !bytes.Equal(d.Data, numbered(messages)) {
					t.Fatalf("message %d is another one", messages)
				}
				messages++
			default:
				if d.Cookie != uint64(bulks) || !bytes.Equal(d.Data, noise(50, d.Cookie)) {
					t.Fatalf("transfer %d is another one", bulks)
				}
				bulks++
			}
		}
		synctest.Wait()
		if len(k.bulks) != 6 {
			t.Errorf("%d transmissions arrived, want 6", len(k.bulks))
		}
		closeService(t, s)
	})
}

// TestNonsense has the driver's records make no sense: the service ends, and closes as it should.
func TestNonsense(t *testing.T) {
	elsewhere, _, err := newArena()
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]fakeRecord{
		"receive nobody asked for":     {reason: receiveDone, bulk: 1},
		"abort nobody asked for":       {reason: receiveAborted, bulk: 77},
		"transmission nobody began":    {reason: transmitDone, bulk: 1},
		"message in another buffer":    {reason: messageArrived, msg: numbered(1), at: unsafe.Pointer(elsewhere)},
		"message larger than its slot": {reason: messageArrived, msg: numbered(1), size: maxMessage + 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, s := opened(t, nil)
				k.with(func() { // without harm: an unknown reason, and a message that is none
					k.record(fakeRecord{reason: 99})
					k.record(fakeRecord{reason: messageArrived})
					k.record(fakeRecord{reason: serviceOpened})
					k.record(r)
				})
				_, err := s.Receive()
				wantClosed(t, err)
				if !errors.Is(err, errRecord) {
					t.Errorf("error is %v, want errRecord", err)
				}
				closeService(t, s)
			})
		})
	}
}

// TestMemoryIsReused has transfers of all sizes, many at a time: what is kept is bounded, and goes with the service.
func TestMemoryIsReused(t *testing.T) {
	var p pool
	for range 3 {
		var lent []*pages
		for i := range 100 {
			size := 1 + i*i*37
			m, err := p.get(size)
			if err != nil {
				t.Fatal(err)
			}
			if len(m.mem) < size || len(m.mem) >= 2*size+pageSize {
				t.Errorf("%d bytes for %d", len(m.mem), size)
			}
			lent = append(lent, m)
		}
		for _, m := range lent {
			p.put(m)
		}
		if p.bytes > keptBytes || len(p.all) > classes*keptEach {
			t.Errorf("%d bytes in %d pieces are kept", p.bytes, len(p.all))
		}
	}
	p.unmap()
	if len(p.all) != 0 {
		t.Errorf("%d pieces are left", len(p.all))
	}
}

func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := opened(t, nil)
		for _, err := range []error{
			s.Send(nil, nil),
			s.Send(make([]byte, maxMessage+1), nil),
			s.Send(numbered(1), []byte{}),
			s.Send(numbered(1), make([]byte, maxTransfer+1)),
			s.PostReceive(0, 1),
			s.PostReceive(-1, 1),
			s.PostReceive(maxTransfer+1, 1),
		} {
			if !errors.Is(err, syscall.EMSGSIZE) {
				t.Errorf("error is %v, want EMSGSIZE", err)
			}
		}
		for i := range maxTransfers {
			if err := s.PostReceive(4, uint64(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.PostReceive(4, 0); !errors.Is(err, syscall.ENOBUFS) {
			t.Errorf("error is %v, want ENOBUFS", err)
		}
		closeService(t, s)
	})
}

// TestOldDriver has one that knows no CLOSE_DELIVERED.
func TestOldDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := opened(t, func(k *fakeKernel) { k.version = 6 })
		if k.libVersion != 0 || s.dev.Info().LibraryVersion != 0 {
			t.Errorf("driver was told version %d", k.libVersion)
		}
		closeService(t, s)
	})
}

func TestOpenFails(t *testing.T) {
	t.Run("version", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k := newFake(t)
			k.with(func() { k.version = 2 })
			if _, err := newDevice(k); !errors.Is(err, ErrVersion) {
				t.Errorf("error is %v", err)
			}
		})
	})
	t.Run("no service", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k := newFake(t)
			k.with(func() { k.noServer, k.interrupts = true, 0.5 })
			d, err := newDevice(k)
			if err != nil {
				t.Fatal(err)
			}
			if got := d.Info(); got != (Info{8, 3, 8, 4088, 4088, 4, 4096}) {
				t.Errorf("info is %+v", got)
			}
			_, err = d.OpenMMAL(t.Context())
			refusal, ok := errors.AsType[*Error](err)
			if !ok || !errors.Is(err, syscall.EIO) || !strings.Contains(refusal.Hint(), "start_x") {
				t.Errorf("error is %v", err)
			}
			if _, err := d.OpenMMAL(t.Context()); !errors.Is(err, errUsed) {
				t.Errorf("second time: error is %v", err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	})
	for name, limit := range map[string]time.Duration{"context": time.Second, "timeout": time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFake(t)
				d, err := newDevice(k)
				if err != nil {
					t.Fatal(err)
				}
				k.with(func() { k.silent = true })
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				start := time.Now()
				_, err = d.OpenMMAL(ctx)
				want := context.DeadlineExceeded
				if limit > openTimeout {
					want = ErrStuck
				}
				if took := time.Since(start); !errors.Is(err, want) || took != min(limit, openTimeout) {
					t.Errorf("after %v: %v", took, err)
				}
				if err := d.Close(); !errors.Is(err, ErrStuck) {
					t.Errorf("close: %v", err)
				}
				k.with(func() { k.silent = false })
			})
		})
	}
	t.Run("device unused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, err := newDevice(newFake(t))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}
			if _, err := d.OpenMMAL(t.Context()); !errors.Is(err, errUsed) {
				t.Errorf("error is %v", err)
			}
		})
	})
	t.Run("no driver", func(t *testing.T) {
		if _, err := os.Stat(Path); err == nil {
			t.Skip("this machine has " + Path)
		}
		_, err := Dial(t.Context())
		if refusal, ok := errors.AsType[*Error](err); !ok || !errors.Is(err, os.ErrNotExist) ||
			!strings.Contains(refusal.Hint(), "wrong kernel") {
			t.Errorf("error is %v", err)
		}
	})
}

func TestErrors(t *testing.T) {
	for _, test := range []struct {
		err  Error
		hint string
	}{
		{Error{"open", openRequest, syscall.ENOENT}, "wrong kernel"},
		{Error{"open", openRequest, syscall.EACCES}, "root"},
		{Error{"open", openRequest, syscall.ENOTCONN}, "start_x"},
		{Error{"open", "CREATE_SERVICE", syscall.EIO}, "start_x"},
		{Error{"open", "CREATE_SERVICE", syscall.EEXIST}, "no room"},
		{Error{"open", "CREATE_SERVICE", syscall.ENOTCONN}, "not connected"},
		{Error{"ask", "GET_CONFIG", syscall.ENOTTY}, "driver"},
		{Error{"send", "QUEUE_MESSAGE", syscall.EIO}, ""},
	} {
		if got := test.err.Hint(); !strings.Contains(got, test.hint) || (got == "") != (test.hint == "") {
			t.Errorf("%v: hint %q, want %q", test.err.Errno, got, test.hint)
		}
		var call *os.SyscallError
		if err := error(&test.err); !errors.Is(err, test.err.Errno) || !errors.As(err, &call) {
			t.Errorf("%v wraps no system call's error", err)
		}
	}
}

// TestClient runs mmal's client over the driver.
func TestClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := opened(t, func(k *fakeKernel) { k.interrupts = 0.5 })
		ctx, cancel := context.WithCancel(t.Context())
		c := mmal.New(s, nil)
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		go func() {
			h, err := mmal.DecodeHeader(k.reads())
			if err != nil {
				t.Error(err)
			}
			k.sends(mmal.Append(nil, h, &mmal.Version{Major: 16, Minor: 1, Minimum: 10}))
		}()
		if major, minor, err := c.Version(ctx); major != 16 || minor != 1 || err != nil {
			t.Errorf("version %d.%d, %v", major, minor, err)
		}
		k.with(func() { k.silent = true })
		if _, _, err := c.Version(ctx); !errors.Is(err, mmal.ErrNoReply) {
			t.Errorf("error is %v, want ErrNoReply", err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		k.with(func() { k.silent = false })
	})
}

// TestAllocations counts what one message each way and one transfer each way allocate, once all memory has been used.
func TestAllocations(t *testing.T) {
	k, s := opened(t, func(k *fakeKernel) { k.unread = true })
	msg, data := noise(300, 1), noise(70000, 2)
	tests := map[string]func(){
		"message out": func() {
			n := k.count
			if err := s.Send(msg, nil); err != nil {
				t.Fatal(err)
			}
			k.until(func() bool { return k.count > n })
		},
		"bulk out": func() {
			k.mu.Lock()
			k.vcRx++
			k.mu.Unlock()
			if err := s.Send(msg, data); err != nil {
				t.Fatal(err)
			}
			k.until(func() bool { return k.vcRx == 0 })
			s.mu.Lock()
			for s.tx.held != 0 {
				s.room.Wait()
			}
			s.mu.Unlock()
		},
		"message in": func() {
			k.event1(fakeEvent{msg: msg})
			if d := receive(t, s); len(d.Data) != len(msg) {
				t.Fatalf("message of %d bytes", len(d.Data))
			}
		},
		"bulk in": func() {
			if err := s.PostReceive(len(data), 1); err != nil {
				t.Fatal(err)
			}
			k.event1(fakeEvent{bulk: data})
			if d := receive(t, s); len(d.Data) != len(data) {
				t.Fatalf("transfer of %d bytes", len(d.Data))
			}
		},
	}
	for name, once := range tests {
		once()
		if got := testing.AllocsPerRun(200, once); got != 0 {
			t.Errorf("%s: %v allocations, want none", name, got)
		}
	}
	closeService(t, s)
}

func (k *fakeKernel) event1(e fakeEvent) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.events = append(k.events, e)
	k.change.Broadcast()
}
