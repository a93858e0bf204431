package host

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	// registers is where the guest finds the device.
	registers = 0x0b000840
	// pending is the interrupt controller's register (GICD_ISPENDR) that has the device's two.
	pending            = 0x08000200 + (32+240)/32*4
	bellLine, mailLine = 1 << 16, 1 << 17

	regMailConfig     register = 0x5c
	unusedRegister    register = 0xfc
	mailEmpty         uint32   = 1 << 30
	wantMailInterrupt uint32   = 1
	anyMessage        uint32   = 0x12345678
)

// guest is the processor of a QEMU without a guest. It is told what to do in qtest's protocol: a line for each access.
type guest struct {
	t       *testing.T
	conn    net.Conn
	answers *bufio.Reader
}

func (g *guest) do(format string, args ...any) string {
	g.t.Helper()
	command := fmt.Sprintf(format, args...)
	if _, err := fmt.Fprintln(g.conn, command); err != nil {
		g.t.Fatal(err)
	}
	line, err := g.answers.ReadString('\n')
	answer, ok := strings.CutPrefix(strings.TrimSpace(line), "OK")
	if err != nil || !ok {
		g.t.Fatalf("%s: got %q (%v)", command, line, err)
	}
	return answer
}

func (g *guest) load(addr uint32) uint32 {
	g.t.Helper()
	answer := g.do("readl %#x", addr)
	v, err := strconv.ParseUint(strings.TrimSpace(answer), 0, 32)
	if err != nil {
		g.t.Fatalf("read %#x: %v", addr, err)
	}
	return uint32(v)
}

func (g *guest) wantRegister(r register, want uint32) {
	g.t.Helper()
	if got := g.load(registers + uint32(r)); got != want {
		g.t.Errorf("register %#x reads as %#x, want %#x", uint32(r), got, want)
	}
}

func (g *guest) wantInterrupts(want uint32) {
	g.t.Helper()
	if got := g.load(pending) & (bellLine | mailLine); got != want {
		g.t.Errorf("interrupts %#x, want %#x", got, want)
	}
}

// await reads a word that has no effect until it is what it should become.
func (g *guest) await(addr, mask, want uint32) {
	g.t.Helper()
	for end := time.Now().Add(testTimeout); ; {
		got := g.load(addr) & mask
		if got == want {
			return
		}
		if time.Now().After(end) {
			g.t.Fatalf("%#x stays %#x, want %#x", addr, got, want)
		}
	}
}

func (g *guest) store(r register, v uint32) {
	g.t.Helper()
	g.do("writel %#x %#x", registers+uint32(r), v)
}

// newListener is a socket that QEMU shall connect to.
func newListener(t *testing.T, name string) *net.UnixListener {
	t.Helper()
	dir, err := os.MkdirTemp("", "device") // a test's own folder can be too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, name)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); os.RemoveAll(dir) })
	if err := l.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return l
}

func accept(t *testing.T, l *net.UnixListener) net.Conn {
	t.Helper()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// machineArgs are QEMU's, for a machine with nothing but the device.
func machineArgs(chardev *net.UnixListener) []string {
	return []string{
		"-machine", "virt", "-cpu", "cortex-a72", "-nodefaults", "-display", "none",
		"-chardev", "socket,id=vc,path=" + chardev.Addr().String(), "-device", "camkrazy-videocore,chardev=vc",
	}
}

// TestDevice builds QEMU, or finds it built, and plays both sides of its device: the guest and the VideoCore.
func TestDevice(t *testing.T) {
	if os.Getenv("CAMKRAZY_SYSTEST") == "" {
		t.Skip("builds QEMU for minutes: set CAMKRAZY_SYSTEST=1")
	}
	build := exec.CommandContext(t.Context(), "../build")
	build.Stderr = os.Stderr
	out, err := build.Output()
	if err != nil {
		t.Fatalf("build QEMU: %v", err)
	}
	emulator := strings.TrimSpace(string(out))
	t.Run("registers", func(t *testing.T) { testRegisters(t, emulator) })
	t.Run("device tree", func(t *testing.T) { testDeviceTree(t, emulator) })
	t.Run("no chardev", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), emulator, "-machine", "virt", "-nodefaults", "-device", "camkrazy-videocore")
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "needs a chardev") {
			t.Errorf("got %q (%v)", out, err)
		}
	})
}

