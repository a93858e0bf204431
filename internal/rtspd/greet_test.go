package rtspd

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/camera"
)

// TestWaitForTwo: whoever comes with the first picture waits for the second, and so does who comes after the camera has
// begun anew. Nobody waits for ever.
func TestWaitForTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStream(StreamConfig{Name: "hqstream"}, slog.New(slog.DiscardHandler), newClock(0), newViewers(1), nil)
		put := func(pts time.Duration, idr bool) {
			kind := byte(0x41)
			if idr {
				kind = 0x65
			}
			st.write(camera.AccessUnit{NALs: [][]byte{nal(kind, 10)}, PTS: pts, IDR: idr})
		}
		const atMost = time.Second
		waiting := func() (done chan time.Duration) {
			done = make(chan time.Duration, 1)
			began := time.Now()
			go func() {
				st.waitForTwo(t.Context(), atMost)
				done <- time.Since(began)
			}()
			synctest.Wait()
			return done
		}
		put(1*time.Second, true)
		first := waiting()
		if len(first) != 0 {
			t.Error("one picture is enough")
		}
		put(2*time.Second, false)
		if waited := <-first; waited != 0 {
			t.Errorf("waited for %v after the second picture", waited)
		}
		if waited := <-waiting(); waited != 0 {
			t.Errorf("waited for %v in a stream in progress", waited)
		}
		put(0, true) // the clock has begun anew, and this picture is not kept
		put(1*time.Second, true)
		if waited := <-waiting(); waited != atMost {
			t.Errorf("waited for %v, want %v", waited, atMost)
		}
	})
}
