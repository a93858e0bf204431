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
	if err != nil {
		fmt.Println("bulkprobe: FAILED:", err)
		os.Exit(1)
	}
	fmt.Printf("bulkprobe: %d bytes there and back, all right\n", n)
}

// run sends each transfer and gets it back. It returns the bytes of one direction.
func run(ctx context.Context) (total int, err error) {
	t, err := vchiq.Dial(ctx)
	if err != nil {
		return 0, err
	}
	defer context.AfterFunc(ctx, func() { t.Close() })()
	defer t.Close()
	for round := range rounds {
		for _, size := range sizes {
			sent := pattern(size, round)
			if err := t.PostReceive(size, uint64(size)); err != nil {
				return total, err
			}
			// The message tells the echo how long the transfer behind it is.
			if err := t.Send(binary.LittleEndian.AppendUint32(nil, uint32(size)), sent); err != nil {
				return total, err
			}
			if err := receive(t, sent); err != nil {
				return total, fmt.Errorf("round %d, %d bytes: %w", round, size, err)
			}
			total += size
		}
	}
	return total, nil
}

// receive takes the echo's message and its transfer.
func receive(t mmal.Transport, want []byte) error {
	for range 2 {
		d, err := t.Receive()
		if err != nil {
			return err
		}
		switch {
		case d.Kind == mmal.DeliveryBulkAborted:
			return fmt.Errorf("transfer %d was aborted", d.Cookie)
		case d.Kind == mmal.DeliveryBulk && !bytes.Equal(d.Data, want):
			return fmt.Errorf("other bytes came back, the first at %d", firstDifference(d.Data, want))
		}
	}
	return nil
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
