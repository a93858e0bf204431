package recording_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/recording"
	"github.com/camkrazy/camkrazy/internal/vcemu"
)

// emulate runs a VideoCore to the end of the test's bubble and opens its service.
func emulate(t *testing.T, cfg vcemu.Config) (transport mmal.Transport, stop func()) {
	t.Helper()
	vc, err := vcemu.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { vc.Run(ctx) })
	if transport, err = vc.Dial(ctx); err != nil {
		t.Fatal(err)
	}
	return transport, func() {
		cancel()
		running.Wait()
	}
}

// ask is a small client: it returns all that it learns, failures included.
func ask(ctx context.Context, transport mmal.Transport) (answers []string, err error) {
	client := mmal.New(transport, nil)
	serving, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- client.Run(serving) }()
	say := func(format string, args ...any) { answers = append(answers, fmt.Sprintf(format, args...)) }

	major, minor, err := client.Version(ctx)
	say("version %d.%d %v", major, minor, err)
	for _, name := range []string{"camera_info", "ril.camera", "no such component"} {
		comp, err := client.CreateComponent(ctx, name, nil)
		if err != nil {
			say("%v", err)
			continue
		}
		say("%s has %d outputs, %v", name, len(comp.Outputs), comp.Control.Block())
		for _, p := range comp.Outputs {
			say("%v: %+v", p, p.Format())
		}
		var info mmal.CameraInfo
		say("info %v %v", comp.Control.Get(ctx, &info), info)
		say("destroy %v", comp.Destroy(ctx))
	}
	stop()
	return answers, <-ended
}

// record is the text of a run of ask on an emulated VideoCore, and what it learned.
func record(t *testing.T, o recording.Options) (text []byte, answers []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		transport, stop := emulate(t, vcemu.Config{})
		defer stop()
		var out bytes.Buffer
		r := recording.NewRecorder(transport, &out, o)
		var err error
		if answers, err = ask(t.Context(), r); err != nil || r.Err() != nil {
			t.Fatalf("client ended with %v, recorder with %v", err, r.Err())
		}
		text = out.Bytes()
	})
	return text, answers
}

func parse(t *testing.T, text []byte) *recording.Recording {
	t.Helper()
	rec, err := recording.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// TestReplayOfQuestions has a client learn from a recording what it learned from VideoCore.
func TestReplayOfQuestions(t *testing.T) {
	text, want := record(t, recording.Options{Notes: []string{"a note"}})
	rec := parse(t, text)
	synctest.Test(t, func(t *testing.T) {
		p := recording.NewPlayer(rec)
		got, err := ask(t.Context(), p)
		if err := errors.Join(err, p.Finish()); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("learned (-from VideoCore +from the recording):\n%s", diff)
		}
	})
}

// TestOwnNumbers has a client whose contexts and component numbers are not the recorded ones.
func TestOwnNumbers(t *testing.T) {
	text, want := record(t, recording.Options{})
	rec := parse(t, text)
	synctest.Test(t, func(t *testing.T) {
		p := recording.NewPlayer(rec)
		got, err := ask(t.Context(), &shifted{Transport: p})
		if err := errors.Join(err, p.Finish()); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("learned (-with the recorded numbers +with others):\n%s", diff)
		}
	})
}

// shifted changes the contexts of requests, the client's component and its process on the way to a transport, and the
// context back in replies.
type shifted struct{ mmal.Transport }

const (
	contextAt, componentAt, pidAt = 13, 25, 156
	shift                         = 0x5a
)

func (s *shifted) Send(msg, bulk []byte) error {
	msg = bytes.Clone(msg)
	msg[contextAt] += shift
	if h, _ := mmal.DecodeHeader(msg); h.ID == mmal.ComponentCreate {
		msg[componentAt] += shift
		msg[pidAt] += shift
	}
	return s.Transport.Send(msg, bulk)
}

func (s *shifted) Receive() (mmal.Delivery, error) {
	d, err := s.Transport.Receive()
	if err == nil && d.Kind == mmal.DeliveryMessage {
		d.Data = bytes.Clone(d.Data)
		d.Data[contextAt] -= shift
	}
	return d, err
}

// TestDivergence has clients that do something else than the recorded one.
func TestDivergence(t *testing.T) {
	text, _ := record(t, recording.Options{})
	tests := []struct {
		name   string
		client func(context.Context, *mmal.Client)
		// expected and got are parts of what the error says; line is the text's line that it names.
		line, expected, got string
	}{
		{
			"another component", func(ctx context.Context, c *mmal.Client) {
				c.Version(ctx)
				c.CreateComponent(ctx, "ril.isp", nil)
			},
			"> COMPONENT_CREATE", "Name:camera_info", "COMPONENT_CREATE context=2 {ClientComponent:1 Name:ril.isp",
		},
		{
			"another request", func(ctx context.Context, c *mmal.Client) { c.CreateComponent(ctx, "camera_info", nil) },
			"> GET_VERSION", "GET_VERSION", "COMPONENT_CREATE",
		},
		{
			"another parameter", func(ctx context.Context, c *mmal.Client) {
				c.Version(ctx)
				info, err := c.CreateComponent(ctx, "camera_info", nil)
				if err != nil {
					return
				}
				info.Control.Get(ctx, &mmal.Boolean{ID: mmal.ParamZeroCopy})
			},
			"> PORT_PARAMETER_GET", "ID:CAMERA_INFO", "ID:ZERO_COPY",
		},
		{
			"less", func(ctx context.Context, c *mmal.Client) { c.Version(ctx) },
			"> COMPONENT_CREATE", "COMPONENT_CREATE", "the end",
		},
		{
			"nothing for too long", func(ctx context.Context, c *mmal.Client) {
				c.Version(ctx)
				time.Sleep(recording.Patience + time.Second)
			},
			"> COMPONENT_CREATE", "COMPONENT_CREATE", "nothing",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := recording.NewPlayer(parse(t, text))
				client := mmal.New(p, nil)
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- client.Run(ctx) }()
				tt.client(ctx, client)
				stop()
				<-ended
				d, ok := errors.AsType[*recording.Divergence](p.Finish())
				if !ok {
					t.Fatalf("got %v, want a divergence", p.Finish())
				}
				line := strings.Split(string(text), "\n")[d.Line-1]
				if !strings.Contains(line, tt.line) || !strings.Contains(d.Expected, tt.expected) ||
					!strings.Contains(d.Got, tt.got) {
					t.Errorf("got %v\nat %q, want %q there, %q expected and %q to have come", d, line, tt.line, tt.expected, tt.got)
				}
			})
		})
	}
}

