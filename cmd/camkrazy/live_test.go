package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
	"github.com/camkrazy/camkrazy/internal/webd"
)

const viewWidth, viewHeight = 320, 240

// smallCamera has one stream of 320x240.
const smallCamera = `
camera: {resolution: 320x240, framerate: 30}
streams: {hqstream: {resolution: 320x240, bitrate: 4000000}}
snapshot: {interval: 0}
`

// frame is a decoded picture of hqstream, in YUV 4:2:0.
type frame struct{ y, u, v []byte }

// viewer has ffmpeg decode a stream all the time, and looks whether a frame is missing.
type viewer struct {
	mu      sync.Mutex
	last    frame
	stamps  stamps
	trouble string
}

func watch(t *testing.T, d *daemon) *viewer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, judge(t, "ffmpeg"), "-v", "error", "-fflags", "nobuffer", "-rtsp_transport", "tcp", "-i", d.rtsp+"/hqstream",
		"-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	v := &viewer{}
	var reading sync.WaitGroup
	reading.Go(func() { v.read(out) })
	t.Cleanup(func() {
		cancel()
		reading.Wait()
		cmd.Wait()
	})
	return v
}

func (v *viewer) read(out io.Reader) {
	const luma, chroma = viewWidth * viewHeight, viewWidth * viewHeight / 4
	for {
		b := make([]byte, luma+2*chroma)
		if _, err := io.ReadFull(out, b); err != nil {
			return
		}
		n, ok := scene.ReadStamp(b[:luma], viewWidth, viewWidth, viewHeight)
		v.mu.Lock()
		s := &v.stamps
		switch {
		case !ok:
			v.trouble = fmt.Sprintf("frame %d has no readable stamp", s.frames)
		case s.frames == 0:
			s.first = n
		case n <= s.last:
			v.trouble = fmt.Sprintf("number %d after %d", n, s.last)
		default:
			s.missing += int(n-s.last) - 1
		}
		s.last = n
		s.frames++
		v.last = frame{b[:luma], b[luma : luma+chroma], b[luma+chroma:]}
		v.mu.Unlock()
	}
}

func (v *viewer) now() (frame, stamps, string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.last, v.stamps, v.trouble
}

// patch changes settings and returns the answer's code and body.
func (d *daemon) patch(change string) (int, []byte) {
	d.t.Helper()
	return d.send(http.MethodPatch, "/settings.json", change)
}

