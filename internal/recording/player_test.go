package recording_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/recording"
)

// bulks is a recording of two buffers of the client's, one with a bulk transfer; the other comes back with one.
func bulks(t *testing.T) *recording.Recording {
	t.Helper()
	var out bytes.Buffer
	s := &script{deliveries: []mmal.Delivery{
		{Data: give(mmal.BufferToHost, 4, 77)},
		{Kind: mmal.DeliveryBulk, Data: append(bytes.Repeat([]byte("B"), 199), 'C')},
		{Kind: mmal.DeliveryBulkAborted},
		{Data: give(mmal.BufferToHost, 4, 99)},
	}}
	r := recording.NewRecorder(s, &out, recording.Options{})
	r.Send(give(mmal.BufferFromHost, 4, 77), nil)
	r.Send(give(mmal.BufferFromHost, 5, 78), []byte("data"))
	for range 4 {
		r.Receive()
	}
	return parse(t, out.Bytes())
}

// give is a buffer message for a port.
func give(id mmal.MessageID, port, context uint32) []byte {
	return mmal.Append(nil, mmal.Header{ID: id}, &mmal.BufferMessage{
		Buffer: mmal.BufferAddress{Component: 3, Port: port, Context: context}, Data: context, Length: 200,
	})
}

func TestBulks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := recording.NewPlayer(bulks(t))
		// The ports' buffers come in another order, and have other contexts.
		if err := errors.Join(p.Send(give(mmal.BufferFromHost, 5, 1), []byte("data")),
			p.Send(give(mmal.BufferFromHost, 4, 2), nil)); err != nil {
			t.Fatal(err)
		}
		d, err := p.Receive()
		if want := give(mmal.BufferToHost, 4, 2); err != nil || !bytes.Equal(d.Data, want) {
			t.Errorf("got % x, %v, want % x", d.Data, err, want)
		}
		p.PostReceive(200, 41)
		p.PostReceive(8, 42)
		d, err = p.Receive()
		want := append(bytes.Repeat([]byte("B"), 128), make([]byte, 72)...)
		if err != nil || d.Kind != mmal.DeliveryBulk || d.Cookie != 41 || !bytes.Equal(d.Data, want) {
			t.Errorf("got %+v, %v, want the beginning of the bulk transfer and zeros, with cookie 41", d, err)
		}
		if d, err = p.Receive(); err != nil || d.Kind != mmal.DeliveryBulkAborted || d.Cookie != 42 || d.Data != nil {
			t.Errorf("got %+v, %v, want an aborted one with cookie 42", d, err)
		}
		unknown := give(mmal.BufferToHost, 4, 0)
		if d, err = p.Receive(); err != nil || !bytes.Equal(d.Data[:60], unknown[:60]) {
			t.Errorf("got % x, %v, want context 0 for a buffer that the client never had", d.Data, err)
		}
		for range 2 {
			if _, err = p.Receive(); !errors.Is(err, mmal.ErrClosed) {
				t.Errorf("at the end got %v, want ErrClosed", err)
			}
		}
		if err := p.Finish(); err != nil {
			t.Error(err)
		}
	})
}

func TestDivergentBulks(t *testing.T) {
	first, second := give(mmal.BufferFromHost, 4, 2), give(mmal.BufferFromHost, 5, 1)
	tests := []struct {
		name string
		do   func(p *recording.Player) error
		want string
	}{
		{"none", func(p *recording.Player) error { return p.Send(second, nil) }, "expected BULK of 4 bytes, got none"},
		{"other bytes", func(p *recording.Player) error { return p.Send(second, []byte("Data")) },
			"expected BULK of 4 bytes, got 4 other bytes"},
		{"one too many", func(p *recording.Player) error { return p.Send(first, []byte("data")) },
			"got a BULK of 4 bytes behind it"},
		{"of another length", func(p *recording.Player) error {
			return p.Send(mmal.Append(nil, mmal.Header{ID: mmal.BufferFromHost}, &mmal.BufferMessage{
				Buffer: mmal.BufferAddress{Component: 3, Port: 4, Context: 9}, Length: 201,
			}), nil)
		}, "which differs from byte 76 on"},
		{"shorter", func(p *recording.Player) error { return p.Send(first[:200], nil) }, "which differs from byte 200 on"},
		{
			"for another port",
			func(p *recording.Player) error { return p.Send(give(mmal.BufferFromHost, 6, 1), nil) },
			"port=6",
		},
		{"no message", func(p *recording.Player) error { return p.Send([]byte("?"), nil) }, "malformed"},
		{"not asked for", func(p *recording.Player) error {
			p.Send(first, nil)
			p.Send(second, []byte("data"))
			p.Receive()
			_, err := p.Receive()
			return err
		}, "expected BULK of 200 bytes, got no request for it"},
		{"asked for by another size", func(p *recording.Player) error {
			p.Send(first, nil)
			p.Send(second, []byte("data"))
			p.Receive()
			p.PostReceive(196, 1)
			_, err := p.Receive()
			return err
		}, "expected BULK of 200 bytes, got a request for 196 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := recording.NewPlayer(bulks(t))
				err := tt.do(p)
				if _, ok := errors.AsType[*recording.Divergence](err); !ok || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want a divergence with %q", err, tt.want)
				}
				if p.Finish() != err || p.Send(first, nil) != err || p.PostReceive(1, 1) != err {
					t.Error("the divergence does not stay")
				}
			})
		})
	}
}

