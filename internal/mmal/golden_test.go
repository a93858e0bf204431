package mmal

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// trace is one worked message of testdata/traces.json.
type trace struct {
	ABI     string `json:"abi"`
	Structs []struct {
		Name   string `json:"name"`
		Offset int    `json:"offset"`
	} `json:"structs"`
	Length int    `json:"length"`
	Hex    string `json:"hex"`
}

// mmalTraces reads the traces that are MMAL messages, by name; the others are arguments of ioctls.
func mmalTraces(tb testing.TB) map[string][]byte {
	tb.Helper()
	messages := map[string][]byte{}
	for name, tr := range allTraces(tb) {
		if tr.ABI != "arm32-eabi" {
			continue
		}
		b, err := hex.DecodeString(tr.Hex)
		if err != nil || len(b) != tr.Length {
			tb.Fatalf("trace %s: %d bytes, want %d: %v", name, len(b), tr.Length, err)
		}
		messages[name] = b
	}
	if len(messages) == 0 {
		tb.Fatal("no MMAL message in testdata/traces.json")
	}
	return messages
}

func allTraces(tb testing.TB) map[string]trace {
	tb.Helper()
	var file struct {
		Traces map[string]trace `json:"traces"`
	}
	b, err := os.ReadFile("testdata/traces.json")
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(b, &file); err != nil {
		tb.Fatalf("parse traces.json: %v", err)
	}
	return file.Traces
}

