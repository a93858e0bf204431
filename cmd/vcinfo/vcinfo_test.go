package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/recording"
	"github.com/camkrazy/camkrazy/internal/vcemu"
	"github.com/camkrazy/camkrazy/internal/vchiq"
)

const kernelLog = "6,1,0,-;raspberrypi-firmware soc:firmware: Attached to firmware from 2026-05-21T12:00:00, " +
	"variant start_x\n" +
	"6,2,0,-;raspberrypi-firmware soc:firmware: Firmware hash is 0123456789abcdef0123456789abcdef01234567\n"

// board is a machine with the given kernel log.
func board(t *testing.T, log string) machine {
	t.Helper()
	m := machine{root: t.TempDir(), board: "Raspberry Pi 3 Model B Rev 1.2"}
	for name, text := range map[string]string{
		"proc/sys/kernel/osrelease":    "6.12.47-v8\n",
		"dev/kmsg":                     log,
		"sys/kernel/debug/vchiq/state": "State 0\n  Services 1\n",
	} {
		file := filepath.Join(m.root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// between changes messages on their way; nil changes nothing.
type between struct {
	mmal.Transport
	sent, received func(msg []byte)
}

func (b *between) Send(msg, bulk []byte) error {
	msg = bytes.Clone(msg)
	if b.sent != nil {
		b.sent(msg)
	}
	return b.Transport.Send(msg, bulk)
}

func (b *between) Receive() (mmal.Delivery, error) {
	d, err := b.Transport.Receive()
	if err == nil && b.received != nil && d.Kind == mmal.DeliveryMessage {
		b.received(d.Data)
	}
	return d, err
}

// hide makes components unknown to the firmware.
func hide(names ...string) func(msg []byte) {
	return func(msg []byte) {
		var m mmal.CreateRequest
		h, err := mmal.DecodeHeader(msg)
		if err != nil || h.ID != mmal.ComponentCreate || mmal.Decode(msg, &m) != nil {
			return
		}
		for _, name := range names {
			if m.Name == name {
				m.Name = "ril.hidden"
				copy(msg, mmal.Append(nil, h, &m))
			}
		}
	}
}

// refuse makes the firmware answer all messages of a kind with a status, from the n-th on.
func refuse(id mmal.MessageID, n int, status mmal.Status) func(msg []byte) {
	return func(msg []byte) {
		if h, err := mmal.DecodeHeader(msg); err == nil && h.ID == id {
			if n--; n < 1 {
				binary.LittleEndian.PutUint32(msg[mmal.HeaderSize:], uint32(status))
			}
		}
	}
}

// twoCameras gives a second camera to a firmware that has one.
func twoCameras() *between {
	return &between{
		sent: func(msg []byte) {
			var m mmal.ParameterSetRequest
			if h, _ := mmal.DecodeHeader(msg); h.ID == mmal.PortParameterSet && mmal.Decode(msg, &m) == nil &&
				m.ID == mmal.ParamCameraNum {
				clear(m.Value) // the second is the first
			}
		},
		received: func(msg []byte) {
			var m mmal.ParameterGetReply
			h, _ := mmal.DecodeHeader(msg)
			if h.ID != mmal.PortParameterGet || mmal.Decode(msg, &m) != nil || m.ID != mmal.ParamCameraInfo {
				return
			}
			m.Value = mmal.AppendParameter(nil, &mmal.CameraInfo{Cameras: []mmal.Sensor{
				{Port: 2, MaxWidth: 3280, MaxHeight: 2464, Name: "imx219"},
				{Port: 3, MaxWidth: 2592, MaxHeight: 1944, Name: "ov5647", LensPresent: true},
			}})
			copy(msg, mmal.Append(nil, h, &m))
		},
	}
}

// look makes a report of an emulated firmware.
func look(t *testing.T, log string, cfg vcemu.Config, b *between, o options) *report {
	t.Helper()
	open, stop := openEmulation(t.Context(), emulated(t, cfg))
	defer stop()
	r := newReport(board(t, log), false)
	r.Program = "test"
	err := inspect(t.Context(), r, func(ctx context.Context) (mmal.Transport, string, error) {
		transport, driver, err := open(ctx)
		if b != nil {
			b.Transport, transport = transport, b
		}
		return transport, driver, err
	}, o)
	if err != nil {
		t.Error(err)
	}
	return r
}

func emulated(t *testing.T, cfg vcemu.Config) *vcemu.VideoCore {
	t.Helper()
	vc, err := vcemu.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return vc
}

// TestOutput compares both forms of the report with files.
func TestOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reports := map[string]*report{
			"two-cameras": look(t, kernelLog, vcemu.Config{}, twoCameras(), options{}),
			"no-camera":   look(t, kernelLog, vcemu.Config{NoCamera: true}, nil, options{}),
		}
		for name, r := range reports {
			for end, asJSON := range map[string]bool{".txt": false, ".json": true} {
				want, err := os.ReadFile(filepath.Join("testdata", name+end))
				if err != nil {
					t.Fatal(err)
				}
				var got bytes.Buffer
				if err := write(&got, r, asJSON); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got.String()); diff != "" {
					t.Errorf("%s (-file +printed):\n%s", name+end, diff)
				}
			}
		}
	})
}

