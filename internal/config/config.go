package config

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// maxFileSize bounds how much of a file is looked at; the commented reference has about 5 KiB.
const maxFileSize = 1 << 20

//go:embed camera.yaml
var reference string

// Reference returns the commented camera.yaml that lists every key at its default; parsing it gives [Default].
func Reference() []byte {
	return []byte(reference)
}

// Config is one whole, valid configuration.
type Config struct {
	Camera   Camera
	Streams  []Stream // 1 to 3, in the order of the file
	Snapshot Snapshot
	Users    []User // empty: anyone on the network may watch
	RTSP     RTSP
	HTTP     Listen
	TLS      TLS
}

// Camera is what the sensor pipeline delivers to every output, and its image controls, which have picamera's names,
// ranges and defaults (picamera 1.13, class PiCamera; flicker_avoid and awb_mode greyworld from the firmware).
type Camera struct {
	Number        int     // camera port of the board, 0..1
	Width, Height int     // pixels, even, 64x64..4056x3040
	FrameRate     float64 // frames per second, 0.1..200
	SensorMode    int     // 0..7; 0: the firmware chooses

	Rotation     int        // degrees clockwise: 0, 90, 180 or 270
	HFlip, VFlip bool       // mirror left-right, top-bottom
	Zoom         [4]float64 // x, y, width, height as fractions of the picture, 0..1

	Brightness           int           // 0..100
	Contrast             int           // -100..100
	Saturation           int           // -100..100
	Sharpness            int           // -100..100
	ISO                  int           // 0..1600; 0: automatic
	ShutterSpeed         time.Duration // whole microseconds, at most one frame; 0: automatic
	ExposureMode         string        // off, auto, night, …
	ExposureCompensation int           // -25..25, in sixths of a stop
	AnalogGain           float64       // 1..12; 0: automatic (raspivid's, as DigitalGain)
	DigitalGain          float64       // 1..64; 0: automatic
	MeterMode            string        // average, spot, backlit or matrix
	AWBMode              string        // off, auto, sunlight, …, greyworld
	AWBGains             [2]float64    // red, blue, above 0 and up to 8 if AWBMode is off; otherwise both 0
	DRCStrength          string        // off, low, medium or high
	FlickerAvoid         string        // off, auto, 50hz or 60hz
	VideoStabilization   bool
	VideoDenoise         bool
	ImageDenoise         bool    // of pictures from the still port, which this program does not take
	ImageEffect          string  // none, negative, …
	ColorEffects         *[2]int // U and V of every pixel, 0..255; nil: none

	Annotate Annotate
}

// Annotate is the text that the GPU burns into every output.
type Annotate struct {
	Text            string // a format of package strftime, at most 255 bytes of printable ASCII and newlines
	Size            int    // 6..160
	Color           string // of the text, as "#ff8000"; empty: the firmware's white
	Background      bool   // a box behind the text
	BackgroundColor string // of the box; empty: the firmware's dark one
	Align           string // center, left or right
	Offset          [2]int // pixels from the edge that Align names, and from the top
	FrameNum        bool   // the frame's number behind the text
}

// Stream is one H.264 output.
type Stream struct {
	Name             string        // the RTSP path: [a-z0-9_-]{1,32}
	Width, Height    int           // pixels, even, 64x64..1920x1920
	FrameRate        float64       // exactly Camera.FrameRate divided by a whole number
	Bitrate          int           // bits per second, 10000..25000000; 0 only together with QP: no rate control
	KeyframeInterval time.Duration // 100ms..60s
	Profile          string        // baseline, constrained, main or high
	Level            string        // 3, 3.1, 3.2, 4, 4.1 or 4.2; empty: the program chooses
	MinQP, MaxQP     int           // 1..51, MinQP <= MaxQP; 0: the firmware chooses
	QP               int           // 1..51: every picture has this quantiser, MinQP and MaxQP are 0; 0: rate control
	IntraRefresh     string        // cyclic, adaptive, both or cyclicrows; empty: off
}

