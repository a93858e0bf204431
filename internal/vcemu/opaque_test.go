package vcemu

import (
	"bytes"
	"image/jpeg"
	"testing"
	"testing/synctest"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// TestOpaqueKinds connects opaque ports of all kinds.
func TestOpaqueKinds(t *testing.T) {
	type source struct {
		component string
		index     uint32
	}
	preview, video := source{"ril.camera", previewPort}, source{"ril.camera", videoPort}
	still := source{"ril.camera", stillPort}
	splitter := source{"ril.video_splitter", 2}
	converts := Quirks{ImageEncodeConverts: true}
	for _, c := range []struct {
		name   string
		from   source
		to     string
		quirks Quirks
		want   mmal.Status
	}{
		{"single to single", preview, "null_sink", Quirks{}, mmal.Success},
		{"single to dual", preview, "ril.video_encode", Quirks{}, mmal.Success},
		{"single to strips", preview, "ril.image_encode", Quirks{}, mmal.EInval},
		{"single to strips, converted", preview, "ril.image_encode", converts, mmal.Success},
		{"dual to single", video, "ril.isp", Quirks{}, mmal.Success},
		{"dual to splitter", video, "ril.video_splitter", Quirks{}, mmal.Success},
		{"dual to dual", video, "ril.video_encode", Quirks{}, mmal.Success},
		{"dual to strips", video, "ril.image_encode", Quirks{}, mmal.EInval},
		{"strips to strips", still, "ril.image_encode", Quirks{}, mmal.Success},
		{"strips to null sink", still, "null_sink", Quirks{}, mmal.EInval},
		{"strips to splitter", still, "ril.video_splitter", Quirks{}, mmal.EInval},
		{"strips to isp", still, "ril.isp", converts, mmal.EInval},
		{"strips to resize", still, "ril.resize", Quirks{}, mmal.EInval},
		{"strips to dual", still, "ril.video_encode", Quirks{}, mmal.EInval},
		{"splitter to dual", splitter, "ril.video_encode", Quirks{}, mmal.Success},
		{"splitter to resize", splitter, "ril.resize", Quirks{}, mmal.Success},
		{"splitter to strips", splitter, "ril.image_encode", Quirks{}, mmal.EInval},
		{"splitter to strips, converted", splitter, "ril.image_encode", converts, mmal.Success},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, stop := machine(t, Config{Quirks: c.quirks})
				defer stop()
				h := dial(t, v)
				f := opaque(320, 240, 30)
				comp := h.create(c.from.component)
				if c.from.component == "ril.video_splitter" {
					h.commit(h.port(comp, mmal.PortInput, 0), f)
				}
				out := h.commit(h.port(comp, mmal.PortOutput, c.from.index), f)
				in := h.commit(h.port(h.create(c.to), mmal.PortInput, 0), f)
				if got := h.action(out, mmal.ActionConnect, mmal.Buffers{}, in); got != c.want {
					t.Errorf("got %v, want %v", got, c.want)
				}
			})
		})
	}
}

// TestOpaqueKindsAtEnable connects ports that are not opaque yet.
func TestOpaqueKindsAtEnable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{})
		defer stop()
		h := dial(t, v)
		picture := raw(mmal.EncodingI420, 320, 240, 30)
		still := h.commit(h.port(h.create("ril.camera"), mmal.PortOutput, stillPort), picture)
		sink := h.commit(h.port(h.create("null_sink"), mmal.PortInput, 0), picture)
		h.connect(still, sink)
		h.commit(still, opaque(320, 240, 30))
		h.commit(sink, opaque(320, 240, 30))
		if got := h.action(still, mmal.ActionEnable, mmal.Buffers{}, target{}); got != mmal.EInval {
			t.Errorf("got %v, want EINVAL", got)
		}
	})
}

// TestStripsByReference carries a still to two components, of which only the JPEG encoder can read it.
func TestStripsByReference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{Scene: cornerScene})
		defer stop()
		r := newRig(t, v, 320, 240, 30)
		f := opaque(320, 240, 0)
		still := r.commit(r.port(r.camera, mmal.PortOutput, stillPort), f)
		encoder, isp := r.create("ril.image_encode"), r.create("ril.isp")
		in := r.commit(r.port(encoder, mmal.PortInput, 0), f)
		out := r.port(encoder, mmal.PortOutput, 0)
		f.Encoding = mmal.EncodingJPEG
		out = r.commit(out, f)
		other := r.commit(r.port(isp, mmal.PortInput, 0), still.Format)
		r.componentEnable(encoder)
		r.componentEnable(r.camera)
		r.enable(other, 1, 128)
		r.enable(in, 1, 128)
		r.enable(out, 1, out.Port.Min.Size)
		r.enable(still, 1, 128)
		r.give(still, 1, 128)
		r.must("capture", r.set(still, &mmal.Boolean{ID: mmal.ParamCapture, Value: true}))
		r.until(func() bool { return len(r.buffers) == 1 })
		m := r.buffers[0].BufferMessage

		m.Buffer = mmal.BufferAddress{Component: isp, Port: other.Handle, Context: 2}
		r.send(other, m)
		r.until(func() bool { return len(r.buffers) == 2 })
		if b := r.buffers[1]; b.status != mmal.EInval || b.Flags&mmal.FlagTransmissionFailed == 0 {
			t.Errorf("strips at the ISP: %v, flags %v", b.status, b.Flags)
		}

		r.give(out, 4, out.Port.Min.Size)
		m.Buffer = mmal.BufferAddress{Component: encoder, Port: in.Handle, Context: 3}
		r.send(in, m)
		r.until(func() bool { return len(r.buffers) == 4 })
		for _, b := range r.buffers[2:] {
			if b.status != mmal.Success {
				t.Errorf("buffer %d: %v", b.Buffer.Context, b.status)
			}
			if b.Buffer.Context != 4 {
				continue
			}
			if _, err := jpeg.Decode(bytes.NewReader(b.data)); err != nil {
				t.Error(err)
			}
		}
	})
}
