package camera_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu"
)

// sets collects the parameters that are set, each as "ID=first word of the value".
type sets struct {
	mu  sync.Mutex
	all []string
}

func (s *sets) sent(h mmal.Header, msg []byte) bool {
	var m mmal.ParameterSetRequest
	if h.ID == mmal.PortParameterSet && mmal.Decode(msg, &m) == nil && len(m.Value) >= 4 {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all = append(s.all, fmt.Sprintf("%v=%d", m.ID, int32(binary.LittleEndian.Uint32(m.Value))))
	}
	return true
}

// take returns what was set since the last call.
func (s *sets) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.all
	s.all = nil
	return all
}

// TestSetControls changes controls while pictures go on: what differs is sent and nothing else, and no frame is lost.
func TestSetControls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		var seen sets
		r := startTampered(t, cfg, vcemu.Config{}, &tamper{sent: seen.sent})
		time.Sleep(time.Second)
		for _, set := range seen.take() {
			if strings.Contains(set, "_GAIN=") {
				t.Errorf("%s is sent at the start, which old firmware does not know", set)
			}
		}
		c := cfg.Controls
		steps := []struct {
			change func()
			want   []string
		}{
			{func() {}, nil},
			{func() { c.Brightness, c.ISO = 60, 400 }, []string{"BRIGHTNESS=60", "ISO=400"}},
			{func() { c.ISO = 0 }, []string{"ISO=0"}},
			{func() { c.Rotation = 180 }, []string{"ROTATION=180", "ROTATION=180", "ROTATION=180"}},
			{func() { c.HFlip, c.VFlip = true, true }, []string{"MIRROR=3", "MIRROR=3", "MIRROR=3"}},
			{func() { c.AWBMode, c.AWBGains = "off", [2]float64{2, 1} }, []string{"AWB_MODE=0", "CUSTOM_AWB_GAINS=131072"}},
			{func() { c.AWBGains = [2]float64{1, 1} }, []string{"CUSTOM_AWB_GAINS=65536"}},
			{func() { c.AWBMode = "greyworld" }, []string{"AWB_MODE=10"}},
			{func() { c.AWBMode = "off" }, []string{"AWB_MODE=0", "CUSTOM_AWB_GAINS=65536"}},
			{func() { c.ColorEffects = &[2]int{1, 2} }, []string{"COLOUR_EFFECT=1"}},
			{func() { c.ColorEffects = &[2]int{1, 2} }, nil},
			{func() { c.Annotate = camera.Annotate{Text: "x", Size: 20} }, []string{"ANNOTATE=1"}},
			{func() { c.Annotate.Color = "#ff0000" }, []string{"ANNOTATE=1"}},
			{func() { c.Annotate.Text = "" }, []string{"ANNOTATE=0"}},
		}
		for i, s := range steps {
			s.change()
			if err := r.camera.SetControls(t.Context(), c); err != nil {
				t.Fatalf("step %d: %v", i, err)
			}
			if got := seen.take(); !slices.Equal(got, s.want) {
				t.Errorf("step %d sent %v, want %v", i, got, s.want)
			}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(5*time.Second - time.Duration(len(steps))*100*time.Millisecond - time.Second)
		r.end(t)
		checkStream(t, "hq", r.units["hq"], 30, 5)
		checkStream(t, "lq", r.units["lq"], 5, 5)
		if st := r.vc.Stats(); st.SensorDropped != 0 {
			t.Errorf("sensor dropped %d frames", st.SensorDropped)
		}
	})
}

