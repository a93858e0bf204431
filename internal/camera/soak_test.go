package camera_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/vcemu"
)

// mishap is what VideoCore does in a soak.
type mishap struct {
	name      string
	kinds     []vcemu.FaultKind
	concerned func(vcemu.EncoderStats) bool
	lasts     time.Duration
}

var mishaps = []mishap{
	{"one encoder stalls", []vcemu.FaultKind{vcemu.Stall}, onlyLQ, 0},
	{"both encoders stall", []vcemu.FaultKind{vcemu.Stall}, nil, 0},
	{"one encoder locks up", []vcemu.FaultKind{vcemu.Lockup}, onlyLQ, 0},
	{"a bulk transfer never completes", []vcemu.FaultKind{vcemu.LoseBulk}, nil, 0},
	{"sensor stops", []vcemu.FaultKind{vcemu.SensorError}, nil, 0},
	{"service closes", []vcemu.FaultKind{vcemu.Disconnect}, nil, 0},
	{"silent", []vcemu.FaultKind{vcemu.Silence}, nil, vcemu.FaultTime},
	{"one stream frozen", []vcemu.FaultKind{vcemu.Freeze}, onlyHQ, 0},
	{"all pictures frozen", []vcemu.FaultKind{vcemu.Freeze}, nil, 0},
	{"camera is refused", []vcemu.FaultKind{vcemu.RefuseCamera, vcemu.SensorError}, nil, vcemu.FaultTime},
}

// TestSoak lets random faults follow each other 20 to 60 s apart: each is known and mended as if it were the first. LONG=1
// lets them go on for twenty hours.
func TestSoak(t *testing.T) {
	seeds, faults := 2, 20
	if os.Getenv("LONG") == "1" {
		seeds, faults = 20, 75
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { soak(t, uint64(seed), faults) })
		})
	}
}

func soak(t *testing.T, seed uint64, faults int) {
	const known, mended = 2 * time.Second, 5 * time.Second
	random := rand.New(rand.NewPCG(seed, 11))
	r := start(t, testConfig(), vcemu.Config{})
	for n := 0; n < faults && !t.Failed(); n++ {
		settled := r.steps()
		time.Sleep(20*time.Second + time.Duration(random.Int64N(int64(40*time.Second))))
		m := mishaps[random.IntN(len(mishaps))]
		if n := r.steps(); n != settled {
			t.Errorf("seed %d, before %s: %d steps were taken when all was well", seed, m.name, n-settled)
		}
		began := time.Now()
		for _, k := range m.kinds {
			if err := r.vc.Inject(k, m.concerned); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(known)
		if r.steps() == settled {
			t.Errorf("seed %d, fault %d, %s: not known after %v", seed, n, m.name, known)
		}
		time.Sleep(time.Until(began.Add(m.lasts + mended)))
		for name, st := range r.camera.Status().Streams {
			if age := time.Since(st.LastFrame); age > 500*time.Millisecond || st.Content != camera.Moving {
				t.Errorf("seed %d, fault %d, %s: after %v the newest picture of %s is %v old and %s", seed, n, m.name, m.lasts+mended, name, age, st.Content)
			}
		}
	}
	failed := t.Failed()
	st := r.camera.Status()
	r.stop()
	if err := <-r.ended; err != nil || st.Recovery.Restarts > 0 {
		t.Errorf("seed %d: ended with %v after %+v", seed, err, st.Recovery)
	}
	if failed {
		t.Logf("log:\n%s", r.log)
	}
}

// steps counts what has been done about trouble.
func (r *rig) steps() int {
	n := r.camera.Status().Recovery
	return sum(n.Streams) + n.Pipelines + n.Reconnects + n.Restarts
}
