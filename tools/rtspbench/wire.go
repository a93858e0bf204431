package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu"
)

// wire carries what an mmal.Transport does to another process, over a socket. To the VideoCore go a message, with its
// bulk transfer, and requests for one; back come the deliveries. Each is a header of four words in little endian and
// what those say.
type wire struct {
	conn net.Conn
	r    *bufio.Reader
	data []byte // of the last delivery

	mu sync.Mutex // for writing
}

const (
	toSend = iota
	toPost
)

func newWire(conn net.Conn) *wire { return &wire{conn: conn, r: bufio.NewReaderSize(conn, 64<<10)} }

func (w *wire) write(header [4]uint64, parts ...[]byte) error {
	b := make([]byte, 0, 32)
	for _, word := range header {
		b = binary.LittleEndian.AppendUint64(b, word)
	}
	buffers := net.Buffers{b}
	buffers = append(buffers, parts...)
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := buffers.WriteTo(w.conn); err != nil {
		return fmt.Errorf("%w: %w", mmal.ErrClosed, err)
	}
	return nil
}

func (w *wire) readHeader() (header [4]uint64, err error) {
	var b [32]byte
	if _, err := io.ReadFull(w.r, b[:]); err != nil {
		return header, fmt.Errorf("%w: %w", mmal.ErrClosed, err)
	}
	for i := range header {
		header[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return header, nil
}

// Send implements mmal.Transport.
func (w *wire) Send(msg, bulk []byte) error {
	has := uint64(0)
	if bulk != nil {
		has = 1
	}
	return w.write([4]uint64{toSend, uint64(len(msg)), uint64(len(bulk)), has}, msg, bulk)
}

// PostReceive implements mmal.Transport.
func (w *wire) PostReceive(size int, cookie uint64) error {
	return w.write([4]uint64{toPost, uint64(size), cookie})
}

// Receive implements mmal.Transport.
func (w *wire) Receive() (mmal.Delivery, error) {
	header, err := w.readHeader()
	if err != nil {
		return mmal.Delivery{}, err
	}
	if n := int(header[1]); n > cap(w.data) {
		w.data = make([]byte, n)
	}
	w.data = w.data[:header[1]]
	if _, err := io.ReadFull(w.r, w.data); err != nil {
		return mmal.Delivery{}, fmt.Errorf("%w: %w", mmal.ErrClosed, err)
	}
	return mmal.Delivery{Kind: mmal.DeliveryKind(header[0]), Data: w.data, Cookie: header[2]}, nil
}

// Close implements mmal.Transport.
func (w *wire) Close() error { return w.conn.Close() }

// serveWire is VideoCore's end of a wire.
func serveWire(ctx context.Context, vc *vcemu.VideoCore, w *wire) error {
	defer w.Close()
	t, err := vc.Dial(ctx)
	if err != nil {
		return err
	}
	defer t.Close()
	go func() {
		for {
			d, err := t.Receive()
			if err != nil || w.write([4]uint64{uint64(d.Kind), uint64(len(d.Data)), d.Cookie}, d.Data) != nil {
				w.Close()
				return
			}
		}
	}()
	for {
		header, err := w.readHeader()
		if err != nil {
			return err
		}
		if header[0] == toPost {
			err = t.PostReceive(int(header[1]), header[2])
		} else {
			err = w.forward(t, header)
		}
		if err != nil {
			return err
		}
	}
}

// forward reads a message, with its bulk transfer, and sends it.
func (w *wire) forward(t mmal.Transport, header [4]uint64) error {
	b := make([]byte, header[1]+header[2])
	if _, err := io.ReadFull(w.r, b); err != nil {
		return err
	}
	msg, bulk := b[:header[1]], b[header[1]:]
	if header[3] == 0 {
		bulk = nil
	}
	return t.Send(msg, bulk)
}
