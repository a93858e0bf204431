package vcemu

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/jpeg"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
)

// corner is a scene that is black but for its top left quarter.
type corner struct{}

func (corner) Draw(dst *image.YCbCr, _ uint32, _ time.Duration, _ time.Time) error {
	size := dst.Rect.Size()
	for y := range size.Y {
		for x := range size.X {
			v := byte(16)
			if x < size.X/2 && y < size.Y/2 {
				v = 200
			}
			dst.Y[y*dst.YStride+x] = v
		}
	}
	for y := range size.Y / 2 {
		for x := range size.X / 2 {
			dst.Cb[y*dst.CStride+x], dst.Cr[y*dst.CStride+x] = 100, 150
		}
	}
	return nil
}

func cornerScene(int, int) (scene.Source, error) { return corner{}, nil }

// pictures makes a camera with I420 pictures to ARM at its video port.
func pictures(t *testing.T, v *VideoCore, setup func(r *rig)) *rig {
	t.Helper()
	r := &rig{host: dial(t, v)}
	r.camera = r.create("ril.camera")
	r.control = r.port(r.camera, mmal.PortControl, 0)
	r.enable(r.control, 0, 0)
	r.must("config", r.set(r.control, &mmal.CameraConfig{
		MaxVideoWidth: 320, MaxVideoHeight: 240, MaxStillsWidth: 320, MaxStillsHeight: 240, VideoFrames: 3,
		Timestamps: mmal.TimestampRaw,
	}))
	r.preview = r.commit(r.port(r.camera, mmal.PortOutput, 0), opaque(320, 240, 25))
	r.video = r.commit(r.port(r.camera, mmal.PortOutput, 1), raw(mmal.EncodingI420, 320, 240, 25))
	if setup != nil {
		setup(r)
	}
	r.componentEnable(r.camera)
	r.enable(r.video, 2, r.video.Port.Min.Size)
	r.onBuffer = func(g *got) {
		if g.Length > 0 {
			r.buffers = append(r.buffers, g)
			r.give(r.video, g.Buffer.Context, r.video.Port.Min.Size)
		}
	}
	r.give(r.video, 1, r.video.Port.Min.Size)
	r.give(r.video, 2, r.video.Port.Min.Size)
	return r
}

// next returns the next picture.
func (r *rig) next() *got {
	r.t.Helper()
	r.until(func() bool { return len(r.buffers) > 0 })
	g := r.buffers[0]
	r.buffers = r.buffers[1:]
	return g
}

// quarters says which quarters of a picture of 320x240 are bright: top left, top right, bottom left, bottom right.
func quarters(data []byte) string {
	var s strings.Builder
	for _, p := range []image.Point{{80, 60}, {240, 60}, {80, 180}, {240, 180}} {
		if data[p.Y*320+p.X] > 100 {
			s.WriteString("#")
		} else {
			s.WriteString(".")
		}
	}
	return s.String()
}

func TestGeometry(t *testing.T) {
	number := func(id mmal.ParameterID, n uint32) mmal.Parameter { return &mmal.Uint32{ID: id, Value: n} }
	zoom := func(x, y, w, h int32) mmal.Parameter {
		return &mmal.Rectangle{ID: mmal.ParamInputCrop, Value: mmal.Rect{X: x, Y: y, Width: w, Height: h}}
	}
	const half = whole / 2
	for _, c := range []struct {
		name          string
		port, control mmal.Parameter
		want          string
	}{
		{"plain", nil, nil, "#..."},
		{"picamera's whole", nil, zoom(0, 0, 65535, 65535), "#..."},
		{"180", number(mmal.ParamRotation, 180), nil, "...#"},
		{"90", number(mmal.ParamRotation, 90), nil, ".#.."},
		{"270", number(mmal.ParamRotation, 270), nil, "..#."},
		{"vertical", number(mmal.ParamMirror, 1), nil, "..#."},
		{"horizontal", number(mmal.ParamMirror, 2), nil, ".#.."},
		{"both", number(mmal.ParamMirror, 3), nil, "...#"},
		{"top left", nil, zoom(0, 0, half, half), "####"},
		{"bottom right", nil, zoom(half, half, half, half), "...."},
		{"middle", nil, zoom(half/2, half/2, half, half), "#..."},
		{"left, turned", number(mmal.ParamRotation, 180), zoom(0, 0, half, whole), "..##"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, stop := machine(t, Config{Scene: cornerScene, Logger: loud(t)})
				defer stop()
				r := pictures(t, v, nil)
				if c.port != nil {
					r.must("port", r.set(r.video, c.port))
				}
				if c.control != nil {
					r.must("control", r.set(r.control, c.control))
				}
				r.capture(true)
				for i := range uint32(3) {
					g := r.next()
					if got := quarters(g.data); got != c.want {
						t.Fatalf("bright quarters %s, want %s", got, c.want)
					}
					if n, ok := scene.ReadStamp(g.data, 320, 320, 240); !ok || n != i {
						t.Errorf("stamp %d, %v; want %d", n, ok, i)
					}
				}
			})
		})
	}
}