// words lays out 32-bit little-endian words.
func words(ws ...uint32) []byte {
	var b []byte
	for _, w := range ws {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

// The handles that the traces invent.
const (
	traceCamera   = 0x100
	traceSplitter = 0x200
	traceEncoder  = 0x300
)

// traceVideo is the committed video port of the camera in the traces, but for its picture.
func traceVideo(buffers uint32) PortBlock {
	return PortBlock{
		Type: PortOutput, Index: 1, IndexAll: 2,
		Min: Buffers{1, 128}, Advised: Buffers{1, 128}, Buffers: Buffers{buffers, 128},
	}
}

func tracePicture(encoding, variant FourCC, v VideoFormat) Format {
	v.PixelAspect = Rational{1, 1}
	return Format{Type: ESVideo, Encoding: encoding, Variant: variant, Video: v}
}

// traceFull is a picture of 1920x1080 in its padded buffer.
func traceFull(fps int32) VideoFormat {
	return VideoFormat{
		Width: 1920, Height: 1088, Crop: Rect{Width: 1920, Height: 1080}, FrameRate: Rational{fps, 1},
	}
}

// traceH264 is the encoder's output format: 10 Mbit/s, the frame rate from its input.
func traceH264() Format {
	f := tracePicture(EncodingH264, 0, traceFull(0))
	f.Bitrate = 10_000_000
	return f
}

// traceBuffer is a buffer of the encoder's output port, empty.
func traceBuffer(context uint32) BufferMessage {
	return BufferMessage{
		Buffer: BufferAddress{Component: traceEncoder, Port: 2, Context: context},
		Data:   0x20000000, Capacity: 65536, PTS: TimeUnknown, DTS: TimeUnknown,
	}
}

func traceFilled(context, length uint32, flags BufferFlags) BufferMessage {
	b := traceBuffer(context)
	b.Length, b.Flags, b.PTS = length, flags, 1234567890
	return b
}

// traceShort holds an access unit of 100 bytes: a start code, the head of a slice, and counting bytes.
func traceShort() *BufferMessage {
	b := traceFilled(0x10001, 100, FlagFrameEnd|FlagNALEnd)
	b.InMessage = 100
	for i := range 100 {
		b.Short[i] = byte(i)
	}
	copy(b.Short[:], []byte{0, 0, 0, 1, 0x41})
	return &b
}

func traceEvent(cmd FourCC, data []byte) *EventMessage {
	m := EventMessage{ClientComponent: 1, PortType: PortControl, Cmd: cmd, Length: uint32(len(data))}
	copy(m.Data[:], data)
	return &m
}

// set is a PORT_PARAMETER_SET that carries p.
func set(component, port uint32, p Parameter) *ParameterSetRequest {
	return &ParameterSetRequest{Component: component, Port: port, ID: p.ParameterID(), Value: AppendParameter(nil, p)}
}

// tracedMessage is what a trace says, in Go.
type tracedMessage struct {
	name   string
	header Header
	body   Message
	// param is the parameter that body carries, if any.
	param Parameter
}

func tracedMessages() []tracedMessage {
	all := tracedRequests()
	all = append(all, tracedPortInfos()...)
	all = append(all, tracedParameters()...)
	all = append(all, tracedActions()...)
	return append(all, tracedUnsolicited()...)
}

func tracedRequests() []tracedMessage {
	return []tracedMessage{
		{"GET_VERSION_REQ", Header{ID: GetVersion, Context: 1}, &Version{}, nil},
		{"GET_VERSION_REPLY", Header{ID: GetVersion, Context: 1}, &Version{Major: 16, Minor: 1, Minimum: 10}, nil},
		{
			"COMPONENT_CREATE_REQ", Header{ID: ComponentCreate, Context: 2},
			&CreateRequest{ClientComponent: 1, Name: "ril.camera", PID: 1234}, nil,
		},
		{
			"COMPONENT_CREATE_REPLY", Header{ID: ComponentCreate, Context: 2},
			&CreateReply{Component: traceCamera, Outputs: 3}, nil,
		},
		{"COMPONENT_CREATE_REPLY_ENOMEM", Header{ID: ComponentCreate, Context: 2}, &CreateReply{Status: ENoMem}, nil},
		{"COMPONENT_ENABLE_REQ", Header{ID: ComponentEnable, Context: 16}, &ComponentRequest{traceEncoder}, nil},
		{"COMPONENT_DESTROY_REQ", Header{ID: ComponentDestroy, Context: 15}, &ComponentRequest{traceEncoder}, nil},
		{"GENERIC_REPLY", Header{ID: PortParameterSet, Context: 6}, &Reply{}, nil},
	}
}

func tracedPortInfos() []tracedMessage {
	video := PortInfoRequest{traceCamera, PortOutput, 1}
	small := tracePicture(EncodingOpaque, EncodingI420, VideoFormat{
		Width: 320, Height: 240, Crop: Rect{Width: 320, Height: 240}, FrameRate: Rational{0, 1},
	})
	full := tracePicture(EncodingOpaque, EncodingI420, traceFull(25))
	info := func(p PortBlock, f Format) *PortInfo {
		return &PortInfo{Component: traceCamera, Type: PortOutput, Index: 1, Found: true, Handle: 2, Port: p, Format: f}
	}
	return []tracedMessage{
		{"PORT_INFO_GET_REQ", Header{ID: PortInfoGet, Context: 3}, &video, nil},
		{"PORT_INFO_GET_REPLY", Header{ID: PortInfoGet, Context: 3}, info(traceVideo(1), small), nil},
		{"PORT_INFO_SET_REQ", Header{ID: PortInfoSet, Context: 4}, &PortInfoUpdate{video, traceVideo(3), full}, nil},
		{"PORT_INFO_SET_REPLY", Header{ID: PortInfoSet, Context: 4}, info(traceVideo(3), full), nil},
		{
			"PORT_INFO_SET_H264_REQ", Header{ID: PortInfoSet, Context: 5},
			&PortInfoUpdate{
				PortInfoRequest{traceEncoder, PortOutput, 0},
				PortBlock{Type: PortOutput, IndexAll: 2, Buffers: Buffers{3, 65536}},
				traceH264(),
			}, nil,
		},
	}
}

func tracedParameters() []tracedMessage {
	setting := func(name string, context, component, port uint32, p Parameter) tracedMessage {
		return tracedMessage{name, Header{ID: PortParameterSet, Context: context}, set(component, port, p), p}
	}
	return []tracedMessage{
		setting("PARAM_SET_INTRAPERIOD_REQ", 6, traceEncoder, 2, &Uint32{ParamIntraPeriod, 50}),
		setting("PARAM_SET_CAMERA_CONFIG_REQ", 7, traceCamera, 0, &CameraConfig{
			MaxStillsWidth: 1920, MaxStillsHeight: 1080, MaxVideoWidth: 1920, MaxVideoHeight: 1080,
			VideoFrames: 3, Timestamps: TimestampRaw,
		}),
		setting("PARAM_SET_PROFILE_REQ", 9, traceEncoder, 2, &VideoProfile{ProfileHigh, Level4}),
		setting("PARAM_SET_FPS_RANGE_REQ", 10, traceCamera, 2, &FPSRange{Rational{10, 1}, Rational{25, 1}}),
		setting("PARAM_SET_CHANGE_EVENT_REQ", 17, traceCamera, 0, &ChangeEventRequest{ParamCameraSettings, true}),
		setting("PARAM_SET_ANNOTATE_V4_REQ", 21, traceCamera, 0, &Annotate{
			Enable: true, Background: true, TextSize: 32, Text: "2026-01-01 00:00:00",
		}),
		setting("PARAM_SET_CAPTURE_REQ", 8, traceCamera, 2, &Boolean{ParamCapture, true}),
		{
			"PARAM_GET_REQ", Header{ID: PortParameterGet, Context: 11},
			&ParameterGetRequest{Component: traceEncoder, Port: 2, ID: ParamIntraPeriod, Size: 12}, nil,
		},
		{
			"PARAM_GET_REPLY", Header{ID: PortParameterGet, Context: 11},
			&ParameterGetReply{ID: ParamIntraPeriod, Size: 12, Value: words(60)}, &Uint32{ParamIntraPeriod, 60},
		},
	}
}

func tracedActions() []tracedMessage {
	camera := func(a Action) PortActionRequest {
		return PortActionRequest{Component: traceCamera, Port: 2, Action: a}
	}
	connect, disconnect, require := camera(ActionConnect), camera(ActionDisconnect), camera(ActionSetRequirements)
	connect.Peer = PortAddress{traceSplitter, 1}
	require.Block = PortBlock{Type: PortOutput, Index: 1, IndexAll: 2, Buffers: Buffers{3, 128}}
	return []tracedMessage{
		{"PORT_ACTION_CONNECT_REQ", Header{ID: PortAction, Context: 12}, &connect, nil},
		{"PORT_ACTION_DISCONNECT_REQ", Header{ID: PortAction, Context: 20}, &disconnect, nil},
		{"PORT_ACTION_SET_REQUIREMENTS_REQ", Header{ID: PortAction, Context: 18}, &require, nil},
		{
			"PORT_ACTION_ENABLE_REQ", Header{ID: PortAction, Context: 13},
			&PortActionRequest{Component: traceEncoder, Port: 2, Action: ActionEnable, Block: PortBlock{
				Type: PortOutput, IndexAll: 2,
				Min: Buffers{1, 32768}, Advised: Buffers{1, 65536}, Buffers: Buffers{3, 65536},
			}}, nil,
		},
		{
			"PORT_ACTION_ENABLE_CONTROL_REQ", Header{ID: PortAction, Context: 14},
			&PortActionRequest{Component: traceCamera, Action: ActionEnable, Block: PortBlock{Type: PortControl}}, nil,
		},
		{
			"PORT_ACTION_DISABLE_REQ", Header{ID: PortAction, Context: 19},
			&PortActionRequest{Component: traceEncoder, Port: 2, Action: ActionDisable}, nil,
		},
	}
}

func tracedUnsolicited() []tracedMessage {
	empty := traceBuffer(0x10001)
	bulk := traceFilled(0x20002, 12345, FlagFrameEnd|FlagKeyFrame|FlagNALEnd)
	settings := words(uint32(ParamCameraSettings), 48, 39998, 512, 256, 256, 256, 384, 256, 320, 256, 0)
	return []tracedMessage{
		{"BUFFER_FROM_HOST", Header{ID: BufferFromHost}, &empty, nil},
		{"BUFFER_TO_HOST_EMPTY", Header{ID: BufferToHost}, &empty, nil},
		{"BUFFER_TO_HOST_SHORT", Header{ID: BufferToHost}, traceShort(), nil},
		{"BUFFER_TO_HOST_BULK", Header{ID: BufferToHost}, &bulk, nil},
		{"EVENT_CAMERA_SETTINGS", Header{ID: EventToHost}, traceEvent(EventParameterChanged, settings), nil},
		{"EVENT_ERROR", Header{ID: EventToHost}, traceEvent(EventError, words(uint32(EIO))), nil},
	}
}

func TestTraces(t *testing.T) {
	golden := mmalTraces(t)
	for _, tt := range tracedMessages() {
		want, ok := golden[tt.name]
		if !ok {
			t.Errorf("%s: twice in the table, or not in traces.json", tt.name)
			continue
		}
		delete(golden, tt.name)
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(hex.Dump(want), hex.Dump(Append(nil, tt.header, tt.body))); diff != "" {
				t.Errorf("Append (-want +got):\n%s", diff)
			}
			checkDecode(t, want, tt)
		})
	}
	for name := range golden {
		t.Errorf("%s: in traces.json, not in the table", name)
	}
}

