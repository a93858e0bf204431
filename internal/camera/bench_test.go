package camera_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu"
)

// traffic counts what passes a transport.
type traffic struct {
	mmal.Transport
	sent, received, bulks, bytes atomic.Uint64
}

func (t *traffic) Send(msg, bulk []byte) error {
	t.sent.Add(1)
	return t.Transport.Send(msg, bulk)
}

func (t *traffic) Receive() (mmal.Delivery, error) {
	d, err := t.Transport.Receive()
	switch {
	case err != nil:
	case d.Kind == mmal.DeliveryMessage:
		t.received.Add(1)
	default:
		t.bulks.Add(1)
		t.bytes.Add(uint64(len(d.Data)))
	}
	return d, err
}

// BenchmarkPipeline counts what two streams and the snapshots send through the transport, for each frame of the first
// stream, in real time.
func BenchmarkPipeline(b *testing.B) {
	cfg := testConfig()
	frames := make(chan int, 100)
	cfg.Streams[0].Bitrate = 17_000_000
	cfg.Streams[0].Sink = func(au camera.AccessUnit) {
		n := 0
		for _, nal := range au.NALs {
			n += len(nal)
		}
		frames <- n
	}
	cfg.Streams[1].Sink = func(camera.AccessUnit) {}
	vc, err := vcemu.New(vcemu.Config{})
	if err != nil {
		b.Fatal(err)
	}
	vcCtx, endVC := context.WithCancel(context.WithoutCancel(b.Context()))
	vcEnded := make(chan error, 1)
	go func() { vcEnded <- vc.Run(vcCtx) }()
	var count *traffic
	c, err := camera.New(cfg, func(ctx context.Context) (mmal.Transport, error) {
		t, err := vc.Dial(ctx)
		count = &traffic{Transport: t}
		return count, err
	}, nil)
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	<-frames // the pipeline is up
	sent, received, bulks, moved, coded := count.sent.Load(), count.received.Load(), count.bulks.Load(), count.bytes.Load(), 0
	for b.Loop() {
		coded += <-frames
	}
	n := float64(b.N)
	b.ReportMetric(float64(count.sent.Load()-sent)/n, "sent/frame")
	b.ReportMetric(float64(count.received.Load()-received)/n, "received/frame")
	b.ReportMetric(float64(count.bulks.Load()-bulks)/n, "bulks/frame")
	b.ReportMetric(float64(count.bytes.Load()-moved)/n, "bulkbytes/frame")
	b.ReportMetric(float64(coded)/n, "coded/frame")
	b.ReportMetric(0, "ns/op") // it is the camera's
	stop()
	go func() {
		for range frames {
		}
	}()
	if err := <-ended; err != nil {
		b.Error(err)
	}
	close(frames)
	endVC()
	if err := <-vcEnded; err != nil {
		b.Error(err)
	}
}
