package config

import (
	"math"
	"regexp"
	"strings"
	"time"
)

const (
	maxStreams = 3

	// maxStreamSide is the widest picture that VideoCore IV's H.264 block codes; the same height is more than enough.
	maxStreamSide = 1920

	// maxMacroblocks is the largest frame of H.264 level 4.1 (ITU-T H.264 table A-1, MaxFS).
	maxMacroblocks = 8192

	minBitrate, maxBitrate = 10_000, 25_000_000 // the upper end is the firmware's

	minKeyframeInterval, maxKeyframeInterval = 100 * time.Millisecond, time.Minute

	// frameRateTolerance is how far, relatively, a rate may be from one N-th of the camera's: room for 4.2857 at 30.
	frameRateTolerance = 0.001

	maxSnapshotWidth, maxSnapshotHeight = 3280, 2464 // the IMX219
)

// What a file without the keys gets; the sides are the longer ones.
const (
	defaultStreamBitrate = 2_000_000
	defaultHQBitrate     = 8_000_000
	defaultLQBitrate     = 1_000_000
	defaultLQSide        = 640
	defaultLQFrameRate   = 5
	defaultSnapshotSide  = 800
	defaultMinQP         = 20 // as the kernel's driver of the encoder has it
)

// defaultStreams are the streams of a file that has none: one as the camera sees, one small and slow to detect with.
func defaultStreams(c Camera) []Stream {
	hq, lq := newStream("hqstream", c), newStream("lqstream", c)
	lq.Width, lq.Height = scaledTo(c, defaultLQSide)
	lq.FrameRate = c.FrameRate / max(1, math.Round(c.FrameRate/defaultLQFrameRate))
	return []Stream{hq, lq}
}

// newStream is a stream of a file that gives nothing but its name.
func newStream(name string, c Camera) Stream {
	s := Stream{
		Name:             name,
		FrameRate:        c.FrameRate,
		Bitrate:          defaultStreamBitrate,
		KeyframeInterval: time.Second,
		Profile:          "high",
		MinQP:            defaultMinQP,
	}
	s.Width, s.Height = codable(c)
	switch name {
	case "hqstream":
		s.Bitrate = defaultHQBitrate
	case "lqstream":
		s.Bitrate = defaultLQBitrate
	}
	return s
}

// codable returns the camera's resolution, made smaller in its own shape until the H.264 block can code it.
func codable(c Camera) (width, height int) {
	width, height = c.Width, c.Height
	for width > maxStreamSide || height > maxStreamSide || (width+15)/16*((height+15)/16) > maxMacroblocks {
		// Whole multiples of 32 pixels spare the scaler padding.
		width, height = scaledTo(c, (max(width, height)-1)/32*32)
	}
	return width, height
}

// scaledTo returns the camera's shape with its longer side at most as given.
func scaledTo(c Camera, longer int) (width, height int) {
	scale := float64(longer) / float64(max(c.Width, c.Height))
	if scale >= 1 {
		return c.Width, c.Height
	}
	side := func(pixels int) int {
		return max(int(math.Round(float64(pixels)*scale/2))*2, minSide)
	}
	return side(c.Width), side(c.Height)
}

func defaultSnapshot(c Camera) Snapshot {
	s := Snapshot{Quality: 85, Interval: 2 * time.Second}
	s.Width, s.Height = scaledTo(c, defaultSnapshotSide)
	return s
}

func (d *decoder) snapshot(key string, n *node, s *Snapshot) {
	d.mapping(key, n, table{
		"resolution": d.size(&s.Width, &s.Height, maxSnapshotWidth, maxSnapshotHeight),
		"quality":    d.integer(&s.Quality, 1, 100),
		"interval":   d.duration(&s.Interval, 200*time.Millisecond, time.Hour, true),
	})
}

// streams reads the section that, if the file has it, replaces the default streams as a whole.
func (d *decoder) streams(key string, n *node, c Camera) []Stream {
	if n == nil || n.kind == null {
		return defaultStreams(c)
	}
	if n.kind != mapping {
		d.fail(n.line, key, "must be a section with one key per stream, not %s", n.kind)
		return nil
	}
	name := regexp.MustCompile(`^[a-z0-9_-]{1,32}$`)
	var streams []Stream
	for i, f := range d.uniqueFields(key, n) {
		path := join(key, f.key)
		if !name.MatchString(f.key) {
			d.fail(f.line, path, "is the RTSP path, so it must be 1 to 32 of the characters a-z 0-9 _ -")
			continue
		}
		if i == maxStreams {
			d.fail(f.line, path, "is stream number %d; the firmware's pipeline has room for %d", i+1, maxStreams)
		}
		s := newStream(f.key, c)
		d.stream(path, f.value, c, &s)
		streams = append(streams, s)
	}
	if len(n.fields) == 0 {
		d.failKey(key, "has no stream; write 1 to %d of them, or remove the key to have hqstream and lqstream", maxStreams)
	}
	return streams
}