// TestMoreThanRecorded has a client go on where the recorded one closed.
func TestMoreThanRecorded(t *testing.T) {
	text, _ := record(t, recording.Options{})
	before, _, _ := bytes.Cut(text, []byte("> COMPONENT_CREATE"))
	rec := parse(t, text[:bytes.LastIndexByte(before, '\n')+1])
	synctest.Test(t, func(t *testing.T) {
		p := recording.NewPlayer(rec)
		answers, err := ask(t.Context(), p)
		if !errors.Is(err, mmal.ErrClosed) {
			t.Errorf("client ended with %v, want ErrClosed", err)
		}
		if answers[0] != "version 16.1 <nil>" {
			t.Errorf("learned %q", answers[0])
		}
	})
}

// filmed is what a camera delivered.
type filmed struct {
	Units  []string
	Stills []string
	Sensor string
}

// film runs a camera for two seconds on what open gives.
func film(t *testing.T, open func(context.Context) (mmal.Transport, error)) filmed {
	t.Helper()
	var mu sync.Mutex
	var out filmed
	sink := func(name string) camera.Sink {
		return func(au camera.AccessUnit) {
			var begins [][]byte
			for _, n := range au.NALs {
				begins = append(begins, bytes.Clone(n[:min(8, len(n))]))
			}
			mu.Lock()
			defer mu.Unlock()
			out.Units = append(out.Units, fmt.Sprintf("%s %v %v %x", name, au.PTS, au.IDR, begins))
		}
	}
	stream := func(name string, w, h int, fps float64) camera.StreamConfig {
		return camera.StreamConfig{
			Name: name, Width: w, Height: h, FrameRate: fps, Bitrate: 300_000,
			KeyFrameInterval: time.Second, Profile: "high", Sink: sink(name),
		}
	}
	cam, err := camera.New(camera.Config{
		Width: 160, Height: 128, FrameRate: 30,
		Controls: camera.Controls{
			Zoom: [4]float64{0, 0, 1, 1}, Brightness: 50, ExposureMode: "auto", MeterMode: "average", AWBMode: "auto",
			DRCStrength: "off", FlickerAvoid: "off", ImageEffect: "none",
		},
		Streams: []camera.StreamConfig{stream("hq", 160, 128, 30), stream("lq", 96, 64, 5)},
		Snapshot: camera.SnapshotConfig{
			Width: 160, Height: 128, Quality: 80, Interval: time.Second,
			Sink: func(s camera.Still) {
				mu.Lock()
				defer mu.Unlock()
				out.Stills = append(out.Stills, fmt.Sprintf("%v %d bytes", s.PTS, len(s.JPEG)))
			},
		},
	}, open, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- cam.Run(ctx) }()
	time.Sleep(2*time.Second + 15*time.Millisecond) // between two frames
	out.Sensor = cam.Status().Sensor
	stop()
	if err := <-ended; err != nil {
		t.Errorf("camera ended with %v", err)
	}
	// The streams' sinks have a goroutine each.
	hq, lq := []string{}, []string{}
	for _, u := range out.Units {
		if strings.HasPrefix(u, "hq") {
			hq = append(hq, u)
		} else {
			lq = append(lq, u)
		}
	}
	out.Units = append(hq, lq...)
	return out
}

// TestReplayOfCamera drives the whole camera from a recording of it.
func TestReplayOfCamera(t *testing.T) {
	for _, all := range []bool{true, false} {
		t.Run(fmt.Sprintf("all bytes %v", all), func(t *testing.T) {
			var text bytes.Buffer
			var want filmed
			synctest.Test(t, func(t *testing.T) {
				transport, stop := emulate(t, vcemu.Config{})
				defer stop()
				r := recording.NewRecorder(transport, &text, recording.Options{AllBytes: all})
				want = film(t, func(context.Context) (mmal.Transport, error) { return r, nil })
			})
			if len(want.Units) < 2*30+2*5-4 || len(want.Stills) < 1 || want.Sensor != "imx219" {
				t.Fatalf("recorded %d units, %d stills of %q", len(want.Units), len(want.Stills), want.Sensor)
			}
			t.Logf("%d bytes of text", text.Len())
			rec := parse(t, text.Bytes())
			synctest.Test(t, func(t *testing.T) {
				p := recording.NewPlayer(rec)
				got := film(t, func(context.Context) (mmal.Transport, error) { return p, nil })
				if err := p.Finish(); err != nil {
					t.Error(err)
				}
				if !all { // a JPEG whose bytes are not in the recording is none, which the camera notices
					want.Stills = nil
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("delivered (-from VideoCore +from the recording):\n%s", diff)
				}
			})
		})
	}
}