// TestSetControlsRefused has the firmware refuse one of several controls: those sent before it are taken back.
func TestSetControlsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		var seen sets
		r := startTampered(t, cfg, vcemu.Config{Quirks: vcemu.Quirks{NoSidewaysVideo: true}}, &tamper{sent: seen.sent})
		time.Sleep(time.Second)
		seen.take()
		c := cfg.Controls
		c.Brightness, c.Rotation, c.VideoDenoise = 60, 90, false
		err := r.camera.SetControls(t.Context(), c)
		refused, ok := errors.AsType[*camera.ControlError](err)
		if !ok || refused.Control != "rotation" || refused.Status != mmal.EInval {
			t.Errorf("got %v", err)
		}
		want := []string{"BRIGHTNESS=60", "ROTATION=90", "ROTATION=90", "ROTATION=0", "ROTATION=0", "BRIGHTNESS=50"}
		if got := seen.take(); !slices.Equal(got, want) {
			t.Errorf("sent %v, want %v", got, want)
		}
		if err := r.camera.SetControls(t.Context(), cfg.Controls); err != nil || len(seen.take()) != 0 {
			t.Errorf("what has not changed is sent again (%v)", err)
		}
		c.AWBMode = "moonlight"
		if err := r.camera.SetControls(t.Context(), c); err == nil || len(seen.take()) != 0 {
			t.Errorf("an unknown name is sent (%v)", err)
		}
		r.end(t)
	})
}

// TestSetControlsTextRefused has the text come last, and everything taken back when it is refused.
func TestSetControlsTextRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		var seen sets
		refuse := func(h mmal.Header, msg []byte) bool {
			seen.sent(h, msg)
			var m mmal.ParameterSetRequest
			if h.ID == mmal.PortParameterSet && mmal.Decode(msg, &m) == nil && m.ID == mmal.ParamAnnotate {
				binary.LittleEndian.PutUint32(msg[mmal.HeaderSize+8:], 0x2ffff) // which no firmware knows
			}
			return true
		}
		r := startTampered(t, cfg, vcemu.Config{}, &tamper{sent: refuse})
		time.Sleep(time.Second)
		seen.take()
		c := cfg.Controls
		c.Contrast, c.Annotate = 5, camera.Annotate{Text: "x", Size: 20}
		refused, ok := errors.AsType[*camera.ControlError](r.camera.SetControls(t.Context(), c))
		if !ok || refused.Control != "annotate" || refused.Status != mmal.ENoSys {
			t.Errorf("got %v", refused)
		}
		want := []string{"CONTRAST=5", "ANNOTATE=1", "ANNOTATE=1", "CONTRAST=0"}
		if got := seen.take(); !slices.Equal(got, want) {
			t.Errorf("sent %v, want %v", got, want)
		}
		time.Sleep(3 * time.Second)
		if got := seen.take(); len(got) != 0 {
			t.Errorf("a text that was taken back is still sent: %v", got)
		}
		r.end(t)
	})
}

// TestSetControlsUnanswered loses a change on its way: the camera says so in time, takes all back, and what it does not
// know it sends anew.
func TestSetControlsUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		var seen sets
		var lose string // guarded by seen.mu
		between := func(h mmal.Header, msg []byte) bool {
			seen.sent(h, msg)
			seen.mu.Lock()
			defer seen.mu.Unlock()
			return lose == "" || h.ID != mmal.PortParameterSet || !strings.HasPrefix(seen.all[len(seen.all)-1], lose)
		}
		r := startTampered(t, cfg, vcemu.Config{}, &tamper{sent: between})
		time.Sleep(time.Second)
		setLose := func(name string) { seen.mu.Lock(); defer seen.mu.Unlock(); seen.all, lose = nil, name }
		setLose("ISO=")
		c := cfg.Controls
		c.Brightness, c.ISO = 60, 400
		began := time.Now()
		err := r.camera.SetControls(t.Context(), c)
		if took := time.Since(began); err == nil || took > 8*time.Second {
			t.Errorf("got %v after %v", err, took)
		}
		setLose("")
		if err := r.camera.SetControls(t.Context(), cfg.Controls); err != nil {
			t.Fatal(err)
		}
		// Whether the request to take BRIGHTNESS back still went out when time was up is open; it is sent again anyway.
		if got := slices.Compact(seen.take()); !slices.Equal(got, []string{"BRIGHTNESS=50", "ISO=0"}) {
			t.Errorf("sent %v, want all that is not known", got)
		}
		r.end(t)
	})
}

