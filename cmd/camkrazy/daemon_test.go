package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/camkrazy/camkrazy/internal/webd"
)

// commandTimeout bounds any run of a judge.
const commandTimeout = 90 * time.Second

// asDaemon makes the test binary be the daemon.
const asDaemon = "CAMKRAZY_TEST_AS_DAEMON"

func TestMain(m *testing.M) {
	if os.Getenv(asDaemon) != "" {
		main()
	}
	os.Exit(m.Run())
}

// daemonCommand is the daemon with the given arguments, in a process of its own.
func daemonCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asDaemon+"=1")
	return cmd
}

// daemon is a running camkrazy.
type daemon struct {
	t    *testing.T
	args []string
	cmd  *exec.Cmd
	rtsp string // rtsp://host:port
	tls  string // rtsps://host:port
	web  string // http://host:port
	log  *syncBuffer
	done chan error

	user, password string // with which it is asked over HTTP, if there are any
}

// syncBuffer is what a process writes while a test reads it.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// startDaemon starts the emulated camera with the given configuration, on free ports of this machine, and waits until
// it is healthy.
func startDaemon(t *testing.T, config string, args ...string) *daemon {
	t.Helper()
	file := filepath.Join(t.TempDir(), "camera.yaml")
	free := freeAddresses(t, 3)
	config += fmt.Sprintf("\nrtsp: {listen: \"%s\", tls_listen: \"%s\"}\nhttp: {listen: \"%s\"}\n", free[0], free[1], free[2])
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &daemon{t: t, log: &syncBuffer{}}
	d.args = append([]string{"--emulate", "--config", file, "--ram", filepath.Join(filepath.Dir(file), "ram")}, args...)
	t.Cleanup(func() {
		if d.cmd == nil {
			return
		}
		d.stop()
		if t.Failed() {
			t.Logf("the daemon said:\n%s", d.log)
		}
	})
	d.start()
	return d
}

// start starts the daemon, which does not run, and waits until it is healthy.
func (d *daemon) start() {
	d.t.Helper()
	d.rtsp, d.web, d.done = "", "", make(chan error, 1)
	d.cmd = daemonCommand(context.Background(), d.args...)
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	d.cmd.Stderr = d.log
	if err := d.cmd.Start(); err != nil {
		d.cmd = nil
		d.t.Fatal(err)
	}
	d.readURLs(stdout)
	go func() { d.done <- d.cmd.Wait() }()
	d.waitFor("health", func() bool { return d.get("/healthz", nil) == http.StatusOK })
}

// freeAddresses are n that nobody listens on at the moment. Their ports are below those that the kernel gives to whoever
// wants any (ip(7), ip_local_port_range), as other tests do, so that none is taken before the daemon takes it.
func freeAddresses(t *testing.T, n int) []string {
	t.Helper()
	const first, end, tries = 10_000, 32_768, 100
	var addresses []string
	for try := 0; len(addresses) < n; try++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(end-first)))
		if err == nil {
			defer l.Close() // all at once, so that none is chosen twice
			addresses = append(addresses, l.Addr().String())
		} else if try >= tries {
			t.Fatal(err)
		}
	}
	return addresses
}

func freeAddress(t *testing.T) string {
	t.Helper()
	return freeAddresses(t, 1)[0]
}

// readURLs learns from what the daemon prints where it listens.
func (d *daemon) readURLs(stdout io.Reader) {
	d.t.Helper()
	url := regexp.MustCompile(`(rtsps?|http)://[0-9.:]+`)
	lines := bufio.NewScanner(stdout)
	for d.web == "" && lines.Scan() {
		switch found := url.FindString(lines.Text()); {
		case strings.HasPrefix(found, "rtsps"):
			d.tls = found
		case strings.HasPrefix(found, "rtsp"):
			d.rtsp = found
		case strings.HasPrefix(found, "http"):
			d.web = found
		}
	}
	if d.rtsp == "" || d.web == "" {
		d.cmd.Process.Kill()
		d.cmd.Wait()
		d.t.Fatalf("the daemon printed no URLs; it said:\n%s", d.log)
	}
}

// waitFor waits until a condition holds.
func (d *daemon) waitFor(what string, holds func() bool) {
	d.t.Helper()
	deadline := time.After(30 * time.Second)
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for !holds() {
		select {
		case <-poll.C:
		case err := <-d.done:
			d.done <- err
			d.t.Fatalf("the daemon ended (%v) while the test waited for %s", err, what)
		case <-deadline:
			d.t.Fatalf("waited too long for %s", what)
		}
	}
}

// get asks the web server, stores the body in body if that is not nil, and returns the status code; 0 for no answer.
func (d *daemon) get(path string, body *[]byte) int {
	client := http.Client{Timeout: 10 * time.Second}
	r, err := http.NewRequest(http.MethodGet, d.web+path, nil)
	if err != nil {
		return 0
	}
	if d.user != "" {
		r.SetBasicAuth(d.user, d.password)
	}
	rsp, err := client.Do(r)
	if err != nil {
		return 0
	}
	defer rsp.Body.Close()
	data, err := io.ReadAll(rsp.Body)
	if err != nil {
		return 0
	}
	if body != nil {
		*body = data
	}
	return rsp.StatusCode
}

func (d *daemon) status() webd.Status {
	d.t.Helper()
	var body []byte
	var st webd.Status
	if code := d.get("/status.json", &body); code != http.StatusOK {
		d.t.Fatalf("/status.json: got %d", code)
	}
	if err := json.Unmarshal(body, &st); err != nil {
		d.t.Fatal(err)
	}
	return st
}

// stop ends the daemon as an init system would, and returns how long that took and how it ended.
func (d *daemon) stop() (time.Duration, error) {
	began := time.Now()
	d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-d.done:
		d.done <- err
		return time.Since(began), err
	case <-time.After(20 * time.Second):
		d.cmd.Process.Kill()
		return time.Since(began), fmt.Errorf("did not end after SIGTERM: %w", <-d.done)
	}
}

// judge finds a program that judges what the daemon does; a test that lacks its judge is skipped.
func judge(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: run tools/testdeps", name)
	}
	return path
}

// output runs a judge and returns what it printed on stdout. Printing anything on stderr is failing if strict.
func output(t *testing.T, strict bool, name string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, judge(t, name), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || strict && stderr.Len() > 0 {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return out
}
