package camera

import (
	"errors"
	"fmt"
	"math"
)

// ErrStillOptions says that a picture was asked for that there cannot be.
var ErrStillOptions = errors.New("not possible for a snapshot")

// StillOptions are what is to be different from the configured snapshots; the zero value is nothing.
type StillOptions struct {
	// Width in pixels, from 64 to the larger of the camera's and the configured snapshot's; an odd one loses a pixel.
	// The height follows from the configured shape.
	Width int
	// Quality of JPEG, 1..100.
	Quality int
}

const (
	narrowestStill = 64
	lowestStill    = 16
	bestQuality    = 100
)

// stillShape is what the branch of the stills has to be set up for.
type stillShape struct{ width, height, quality int }

// widestStill is the widest picture that may be asked for: the GPU enlarges nothing that was not configured to be.
func widestStill(cfg Config) int { return max(cfg.Width, cfg.Snapshot.Width) }

// shape works out what a picture is to be.
func (st *stills) shape(o StillOptions) (stillShape, error) {
	shape := st.usual
	if o.Quality != 0 {
		if o.Quality < 1 || o.Quality > bestQuality {
			return shape, fmt.Errorf("quality: %d is out of range 1..%d: %w", o.Quality, bestQuality, ErrStillOptions)
		}
		shape.quality = o.Quality
	}
	if o.Width != 0 {
		if o.Width < narrowestStill || o.Width > st.widest {
			return shape, fmt.Errorf("width: %d is out of range %d..%d: %w", o.Width, narrowestStill, st.widest, ErrStillOptions)
		}
		shape.width = o.Width &^ 1
		scale := float64(shape.width) / float64(st.usual.width)
		shape.height = max(lowestStill, int(math.Round(float64(st.usual.height)*scale/2))*2)
	}
	return shape, nil
}