func checkDecode(t *testing.T, msg []byte, want tracedMessage) {
	t.Helper()
	h, err := DecodeHeader(msg)
	if err != nil || h != want.header {
		t.Errorf("DecodeHeader = %+v, %v, want %+v", h, err, want.header)
	}
	got := zeroed(want.body)
	if err := Decode(msg, got); err != nil {
		t.Fatalf("Decode: %v", err)
	}
	if diff := cmp.Diff(want.body, got); diff != "" {
		t.Errorf("Decode (-want +got):\n%s", diff)
	}
	if want.param == nil {
		return
	}
	p := zeroedParameter(want.param)
	if err := DecodeParameter(valueOf(got), p); err != nil {
		t.Fatalf("DecodeParameter: %v", err)
	}
	if diff := cmp.Diff(want.param, p); diff != "" {
		t.Errorf("DecodeParameter (-want +got):\n%s", diff)
	}
}

// valueOf returns the parameter's value in a message that has one.
func valueOf(m Message) []byte {
	switch m := m.(type) {
	case *ParameterSetRequest:
		return m.Value
	case *ParameterGetReply:
		return m.Value
	}
	return nil
}

// zeroed returns a pointer to a new zero value of the type that m points to.
func zeroed[M any](m M) M {
	return reflect.New(reflect.TypeOf(m).Elem()).Interface().(M)
}

// zeroedParameter is zeroed, with the id that p's layout may not fix.
func zeroedParameter(p Parameter) Parameter {
	z := zeroed(p)
	if id := reflect.ValueOf(z).Elem().FieldByName("ID"); id.IsValid() {
		id.SetUint(uint64(p.ParameterID()))
	}
	return z
}

// wantMalformed reports an error that is not ErrMalformed.
func wantMalformed(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, ErrMalformed) {
		t.Errorf("%s: got error %v, want %v", what, err, ErrMalformed)
	}
}
