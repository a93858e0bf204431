// Package scene gives the pictures that the emulated camera sensor sees, and the picture geometry of the emulated ISP:
// scaling, cropping, rotation and mirroring.
//
// Every picture is an [image.YCbCr] with 4:2:0 subsampling. Values are limited range (ITU-R BT.601-7 section 2.5: black
// 16, white 235, no colour 128), as a video camera delivers, not the full range of [image/color].
package scene

import (
	"image"
	"time"
)

// Source gives the picture that the sensor sees. A Source belongs to one goroutine: Draw keeps state between calls.
type Source interface {
	// Draw fills dst (4:2:0, the sensor pipeline's output size, even dimensions) with the picture of sensor frame n,
	// taken elapsed after frame 0 at the wall-clock time now. It draws no stamp (see DrawStamp). The previous contents of
	// dst may be those of any earlier frame. After an error the sensor has no picture to give.
	Draw(dst *image.YCbCr, n uint32, elapsed time.Duration, now time.Time) error
}
