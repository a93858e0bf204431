package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/rtspd"
)

// videocoreVar has the name of the socket behind which VideoCore is.
const videocoreVar = "RTSPBENCH_VIDEOCORE"

// feeds are what the appliance offers when it is left alone. The pictures that VideoCore replays have their rates and
// bitrates; the sensor's are small, as nobody looks at them.
var feeds = []camera.StreamConfig{
	{Name: "hqstream", Width: 320, Height: 240, FrameRate: 30, Bitrate: 8_000_000, KeyFrameInterval: time.Second, Profile: "high"},
	{Name: "lqstream", Width: 160, Height: 120, FrameRate: 5, Bitrate: 1_000_000, KeyFrameInterval: time.Second, Profile: "high"},
}

// maxReaders is more than are measured.
const maxReaders = 1000

// serve is the process that is measured: camera and server, as in cmd/camkrazy. It prints its address.
func serve(ctx context.Context) error {
	var cam *camera.Camera
	server, err := rtspd.New(rtspd.Config{
		Listen: "127.0.0.1:0", MaxReaders: maxReaders,
		Streams:  []rtspd.StreamConfig{{Name: "hqstream", FrameRate: 30}, {Name: "lqstream", FrameRate: 5}},
		KeyFrame: func(stream string) { cam.RequestKeyFrame(stream) },
	})
	if err != nil {
		return err
	}
	cfg := camera.Config{
		Width: 320, Height: 240, FrameRate: 30, Streams: feeds,
		Controls: camera.Controls{
			Zoom: [4]float64{0, 0, 1, 1}, Brightness: 50, ExposureMode: "auto", MeterMode: "average", AWBMode: "auto",
			DRCStrength: "off", FlickerAvoid: "off", ImageEffect: "none", Annotate: camera.Annotate{Size: 32},
		},
		Snapshot: camera.SnapshotConfig{Width: 160, Height: 120, Quality: 85, Interval: 2 * time.Second},
	}
	for i := range cfg.Streams {
		cfg.Streams[i].Sink = server.Sink(cfg.Streams[i].Name)
	}
	open := func(context.Context) (mmal.Transport, error) {
		conn, err := net.Dial("unix", os.Getenv(videocoreVar))
		if err != nil {
			return nil, err
		}
		return newWire(conn), nil
	}
	if cam, err = camera.New(cfg, open, nil); err != nil {
		return err
	}
	if err := server.Listen(); err != nil {
		return err
	}
	fmt.Println(server.Addr())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return server.Run(ctx) })
	g.Go(func() error { return cam.Run(ctx) })
	return g.Wait()
}
