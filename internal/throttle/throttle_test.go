package throttle

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func waited(t *testing.T, th *Throttle, from string) (time.Duration, bool) {
	t.Helper()
	began := time.Now()
	ok := th.Wait(t.Context(), from)
	return time.Since(began), ok
}

func TestGuesserIsSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var th Throttle
		for i := range free + 1 {
			if d, ok := waited(t, &th, "10.0.0.1:1000"); d != 0 || !ok {
				t.Fatalf("try %d waited %v, allowed %v", i, d, ok)
			}
			th.Failed("10.0.0.1:1000")
		}
		waited(t, &th, "10.0.0.1:1001")
		began := time.Now()
		for range 10 {
			if _, ok := waited(t, &th, "10.0.0.1:1002"); !ok {
				t.Fatal("refused though nobody else waits")
			}
			th.Failed("10.0.0.1:1002")
		}
		if d := time.Since(began); d != 10*pause {
			t.Errorf("ten tries took %v, want %v", d, 10*pause)
		}
		for _, other := range []string{"10.0.0.2:1000", "[2001:db8::1]:1000", "nonsense"} {
			if d, ok := waited(t, &th, other); d != 0 || !ok {
				t.Errorf("%s waited %v, allowed %v", other, d, ok)
			}
		}
		time.Sleep(memory + 1)
		if d, ok := waited(t, &th, "10.0.0.1:1000"); d != 0 || !ok {
			t.Errorf("after %v: waited %v, allowed %v", memory, d, ok)
		}
		if n := th.Failures(); n != free+11 {
			t.Errorf("counted %d failures, want %d", n, free+11)
		}
	})
}

// TestLineIsBounded holds that tries at the same time take turns, and that no more of them wait than a line holds.
func TestLineIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var th Throttle
		for range free + 1 {
			th.Failed("::ffff:10.0.0.1")
		}
		allowed, refused := make(chan time.Duration, 100), make(chan struct{}, 100)
		began := time.Now()
		for range 100 {
			go func() {
				if th.Wait(t.Context(), "10.0.0.1") {
					allowed <- time.Since(began)
				} else {
					refused <- struct{}{}
				}
			}()
		}
		time.Sleep(2 * line)
		if want := int(line/pause) + 1; len(allowed) != want || len(refused) != 100-want {
			t.Errorf("%d were allowed and %d refused, want %d and %d", len(allowed), len(refused), want, 100-want)
		}
		for i := range len(allowed) {
			if d := <-allowed; d != time.Duration(i)*pause {
				t.Errorf("turn %d came after %v, want %v", i, d, time.Duration(i)*pause)
			}
		}
		gone, cancel := context.WithCancel(t.Context())
		th.Wait(gone, "10.0.0.1")
		cancel()
		if th.Wait(gone, "10.0.0.1") {
			t.Error("one who is gone was allowed")
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var th Throttle
		for i := range 3 * maxAddresses {
			th.Failed(fmt.Sprintf("10.0.%d.%d", i/256, i%256))
			time.Sleep(time.Millisecond)
		}
		if len(th.from) != maxAddresses {
			t.Errorf("%d addresses are remembered, want %d", len(th.from), maxAddresses)
		}
		if _, known := th.from[netip.MustParsePrefix("10.0.0.0/32")]; known {
			t.Error("the oldest is remembered")
		}
	})
}

// TestNeighboursDoNotWait has one host of the LAN guess with one address, then with one after the other of its prefix.
func TestNeighboursDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var th Throttle
		for range 2 * free {
			th.Failed("[fe80::bad%eth0]:1000")
		}
		waited(t, &th, "fe80::bad")
		if d, _ := waited(t, &th, "fe80::bad"); d != pause {
			t.Errorf("the guesser waited %v, want %v", d, pause)
		}
		if d, ok := waited(t, &th, "[fe80::2%eth0]:554"); d != 0 || !ok {
			t.Errorf("its neighbour waited %v, allowed %v", d, ok)
		}
		th.Failed("192.0.2.1")
		for i := range 2 * maxAddresses {
			th.Failed(fmt.Sprintf("fe80::1:%x", i))
		}
		if _, known := th.from[netip.MustParsePrefix("192.0.2.1/32")]; !known || len(th.from) > 20 {
			t.Errorf("addresses of one host made another one forgotten, %d are remembered", len(th.from))
		}
		waited(t, &th, "fe80::1:1:1")
		if d, _ := waited(t, &th, "fe80::1:1:2"); d != pause {
			t.Errorf("one more address of the guesser waited %v, want %v", d, pause)
		}
		for _, other := range []string{"192.0.2.2", "fd12::1"} {
			if d, ok := waited(t, &th, other); d != 0 || !ok {
				t.Errorf("%s waited %v, allowed %v", other, d, ok)
			}
		}
	})
}
