package camera

import (
	"time"

	"github.com/camkrazy/camkrazy/internal/recovery"
)

// Config says what the pipeline delivers. All values have been validated; package config tells their ranges.
type Config struct {
	// Number chooses the sensor, from 0.
	Number int
	// Width and Height are the size in pixels that the sensor's pipeline delivers.
	Width, Height int
	// FrameRate is the sensor's, in 1/s.
	FrameRate float64
	// SensorMode is the firmware's number for it; 0 lets the firmware choose.
	SensorMode int
	Controls   Controls
	// Streams are 1 to 3.
	Streams  []StreamConfig
	Snapshot SnapshotConfig
	// Recovery decides what is done about faults. A nil one knows nothing of earlier processes, and cannot reboot.
	Recovery *recovery.Ladder
}

// Controls are the image controls, by picamera's names, units and ranges.
type Controls struct {
	Rotation             int // degrees clockwise: 0, 90, 180, 270
	HFlip, VFlip         bool
	Zoom                 [4]float64 // x, y, width, height as fractions of the sensor's area
	Brightness           int        // 0..100
	Contrast             int        // -100..100
	Saturation           int        // -100..100
	Sharpness            int        // -100..100
	ISO                  int        // 0 is automatic
	ShutterSpeed         time.Duration
	ExposureMode         string
	ExposureCompensation int     // sixths of a stop
	AnalogGain           float64 // 0 is automatic
	DigitalGain          float64 // the same
	MeterMode            string
	AWBMode              string
	AWBGains             [2]float64 // red, blue; used while AWBMode is off
	DRCStrength          string
	FlickerAvoid         string
	VideoStabilization   bool
	VideoDenoise         bool
	ImageDenoise         bool // of the still port
	ImageEffect          string
	ColorEffects         *[2]int // u, v
	Annotate             Annotate
}

// Annotate is text burned into all pictures.
type Annotate struct {
	Text            string // a format of package strftime; "" is none
	Size            int    // 6..160
	Color           string // as #ff8000; "" is the firmware's
	Background      bool   // a box behind the text
	BackgroundColor string
	Align           string // center, left or right
	Offset          [2]int // pixels from the side of Align and from the top
	FrameNum        bool   // the frame's number behind the text
}

// StreamConfig describes one coded stream.
type StreamConfig struct {
	Name          string
	Width, Height int
	// FrameRate is the camera's divided by a whole number.
	FrameRate float64
	// Bitrate in bit/s. With QP it decides nothing, and may be 0.
	Bitrate int
	// KeyFrameInterval is the time from one IDR to the next.
	KeyFrameInterval time.Duration
	Profile          string // baseline, constrained, main, high
	Level            string // as "4.2"; "" is the lowest that fits
	MinQP, MaxQP, QP int    // 0 is the firmware's choice
	IntraRefresh     string // "", cyclic, adaptive, both, cyclicrows
	Sink             Sink
}

// SnapshotConfig describes the stills.
type SnapshotConfig struct {
	Width, Height int
	Quality       int           // of JPEG, 1..100
	Interval      time.Duration // 0: only when asked for
	// Sink gets each still, on the goroutine that takes them.
	Sink func(Still)
}
