package camera

import (
	"fmt"
	"math"
)

const (
	// widestStream is the widest picture in pixels that the encoder's hardware codes.
	widestStream = 1920
	// highestBitrate is the firmware's limit for a stream, in bit/s.
	highestBitrate = 25_000_000

	// The encoder's rate control gives up, and with it the encoder, when a bitrate is too low for the scene. The firmware's
	// engineers say that it begins below about 1 Mbit/s and that 100 kbit/s is certain to lead to it
	// (raspberrypi/rpicam-apps#664, #682); 820x616 at 500 kbit/s has been seen to lock up when the lens was covered and
	// uncovered (bluenviron/mediamtx#5381: 8 bits a macroblock at 30 frames/s), 1920x1080 at 700 kbit/s not to (#2579:
	// 2.9 bits), so that what is refused has to stay below that.
	// Both limits are for the stream as a whole, in bit/s, and for a macroblock, in bits.
	lockupRate, lockupBits = 128_000, 2
	steadyRate, steadyBits = 700_000, 8

	// leastMemory is the gpu_mem in MiB below which firmware with camera support does not boot, usualMemory what the
	// reference programs want at least.
	leastMemory, usualMemory = 64, 128
	// memoryStep is what gpu_mem is best raised by.
	memoryStep = 64
)

// level is the limits of a level of H.264 (ITU-T H.264 table A-1): macroblocks of a picture, macroblocks a second, and
// bit/s in the profiles below High, which has a quarter more (clause A.3.3).
type level struct{ frame, rate, bitrate int }

// bitrateIn is the level's bitrate in a profile.
func (l level) bitrateIn(profile string) int {
	if profile == "high" {
		return l.bitrate / 4 * 5
	}
	return l.bitrate
}

// levels are the levels by name.
func levels() map[string]level {
	return map[string]level{
		"3": {1620, 40500, 10_000_000}, "3.1": {3600, 108000, 14_000_000}, "3.2": {5120, 216000, 20_000_000},
		"4": {8192, 245760, 20_000_000}, "4.1": {8192, 245760, 50_000_000}, "4.2": {8704, 522240, 50_000_000},
	}
}

// lowestLevel is 4 unless the picture, its rate or the bitrate need more.
func lowestLevel(sp StreamPlan, s StreamConfig) string {
	four := levels()["4"]
	switch {
	case sp.MBs > four.frame || sp.MBRate > four.rate:
		return "4.2"
	case s.Bitrate > four.bitrateIn(s.Profile):
		return "4.1"
	}
	return "4"
}

// limits says what of a stream the encoder does not do, and what may go wrong.
func (sp StreamPlan) limits(s StreamConfig) (errs, warnings []string) {
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Sprintf("streams."+s.Name+format, args...))
	}
	l := levels()[sp.Level]
	if s.Width > widestStream {
		fail(".resolution: %dx%d is wider than the %d pixels that the encoder codes", s.Width, s.Height, widestStream)
	}
	if sp.MBs > l.frame || sp.MBRate > l.rate {
		fail(": %dx%d at %.4g frames/s is %d macroblocks and %d a second, and H.264 level %s ends at %d and %d: lower the resolution or the frame rate%s",
			s.Width, s.Height, s.FrameRate, sp.MBs, sp.MBRate, sp.Level, l.frame, l.rate, orLevel(s))
	}
	switch top := l.bitrateIn(s.Profile); {
	case s.Bitrate > highestBitrate:
		fail(".bitrate: %d is more than the encoder's %d", s.Bitrate, highestBitrate)
	case s.Bitrate > top:
		fail(".bitrate: %d is more than the %d of H.264 level %s in profile %s: lower it%s", s.Bitrate, top, sp.Level, s.Profile, orLevel(s))
	}
	if s.FrameRate < slowestStream {
		warnings = append(warnings, fmt.Sprintf("streams.%s.framerate: %.4g is below %d, with which no program has been seen to use the encoder",
			s.Name, s.FrameRate, slowestStream))
	}
	if s.Bitrate == 0 {
		return errs, warnings
	}
	switch least, steady := sp.floor(lockupRate, lockupBits), sp.floor(steadyRate, steadyBits); {
	case s.Bitrate < least:
		fail(".bitrate: %d is too little for %dx%d at %.4g frames/s: below %d the encoder is certain to lock up when the scene changes; write %d, or qp: 30 in the place of a bitrate",
			s.Bitrate, s.Width, s.Height, s.FrameRate, least, steady)
	case s.Bitrate < steady:
		warnings = append(warnings, fmt.Sprintf("streams.%s.bitrate: %d is little for %dx%d at %.4g frames/s: the encoder has been seen to lock up below %d when the scene changes; that much is safe, or qp: 30 in the place of a bitrate",
			s.Name, s.Bitrate, s.Width, s.Height, s.FrameRate, steady))
	}
	return errs, warnings
}

// floor is the bitrate that a stream needs to have at least a rate as a whole and a number of bits for each macroblock,
// rounded up to 1000.
func (sp StreamPlan) floor(rate, bits int) int {
	return (max(rate, bits*sp.MBRate) + 999) / 1000 * 1000
}

// orLevel is the other way out for a stream whose level was chosen by hand.
func orLevel(s StreamConfig) string {
	if s.Level == "" || s.Level == "4.2" {
		return ""
	}
	return ", or leave the level out"
}

// quality is what the stream's size is bound by. A constant quantiser leaves rate control nothing to decide.
func (sp StreamPlan) quality() string {
	bitrate := fmt.Sprintf("%.5g kbit/s", float64(sp.Bitrate)/1000)
	switch {
	case sp.QP == 0:
		return bitrate
	case sp.Bitrate == 0:
		return fmt.Sprintf("constant qp %d", sp.QP)
	}
	return fmt.Sprintf("constant qp %d (which decides, not the bitrate of %s)", sp.QP, bitrate)
}

// OnBoard is the plan on a board whose gpu_mem is that many MiB.
func (p Plan) OnBoard(gpuMemory int) Plan {
	p.BoardMemory = gpuMemory
	enough := max(2*usualMemory, int(math.Ceil(float64(p.GPUMemory+memoryStep)/memoryStep))*memoryStep)
	switch {
	case gpuMemory < leastMemory:
		p.Errors = append(p.Errors, fmt.Sprintf("gpu_mem is %d MB, with which the GPU's firmware has no camera: write gpu_mem=%d and start_x=1 in config.txt",
			gpuMemory, enough))
	case gpuMemory <= p.GPUMemory, gpuMemory < usualMemory:
		p.Warnings = append(p.Warnings, fmt.Sprintf("gpu_mem is %d MB, and this configuration needs about %d and what the firmware takes for itself, in all %d at least: write gpu_mem=%d in config.txt",
			gpuMemory, p.GPUMemory, max(usualMemory, p.GPUMemory+1), enough))
	}
	return p
}

// memory is the row on the GPU's memory.
func (p Plan) memory() string {
	given := ""
	if p.BoardMemory > 0 {
		given = fmt.Sprintf("; the board gives %d", p.BoardMemory)
	}
	return fmt.Sprintf("about %d MB for images and buffers, a rough estimate: gpu_mem must be more than that, and at least %d%s",
		p.GPUMemory, usualMemory, given)
}
