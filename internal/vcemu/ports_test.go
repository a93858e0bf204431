package vcemu

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// TestPortHandles checks that a port's handle is good for nothing but to address that port.
func TestPortHandles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{})
		defer stop()
		h := dial(t, v)
		firsts := make(map[uint32]bool)
		for range 9 {
			for _, name := range []string{"ril.camera", "ril.video_splitter", "ril.isp", "null_sink"} {
				r := h.tryCreate(name)
				h.must("create", r.Status)
				ports := []target{h.port(r.Component, mmal.PortControl, 0)}
				for i := range r.Inputs {
					ports = append(ports, h.port(r.Component, mmal.PortInput, i))
				}
				for i := range r.Outputs {
					ports = append(ports, h.port(r.Component, mmal.PortOutput, i))
				}
				firsts[ports[0].Handle] = true
				for i, p := range ports {
					if int(p.Port.IndexAll) != i || p.Handle < 8 || p.Handle > 255 || i > 0 && p.Handle <= ports[i-1].Handle {
						t.Errorf("%s: port %d has index %d, handle %d", name, i, p.Port.IndexAll, p.Handle)
					}
					if got := h.get(p, mmal.ParamSystemTime, 16).Status; got != mmal.Success {
						t.Errorf("%s: port %d by handle: %v", name, i, got)
					}
					p.Handle = uint32(i)
					if got := h.get(p, mmal.ParamSystemTime, 16).Status; got != mmal.EInval {
						t.Errorf("%s: port %d by index: %v, want EINVAL", name, i, got)
					}
				}
			}
		}
		if len(firsts) < 30 {
			t.Errorf("36 components have only %d different handles of the control port", len(firsts))
		}
	})
}

// TestUncommittedOutputs enables outputs whose format was never set, but perhaps that of the input.
func TestUncommittedOutputs(t *testing.T) {
	for _, c := range []struct {
		component string
		input     bool // has its format
		index     uint32
		want      mmal.Status
	}{
		{"ril.camera", false, previewPort, mmal.EInval},
		{"ril.camera", false, videoPort, mmal.EInval},
		{"ril.camera", false, stillPort, mmal.EInval},
		{"ril.video_splitter", false, 0, mmal.EInval},
		{"ril.video_splitter", true, 0, mmal.Success},
		{"ril.video_splitter", true, 3, mmal.Success},
		{"ril.isp", false, 0, mmal.EInval},
		{"ril.isp", true, 0, mmal.Success},
		{"ril.isp", true, 1, mmal.Success},
		{"ril.isp", true, 2, mmal.EInval}, // statistics
		{"ril.resize", false, 0, mmal.EInval},
		{"ril.resize", true, 0, mmal.Success},
		{"ril.video_encode", false, 0, mmal.EInval},
		{"ril.video_encode", true, 0, mmal.EInval},
		{"ril.image_encode", false, 0, mmal.EInval},
		{"ril.image_encode", true, 0, mmal.EInval},
	} {
		synctest.Test(t, func(t *testing.T) {
			v, stop := machine(t, Config{})
			defer stop()
			h := dial(t, v)
			comp := h.create(c.component)
			if c.input {
				h.commit(h.port(comp, mmal.PortInput, 0), raw(mmal.EncodingI420, 640, 480, 30))
			}
			p := h.port(comp, mmal.PortOutput, c.index)
			want := mmal.Buffers{Num: 3, Size: max(p.Port.Min.Size, 128)}
			if got := h.action(p, mmal.ActionEnable, want, target{}); got != c.want {
				t.Errorf("%s output %d, input committed %v: %v, want %v", c.component, c.index, c.input, got, c.want)
			}
		})
	}
}

