package mmal

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// script is a Transport that delivers what it is told.
type script struct {
	Transport
	deliveries []Delivery
	sent       int
}

func (s *script) Send(_, bulk []byte) error {
	s.sent += 1 + len(bulk)
	return nil
}

func (s *script) Receive() (Delivery, error) {
	if len(s.deliveries) == 0 {
		return Delivery{}, ErrClosed
	}
	d := s.deliveries[0]
	s.deliveries = s.deliveries[1:]
	return d, nil
}

func message(h Header, m Message) Delivery {
	return Delivery{Kind: DeliveryMessage, Data: Append(nil, h, m)}
}

const wantSent = `
  0.000000 > COMPONENT_CREATE context=1 {ClientComponent:7 Name:ril.camera PID:321}
  0.000000 > PORT_PARAMETER_SET context=2 {Component:256 Port:272 ID:ISO Value:[100 0 0 0]}
  1.500000 > PORT_INFO_GET context=3 {Component:256 Type:out Index:1}
  1.500000 > PORT_ACTION context=4 {Component:256 Port:304 Action:CONNECT ` +
	`Block:{Type:porttype(0) Index:0 IndexAll:0 Enabled:false Min:{Num:0 Size:0} Advised:{Num:0 Size:0} AlignMin:0 ` +
	`Buffers:{Num:0 Size:0} Capabilities:0} Peer:{Component:512 Port:544}}
  1.500000 > BUFFER_FROM_HOST component=0x100 port=304 buffer=0x10002 length=200 in message=0 flags=FRAME_END|KEYFRAME pts=1500000
  1.500000 > bulk of 200 bytes
  1.500000 > GET_VERSION context=5 {Flags:0 Major:0 Minor:0 Minimum:0}
  1.500000 > message(99) context=6, 28 bytes
  1.500000 > decode header of 3 bytes: malformed message
`

func TestTraceSend(t *testing.T) {
	buffer := &BufferMessage{
		Buffer: BufferAddress{256, 304, 0x10002}, Length: 200, Flags: FlagFrameEnd | FlagKeyFrame, PTS: 1500000,
	}
	synctest.Test(t, func(t *testing.T) {
		var text strings.Builder
		s := &script{}
		tr := Trace(s, &text)
		send := func(msg, bulk []byte) {
			if err := tr.Send(msg, bulk); err != nil {
				t.Error(err)
			}
		}
		send(Append(nil, Header{ID: ComponentCreate, Context: 1}, &CreateRequest{7, "ril.camera", 321}), nil)
		iso := &ParameterSetRequest{256, 272, ParamISO, []byte{100, 0, 0, 0}}
		send(Append(nil, Header{ID: PortParameterSet, Context: 2}, iso), nil)
		time.Sleep(1500 * time.Millisecond)
		send(Append(nil, Header{ID: PortInfoGet, Context: 3}, &PortInfoRequest{256, PortOutput, 1}), nil)
		connect := &PortActionRequest{Component: 256, Port: 304, Action: ActionConnect, Peer: PortAddress{512, 544}}
		send(Append(nil, Header{ID: PortAction, Context: 4}, connect), nil)
		send(Append(nil, Header{ID: BufferFromHost}, buffer), make([]byte, 200))
		send(Append(nil, Header{ID: GetVersion, Context: 5}, &Version{}), nil)
		send(Append(nil, Header{ID: 99, Context: 6}, &Reply{}), nil)
		send([]byte("abc"), nil)
		if diff := cmp.Diff(strings.TrimPrefix(wantSent, "\n"), text.String()); diff != "" {
			t.Errorf("trace (-want +got):\n%s", diff)
		}
		if s.sent != 8+200 {
			t.Errorf("%d messages and bytes passed on, want 208", s.sent)
		}
	})
}

