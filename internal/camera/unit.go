package camera

import "time"

// AccessUnit is one coded picture as an encoder delivered it, parameter sets included.
//
// It is valid only until the Sink that received it returns: the bytes behind NALs are reused for a later picture, so a
// sink that wants to keep them copies them.
type AccessUnit struct {
	// NALs are the NAL units in decoding order, without start codes, none of them empty. An IDR picture carries
	// SPS and PPS in front of its slices.
	NALs [][]byte

	// PTS is the capture time on the sensor's clock (STC, microsecond steps), monotonic and common to all streams
	// of the camera. Its zero is the boot of VideoCore, not that of the program.
	PTS time.Duration

	// IDR says that decoding can start here.
	IDR bool
}

// Sink takes the access units of one stream, in order. It is called from one goroutine per stream and may block
// for a moment only: while it does, the stream's next pictures wait, and are dropped when too many of them do.
type Sink func(AccessUnit)

// Still is one JPEG picture.
type Still struct {
	// JPEG is a complete JFIF file; it is never written to again.
	JPEG []byte

	// PTS is the capture time on the same clock as AccessUnit.PTS.
	PTS time.Duration

	// Taken is the wall-clock time at which the picture arrived.
	Taken time.Time
}
