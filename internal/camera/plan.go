package camera

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

const (
	// encoderBudget is what the one H.264 block of the GPU codes, in macroblocks a second: that of level 4, about
	// 1080p at 30 frames a second.
	encoderBudget = 245760
	// encoderSpare is what a suggestion leaves free, half a percent: the budget is not known more exactly.
	encoderSpare = encoderBudget / 200
	// slowestStream is the lowest rate in 1/s that the encoder takes, and that a suggestion offers.
	slowestStream = 2
)

// Plan says what a Config asks of the encoder.
type Plan struct {
	Streams []StreamPlan
	MBRate  int // macroblocks a second, all streams together
	// GPUMemory is a rough estimate of what the pipeline's images and buffers take of gpu_mem, in MiB; see gpuMemory.
	GPUMemory int
	// BoardMemory is the board's gpu_mem in MiB; 0 if it is unknown.
	BoardMemory int
	// Sensors say how each known sensor is read out. What one of them does not do is no error of the plan, for which
	// of them there is shows only when the camera starts.
	Sensors []SensorPlan
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
	// Bitrate in bit/s. QP, unless it is 0, is constant, and Bitrate then decides nothing; it may be 0.
	Bitrate, QP int
	// KeyFrames is the number of pictures from IDR to IDR.
	KeyFrames int
}

// NewPlan works out what cfg asks of the encoder.
func NewPlan(cfg Config) Plan { return newPlan(cfg, true) }

// newPlan is NewPlan; slower says that a stream may be slower than the camera.
func newPlan(cfg Config, slower bool) Plan {
	var p Plan
	for _, s := range cfg.Streams {
		sp := planStream(cfg, s)
		p.Streams = append(p.Streams, sp)
		p.MBRate += sp.MBRate
		errs, warnings := sp.limits(s)
		p.Errors, p.Warnings = append(p.Errors, errs...), append(p.Warnings, warnings...)
	}
	// Zoom takes a part of the picture and fills the camera's size with it, so that a stream may have the part's shape.
	zoom := 1.0
	if z := cfg.Controls.Zoom; z[2] > 0 && z[3] > 0 {
		zoom = z[2] / z[3]
	}
	for _, s := range cfg.Streams {
		if ratio := float64(s.Width) * float64(cfg.Height) / (float64(s.Height) * float64(cfg.Width) * zoom); math.Abs(ratio-1) > 0.02 {
			zoomed := ""
			if zoom != 1 {
				zoomed = " under its zoom"
			}
			p.Warnings = append(p.Warnings, fmt.Sprintf("%s: %dx%d has another shape than the camera's %dx%d%s: the picture is stretched",
				s.Name, s.Width, s.Height, cfg.Width, cfg.Height, zoomed))
		}
	}
	if p.MBRate > encoderBudget {
		p.Warnings = append(p.Warnings, fmt.Sprintf(
			"all streams together need %d macroblocks/s, %.1f %% more than the encoder's %d: lower a resolution or a frame rate%s",
			p.MBRate, 100*float64(p.MBRate-encoderBudget)/encoderBudget, encoderBudget, p.suggest(cfg, slower)))
	}
	for _, m := range sensorModels() {
		p.Sensors = append(p.Sensors, m.plan(cfg))
	}
	p.GPUMemory = gpuMemory(cfg, p.Sensors)
	return p
}

// suggest is one change that fits the encoder: a lower rate of the smallest stream, else of the next, but not of the
// largest; else a lower resolution of the largest, down to half its width; else a slower camera.
func (p Plan) suggest(cfg Config, slower bool) string {
	bySize := slices.Clone(p.Streams)
	slices.Reverse(bySize) // of equal ones the first is the main one
	slices.SortStableFunc(bySize, func(a, b StreamPlan) int { return a.MBs - b.MBs })
	largest := bySize[len(bySize)-1]
	free := func(without StreamPlan) float64 {
		return float64(encoderBudget - encoderSpare - (p.MBRate - without.MBRate))
	}
	if slower {
		for _, s := range bySize[:max(1, len(bySize)-1)] {
			for n := s.Every + 1; cfg.FrameRate/float64(n) >= slowestStream; n++ {
				rate := cfg.FrameRate / float64(n)
				if need := math.Ceil(float64(s.MBs) * rate); need <= free(s) {
					return fmt.Sprintf("; streams.%s.framerate: %.5g makes it %d, which fits",
						s.Name, rate, p.MBRate-s.MBRate+int(need))
				}
			}
		}
	}
	for w := (largest.Width - 1) &^ 15; w >= largest.Width/2; w -= 16 {
		h := int(math.Round(float64(w)*float64(largest.Height)/float64(largest.Width)/2)) * 2
		need := math.Ceil(float64(macroblocks(w, h)) * largest.FrameRate)
		if need <= free(largest) {
			return fmt.Sprintf("; streams.%s.resolution: %dx%d makes it %d, which fits",
				largest.Name, w, h, p.MBRate-largest.MBRate+int(need))
		}
	}
	n := math.Ceil(float64(p.MBRate) / (encoderBudget - encoderSpare))
	return fmt.Sprintf("; camera.framerate: %.5g, and that of each stream divided by %g too, makes it %.0f, which fits",
		cfg.FrameRate/n, n, math.Ceil(float64(p.MBRate)/n))
}

