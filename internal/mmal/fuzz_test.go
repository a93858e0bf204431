package mmal

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// fuzzMessage checks a body's decoder against its encoder: what decodes must survive a round trip.
func fuzzMessage[T any, M interface {
	*T
	Message
}](f *testing.F) {
	for _, msg := range mmalTraces(f) {
		f.Add(msg)
	}
	for _, tt := range layoutCases() {
		if m, ok := tt.base().(M); ok {
			f.Add(encodeWhole(m))
		}
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		m, again := M(new(T)), M(new(T))
		if Decode(msg, m) != nil {
			return
		}
		if err := Decode(Append(nil, Header{}, m), again); err != nil {
			t.Fatalf("decode what was encoded of %+v: %v", m, err)
		}
		if diff := cmp.Diff(m, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("decoded, then encoded and decoded (-once +twice):\n%s", diff)
		}
	})
}

// fuzzParameter does the same for a parameter's value.
func fuzzParameter[T any, P interface {
	*T
	Parameter
}](f *testing.F) {
	for _, tt := range tracedMessages() {
		if p, ok := tt.param.(P); ok {
			f.Add(AppendParameter(nil, p))
		}
	}
	for _, tt := range layoutCases() {
		if p, ok := tt.base().(P); ok {
			f.Add(AppendParameter(nil, p))
		}
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		p, again := P(new(T)), P(new(T))
		if DecodeParameter(value, p) != nil {
			return
		}
		if err := DecodeParameter(AppendParameter(nil, p), again); err != nil {
			t.Fatalf("decode what was encoded of %+v: %v", p, err)
		}
		if diff := cmp.Diff(p, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("decoded, then encoded and decoded (-once +twice):\n%s", diff)
		}
	})
}

func FuzzHeader(f *testing.F) {
	for _, msg := range mmalTraces(f) {
		f.Add(msg)
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		h, err := DecodeHeader(msg)
		if err != nil {
			return
		}
		again, err := DecodeHeader(Append(nil, h, &Reply{}))
		if err != nil || h != again {
			t.Errorf("decoded %+v, then encoded and decoded %+v, %v", h, again, err)
		}
	})
}

func FuzzVersion(f *testing.F)          { fuzzMessage[Version](f) }
func FuzzCreateRequest(f *testing.F)    { fuzzMessage[CreateRequest](f) }
func FuzzCreateReply(f *testing.F)      { fuzzMessage[CreateReply](f) }
func FuzzComponentRequest(f *testing.F) { fuzzMessage[ComponentRequest](f) }
func FuzzReply(f *testing.F)            { fuzzMessage[Reply](f) }
func FuzzPortInfoRequest(f *testing.F)  { fuzzMessage[PortInfoRequest](f) }
func FuzzPortInfoUpdate(f *testing.F)   { fuzzMessage[PortInfoUpdate](f) }
func FuzzPortInfo(f *testing.F)         { fuzzMessage[PortInfo](f) }
func FuzzPortAction(f *testing.F)       { fuzzMessage[PortActionRequest](f) }
func FuzzParameterSet(f *testing.F)     { fuzzMessage[ParameterSetRequest](f) }
func FuzzParameterGet(f *testing.F)     { fuzzMessage[ParameterGetRequest](f) }
func FuzzParameterReply(f *testing.F)   { fuzzMessage[ParameterGetReply](f) }
func FuzzBufferMessage(f *testing.F)    { fuzzMessage[BufferMessage](f) }
func FuzzEvent(f *testing.F)            { fuzzMessage[EventMessage](f) }

func FuzzBoolean(f *testing.F)            { fuzzParameter[Boolean](f) }
func FuzzUint32(f *testing.F)             { fuzzParameter[Uint32](f) }
func FuzzInt32(f *testing.F)              { fuzzParameter[Int32](f) }
func FuzzUint64(f *testing.F)             { fuzzParameter[Uint64](f) }
func FuzzRatio(f *testing.F)              { fuzzParameter[Ratio](f) }
func FuzzRectangle(f *testing.F)          { fuzzParameter[Rectangle](f) }
func FuzzCameraConfig(f *testing.F)       { fuzzParameter[CameraConfig](f) }
func FuzzFPSRange(f *testing.F)           { fuzzParameter[FPSRange](f) }
func FuzzVideoProfile(f *testing.F)       { fuzzParameter[VideoProfile](f) }
func FuzzIntraRefresh(f *testing.F)       { fuzzParameter[IntraRefresh](f) }
func FuzzStereoscopicMode(f *testing.F)   { fuzzParameter[StereoscopicMode](f) }
func FuzzChangeEventRequest(f *testing.F) { fuzzParameter[ChangeEventRequest](f) }
func FuzzColourEffect(f *testing.F)       { fuzzParameter[ColourEffect](f) }
func FuzzAWBGains(f *testing.F)           { fuzzParameter[AWBGains](f) }
func FuzzAnnotate(f *testing.F)           { fuzzParameter[Annotate](f) }
func FuzzThumbnail(f *testing.F)          { fuzzParameter[Thumbnail](f) }
func FuzzCameraInfo(f *testing.F)         { fuzzParameter[CameraInfo](f) }
