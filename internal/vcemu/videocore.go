package vcemu

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"sync"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu/h264"
	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
)

// uptime is how long VideoCore has been running when Run starts, so that its clock is visibly not the program's.
const uptime = 3*time.Minute + 21*time.Second + 654321*time.Microsecond

// maxComponents is how many MMAL components there can be at a time, of all clients.
const maxComponents = 64

// Config says what is emulated. The zero value is a board with a Camera Module 2 that looks at a test card.
type Config struct {
	// Sensor is ov5647, imx219 or imx477; empty is imx219.
	Sensor string
	// NoCamera is a board without a camera: camera_info lists none and ril.camera cannot be created (ENOMEM).
	NoCamera bool
	// Scene makes what the sensor sees at an output of the given visible size, nil the test card. It is called on the
	// sensor's goroutine. A Source that is an io.Closer is closed when it is no longer needed.
	Scene func(width, height int) (scene.Source, error)
	// Coder makes what codes the pictures of an H.264 output; nil makes an h264.Encoder.
	Coder func(h264.Config) (Coder, error)
	// Unstamped leaves the frame's number out of the picture, so that a scene can stay the same to the last bit.
	Unstamped bool
	// Quirks decides what is uncertain of the firmware.
	Quirks Quirks
	// Logger gets what the firmware would complain about; nil logs nothing.
	Logger *slog.Logger
}

// Coder codes pictures as *h264.Encoder does, another one of which replays pictures that were coded before.
type Coder interface {
	SPS() []byte
	PPS() []byte
	RequestIDR()
	SetBitrate(bps int)
	SetIntraPeriod(n int)
	Encode(dst []byte, img *image.YCbCr, pts int64) ([]byte, h264.Picture)
}

// ErrNotRunning says that the emulated VideoCore has stopped.
var ErrNotRunning = errors.New("emulated VideoCore is not running")

// VideoCore is an emulated VideoCore.
type VideoCore struct {
	cfg   Config
	mode  sensorModel
	log   *slog.Logger
	count counters

	started chan struct{} // closed when Run has begun
	once    sync.Once     // Run
	wg      sync.WaitGroup

	mu          sync.Mutex // guards what follows, and all sessions, components, ports and images
	stopping    bool
	boot        time.Time // zero of the clock
	sessions    map[*session]struct{}
	components  []*component // all alive, oldest first
	lastHandle  uint32
	lent        map[uint32]*gpuImage // by token: images that the host has references to
	lastToken   uint32
	imagesInUse int
	sensor      sensor
	silentUntil time.Time // a Silence lasts
	refuseUntil time.Time // a RefuseCamera lasts
}

// New makes a VideoCore that does nothing until Run.
func New(cfg Config) (*VideoCore, error) {
	if cfg.Sensor == "" {
		cfg.Sensor = "imx219"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Coder == nil {
		cfg.Coder = func(c h264.Config) (Coder, error) { return h264.New(c) }
	}
	if cfg.Scene == nil {
		cfg.Scene = func(w, h int) (scene.Source, error) { return scene.NewTestCard(w, h), nil }
	}
	mode, ok := sensorModelOf(cfg.Sensor)
	if !ok {
		return nil, fmt.Errorf("emulate sensor %q: unknown", cfg.Sensor)
	}
	return &VideoCore{
		cfg:      cfg,
		mode:     mode,
		log:      cfg.Logger,
		started:  make(chan struct{}),
		sessions: make(map[*session]struct{}),
		lent:     make(map[uint32]*gpuImage),
		sensor:   sensor{changed: make(chan struct{}, 1)},
	}, nil
}

// Run runs the sensor and the GPU until ctx is done, and returns nil after closing all sessions and waiting for all
// that it started. It can be called once.
func (v *VideoCore) Run(ctx context.Context) error {
	err := ErrNotRunning
	v.once.Do(func() {
		err = nil
		v.mu.Lock()
		v.boot = time.Now().Add(-uptime)
		v.mu.Unlock()
		close(v.started)
		v.runSensor(ctx)
		v.stop()
	})
	return err
}

func (v *VideoCore) stop() {
	v.mu.Lock()
	v.stopping = true
	var open []*session
	for s := range v.sessions {
		open = append(open, s)
	}
	v.mu.Unlock()
	for _, s := range open {
		s.close()
	}
	v.wg.Wait()
}

// Dial opens the MMAL service: a new client of the firmware's, with its own components. It waits for Run to begin.
func (v *VideoCore) Dial(ctx context.Context) (mmal.Transport, error) {
	select {
	case <-v.started:
	case <-ctx.Done():
		return nil, fmt.Errorf("open MMAL service: %w", context.Cause(ctx))
	}
	t := newInproc(v)
	s, err := v.open(t)
	if err != nil {
		return nil, fmt.Errorf("open MMAL service: %w", err)
	}
	t.session = s
	return t, nil
}

// open makes a session whose messages l carries.
func (v *VideoCore) open(l link) (*session, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.stopping {
		return nil, ErrNotRunning
	}
	s := newSession(v, l)
	v.sessions[s] = struct{}{}
	v.wg.Go(s.run)
	return s, nil
}

// now is VideoCore's clock (STC) in microseconds. The caller holds mu.
func (v *VideoCore) now() int64 { return v.clock(time.Now()) }

func (v *VideoCore) clock(t time.Time) int64 { return t.Sub(v.boot).Microseconds() }

// newPortHandles gives a new component its first port handle. A client may take a port's handle for its index in the
// component, which works by chance where they are equal; here no handle is one. Handles stay below 256, as libmmal
// expects. The caller holds mu.
func (v *VideoCore) newPortHandles() uint32 {
	const lowest, choices = 16, 229 // a prime number, so that neighbours differ
	return lowest + v.lastHandle>>4%choices
}

// newHandle makes a component's handle: never 0, and no index that a client could guess. The caller holds mu.
func (v *VideoCore) newHandle() uint32 {
	for {
		v.lastHandle += 0x9e3779b0 // a multiple of 16, as handles of aligned memory would be
		if v.lastHandle != 0 {
			return v.lastHandle
		}
	}
}
