package systest

import (
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/camkrazy/camkrazy/tools/frigate"
)

const (
	clockPackage = "github.com/camkrazy/camkrazy/tools/systest/clockstep"
	clockPath    = "/user/clockstep"
)

// testClock records both feeds as Frigate does, with both presets, while the board's clock goes an hour on and back.
func testClock(t *testing.T, b *videoCoreBoard, length time.Duration) {
	streams := make(map[string]string)
	for _, f := range feeds {
		streams[f.name] = b.url(f)
	}
	var recordings map[string]*frigate.Recording
	var failure error
	var recorder sync.WaitGroup
	recorder.Go(func() { recordings, failure = frigate.RecordAll(t.Context(), streams, t.TempDir(), length) })
	for _, step := range []string{"1h0m0s", "-1h0m0s"} {
		select {
		case <-time.After(length / 3):
		case <-t.Context().Done():
		}
		t.Log(b.runOnce(t, clockPath, regexp.MustCompile(`clock went `+step)))
	}
	recorder.Wait()
	if failure != nil {
		t.Fatal(failure)
	}
	for name, r := range recordings {
		t.Logf("%s: %d segments, %v, %d pictures together with another one", name, len(r.Segments), r.Segments[:min(len(r.Segments), 6)], r.Together)
		// The emulated CPU is late now and then, which the first preset takes for the pictures' time.
		const gop, slack = time.Second, 500 * time.Millisecond
		if err := r.Check(int(length/frigate.SegmentTime)-1, gop, slack); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if st := b.status(t); !st.Healthy || st.Streams["hqstream"].ReaderDrops != 0 {
		t.Errorf("after the steps: %+v", st)
	}
}
