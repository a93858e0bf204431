package mmal

import (
	"encoding/hex"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func hexOf(b []byte) string { return hex.EncodeToString(b) }

func TestCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newIdleBench(t)
		format := Format{Type: ESVideo, Encoding: EncodingI420, Video: VideoFormat{Width: 640, Height: 480}}
		in := b.comp.Inputs[0]
		if err := in.Commit(t.Context(), format, Buffers{}); err != nil {
			t.Fatal(err)
		}
		for _, p := range []*Port{in, b.comp.Outputs[0], b.comp.Outputs[1]} {
			if diff := cmp.Diff(format, p.Format()); diff != "" {
				t.Errorf("format of %v (-want +got):\n%s", p, diff)
			}
		}
		out := b.comp.Outputs[1]
		for _, tt := range []struct{ set, want Buffers }{
			{Buffers{2, 65536}, Buffers{2, 65536}},
			{Buffers{}, Buffers{2, 65536}},
			{Buffers{4, 0}, Buffers{2, 65536}},
			{Buffers{3, 4096}, Buffers{3, 4096}},
		} {
			format.Encoding, format.Bitrate = EncodingH264, tt.set.Size
			if err := out.Commit(t.Context(), format, tt.set); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(format, out.Format()); diff != "" {
				t.Errorf("format with %v (-want +got):\n%s", tt.set, diff)
			}
			if got := out.Block().Buffers; got != tt.want {
				t.Errorf("buffers with %v: got %v, want %v", tt.set, got, tt.want)
			}
		}
		if got := b.comp.Outputs[0].Format().Encoding; got != EncodingI420 {
			t.Errorf("the other output is %v now, want I420", got)
		}
	})
}

func TestParameters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newIdleBench(t)
		control := b.comp.Control
		set := FPSRange{Low: Rational{15, 2}, High: Rational{30, 1}}
		if err := control.Set(t.Context(), &set); err != nil {
			t.Fatal(err)
		}
		var got FPSRange
		if err := control.Get(t.Context(), &got); err != nil || got != set {
			t.Errorf("got %v, %v, want %v", got, err, set)
		}
		err := control.Get(t.Context(), &Uint32{ID: ParamISO}) // of which the firmware has nothing
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("value cut short: got %v, want %v", err, ErrMalformed)
		}
	})
}

// TestOtherParameter has the firmware answer with a parameter that was not asked for.
func TestOtherParameter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFirmware(0, 0)
		r := start(t, func(h Header, msg, bulk []byte) []says {
			if h.ID == PortParameterGet {
				return answer(h, &ParameterGetReply{ID: ParamContrast, Size: 12, Value: []byte{1, 0, 0, 0}})
			}
			return f.hear(h, msg, bulk)
		})
		p := Uint32{ID: ParamISO}
		if err := r.create("ril.x", nil).Control.Get(t.Context(), &p); !errors.Is(err, ErrMalformed) || p.Value != 0 {
			t.Errorf("got %d, %v, want %v", p.Value, err, ErrMalformed)
		}
	})
}

// TestTunnel enables tunnels in a firmware that enables both ends at once, and in one that does not.
func TestTunnel(t *testing.T) {
	tests := map[bool][]string{
		true:  {"CONNECT 0x130", "ENABLE 0x130", "DISABLE 0x130", "DISCONNECT 0x130"},
		false: {"CONNECT 0x130", "ENABLE 0x130", "ENABLE 0x220", "DISABLE 0x130", "DISABLE 0x220", "DISCONNECT 0x130"},
	}
	for pairs, want := range tests {
		synctest.Test(t, func(t *testing.T) {
			b := newIdleBench(t)
			b.f.pairs = pairs
			from, to := b.comp.Outputs[0], b.create("ril.y", nil).Inputs[0]
			if err := from.Connect(t.Context(), to); err != nil {
				t.Fatal(err)
			}
			if got, want := b.f.port(from.peerAddress()).peer, to.peerAddress(); got != want {
				t.Errorf("connected to %+v, want %+v", got, want)
			}
			for range 2 { // the second time there is nothing to do
				if err := from.EnableTunnel(t.Context(), to, Buffers{3, 128}); err != nil {
					t.Fatal(err)
				}
			}
			for _, p := range []*Port{from, to} {
				if !b.f.port(p.peerAddress()).block.Enabled {
					t.Errorf("%v is not enabled", p)
				}
				b.wantContexts(p, 0)
			}
			for range 2 {
				if err := from.DisableTunnel(t.Context(), to); err != nil {
					t.Fatal(err)
				}
			}
			if err := from.Disconnect(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, b.f.done()); diff != "" {
				t.Errorf("actions, pairs %v (-want +got):\n%s", pairs, diff)
			}
		})
	}
}