// TestFindings holds what is said of each thing that can be wrong with the firmware or the camera.
func TestFindings(t *testing.T) {
	const plain = "attached to nothing"
	tests := []struct {
		name string
		log  string
		cfg  vcemu.Config
		b    *between
		want []string // parts of the findings, in order
	}{
		{"all well", kernelLog, vcemu.Config{}, nil, nil},
		{"ov5647", plain, vcemu.Config{Sensor: "ov5647"}, nil, nil},
		{"old firmware", plain, vcemu.Config{Quirks: vcemu.Quirks{CameraInfoV1: true, NoAnnotateV4: true}}, nil, nil},
		{"header on open", plain, vcemu.Config{Quirks: vcemu.Quirks{HeaderOnOpen: true, ShortPayloads: true}}, nil, nil},
		{"only one scaler", plain, vcemu.Config{Quirks: vcemu.Quirks{NoISP: true}}, nil, nil},
		{"wrong file", strings.Replace(kernelLog, "start_x", "start", 1), vcemu.Config{}, nil,
			[]string{"firmware start booted. It means: it has no camera support. Do: set start_x=1"}},
		{"no camera", plain, vcemu.Config{NoCamera: true}, nil,
			[]string{"the firmware lists no camera, and ril.camera was refused: create component ril.camera: " +
				"firmware answered ENOMEM. It means: no sensor answered when the board booted: the cable"}},
		{"no camera at enable", plain, vcemu.Config{NoCamera: true, Quirks: vcemu.Quirks{NoCameraAtEnable: true}}, nil,
			[]string{"the firmware lists no camera. It means: no sensor answered when the board booted: the cable"}},
		{"no camera, none listed", plain, vcemu.Config{NoCamera: true, Quirks: vcemu.Quirks{CameraInfoV1: true}}, nil,
			[]string{"camera 0 cannot be opened: create component ril.camera: firmware answered ENOMEM. It means: the GPU has " +
				"too little memory for the camera, or firmware without start_x"}},
		{"no camera component", plain, vcemu.Config{}, &between{sent: hide("ril.camera")},
			[]string{"ENOENT. It means: the firmware that booted has no camera in it: firmware without start_x"}},
		{"camera in use", plain, vcemu.Config{}, &between{received: refuse(mmal.ComponentEnable, 1, mmal.ENoSpc)},
			[]string{"camera 0 cannot be started: enable component ril.camera: firmware answered ENOSPC. It means: another " +
				"program uses the camera, or the sensor does not answer. Do: stop camkrazy on gokrazy's page"}},
		{"camera with a new disease", plain, vcemu.Config{}, &between{received: refuse(mmal.ComponentEnable, 1, mmal.EFault)},
			[]string{"EFAULT. It means: nobody has seen this before. Do: send a recording"}},
		{"no encoder", plain, vcemu.Config{}, &between{sent: hide("ril.video_encode")},
			[]string{"create component ril.video_encode: firmware answered ENOENT. It means: the firmware lacks a component"}},
		{"no scaler", plain, vcemu.Config{}, &between{sent: hide("ril.isp", "ril.resize")},
			[]string{"ril.isp: firmware answered ENOENT. It means: the firmware has no scaler"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := look(t, tt.log, tt.cfg, tt.b, options{})
				var got []string
				for line := range strings.Lines(r.text()) {
					if strings.HasPrefix(line, "WRONG") {
						got = append(got, line)
					}
				}
				if len(got) != len(tt.want) {
					t.Fatalf("got %d findings, want %d:\n%s", len(got), len(tt.want), strings.Join(got, ""))
				}
				for i := range got {
					if !strings.Contains(got[i], tt.want[i]) {
						t.Errorf("got %s\nwant %s", got[i], tt.want[i])
					}
				}
			})
		})
	}
}

