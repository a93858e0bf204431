// Binary bulkprobe moves bulk transfers of awkward sizes through /dev/vchiq, both ways. The system test runs it on a board
// whose VideoCore has an echo in the place of the MMAL service, and reads what it prints.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vchiq"
)

// sizes are of bulk transfers in bytes: around the ends of cache lines and pages, and long.
var sizes = []int{1, 2, 31, 63, 64, 65, 127, 128, 129, 4095, 4096, 4097, 8191, 8193, 65537, 1<<20 - 1, 1 << 20}

// rounds is how often all sizes are moved.
const rounds = 20

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n, err := run(ctx)
	if err == nil {
		err = reopen(ctx)
	}
	if err != nil {
		fmt.Println("bulkprobe: FAILED:", err)
		os.Exit(1)
	}
	fmt.Printf("bulkprobe: %d bytes there and back, and the service opened %d times under signals, all right\n", n, openings)
}

// ahead is how many transfers are asked for at a time: twice as many as the driver takes, so that some wait their turn in
// both directions.
const ahead = 8

// run sends each transfer and gets it back, one at a time and then several at once. It returns the bytes of one
// direction.
func run(ctx context.Context) (total int, err error) {
	t, err := vchiq.Dial(ctx)
	if err != nil {
		return 0, err
	}
	defer context.AfterFunc(ctx, func() { t.Close() })()
	defer t.Close()
	for round := range rounds {
		for i := range sizes {
			n := 1
			if round%2 == 1 {
				n = ahead
			}
			moved, err := exchange(t, i, n, round)
			if err != nil {
				return total, fmt.Errorf("round %d, %d transfers from %d bytes on: %w", round, n, sizes[i], err)
			}
			total += moved
		}
	}
	return total, nil
}

// exchange sends n transfers, the first of the i-th size, and gets them back.
func exchange(t mmal.Transport, i, n, round int) (total int, err error) {
	var sent [][]byte
	for k := range n {
		sent = append(sent, pattern(sizes[(i+k)%len(sizes)], round+k))
		if err := t.PostReceive(len(sent[k]), uint64(k)); err != nil {
			return 0, err
		}
	}
	for _, b := range sent {
		// The message tells the echo how long the transfer behind it is.
		if err := t.Send(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b); err != nil {
			return 0, err
		}
		total += len(b)
	}
	messages, bulks := 0, 0
	for messages+bulks < 2*n {
		d, err := t.Receive()
		if err != nil {
			return 0, err
		}
		switch {
		case d.Kind == mmal.DeliveryBulkAborted:
			return 0, fmt.Errorf("transfer %d was aborted", d.Cookie)
		case d.Kind == mmal.DeliveryMessage && messages < n:
			if want := len(sent[messages]); len(d.Data) != 4 || binary.LittleEndian.Uint32(d.Data) != uint32(want) {
				return 0, fmt.Errorf("message %d came back as %x, want %d", messages, d.Data, want)
			}
			messages++
		case d.Kind == mmal.DeliveryBulk && bulks < n && d.Cookie == uint64(bulks):
			if !bytes.Equal(d.Data, sent[bulks]) {
				return 0, fmt.Errorf("transfer %d has other bytes, the first at %d", bulks, firstDifference(d.Data, sent[bulks]))
			}
			bulks++
		default:
			return 0, fmt.Errorf("delivery of kind %d and cookie %d after %d messages and %d transfers", d.Kind, d.Cookie, messages, bulks)
		}
	}
	return total, nil
}

// pattern is different bytes for each size and round, and at each place.
func pattern(size, round int) []byte {
	b := make([]byte, size)
	x := uint32(size*31 + round*7 + 1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}