const wantReceived = `
  0.000000 < COMPONENT_CREATE context=1 {Status:SUCCESS Component:256 Inputs:0 Outputs:3 Clocks:1}
  0.000000 < COMPONENT_ENABLE context=2 {Status:firmware answered ENOSPC}
  0.000000 < PORT_PARAMETER_GET context=3 {Status:SUCCESS ID:ISO Size:12 Value:[100 0 0 0]}
  0.000000 < PORT_INFO_GET context=4 decode *mmal.PortInfo from 28 bytes: malformed message
  0.000000 < BUFFER_TO_HOST component=0x100 port=304 buffer=0x10002 length=5 in message=5 flags=CONFIG|0x40000000 pts=-9223372036854775808
  0.000000 < EVENT_TO_HOST client component=7 control0 ERRO 0c 00 00 00
  0.000000 < bulk 3 of 8 bytes
  0.000000 < bulk 4 aborted
  0.000000 < end: MMAL service closed
`

func TestTraceReceive(t *testing.T) {
	buffer := &BufferMessage{
		Buffer: BufferAddress{256, 304, 0x10002}, Length: 5, InMessage: 5, Flags: FlagConfig | 1<<30, PTS: TimeUnknown,
	}
	event := &EventMessage{ClientComponent: 7, PortType: PortControl, Cmd: EventError, Length: 4}
	event.Data[0] = 12
	s := &script{deliveries: []Delivery{
		message(Header{ID: ComponentCreate, Context: 1}, &CreateReply{Component: 256, Outputs: 3, Clocks: 1}),
		message(Header{ID: ComponentEnable, Context: 2}, &Reply{Status: ENoSpc}),
		message(Header{ID: PortParameterGet, Context: 3},
			&ParameterGetReply{ID: ParamISO, Size: 12, Value: []byte{100, 0, 0, 0}}),
		message(Header{ID: PortInfoGet, Context: 4}, &Reply{}),
		message(Header{ID: BufferToHost}, buffer),
		message(Header{ID: EventToHost}, event),
		{Kind: DeliveryBulk, Data: make([]byte, 8), Cookie: 3},
		{Kind: DeliveryBulkAborted, Cookie: 4},
	}}
	want := len(s.deliveries)
	synctest.Test(t, func(t *testing.T) {
		var text strings.Builder
		tr := Trace(s, &text)
		n := 0
		for ; ; n++ {
			if _, err := tr.Receive(); errors.Is(err, ErrClosed) {
				break
			}
		}
		if n != want {
			t.Errorf("%d deliveries passed on, want %d", n, want)
		}
		if diff := cmp.Diff(strings.TrimPrefix(wantReceived, "\n"), text.String()); diff != "" {
			t.Errorf("trace (-want +got):\n%s", diff)
		}
	})
}

// TestTraceClient runs a client over a trace, which must not change what goes through it.
func TestTraceClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFirmware(0, 1)
		var text lockedBuffer
		c := New(Trace(newWire(f.hear), &text), nil)
		ended := make(chan error, 1)
		ctx := t.Context()
		go func() { ended <- c.Run(ctx) }()
		comp, err := c.CreateComponent(ctx, "ril.x", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := comp.Destroy(ctx); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(text.String(), "\n"); got != 2*(1+2+1) {
			t.Errorf("%d lines, want one for each of 8 messages:\n%s", got, text.String())
		}
	})
}

func TestBufferFlagsString(t *testing.T) {
	tests := map[BufferFlags]string{
		0:                            "0x0",
		FlagEOS:                      "EOS",
		FlagFrameEnd | FlagKeyFrame:  "FRAME_END|KEYFRAME",
		FlagNALEnd | FlagConfig:      "CONFIG|NAL_END",
		FlagFrameStart | 1<<6 | 1<<8: "FRAME_START|0x140",
		1 << 31:                      "0x80000000",
	}
	for flags, want := range tests {
		if got := flags.String(); got != want {
			t.Errorf("%#x: got %q, want %q", uint32(flags), got, want)
		}
	}
}
