package camera

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

const (
	// encoderBudget is what the one H.264 block of the GPU codes, in macroblocks a second: that of level 4, about
	// 1080p at 30 frames a second.
	encoderBudget = 245760
)

// levels are the limits of H.264's levels (ITU-T H.264 table A-1): macroblocks of a picture, and macroblocks a second.
var levels = map[string]struct{ frame, rate int }{
	"3": {1620, 40500}, "3.1": {3600, 108000}, "3.2": {5120, 216000},
	"4": {8192, 245760}, "4.1": {8192, 245760}, "4.2": {8704, 522240},
}

// Plan says what a Config asks of the encoder.
type Plan struct {
	Streams []StreamPlan
	MBRate  int // macroblocks a second, all streams together
	// Errors are what no encoder does, Warnings what may be too much for this one.
	Errors, Warnings []string
}

// StreamPlan is one stream's share of a Plan.
type StreamPlan struct {
	Name          string
	Width, Height int
	FrameRate     float64
	// Every is N where one of N sensor frames is coded.
	Every  int
	MBs    int // macroblocks of a picture
	MBRate int // macroblocks a second
	Level  string
	// KeyFrames is the number of pictures from IDR to IDR.
	KeyFrames int
}

// NewPlan works out what cfg asks of the encoder.
func NewPlan(cfg Config) Plan {
	var p Plan
	for _, s := range cfg.Streams {
		sp := planStream(cfg, s)
		p.Streams = append(p.Streams, sp)
		p.MBRate += sp.MBRate
		if limit := levels[sp.Level]; sp.MBs > limit.frame || sp.MBRate > limit.rate {
			p.Errors = append(p.Errors, fmt.Sprintf(
				"streams.%s: %dx%d at %.4g frames/s is %d macroblocks and %d a second, and H.264 level %s ends at %d and %d: lower the resolution or the frame rate%s",
				s.Name, s.Width, s.Height, s.FrameRate, sp.MBs, sp.MBRate, sp.Level, limit.frame, limit.rate, orLevel(s)))
		}
	}
	for _, s := range cfg.Streams {
		if ratio := float64(s.Width) * float64(cfg.Height) / (float64(s.Height) * float64(cfg.Width)); math.Abs(ratio-1) > 0.02 {
			p.Warnings = append(p.Warnings, fmt.Sprintf("%s: %dx%d has another shape than the camera's %dx%d: the picture is stretched",
				s.Name, s.Width, s.Height, cfg.Width, cfg.Height))
		}
	}
	if p.MBRate > encoderBudget {
		p.Warnings = append(p.Warnings, fmt.Sprintf(
			"all streams together need %d macroblocks/s, %.0f %% more than the encoder's %d: lower a resolution or a frame rate",
			p.MBRate, 100*float64(p.MBRate-encoderBudget)/encoderBudget, encoderBudget))
	}
	return p
}

// atFullRate is the plan for the case that the named stream cannot be slower than the camera.
func (p Plan) atFullRate(cfg Config, name string) Plan {
	cfg.Streams = slices.Clone(cfg.Streams)
	for i := range cfg.Streams {
		s := &cfg.Streams[i]
		s.FrameRate = p.stream(s.Name).FrameRate
		if s.Name == name {
			s.FrameRate = cfg.FrameRate
		}
	}
	return NewPlan(cfg)
}

// stream is the named stream's part of the plan.
func (p Plan) stream(name string) StreamPlan {
	i := slices.IndexFunc(p.Streams, func(s StreamPlan) bool { return s.Name == name })
	return p.Streams[i]
}

func planStream(cfg Config, s StreamConfig) StreamPlan {
	sp := StreamPlan{
		Name:      s.Name,
		Width:     s.Width,
		Height:    s.Height,
		FrameRate: s.FrameRate,
		Every:     max(1, int(math.Round(cfg.FrameRate/s.FrameRate))),
		MBs:       (s.Width + 15) / 16 * ((s.Height + 15) / 16),
		Level:     s.Level,
		KeyFrames: max(1, int(math.Round(s.FrameRate*s.KeyFrameInterval.Seconds()))),
	}
	sp.MBRate = int(math.Ceil(float64(sp.MBs) * s.FrameRate))
	if sp.Level == "" {
		sp.Level = lowestLevel(sp, s)
	}
	return sp
}

// lowestLevel is 4 unless the picture, its rate or the bitrate need more. Level 4 carries 25 Mbit/s in the high profile,
// 20 in the others (ITU-T H.264 table A-1 and clause A.3.3).
func lowestLevel(sp StreamPlan, s StreamConfig) string {
	four, bitrate := levels["4"], 20_000_000
	if s.Profile == "high" {
		bitrate = 25_000_000
	}
	switch {
	case sp.MBs > four.frame || sp.MBRate > four.rate:
		return "4.2"
	case s.Bitrate > bitrate:
		return "4.1"
	}
	return "4"
}

// orLevel is the other way out for a stream whose level was chosen by hand.
func orLevel(s StreamConfig) string {
	if s.Level == "" || s.Level == "4.2" {
		return ""
	}
	return ", or leave the level out"
}

// String is a table for people, one line a stream, then the sum, the errors and the warnings.
func (p Plan) String() string {
	var b strings.Builder
	for _, s := range p.Streams {
		every := "every sensor frame"
		if s.Every > 1 {
			every = fmt.Sprintf("1 of %d sensor frames", s.Every)
		}
		fmt.Fprintf(&b, "%-12s %dx%d at %.4g frames/s (%s), key frame every %d, level %s: %d macroblocks/s\n",
			s.Name, s.Width, s.Height, s.FrameRate, every, s.KeyFrames, s.Level, s.MBRate)
	}
	fmt.Fprintf(&b, "%-12s %d of %d macroblocks/s (%.1f %%)\n", "encoder", p.MBRate, encoderBudget,
		100*float64(p.MBRate)/encoderBudget)
	for _, e := range p.Errors {
		fmt.Fprintf(&b, "error: %s\n", e)
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	return b.String()
}
