package mmal

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// Magic marks every message and every buffer (MMAL_MAGIC, "mmal").
	Magic = 0x6c616d6d
	// HeaderSize is the length of the header that every message starts with.
	HeaderSize = 24
	// MaxMessage is the length of the longest message, its header included (MMAL_WORKER_MAX_MSG_LEN).
	MaxMessage = 512
)

// ErrMalformed says that a message ends before its last needed field, lacks a magic or contradicts itself.
var ErrMalformed = errors.New("malformed message")

// fields walks the fixed layout of a message once, in wire order, either writing Go fields or reading them. One walk
// serves both directions, so that they cannot disagree.
type fields struct {
	b        []byte // decoding: what is still to read; encoding: what has been written
	decoding bool
	bad      bool // decoding ran off the end or met a wrong magic; all that follows reads as zero
}

// take returns the next n bytes to read or to fill, or nil if a message to decode has fewer.
func (f *fields) take(n int) []byte {
	if !f.decoding {
		at := len(f.b)
		for range n {
			f.b = append(f.b, 0)
		}
		return f.b[at:]
	}
	if len(f.b) < n {
		f.fail()
		return nil
	}
	b := f.b[:n]
	f.b = f.b[n:]
	return b
}

// fail makes the rest of a message to decode unreadable.
func (f *fields) fail() { f.b, f.bad = nil, true }

// word walks one 32-bit field.
func word[T ~uint32 | ~int32](f *fields, v *T) {
	b := f.take(4)
	switch {
	case b == nil:
		*v = 0
	case f.decoding:
		*v = T(binary.LittleEndian.Uint32(b))
	default:
		binary.LittleEndian.PutUint32(b, uint32(*v))
	}
}

// half walks one 16-bit field.
func half(f *fields, v *uint16) {
	b := f.take(2)
	switch {
	case b == nil:
		*v = 0
	case f.decoding:
		*v = binary.LittleEndian.Uint16(b)
	default:
		binary.LittleEndian.PutUint16(b, *v)
	}
}

// long walks one 64-bit field.
func long[T ~uint64 | ~int64](f *fields, v *T) {
	b := f.take(8)
	switch {
	case b == nil:
		*v = 0
	case f.decoding:
		*v = T(binary.LittleEndian.Uint64(b))
	default:
		binary.LittleEndian.PutUint64(b, uint64(*v))
	}
}

// flag walks one 32-bit boolean; any non-zero word reads as true.
func flag(f *fields, v *bool) {
	var w uint32
	if *v {
		w = 1
	}
	word(f, &w)
	*v = w != 0
}

// array walks a fixed run of bytes.
func array(f *fields, v []byte) {
	b := f.take(len(v))
	switch {
	case b == nil:
		clear(v)
	case f.decoding:
		copy(v, b)
	default:
		copy(b, v)
	}
}

// text walks a NUL-terminated string in a field of n bytes; both ways, what is longer than n-1 is cut.
func text(f *fields, v *string, n int) {
	b := f.take(n)
	switch {
	case b == nil:
		*v = ""
	case f.decoding:
		end := 0
		for end < n-1 && b[end] != 0 {
			end++
		}
		*v = string(b[:end])
	default:
		copy(b[:n-1], *v)
	}
}

// rest walks a run of bytes that reaches to the end of the message. Decoded, it shares the message's memory.
func rest(f *fields, v *[]byte) {
	if f.decoding {
		*v, f.b = f.b, nil
		return
	}
	f.b = append(f.b, *v...)
}

// skip walks n bytes that carry nothing for us.
func skip(f *fields, n int) { f.take(n) }

// Header starts every message.
type Header struct {
	ID MessageID
	// Context is chosen by the client and repeated in the reply; never 0 in a request.
	Context uint32
	// Status of a buffer message; a reply's result is in its body.
	Status Status
}

func (h *Header) fields(f *fields) {
	magic := uint32(Magic)
	word(f, &magic)
	if magic != Magic {
		f.fail()
	}
	word(f, &h.ID)
	skip(f, 4)
	word(f, &h.Context)
	word(f, &h.Status)
	skip(f, 4)
}

// Message is the body of one kind of message; the types of this package whose names are those of messages implement it.
type Message interface {
	fields(*fields)
}

// Append adds a whole message to dst and returns the longer slice.
func Append(dst []byte, h Header, m Message) []byte {
	f := fields{b: dst}
	h.fields(&f)
	m.fields(&f)
	return f.b
}

// DecodeHeader reads a message's header. It fails if the message is shorter than that, longer than MaxMessage or lacks
// the magic.
func DecodeHeader(msg []byte) (Header, error) {
	var h Header
	f := fields{b: msg, decoding: true}
	h.fields(&f)
	if f.bad || len(msg) > MaxMessage {
		return Header{}, fmt.Errorf("decode header of %d bytes: %w", len(msg), ErrMalformed)
	}
	return h, nil
}

// Decode reads the body of a message whose header has been read. A message may be longer than its known layout, as that
// of a newer firmware would be, but not shorter. Byte slices in m share memory with msg.
func Decode(msg []byte, m Message) error {
	if len(msg) < HeaderSize {
		return ErrMalformed
	}
	f := fields{b: msg[HeaderSize:], decoding: true}
	m.fields(&f)
	if f.bad {
		return fmt.Errorf("decode %T from %d bytes: %w", m, len(msg), ErrMalformed)
	}
	return nil
}
