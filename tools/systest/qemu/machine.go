package qemu

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stockEmulator is Debian's package qemu-system-arm.
const stockEmulator = "qemu-system-aarch64"

// Config describes a board.
type Config struct {
	Disk    Disk      // the card; the guest writes to it
	Console io.Writer // gets what the serial port says, over all boots
	Ports   []int     // TCP ports of the guest that are to be reached from this machine

	// WriteRate is how many bytes the card takes in a second; 0: as many as this machine's disk.
	WriteRate int64

	// Memory is the board's, in bytes, whole MiB; 0 is MemorySize.
	Memory int64

	// VideoCore is the board's GPU; nil if it has none, as stock QEMU's has.
	VideoCore *VideoCore
}

// MemorySize is the usual board's memory, in bytes.
const MemorySize = 1 << 30

// VideoCore is a GPU outside QEMU, as tools/qemu-videocore makes one. It must be there whenever the board starts, which
// each reset of the guest's is as well.
type VideoCore struct {
	Emulator string   // path of a QEMU that has the device
	Args     []string // QEMU's, which connect the GPU; with them comes the guest's memory
}

// Machine is a board. It starts switched off.
type Machine struct {
	cfg     Config
	dir     string // for the files that QEMU wants
	console *console
	ports   map[int]int // of this machine, by the guest's

	mu      sync.Mutex
	boots   int
	running *run // nil when switched off
	err     error
}

// run is the time between switching the power on and off.
type run struct {
	cancel context.CancelFunc
	ended  chan struct{} // closed when QEMU is gone
	began  time.Time
	pid    int // of the present QEMU
}

// New makes a board that is switched off.
func New(cfg Config) (*Machine, error) {
	m := &Machine{cfg: cfg, console: newConsole(cfg.Console), ports: make(map[int]int)}
	// A socket's path has room for 107 bytes, which a test's own folder can exceed.
	dir, err := os.MkdirTemp("", "qemu")
	if err != nil {
		return nil, err
	}
	m.dir = dir
	for _, guest := range cfg.Ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, errors.Join(fmt.Errorf("find a free port: %w", err), os.RemoveAll(dir))
		}
		defer l.Close() // all at once, so that none is chosen twice
		m.ports[guest] = l.Addr().(*net.TCPAddr).Port
	}
	return m, nil
}

// Close cuts the power and removes the machine's files.
func (m *Machine) Close() error {
	m.PowerCut()
	return os.RemoveAll(m.dir)
}

// Addr is where this machine reaches one of the guest's ports.
func (m *Machine) Addr(guest int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(m.ports[guest]))
}

// PowerOn starts the machine. It starts anew whenever the guest resets, until the power is cut.
func (m *Machine) PowerOn() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running != nil {
		return errors.New("power on: it is on")
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &run{cancel: cancel, ended: make(chan struct{}), began: time.Now()}
	m.running, m.err = r, nil
	go func() {
		defer close(r.ended)
		err := m.boot(ctx, r)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.err = err
	}()
	return nil
}

// PowerCut ends QEMU as a failing power supply would: what the guest had not written to its card is lost.
func (m *Machine) PowerCut() {
	m.mu.Lock()
	r := m.running
	m.running = nil
	m.mu.Unlock()
	if r == nil {
		return
	}
	r.cancel()
	<-r.ended
}

