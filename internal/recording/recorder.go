package recording

import (
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// defaultKeep is how much of a bulk transfer is kept: SPS and PPS are whole, of a picture the first NAL units' headers.
const defaultKeep = 128

// Options say what a Recorder writes.
type Options struct {
	// Notes tell about the machine, one line each.
	Notes []string
	// AllBytes keeps bulk transfers whole, not only their first 128 bytes.
	AllBytes bool
}

// Recorder is a transport that passes everything on to another one, and writes it down.
type Recorder struct {
	transport mmal.Transport
	keep      int
	start     time.Time

	mu     sync.Mutex // guards what follows, and keeps blocks whole and in order
	w      io.Writer
	closed bool
	err    error // of the first write that failed; nothing is written afterwards
	text   []byte
}

// NewRecorder records what goes through t on w, in one Write for each block, two if a message has a bulk transfer.
func NewRecorder(t mmal.Transport, w io.Writer, o Options) *Recorder {
	r := &Recorder{transport: t, keep: defaultKeep, start: time.Now(), w: w}
	if o.AllBytes {
		r.keep = maxBulk
	}
	r.write(appendHead(nil, o.Notes))
	return r
}

// Err is why the recording is not complete: the first write that failed. The exchange itself goes on without it.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Send implements mmal.Transport. The block is written first, so that no answer comes before it.
func (r *Recorder) Send(msg, bulk []byte) error {
	message := Block{Sent: true, Kind: Message, Data: msg, Fields: fields(msg, true)}
	if bulk != nil {
		r.record(message, r.bulk(bulk, true))
	} else {
		r.record(message)
	}
	return r.failed("send", r.transport.Send(msg, bulk))
}

// PostReceive implements mmal.Transport.
func (r *Recorder) PostReceive(size int, cookie uint64) error {
	return r.failed("post receive", r.transport.PostReceive(size, cookie))
}

// failed records what went wrong with something that the client did.
func (r *Recorder) failed(op string, err error) error {
	if err != nil {
		r.record(Block{Sent: true, Kind: End, Text: op + ": " + err.Error()})
	}
	return err
}

// Receive implements mmal.Transport.
func (r *Recorder) Receive() (mmal.Delivery, error) {
	d, err := r.transport.Receive()
	switch {
	case err != nil:
		r.record(Block{Kind: End, Text: err.Error()})
	case d.Kind == mmal.DeliveryMessage:
		r.record(Block{Kind: Message, Data: d.Data, Fields: fields(d.Data, false)})
	case d.Kind == mmal.DeliveryBulk:
		r.record(r.bulk(d.Data, false))
	default:
		r.record(Block{Kind: Aborted})
	}
	return d, err
}

// Close implements mmal.Transport.
func (r *Recorder) Close() error {
	r.mu.Lock()
	first := !r.closed
	r.closed = true
	r.mu.Unlock()
	if first {
		r.record(Block{Sent: true, Kind: Close})
	}
	return r.transport.Close()
}

func (r *Recorder) bulk(data []byte, sent bool) Block {
	return Block{
		Sent: sent, Kind: Bulk, Length: len(data), Sum: sha256.Sum256(data), Data: data[:min(len(data), r.keep)],
	}
}

// record writes blocks that belong together, all at the present time.
func (r *Recorder) record(blocks ...Block) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Since(r.start)
	for i := range blocks {
		blocks[i].Time = now
		r.text = appendBlock(r.text[:0], &blocks[i])
		r.write(r.text)
	}
}

func (r *Recorder) write(text []byte) {
	if r.err != nil {
		return
	}
	if _, err := r.w.Write(text); err != nil {
		r.err = fmt.Errorf("write recording: %w", err)
	}
}

// fields is what package mmal reads in a message, without the name that the block's line has already.
func fields(msg []byte, sent bool) string {
	text := describe(msg, sent)
	if h, err := mmal.DecodeHeader(msg); err == nil {
		text = strings.TrimPrefix(text, h.ID.String())
	}
	return oneLine(text)
}
