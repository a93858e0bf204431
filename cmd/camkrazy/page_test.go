package main

import (
	"bytes"
	"image"
	"image/draw"
	"image/jpeg"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
)

// sensorClock tells when the emulated sensor took a frame, from the frame's number. It is never early: what it says lies
// before the exposure by the time that one snapshot took.
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
		began := js[float64](b, `document.querySelector("#video").currentTime`)
		first, start := b.stamp(), time.Now()
		last, worst := first, time.Duration(0)
		for time.Since(start) < 3*time.Second {
			n := b.stamp()
			if n < last {
				t.Fatalf("%s: picture %d after %d", tt.stream, n, last)
			}
			last, worst = n, max(worst, time.Since(clock.taken(n)))
		}
		played := js[float64](b, `document.querySelector("#video").currentTime`) - began
		if last < first+60 || played < 2 {
			t.Errorf("%s: in 3 s it went from picture %d to %d, and on by %.1f s", tt.stream, first, last, played)
		}
		if worst > maxDelay {
			t.Errorf("%s: a picture was %v old, want %v", tt.stream, worst, maxDelay)
		}
		t.Logf("%s: the oldest picture shown was %v old", tt.stream, worst)
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

// stamp reads the number of the picture that the page shows.
func (b *browser) stamp() uint32 {
	b.t.Helper()
	pixels, width, height := b.gray("#video")
	n, ok := scene.ReadStamp(pixels, width, width, height)
	if !ok {
		b.t.Fatalf("the page shows a picture of %dx%d without a stamp", width, height)
	}
	return n
}
