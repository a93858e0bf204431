package vcemu

import (
	"bytes"
	"testing"
	"testing/synctest"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
)

// TestAnnotateDrawn has text in the picture where it belongs and nowhere else, under a stamp that stays whole.
func TestAnnotateDrawn(t *testing.T) {
	text := mmal.Annotate{Enable: true, TextSize: 20, Text: "88:88"}
	boxed, off := text, text
	boxed.Background, off.Enable = true, false
	huge := mmal.Annotate{Enable: true, TextSize: 160, Background: true, Text: "8888888888\n8888"}
	for _, c := range []struct {
		name         string
		param        mmal.Parameter
		white, black bool // signs over the dark half, box over the bright one
	}{
		{"none", nil, false, false},
		{"V4", &text, true, false},
		{"V3", (*mmal.AnnotateV3)(&text), true, false},
		{"background", &boxed, true, true},
		{"disabled", &off, false, false},
		{"larger than the picture", &huge, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, stop := machine(t, Config{Scene: cornerScene})
				defer stop()
				r := pictures(t, v, nil)
				if c.param != nil {
					r.must("set", r.set(r.control, c.param))
				}
				r.capture(true)
				d := r.next().data
				white, black := false, false
				for y := 10; y < 240; y++ {
					row := d[y*320:][:320]
					white = white || bytes.IndexByte(row[160:], 235) >= 0
					black = black || y < 60 && bytes.IndexByte(row[:160], 16) >= 0
				}
				if white != c.white || black != c.black {
					t.Errorf("text %v, box %v; want %v, %v", white, black, c.white, c.black)
				}
				if _, ok := scene.ReadStamp(d, 320, 320, 240); !ok {
					t.Error("no stamp")
				}
			})
		})
	}
}
