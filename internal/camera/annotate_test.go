package camera_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu"
	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
)

// annotations collects the ANNOTATE parameters that pass, with id and size.
type annotations struct {
	mu  sync.Mutex
	all [][]byte
}

func (a *annotations) sent(_ mmal.Header, msg []byte) bool {
	id := binary.LittleEndian.AppendUint32(nil, uint32(mmal.ParamAnnotate))
	if i := bytes.Index(msg, id); i >= 0 && i+8 <= len(msg) {
		size := int(binary.LittleEndian.Uint32(msg[i+4:]))
		if (size == 312 || size == 324) && i+size <= len(msg) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.all = append(a.all, bytes.Clone(msg[i:i+size]))
		}
	}
	return true
}

func (a *annotations) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.all)
}

// dark is a scene without light.
type dark struct{}

func (dark) Draw(dst *image.YCbCr, _ uint32, _ time.Duration, _ time.Time) error {
	for i := range dst.Y {
		dst.Y[i] = 16
	}
	for i := range dst.Cb {
		dst.Cb[i], dst.Cr[i] = 128, 128
	}
	return nil
}

// TestAnnotateStill has the text in the stills too, which lie behind the splitter as all outputs do.
func TestAnnotateStill(t *testing.T) {
	for text, want := range map[string]bool{"": false, "%H:%M": true} {
		synctest.Test(t, func(t *testing.T) {
			cfg := testConfig()
			cfg.Controls.Annotate.Text, cfg.Controls.Annotate.Size = text, 60
			scenery := func(int, int) (scene.Source, error) { return dark{}, nil }
			r := start(t, cfg, vcemu.Config{Scene: scenery})
			time.Sleep(3 * time.Second)
			r.end(t)
			checkStills(t, r.stills, 2)
			m, err := jpeg.Decode(bytes.NewReader(r.stills[0].JPEG))
			if err != nil {
				t.Fatal(err)
			}
			bright := false
			for y := 10; y < 75; y++ { // under the stamp
				for x := range 200 {
					bright = bright || color.GrayModel.Convert(m.At(x, y)).(color.Gray).Y > 180
				}
			}
			if bright != want {
				t.Errorf("%q: text in the still is %v, want %v", text, bright, want)
			}
		})
	}
}

// TestAnnotate has the text change each second: the exact bytes arrive, in the version that the firmware takes, and no
// frame is lost.
func TestAnnotate(t *testing.T) {
	for name, c := range map[string]struct {
		quirks   vcemu.Quirks
		sizes    []int
		warnings int
	}{
		"V4": {vcemu.Quirks{}, []int{324, 324, 324, 324}, 0},
		"V3": {vcemu.Quirks{NoAnnotateV4: true}, []int{324, 312, 312, 312, 312}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				cfg.Controls.Annotate.Text, cfg.Controls.Annotate.Size = "at %s", 20
				cfg.Controls.Annotate.Background = true
				var seen annotations
				zero := time.Now()
				r := startTampered(t, cfg, vcemu.Config{Quirks: c.quirks}, &tamper{sent: seen.sent})
				time.Sleep(3*time.Second + 500*time.Millisecond)
				r.end(t)
				checkStream(t, "hq", r.units["hq"][:90], 30, 3)
				if st := r.vc.Stats(); st.SensorDropped != 0 {
					t.Errorf("sensor dropped %d frames", st.SensorDropped)
				}
				if n := strings.Count(r.log.String(), "firmware refuses version 4"); n != c.warnings {
					t.Errorf("log has %d warnings of version 4:\n%s", n, r.log)
				}
				second := zero.Unix()
				if len(seen.all) != len(c.sizes) {
					t.Fatalf("%d changes, want %d", len(seen.all), len(c.sizes))
				}
				for i, p := range seen.all {
					if i > 0 && c.sizes[i-1] == c.sizes[i] { // a refused text comes again at once
						second++
					}
					want := annotateBytes(c.sizes[i], 20, time.Unix(second, 0))
					if !bytes.Equal(p, want) {
						t.Errorf("change %d:\n%x, want\n%x", i, p, want)
					}
				}
			})
		})
	}
}

// annotateBytes is MMAL_PARAMETER_CAMERA_ANNOTATE_V3_T or _V4_T, by its size.
func annotateBytes(size int, textSize byte, at time.Time) []byte {
	b := make([]byte, size)
	binary.LittleEndian.PutUint32(b[0:], 0x10049)
	binary.LittleEndian.PutUint32(b[4:], uint32(size))
	b[8], b[36], b[55] = 1, 1, textSize
	copy(b[56:], fmt.Sprintf("at %d", at.Unix()))
	return b
}

// TestAnnotateConstant sends a text without a conversion once.
func TestAnnotateConstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Controls.Annotate.Text, cfg.Controls.Annotate.Size = "door", 20
		var seen annotations
		r := startTampered(t, cfg, vcemu.Config{}, &tamper{sent: seen.sent})
		time.Sleep(3 * time.Second)
		r.end(t)
		if len(seen.all) != 1 {
			t.Errorf("sent %d times, want once", len(seen.all))
		}
	})
}

// TestAnnotateUnanswered loses one change of the text on its way: the pictures go on, and so does the text.
func TestAnnotateUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Controls.Annotate.Text, cfg.Controls.Annotate.Size = "at %s", 20
		var seen annotations
		lose := func(h mmal.Header, msg []byte) bool {
			before := seen.count()
			seen.sent(h, msg)
			return before != 1 || seen.count() != 2
		}
		r := startTampered(t, cfg, vcemu.Config{}, &tamper{sent: lose})
		time.Sleep(10*time.Second + 500*time.Millisecond)
		r.end(t)
		checkStream(t, "hq", r.units["hq"][:300], 30, 10)
		if !strings.Contains(r.log.String(), "text in the picture was not changed") {
			t.Errorf("log has no warning:\n%s", r.log)
		}
		if len(seen.all) < 4 {
			t.Errorf("text was sent %d times: it did not go on", len(seen.all))
		}
	})
}