func TestColours(t *testing.T) {
	ratio := func(id mmal.ParameterID, n int32) mmal.Parameter {
		return &mmal.Ratio{ID: id, Value: mmal.Rational{Num: n, Den: 100}}
	}
	type colour struct{ bright, dark, cb, cr byte }
	for _, c := range []struct {
		name  string
		param mmal.Parameter
		want  colour
	}{
		{"plain", ratio(mmal.ParamBrightness, 50), colour{200, 16, 100, 150}},
		{"bright", ratio(mmal.ParamBrightness, 60), colour{221, 37, 100, 150}},
		{"brightest", ratio(mmal.ParamBrightness, 100), colour{235, 125, 100, 150}},
		{"no contrast", ratio(mmal.ParamContrast, -100), colour{125, 125, 100, 150}},
		{"no colour", ratio(mmal.ParamSaturation, -100), colour{200, 16, 128, 128}},
		{"one colour", &mmal.ColourEffect{Enable: true, U: 90, V: 160}, colour{200, 16, 90, 160}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, stop := machine(t, Config{Scene: cornerScene})
				defer stop()
				r := pictures(t, v, nil)
				r.must("set", r.set(r.control, c.param))
				r.capture(true)
				d := r.next().data
				luma := 320 * 240
				got := colour{d[60*320+80], d[180*320+240], d[luma+60*160+80], d[luma*5/4+60*160+80]}
				if got != c.want {
					t.Errorf("got %v, want %v", got, c.want)
				}
				if _, ok := scene.ReadStamp(d, 320, 320, 240); !ok {
					t.Error("no stamp")
				}
			})
		})
	}
}

func TestTimestamps(t *testing.T) {
	for _, c := range []struct {
		name string
		mode mmal.TimestampMode
	}{{"zero", mmal.TimestampZero}, {"raw", mmal.TimestampRaw}, {"reset", mmal.TimestampReset}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, stop := machine(t, Config{})
				defer stop()
				r := pictures(t, v, func(r *rig) {
					config := mmal.CameraConfig{MaxVideoWidth: 320, MaxVideoHeight: 240, VideoFrames: 3, Timestamps: c.mode}
					r.must("config", r.set(r.control, &config))
					third := raw(mmal.EncodingI420, 320, 240, 0)
					third.Video.FrameRate = mmal.Rational{Num: 30000, Den: 1001}
					r.preview = r.commit(r.preview, opaque(320, 240, 25))
					r.video = r.commit(r.video, third)
				})
				before := binary.LittleEndian.Uint64(r.get(r.video, mmal.ParamSystemTime, 16).Value)
				time.Sleep(time.Second)
				r.capture(true)
				first := r.next().PTS
				for i := int64(1); i < 100; i++ {
					got := r.next().PTS
					want := first + (i*1_001_000_000+15_000)/30_000
					if c.mode == mmal.TimestampZero {
						want = 0
					}
					if got < want-1 || got > want+1 {
						t.Fatalf("frame %d: pts %d, want %d", i, got, want)
					}
				}
				if c.mode == mmal.TimestampReset && first != 0 {
					t.Errorf("first pts %d, want 0", first)
				}
				if c.mode == mmal.TimestampRaw && (first < int64(before)+1_000_000 || first > int64(before)+1_100_000) {
					t.Errorf("first pts %d, one second after %d", first, before)
				}
			})
		})
	}
}