// TestControlsOutlivePipeline keeps what was set before there was a pipeline, and gives it to the next one.
func TestControlsOutlivePipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		var seen sets
		between := &tamper{sent: func(h mmal.Header, msg []byte) bool { return seen.sent(h, msg) && !filled(h, msg) }}
		r := startTampered(t, cfg, vcemu.Config{}, between)
		c := cfg.Controls
		c.Brightness, c.Annotate = 70, camera.Annotate{Text: "x", Size: 20}
		if err := r.camera.SetControls(t.Context(), c); err != nil { // before the pipeline, or while it is built
			t.Error(err)
		}
		time.Sleep(5 * time.Second)
		c.Sharpness = 30
		if err := r.camera.SetControls(t.Context(), c); err != nil {
			t.Error(err)
		}
		seen.take()
		time.Sleep(15 * time.Second) // the gate is dead: there is a new pipeline by now
		r.stop()
		<-r.ended
		again := seen.take()
		for _, want := range []string{"BRIGHTNESS=70", "SHARPNESS=30", "ANNOTATE=1"} {
			if !slices.Contains(again, want) {
				t.Errorf("the next pipeline does not get %s: %v", want, again)
			}
		}
		if err := r.camera.SetControls(t.Context(), cfg.Controls); err != nil {
			t.Errorf("after the end: %v", err)
		}
	})
}

// TestSetControlsAtOnce has many callers: the firmware ends with what one of them asked for, as a whole.
func TestSetControlsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		var seen sets
		r := startTampered(t, cfg, vcemu.Config{}, &tamper{sent: seen.sent})
		time.Sleep(time.Second)
		seen.take()
		var callers sync.WaitGroup
		for i := range 50 {
			callers.Go(func() {
				c := cfg.Controls
				c.Brightness, c.Sharpness = i, i
				if err := r.camera.SetControls(t.Context(), c); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		last := map[string]string{}
		for _, s := range seen.take() {
			name, value, _ := strings.Cut(s, "=")
			last[name] = value
		}
		if last["BRIGHTNESS"] != last["SHARPNESS"] {
			t.Errorf("ends with %v", last)
		}
		r.end(t)
	})
}

// TestSetControlsCancelled has the caller go away while another has the firmware's ear.
func TestSetControlsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, testConfig(), vcemu.Config{})
		time.Sleep(time.Second)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		c := testConfig().Controls
		c.Brightness = 1
		if err := r.camera.SetControls(gone, c); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		r.end(t)
	})
}

// TestAnnotateLooks holds the bytes of colours, place and frame number (MMAL_PARAMETER_CAMERA_ANNOTATE_V4_T), and what
// version 3 keeps of them.
func TestAnnotateLooks(t *testing.T) {
	for _, v3 := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			cfg := testConfig()
			cfg.Controls.Annotate = camera.Annotate{
				Text: "at", Size: 20, Color: "#ff0000", Background: true, BackgroundColor: "#ffffff", Align: "right",
				Offset: [2]int{7, 300}, FrameNum: true,
			}
			var seen annotations
			r := startTampered(t, cfg, vcemu.Config{Quirks: vcemu.Quirks{NoAnnotateV4: v3}}, &tamper{sent: seen.sent})
			time.Sleep(time.Second)
			r.end(t)
			want := make([]byte, map[bool]int{false: 324, true: 312}[v3])
			binary.LittleEndian.PutUint32(want[0:], 0x10049)
			binary.LittleEndian.PutUint32(want[4:], uint32(len(want)))
			want[8], want[32], want[36], want[40], want[48], want[55] = 1, 1, 1, 1, 1, 20
			copy(want[44:], []byte{235, 128, 128}) // white, and red, as ITU-R BT.601 codes them
			copy(want[52:], []byte{81, 90, 240})
			copy(want[56:], "at")
			if !v3 {
				want[312], want[316], want[320], want[321] = 2, 7, 300-256, 1
			}
			if got := seen.all[len(seen.all)-1]; !bytes.Equal(got, want) {
				t.Errorf("V3 %v: %s", v3, cmp.Diff(want, got))
			}
		})
	}
}
