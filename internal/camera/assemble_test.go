package camera

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// fragment is one buffer of the encoder's.
type fragment struct {
	data  string
	flags mmal.BufferFlags
	pts   int64
}

const (
	config   = mmal.FlagConfig
	nalEnd   = mmal.FlagNALEnd
	frameEnd = mmal.FlagFrameEnd | mmal.FlagNALEnd
	key      = mmal.FlagKeyFrame
	unknown  = mmal.TimeUnknown

	sps = "\x00\x00\x00\x01\x67SPS"
	pps = "\x00\x00\x00\x01\x68PPS"
	idr = "\x00\x00\x00\x01\x65IDR"
	pic = "\x00\x00\x00\x01\x41P"
)

// got is an access unit as a test compares it.
type got struct {
	NALs string // joined by spaces
	PTS  time.Duration
	IDR  bool
}

// collect empties the assembler's queue.
func collect(a *assembler) []got {
	var all []got
	for {
		select {
		case u := <-a.full:
			all = append(all, got{string(bytes.Join(u.nals, []byte(" "))), time.Duration(u.pts) * time.Microsecond, u.idr})
			a.free <- u
		default:
			return all
		}
	}
}

func TestAssemble(t *testing.T) {
	headers := []fragment{{sps, config | nalEnd, unknown}, {pps, config | frameEnd, 0}}
	full := "gSPS hPPS eIDR"
	tests := []struct {
		name      string
		fragments []fragment
		want      []got
	}{
		{"parameter sets, IDR, P", append(headers, fragment{idr, key | frameEnd, 10}, fragment{pic, frameEnd, 20}),
			[]got{{full, 10 * time.Microsecond, true}, {"AP", 20 * time.Microsecond, false}}},
		{"cut inside a parameter set and inside pictures", []fragment{
			{sps[:2], config, unknown}, {sps[2:], config | nalEnd, unknown}, {pps, config | frameEnd, unknown},
			{idr[:3], key, 10}, {idr[3:6], key, unknown}, {idr[6:], key | frameEnd, unknown},
			{pic[:1], 0, 20}, {pic[1:], frameEnd, unknown},
		}, []got{{full, 10 * time.Microsecond, true}, {"AP", 20 * time.Microsecond, false}}},
		{"parameter sets at the port's opening and again in line", append(headers, append(headers, fragment{idr, key | frameEnd, 10})...),
			[]got{{full, 10 * time.Microsecond, true}}},
		{"parameter sets only once", append(headers, fragment{idr, key | frameEnd, 10}, fragment{idr, key | frameEnd, 20}),
			[]got{{full, 10 * time.Microsecond, true}, {full, 20 * time.Microsecond, true}}},
		{"parameter sets in the picture's buffers", []fragment{{sps + pps + idr, key | frameEnd, 10}},
			[]got{{full, 10 * time.Microsecond, true}}},
		{"IDR without any parameter sets is of no use", []fragment{{idr, key | frameEnd, 10}, {pic, frameEnd, 20}}, nil},
		{"nothing before the first IDR", append(headers, fragment{pic, frameEnd, 5}, fragment{idr, key | frameEnd, 10}),
			[]got{{full, 10 * time.Microsecond, true}}},
		{"motion vectors are no part of it", append(headers, fragment{idr, key | frameEnd, 10},
			fragment{"vectors", mmal.FlagCodecSideInfo | frameEnd, 10}, fragment{pic, frameEnd, 20}),
			[]got{{full, 10 * time.Microsecond, true}, {"AP", 20 * time.Microsecond, false}}},
		{"damaged picture and all up to the next IDR", append(headers, fragment{idr, key | frameEnd, 10},
			fragment{pic[:2], 0, 20}, fragment{pic[2:], mmal.FlagTransmissionFailed | frameEnd, unknown},
			fragment{pic, frameEnd, 30}, fragment{idr, key | frameEnd, 40}),
			[]got{{full, 10 * time.Microsecond, true}, {full, 40 * time.Microsecond, true}}},
		{"damaged first fragment of three", append(headers, fragment{idr, key | mmal.FlagCorrupted, 10},
			fragment{"x", key, unknown}, fragment{"x", key | frameEnd, unknown}, fragment{idr, key | frameEnd, 40}),
			[]got{{full, 40 * time.Microsecond, true}}},
		{"times left out", append(headers, fragment{idr, key | frameEnd, 10}, fragment{pic, frameEnd, 20},
			fragment{pic, frameEnd, unknown}, fragment{pic, frameEnd, 40}),
			[]got{{full, 10 * time.Microsecond, true}, {"AP", 20 * time.Microsecond, false},
				{"AP", 30 * time.Microsecond, false}, {"AP", 40 * time.Microsecond, false}}},
		{"no times at all", append(headers, fragment{idr, key | frameEnd, unknown}, fragment{pic, frameEnd, unknown}), nil},
		{"empty picture", append(headers, fragment{idr, key | frameEnd, 10}, fragment{"", frameEnd, 20},
			fragment{pic, frameEnd, 40}),
			[]got{{full, 10 * time.Microsecond, true}, {"AP", 40 * time.Microsecond, false}}},
		{"empty fragment before a picture", append(headers, fragment{"", 0, unknown}, fragment{idr, key | frameEnd, 10}),
			[]got{{full, 10 * time.Microsecond, true}}},
		{"lone parameter sets, of another picture than the next IDR", append(headers, fragment{idr, key | frameEnd, 10},
			fragment{"\x00\x00\x01\x67NEW\x00\x00\x01\x68", config | frameEnd, 20}, fragment{pic, frameEnd, 30},
			fragment{idr, key | frameEnd, 40}),
			[]got{{full, 10 * time.Microsecond, true}, {"AP", 30 * time.Microsecond, false},
				{"gNEW h eIDR", 40 * time.Microsecond, true}}},
		{"parameter sets that say they are a key frame", append(headers, fragment{idr, key | frameEnd, 10},
			fragment{sps + pps, key | frameEnd, 20}, fragment{pic, frameEnd, 30}, fragment{idr, key | frameEnd, 40}),
			[]got{{full, 10 * time.Microsecond, true}, {"AP", 30 * time.Microsecond, false}, {full, 40 * time.Microsecond, true}}},
		{"such instead of the first key frame", append(headers, fragment{sps + pps, key | frameEnd, 10}, fragment{pic, frameEnd, 20},
			fragment{idr, key | frameEnd, 40}),
			[]got{{full, 40 * time.Microsecond, true}}},
		{"supplemental information alone", append(headers, fragment{idr, key | frameEnd, 10},
			fragment{"\x00\x00\x01\x06SEI", frameEnd, 20}, fragment{pic, frameEnd, 30}),
			[]got{{full, 10 * time.Microsecond, true}, {"AP", 30 * time.Microsecond, false}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAssembler()
			for _, f := range tt.fragments {
				a.add([]byte(f.data), f.flags, f.pts)
			}
			if diff := cmp.Diff(tt.want, collect(a)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestAssembleCountsEmpties holds what counts as a picture that the encoder left out: neither lost nor delivered.
func TestAssembleCountsEmpties(t *testing.T) {
	a := newAssembler()
	steps := []struct {
		fragment
		want    outcome
		empties uint64
	}{
		{fragment{"", frameEnd, 0}, nothing, 0}, // before the first picture nobody misses anything
		{fragment{sps + pps, config | frameEnd, unknown}, nothing, 0},
		{fragment{sps + pps, config | frameEnd, unknown}, nothing, 0},
		{fragment{idr, key | frameEnd, 10}, deliveredIDR, 0},
		{fragment{"", 0, unknown}, nothing, 0},
		{fragment{"", frameEnd, 20}, nothing, 1},
		{fragment{sps + pps, config | frameEnd, unknown}, nothing, 1},
		{fragment{pic, frameEnd, 30}, delivered, 2}, // which says that nothing came after the parameter sets
		{fragment{sps + pps, frameEnd, 40}, nothing, 3},
		{fragment{sps + pps, key | frameEnd, 40}, nothing, 4},
		{fragment{pic, frameEnd, 50}, delivered, 4},
		{fragment{sps + pps, config | frameEnd, unknown}, nothing, 4},
		{fragment{idr, key | frameEnd, 60}, deliveredIDR, 4},
	}
	for i, s := range steps {
		if got := a.add([]byte(s.data), s.flags, s.pts); got != s.want || a.empties != s.empties {
			t.Errorf("step %d: outcome %d, %d empty, want %d, %d", i, got, a.empties, s.want, s.empties)
		}
		collect(a)
	}
}

// TestAssembleSlowSink holds the rule that a sink that does not keep up loses pictures up to an IDR, never half a
// group of pictures, and that the loss is reported once per lost group so that an IDR can be asked for.
func TestAssembleSlowSink(t *testing.T) {
	a := newAssembler()
	a.add([]byte(sps+pps), config|frameEnd, 0)
	if o := a.add([]byte(idr), key|frameEnd, 0); o != deliveredIDR {
		t.Fatalf("IDR: got outcome %v", o)
	}
	for i := range unitQueue - 1 {
		if o := a.add([]byte(pic), frameEnd, int64(i)); o != delivered {
			t.Fatalf("picture %d: got outcome %v", i, o)
		}
	}
	if o := a.add([]byte(pic), frameEnd, 100); o != dropped {
		t.Errorf("picture too many: got outcome %v, want dropped", o)
	}
	if n := len(collect(a)); n != unitQueue {
		t.Errorf("got %d units in the queue, want %d", n, unitQueue)
	}
	if o := a.add([]byte(pic), frameEnd, 101); o != skipped {
		t.Errorf("picture after a lost one: got outcome %v, want skipped", o)
	}
	if o := a.add([]byte(idr), key|frameEnd, 102); o != deliveredIDR {
		t.Errorf("next IDR: got outcome %v", o)
	}
}

func TestAssembleAllocatesNothing(t *testing.T) {
	a := newAssembler()
	a.add([]byte(sps+pps), config|frameEnd, 0)
	picture := bytes.Repeat([]byte("x"), 40000)
	copy(picture, idr)
	group := func() {
		a.add(picture[:20000], key, 0)
		a.add(picture[20000:], key|frameEnd, 0)
		for range 3 {
			a.add([]byte(pic), frameEnd, 0)
		}
		for range 4 {
			a.free <- <-a.full
		}
	}
	for range unitQueue {
		group() // each unit grows once
	}
	if n := testing.AllocsPerRun(100, group); n != 0 {
		t.Errorf("got %v allocations for 4 access units, want none", n)
	}
}

func FuzzAssemble(f *testing.F) {
	f.Add([]byte("\x67\x20\x68\x24\x65\x0c\x41\x04"))
	f.Fuzz(func(t *testing.T, script []byte) {
		a := newAssembler()
		for i := 0; i+1 < len(script); i += 2 {
			data := append([]byte{0, 0, 1}, script[i])
			a.add(data[:1+int(script[i])%4], mmal.BufferFlags(script[i+1])<<(script[i]&7), int64(i))
			if i%6 == 0 {
				collect(a)
			}
		}
		collect(a)
		held := 0
		if a.unit != nil {
			held = 1
		}
		if n := len(a.free) + held; n != unitQueue {
			t.Errorf("%d of %d units are left", n, unitQueue)
		}
	})
}

func BenchmarkAssemble(b *testing.B) {
	a := newAssembler()
	a.add([]byte(sps+pps), config|frameEnd, 0)
	picture := bytes.Repeat([]byte("x"), 33000)
	copy(picture, idr)
	b.SetBytes(int64(len(picture)))
	b.ReportAllocs()
	for b.Loop() {
		a.add(picture, key|frameEnd, 0)
		a.free <- <-a.full
	}
}
