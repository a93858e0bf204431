package rtspd

import (
	"testing"
	"time"
)

func TestKeyRequester(t *testing.T) {
	asked := 0
	k := keyRequester{ask: func() { asked++ }}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }

	steps := []struct {
		name string
		do   func()
		want int
	}{
		{"nobody wants one", func() { k.picture(false, at(0)) }, 0},
		{"the first wish is passed on at once", func() { k.want(at(10)) }, 1},
		{"a second one waits", func() { k.want(at(20)) }, 1},
		{"and is not forgotten", func() { k.picture(false, at(50)) }, 1},
		{"but asked when it is time", func() { k.picture(false, at(60)) }, 2},
		{"an IDR picture fulfils it", func() { k.picture(true, at(600)) }, 2},
		{"for good", func() { k.picture(false, at(9000)) }, 2},
		{"a wish after it counts anew", func() { k.want(at(9100)) }, 3},
	}
	for _, s := range steps {
		if s.do(); asked != s.want {
			t.Fatalf("%s: asked %d times, want %d", s.name, asked, s.want)
		}
	}

	// A crowd that joins and leaves all the time.
	began := start.Add(time.Hour)
	asked = 0
	for ms := range 60_000 {
		k.want(began.Add(time.Duration(ms) * time.Millisecond))
	}
	if asked < keyBurst+100 || asked > keyBurst+130 {
		t.Errorf("in a minute asked %d times, want %d at once and then 2 in a second", asked, keyBurst)
	}

	silent := keyRequester{}
	silent.want(start) // nobody to ask: must not panic
}