// TestClosed has both sides come to the end of golden's exchange, and a client that closes too soon.
func TestClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := recording.NewPlayer(parse(t, []byte(firstLine+"\n0.000000 > CLOSE\n0.000000 < END closed\n")))
		p.Close()
		p.Close()
		if _, err := p.Receive(); !errors.Is(err, mmal.ErrClosed) {
			t.Errorf("receive: got %v", err)
		}
		if err := p.Send(nil, nil); !errors.Is(err, mmal.ErrClosed) {
			t.Errorf("send: got %v", err)
		}
		if err := p.PostReceive(1, 1); !errors.Is(err, mmal.ErrClosed) {
			t.Errorf("post: got %v", err)
		}
		if err := p.Finish(); err != nil {
			t.Error(err)
		}
		p = recording.NewPlayer(parse(t, []byte(golden)))
		p.Close()
		if err := p.Finish(); err == nil || !strings.Contains(err.Error(), "line 3: expected GET_VERSION") {
			t.Errorf("closed too soon: got %v", err)
		}
	})
}

// TestRecordedFailure has the transport of the recording fail.
func TestRecordedFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := firstLine + "\n0.000000 < END receive: input/output error\n"
		_, err := recording.NewPlayer(parse(t, []byte(text))).Receive()
		if !errors.Is(err, mmal.ErrClosed) || !strings.Contains(err.Error(), "input/output error") {
			t.Errorf("got %v", err)
		}
	})
}

// failingWriter takes n writes.
type failingWriter struct{ n int }

func (w *failingWriter) Write(b []byte) (int, error) {
	if w.n--; w.n < 0 {
		return 0, errors.New("no space left on device")
	}
	return len(b), nil
}

func TestFullDisk(t *testing.T) {
	r := recording.NewRecorder(&script{}, &failingWriter{n: 2}, recording.Options{})
	for range 3 {
		if err := r.Send([]byte("message"), nil); err != nil {
			t.Errorf("send: %v", err)
		}
	}
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
}

// TestBuffersAtDisable has the client give more or fewer buffers than the recorded one before it disables their port.
func TestBuffersAtDisable(t *testing.T) {
	disable := mmal.Append(nil, mmal.Header{ID: mmal.PortAction, Context: 9}, &mmal.PortActionRequest{
		Component: 3, Port: 4, Action: mmal.ActionDisable,
	})
	reply := mmal.Append(nil, mmal.Header{ID: mmal.PortAction, Context: 9}, &mmal.Reply{})
	for _, recorded := range []int{1, 2, 3} {
		var out bytes.Buffer
		s := &script{deliveries: []mmal.Delivery{{Data: reply}, {Data: reply}}}
		r := recording.NewRecorder(s, &out, recording.Options{})
		for range 2 { // the port is enabled and disabled twice
			for i := range recorded {
				r.Send(give(mmal.BufferFromHost, 4, uint32(77+i)), []byte("data"))
			}
			r.Send(disable, nil)
			r.Receive()
		}
		synctest.Test(t, func(t *testing.T) {
			p := recording.NewPlayer(parse(t, out.Bytes()))
			for range 2 {
				p.Send(give(mmal.BufferFromHost, 4, 1), []byte("data"))
				p.Send(give(mmal.BufferFromHost, 4, 2), []byte("data"))
				p.Send(disable, nil)
				if recorded < 2 {
					d, err := p.Receive()
					var m mmal.BufferMessage
					if h, _ := mmal.DecodeHeader(d.Data); err != nil || h.ID != mmal.BufferToHost ||
						mmal.Decode(d.Data, &m) != nil || m.Buffer.Context != 2 || m.Length != 0 {
						t.Errorf("%d recorded: got % x, %v, want the second buffer, empty", recorded, d.Data, err)
					}
				}
				if d, err := p.Receive(); err != nil || !bytes.Equal(d.Data, reply) {
					t.Errorf("%d recorded: got % x, %v, want the reply", recorded, d.Data, err)
				}
			}
			if err := p.Finish(); err != nil {
				t.Errorf("%d recorded: %v", recorded, err)
			}
		})
	}
}