// gpuMemory is how many MiB of the GPU's memory the pipeline takes, rounded up. It is worked out, not measured, and
// without what the firmware needs for itself. It assumes
//   - 1.5 bytes a pixel: 4:2:0 of 8 bits, or a raw pixel of 12 bits, in buffers with the alignment of picture420;
//   - three raw images of the largest sensor mode that cfg can lead to;
//   - the images of CAMERA_CONFIG (videoFrames) on each of the preview and the video port, and one on the still port.
//     The video port's and the encoders' images have a copy of half the width and height beside them, a quarter more;
//   - none for the splitter, which passes references on;
//   - tunnelBuffers images after each scaler, for stills of the largest size that may be asked for;
//   - two images in each H.264 encoder, for it may not reuse its input: the last picture and the one in work;
//   - the buffers of coded data, encoderBuffers and stillBuffers.
func gpuMemory(cfg Config, sensors []SensorPlan) int {
	image := func(width, height int) float64 {
		f := picture420(width, height, rational(cfg.FrameRate))
		return 1.5 * float64(f.Video.Width) * float64(f.Video.Height)
	}
	const withHalf, rawImages, references = 1.25, 3, 2
	raw := 0.0
	for _, s := range sensors {
		raw = max(raw, image(s.Mode.Width, s.Mode.Height))
	}
	frames := float64(videoFrames(cfg))
	bytes := rawImages*raw + (frames+frames*withHalf+1)*image(cfg.Width, cfg.Height)
	for _, s := range cfg.Streams {
		if s.Width != cfg.Width || s.Height != cfg.Height {
			bytes += tunnelBuffers * image(s.Width, s.Height)
		}
		bytes += references*withHalf*image(s.Width, s.Height) + encoderBuffers*encoderBufferSize
	}
	if st := cfg.Snapshot; st.Width > 0 {
		widest := widestStill(cfg)
		bytes += tunnelBuffers * image(widest, st.Height*widest/st.Width)
	}
	bytes += stillBuffers * stillBufferSize
	return int(math.Ceil(bytes / (1 << 20)))
}

// videoFrames is the number of images that CAMERA_CONFIG asks for, as picamera does.
func videoFrames(cfg Config) uint32 { return uint32(max(3, math.Round(cfg.FrameRate/10))) }

// macroblocks is how many a picture has.
func macroblocks(width, height int) int { return (width + 15) / 16 * ((height + 15) / 16) }

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
	return newPlan(cfg, false)
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
		MBs:       macroblocks(s.Width, s.Height),
		Level:     s.Level,
		Bitrate:   s.Bitrate,
		QP:        s.QP,
		KeyFrames: max(1, int(math.Round(s.FrameRate*s.KeyFrameInterval.Seconds()))),
	}
	sp.MBRate = int(math.Ceil(float64(sp.MBs) * s.FrameRate))
	if sp.Level == "" {
		sp.Level = lowestLevel(sp, s)
	}
	return sp
}

// String is a table for people, one line a stream, then the sum, the memory, the sensors, the errors and the warnings.
func (p Plan) String() string {
	var b strings.Builder
	for _, s := range p.Streams {
		every := "every sensor frame"
		if s.Every > 1 {
			every = fmt.Sprintf("1 of %d sensor frames", s.Every)
		}
		fmt.Fprintf(&b, "%-12s %s at %.4g frames/s (%s), %s, key frame every %d, level %s: %d macroblocks/s\n",
			s.Name, s.size(), s.FrameRate, every, s.quality(), s.KeyFrames, s.Level, s.MBRate)
	}
	fmt.Fprintf(&b, "%-12s %d of %d macroblocks/s (%.1f %%)\n", "encoder", p.MBRate, encoderBudget,
		100*float64(p.MBRate)/encoderBudget)
	fmt.Fprintf(&b, "%-12s %s\n", "gpu memory", p.memory())
	for _, s := range p.Sensors {
		b.WriteString(s.rows())
	}
	for _, e := range p.Errors {
		fmt.Fprintf(&b, "error: %s\n", e)
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	return b.String()
}

// size is the stream's, and that of its images in memory if it is another.
func (sp StreamPlan) size() string {
	v := picture420(sp.Width, sp.Height, mmal.Rational{}).Video
	if int(v.Width) == sp.Width && int(v.Height) == sp.Height {
		return fmt.Sprintf("%dx%d", sp.Width, sp.Height)
	}
	return fmt.Sprintf("%dx%d (in memory %dx%d)", sp.Width, sp.Height, v.Width, v.Height)
}
