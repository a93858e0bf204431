package mmal

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// need is the length that a decoder needs of what encodeWhole made of v.
func need(v any, length int) int {
	switch v := v.(type) {
	case *PortActionRequest:
		if v.Action.hasPeer() {
			return 44 // what the kernel's driver sends
		}
	case *ParameterGetRequest:
		return 40 // the same
	case *ParameterGetReply:
		if v.Status != Success {
			return 36 // no value
		}
	}
	return length
}

// TestTruncated decodes every message and parameter at every length from none to MaxMessage.
func TestTruncated(t *testing.T) {
	values := map[string]any{}
	for _, tt := range layoutCases() {
		values[tt.name] = tt.base()
	}
	for _, tt := range tracedMessages() {
		values[tt.name] = tt.body
	}
	for name, v := range values {
		t.Run(name, func(t *testing.T) {
			whole := encodeWhole(v)
			needed := need(v, len(whole))
			room := append(whole, make([]byte, MaxMessage-len(whole))...)
			for n := range MaxMessage + 1 {
				got := zeroed(v)
				err := decodeShort(room[:n:n], got)
				if n < needed {
					wantMalformed(t, fmt.Sprintf("%d bytes of %d", n, needed), err)
					continue
				}
				if err != nil {
					t.Errorf("%d bytes, %d needed: %v", n, needed, err)
				}
				if n < len(whole) {
					continue
				}
				if diff := cmp.Diff(v, got); diff != "" {
					t.Fatalf("%d bytes (-want +got):\n%s", n, diff)
				}
			}
		})
	}
}

// decodeShort is decodeWhole, but lets a parameter be shorter or longer than its size says.
func decodeShort(b []byte, v any) error {
	p, ok := v.(Parameter)
	switch {
	case !ok:
		return decodeWhole(b, v)
	case len(b) < parameterHeader:
		return DecodeParameter(nil, p)
	}
	return DecodeParameter(b[parameterHeader:], p)
}

func TestDecodeHeaderMalformed(t *testing.T) {
	good := Append(nil, Header{ID: GetVersion, Context: 1}, &Version{})
	for i := range 4 {
		bad := append([]byte(nil), good...)
		bad[i] ^= 0x20
		_, err := DecodeHeader(bad)
		wantMalformed(t, fmt.Sprintf("magic % x", bad[:4]), err)
	}
	_, err := DecodeHeader(append(good, make([]byte, MaxMessage+1-len(good))...))
	wantMalformed(t, "message longer than MaxMessage", err)
	if _, err := DecodeHeader(append(good, make([]byte, MaxMessage-len(good))...)); err != nil {
		t.Errorf("message of MaxMessage bytes: %v", err)
	}
}

// patched returns a copy of b with the 32-bit word at an offset replaced.
func patched(b []byte, offset int, word uint32) []byte {
	b = append([]byte(nil), b...)
	binary.LittleEndian.PutUint32(b[offset:], word)
	return b
}

func TestBufferMalformed(t *testing.T) {
	golden := mmalTraces(t)
	whole := golden["BUFFER_TO_HOST_SHORT"]
	tests := []struct {
		name    string
		msg     []byte
		wantErr bool
	}{
		{"as traced", whole, false},
		{"no magic", patched(whole, 24, 0), true},
		{"another magic", patched(whole, 24, 0x6d6d616c), true},
		{"rest of a reference that is not in use", patched(whole, 40, 0xbcbcbcbc), false},
		{"reference without magic", patched(whole, 156, 1), true},
		{"reference with another magic", patched(patched(whole, 156, 1), 40, 0xbcbcbcbc), true},
		{"reference", patched(patched(whole, 156, 1), 40, Magic), false},
		{"payload fills its room", patched(whole, 160, MaxShortPayload), false},
		{"payload exceeds its room", patched(whole, 160, MaxShortPayload+1), true},
		{"payload of 256", patched(whole, 160, 1<<8), true},
		{"payload of 64 KiB", patched(whole, 160, 1<<16), true},
		{"payload of 16 MiB", patched(whole, 160, 1<<24), true},
		{"negative payload", patched(whole, 160, 0xffffffff), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := Decode(tt.msg, &BufferMessage{})
			if tt.wantErr {
				wantMalformed(t, "Decode", err)
			} else if err != nil {
				t.Errorf("Decode: %v", err)
			}
		})
	}
}

// TestParameterSizeLies patches the size of a parameter of 12 bytes.
func TestParameterSizeLies(t *testing.T) {
	golden := mmalTraces(t)
	long := func(msg []byte) []byte { return append(msg, make([]byte, MaxMessage-len(msg))...) }
	request, reply := golden["PARAM_SET_INTRAPERIOD_REQ"], golden["PARAM_GET_REPLY"]
	refusal := patched(reply, 24, uint32(ENoSpc))
	tests := []struct {
		name  string
		msg   []byte
		at    int
		into  func() Message
		size  uint32
		value int // bytes; -1 is an error
	}{
		{"request, size 0", request, 36, newSet, 0, -1},
		{"request, size 7", request, 36, newSet, 7, -1},
		{"request, size 8", request, 36, newSet, 8, 0},
		{"request, size 12", request, 36, newSet, 12, 4},
		{"request, size 13", request, 36, newSet, 13, -1},
		{"request, size 2^31", request, 36, newSet, 1 << 31, -1},
		{"request, size 2^32-1", request, 36, newSet, 1<<32 - 1, -1},
		{"long request, size 392", long(request), 36, newSet, 392, 384},
		{"long request, size 393", long(request), 36, newSet, 393, -1},
		{"reply, size 0", reply, 32, newGetReply, 0, -1},
		{"reply, size 7", reply, 32, newGetReply, 7, -1},
		{"reply, size 8", reply, 32, newGetReply, 8, 0},
		{"reply, size 12", reply, 32, newGetReply, 12, 4},
		{"reply, size 13", reply, 32, newGetReply, 13, -1},
		{"reply, size 2^32-1", reply, 32, newGetReply, 1<<32 - 1, -1},
		{"long reply, size 392", long(reply), 32, newGetReply, 392, 384},
		{"long reply, size 393", long(reply), 32, newGetReply, 393, -1},
		{"refusal, size 0", refusal, 32, newGetReply, 0, 4},
		{"refusal, size needed", refusal, 32, newGetReply, 500, 4},
		{"refusal, size 2^32-1", refusal, 32, newGetReply, 1<<32 - 1, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := tt.into()
			err := Decode(patched(tt.msg, tt.at, tt.size), m)
			switch {
			case tt.value < 0:
				wantMalformed(t, "Decode", err)
			case err != nil:
				t.Errorf("Decode: %v", err)
			case len(valueOf(m)) != tt.value:
				t.Errorf("value of %d bytes, want %d", len(valueOf(m)), tt.value)
			}
		})
	}
}