func testRegisters(t *testing.T, emulator string) {
	chardev, qtest := newListener(t, "vc"), newListener(t, "qtest")
	args := append(machineArgs(chardev), "-accel", "qtest", "-qtest", "unix:"+qtest.Addr().String(), "-monitor", "stdio")
	cmd := exec.CommandContext(t.Context(), emulator, args...)
	monitor, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	d := &device{t: t, conn: accept(t, chardev)}
	conn := accept(t, qtest)
	g := &guest{t, conn, bufio.NewReader(conn)}

	d.hear(reset)
	g.wantRegister(regMailStatus, mailEmpty)
	g.wantInterrupts(0)

	// The doorbells.
	g.store(regBellToVideoCore, 1)
	d.hear(record{recordWrite, regBellToVideoCore, 1})
	d.say(record{recordSet, regBellToARM, bellRung})
	g.await(pending, bellLine|mailLine, bellLine)
	g.wantRegister(regBellToARM, bellRung)
	g.wantInterrupts(0)
	g.wantRegister(regBellToARM, 0)

	// The mailbox, whose interrupt is off at first.
	g.store(regMailToVideoCore, anyMessage)
	d.hear(record{recordWrite, regMailToVideoCore, anyMessage})
	d.say(record{recordSet, regMailToARM, anyMessage}, record{recordSet, regMailStatus, mailFull})
	g.await(registers+uint32(regMailStatus), ^uint32(0), mailFull)
	g.wantInterrupts(0)
	g.store(regMailConfig, wantMailInterrupt)
	d.hear(record{recordWrite, regMailConfig, wantMailInterrupt})
	g.wantInterrupts(mailLine)
	g.wantRegister(regMailToARM, anyMessage)
	g.wantRegister(regMailStatus, mailEmpty)
	g.wantInterrupts(0)

	// Records of an unknown kind, of a register that there is not, and in pieces.
	bell := record{recordSet, regBellToARM, bellRung}.appendTo(nil)
	odd := record{'?', regBellToARM, bellRung}.appendTo(record{recordSet, 0xffffffff, 7}.appendTo(nil))
	for _, b := range [][]byte{odd, bell[:5], bell[5:]} {
		if _, err := d.conn.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	g.await(pending, bellLine|mailLine, bellLine)
	g.load(registers + uint32(unusedRegister))

	if _, err := fmt.Fprintln(monitor, "system_reset"); err != nil {
		t.Fatal(err)
	}
	d.hear(reset)
	g.wantInterrupts(0)
	g.wantRegister(regBellToARM, 0)
}

func testDeviceTree(t *testing.T, emulator string) {
	tree := filepath.Join(t.TempDir(), "dtb")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	args := append(machineArgs(newListener(t, "vc")), "-machine", "dumpdtb="+tree)
	if out, err := exec.CommandContext(ctx, emulator, args...).CombinedOutput(); err != nil {
		t.Fatalf("dump the device tree: %v: %s", err, out)
	}
	b, err := os.ReadFile(tree)
	if err != nil {
		t.Fatal(err)
	}
	for _, compatible := range []string{"brcm,bcm2835-mbox", "raspberrypi,bcm2835-firmware", "raspberrypi,vcio", "brcm,bcm2836-vchiq"} {
		if bytes.Count(b, []byte(compatible+"\x00")) != 1 {
			t.Errorf("the device tree has no node for %s, or several", compatible)
		}
	}
}
