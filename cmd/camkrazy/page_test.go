package main

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"io"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
)

// sensorClock tells when the emulated sensor took a frame, from the frame's number. It is never early: what it says lies
// before the exposure by the time that one snapshot took. A sensor that is late for the snapshots and makes up for it would
// break that: what is seen sets the clock right.
type sensorClock struct{ zero time.Time }

const sensorRate = 30

func newSensorClock(t *testing.T, d *daemon) sensorClock {
	t.Helper()
	var c sensorClock
	for range 5 {
		asked := time.Now()
		n := snapshotStamp(t, d)
		if zero := asked.Add(-time.Duration(n) * time.Second / sensorRate); zero.After(c.zero) {
			c.zero = zero
		}
	}
	return c
}

// seen says that somebody saw a frame, which must have been taken by then.
func (c *sensorClock) seen(n uint32, at time.Time) {
	if early := at.Sub(c.taken(n)); early < 0 {
		c.zero = c.zero.Add(early)
	}
}

func (c sensorClock) taken(n uint32) time.Time {
	return c.zero.Add(time.Duration(n) * time.Second / sensorRate)
}

// snapshotStamp takes a snapshot and returns its frame's number.
func snapshotStamp(t *testing.T, d *daemon) uint32 {
	t.Helper()
	rsp, err := http.Get(d.web + "/camera.jpg?fresh=1")
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	body, err := io.ReadAll(rsp.Body)
	if err != nil {
		t.Fatal(err)
	}
	img, err := jpeg.Decode(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	gray := image.NewGray(img.Bounds())
	draw.Draw(gray, gray.Rect, img, img.Bounds().Min, draw.Src)
	n, ok := scene.ReadStamp(gray.Pix, gray.Stride, gray.Rect.Dx(), gray.Rect.Dy())
	if !ok {
		t.Fatal("snapshot without a stamp")
	}
	return n
}

// maxDelay is how old the picture on the page may be.
const maxDelay = time.Second

// TestPagePlays has a real browser show both streams, and reads the pictures' numbers off it.
func TestPagePlays(t *testing.T) {
	d := startDaemon(t, "")
	b := openBrowser(t, 1280, 900)
	do(b, chromedp.Navigate(d.web+"/"))
	for _, tt := range []struct {
		stream        string
		width, height int
	}{{"lqstream", 640, 480}, {"hqstream", 1640, 1232}} {
		b.watch(tt.stream, tt.width)
		clock := newSensorClock(t, d)
		js[bool](b, `(sought = 0, $("video").onseeking = () => { sought++; }, true)`)
		began := js[float64](b, `document.querySelector("#video").currentTime`)
		first, start := b.stamp()
		last, end := first, start
		type sight struct {
			n  uint32
			at time.Time
		}
		var sights []sight
		for end.Sub(start) < 3*time.Second {
			n, shown := b.stamp()
			// A page that stood still has played on beyond what it has, and goes back to that.
			if n < last && js[int](b, `[sought, sought = 0][0]`) == 0 {
				t.Fatalf("%s: picture %d after %d", tt.stream, n, last)
			}
			last, end = n, shown
			clock.seen(n, shown)
			sights = append(sights, sight{n, shown})
		}
		var delays []time.Duration
		for _, s := range sights {
			delays = append(delays, s.at.Sub(clock.taken(s.n)))
		}
		played := js[float64](b, `document.querySelector("#video").currentTime`) - began
		if last < first+60 || played < 2 {
			t.Errorf("%s: in 3 s it went from picture %d to %d, and on by %.1f s", tt.stream, first, last, played)
		}
		// A machine that is busy with other tests decodes in fits and starts.
		slices.Sort(delays)
		median := delays[len(delays)/2]
		if median > maxDelay {
			t.Errorf("%s: the picture is %v old, want %v", tt.stream, median, maxDelay)
		}
		t.Logf("%s: the pictures shown were %v old, from %v to %v", tt.stream, median, delays[0], delays[len(delays)-1])
		b.screenshot(tt.stream)
	}
}

// watch has the page show a stream, and waits until it plays.
func (b *browser) watch(stream string, width int) {
	b.t.Helper()
	button := `[...document.querySelectorAll("#streams button")].find(e => e.textContent === "` + stream + `")`
	b.until("a button for "+stream, button)
	js[bool](b, `(`+button+`.click(), true)`)
	b.until("pictures of "+stream, `document.querySelector("#video").videoWidth === `+strconv.Itoa(width)+
		` && document.querySelector("#video").currentTime > 0 && !document.querySelector("#video").hidden`)
}

// stamp reads the number of the picture that the page shows, and says when that was. The row with the number is taken
// alone, in the size that it has in a picture of 640x480.
func (b *browser) stamp() (n uint32, shown time.Time) {
	b.t.Helper()
	const width, height = 640, 480
	got := js[struct {
		Row  []byte `json:"row"`
		Time int64  `json:"time"`
	}](b, `(() => {
		const e = document.querySelector("#video"), c = new OffscreenCanvas(640, 16), g = c.getContext("2d", { willReadFrequently: true });
		const time = Date.now();
		g.drawImage(e, 0, 0, e.videoWidth, e.videoHeight / 30, 0, 0, 640, 16);
		const rgba = g.getImageData(0, 0, 640, 16).data;
		return { row: btoa(String.fromCharCode(...rgba.filter((_, i) => i % 4 === 1))), time };
	})()`)
	n, ok := scene.ReadStamp(got.Row, width, width, height)
	if !ok {
		b.t.Fatal("the page shows a picture without a stamp")
	}
	return n, time.UnixMilli(got.Time)
}

// TestPageSettings has a real browser turn the controls of the page: the picture changes, what is saved survives a
// restart, and what is not does not.
func TestPageSettings(t *testing.T) {
	d := startDaemon(t, "")
	b := openBrowser(t, 1280, 900)
	do(b, chromedp.Navigate(d.web+"/"))
	b.watch("lqstream", 640)
	b.until("the settings", `!document.querySelector("#settings").hidden`)
	b.screenshot("desktop")

	// The test card's first bar is light gray, and the next one yellow.
	before := b.brightness(0.1, 0.2)
	b.input("#set-brightness", "20")
	b.until("the change to be known", `document.querySelector("#settings-state").textContent.includes("Brightness (saved: 50)")`)
	until(t, "a darker picture", func() bool { return b.brightness(0.1, 0.2) < before-40 })
	b.click("#undo")
	until(t, "the picture as it was", func() bool { return b.brightness(0.1, 0.2) > before-10 })
	b.until("nothing to save", `document.querySelector("#save").disabled && document.querySelector("#undo").disabled`)

	b.input("#set-annotate-text", "n\u00f6")
	b.until("the refusal", `document.querySelector("#settings-errors").textContent.startsWith("Text: ")`)
	b.input("#set-annotate-text", "")

	if spread := b.spread(); spread < 50 {
		t.Errorf("the whole picture has a spread of %d", spread)
	}
	b.drag(0.03, 0.10, 0.10, 0.17)
	until(t, "a picture of the gray bar alone", func() bool { return b.spread() < 8 })
	b.screenshot("zoomed")
	b.click("#save")
	b.until("the settings to be saved", `document.querySelector("#settings-state").textContent.startsWith("Saved in ")`)
	b.input("#set-contrast", "-60")
	b.until("the change to be known", `document.querySelector("#settings-state").textContent.includes("Contrast")`)

	d.stop()
	b.until("the page to notice", `document.querySelector("#health").textContent === "No answer"`)
	b.screenshot("gone")
	d.start()
	b.until("the page to notice", `document.querySelector("#health").textContent === "All is well"`)
	do(b, chromedp.Reload())
	b.watch("lqstream", 640)
	b.until("the settings", `!document.querySelector("#settings").hidden`)
	if zoom := js[[]float64](b, `settings.value("zoom")`); zoom[2] > 0.1 || b.spread() >= 8 {
		t.Errorf("after a restart zoom is %v, and the picture has a spread of %d", zoom, b.spread())
	}
	if contrast := js[int](b, `settings.value("contrast")`); contrast != 0 {
		t.Errorf("after a restart contrast is %d, though it was not saved", contrast)
	}
}

// TestPageZoomsTurned holds that dragging zooms to what was under the rectangle, however the picture is turned and
// mirrored.
func TestPageZoomsTurned(t *testing.T) {
	d := startDaemon(t, faultsConfig)
	b := openBrowser(t, 1280, 900)
	do(b, chromedp.Navigate(d.web+"/"))
	b.watch("hqstream", 320)
	b.until("the settings", `!document.querySelector("#settings").hidden`)
	for _, rotation := range []int{0, 90, 180, 270} {
		for _, flip := range []string{"", "hflip", "vflip"} {
			// In the test card's light gray bar, as it is before the picture is turned.
			x, y, size := 0.03, 0.10, 0.07
			switch rotation {
			case 90:
				x, y = 1-y-size, x
			case 180:
				x, y = 1-x-size, 1-y-size
			case 270:
				x, y = y, 1-x-size
			}
			switch flip {
			case "hflip":
				x = 1 - x - size
			case "vflip":
				y = 1 - y - size
			}
			js[bool](b, fmt.Sprintf(`(settings.set({ rotation: %d, hflip: %v, vflip: %v, zoom: [0, 0, 1, 1] }), true)`, rotation, flip == "hflip", flip == "vflip"))
			b.until("the change to be known", fmt.Sprintf(`settings.value("rotation") === %d && settings.value("zoom")[2] === 1 && !settings.sending`, rotation))
			until(t, "the whole picture", func() bool { return b.spread() > 50 })
			b.drag(x, y, x+size, y+size)
			until(t, fmt.Sprintf("a picture of the gray bar alone, turned by %d, %s", rotation, flip), func() bool {
				return b.spread() < 12 && b.brightness(0.5, 0.5) > 160
			})
		}
	}
}

// input enters a value as a person does.
func (b *browser) input(selector, value string) {
	b.t.Helper()
	js[bool](b, `(() => {
		const e = document.querySelector("`+selector+`");
		e.value = "`+value+`";
		e.dispatchEvent(new Event("input", { bubbles: true }));
		e.dispatchEvent(new Event("change", { bubbles: true }));
		return true;
	})()`)
}

func (b *browser) click(selector string) {
	b.t.Helper()
	b.until(selector+" to be of use", `!document.querySelector("`+selector+`").disabled`)
	do(b, chromedp.Click(chromedp.CSS(selector)))
}

// brightness is the picture's at a place given in fractions.
func (b *browser) brightness(x, y float64) int {
	b.t.Helper()
	pixels, width, height := b.gray("#video")
	return int(pixels[int(y*float64(height))*width+int(x*float64(width))])
}

// spread is the difference between the darkest and the lightest place, below the stamp.
func (b *browser) spread() int {
	b.t.Helper()
	pixels, width, height := b.gray("#video")
	low, high := byte(255), byte(0)
	for y := height / 8; y < height; y += 7 {
		for x := 3; x < width; x += 7 {
			v := pixels[y*width+x]
			low, high = min(low, v), max(high, v)
		}
	}
	return int(high) - int(low)
}

// drag draws a rectangle on the picture with the mouse, from corner to corner in fractions of the picture.
func (b *browser) drag(x0, y0, x1, y1 float64) {
	b.t.Helper()
	area := js[struct {
		X float64 `json:"x"`
		Y float64 `json:"y"`
		W float64 `json:"w"`
		H float64 `json:"h"`
	}](b, `(() => { scrollTo(0, 0); const p = picture(); return { x: p.stage.left + p.left, y: p.stage.top + p.top, w: p.width, h: p.height }; })()`)
	do(b, chromedp.DragAndDropXY(area.X+x0*area.W, area.Y+y0*area.H, area.X+x1*area.W, area.Y+y1*area.H, 5))
}
