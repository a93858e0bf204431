package systest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/camkrazy/camkrazy/tools/systest/qemu"
)

const (
	// root is the repository, from this folder.
	root = "../.."
	// buildTimeout bounds the first build, which downloads the kernel.
	buildTimeout = 15 * time.Minute
)

// feed is one of the streams.
type feed struct {
	name          string
	width, height int
	step          int // sensor frames from one picture to the next
}

// feeds are those of camera.yaml below.
var feeds = [2]feed{{"hqstream", 640, 480, 1}, {"lqstream", 320, 240, 2}}

// cameraRate is the sensor's frames in a second.
const cameraRate = 10

// cameraYAML gives the emulated GPU pictures that an emulated CPU can draw and encode in time.
const cameraYAML = `camera: {resolution: 640x480, framerate: 10}
streams:
  hqstream: {resolution: 640x480, framerate: 10, bitrate: 1000000, keyframe_interval: 1s}
  lqstream: {resolution: 320x240, framerate: 5, bitrate: 300000, keyframe_interval: 1s}
snapshot: {resolution: 320x240, interval: 2s}
users: [{name: viewer, password: %s}]
`

// product is the built image and what its owner knows.
type product struct {
	image    qemu.Disk
	tool     string   // the built tools/image
	root     string   // the repository that it was built from
	secrets  string   // folder
	temp     string   // folder for what a killed tool leaves behind
	flags    []string // further ones of the tool
	password string   // gokrazy's
	viewer   *url.Userinfo
}

// build makes the image with --emulate, with secrets of its own.
func build(t *testing.T) product {
	t.Helper()
	dir := t.TempDir()
	watch := rand.Text()
	p := product{
		image: qemu.Disk(filepath.Join(dir, "camkrazy.img")), tool: filepath.Join(dir, "image"), root: abs(t, root),
		secrets: filepath.Join(dir, "secrets"), temp: t.TempDir(), flags: []string{"-emulate"}, password: rand.Text(), viewer: url.UserPassword("viewer", watch),
	}
	if err := os.Mkdir(p.secrets, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"camera.yaml":          fmt.Sprintf(cameraYAML, watch),
		"gokrazy-password.txt": p.password,
	} {
		if err := os.WriteFile(filepath.Join(p.secrets, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.make(t)
	return p
}

// make builds the image, and the tool that does it.
func (p product) make(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), buildTimeout)
	defer cancel()
	began := time.Now()
	for _, cmd := range []*exec.Cmd{
		exec.CommandContext(ctx, "go", "build", "-o", p.tool, "./tools/image"),
		p.command(ctx, "-out", string(p.image)),
	} {
		cmd.Dir = p.root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
		}
	}
	t.Logf("built the image in %.0f s", time.Since(began).Seconds())
}

// command is tools/image at work on this product. Ending ctx ends it with all that it has started.
func (p product) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.tool, slices.Concat([]string{"-root", p.root, "-secrets", p.secrets}, p.flags, args)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+p.temp)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

func abs(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
