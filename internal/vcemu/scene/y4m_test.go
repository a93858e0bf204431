package scene

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseY4MHeader(t *testing.T) {
	base := y4mHeader{width: 4, height: 2, rateNum: 30, rateDen: 1, xsub: 2, ysub: 2}
	with := func(change func(h *y4mHeader)) y4mHeader {
		h := base
		change(&h)
		return h
	}
	for _, c := range []struct {
		line string
		want y4mHeader
		size int
	}{
		{"YUV4MPEG2 W4 H2 F30:1", base, 12},
		{"YUV4MPEG2 W4 H2 F30:1 Ip A1:1 C420jpeg XYSCSS=420JPEG", base, 12},
		{"YUV4MPEG2 C420mpeg2 F30:1 H2 W4 A0:0 I?", base, 12},
		{"YUV4MPEG2 W4 H2 F30:1 C420paldv", base, 12},
		{"YUV4MPEG2 W4 H2 F30:1 C420", base, 12},
		{"YUV4MPEG2  W4  H2 F30:1 ", base, 12},
		{"YUV4MPEG2 W4 H2 F30:1 C422", with(func(h *y4mHeader) { h.ysub = 1 }), 16},
		{"YUV4MPEG2 W4 H2 F30:1 C444", with(func(h *y4mHeader) { h.xsub, h.ysub = 1, 1 }), 24},
		{"YUV4MPEG2 W4 H2 F30:1 Cmono", with(func(h *y4mHeader) { h.xsub, h.ysub = 0, 0 }), 8},
		{"YUV4MPEG2 W5 H3 F30:1", with(func(h *y4mHeader) { h.width, h.height = 5, 3 }), 27},
		{"YUV4MPEG2 W4 H2 F30000:1001 XCOLORRANGE=FULL", with(func(h *y4mHeader) { h.rateNum, h.rateDen, h.fullRange = 30000, 1001, true }), 12},
	} {
		got, err := parseY4MHeader(c.line)
		if err != nil || got != c.want || got.frameSize() != c.size {
			t.Errorf("%q: got %+v (%d bytes) %v, want %+v (%d bytes)", c.line, got, got.frameSize(), err, c.want, c.size)
		}
	}
}

func TestParseY4MHeaderRefuses(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"", "not a YUV4MPEG2 file"},
		{"RIFF....AVI ", "not a YUV4MPEG2 file"},
		{"YUV4MPEG22 W4 H2 F30:1", "not a YUV4MPEG2 file"},
		{"YUV4MPEG2", "lacks the width or height"},
		{"YUV4MPEG2 W4 F30:1", "lacks the width or height"},
		{"YUV4MPEG2 W4 H2", "lacks the frame rate"},
		{"YUV4MPEG2 W0 H2 F30:1", `width "0"`},
		{"YUV4MPEG2 W4 H-2 F30:1", `height "-2"`},
		{"YUV4MPEG2 W4 H99999999999999999999 F30:1", "height"},
		{"YUV4MPEG2 W8193 H2 F30:1", `width "8193"`},
		{"YUV4MPEG2 W H2 F30:1", `width ""`},
		{"YUV4MPEG2 W4 H2 F0:0", `frame rate "0:0"`},
		{"YUV4MPEG2 W4 H2 F30", `frame rate "30"`},
		{"YUV4MPEG2 W4 H2 F30:0", `frame rate "30:0"`},
		{"YUV4MPEG2 W4 H2 F-30:1", `frame rate "-30:1"`},
		{"YUV4MPEG2 W4 H2 F1000001:1000", "frame rate"},
		{"YUV4MPEG2 W4 H2 F1:3601", "frame rate"},
		{"YUV4MPEG2 W4 H2 F30:1 C420p10", `colour format "420p10" is not supported; convert it with: ffmpeg -i IN -pix_fmt yuv420p OUT.y4m`},
		{"YUV4MPEG2 W4 H2 F30:1 C411", `colour format "411"`},
		{"YUV4MPEG2 W4 H2 F30:1 C444alpha", `colour format "444alpha"`},
		{"YUV4MPEG2 W4 H2 F30:1 C", `colour format ""`},
	} {
		_, err := parseY4MHeader(c.line)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %v, want one line with %q", c.line, err, c.want)
		}
	}
}

