// Package frigate records a stream as the network video recorder Frigate does, and judges what it gets. Tests use it.
package frigate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Preset is a set of ffmpeg's input arguments that Frigate offers for RTSP.
type Preset struct {
	Name string
	args []string

	byArrival bool // the time of arrival is a picture's time
}

// Presets are the two for RTSP over TCP: the first one takes the time of arrival for a picture's time, the second one
// what the camera says.
var Presets = []Preset{
	{"preset-rtsp-generic", []string{
		"-avoid_negative_ts", "make_zero", "-fflags", "+genpts+discardcorrupt", "-rtsp_transport", "tcp",
		"-timeout", "10000000", "-use_wallclock_as_timestamps", "1",
	}, true},
	{"preset-rtsp-restream", []string{"-rtsp_transport", "tcp", "-timeout", "10000000"}, false},
}

// SegmentTime is how long Frigate wants each file to be.
const SegmentTime = 10 * time.Second

// Recording is what Record got.
type Recording struct {
	Segments []time.Duration // lengths of the files, the last one left out, which is cut off
	Log      string          // ffmpeg's warnings
	Together int             // pictures that had the time of the one before because they were read at the same moment
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
	if p.byArrival {
		r.leaveOutTogether()
	}
	for _, file := range files[:max(len(files)-1, 0)] {
		length, err := duration(ctx, file)
		if err != nil {
			return nil, err
		}
		r.Segments = append(r.Segments, length)
	}
	return r, nil
}

// RecordAll records some streams, given as URLs by name, with each of Presets, all at once. The recordings have the names
// of both.
func RecordAll(ctx context.Context, streams map[string]string, dir string, d time.Duration) (map[string]*Recording, error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	var errs []error
	recordings := make(map[string]*Recording)
	for name, url := range streams {
		for _, p := range Presets {
			all.Go(func() {
				folder, err := os.MkdirTemp(dir, "segments")
				var r *Recording
				if err == nil {
					r, err = Record(ctx, p, url, folder, d)
				}
				mu.Lock()
				defer mu.Unlock()
				recordings[name+" with "+p.Name] = r
				errs = append(errs, err)
			})
		}
	}
	all.Wait()
	return recordings, errors.Join(errs...)
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

// collision is ffmpeg's complaint about two equal times, in units of 1/90000 s.
var collision = regexp.MustCompile(`on-monoton\w+ DTS.*previous: (\d+), current: (\d+);`)

// leaveOutTogether counts and removes the complaints about times of arrival that are the same but for the few ticks by
// which ffmpeg itself has moved one of them. When a recorder is kept from reading for a moment, by the network or by its
// own machine, it finds two pictures and reads both within a tick, and no sender can help that. Times that really run
// backwards stay.
func (r *Recording) leaveOutTogether() {
	const few = 10
	var rest strings.Builder
	for line := range strings.Lines(r.Log) {
		if m := collision.FindStringSubmatch(line); m != nil {
			previous, err1 := strconv.ParseInt(m[1], 10, 64)
			current, err2 := strconv.ParseInt(m[2], 10, 64)
			if errors.Join(err1, err2) == nil && previous-current <= few {
				r.Together++
				continue
			}
		}
		rest.WriteString(line)
	}
	r.Log = rest.String()
}

// maxTogether is how many pictures for each segment may have been read together with another one.
const maxTogether = 2

// Check says what is wrong with a recording of which there should be count segments or more: each is to be as long as
// SegmentTime, but for one group of pictures and slack, and no time is to run backwards.
func (r *Recording) Check(count int, gop, slack time.Duration) error {
	var errs []error
	for line := range strings.Lines(r.Log) {
		if strings.Contains(line, "on-monoton") || strings.Contains(line, "imestamps are unset") {
			errs = append(errs, fmt.Errorf("ffmpeg says: %s", strings.TrimSpace(line)))
		}
	}
	if r.Together > maxTogether*len(r.Segments) {
		errs = append(errs, fmt.Errorf("%d pictures came together with another one", r.Together))
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
