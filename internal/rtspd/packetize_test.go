package rtspd

import (
	"bytes"
	"errors"
	"testing"

	"github.com/bluenviron/gortsplib/v5/pkg/format/rtph264"
	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtp"
)

// nal makes a NAL unit of size bytes, header included, that holds no start code.
func nal(header byte, size int) []byte {
	b := make([]byte, size)
	b[0] = header
	for i := 1; i < size; i++ {
		b[i] = byte(i%251) | 1
	}
	return b
}

func TestPacketizeRoundTrip(t *testing.T) {
	sps, pps, sei := nal(0x67, 21), nal(0x68, 5), nal(0x06, 40)
	tests := []struct {
		name    string
		nals    [][]byte
		want    [][]byte // nil: as nals
		packets int
	}{
		{"one small", [][]byte{nal(0x41, 100)}, nil, 1},
		{"one byte", [][]byte{{0x41}}, nil, 1},
		{"largest single", [][]byte{nal(0x41, maxPayload)}, nil, 1},
		{"smallest fragmented", [][]byte{nal(0x41, maxPayload+1)}, nil, 2},
		{"two full fragments", [][]byte{nal(0x65, 1+2*(maxPayload-2))}, nil, 2},
		{"two fragments and a byte", [][]byte{nal(0x65, 2+2*(maxPayload-2))}, nil, 3},
		{"IDR with parameter sets", [][]byte{sps, pps, nal(0x65, 5000)}, nil, 5},
		{"all in one STAP-A", [][]byte{sps, pps, sei, nal(0x65, 300)}, nil, 1},
		{"STAP-A just full", [][]byte{nal(0x41, 700), nal(0x41, maxPayload-705)}, nil, 1},
		{"STAP-A just too full", [][]byte{nal(0x41, 700), nal(0x41, maxPayload-704)}, nil, 2},
		{"slices", [][]byte{nal(0x41, 3000), nal(0x41, 3000), nal(0x41, 10)}, nil, 7},
		{"empty unit inside", [][]byte{sps, {}, pps}, [][]byte{sps, pps}, 2},
		{"uncarried unit last", [][]byte{nal(0x41, 9), {0x7c, 0x85}}, [][]byte{nal(0x41, 9)}, 1},
		{"nothing to carry", [][]byte{{}, {0x00}, {0x18, 1}}, [][]byte{}, 0},
		{"no units", nil, [][]byte{}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			if want == nil {
				want = tt.nals
			}
			got, packets := roundTrip(t, tt.nals)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("decoded access unit (-want +got):\n%s", diff)
			}
			if packets != tt.packets {
				t.Errorf("packets: got %d, want %d", packets, tt.packets)
			}
		})
	}
}

// roundTrip packs nals, checks every packet, and returns what gortsplib's decoder makes of them.
func roundTrip(t testing.TB, nals [][]byte) (decoded [][]byte, packets int) {
	t.Helper()
	decoder := &rtph264.Decoder{PacketizationMode: 1}
	if err := decoder.Init(); err != nil {
		t.Fatal(err)
	}
	const first, timestamp = uint16(65534), uint32(123456)
	decoded = [][]byte{}
	marked := false
	p := newPacketizer(first, func(pkt *rtp.Packet) error {
		if len(pkt.Payload) == 0 || len(pkt.Payload) > maxPayload {
			t.Errorf("payload: got %d bytes, want 1 to %d", len(pkt.Payload), maxPayload)
		}
		if want := first + uint16(packets); pkt.SequenceNumber != want || pkt.Timestamp != timestamp {
			t.Errorf("packet: got number %d, time %d, want %d, %d", pkt.SequenceNumber, pkt.Timestamp, want, timestamp)
		}
		if marked {
			t.Error("packet after the marker")
		}
		packets++
		marked = pkt.Marker
		raw, err := pkt.Marshal() // the packet and its payload are reused
		if err != nil {
			t.Fatal(err)
		}
		var own rtp.Packet
		if err := own.Unmarshal(raw); err != nil {
			t.Fatal(err)
		}
		au, err := decoder.Decode(&own)
		if err != nil && !errors.Is(err, rtph264.ErrMorePacketsNeeded) {
			t.Fatalf("decode packet %d: %v", packets, err)
		}
		decoded = append(decoded, au...)
		return nil
	})
	if err := p.write(nals, timestamp); err != nil {
		t.Fatal(err)
	}
	if packets > 0 && !marked {
		t.Error("no marker on the last packet")
	}
	return decoded, packets
}

func TestPacketizeStopsAtError(t *testing.T) {
	broken := errors.New("broken")
	calls := 0
	p := newPacketizer(0, func(*rtp.Packet) error { calls++; return broken })
	for _, nals := range [][][]byte{{nal(0x65, 9000)}, {nal(0x67, 9), nal(0x68, 9), nal(0x65, 9000)}} {
		calls = 0
		if err := p.write(nals, 0); !errors.Is(err, broken) || calls != 1 {
			t.Errorf("got error %v after %d packets, want %v after 1", err, calls, broken)
		}
	}
}

func TestPacketizeAllocatesNothing(t *testing.T) {
	p := newPacketizer(0, func(*rtp.Packet) error { return nil })
	au := [][]byte{nal(0x67, 21), nal(0x68, 5), nal(0x65, 100_000)}
	if n := testing.AllocsPerRun(100, func() { _ = p.write(au, 0) }); n != 0 {
		t.Errorf("allocations per access unit: got %v, want 0", n)
	}
}

func FuzzPacketize(f *testing.F) {
	f.Add([]byte{0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 4, 5, 6}, uint16(0))
	f.Add([]byte{0x41, 9}, uint16(4000))
	f.Add([]byte{0x1c, 9, 0, 0, 1, 0x98}, uint16(2*maxPayload))
	f.Fuzz(func(t *testing.T, data []byte, grow uint16) {
		var nals, want [][]byte
		for i, n := range bytes.Split(data, []byte{0, 0, 1}) {
			n = bytes.TrimRight(n, "\x00")
			if i == 20 { // the decoder takes 21 units
				break
			}
			n = bytes.Clone(n)
			if len(n) > 0 {
				n[0] &^= nalForbid // the decoder loses it from fragments
			}
			if i == 0 && len(n) > 0 {
				n = append(n, nal(0xff, int(grow)+1)...)
			}
			nals = append(nals, n)
			if carried(n) {
				want = append(want, n)
			}
		}
		got, _ := roundTrip(t, nals)
		if len(want) != len(got) {
			t.Fatalf("units: got %d, want %d", len(got), len(want))
		}
		for i := range want {
			if !bytes.Equal(want[i], got[i]) {
				t.Errorf("unit %d of %d bytes differs: got %d bytes", i, len(want[i]), len(got[i]))
			}
		}
	})
}

// BenchmarkPacketize is one second of an 8 Mbit/s stream at 30 pictures: an IDR picture of 100 kB, the rest alike.
func BenchmarkPacketize(b *testing.B) {
	var bytesOut, packets int
	p := newPacketizer(0, func(pkt *rtp.Packet) error { packets++; bytesOut += len(pkt.Payload); return nil })
	idr := [][]byte{nal(0x67, 21), nal(0x68, 5), nal(0x65, 100_000)}
	other := [][]byte{nal(0x41, 31_000)}
	b.ReportAllocs()
	b.SetBytes(100_026 + 29*31_000)
	for b.Loop() {
		_ = p.write(idr, 0)
		for range 29 {
			_ = p.write(other, 0)
		}
	}
	b.ReportMetric(float64(packets)/float64(b.N), "packets/op")
}