func (d *decoder) stream(key string, n *node, c Camera, s *Stream) {
	d.mapping(key, n, table{
		"resolution":        d.size(&s.Width, &s.Height, maxStreamSide, maxStreamSide),
		"framerate":         d.decimal(&s.FrameRate, minFrameRate, maxFrameRate),
		"bitrate":           d.integer(&s.Bitrate, 0, maxBitrate),
		"keyframe_interval": d.duration(&s.KeyframeInterval, minKeyframeInterval, maxKeyframeInterval, false),
		"profile":           d.oneOf(&s.Profile, "baseline", "constrained", "main", "high"),
		"level":             d.level(&s.Level),
		"min_qp":            d.integer(&s.MinQP, 0, 51),
		"max_qp":            d.integer(&s.MaxQP, 0, 51),
		"qp":                d.integer(&s.QP, 0, 51),
		"intra_refresh":     d.oneOf(&s.IntraRefresh, "", "cyclic", "adaptive", "both", "cyclicrows"),
	})
	d.checkFrameRate(key+".framerate", c, s)
	d.checkQuality(key, s)
}

// inDoubt says whether a mistake in the file may be about a stream's size, rates or quality.
func (d *decoder) inDoubt(s Stream) bool {
	for _, key := range []string{"camera", "camera.resolution", "camera.framerate", "streams"} {
		if d.bad[key] {
			return true
		}
	}
	key := "streams." + s.Name
	if d.alien[""] || d.alien["camera"] || d.alien[key] || d.bad[key] {
		return true
	}
	for bad := range d.bad {
		inner, mine := strings.CutPrefix(bad, key+".")
		if mine && inner != "keyframe_interval" && inner != "intra_refresh" {
			return true
		}
	}
	return false
}

func (d *decoder) level(to *string) reader {
	read := d.oneOf(to, "", "3", "3.1", "3.2", "4", "4.1", "4.2")
	return func(key string, n *node) {
		n.text = strings.TrimSuffix(n.text, ".0")
		read(key, n)
	}
}

// checkFrameRate holds a stream to every N-th frame of the camera, and then makes its rate exact.
func (d *decoder) checkFrameRate(key string, c Camera, s *Stream) {
	if d.bad[key] || d.bad["camera.framerate"] {
		return
	}
	each := c.FrameRate / s.FrameRate
	if exact := c.FrameRate / max(1, math.Round(each)); math.Abs(exact-s.FrameRate) <= frameRateTolerance*exact {
		s.FrameRate = exact
		return
	}
	if each < 1 {
		d.failKey(key, "%s is above camera.framerate, which is %s; lower it or raise that", rate(s.FrameRate), rate(c.FrameRate))
		return
	}
	d.failKey(key, "%s is not camera.framerate (%s) divided by a whole number; the nearest are %s and %s", rate(s.FrameRate),
		rate(c.FrameRate), rate(c.FrameRate/math.Ceil(each)), rate(c.FrameRate/math.Floor(each)))
}

// checkQuality settles which of rate control, its limits and a constant quantiser a stream has.
func (d *decoder) checkQuality(key string, s *Stream) {
	bitrate, qp, minQP, maxQP := key+".bitrate", key+".qp", key+".min_qp", key+".max_qp"
	if d.bad[bitrate] || d.bad[qp] || d.bad[minQP] || d.bad[maxQP] {
		return
	}
	if s.QP > 0 && !d.written(bitrate) {
		s.Bitrate = 0
	}
	if !d.written(minQP) {
		switch {
		case s.QP > 0:
			s.MinQP = 0
		case s.MaxQP > 0:
			s.MinQP = min(defaultMinQP, s.MaxQP)
		}
	}
	switch {
	case s.Bitrate == 0 && s.QP == 0:
		d.failKey(bitrate, "0 turns rate control off, which needs qp: 1..51; or write %d..%d", minBitrate, maxBitrate)
	case s.Bitrate > 0 && s.Bitrate < minBitrate:
		d.failKey(bitrate, "%d is out of range %d..%d (bits per second)", s.Bitrate, minBitrate, maxBitrate)
	}
	switch {
	case s.QP > 0 && (s.MinQP > 0 || s.MaxQP > 0):
		d.failKey(qp, "makes the quantiser constant; remove it, or remove min_qp and max_qp")
	case s.MaxQP > 0 && s.MinQP > s.MaxQP:
		d.failKey(minQP, "%d is above max_qp, which is %d", s.MinQP, s.MaxQP)
	}
}