// Snapshot is the JPEG output.
type Snapshot struct {
	Width, Height int           // pixels, even, 64x64..3280x2464
	Quality       int           // 1..100
	Interval      time.Duration // 200ms..1h; 0: only when somebody asks for a picture
}

// User may watch. Names are unique, not empty and without a colon; passwords are not empty.
type User struct {
	Name, Password string
}

// Listen has the TCP addresses of one server, each host:port or :port. An empty one is not listened on.
type Listen struct {
	Addr    string // key listen
	TLSAddr string // key tls_listen
}

// RTSP has the addresses of the RTSP server and who is served.
type RTSP struct {
	Listen
	Multicast  string // group and even port of the first stream, the others have the next groups; empty: no multicast
	MaxReaders int    // 1..1000, of all streams together
	BasicAuth  bool   // also without TLS
}

// TLS names the PEM files of the certificate that the servers show at their tls_listen addresses. Both empty: a
// self-signed one. Only Key empty: the key is in Certificate too.
type TLS struct {
	Certificate, Key string // absolute paths
}

// Default returns the configuration that an empty file stands for.
func Default() Config {
	camera := defaultCamera()
	return Config{
		Camera:   camera,
		Streams:  defaultStreams(camera),
		Snapshot: defaultSnapshot(camera),
		RTSP:     RTSP{Listen: Listen{Addr: ":8554"}, MaxReaders: 32},
		HTTP:     Listen{Addr: ":80"},
	}
}

// Parse reads one camera.yaml. Keys that are left out have their defaults; of those, the sizes and frame rates of
// outputs follow the camera section of the file. What is wrong with the contents is returned as [Errors], together with
// what could be read, for further checks: it has the defaults in the place of mistakes, and only those streams whose size,
// rates and quality no mistake leaves in doubt.
func Parse(r io.Reader) (Config, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFileSize+1))
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	if len(data) > maxFileSize {
		return unread(), Errors{{Problem: fmt.Sprintf("the file is larger than %d bytes, which no camera.yaml is", maxFileSize)}}
	}
	root, errs := parseDocument(data)
	if errs != nil {
		return unread(), errs
	}
	d := newDecoder()
	cfg := d.config(root)
	if errs := d.sortedErrors(); len(errs) > 0 {
		cfg.Streams = slices.DeleteFunc(cfg.Streams, d.inDoubt)
		return cfg, errs
	}
	return cfg, nil
}

// unread is what could be read of a file of which nothing could.
func unread() Config {
	cfg := Default()
	cfg.Streams = nil
	return cfg
}

// Load parses the file at path. Errors of the contents are an [Errors] behind a first line with the path, with what could
// be read as from [Parse].
func Load(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("load configuration: %w", err)
	}
	cfg, err := Parse(bytes.NewReader(data))
	if err != nil {
		return cfg, fmt.Errorf("configuration %s is not valid:\n%w", path, err)
	}
	return cfg, nil
}

// config decodes the sections in the order in which they depend on each other, whatever their order in the file.
func (d *decoder) config(root *node) Config {
	var camera, streams, snapshot *node
	cfg := Default()
	keep := func(to **node) reader {
		return func(_ string, n *node) { *to = n }
	}
	d.mapping("", root, table{
		"camera":   keep(&camera),
		"streams":  keep(&streams),
		"snapshot": keep(&snapshot),
		"users":    d.users(&cfg.Users),
		"rtsp":     d.rtsp(&cfg.RTSP),
		"http":     d.section(d.listen(&cfg.HTTP)),
		"tls":      d.tls(&cfg.TLS),
	})
	d.camera("camera", camera, &cfg.Camera)
	cfg.Streams = d.streams("streams", streams, cfg.Camera)
	cfg.Snapshot = defaultSnapshot(cfg.Camera)
	d.snapshot("snapshot", snapshot, &cfg.Snapshot)
	d.checkPorts(cfg)
	d.checkMulticast(cfg)
	return cfg
}