// TestNumbersGoOn stops and starts the camera: the stamps continue.
func TestNumbersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{Scene: cornerScene})
		defer stop()
		last := uint32(0)
		for run := range 3 {
			r := pictures(t, v, nil)
			r.capture(true)
			for range 5 {
				n, ok := scene.ReadStamp(r.next().data, 320, 320, 240)
				if !ok || run > 0 && n <= last {
					t.Errorf("run %d: stamp %d after %d", run, n, last)
				}
				last = n
			}
			r.tr.Close()
		}
		if last > 20 {
			t.Errorf("last stamp %d of 15 pictures", last)
		}
	})
}

func TestLiveFrameRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{Scene: cornerScene})
		defer stop()
		r := pictures(t, v, nil)
		r.capture(true)
		r.next()
		r.must("rate", r.set(r.video, &mmal.Ratio{ID: mmal.ParamFrameRate, Value: mmal.Rational{Num: 5, Den: 1}}))
		r.next()
		a, b := r.next().PTS, r.next().PTS
		if b-a != 200_000 {
			t.Errorf("%d us between frames, want 200000", b-a)
		}
	})
}

func TestSettingsEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{Scene: cornerScene})
		defer stop()
		r := pictures(t, v, func(r *rig) {
			r.must("watch", r.set(r.control, &mmal.ChangeEventRequest{Change: mmal.ParamCameraSettings, Enable: true}))
		})
		r.capture(true)
		for range 51 {
			r.next()
		}
		if got := len(r.events); got != 3 {
			t.Fatalf("%d events in two seconds, want 3", got)
		}
		e := r.events[0]
		if e.ClientComponent != 7 || e.PortType != mmal.PortControl || e.Cmd != mmal.EventParameterChanged || e.Length != 48 {
			t.Errorf("event %+v", e)
		}
		value := r.get(r.control, mmal.ParamCameraSettings, 48)
		if !bytes.Equal(e.Data[8:48], value.Value) {
			t.Errorf("event says % x, get % x", e.Data[8:48], value.Value)
		}
	})
}

// TestSceneFails has a scene that cannot be opened: the host is told as of a sensor that gives no data.
func TestSceneFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{Scene: func(int, int) (scene.Source, error) { return nil, errors.New("gone") }})
		defer stop()
		r := pictures(t, v, nil)
		r.capture(true)
		r.until(func() bool { return len(r.events) > 0 })
		if e := r.events[0]; e.Cmd != mmal.EventError || e.Length != 4 || e.Data[0] != byte(mmal.EIO) {
			t.Errorf("event %+v", e)
		}
	})
}

func TestStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{Scene: cornerScene})
		defer stop()
		r := pictures(t, v, func(r *rig) {
			r.video = r.commit(r.port(r.camera, mmal.PortOutput, 2), raw(mmal.EncodingI420, 320, 240, 0))
			r.commit(r.port(r.camera, mmal.PortOutput, 1), opaque(320, 240, 25))
		})
		r.capture(true)
		if got := quarters(r.next().data); got != "#..." {
			t.Errorf("bright quarters %s", got)
		}
		time.Sleep(time.Second)
		r.port(r.camera, mmal.PortOutput, 2)
		if len(r.buffers) != 0 {
			t.Errorf("%d more pictures", len(r.buffers))
		}
	})
}

// TestLateSensor holds the machine up: frames that nobody could take are counted, and the others keep their time.
func TestLateSensor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(int, int) (scene.Source, error) { return sluggish{}, nil }
		v, stop := machine(t, Config{Scene: slow})
		defer stop()
		r := pictures(t, v, nil)
		r.capture(true)
		const pictures = 60
		var last uint32
		for i := range pictures {
			n, ok := scene.ReadStamp(r.next().data, 320, 320, 240)
			if !ok || i > 0 && n <= last {
				t.Fatalf("picture %d: stamp %d (readable: %v) after %d", i, n, ok, last)
			}
			if i < 8 && n != uint32(i) { // less than the grace behind
				t.Fatalf("picture %d: stamp %d", i, n)
			}
			last = n
		}
		// Picture i is ready 60*(i+1) ms after the start; its frame was due up to the grace and a picture's time before.
		if low := uint32((60*pictures - 250 - 60) / 40); last < low || last > low+3 {
			t.Errorf("last stamp is %d, want %d or a little more", last, low)
		}
		if got := v.Stats().SensorDropped; got < uint64(last+1-pictures) || got > uint64(last+2-pictures) {
			t.Errorf("%d frames dropped, want %d", got, last+1-pictures)
		}
	})
}

