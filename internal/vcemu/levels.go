package vcemu

import (
	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu/h264"
)

// profiles translates MMAL's number of an H.264 profile.
func profiles(p mmal.Profile) (h264.Profile, bool) {
	switch p {
	case mmal.ProfileBaseline:
		return h264.Baseline, true
	case mmal.ProfileConstrainedBaseline:
		return h264.ConstrainedBaseline, true
	case mmal.ProfileMain:
		return h264.Main, true
	case mmal.ProfileHigh:
		return h264.High, true
	}
	return 0, false
}

// limits are what a level allows (ITU-T H.264 table A-1).
type limits struct {
	idc                 int
	perFrame, perSecond int64 // macroblocks
}

func levels(l mmal.Level) (limits, bool) {
	switch l {
	case mmal.Level3:
		return limits{30, 1620, 40500}, true
	case mmal.Level31:
		return limits{31, 3600, 108000}, true
	case mmal.Level32:
		return limits{32, 5120, 216000}, true
	case mmal.Level4:
		return limits{40, 8192, 245760}, true
	case mmal.Level41:
		return limits{41, 8192, 245760}, true
	case mmal.Level42:
		return limits{42, 8704, 522240}, true
	}
	return limits{}, false
}