// TestFacts holds that the answers are the firmware's.
func TestFacts(t *testing.T) {
	tests := []struct {
		quirks vcemu.Quirks
		want   string
	}{
		{vcemu.Quirks{}, "SPS and PPS before any picture: no, nothing in 300ms"},
		{vcemu.Quirks{HeaderOnOpen: true}, "SPS and PPS before any picture: yes: "},
		{vcemu.Quirks{CameraInfoV1: true}, "CAMERA_INFO V2): no: "},
		{vcemu.Quirks{RoundAlign: true}, "picture of 650x490 at ril.video_encode:in0: accepted as 672x496"},
		{vcemu.Quirks{RefuseOpaqueToARM: true}, "frames for a slow stream: refused, EINVAL"},
		{vcemu.Quirks{ImageEncodeConverts: true}, "from ril.video_splitter:out0 to ril.image_encode:in0: accepted"},
		{vcemu.Quirks{NoLiveBitRate: true}, "VIDEO_BIT_RATE while the encoder runs: refused, EINVAL"},
		{vcemu.Quirks{NoAnnotateV4: true}, "ANNOTATE in its newest form (V4): refused"},
		{vcemu.Quirks{NoSidewaysVideo: true}, "ROTATION of 90 degrees at the video port: refused, EINVAL"},
		{vcemu.Quirks{EmptyEncodingList: true}, "splitter's output, one of them: answered with too little"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			if text := look(t, "", vcemu.Config{Quirks: tt.quirks}, nil, options{}).text(); !strings.Contains(text, tt.want) {
				t.Errorf("with %+v want %q in\n%s", tt.quirks, tt.want, text)
			}
		})
	}
}

// TestLostFirmware has the firmware fall silent, go away or talk nonsense in the middle.
func TestLostFirmware(t *testing.T) {
	tests := []struct {
		name string
		fall func(msg []byte)
		want string
	}{
		{"silent", func(msg []byte) { binary.LittleEndian.PutUint32(msg[12:], 0xffffffff) }, // nobody waits for that
			"firmware did not answer in time. It means: the firmware has stopped to answer"},
		{"nonsense", func(msg []byte) { clear(msg) }, "It means: the firmware answers what this program does not understand"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				count := 30
				r := look(t, "", vcemu.Config{}, &between{received: func(msg []byte) {
					if count--; count < 0 {
						tt.fall(msg)
					}
				}}, options{})
				if text := r.text(); !strings.Contains(text, tt.want) || len(r.Findings) != 1 {
					t.Errorf("want one finding with %q:\n%s", tt.want, text)
				}
			})
		})
	}
	if f := explainLost(fmt.Errorf("receive: %w", mmal.ErrClosed)); f.Means != "the firmware ended the service" {
		t.Errorf("closed: got %+v", f)
	}
	if f := explainLost(context.Canceled); f.Do != "run it again" {
		t.Errorf("stopped: got %+v", f)
	}
}

// TestOpenFailures holds what is said when the service cannot be opened, and that the recording tells it too.
func TestOpenFailures(t *testing.T) {
	kernel := func(request string, errno syscall.Errno) error {
		return &vchiq.Error{Op: "open the driver", Request: request, Errno: errno}
	}
	const node = "open /dev/vchiq"
	tests := []struct {
		err  error
		want string
	}{
		{kernel(node, syscall.ENOENT), "there is no /dev/vchiq: wrong kernel"},
		{kernel(node, syscall.ENXIO), "there is no /dev/vchiq: wrong kernel"},
		{kernel(node, syscall.EACCES), "this user may not use the GPU. Do: run vcinfo as root"},
		{kernel(node, syscall.ENOTCONN), "the kernel is not connected to the GPU: firmware without start_x"},
		{kernel("CREATE_SERVICE", syscall.EIO), "no MMAL service: firmware without start_x"},
		{kernel("CONNECT", syscall.EIO), "nobody has seen this before. Do: send a recording"},
		{fmt.Errorf("get version: %w", vchiq.ErrVersion), "kernel and program speak different versions"},
		{fmt.Errorf("connect: %w", vchiq.ErrStuck), "the GPU does not answer the kernel"},
		{fs.ErrNotExist, "wrong kernel"},
	}
	for _, tt := range tests {
		r := newReport(board(t, kernelLog), false)
		file := filepath.Join(t.TempDir(), "recording.txt")
		open := func(context.Context) (mmal.Transport, string, error) { return nil, "", tt.err }
		if err := inspect(t.Context(), r, open, options{record: file}); err != nil {
			t.Error(err)
		}
		if text := r.text(); len(r.Findings) != 1 || !strings.Contains(text, tt.want) {
			t.Errorf("%v: want %q:\n%s", tt.err, tt.want, text)
		}
		rec := parseFile(t, file)
		if len(rec.Blocks) != 1 || rec.Blocks[0].Text != tt.err.Error() || len(rec.Notes) != 5 {
			t.Errorf("recorded %+v", rec)
		}
	}
}

