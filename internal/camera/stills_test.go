package camera_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image/jpeg"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu"
)

// TestStillOptions holds what pictures of other sizes and qualities are, and that neither the streams nor the pictures of
// everybody notice them.
func TestStillOptions(t *testing.T) {
	tests := []struct {
		options       camera.StillOptions
		width, height int    // of the picture
		refused       string // or why there is none
	}{
		{camera.StillOptions{}, 200, 150, ""},
		{camera.StillOptions{Width: 100}, 100, 76, ""},
		{camera.StillOptions{Width: 101}, 100, 76, ""},
		{camera.StillOptions{Width: 64, Quality: 1}, 64, 48, ""},
		{camera.StillOptions{Width: 320, Quality: 100}, 320, 240, ""},
		{camera.StillOptions{Quality: 100}, 200, 150, ""},
		{camera.StillOptions{}, 200, 150, ""},
		{camera.StillOptions{Width: 63}, 0, 0, "width: 63 is out of range 64..320"},
		{camera.StillOptions{Width: 322}, 0, 0, "width: 322 is out of range 64..320"},
		{camera.StillOptions{Width: -2}, 0, 0, "width: -2 is out of range 64..320"},
		{camera.StillOptions{Quality: 101}, 0, 0, "quality: 101 is out of range 1..100"},
	}
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		r := start(t, cfg, vcemu.Config{})
		time.Sleep(time.Second)
		sizes := make(map[camera.StillOptions]int)
		usual := 0
		for _, tt := range tests {
			still, err := r.camera.TakeStill(t.Context(), tt.options)
			if tt.refused != "" {
				if !errors.Is(err, camera.ErrStillOptions) || !strings.Contains(fmt.Sprint(err), tt.refused) {
					t.Errorf("%+v: got %v, want %s", tt.options, err, tt.refused)
				}
				continue
			}
			img, decodeErr := jpeg.DecodeConfig(bytes.NewReader(still.JPEG))
			if err != nil || decodeErr != nil || img.Width != tt.width || img.Height != tt.height {
				t.Errorf("%+v: got %dx%d (%v, %v), want %dx%d", tt.options, img.Width, img.Height, err, decodeErr, tt.width, tt.height)
			}
			for _, want := range []string{"Exif\x00", "Camera Module V2 (imx219)"} {
				if !bytes.Contains(still.JPEG, []byte(want)) {
					t.Errorf("%+v: the picture does not have %q", tt.options, want)
				}
			}
			sizes[tt.options] = len(still.JPEG)
			if tt.options == (camera.StillOptions{}) {
				usual++
			}
		}
		if least, most := sizes[camera.StillOptions{}], sizes[camera.StillOptions{Quality: 100}]; least >= most {
			t.Errorf("quality 85 makes %d bytes, 100 makes %d", least, most)
		}
		took := r.camera.Status().Snapshot.Frames
		time.Sleep(2 * time.Second)
		r.end(t)
		const seconds = 3 // that it takes at least
		checkStream(t, "hq", r.units["hq"][:30*seconds], 30, seconds)
		checkStream(t, "lq", r.units["lq"][:5*seconds], 5, seconds)
		if int(took) != usual+1 {
			t.Errorf("%d pictures are everybody's, want %d", took, usual+1)
		}
		checkStills(t, r.stills, usual+2)
	})
}

// TestStillsAreShared has many ask at once, for pictures of three shapes.
func TestStillsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Snapshot.Interval = 0
		r := start(t, cfg, vcemu.Config{})
		time.Sleep(time.Second)
		shapes := []camera.StillOptions{{}, {Width: 100}, {Quality: 20}}
		var mu sync.Mutex
		pictures := make(map[camera.StillOptions]map[string]int)
		var askers sync.WaitGroup
		for i := range 60 {
			askers.Go(func() {
				o := shapes[i%len(shapes)]
				still, err := r.camera.TakeStill(t.Context(), o)
				if err != nil {
					t.Errorf("%+v: %v", o, err)
				}
				mu.Lock()
				defer mu.Unlock()
				if pictures[o] == nil {
					pictures[o] = make(map[string]int)
				}
				pictures[o][string(still.JPEG)]++
			})
		}
		// Who goes away leaves nothing to do.
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.camera.TakeStill(gone, camera.StillOptions{Width: 64}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want Canceled", err)
		}
		askers.Wait()
		for o, p := range pictures {
			if len(p) > 2 {
				t.Errorf("%+v: %d pictures for 20 who asked at once", o, len(p))
			}
		}
		r.end(t)
	})
}

// TestStillAfterRefusal has another size fail at each of the steps to it. The next picture is as it should be.
func TestStillAfterRefusal(t *testing.T) {
	for step := range 5 { // disconnect, the scaler's format, the encoder's, connect, JPEG's
		synctest.Test(t, func(t *testing.T) {
			left := -1
			between := &tamper{sent: func(h mmal.Header, msg []byte) bool {
				if h.ID == mmal.PortInfoSet || h.ID == mmal.PortAction {
					if left == 0 {
						binary.LittleEndian.PutUint32(msg[mmal.HeaderSize+4:], 0xbad) // its port
					}
					left--
				}
				return true
			}}
			r := startTampered(t, testConfig(), vcemu.Config{}, between)
			time.Sleep(time.Second)
			left = step
			if _, err := r.camera.TakeStill(t.Context(), camera.StillOptions{Width: 100}); err == nil {
				t.Errorf("step %d: nothing failed", step)
			}
			still, err := r.camera.TakeStill(t.Context(), camera.StillOptions{})
			if err != nil {
				t.Errorf("step %d: the next picture: %v", step, err)
			}
			checkStills(t, []camera.Still{still}, 1)
			r.stop()
			if err := <-r.ended; err != nil {
				t.Errorf("step %d: ended with %v", step, err)
			}
		})
	}
}
