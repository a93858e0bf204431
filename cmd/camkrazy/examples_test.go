package main

import (
	"bytes"
	"fmt"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/camkrazy/camkrazy/internal/camera"
)

// TestExamples holds that each example is a configuration that the board it is for takes without a complaint.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("there are the examples %q (%v)", files, err)
	}
	for _, file := range files {
		cfg, err := load(file)
		if err != nil {
			t.Error(err)
			continue
		}
		cc := cameraConfig(cfg)
		plan := camera.NewPlan(cc).OnBoard(256)
		sensor, known := camera.PlanSensor("imx219", cc)
		if len(plan.Errors)+len(plan.Warnings)+len(sensor.Errors)+len(sensor.Warnings) > 0 || !known {
			t.Errorf("%s: the plan says:\n%v%v", file, plan, sensor)
		}
	}
}

const (
	thumbWidth, thumbHeight = 80, 60
	// stampRows are the rows of a thumbnail that the stamp has, which is always upright.
	stampRows = 4
)

// thumbnail is the luma of a small picture.
type thumbnail [thumbHeight][thumbWidth]byte

// thumbnailOf decodes the first picture of a stream: a PNG for people to look at, and a thumbnail.
func thumbnailOf(t *testing.T, url, picture string) thumbnail {
	t.Helper()
	raw := filepath.Join(t.TempDir(), "thumbnail")
	output(t, true, "ffmpeg", "-v", "error", "-y", "-rtsp_transport", "tcp", "-analyzeduration", "200000", "-i", url, "-frames:v", "1", picture,
		"-frames:v", "1", "-vf", fmt.Sprintf("scale=%d:%d:flags=area", thumbWidth, thumbHeight), "-f", "rawvideo", "-pix_fmt", "gray", raw)
	gray, err := os.ReadFile(raw)
	if err != nil || len(gray) != thumbWidth*thumbHeight {
		t.Fatalf("%s: got %d bytes (%v)", url, len(gray), err)
	}
	var out thumbnail
	for i, v := range gray {
		out[i/thumbWidth][i%thumbWidth] = v
	}
	return out
}

// difference is the mean difference of what two thumbnails have outside the stamp.
func (a thumbnail) difference(b thumbnail) float64 {
	sum := 0
	for y := stampRows; y < thumbHeight; y++ {
		for x := range thumbWidth {
			sum += max(int(a[y][x])-int(b[y][x]), int(b[y][x])-int(a[y][x]))
		}
	}
	return float64(sum) / (thumbWidth * (thumbHeight - stampRows))
}

// turned is the thumbnail upside down.
func (a thumbnail) turned() thumbnail {
	var out thumbnail
	for y := range out {
		for x := range out[y] {
			out[y][x] = a[thumbHeight-1-y][thumbWidth-1-x]
		}
	}
	return out
}

// part is what zoom [0, 0.1, 1, 0.75] leaves of the thumbnail.
func (a thumbnail) part() thumbnail {
	var out thumbnail
	for y := range out {
		out[y] = a[min(thumbHeight-1, int((0.1+0.75*(float64(y)+0.5)/thumbHeight)*thumbHeight))]
	}
	return out
}

// TestRecipes runs the examples for a Camera Module 2, and compares what they show with what the default shows. With
// go test -artifacts the pictures are kept.
func TestRecipes(t *testing.T) {
	var usual thumbnail
	recipes := []struct {
		file           string
		hq, lq         string
		jpegW, jpegH   int
		same, another  func() thumbnail // what the picture is, and what it would be if the recipe did nothing
		hqRate, lqRate float64
	}{
		{"default.yaml", "1640x1232", "640x480", 800, 600, nil, nil, 30, 5},
		{"upside-down.yaml", "1640x1232", "640x480", 800, 600,
			func() thumbnail { return usual.turned() }, func() thumbnail { return usual }, 30, 5},
		{"full-width.yaml", "1920x1080", "640x360", 800, 450,
			func() thumbnail { return usual.part() }, func() thumbnail { return usual }, 15, 5},
	}
	for _, r := range recipes {
		text, err := os.ReadFile(filepath.Join("../../examples", r.file))
		if err != nil {
			t.Fatal(err)
		}
		d := startDaemon(t, string(text))
		name := filepath.Join(t.ArtifactDir(), strings.TrimSuffix(r.file, ".yaml"))
		hq := thumbnailOf(t, d.rtsp+"/hqstream", name+"-hqstream.png")
		lq := thumbnailOf(t, d.rtsp+"/lqstream", name+"-lqstream.png")
		streams := d.status().Streams
		for stream, want := range map[string]string{"hqstream": r.hq, "lqstream": r.lq} {
			if got := fmt.Sprintf("%dx%d", streams[stream].Width, streams[stream].Height); got != want {
				t.Errorf("%s: %s is %s, want %s", r.file, stream, got, want)
			}
		}
		if got := [2]float64{streams["hqstream"].Framerate, streams["lqstream"].Framerate}; got != [2]float64{r.hqRate, r.lqRate} {
			t.Errorf("%s: frame rates are %v, want %v and %v", r.file, got, r.hqRate, r.lqRate)
		}
		checkRecipeStill(t, d, name+".jpg", r.jpegW, r.jpegH)
		if diff := hq.difference(lq); diff > 8 {
			t.Errorf("%s: the streams differ by %.1f", r.file, diff)
		}
		if r.same == nil {
			usual = hq
		} else if good, bad := hq.difference(r.same()), hq.difference(r.another()); good > bad/2 {
			t.Errorf("%s: the picture differs by %.1f from what it should be, and by %.1f from what it would be without", r.file, good, bad)
		}
		d.stop()
	}
}

// checkRecipeStill keeps a snapshot, and looks at its size and at what it tells of itself.
func checkRecipeStill(t *testing.T, d *daemon, file string, width, height int) {
	t.Helper()
	for query, size := range map[string][2]int{
		"?fresh=1": {width, height}, "?width=320&quality=60": {320, (320*height/width + 1) &^ 1},
	} {
		var body []byte
		began := time.Now().Truncate(time.Second)
		if code := d.get("/camera.jpg"+query, &body); code != 200 {
			t.Fatalf("/camera.jpg%s: got %d %s", query, code, body)
		}
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
		img, err := jpeg.DecodeConfig(bytes.NewReader(body))
		if err != nil || img.Width != size[0] || img.Height != size[1] {
			t.Errorf("%s: snapshot is %dx%d (%v), want %v", query, img.Width, img.Height, err, size)
		}
		told := strings.Split(strings.TrimSpace(string(output(t, true, "exiftool", "-s3", "-Model", "-Orientation#", "-ExifImageWidth",
			"-DateTimeOriginal", file))), "\n")
		if len(told) != 4 || told[0] != "Camera Module V2 (imx219)" || told[1] != "1" || told[2] != fmt.Sprint(size[0]) {
			t.Fatalf("%s: exiftool reads %q", query, told)
		}
		taken, err := time.ParseInLocation("2006:01:02 15:04:05", told[3], time.Local)
		if err != nil || taken.Before(began) || taken.After(time.Now()) {
			t.Errorf("%s: it was taken at %s (%v), after %v", query, told[3], err, began)
		}
	}
}
