package recording_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/recording"
)

// script is a transport whose deliveries are given, and which fails afterwards.
type script struct {
	deliveries []mmal.Delivery
	err        error
}

func (s *script) Send([]byte, []byte) error     { return s.err }
func (s *script) PostReceive(int, uint64) error { return nil }
func (s *script) Close() error                  { return nil }

func (s *script) Receive() (mmal.Delivery, error) {
	if len(s.deliveries) == 0 {
		return mmal.Delivery{}, mmal.ErrClosed
	}
	d := s.deliveries[0]
	s.deliveries = s.deliveries[1:]
	return d, nil
}

// golden has one block of each kind, written by hand from the package's documentation.
const golden = `camkrazy recording 1
# Raspberry Pi 3 Model B Rev 1.2
0.000000 > GET_VERSION 40 bytes
  = context=7 {Flags:0 Major:0 Minor:0 Minimum:0}
  000000  6d 6d 61 6c 03 00 00 00  00 00 00 00 07 00 00 00
  000020  00 00 00 00 00 00 00 00
0.001500 < GET_VERSION 40 bytes
  = context=7 {Flags:0 Major:16 Minor:1 Minimum:10}
  000000  6d 6d 61 6c 03 00 00 00  00 00 00 00 07 00 00 00
  000010  00 00 00 00 00 00 00 00  00 00 00 00 10 00 00 00
  000020  01 00 00 00 0a 00 00 00
0.001500 < BULK 20 bytes sha256 de47c9b27eb8d300dbb5f2c353e632c393262cf06340c4fa7f1b40c4cbd36f90
  000000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00
  000010  00 00 00 00
0.001500 < ABORTED
0.001500 < message(99) 24 bytes
  = context=0 decode *mmal.Reply from 24 bytes: malformed message
  000000  6d 6d 61 6c 63 00 00 00  00 00 00 00 00 00 00 00
  000010  00 00 00 00 00 00 00 00
1.000000 > message(98) 24 bytes
  = context=0, 24 bytes
  000000  6d 6d 61 6c 62 00 00 00  00 00 00 00 00 00 00 00
  000010  00 00 00 00 00 00 00 00
1.000000 > BULK 130 bytes sha256 466a1916275bccba527763f930ca4a42a81f55e28559fb66108fc314cda386bd
  000000  41 41 41 41 41 41 41 41  41 41 41 41 41 41 41 41
  000010  41 41 41 41 41 41 41 41  41 41 41 41 41 41 41 41
  000020  41 41 41 41 41 41 41 41  41 41 41 41 41 41 41 41
  000030  41 41 41 41 41 41 41 41  41 41 41 41 41 41 41 41
  000040  41 41 41 41 41 41 41 41  41 41 41 41 41 41 41 41
  000050  41 41 41 41 41 41 41 41  41 41 41 41 41 41 41 41
  000060  41 41 41 41 41 41 41 41  41 41 41 41 41 41 41 41
  000070  41 41 41 41 41 41 41 41  41 41 41 41 41 41 41 41
1.000000 > END send: out of order
1.000000 < UNREADABLE 3 bytes
  = decode header of 3 bytes: malformed message
  000000  78 79 7a
1.000000 > CLOSE
1.000000 < END MMAL service closed
`

// play does what golden says.
func play(t *testing.T, w *bytes.Buffer) {
	synctest.Test(t, func(t *testing.T) {
		h := mmal.Header{ID: mmal.GetVersion, Context: 7}
		s := &script{deliveries: []mmal.Delivery{
			{Data: mmal.Append(nil, h, &mmal.Version{Major: 16, Minor: 1, Minimum: 10})},
			{Kind: mmal.DeliveryBulk, Data: make([]byte, 20)},
			{Kind: mmal.DeliveryBulkAborted},
			{Data: mmal.Append(nil, mmal.Header{ID: 99}, &mmal.Version{})[:24]},
			{Data: []byte("xyz")},
		}}
		r := recording.NewRecorder(s, w, recording.Options{Notes: []string{"Raspberry Pi 3\nModel B Rev 1.2"}})
		r.Send(mmal.Append(nil, h, &mmal.Version{}), nil)
		time.Sleep(1500 * time.Microsecond)
		for range 4 {
			r.Receive()
		}
		time.Sleep(time.Second - 1500*time.Microsecond)
		s.err = errors.New("out of\norder")
		r.Send(mmal.Append(nil, mmal.Header{ID: 98}, &mmal.Version{})[:24], bytes.Repeat([]byte("A"), 130))
		r.Receive()
		r.Close()
		r.Close()
		r.Receive()
		if r.Err() != nil {
			t.Error(r.Err())
		}
	})
}

