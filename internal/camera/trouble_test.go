package camera_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu"
)

// tamper decides which messages pass between a camera and VideoCore; it may change them. Both functions are called from
// one goroutine at a time each.
type tamper struct {
	sent     func(h mmal.Header, msg []byte) bool
	received func(h mmal.Header, msg []byte) bool
}

type tampered struct {
	mmal.Transport
	*tamper
}

func (t *tampered) Send(msg, bulk []byte) error {
	if h, err := mmal.DecodeHeader(msg); err == nil && t.sent != nil && !t.sent(h, msg) {
		return nil
	}
	return t.Transport.Send(msg, bulk)
}

func (t *tampered) Receive() (mmal.Delivery, error) {
	for {
		d, err := t.Transport.Receive()
		if err != nil || d.Kind != mmal.DeliveryMessage || t.received == nil {
			return d, err
		}
		if h, err := mmal.DecodeHeader(d.Data); err != nil || t.received(h, d.Data) {
			return d, nil
		}
	}
}

// filled says whether a message gives the firmware a buffer with something in it: a frame that ARM carries.
func filled(h mmal.Header, msg []byte) bool {
	var m mmal.BufferMessage
	return h.ID == mmal.BufferFromHost && mmal.Decode(msg, &m) == nil && m.Length > 0
}

// TestStopWhileSilent holds that the camera stops in time although nobody answers, wherever it is.
func TestStopWhileSilent(t *testing.T) {
	for after := 1; after < 260; after += 3 {
		synctest.Test(t, func(t *testing.T) {
			var messages atomic.Int32
			pass := func(mmal.Header, []byte) bool { return messages.Add(1) < int32(after) }
			r := startTampered(t, testConfig(), vcemu.Config{}, &tamper{received: pass})
			time.Sleep(time.Second)
			began := time.Now()
			r.stop()
			if err := <-r.ended; err != nil && !errors.Is(err, mmal.ErrNoReply) {
				t.Errorf("silent after %d messages: ended with %v", after, err)
			}
			if took := time.Since(began); took > 1900*time.Millisecond {
				t.Errorf("silent after %d messages: took %v to stop", after, took)
			}
		})
	}
}

// TestKeyFrameRefused holds that a firmware that makes no key frames when asked to is no reason to stop.
func TestKeyFrameRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		between := &tamper{sent: func(h mmal.Header, msg []byte) bool {
			var m mmal.ParameterSetRequest
			if h.ID == mmal.PortParameterSet && mmal.Decode(msg, &m) == nil && m.ID == mmal.ParamRequestIFrame {
				binary.LittleEndian.PutUint32(msg[mmal.HeaderSize+8:], 0x2ffff) // which no firmware knows
			}
			return true
		}}
		r := startTampered(t, testConfig(), vcemu.Config{}, between)
		time.Sleep(time.Second)
		r.camera.RequestKeyFrame("hq")
		time.Sleep(time.Second)
		r.end(t)
		checkStream(t, "hq", r.units["hq"], 30, 2)
		if !strings.Contains(r.log.String(), "refuses to make a key frame") {
			t.Errorf("log says nothing of the refusal:\n%s", r.log)
		}
	})
}

// TestGateHeld holds that a component that keeps a frame which ARM carried to it does not hold up the other streams.
func TestGateHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		contexts := make(chan uint32, 100)
		kept := map[uint32]bool{}
		between := &tamper{
			sent: func(h mmal.Header, msg []byte) bool {
				var m mmal.BufferMessage
				if filled(h, msg) && mmal.Decode(msg, &m) == nil {
					contexts <- m.Buffer.Context
				}
				return true
			},
			received: func(h mmal.Header, msg []byte) bool {
				for len(contexts) > 0 {
					kept[<-contexts] = true
				}
				var m mmal.BufferMessage
				return h.ID != mmal.BufferToHost || mmal.Decode(msg, &m) != nil || !kept[m.Buffer.Context]
			},
		}
		r := startTampered(t, testConfig(), vcemu.Config{}, between)
		time.Sleep(2 * time.Second)
		hq := r.snapshot("hq")
		if st := r.camera.Status().Streams["lq"]; st.Dropped == 0 {
			t.Errorf("the frames that lq missed are not counted: %+v", st)
		}
		r.stop()
		<-r.ended // not in order, for the frame does not come back
		checkStream(t, "hq", hq, 30, 2)
	})
}

// TestDeadGate has a firmware that takes frames from ARM and makes nothing of them: the pipeline is built anew without.
func TestDeadGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		between := &tamper{sent: func(h mmal.Header, msg []byte) bool { return !filled(h, msg) }}
		r := startTampered(t, testConfig(), vcemu.Config{}, between)
		time.Sleep(20 * time.Second)
		st := r.camera.Status().Streams["lq"]
		r.stop()
		if err := <-r.ended; err != nil {
			t.Errorf("ended with %v", err)
		}
		if st.FrameRate != 30 || !strings.Contains(st.Link, "carried through ARM") || st.Frames < 5*30 {
			t.Errorf("status is %+v, want many pictures at the camera's rate, and why", st)
		}
		hq := r.units["hq"]
		// To find out and to build the pipeline anew takes about a second.
		if n := len(hq); n < 18*30 {
			t.Errorf("hq: got %d pictures in 20 s", n)
		}
	})
}

// TestEncoderSkips holds that pictures that an encoder leaves out are neither an error nor a loss, and are told of.
func TestEncoderSkips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Streams = cfg.Streams[:1]
		r := start(t, cfg, vcemu.Config{Quirks: vcemu.Quirks{SkipEvery: 5}})
		time.Sleep(5 * time.Second)
		skips := r.vc.Stats().Encoders[0].Skipped
		st := r.camera.Status().Streams["hq"]
		r.end(t)
		if skips < 25 || st.Empty+1 < skips || st.Empty > skips || st.Dropped != 0 {
			t.Errorf("the encoder left %d pictures out, and of those %d are known, %d are lost", skips, st.Empty, st.Dropped)
		}
		if want := uint64(5*30) - skips; st.Frames < want-2 || st.Frames > want+1 {
			t.Errorf("%d pictures, want %d", st.Frames, want)
		}
		var keys int
		for i, u := range r.units["hq"] {
			if !strings.HasSuffix(u.types, "1") && !strings.HasSuffix(u.types, "5") {
				t.Errorf("picture %d has NAL units %s", i, u.types)
			}
			if u.idr {
				keys++
			}
		}
		if keys < 4 || keys > 6 {
			t.Errorf("%d key frames, want one each 30 pictures", keys)
		}
	})
}
