package main

import (
	"context"
	"encoding/binary"
	"image"
	"math/rand/v2"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/camkrazy/camkrazy/internal/vcemu"
	"github.com/camkrazy/camkrazy/internal/vcemu/h264"
	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
)

// stampMark begins the SEI message that says when a picture left the encoder: its UUID (ITU-T H.264 section D.1.7),
// behind which are 16 digits of this machine's monotonic clock in nanoseconds.
const stampMark = "camkrazy-stamp-0"

const stampDigits = 16

// monotonic is a clock that all processes of this machine share.
func monotonic() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // cannot fail for this clock
	return t.Nano()
}

// appendStamp appends a NAL unit with the present time.
func appendStamp(b []byte) []byte {
	b = append(b, 0, 0, 0, 1, 0x06, 5, byte(len(stampMark)+stampDigits))
	b = append(b, stampMark...)
	digits := strconv.FormatInt(monotonic(), 10)
	for range stampDigits - len(digits) {
		b = append(b, '0')
	}
	b = append(b, digits...)
	return append(b, 0x80)
}

// replayer gives ready-made pictures in place of coded ones, and begins with the IDR picture again when it is asked for
// one. They have the sizes that a stream of that bitrate has, an IDR picture three times that of others, and the bytes of
// noise: nothing here decodes them.
type replayer struct {
	*h264.Encoder        // for the parameter sets
	idr, other    []byte // NAL units with start codes
	period, next  int    // pictures
	forced        bool
}

func newReplayer(cfg h264.Config) (vcemu.Coder, error) {
	encoder, err := h264.New(cfg)
	if err != nil {
		return nil, err
	}
	r := &replayer{Encoder: encoder, period: max(cfg.IntraPeriod, 2)}
	each := cfg.Bitrate / 8 * cfg.FrameRateDen / cfg.FrameRateNum * r.period / (r.period + 2)
	noise := rand.NewChaCha8([32]byte{1})
	slice := func(header byte, size int) []byte {
		b := make([]byte, size)
		noise.Read(b)
		for i := range b {
			b[i] |= 1 // nothing that looks like a start code
		}
		binary.BigEndian.PutUint32(b, 1)
		b[4] = header
		return b
	}
	r.idr, r.other = slice(0x65, 3*each), slice(0x41, each)
	return r, nil
}

// RequestIDR implements vcemu.Coder.
func (r *replayer) RequestIDR() { r.forced = true }

// SetBitrate implements vcemu.Coder: the sizes stay.
func (r *replayer) SetBitrate(int) {}

// SetIntraPeriod implements vcemu.Coder.
func (r *replayer) SetIntraPeriod(n int) { r.period = max(n, 2) }

// Encode implements vcemu.Coder.
func (r *replayer) Encode(dst []byte, _ *image.YCbCr, _ int64) ([]byte, h264.Picture) {
	idr := r.forced || r.next%r.period == 0
	if idr {
		r.forced, r.next = false, 0
	}
	r.next++
	dst = appendStamp(dst)
	if idr {
		dst = append(dst, r.idr...)
	} else {
		dst = append(dst, r.other...)
	}
	return dst, h264.Picture{IDR: idr}
}

// still is a scene without anything in it.
type still struct{}

// Draw implements scene.Source.
func (still) Draw(*image.YCbCr, uint32, time.Duration, time.Time) error { return nil }

// emulate runs a VideoCore and connects each client that comes to it.
func emulate(ctx context.Context, clients <-chan *wire) error {
	vc, err := vcemu.New(vcemu.Config{
		Coder: newReplayer,
		Scene: func(int, int) (scene.Source, error) { return still{}, nil },
	})
	if err != nil {
		return err
	}
	go func() {
		for {
			select {
			case w := <-clients:
				go serveWire(ctx, vc, w)
			case <-ctx.Done():
				return
			}
		}
	}()
	return vc.Run(ctx)
}