// clip makes a file of 4x4 gray frames whose luma is 20, 30, 40 and so on.
func clip(header string, frames int) []byte {
	b := []byte(header)
	for i := range frames {
		parameters := ""
		if i%2 == 1 {
			parameters = " Ip XNOTE=" + strings.Repeat("x", i*30)
		}
		b = append(b, "FRAME"+parameters+"\n"...)
		b = append(b, bytes.Repeat([]byte{byte(20 + 10*i)}, 16)...)
		b = append(b, bytes.Repeat([]byte{100}, 4)...)
		b = append(b, bytes.Repeat([]byte{150}, 4)...)
	}
	return b
}

const clipHeader = "YUV4MPEG2 W4 H4 F10:1 C420jpeg\n"

func write(t *testing.T, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clip.y4m")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, b []byte, w, h int) *Y4M {
	t.Helper()
	y, err := OpenY4M(write(t, b), w, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { y.Close() })
	return y
}

func TestOpenY4MRefuses(t *testing.T) {
	long := "YUV4MPEG2 W4 H4 F10:1 X" + strings.Repeat("x", 2000) + "\n"
	for _, c := range []struct{ name, path, want string }{
		{"missing", filepath.Join(t.TempDir(), "none.y4m"), "name an existing .y4m file"},
		{"directory", t.TempDir(), "it is a directory; name a .y4m file in it"},
		{"empty", write(t, nil), "it is empty"},
		{"other", write(t, []byte("\x00\x00\x00\x18ftypmp42")), "not a YUV4MPEG2 file; convert it with"},
		{"binary", write(t, bytes.Repeat([]byte{0xff}, 5000)), "not a YUV4MPEG2 file"},
		{"no frames", write(t, []byte(clipHeader)), "no whole frame"},
		{"header alone, no newline", write(t, []byte(clipHeader[:len(clipHeader)-1])), "no whole frame"},
		{"part of a frame", write(t, clip(clipHeader, 1)[:len(clipHeader)+20]), "no whole frame"},
		{"long header", write(t, clip(long, 1)), "header is longer"},
		{"damaged", write(t, append(clip(clipHeader, 2), bytes.Repeat([]byte("x"), 40)...)), "no frame header for frame 2 at byte"},
		{"colour", write(t, clip("YUV4MPEG2 W4 H4 F10:1 C420p10\n", 1)), "ffmpeg -i IN -pix_fmt yuv420p OUT.y4m"},
	} {
		y, err := OpenY4M(c.path, 640, 480)
		if err == nil {
			y.Close()
			t.Errorf("%s: opened", c.name)
			continue
		}
		got := err.Error()
		if !strings.Contains(got, c.want) || !strings.Contains(got, c.path) || strings.Contains(got, "\n") {
			t.Errorf("%s: got %q, want one line with the path and %q", c.name, got, c.want)
		}
	}
	for _, size := range []image.Point{{0, 0}, {641, 480}, {640, -2}} {
		if _, err := OpenY4M(write(t, clip(clipHeader, 1)), size.X, size.Y); err == nil || !strings.Contains(err.Error(), "not positive and even") {
			t.Errorf("size %v: got %v", size, err)
		}
	}
}

func TestY4MPlaysInRealTime(t *testing.T) {
	for _, c := range []struct {
		header  string
		elapsed time.Duration
		want    int
	}{
		{clipHeader, 0, 0},
		{clipHeader, -time.Second, 0},
		{clipHeader, 99990000, 0},
		{clipHeader, 100 * time.Millisecond, 1},
		{clipHeader, 450 * time.Millisecond, 4},
		{clipHeader, 499990000, 4},
		{clipHeader, 500 * time.Millisecond, 0},
		{clipHeader, time.Hour + 210*time.Millisecond, 2},
		{"YUV4MPEG2 W4 H4 F30000:1001\n", 33360000, 0},
		{"YUV4MPEG2 W4 H4 F30000:1001\n", 33366667, 1},
		{"YUV4MPEG2 W4 H4 F1000:1\n", 1<<63 - 1, 9223372036854 % 5},
		{"YUV4MPEG2 W4 H4 F2000000000:2000000\n", 1<<63 - 1, 9223372036854 % 5},
	} {
		y, m := open(t, clip(c.header, 5), 8, 6), newPicture(image.Pt(8, 6))
		err := y.Draw(m, 999, c.elapsed, noon)
		for i, want := range []byte{byte(20 + 10*c.want), 100, 150} {
			if x, row, ok := differs(planes(m)[i], want); ok || err != nil {
				t.Errorf("%q at %v: plane %d at %d,%d is not %d (%v)", c.header, c.elapsed, i, x, row, want, err)
			}
		}
	}
}

