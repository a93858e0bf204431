package scene

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

const (
	y4mMagic     = "YUV4MPEG2"
	y4mFrame     = "FRAME"
	maxY4MLine   = 1024 // bytes of a header line; ours, the format names no bound
	maxY4MSide   = 8192 // pixels
	maxY4MRate   = 1000 // frames per second
	maxY4MPeriod = 3600 // seconds per frame
)

// remedy is what helps against nearly every unusable file.
const remedy = "convert it with: ffmpeg -i IN -pix_fmt yuv420p OUT.y4m"

// y4mHeader is the stream header of a YUV4MPEG2 file, see yuv4mpeg(5) of mjpegtools.
type y4mHeader struct {
	width, height    int
	rateNum, rateDen int64 // frames per second, both positive
	// Chroma planes are (width+xsub-1)/xsub by (height+ysub-1)/ysub; xsub 0 means that there are none.
	xsub, ysub int
	fullRange  bool // X tag COLORRANGE=FULL: 0..255 instead of 16..235
}

// chromaSize is the size of one chroma plane, 0 by 0 for gray pictures.
func (h y4mHeader) chromaSize() (cw, ch int) {
	if h.xsub == 0 {
		return 0, 0
	}
	return (h.width + h.xsub - 1) / h.xsub, (h.height + h.ysub - 1) / h.ysub
}

// frameSize is the number of bytes of one picture.
func (h y4mHeader) frameSize() int {
	cw, ch := h.chromaSize()
	return h.width*h.height + 2*cw*ch
}

// rounding is more than a time may be off that was rounded to nanoseconds or microseconds.
const rounding = 2 * time.Microsecond

// frameAt is the number of frames that begin up to elapsed, less one: floor(elapsed * rate). A time that is a frame's
// own but for its rounding gives that frame: a sensor of the film's rate must not see one frame twice and miss the next.
func (h y4mHeader) frameAt(elapsed time.Duration) uint64 {
	elapsed = min(max(elapsed, 0), math.MaxInt64-rounding) + rounding
	high, low := bits.Mul64(uint64(elapsed), uint64(h.rateNum))
	// The rate's bounds keep high under the divisor, which Div64 demands.
	n, _ := bits.Div64(high, low, uint64(h.rateDen)*uint64(time.Second))
	return n
}

// parseY4MHeader decodes the first line of a file, without its newline. Tags it does not need (I, A, other X) may hold
// anything.
func parseY4MHeader(line string) (y4mHeader, error) {
	tags, ok := strings.CutPrefix(line, y4mMagic)
	if !ok || tags != "" && tags[0] != ' ' {
		return y4mHeader{}, errors.New("it is not a YUV4MPEG2 file; " + remedy)
	}
	h := y4mHeader{xsub: 2, ysub: 2}
	for tag := range strings.FieldsSeq(tags) {
		if err := h.set(tag[0], tag[1:]); err != nil {
			return y4mHeader{}, err
		}
	}
	if h.width == 0 || h.height == 0 {
		return y4mHeader{}, errors.New("its header lacks the width or height (tags W and H); " + remedy)
	}
	if h.rateNum == 0 {
		return y4mHeader{}, errors.New("its header lacks the frame rate (tag F); write it anew with: ffmpeg -i IN -pix_fmt yuv420p -r 30 OUT.y4m")
	}
	return h, nil
}

func (h *y4mHeader) set(tag byte, value string) (err error) {
	switch tag {
	case 'W':
		h.width, err = parseSide("width", value)
	case 'H':
		h.height, err = parseSide("height", value)
	case 'F':
		h.rateNum, h.rateDen, err = parseRate(value)
	case 'C':
		h.xsub, h.ysub, err = parseColour(value)
	case 'X':
		if value == "COLORRANGE=FULL" {
			h.fullRange = true
		}
	}
	return err
}

func parseSide(name, value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > maxY4MSide {
		return 0, fmt.Errorf("its %s %.20q is not from 1 to %d; scale it with: ffmpeg -i IN -vf scale=1640:1232 -pix_fmt yuv420p OUT.y4m", name, value, maxY4MSide)
	}
	return n, nil
}

func parseRate(value string) (num, den int64, err error) {
	before, after, ok := strings.Cut(value, ":")
	num, err1 := strconv.ParseInt(before, 10, 32)
	den, err2 := strconv.ParseInt(after, 10, 32)
	if !ok || err1 != nil || err2 != nil || num < 1 || den < 1 || num > maxY4MRate*den || den > maxY4MPeriod*num {
		return 0, 0, fmt.Errorf("its frame rate %.24q is not usable (up to %d per second, as F30:1); write it anew with: ffmpeg -i IN -pix_fmt yuv420p -r 30 OUT.y4m", value, maxY4MRate)
	}
	return num, den, nil
}

// parseColour gives the chroma subsampling of a C tag. The variants of 420 differ in chroma siting alone, which is
// half a pixel at most and ignored.
func parseColour(value string) (xsub, ysub int, err error) {
	switch value {
	case "420", "420jpeg", "420paldv", "420mpeg2":
		return 2, 2, nil
	case "422":
		return 2, 1, nil
	case "444":
		return 1, 1, nil
	case "mono":
		return 0, 0, nil
	}
	return 0, 0, fmt.Errorf("its colour format %.20q is not supported; %s", value, remedy)
}
