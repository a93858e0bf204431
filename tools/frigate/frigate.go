// Package frigate records a stream as the network video recorder Frigate does, and judges what it gets. Tests use it.
package frigate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Preset is a set of ffmpeg's input arguments that Frigate offers for RTSP.
type Preset struct {
	Name string
	args []string
}

// Presets are the two for RTSP over TCP: the first one takes the time of arrival for a picture's time, the second one
// what the camera says.
var Presets = []Preset{
	{"preset-rtsp-generic", []string{
		"-avoid_negative_ts", "make_zero", "-fflags", "+genpts+discardcorrupt", "-rtsp_transport", "tcp",
		"-timeout", "10000000", "-use_wallclock_as_timestamps", "1",
	}},
	{"preset-rtsp-restream", []string{"-rtsp_transport", "tcp", "-timeout", "10000000"}},
}

// SegmentTime is how long Frigate wants each file to be.
const SegmentTime = 10 * time.Second

// Recording is what Record got.
type Recording struct {
	Segments []time.Duration // lengths of the files, the last one left out, which is cut off
	Log      string          // ffmpeg's warnings
}

// Record records url for d into files of SegmentTime in dir, with the output arguments of preset-record-generic.
func Record(ctx context.Context, p Preset, url, dir string, d time.Duration) (*Recording, error) {
	ctx, cancel := context.WithTimeout(ctx, d+time.Minute)
	defer cancel()
	args := append([]string{"-hide_banner", "-loglevel", "warning", "-user_agent", "FFmpeg Frigate"}, p.args...)
	args = append(args, "-i", url, "-t", fmt.Sprint(d.Seconds()),
		"-f", "segment", "-segment_time", fmt.Sprint(SegmentTime.Seconds()), "-segment_format", "mp4", "-reset_timestamps", "1",
		"-c", "copy", "-an", filepath.Join(dir, "%05d.mp4"))
	cmd := exec.CommandContext(ctx, "ffmpeg", args...)
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("record with %s: %w: %s", p.Name, err, &log)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.mp4"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	r := &Recording{Log: log.String()}
	for _, file := range files[:max(len(files)-1, 0)] {
		length, err := duration(ctx, file)
		if err != nil {
			return nil, err
		}
		r.Segments = append(r.Segments, length)
	}
	return r, nil
}

// duration is how long a file says that it is, which is what Frigate goes by.
func duration(ctx context.Context, file string) (time.Duration, error) {
	out, err := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", file).Output()
	if err != nil {
		return 0, fmt.Errorf("look at %s: %w", filepath.Base(file), err)
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil || math.IsNaN(seconds) || math.IsInf(seconds, 0) {
		return 0, fmt.Errorf("%s is %q s long", filepath.Base(file), out)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// Check says what is wrong with a recording of which there should be count segments or more: each is to be as long as
// SegmentTime, but for one group of pictures and slack, and no time is to run backwards.
func (r *Recording) Check(count int, gop, slack time.Duration) error {
	var errs []error
	for line := range strings.Lines(r.Log) {
		if strings.Contains(line, "on-monoton") || strings.Contains(line, "imestamps are unset") {
			errs = append(errs, fmt.Errorf("ffmpeg says: %s", strings.TrimSpace(line)))
		}
	}
	if len(r.Segments) < count {
		errs = append(errs, fmt.Errorf("%d segments, want %d", len(r.Segments), count))
	}
	for i, d := range r.Segments {
		if off := (d - SegmentTime).Abs(); off > gop+slack {
			errs = append(errs, fmt.Errorf("segment %d is %.2f s long, want %.0f s within %v", i, d.Seconds(), SegmentTime.Seconds(), gop+slack))
		}
	}
	return errors.Join(errs...)
}