func (d *daemon) send(method, path, body string) (int, []byte) {
	d.t.Helper()
	req, err := http.NewRequest(method, d.web+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	rsp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer rsp.Body.Close()
	answer, err := io.ReadAll(rsp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return rsp.StatusCode, answer
}

func (d *daemon) state() map[string]any {
	d.t.Helper()
	code, body := d.send(http.MethodGet, "/settings.json", "")
	if code != http.StatusOK {
		d.t.Fatalf("/settings.json: got %d", code)
	}
	return decodeState(d.t, body)
}

func decodeState(t *testing.T, body []byte) map[string]any {
	t.Helper()
	var state map[string]any
	if err := json.Unmarshal(body, &state); err != nil {
		t.Fatal(err)
	}
	return state
}

// below is the first row of the picture that is free of the stamp.
const below = viewHeight/30 + 2

// luma is a pixel's, moved into the picture where it lies outside.
func (f frame) luma(x, y int) int {
	x, y = min(max(x, 0), viewWidth-1), min(max(y, 0), viewHeight-1)
	return int(f.y[y*viewWidth+x])
}

// unlike is the mean difference in luma to what a function gives for each pixel, in the middle of the picture.
func (f frame) unlike(want func(x, y int) int) float64 {
	const margin = 20
	sum, n := 0, 0
	for y := margin; y < viewHeight-margin; y++ {
		for x := margin; x < viewWidth-margin; x++ {
			d := f.luma(x, y) - want(x, y)
			sum += max(d, -d)
			n++
		}
	}
	return float64(sum) / float64(n)
}

func mean(b []byte) float64 {
	sum := 0
	for _, v := range b {
		sum += int(v)
	}
	return float64(sum) / float64(len(b))
}

// spread is the difference between the greatest and the least value.
func spread(b []byte) int { return int(slices.Max(b)) - int(slices.Min(b)) }

// picture is what is under the stamp.
func (f frame) picture() frame {
	return frame{f.y[below*viewWidth:], f.u[below/2*viewWidth/2:], f.v[below/2*viewWidth/2:]}
}

// TestControlsInPicture changes controls and sees it in the decoded stream, whose frames stay complete.
func TestControlsInPicture(t *testing.T) {
	d := startDaemon(t, smallCamera)
	lost := d.lost("hqstream", 1)
	v := watch(t, d)
	d.waitFor("the first frame", func() bool { _, s, _ := v.now(); return s.frames > 0 })
	plain, _, _ := v.now()
	level := mean(plain.picture().y)
	turned := func(x, y int) int { return plain.luma(viewWidth-1-x, viewHeight-1-y) }
	tests := []struct {
		patch string
		holds func(frame) bool
	}{
		{`{"brightness": 70}`, func(f frame) bool { return mean(f.picture().y) > level+20 }},
		{`{"brightness": 20}`, func(f frame) bool { return mean(f.picture().y) < level-20 }},
		{`{"brightness": 50, "contrast": -100}`, func(f frame) bool { return spread(f.picture().y) < 16 }},
		{`{"contrast": 0, "saturation": -100}`, func(f frame) bool { return spread(f.picture().u) < 12 && spread(f.picture().v) < 12 }},
		{`{"saturation": 0, "hflip": true}`, func(f frame) bool {
			return f.unlike(func(x, y int) int { return plain.luma(viewWidth-1-x, y) }) < 8
		}},
		{`{"hflip": false, "vflip": true}`, func(f frame) bool {
			return f.unlike(func(x, y int) int { return plain.luma(x, viewHeight-1-y) }) < 8
		}},
		{`{"vflip": false, "rotation": 180}`, func(f frame) bool { return f.unlike(turned) < 8 }},
		{`{"rotation": 90}`, func(f frame) bool { // the card's bars lie at the right then, from grey down to black
			const x = viewWidth - 20
			return f.luma(x, 25) > 160 && f.luma(x, viewHeight-10) < 40 && f.luma(x, viewHeight/2) < f.luma(x, 25)
		}},
		{`{"rotation": 0, "zoom": [0.25, 0.25, 0.5, 0.5]}`, func(f frame) bool {
			return f.unlike(func(x, y int) int { return plain.luma(viewWidth/4+x/2, viewHeight/4+y/2) }) < 12
		}},
		{`{"zoom": [0, 0, 1, 1], "annotate": {"text": "%Y", "size": 40, "background": true, "background_color": "#0000ff"}}`, func(f frame) bool {
			at := below/2*viewWidth/2 + 10*viewWidth/2 + viewWidth/4 // twenty rows down, in the middle
			return mean(f.u[at-20:at+20]) > 180
		}},
		{`{"annotate": {"text": ""}, "color_effects": [128, 128]}`, func(f frame) bool { return spread(f.picture().u) < 12 }},
		{`{"color_effects": null, "image_effect": "negative"}`, func(f frame) bool {
			return f.unlike(func(x, y int) int { return 251 - plain.luma(x, y) }) < 8
		}},
		{`{"image_effect": "none", "exposure_compensation": -25}`, func(f frame) bool { return mean(f.picture().y) < level*0.6 }},
		{`{"exposure_compensation": 0, "shutter_speed": 1000, "iso": 100}`, func(f frame) bool { return mean(f.picture().y) < level*0.5 }},
		{`{"iso": 0, "analog_gain": 1, "digital_gain": 1.5}`, func(f frame) bool { return mean(f.picture().y) < level*0.6 }},
		{`{"shutter_speed": 0, "analog_gain": 0, "digital_gain": 0}`, func(f frame) bool { return f.unlike(plain.luma) < 8 }},
	}
	for _, tt := range tests {
		if code, body := d.patch(tt.patch); code != http.StatusOK {
			t.Errorf("%s: got %d %s", tt.patch, code, body)
			continue
		}
		d.waitFor("the picture to follow "+tt.patch, func() bool { f, _, _ := v.now(); return tt.holds(f) })
	}
	checkViewer(t, d, v, lost)
}

// checkViewer holds that the viewer saw every frame but those that were lost by the daemon's own count, which was lost
// before the viewer came.
func checkViewer(t *testing.T, d *daemon, v *viewer, lost int) {
	t.Helper()
	_, s, trouble := v.now() // before the count, which is ahead of what has come
	if trouble != "" {
		t.Error(trouble)
	}
	checkUnbroken(t, s, d.lost("hqstream", 1)-lost, 1)
	t.Logf("%d frames", s.frames)
}

// TestWhiteBalanceInPicture films a brown wall: automatic white balance leaves it brown, greyworld makes it grey.
func TestWhiteBalanceInPicture(t *testing.T) {
	film := filepath.Join(t.TempDir(), "wall.y4m")
	output(t, true, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=c=0xA08060:s=320x240:r=15:d=1", "-pix_fmt", "yuv420p", film)
	d := startDaemon(t, smallCamera, "--scene", film)
	v := watch(t, d)
	d.waitFor("the first frame", func() bool { _, s, _ := v.now(); return s.frames > 0 })
	cast := func(f frame) (u, v float64) { return mean(f.picture().u) - 128, mean(f.picture().v) - 128 }
	plain, _, _ := v.now()
	u, r := cast(plain)
	if u > -10 || r < 10 {
		t.Fatalf("the wall has U %+.0f and V %+.0f", u, r)
	}
	for patch, holds := range map[string]func(u, v float64) bool{
		`{"awb_mode": "greyworld"}`:                     func(u, v float64) bool { return max(u, -u) < 2 && max(v, -v) < 2 },
		`{"awb_mode": "off", "awb_gains": [4, 1]}`:      func(_, v float64) bool { return v > r+15 },
		`{"awb_mode": "off", "awb_gains": [1.5, 4]}`:    func(now, _ float64) bool { return now > u+15 },
		`{"awb_mode": "tungsten"}`:                      func(now, v float64) bool { return now > u+5 && v < r-5 },
		`{"awb_mode": "off", "awb_gains": [1.5, 1.25]}`: func(now, v float64) bool { return max(now-u, u-now) < 2 && max(v-r, r-v) < 2 },
	} {
		if code, body := d.patch(patch); code != http.StatusOK {
			t.Errorf("%s: got %d %s", patch, code, body)
			continue
		}
		d.waitFor("the picture to follow "+patch, func() bool { f, _, _ := v.now(); return holds(cast(f)) })
	}
}

const manyChanges = 1000

// TestManyChanges changes settings a thousand times in a row: a viewer misses no frame, and in the end all is as asked
// for.
func TestManyChanges(t *testing.T) {
	d := startDaemon(t, smallCamera)
	lost := d.lost("hqstream", 1)
	v := watch(t, d)
	d.waitFor("the first frame", func() bool { _, s, _ := v.now(); return s.frames > 0 })
	c := d.changes()
	for range manyChanges {
		change, after := c.next()
		text, err := json.Marshal(change)
		if err != nil {
			t.Fatal(err)
		}
		code, body := d.patch(string(text))
		if code != http.StatusOK {
			t.Fatalf("%s: got %d %s", text, code, body)
		}
		if diff := cmp.Diff(after, decodeState(t, body)); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", text, diff)
		}
		c.state = after
	}
	if diff := cmp.Diff(c.state, d.state()); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	_, s, _ := v.now()
	d.waitFor("a second of frames after the last change", func() bool { _, now, _ := v.now(); return now.frames > s.frames+30 })
	checkViewer(t, d, v, lost)
	if strings.Contains(d.log.String(), "refused") {
		t.Error("VideoCore refused something")
	}
}

// TestManyWrongChanges asks for a thousand wrong changes: each is refused by the name of the key, and changes nothing.
func TestManyWrongChanges(t *testing.T) {
	d := startDaemon(t, smallCamera)
	c := d.changes()
	other := []string{"framerate", "resolution", "number", "sensor_mode", "streams", "Brightness", "bright ness", ""}
	for i := range manyChanges {
		change, _ := c.next()
		k := c.controls[c.IntN(len(c.controls))]
		key, value := k.Key, c.invalid(k)
		if i%10 == 0 {
			key, value = other[i/10%len(other)], any(1.0)
		}
		if section, _, nested := strings.Cut(key, "."); nested {
			delete(change, section)
		}
		put(change, key, value)
		text, err := json.Marshal(change)
		if err != nil {
			t.Fatal(err)
		}
		code, body := d.patch(string(text))
		var answer struct{ Errors webd.Problems }
		if err := json.Unmarshal(body, &answer); err != nil || code != http.StatusUnprocessableEntity {
			t.Fatalf("%s: got %d %s, want a refusal of %s", text, code, body, key)
		}
		named := slices.ContainsFunc(answer.Errors, func(p webd.Problem) bool {
			return strings.HasPrefix(strings.Trim(p.Key, `"`), key) && p.Problem != "" && !strings.Contains(p.Problem, "\n")
		})
		if !named {
			t.Fatalf("%s: got %s, which does not name %s", text, body, key)
		}
	}
	if diff := cmp.Diff(c.state, d.state()); diff != "" {
		t.Errorf("something has changed (-before +after):\n%s", diff)
	}
	if bytes.Contains([]byte(d.log.String()), []byte("refused")) {
		t.Error("VideoCore was asked")
	}
}

// TestSaveSurvives starts the daemon again, before and after a save.
func TestSaveSurvives(t *testing.T) {
	d := startDaemon(t, smallCamera)
	shipped := d.state()
	d.patch(`{"brightness": 70, "zoom": [0, 0.1, 1, 0.75], "annotate": {"text": "%H:%M", "color": "#ffff00"}, "awb_mode": "off", "awb_gains": [1.5, 2]}`)
	changed := d.state()
	if cmp.Equal(shipped, changed) {
		t.Fatal("nothing has changed")
	}
	restart := func() map[string]any {
		if _, err := d.stop(); err != nil {
			t.Fatal(err)
		}
		d.start()
		return d.state()
	}
	if diff := cmp.Diff(shipped, restart()); diff != "" {
		t.Errorf("without a save (-before +after):\n%s", diff)
	}
	d.patch(`{"brightness": 70, "zoom": [0, 0.1, 1, 0.75], "annotate": {"text": "%H:%M", "color": "#ffff00"}, "awb_mode": "off", "awb_gains": [1.5, 2]}`)
	if code, body := d.send(http.MethodPost, "/settings.json/save", ""); code != http.StatusOK {
		t.Fatalf("save: got %d %s", code, body)
	}
	if diff := cmp.Diff(changed, restart()); diff != "" {
		t.Errorf("saved (-before +after):\n%s", diff)
	}
}