func TestText(t *testing.T) {
	var out bytes.Buffer
	play(t, &out)
	// What stands in for a line's end in a note or an error is a question mark.
	got := strings.NewReplacer("3?Model", "3 Model", "of?order", "of order").Replace(out.String())
	if got != golden {
		t.Errorf("got:\n%s\nwant:\n%s", got, golden)
	}
}

// roundTrip checks that a text that is accepted is written again as it was.
func roundTrip(t *testing.T, text []byte) {
	t.Helper()
	rec, err := recording.Parse(bytes.NewReader(text))
	if err != nil {
		return
	}
	again, err := rec.AppendText(nil)
	if err != nil || !bytes.Equal(again, text) {
		t.Errorf("parsed and written again, %v:\n%s\nwant:\n%s", err, again, text)
	}
}

func TestRoundTrip(t *testing.T) {
	parse(t, []byte(golden))
	roundTrip(t, []byte(golden))
	text, _ := record(t, recording.Options{Notes: []string{"one", "two"}, AllBytes: true})
	if n := len(parse(t, text).Blocks); n < 20 {
		t.Errorf("got %d blocks", n)
	}
	roundTrip(t, text)
}

func TestParseErrors(t *testing.T) {
	const version = "0.000000 > GET_VERSION 40 bytes\n"
	tests := []struct {
		name, old, new string // golden is changed so
		want           string
	}{
		{"another file", firstLine, "camkrazy recording 2", "line 1: want"},
		{"cut in a line", "MMAL service closed\n", "MMAL", "line 38: cut off"},
		{"cut in a block", golden[strings.Index(golden, "\n  000020  01 00")+1:], "",
			"line 11: the last bytes of the message at line 7 are missing"},
		{"late note", version, version + "# note\n", "line 4: the last bytes"},
		{"no time", "0.001500 < ABORTED", "x < ABORTED", "line 15:"},
		{"time of five decimals", "0.001500 < ABORTED", "0.00150 < ABORTED", "line 15:"},
		{"time goes back", "0.001500 < ABORTED", "0.001499 < ABORTED", "line 15: earlier"},
		{"leading zero", "0.001500 < ABORTED", "00.001500 < ABORTED", "line 15:"},
		{"no arrow", "< ABORTED", "= ABORTED", `line 15: "=" is not`},
		{"wrong direction", "< ABORTED", "> ABORTED", "line 15: ABORTED has the wrong direction"},
		{"close by firmware", "> CLOSE", "< CLOSE", "CLOSE has the wrong direction"},
		{"something behind", "< ABORTED", "< ABORTED twice", "line 15:"},
		{"wrong name", version, "0.000000 > PORT_ACTION 40 bytes\n", `line 3: got "0.000000 > PORT_ACTION 40 bytes", want`},
		{"too long", "GET_VERSION 40 bytes", "GET_VERSION 4089 bytes", "line 3:"},
		{"negative", "GET_VERSION 40 bytes", "GET_VERSION -1 bytes", "line 3:"},
		{"longer than its bytes", "< GET_VERSION 40 bytes", "< GET_VERSION 48 bytes", "line 11: 8 bytes, want 16"},
		{"shorter than its bytes", "< GET_VERSION 40 bytes", "< GET_VERSION 36 bytes", "line 11: offset 0x20"},
		{"offset", "  000010  00 00 00 00 00 00 00 00  00 00 00 00 10", "  000011  00 00 00 00 00 00 00 00  00 00 00 00 10",
			"line 10: offset 0x11"},
		{"offset twice", "  000020  01 00", "  000010  01 00", "line 11: offset 0x10"},
		{"no digits", "6d 6d 61 6c 03", "6d 6d 61 6c zz", "line 5:"},
		{"capitals", "6d 6d 61 6c 03", "6D 6d 61 6c 03", "line 5: bytes are not in the form"},
		{"blanks", "6d 6d 61 6c 03", "6d 6d 61  6c 03", "line 5: bytes are not in the form"},
		{"line of zeros", "  000010  00 00 00 00 00 00 00 00  00 00 00 00 10",
			"  000010  00 00 00 00 00 00 00 00  00 00 00 00 00",
			"line 10: bytes are not in the form"},
		{"sum", "bytes sha256 de47", "bytes sha256 de48", "line 12: the bytes of the bulk transfer"},
		{"no sum", "sha256 de47", "sha1 de47", "line 12: no SHA-256"},
		{"bulk too long", "BULK 130", "BULK 16777217", "is no length"},
		{"bulk with a hole", "  000020  41", "  000030  41", "bytes from 0x20 on are missing"},
		{"bulk of nothing", "1.000000 > message(98) 24 bytes\n  = context=0, 24 bytes\n" +
			"  000000  6d 6d 61 6c 62 00 00 00  00 00 00 00 00 00 00 00\n  000010  00 00 00 00 00 00 00 00\n", "",
			"line 20: a bulk transfer of the client's does not follow"},
		{"empty fields", "  = context=7 {Flags:0 Major:16", "  = \n  = context=7 {Flags:0 Major:16", "line 8: fields"},
		{"fields of a bulk", "  000000  41", "  = fields\n  000000  41", "line 25: fields"},
		{"long line", "MMAL service closed", strings.Repeat("closed ", 3000), "line 38: longer than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(golden, tt.old) {
				t.Fatalf("golden has no %q", tt.old)
			}
			_, err := recording.Parse(strings.NewReader(strings.Replace(golden, tt.old, tt.new, 1)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

const firstLine = "camkrazy recording 1"

func FuzzParse(f *testing.F) {
	f.Add([]byte(golden))
	f.Add([]byte(firstLine + "\n"))
	f.Add([]byte(firstLine + "\n# note\n0.000001 < END \n"))
	f.Fuzz(func(t *testing.T, text []byte) { roundTrip(t, text) })
}

// FuzzRecorder holds that whatever goes over the wire, the text can be parsed, and says what was sent.
func FuzzRecorder(f *testing.F) {
	f.Add(mmal.Append(nil, mmal.Header{ID: mmal.GetVersion}, &mmal.Version{}), []byte("bulk"), "note", true)
	create := mmal.Append(nil, mmal.Header{ID: mmal.ComponentCreate}, &mmal.CreateRequest{Name: "a\nb"})
	f.Add(create, []byte(nil), "", false)
	f.Fuzz(func(t *testing.T, msg, bulk []byte, note string, all bool) {
		if len(msg) > 4088 {
			return
		}
		var out bytes.Buffer
		s := &script{deliveries: []mmal.Delivery{{Data: msg}, {Kind: mmal.DeliveryBulk, Data: bulk}}, err: errors.New(note)}
		r := recording.NewRecorder(s, &out, recording.Options{Notes: []string{note}, AllBytes: all})
		r.Send(msg, bulk)
		r.Receive()
		r.Receive()
		rec := parse(t, out.Bytes())
		if !bytes.Equal(rec.Blocks[0].Data, msg) {
			t.Errorf("recorded % x, want % x", rec.Blocks[0].Data, msg)
		}
		roundTrip(t, out.Bytes())
	})
}

// FuzzPlayer holds that no recording makes a client or a Player panic or hang.
func FuzzPlayer(f *testing.F) {
	f.Add([]byte(golden))
	var out bytes.Buffer
	s := &script{deliveries: []mmal.Delivery{{Data: give(mmal.BufferToHost, 2, 3)}}}
	r := recording.NewRecorder(s, &out, recording.Options{})
	r.Receive()
	f.Add(out.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		rec, err := recording.Parse(bytes.NewReader(text))
		if err != nil {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			p := recording.NewPlayer(rec)
			if _, err := ask(t.Context(), p); err == nil && p.Finish() == nil && len(rec.Blocks) < 3 {
				t.Errorf("client came to its end on %d blocks", len(rec.Blocks))
			}
		})
	})
}
