package vcemu

import (
	"image"
	"testing"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
)

// BenchmarkSensorFrame is one frame of the sensor, from the scene to an image at the video port, stamp included.
func BenchmarkSensorFrame(b *testing.B) {
	for _, c := range []struct {
		name   string
		zoom   mmal.Rect
		orient scene.Orientation
		look   scene.Look
	}{
		{"plain", mmal.Rect{Width: whole, Height: whole}, scene.Orientation{}, plainLook()},
		{"turned180", mmal.Rect{Width: whole, Height: whole}, scene.Orientation{Rotation: 180}, plainLook()},
		{"zoomed", mmal.Rect{X: whole / 4, Y: whole / 4, Width: whole / 2, Height: whole / 2}, scene.Orientation{}, plainLook()},
		{"coloured", mmal.Rect{Width: whole, Height: whole}, scene.Orientation{}, scene.Look{Brightness: 0.6}},
		{"balanced", mmal.Rect{Width: whole, Height: whole}, scene.Orientation{}, scene.Look{Brightness: 0.5, GreyWorld: true}},
		{"cartoon", mmal.Rect{Width: whole, Height: whole}, scene.Orientation{}, scene.Look{Brightness: 0.5, Effect: scene.Cartoon}},
	} {
		b.Run(c.name, func(b *testing.B) {
			size := image.Pt(1640, 1232)
			var w view
			var images [3]gpuImage
			for i := range images {
				images[i].pic = newPicture(1664, size)
			}
			open := func(w, h int) (scene.Source, error) { return scene.NewTestCard(w, h), nil }
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			n := uint32(0)
			b.ReportAllocs()
			for b.Loop() {
				x := shot{image: &images[n%3], zoom: c.zoom, orient: c.orient, look: c.look}
				elapsed := time.Duration(n) * time.Second / 30
				if err := w.draw(open, &x, n, elapsed, now.Add(elapsed)); err != nil {
					b.Fatal(err)
				}
				n++
			}
		})
	}
}
