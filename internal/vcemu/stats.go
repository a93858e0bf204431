package vcemu

import "sync/atomic"

// Stats counts what happened since New.
type Stats struct {
	SensorFrames  uint64 // frames of the sensor, those dropped included: the next frame's stamp
	SensorDropped uint64 // frames that an active camera port missed: no image was free within the grace, or the machine was too slow

	Sessions    int // open
	Components  int // alive, of all sessions
	ImagesInUse int // GPU images that somebody refers to

	Encoders []EncoderStats // video encoders alive, oldest first

	BadMessages    uint64 // messages that could not be understood, or named nothing that exists
	BadBuffers     uint64 // buffers that were refused and given back
	BulkMismatches uint64 // bulk transfers whose receive was posted with another size: a violation of the protocol
	MutableShared  uint64 // encoders that ran behind a splitter without IMMUTABLE_INPUT
	OverBudget     uint64 // video encoders enabled when all together exceeded the hardware's 62.9 M luma samples/s
}

// EncoderStats counts what one video encoder did.
type EncoderStats struct {
	Component     uint32 // handle
	Width, Height int    // visible
	BitRate       int    // as configured, in bit/s
	JPEG          bool   // it is one of JPEG; Stats has none of those
	Frames        uint64
	KeyFrames     uint64
	Skipped       uint64 // left out, see Quirks.SkipEvery
	Bytes         uint64
	Waiting       int // images at the input
}

// counters are the Stats that are only ever added to. They need no lock, for the carriers count too.
type counters struct {
	sensorDropped, badMessages, badBuffers, bulkMismatches, mutableShared, overBudget atomic.Uint64
}

// Stats returns the state of now.
func (v *VideoCore) Stats() Stats {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := Stats{
		SensorFrames:   uint64(v.sensor.number),
		SensorDropped:  v.count.sensorDropped.Load(),
		Sessions:       len(v.sessions),
		Components:     len(v.components),
		ImagesInUse:    v.imagesInUse,
		BadMessages:    v.count.badMessages.Load(),
		BadBuffers:     v.count.badBuffers.Load(),
		BulkMismatches: v.count.bulkMismatches.Load(),
		MutableShared:  v.count.mutableShared.Load(),
		OverBudget:     v.count.overBudget.Load(),
	}
	for _, c := range v.components {
		if e, ok := c.unit.(*videoEncoder); ok {
			s.Encoders = append(s.Encoders, e.stats())
		}
	}
	return s
}