func TestY4MIgnoresTruncatedTail(t *testing.T) {
	whole := clip(clipHeader, 3)
	last := len(clip(clipHeader, 2))
	for cut := last; cut < len(whole); cut++ {
		h, offsets, err := indexY4M(bytes.NewReader(whole[:cut]), int64(cut))
		if err != nil || len(offsets) != 2 || h.width != 4 {
			t.Fatalf("cut at %d: got %d frames, %v; want 2", cut, len(offsets), err)
		}
	}
}

func TestY4MColourFormats(t *testing.T) {
	for _, c := range []struct {
		tags   string
		chroma int // bytes per plane
		want   colour
	}{
		{"C420jpeg", 4, colour{50, 90, 170}},
		{"C422", 8, colour{50, 90, 170}},
		{"C444", 16, colour{50, 90, 170}},
		{"Cmono", 0, colour{50, 128, 128}},
		{"XCOLORRANGE=FULL", 4, colour{59, 95, 165}},
	} {
		b := fmt.Appendf(nil, "YUV4MPEG2 W4 H4 F10:1 %s\nFRAME\n", c.tags)
		b = append(b, bytes.Repeat([]byte{50}, 16)...)
		b = append(b, bytes.Repeat([]byte{90}, c.chroma)...)
		b = append(b, bytes.Repeat([]byte{170}, c.chroma)...)
		for _, size := range []image.Point{{4, 4}, {10, 2}} {
			y, m := open(t, b, size.X, size.Y), newPicture(size)
			y.Draw(m, 0, 0, noon)
			for i, want := range []byte{c.want.y, c.want.cb, c.want.cr} {
				p := planes(m)[i]
				if x, row, ok := differs(p, want); ok {
					t.Errorf("%s %v: plane %d is %d, want %d", c.tags, size, i, p.row(row)[x], want)
				}
			}
		}
	}
}

func TestY4MKeepsPictureOnReadError(t *testing.T) {
	path := write(t, clip(clipHeader, 5))
	y, err := OpenY4M(path, 4, 4)
	if err != nil {
		t.Fatal(err)
	}
	m := newPicture(image.Pt(4, 4))
	y.Draw(m, 0, 100*time.Millisecond, noon)
	if err := y.Close(); err != nil {
		t.Fatal(err)
	}
	planes(m)[0].fill(0)
	err = y.Draw(m, 1, 200*time.Millisecond, noon)
	if got := m.Y[0]; got != 30 {
		t.Errorf("luma after the error: got %d, want 30", got)
	}
	if !errors.Is(err, os.ErrClosed) || !strings.Contains(err.Error(), path) {
		t.Errorf("got error %v, want that %s is closed", err, path)
	}
}

func TestY4MBlackBeforeFirstPicture(t *testing.T) {
	y := open(t, clip(clipHeader, 1), 4, 4)
	y.Close()
	m := newPicture(image.Pt(4, 4))
	if err := y.Draw(m, 0, 0, noon); !samePicture(m, newBlack(4, 4)) || err == nil {
		t.Errorf("got luma %d and error %v, want black and an error", m.Y[0], err)
	}
}