// TestJPEGWithoutInputFormat commits the output only.
func TestJPEGWithoutInputFormat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{})
		defer stop()
		h := dial(t, v)
		out := h.commit(h.port(h.create("ril.image_encode"), mmal.PortOutput, 0), raw(mmal.EncodingJPEG, 320, 240, 0))
		if got := h.action(out, mmal.ActionEnable, mmal.Buffers{Num: 1, Size: 65536}, target{}); got != mmal.EInval {
			t.Errorf("got %v, want EINVAL", got)
		}
	})
}

// TestUncommittedStill shoots by a still port whose format was never set, although the camera runs.
func TestUncommittedStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{Scene: cornerScene})
		defer stop()
		r := newRig(t, v, 320, 240, 30)
		r.componentEnable(r.camera)
		still := r.port(r.camera, mmal.PortOutput, stillPort)
		if got := r.action(still, mmal.ActionEnable, mmal.Buffers{Num: 1, Size: 128}, target{}); got != mmal.EInval {
			t.Errorf("enable: %v, want EINVAL", got)
		}
		r.give(still, 1, 128)
		r.must("capture", r.set(still, &mmal.Boolean{ID: mmal.ParamCapture, Value: true}))
		time.Sleep(time.Second)
		r.until(func() bool { return len(r.buffers) == 1 })
		if b := r.buffers[0]; b.status != mmal.EInval {
			t.Errorf("buffer came back with %v, want EINVAL", b.status)
		}
		if s := v.Stats(); s.SensorFrames < 29 {
			t.Errorf("%d frames in a second", s.SensorFrames)
		}
	})
}

// TestReconfiguredCamera changes the camera's configuration, which takes the formats away.
func TestReconfiguredCamera(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{})
		defer stop()
		h := dial(t, v)
		camera := h.create("ril.camera")
		video := h.commit(h.port(camera, mmal.PortOutput, videoPort), opaque(640, 480, 30))
		config := mmal.CameraConfig{MaxVideoWidth: 320, MaxVideoHeight: 240, VideoFrames: 3}
		h.must("config", h.set(h.port(camera, mmal.PortControl, 0), &config))
		if got := h.action(video, mmal.ActionEnable, mmal.Buffers{Num: 1, Size: 128}, target{}); got != mmal.EInval {
			t.Errorf("got %v, want EINVAL", got)
		}
	})
}

// TestBudget enables encoders until they are more than the hardware can do.
func TestBudget(t *testing.T) {
	type stream struct {
		width, height, fps int32
	}
	full, large := stream{1920, 1080, 25}, stream{1920, 1080, 30}
	for _, c := range []struct {
		name    string
		streams []stream
		want    uint64
	}{
		{"one", []stream{large}, 0},
		{"small beside", []stream{full, {640, 480, 25}}, 0},
		{"too large beside", []stream{full, {960, 540, 25}}, 1}, // 52.2 M + 13.1 M
		{"slow beside", []stream{full, {960, 540, 5}}, 0},
		{"two more", []stream{large, {640, 480, 5}, {640, 480, 5}}, 2},
		{"no rate is 30", []stream{full, {960, 540, 0}}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, stop := machine(t, Config{})
				defer stop()
				for _, s := range c.streams {
					h := dial(t, v) // they share it, whoever they belong to
					_, _, out := h.newEncoder(opaque(s.width, s.height, s.fps), 1_000_000)
					h.enable(out, 1, 65536)
				}
				if got := v.Stats().OverBudget; got != c.want {
					t.Errorf("counted %d times, want %d", got, c.want)
				}
			})
		})
	}
}

// TestBudgetIsGivenBack has two large encoders, but one after the other.
func TestBudgetIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{})
		defer stop()
		h := dial(t, v)
		for range 2 {
			_, _, out := h.newEncoder(opaque(1920, 1080, 30), 1_000_000)
			h.enable(out, 1, 65536)
			h.must("disable", h.action(out, mmal.ActionDisable, mmal.Buffers{}, target{}))
		}
		if got := v.Stats().OverBudget; got != 0 {
			t.Errorf("counted %d times, want none", got)
		}
	})
}
