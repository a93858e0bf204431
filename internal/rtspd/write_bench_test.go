package rtspd

import (
	"testing"
	"time"

	"github.com/camkrazy/camkrazy/internal/camera"
)

// BenchmarkSink is one second of an 8 Mbit/s stream that nobody watches, as on most cameras most of the time. With
// viewers the cost is gortsplib's: an allocation of 1472 bytes per packet and a closure per packet and viewer.
func BenchmarkSink(b *testing.B) {
	s, err := New(Config{Listen: "127.0.0.1:0", Streams: []StreamConfig{{Name: "hqstream"}}})
	if err != nil {
		b.Fatal(err)
	}
	sink := s.Sink("hqstream")
	idr := camera.AccessUnit{NALs: [][]byte{nal(0x67, 21), nal(0x68, 5), nal(0x65, 100_000)}, IDR: true}
	other := camera.AccessUnit{NALs: [][]byte{nal(0x41, 31_000)}}
	var pts time.Duration
	b.ReportAllocs()
	for b.Loop() {
		for i := range 30 {
			au := other
			if i == 0 {
				au = idr
			}
			pts += 33 * time.Millisecond
			au.PTS = pts
			sink(au)
		}
	}
}
