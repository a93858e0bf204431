package vcemu

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// fuzzed makes one message of FuzzSession's input: its length in pairs of bytes, what is put into its header's id and
// handles so that much of it gets past the first checks, and what follows. In messages for a port that begins with the
// port's place in its component.
func fuzzed(hint byte, body ...byte) []byte {
	if len(body)%2 != 0 {
		body = append(body, 0)
	}
	return append([]byte{byte(len(body) / 2), hint}, body...)
}

// fuzzedWords is fuzzed with zeros to the given length, and words at places of the body.
func fuzzedWords(hint byte, length int, at map[int]uint32) []byte {
	body := make([]byte, length)
	for i, w := range at {
		binary.LittleEndian.PutUint32(body[i:], w)
	}
	return fuzzed(hint, body...)
}

// uncommittedStill shoots by a still port whose format was never set.
func uncommittedStill() []byte {
	const camera = 0 << 5
	port := uint32(1 + stillPort) // behind the control port
	b := fuzzedWords(camera|byte(mmal.PortAction), 72, map[int]uint32{0: port, 4: uint32(mmal.ActionEnable), 52: 1, 56: 128})
	b = append(b, fuzzedWords(camera|byte(mmal.BufferFromHost), 264, map[int]uint32{0: port, 4: 1, 36: 1, 40: 128})...)
	capture := map[int]uint32{0: port, 4: uint32(mmal.ParamCapture), 8: 12, 12: 1}
	return append(b, fuzzedWords(camera|byte(mmal.PortParameterSet), 16, capture)...)
}

// fuzzedHead is the part of a message before the body that comes out of the fuzzer.
func fuzzedHead(id mmal.MessageID, component uint32) []byte {
	head := mmal.Append(nil, mmal.Header{ID: id, Context: 9}, &mmal.ComponentRequest{Component: component})
	if id == mmal.BufferFromHost {
		head = binary.LittleEndian.AppendUint32(head[:mmal.HeaderSize], mmal.Magic)
		head = binary.LittleEndian.AppendUint32(head, component)
	}
	return head
}

// FuzzSession sends any bytes as messages to a camera that runs, and closes.
func FuzzSession(f *testing.F) {
	f.Add([]byte{})
	f.Add(fuzzed(0xff, 1, 2, 3))
	for id := byte(1); id < 32; id++ {
		f.Add(fuzzed(id, make([]byte, 200)...))
		f.Add(append(fuzzed(id|0x20, 3, 0, 0, 0, 1), fuzzed(id|0x40, 1, 0, 0, 0, 0, 2)...))
	}
	f.Add(append(fuzzed(10|0x20, 1, 0, 0, 0, 2), fuzzed(11|0x60, make([]byte, 255)...)...))
	f.Add(uncommittedStill())
	f.Fuzz(func(t *testing.T, b []byte) {
		synctest.Test(t, func(t *testing.T) {
			v, stop := machine(t, Config{Scene: cornerScene})
			r := newRig(t, v, 64, 48, 30)
			_, in, coded := r.newEncoder(r.out(0).Format, 100_000)
			r.connect(r.out(0), in)
			r.componentEnable(r.camera)
			r.enable(r.out(0), 3, 128)
			r.enable(coded, 3, 65536)
			r.give(coded, 1, 65536)
			r.enable(r.out(1), 3, 128)
			r.give(r.out(1), 2, 128)
			r.capture(true)
			handles := []uint32{r.camera, r.splitter, coded.Component, r.sink}
			var ports []uint32 // first of each
			for _, c := range handles {
				ports = append(ports, r.port(c, mmal.PortControl, 0).Handle)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				for r.pump() == nil {
				}
			}()
			for len(b) >= 2 {
				n, hint := int(b[0])*2, b[1]
				body := b[2:min(2+n, len(b))]
				b = b[2+len(body):]
				msg := append([]byte(nil), body...)
				if hint != 0xff {
					id, which := mmal.MessageID(hint&31), hint>>5&3
					byHandle := id != mmal.PortInfoGet && id != mmal.PortInfoSet
					if byHandle && len(msg) >= 4 {
						binary.LittleEndian.PutUint32(msg, binary.LittleEndian.Uint32(msg)+ports[which])
					}
					msg = append(fuzzedHead(id, handles[which]), msg...)
				}
				if err := r.tr.Send(msg, body[:len(body)&^3]); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Millisecond)
			}
			time.Sleep(100 * time.Millisecond)
			r.tr.Close()
			<-done
			synctest.Wait()
			if s := v.Stats(); s.ImagesInUse != 0 || s.Components != 0 || s.Sessions != 0 {
				t.Errorf("after close: %+v", s)
			}
			stop()
		})
	})
}