// boot starts the machine as often as its guest resets it, until ctx is done.
func (m *Machine) boot(ctx context.Context, r *run) error {
	for ctx.Err() == nil {
		b, err := m.cfg.Disk.ReadBoot(m.dir)
		if err != nil {
			return fmt.Errorf("the firmware finds nothing to boot: %w", err)
		}
		m.mu.Lock()
		m.boots++
		n := m.boots
		m.mu.Unlock()
		m.console.began(n)
		if err := m.runOnce(ctx, r, b); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// runOnce runs QEMU until the guest resets or ctx is done.
func (m *Machine) runOnce(ctx context.Context, r *run, b Boot) error {
	cmd := exec.CommandContext(ctx, m.emulator(), m.args(b)...)
	// QEMU is not to outlive a test that was killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	serial, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start QEMU: %w: run tools/systest/deps", err)
	}
	m.mu.Lock()
	r.began, r.pid = time.Now(), cmd.Process.Pid
	m.mu.Unlock()
	m.console.read(serial)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("run QEMU: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return nil
}

// emulator is the QEMU that has all that the board has.
func (m *Machine) emulator() string {
	if m.cfg.VideoCore != nil {
		return m.cfg.VideoCore.Emulator
	}
	return stockEmulator
}

// args are QEMU's. It ends when the guest resets, so that the next start reads the boot partition again.
func (m *Machine) args(b Boot) []string {
	network := []string{"user", "id=net0"}
	for _, guest := range m.cfg.Ports {
		network = append(network, fmt.Sprintf("hostfwd=tcp:%s-:%d", m.Addr(guest), guest))
	}
	card := "if=none,id=card,format=raw,file=" + strings.ReplaceAll(string(m.cfg.Disk), ",", ",,")
	if m.cfg.WriteRate > 0 {
		card += fmt.Sprintf(",throttling.bps-write=%d", m.cfg.WriteRate)
	}
	args := []string{
		"-M", "virt,highmem=off", "-cpu", "cortex-a72", "-smp", "2", "-m", strconv.FormatInt(cmp.Or(m.cfg.Memory, MemorySize)>>20, 10),
		"-kernel", b.Kernel, "-append", b.Cmdline,
		"-drive", card, "-device", "virtio-blk-pci,drive=card",
		"-netdev", strings.Join(network, ","), "-device", "virtio-net-pci,netdev=net0,romfile=",
		"-device", "i6300esb", "-watchdog-action", "reset",
		"-display", "none", "-serial", "stdio", "-no-reboot",
		"-monitor", "unix:" + m.monitorSocket() + ",server=on,wait=off",
	}
	if m.cfg.VideoCore != nil {
		args = append(args, m.cfg.VideoCore.Args...)
	}
	return args
}

func (m *Machine) monitorSocket() string { return filepath.Join(m.dir, "monitor") }

// Boots counts how often the machine has started.
func (m *Machine) Boots() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.boots
}

// Err is why the machine does not run although it is switched on; nil if it does.
func (m *Machine) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// Uptime is what the guest kernel's clock showed at a time of this machine. It is no less than that: until the kernel
// has said what time it has, the clock is taken to have begun when QEMU was started.
func (m *Machine) Uptime(at time.Time) time.Duration {
	m.mu.Lock()
	r := m.running
	m.mu.Unlock()
	if r == nil {
		return 0
	}
	m.console.mu.Lock()
	zero := m.console.zero
	m.console.mu.Unlock()
	if zero.IsZero() {
		m.mu.Lock()
		zero = r.began
		m.mu.Unlock()
	}
	return at.Sub(zero)
}

// WaitConsole waits until a line of the present boot, or of a later one, contains the marker, and returns that line.
func (m *Machine) WaitConsole(ctx context.Context, marker string) (string, error) {
	start := m.present()
	for {
		lines, more := m.console.next(start)
		for _, line := range lines {
			if strings.Contains(line, marker) {
				return line, nil
			}
		}
		start += len(lines)
		select {
		case <-more:
		case <-ctx.Done():
			return "", fmt.Errorf("wait for %q on the console: %w", marker, context.Cause(ctx))
		}
	}
}

// present is the index of the present boot's first line.
func (m *Machine) present() int {
	lines, _ := m.console.next(0)
	for i, line := range slices.Backward(lines) {
		if strings.HasPrefix(line, "--- boot ") {
			return i
		}
	}
	return 0
}

// Tail returns the last lines that came from the serial port.
func (m *Machine) Tail(n int) string {
	lines, _ := m.console.next(0)
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// CPUTime is how much of this machine's CPUs the present QEMU has used, over all its threads; 0 if it is not running.
func (m *Machine) CPUTime() time.Duration {
	m.mu.Lock()
	r := m.running
	pid := 0
	if r != nil {
		pid = r.pid
	}
	m.mu.Unlock()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// proc(5): utime and stime are fields 14 and 15 in ticks of 10 ms; field 2 may have spaces and ends with a bracket.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}