func newSet() Message      { return &ParameterSetRequest{} }
func newGetReply() Message { return &ParameterGetReply{} }

// TestParameterGetRequestSize checks that a size that cannot be makes no message longer than it may be.
func TestParameterGetRequestSize(t *testing.T) {
	for size, want := range map[uint32]int{0: 40, 7: 40, 8: 40, 12: 44, 392: 424, 393: 424, 1<<32 - 1: 424} {
		if got := len(Append(nil, Header{}, &ParameterGetRequest{Size: size})); got != want {
			t.Errorf("size %d: message of %d bytes, want %d", size, got, want)
		}
	}
}

// TestText checks that a text never fills its field: the last byte is NUL, and not read.
func TestText(t *testing.T) {
	tests := []struct {
		name string
		room int
		// encode and decode have room bytes for the text.
		encode func(s string) (field []byte)
		decode func(field []byte) (string, error)
	}{
		{"component name", 128, encodeName, decodeName},
		{"annotation", 256, encodeAnnotation, decodeAnnotation},
		{"sensor name", 16, encodeSensor, decodeSensor},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, n := range []int{0, 1, tt.room - 2, tt.room - 1, tt.room, tt.room + 1, 600} {
				field := tt.encode(strings.Repeat("x", n))
				kept := strings.Repeat("x", min(n, tt.room-1))
				if got, want := string(field), kept+strings.Repeat("\x00", tt.room-len(kept)); got != want {
					t.Errorf("text of %d encoded as %q, want %q", n, got, want)
				}
			}
			for _, field := range []string{strings.Repeat("y", tt.room), "yy\x00junk"} {
				want, _, _ := strings.Cut(field[:min(len(field), tt.room-1)], "\x00")
				got, err := tt.decode(append([]byte(field), make([]byte, tt.room-len(field))...))
				if err != nil || got != want {
					t.Errorf("field %q decoded as %q, %v, want %q", field, got, err, want)
				}
			}
		})
	}
}

func encodeName(s string) []byte { return encodeWhole(&CreateRequest{Name: s})[28:156] }

func decodeName(field []byte) (string, error) {
	whole, m := encodeWhole(&CreateRequest{}), CreateRequest{}
	copy(whole[28:], field)
	err := Decode(whole, &m)
	return m.Name, err
}

func encodeAnnotation(s string) []byte { return encodeWhole(&Annotate{Text: s})[56:312] }

func decodeAnnotation(field []byte) (string, error) {
	whole, p := encodeWhole(&Annotate{}), Annotate{}
	copy(whole[56:], field)
	err := decodeWhole(whole, &p)
	return p.Text, err
}

func encodeSensor(s string) []byte { return encodeWhole(&CameraInfo{[]Sensor{{Name: s}}})[32:48] }

func decodeSensor(field []byte) (string, error) {
	whole, p := encodeWhole(&CameraInfo{[]Sensor{{}}}), CameraInfo{}
	copy(whole[32:], field)
	if err := decodeWhole(whole, &p); err != nil {
		return "", err
	}
	return p.Cameras[0].Name, nil
}

func TestCameraInfoCount(t *testing.T) {
	for n := range maxCameras + 2 {
		whole := encodeWhole(&CameraInfo{make([]Sensor, n)})
		kept := min(n, maxCameras)
		if got := binary.LittleEndian.Uint32(whole[8:]); len(whole) != 152 || int(got) != kept {
			t.Errorf("%d cameras: %d bytes that say %d, want 152 and %d", n, len(whole), got, kept)
		}
		var p CameraInfo
		if err := decodeWhole(whole, &p); err != nil || len(p.Cameras) != kept {
			t.Errorf("%d cameras: decoded %d, %v, want %d", n, len(p.Cameras), err, kept)
		}
	}
	whole := encodeWhole(&CameraInfo{})
	for _, n := range []uint32{maxCameras + 1, 1 << 8, 1<<32 - 1} {
		wantMalformed(t, fmt.Sprintf("%d cameras", n), decodeWhole(patched(whole, 8, n), &CameraInfo{}))
	}
}

// TestAppend checks that the encoder adds to what is there, and leaves no old byte in what it adds.
func TestAppend(t *testing.T) {
	dirty := []byte(strings.Repeat("\xff", 2*MaxMessage))
	for _, tt := range tracedMessages() {
		want := "head" + string(Append(nil, tt.header, tt.body))
		got := Append(append(dirty[:0], "head"...), tt.header, tt.body)
		if string(got) != want {
			t.Errorf("%s: Append to a used slice = %q, want %q", tt.name, got, want)
		}
		dirty = []byte(strings.Repeat("\xff", 2*MaxMessage))
	}
}