func parseFile(t *testing.T, name string) *recording.Recording {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rec, err := recording.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// TestReplay makes the same report from a recording as from the firmware.
func TestReplay(t *testing.T) {
	for name, cfg := range map[string]vcemu.Config{
		"imx477": {Sensor: "imx477", Quirks: vcemu.Quirks{HeaderOnOpen: true}}, "no camera": {NoCamera: true},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "recording.txt")
			var want *report
			synctest.Test(t, func(t *testing.T) { want = look(t, kernelLog, cfg, nil, options{record: file, allBytes: true}) })
			rec := parseFile(t, file)
			synctest.Test(t, func(t *testing.T) {
				player := recording.NewPlayer(rec)
				got := newReport(board(t, kernelLog), false)
				got.Program = "test"
				open := func(context.Context) (mmal.Transport, string, error) { return player, want.Driver, nil }
				if err := errors.Join(inspect(t.Context(), got, open, options{}), player.Finish()); err != nil {
					t.Error(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("report (-from the firmware +from the recording):\n%s", diff)
				}
			})
		})
	}
}

func TestMachine(t *testing.T) {
	const hash = "0123456789abcdef0123456789abcdef01234567"
	tests := []struct {
		log  string
		want firmware
	}{
		{kernelLog, firmware{"2026-05-21T12:00:00", "start_x", hash}},
		{"Attached to firmware from 2023-03-17T10:50:39\n", firmware{"2023-03-17T10:50:39", unknown, ""}},
		{"Attached to nothing", firmware{unknown, unknown, ""}},
	}
	for _, tt := range tests {
		if got := board(t, tt.log).firmware(); got != tt.want {
			t.Errorf("%q: got %+v, want %+v", tt.log, got, tt.want)
		}
	}
	bare := machine{root: t.TempDir()}
	if bare.kernel() != unknown || bare.driverState() != nil || bare.firmware().Build != unknown {
		t.Error("a bare machine tells something")
	}
	if r := newReport(bare, false); !strings.Contains(r.text(), "not a Raspberry Pi") {
		t.Errorf("got\n%s", r.text())
	}
}

func TestRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "recording.txt")
	tests := []struct {
		args           string
		code           int
		stdout, stderr string
	}{
		{"--emulate", 0, "GOOD       a camera answers", ""},
		{"--emulate --json", 0, `"sensor": "imx219"`, ""},
		{"--emulate --all-bytes --record " + file, 0, "GOOD", ""},
		{"--emulate --record /dev/null/file", 1, "GOOD       a camera answers", "vcinfo: record: "},
		{"--all-bytes", 1, "", "add --record"},
		{"--help", 0, "-record FILE", ""},
		{"more", 1, "", `unexpected argument "more"`},
		{"--unknown", 1, "", "-unknown"},
	}
	for _, tt := range tests {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), strings.Fields(tt.args), &stdout, &stderr); code != tt.code {
			t.Errorf("%s: got code %d, want %d", tt.args, code, tt.code)
		}
		if !strings.Contains(stdout.String(), tt.stdout) || !strings.Contains(stderr.String(), tt.stderr) {
			t.Errorf("%s: printed %q and %q, want %q and %q", tt.args, &stdout, &stderr, tt.stdout, tt.stderr)
		}
	}
	if rec := parseFile(t, file); len(rec.Blocks) < 100 {
		t.Errorf("recorded %d blocks", len(rec.Blocks))
	}
}

// TestNoDriver is a run on a machine without /dev/vchiq.
func TestNoDriver(t *testing.T) {
	if _, err := os.Stat(vchiq.Path); err == nil {
		t.Skip("this machine has a VCHIQ driver")
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), nil, &stdout, &stderr); code != 1 || !strings.Contains(stdout.String(), "wrong kernel") {
		t.Errorf("got code %d and\n%s%s", code, &stdout, &stderr)
	}
}
