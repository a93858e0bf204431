package scene

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// maxY4MFrames bounds the table of frames: 9 hours at 30 frames per second. What follows is not played.
const maxY4MFrames = 1 << 20

// Y4M plays an uncompressed video file (YUV4MPEG2) in real time, whatever the sensor's rate, from the start again after
// the last frame, stretched to the sensor's size. It holds one frame of the file and one of the sensor in memory.
type Y4M struct {
	name    string
	file    io.ReaderAt
	closer  io.Closer
	header  y4mHeader
	offsets []int64
	raw     []byte
	picture *image.YCbCr // frame shown, at the sensor's size
	shown   int          // its number in the file, -1 before the first
	scalers [3]*resampler
}

// OpenY4M opens the file at path for a sensor of width x height pixels, both positive and even. It accepts 8-bit 4:2:0,
// 4:2:2, 4:4:4 and gray files and ignores an incomplete last frame. Each error is one line that says what to do.
func OpenY4M(path string, width, height int) (*Y4M, error) {
	if width < 2 || height < 2 || width%2 != 0 || height%2 != 0 {
		return nil, fmt.Errorf("open scene %s: sensor size %dx%d is not positive and even", path, width, height)
	}
	// A pipe is not waited for: it opens at once, and is refused below.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open scene %s: %w; name an existing .y4m file", path, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("open scene %s: %w; check the file's permissions", path, err)
	}
	y, err := newY4M(f, width, height)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open scene %s: %w", path, err), f.Close())
	}
	y.name = path
	return y, nil
}

func newY4M(f *os.File, width, height int) (*Y4M, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("it is a directory; name a .y4m file in it")
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file, so it cannot be looped; save it to a file first")
	}
	h, offsets, err := indexY4M(f, info.Size())
	if err != nil {
		return nil, err
	}
	y := &Y4M{file: f, closer: f, header: h, offsets: offsets, raw: make([]byte, h.frameSize())}
	y.resize(width, height)
	return y, nil
}

// indexY4M reads the stream header and finds where each whole frame's picture begins, in one pass over the frame headers.
func indexY4M(r io.ReaderAt, size int64) (y4mHeader, []int64, error) {
	if size == 0 {
		return y4mHeader{}, nil, errors.New("it is empty; " + remedy)
	}
	line, err := readLine(r, 0)
	if err != nil {
		return y4mHeader{}, nil, err
	}
	h, err := parseY4MHeader(string(line))
	if err != nil {
		return y4mHeader{}, nil, err
	}
	if len(line) == maxY4MLine {
		return y4mHeader{}, nil, fmt.Errorf("its header is longer than %d bytes; %s", maxY4MLine, remedy)
	}
	offsets, err := indexFrames(r, size, int64(len(line))+1, int64(h.frameSize()))
	if err != nil {
		return y4mHeader{}, nil, err
	}
	if len(offsets) == 0 {
		return y4mHeader{}, nil, errors.New("it has no whole frame; " + remedy)
	}
	return h, offsets, nil
}

func indexFrames(r io.ReaderAt, size, at, frame int64) ([]int64, error) {
	var offsets []int64
	for at+int64(len(y4mFrame))+1+frame <= size && len(offsets) < maxY4MFrames {
		line, err := readLine(r, at)
		if err != nil {
			return nil, err
		}
		rest, ok := bytes.CutPrefix(line, []byte(y4mFrame))
		if !ok || len(rest) > 0 && rest[0] != ' ' || len(line) == maxY4MLine {
			return nil, fmt.Errorf("it is damaged: no frame header for frame %d at byte %d; %s", len(offsets), at, remedy)
		}
		at += int64(len(line)) + 1
		if at+frame > size {
			break
		}
		offsets = append(offsets, at)
		at += frame
	}
	return offsets, nil
}

// readLine reads from at up to the next newline, the end of the file or maxY4MLine bytes.
func readLine(r io.ReaderAt, at int64) ([]byte, error) {
	var buf [maxY4MLine]byte
	// Nearly every line is a bare frame header, so try a short read first.
	for _, n := range []int{16, maxY4MLine} {
		got, err := r.ReadAt(buf[:n], at)
		if err != nil && err != io.EOF {
			return nil, err
		}
		if end := bytes.IndexByte(buf[:got], '\n'); end >= 0 {
			return bytes.Clone(buf[:end]), nil
		}
		if got < n {
			return bytes.Clone(buf[:got]), nil
		}
	}
	return bytes.Clone(buf[:]), nil
}

// resize makes the cached picture and the tables for a sensor of width x height.
func (y *Y4M) resize(width, height int) {
	cw, ch := y.header.chromaSize()
	y.picture, y.shown = newBlack(width, height), -1
	y.scalers[0] = newResampler(width, height, y.header.width, y.header.height)
	if cw > 0 {
		y.scalers[1] = newResampler((width+1)/2, (height+1)/2, cw, ch)
		y.scalers[2] = y.scalers[1]
	}
}

// Draw fills dst with frame floor(elapsed * rate) modulo the number of frames. If that cannot be read, dst shows the last
// good picture, black before the first, and the error says why. A dst of another size than before costs new tables.
func (y *Y4M) Draw(dst *image.YCbCr, _ uint32, elapsed time.Duration, _ time.Time) (err error) {
	if dst.Rect.Empty() {
		return nil
	}
	if size := dst.Rect.Size(); size != y.picture.Rect.Size() {
		y.resize(size.X, size.Y)
	}
	if frame := int(y.header.frameAt(elapsed) % uint64(len(y.offsets))); frame != y.shown {
		if _, err = y.file.ReadAt(y.raw, y.offsets[frame]); err == nil {
			y.shown = frame
			y.convert()
		} else {
			err = fmt.Errorf("read scene %s frame %d: %w", y.name, frame, err)
		}
	}
	copyPicture(dst, y.picture)
	return err
}

// convert brings the raw frame to the sensor's size and range.
func (y *Y4M) convert() {
	h := y.header
	cw, ch := h.chromaSize()
	raw := y.raw
	for i, to := range planes(y.picture) {
		from := plane{raw, h.width, h.width, h.height}
		if i > 0 {
			from = plane{raw, cw, cw, ch}
		}
		if from.w == 0 {
			continue
		}
		y.scalers[i].run(to, from)
		raw = raw[from.w*from.h:]
		if h.fullRange {
			limitRange(to, i > 0)
		}
	}
}

// limitRange maps full range (0..255) to limited range: luma to 16..235, chroma to 16..240 around 128.
func limitRange(p plane, chroma bool) {
	var table [256]byte
	for v := range table {
		if chroma {
			table[v] = byte((224*(v-128) + 128*255 + 127) / 255)
		} else {
			table[v] = byte((219*v+127)/255 + black)
		}
	}
	for y := range p.h {
		row := p.row(y)
		for x, v := range row {
			row[x] = table[v]
		}
	}
}

// Close closes the file. Draw then fails.
func (y *Y4M) Close() error {
	if err := y.closer.Close(); err != nil {
		return fmt.Errorf("close scene %s: %w", y.name, err)
	}
	return nil
}