// TestY4MReadsFFmpeg plays a file that ffmpeg wrote and compares with the raw frames that ffmpeg makes of it.
func TestY4MReadsFFmpeg(t *testing.T) {
	for _, format := range []string{"yuv420p", "yuv422p", "yuv444p", "gray"} {
		path := filepath.Join(t.TempDir(), "clip.y4m")
		ffmpeg(t, nil, "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=0.4", "-pix_fmt", format, path)
		raw := ffmpeg(t, nil, "-i", path, "-vf", "scale=flags=area", "-pix_fmt", "yuv420p", "-f", "rawvideo", "-")
		y, err := OpenY4M(path, 160, 120)
		if err != nil {
			t.Fatal(err)
		}
		defer y.Close()
		const size = 160 * 120 * 3 / 2
		if got, want := len(y.offsets), len(raw)/size; got != want {
			t.Fatalf("%s: got %d frames, want %d", format, got, want)
		}
		for i := range y.offsets {
			m, want := newPicture(image.Pt(160, 120)), fromRaw(t, raw[i*size:][:size], 160, 120)
			y.Draw(m, 0, time.Duration(i)*40*time.Millisecond, noon)
			if format == "yuv420p" && !samePicture(m, want) {
				t.Errorf("frame %d differs", i)
			}
			if db := psnr(planes(m)[0], planes(want)[0]); db < 45 {
				t.Errorf("%s frame %d: luma %.1f dB", format, i, db)
			}
			if db := psnr(planes(m)[1], planes(want)[1]); db < 25 {
				t.Errorf("%s frame %d: Cb %.1f dB", format, i, db)
			}
		}
	}
}

func TestY4MDoesNotAllocate(t *testing.T) {
	y, m := open(t, clip(clipHeader, 5), 64, 48), newPicture(image.Pt(64, 48))
	n := 0
	if got := testing.AllocsPerRun(20, func() {
		n++
		y.Draw(m, 0, time.Duration(n)*50*time.Millisecond, noon)
	}); got != 0 {
		t.Errorf("%v allocations per Draw", got)
	}
}

func FuzzY4MHeader(f *testing.F) {
	f.Add(clip(clipHeader, 2))
	f.Add([]byte("YUV4MPEG2 W4 H4 F30000:1001 C444 XCOLORRANGE=FULL\nFRAME\n"))
	f.Add([]byte("YUV4MPEG2 W5 H1 F1:1 Cmono Ip A1:1\nFRAME Ip\nabcdeFRAME\nabcde"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, offsets, err := indexY4M(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		size := int64(h.frameSize())
		if size < 1 || len(offsets) == 0 {
			t.Fatalf("accepted %+v with %d frames", h, len(offsets))
		}
		for _, at := range offsets {
			if at < 0 || at+size > int64(len(b)) {
				t.Fatalf("frame at %d of %d bytes ends after %d", at, size, len(b))
			}
		}
		h.frameAt(1<<63 - 1)
	})
}

func BenchmarkY4M(b *testing.B) {
	path := filepath.Join(b.TempDir(), "clip.y4m")
	frame := append([]byte("FRAME\n"), rawBytes(natural(1920, 1080))...)
	if err := os.WriteFile(path, append([]byte("YUV4MPEG2 W1920 H1080 F30:1\n"), bytes.Repeat(frame, 4)...), 0o600); err != nil {
		b.Fatal(err)
	}
	y, err := OpenY4M(path, 1640, 1232)
	if err != nil {
		b.Fatal(err)
	}
	defer y.Close()
	m, n := newPicture(image.Pt(1640, 1232)), 0
	for b.Loop() {
		n++
		y.Draw(m, 0, time.Duration(n)*time.Second/30, noon)
	}
}

// TestFrameAtRoundedTimes holds that a sensor of the film's own rate sees each of its frames once.
func TestFrameAtRoundedTimes(t *testing.T) {
	for _, h := range []y4mHeader{
		{rateNum: 15, rateDen: 1}, {rateNum: 30, rateDen: 1}, {rateNum: 25, rateDen: 1},
		{rateNum: 30000, rateDen: 1001}, {rateNum: 7, rateDen: 3},
	} {
		for n := range int64(10000) {
			exact := float64(n) * float64(h.rateDen) / float64(h.rateNum)
			for _, elapsed := range []time.Duration{
				time.Duration(exact * 1e9), time.Duration(exact*1e6) * time.Microsecond, time.Duration(exact*1e9) + time.Microsecond,
			} {
				if got := h.frameAt(elapsed); got != uint64(n) {
					t.Fatalf("rate %d/%d: at %v, rounded from frame %d, got frame %d", h.rateNum, h.rateDen, elapsed, n, got)
				}
			}
		}
	}
}