// sluggish takes one and a half periods of 40 ms for a picture.
type sluggish struct{}

func (sluggish) Draw(*image.YCbCr, uint32, time.Duration, time.Time) error {
	time.Sleep(60 * time.Millisecond)
	return nil
}

// TestJPEG takes pictures from an I420 output of the splitter through ril.resize.
func TestJPEG(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{Scene: cornerScene, Logger: loud(t)})
		defer stop()
		r := newRig(t, v, 320, 240, 25)
		i420 := r.commit(r.out(2), raw(mmal.EncodingI420, 320, 240, 25))
		resize := r.create("ril.resize")
		resizeOut := r.port(resize, mmal.PortOutput, 0)
		r.tunnel(i420, r.port(resize, mmal.PortInput, 0)) // and never enabled, as picamera does
		resizeOut = r.commit(resizeOut, raw(mmal.EncodingI420, 200, 150, 0))
		encoder := r.create("ril.image_encode")
		in := r.commit(r.port(encoder, mmal.PortInput, 0), resizeOut.Format)
		f := resizeOut.Format
		f.Encoding = mmal.EncodingJPEG
		out := r.commit(r.port(encoder, mmal.PortOutput, 0), f)
		r.must("quality", r.set(out, &mmal.Uint32{ID: mmal.ParamJPEGQuality, Value: 90}))
		r.must("exif", r.setRaw(out, paramEXIF, append(make([]byte, 12), "IFD0.Make=x"...)))
		r.connect(resizeOut, in)
		r.componentEnable(encoder)
		r.componentEnable(r.camera)
		r.enable(resizeOut, 1, 1)
		r.capture(true)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := v.Stats(); s.SensorDropped == 0 {
			t.Error("an encoder without buffers did not stop the camera")
		}
		var a assembler
		r.onBuffer = func(g *got) {
			if g.Length > 0 {
				a.add(g)
			}
		}
		r.enable(out, 3, 32768)
		for range 2 {
			r.give(out, 1, 32768)
			n := len(a.pictures)
			r.until(func() bool { return len(a.pictures) > n })
		}
		for _, p := range a.pictures {
			m, err := jpeg.Decode(bytes.NewReader(p.data))
			if err != nil || string(p.data[6:10]) != "JFIF" {
				t.Fatalf("%v, starts % x", err, p.data[:12])
			}
			y := m.(*image.YCbCr)
			if y.Rect.Size() != image.Pt(200, 150) {
				t.Errorf("size %v", y.Rect)
			}
			if v := y.Y[75/2*y.YStride+50]; v < 205 || v > 222 {
				t.Errorf("bright luma %d, want 200 in full range, 214", v)
			}
			if _, ok := scene.ReadStamp(y.Y, y.YStride, 200, 150); !ok {
				t.Error("no stamp")
			}
		}
	})
}

// TestISPCrop scales the right half: the stamp is whole all the same.
func TestISPCrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, stop := machine(t, Config{Scene: cornerScene, Logger: loud(t)})
		defer stop()
		r := newRig(t, v, 320, 240, 25)
		isp := r.create("ril.isp")
		in := r.port(isp, mmal.PortInput, 0)
		r.tunnel(r.out(0), in)
		r.must("crop", r.set(in, &mmal.Rectangle{ID: mmal.ParamCrop, Value: mmal.Rect{Width: 160, Height: 240}}))
		outs := []target{
			r.commit(r.port(isp, mmal.PortOutput, 0), raw(mmal.EncodingI420, 320, 240, 0)),
			r.commit(r.port(isp, mmal.PortOutput, 1), raw(mmal.EncodingI420, 640, 480, 0)),
		}
		r.componentEnable(isp)
		r.componentEnable(r.camera)
		for i, p := range outs {
			r.enable(p, 1, p.Port.Min.Size)
			r.give(p, uint32(i+1), p.Port.Min.Size)
		}
		r.capture(true)
		r.until(func() bool { return len(r.buffers) == 2 })
		if got := quarters(r.buffers[0].data); got != "##.." {
			t.Errorf("bright quarters %s", got)
		}
		for i, stride := range []int{320, 640} {
			if _, ok := scene.ReadStamp(r.buffers[i].data, stride, stride, stride*3/4); !ok {
				t.Errorf("output %d: no stamp", i)
			}
		}
	})
}
