package vcemu

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// carrier is a transport without a session that would send of its own accord.
func carrier(t *testing.T) (*VideoCore, *inproc, func()) {
	v, stop := machine(t, Config{})
	return v, dial(t, v).tr.(*inproc), stop
}

func receive(t *testing.T, tr mmal.Transport) mmal.Delivery {
	t.Helper()
	d, err := tr.Receive()
	if err != nil {
		t.Fatal(err)
	}
	d.Data = bytes.Clone(d.Data)
	return d
}

func TestBulkMatchesByOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, tr, stop := carrier(t)
		defer stop()
		for i := range byte(3) {
			tr.transmit([]byte{i}, bytes.Repeat([]byte{10 + i}, 8))
		}
		for i := range byte(3) {
			if d := receive(t, tr); d.Kind != mmal.DeliveryMessage || d.Data[0] != i {
				t.Fatalf("message %d: %+v", i, d)
			}
		}
		for i := range uint64(3) {
			if err := tr.PostReceive(8, 70-i); err != nil {
				t.Fatal(err)
			}
		}
		for i := range uint64(3) {
			d := receive(t, tr)
			if d.Kind != mmal.DeliveryBulk || d.Cookie != 70-i || !bytes.Equal(d.Data, bytes.Repeat([]byte{byte(10 + i)}, 8)) {
				t.Errorf("bulk %d: %+v", i, d)
			}
		}
		if got := v.Stats().BulkMismatches; got != 0 {
			t.Errorf("%d mismatches", got)
		}
	})
}

func TestBulkOfWrongSize(t *testing.T) {
	for _, size := range []int{4, 12} {
		synctest.Test(t, func(t *testing.T) {
			v, tr, stop := carrier(t)
			defer stop()
			if err := tr.PostReceive(size, 1); err != nil {
				t.Fatal(err)
			}
			tr.transmit([]byte{0}, make([]byte, 8))
			receive(t, tr)
			if d := receive(t, tr); len(d.Data) != min(size, 8) {
				t.Errorf("%d bytes arrived, want %d", len(d.Data), min(size, 8))
			}
			if got := v.Stats().BulkMismatches; got != 1 {
				t.Errorf("%d mismatches, want 1", got)
			}
		})
	}
}

// TestFifthBulkWaits checks that what is sent after four bulk transfers that nobody receives waits, in order.
func TestFifthBulkWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, tr, stop := carrier(t)
		defer stop()
		for i := range byte(6) {
			tr.transmit([]byte{i}, make([]byte, 4))
		}
		tr.transmit([]byte{6}, nil)
		for i := range byte(4) {
			if d := receive(t, tr); d.Data[0] != i {
				t.Fatalf("message %d: %+v", i, d)
			}
		}
		arrived := make(chan mmal.Delivery)
		go func() {
			defer close(arrived)
			for {
				d, err := tr.Receive()
				if err != nil {
					return
				}
				d.Data = bytes.Clone(d.Data)
				arrived <- d
			}
		}()
		synctest.Wait()
		select {
		case d := <-arrived:
			t.Fatalf("%+v arrived with four transfers under way", d)
		default:
		}
		var got []string
		for range 2 {
			tr.PostReceive(4, 1)
			for range 2 {
				d := <-arrived
				got = append(got, string(rune('0'+d.Kind))+string(d.Data[:1]))
			}
		}
		want := []string{"1\x00", "0\x04", "1\x00", "0\x05"}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("arrived %q, want %q", got, want)
			}
		}
		if d := <-arrived; d.Data[0] != 6 {
			t.Errorf("last message: %+v", d)
		}
		tr.Close()
		<-arrived
	})
}

func TestCloseAbortsReceives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, tr, stop := carrier(t)
		defer stop()
		tr.PostReceive(4, 8)
		tr.PostReceive(4, 9)
		for range 2 {
			if err := tr.Close(); err != nil {
				t.Fatal(err)
			}
		}
		for _, cookie := range []uint64{8, 9} {
			if d := receive(t, tr); d.Kind != mmal.DeliveryBulkAborted || d.Cookie != cookie || d.Data != nil {
				t.Errorf("%+v, want the abort of %d", d, cookie)
			}
		}
		if _, err := tr.Receive(); !errors.Is(err, mmal.ErrClosed) {
			t.Errorf("receive: %v", err)
		}
		if err := tr.Send(make([]byte, 40), nil); !errors.Is(err, mmal.ErrClosed) {
			t.Errorf("send: %v", err)
		}
		if err := tr.PostReceive(4, 1); !errors.Is(err, mmal.ErrClosed) {
			t.Errorf("post: %v", err)
		}
	})
}

// TestStopClosesSessions stops the machine under a client that waits.
func TestStopClosesSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{})
		r := newRig(t, v, 320, 240, 30)
		r.componentEnable(r.camera)
		r.capture(true)
		done := make(chan error)
		go func() {
			for {
				if _, err := r.tr.Receive(); err != nil {
					done <- err
					return
				}
			}
		}()
		synctest.Wait()
		stop()
		if err := <-done; !errors.Is(err, mmal.ErrClosed) {
			t.Errorf("receive: %v", err)
		}
		if _, err := v.Dial(t.Context()); !errors.Is(err, ErrNotRunning) {
			t.Errorf("dial afterwards: %v", err)
		}
		if err := v.Run(t.Context()); !errors.Is(err, ErrNotRunning) {
			t.Errorf("second run: %v", err)
		}
	})
}

func TestDialWaitsForRun(t *testing.T) {
	v, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Dial(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("dial: %v", err)
	}
}

func TestUnknownSensor(t *testing.T) {
	if _, err := New(Config{Sensor: "imx708"}); err == nil {
		t.Error("no error")
	}
}

// TestDeliveriesArePoisoned shows that data is taken back at the next Receive.
func TestDeliveriesArePoisoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, tr, stop := carrier(t)
		defer stop()
		tr.transmit([]byte{1}, nil)
		tr.transmit([]byte{2}, nil)
		d, err := tr.Receive()
		if err != nil {
			t.Fatal(err)
		}
		receive(t, tr)
		if d.Data[0] != poison {
			t.Errorf("data is still %d", d.Data[0])
		}
	})
}
