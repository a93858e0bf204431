package rtspd

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// link is a network of two hosts, each a network namespace, and a wire between them that this process carries packet by
// packet. So it can lose and delay them on every Linux machine, with a kernel that has netem or not.
type link struct {
	camera, recorder namespace
	tun              [2]*os.File

	mu    sync.Mutex
	loss  float64       // share of the packets
	delay time.Duration // one way
	cut   bool
	dice  *rand.Rand
}

const (
	cameraAddress   = "10.77.0.1"
	recorderAddress = "10.77.0.2"
)

// namespace is the name of a network namespace.
type namespace string

// do runs f on a thread that is in the namespace: the sockets that f opens stay in it.
func (n namespace) do(t testing.TB, f func() error) error {
	t.Helper()
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good, so that the thread ends with this goroutine
		file, err := os.Open("/run/netns/" + string(n))
		if err == nil {
			defer file.Close()
			err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			err = f()
		}
		ended <- err
	}()
	return <-ended
}

func ip(t *testing.T, words string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(words)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s", words, err, out)
	}
}

// needNamespaces skips where there cannot be any.
func needNamespaces(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces are for root only")
	}
	for _, file := range []string{"/dev/net/tun", "/proc/self/ns/net"} {
		if _, err := os.Stat(file); err != nil {
			t.Skipf("no network namespaces here: %v", err)
		}
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("no ip in PATH (package iproute2)")
	}
}

func newLink(t *testing.T) *link {
	t.Helper()
	needNamespaces(t)
	l := &link{dice: rand.New(rand.NewPCG(1, 2))}
	for i, host := range []struct {
		name    string
		to      *namespace
		address string
	}{{"camera", &l.camera, cameraAddress}, {"recorder", &l.recorder, recorderAddress}} {
		*host.to = namespace(fmt.Sprintf("rtspd-%d-%s-%s", os.Getpid(), strings.ReplaceAll(t.Name(), "/", "-"), host.name))
		ip(t, "netns add "+string(*host.to))
		t.Cleanup(func() { exec.Command("ip", "netns", "del", string(*host.to)).Run() })
		if err := host.to.do(t, func() (err error) { l.tun[i], err = openTun(); return err }); err != nil {
			t.Fatal(err)
		}
		in := "-n " + string(*host.to)
		ip(t, in+" link set lo up")
		ip(t, in+" addr add "+host.address+"/24 dev wire")
		ip(t, in+" link set wire txqueuelen 10000 up")
	}
	var carriers sync.WaitGroup
	for i := range l.tun {
		carriers.Go(func() { l.carry(l.tun[i], l.tun[1-i]) })
	}
	t.Cleanup(func() {
		l.tun[0].Close()
		l.tun[1].Close()
		carriers.Wait()
	})
	return l
}

// openTun makes this thread's namespace an interface "wire", and returns its other end.
func openTun() (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open tun: %w", err)
	}
	request, err := unix.NewIfreq("wire")
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("make tun: %w", err)
	}
	return os.NewFile(uintptr(fd), "tun"), nil
}

// carry takes packets from one end to the other until the ends are closed. All are delayed alike, so they keep their order.
func (l *link) carry(from, to *os.File) {
	type late struct {
		due    time.Time
		packet []byte
	}
	queue := make(chan late, 10_000)
	var sender sync.WaitGroup
	sender.Go(func() {
		for p := range queue {
			time.Sleep(time.Until(p.due)) // this is the wire's length
			if l.takes() {
				to.Write(p.packet)
			}
		}
	})
	defer sender.Wait()
	defer close(queue)
	buf := make([]byte, 2000)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		l.mu.Lock()
		due := time.Now().Add(l.delay)
		l.mu.Unlock()
		select {
		case queue <- late{due, append([]byte(nil), buf[:n]...)}:
		default: // the wire is full
		}
	}
}

func (l *link) takes() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.cut && l.dice.Float64() >= l.loss
}

func (l *link) set(change func(*link)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}
