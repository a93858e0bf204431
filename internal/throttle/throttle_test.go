package throttle

import (
	"context"
	"fmt"
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
		if _, known := th.from[network("10.0.0.0")]; known {
			t.Error("the oldest is remembered")
		}
	})
}

func TestNetwork(t *testing.T) {
	for _, tt := range []struct{ a, b string }{
		{"2001:db8::1", "[2001:db8::ffff:2]:80"},
		{"fe80::1%eth0", "[fe80::2%eth1]:554"},
		{"10.1.2.3", "[::ffff:10.1.2.3]:80"},
	} {
		if network(tt.a) != network(tt.b) {
			t.Errorf("%s and %s are %v and %v", tt.a, tt.b, network(tt.a), network(tt.b))
		}
	}
	if network("10.1.2.3") == network("10.1.2.4") || network("2001:db8::1") == network("2001:db8:0:1::1") {
		t.Error("different networks are one")
	}
}
