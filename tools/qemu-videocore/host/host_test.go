package host

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/camkrazy/camkrazy/internal/vcemu"
)

const (
	testRAM     = 16 << 20
	testTimeout = 10 * time.Second
	// property is where the tests' property buffer is, and propertyChannel the mailbox channel for it.
	property        = ramBase + 0x10000
	propertyChannel = 8
)

// start makes a host that runs until the test ends.
func start(t *testing.T, cfg Config) *Host {
	t.Helper()
	cfg.RAM = testRAM
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(testTimeout):
			t.Fatal("Run does not end")
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(h.dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left over (%v)", h.dir, err)
		}
	})
	return h
}

// device is QEMU's end of the socket and of the memory.
type device struct {
	t    *testing.T
	conn net.Conn
	ram  *os.File
}

// plug starts a QEMU that has a device.
func plug(t *testing.T, h *Host) *device {
	t.Helper()
	conn, err := net.Dial("unix", h.socket())
	if err != nil {
		t.Fatal(err)
	}
	ram, err := os.OpenFile(h.ram(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); ram.Close() })
	if err := conn.SetDeadline(time.Now().Add(testTimeout)); err != nil {
		t.Fatal(err)
	}
	return &device{t, conn, ram}
}

func (d *device) say(records ...record) {
	d.t.Helper()
	var b []byte
	for _, r := range records {
		b = r.appendTo(b)
	}
	if _, err := d.conn.Write(b); err != nil {
		d.t.Fatal(err)
	}
}

func (d *device) hear(want ...record) {
	d.t.Helper()
	var buf [recordSize]byte
	for _, w := range want {
		got, err := readRecord(d.conn, &buf)
		if err != nil {
			d.t.Fatalf("wait for %v: %v", w, err)
		}
		if got != w {
			d.t.Fatalf("got %v, want %v", got, w)
		}
	}
}

// ask puts a request for the firmware's date into memory, and has the mailbox answer it.
func (d *device) ask() {
	d.t.Helper()
	var b []byte
	for _, w := range []uint32{28, 0, 0x00000001, 4, 0, 0, 0} {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	if _, err := d.ram.WriteAt(b, property-ramBase); err != nil {
		d.t.Fatal(err)
	}
	d.say(record{recordWrite, regMailToVideoCore, property | propertyChannel})
	d.hear(record{recordSet, regMailToARM, property | propertyChannel}, record{recordSet, regMailStatus, 0})
	if _, err := d.ram.ReadAt(b, property-ramBase); err != nil {
		d.t.Fatal(err)
	}
	status, date := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[20:])
	if status != 0x80000000 || date == 0 {
		d.t.Errorf("property's status %#x and date %d, want success and some day", status, date)
	}
}

// gone waits until the host has closed the connection.
func (d *device) gone() {
	d.t.Helper()
	if _, err := io.Copy(io.Discard, d.conn); err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		d.t.Fatal("the host keeps the connection")
	}
}

var reset = record{kind: recordReset}

func TestMailbox(t *testing.T) {
	h := start(t, Config{})
	if h.GPU() != nil {
		t.Error("a GPU is on before the machine is")
	}
	d := plug(t, h)
	d.say(reset)
	d.ask()
	d.ask()
	if h.GPU() == nil {
		t.Error("no GPU while the machine is on")
	}
}

func TestEachResetMakesANewGPU(t *testing.T) {
	h := start(t, Config{})
	seen := make(map[*GPU]bool)
	note := func() {
		if g := h.GPU(); g == nil || seen[g] {
			t.Errorf("GPU %p is none, or has been there before the reset", g)
		} else {
			seen[g] = true
		}
	}
	for range 3 { // starts of QEMU
		d := plug(t, h)
		for range 2 { // resets of the machine in it
			d.say(reset)
			d.ask()
			note()
		}
		d.conn.Close()
	}
	for g := range seen {
		if g != h.GPU() {
			<-g.ended
		}
	}
}

func TestOtherRegistersAreNothing(t *testing.T) {
	d := plug(t, start(t, Config{}))
	d.say(reset, record{recordWrite, 0x5c, 1}, record{recordWrite, 0xfffffffc, 7})
	d.say(record{recordWrite, regBellToVideoCore, 0})
	d.ask()
}

func TestWriteBeforeResetIsLost(t *testing.T) {
	d := plug(t, start(t, Config{}))
	d.say(record{recordWrite, regMailToVideoCore, property | propertyChannel}, record{recordWrite, regBellToVideoCore, 0})
	d.say(reset)
	d.ask()
}

func TestGarbageEndsTheConnection(t *testing.T) {
	h := start(t, Config{})
	for _, bytes := range []string{"GET / HTTP/1.1\r\n\r\n", string(record{recordSet, 0, 0}.appendTo(nil))} {
		d := plug(t, h)
		d.say(reset)
		if _, err := d.conn.Write([]byte(bytes)); err != nil {
			t.Fatal(err)
		}
		d.gone()
	}
	d := plug(t, h)
	d.say(reset)
	d.ask()
}

func TestHalfARecord(t *testing.T) {
	h := start(t, Config{})
	d := plug(t, h)
	if _, err := d.conn.Write(reset.appendTo(nil)[:recordSize-1]); err != nil {
		t.Fatal(err)
	}
	d.conn.Close()
	d = plug(t, h)
	d.say(reset)
	d.ask()
}

// TestQEMUDoesNotRead: a QEMU that has stopped keeps nobody from ending. start's cleanup holds that.
func TestQEMUDoesNotRead(t *testing.T) {
	h := start(t, Config{})
	d := plug(t, h)
	d.say(reset)
	// Nothing is at address 0, so that each message is complained of, and comes back at once. None is read, so that the
	// host comes to wait, after which this side may have to, too.
	if err := d.conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	message := record{recordWrite, regMailToVideoCore, propertyChannel}.appendTo(nil)
	for range 100_000 {
		if _, err := d.conn.Write(message); err != nil {
			break
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, size := range []int64{0, -1 << 20, 1<<20 + 1, MaxRAM + 1<<20} {
		if h, err := New(Config{RAM: size}); err == nil {
			t.Errorf("New took %d bytes of memory", size)
			h.Close()
		}
	}
}

func TestRunReportsAVideoCoreThatCannotBe(t *testing.T) {
	h, err := New(Config{RAM: testRAM, VideoCore: vcemu.Config{Sensor: "imx999"}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	go func() { ended <- h.Run(ctx) }()
	plug(t, h).say(reset)
	if err := <-ended; err == nil {
		t.Error("Run took an unknown sensor")
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}

func TestMemory(t *testing.T) {
	h := start(t, Config{})
	file, err := os.OpenFile(h.ram(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	m := h.memory
	base, size := m.Bounds()
	if base != ramBase || size != testRAM {
		t.Fatalf("bounds %#x, %#x", base, size)
	}
	last := base + size - 4
	m.Store32(last, 0x04030201)
	var word [4]byte
	if _, err := file.ReadAt(word[:], testRAM-4); err != nil || word != [4]byte{1, 2, 3, 4} {
		t.Errorf("the file's last word is %v (%v)", word, err)
	}
	if _, err := file.WriteAt([]byte{5, 6, 7, 8}, 0); err != nil {
		t.Fatal(err)
	}
	if got := m.Load32(base); got != 0x08070605 {
		t.Errorf("first word %#x", got)
	}
	m.Write(base+1, []byte{9, 10})
	if m.Read(base, word[:]); word != [4]byte{5, 9, 10, 8} {
		t.Errorf("first bytes %v", word)
	}
	for name, f := range map[string]func(){
		"below":      func() { m.Load32(base - 4) },
		"above":      func() { m.Load32(base + size) },
		"across":     func() { m.Write(last, make([]byte, 5)) },
		"wraps":      func() { m.Read(0xfffffffc, make([]byte, 8)) },
		"misaligned": func() { m.Store32(base+2, 0) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestRecordKinds(t *testing.T) {
	for k, want := range map[recordKind]string{recordWrite: "W", recordReset: "R", recordSet: "S", 7: "record(0x7)"} {
		if got := k.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// FuzzServe has a QEMU say anything, which may end its connection but nothing else.
func FuzzServe(f *testing.F) {
	f.Add(reset.appendTo(nil))
	f.Add(record{recordWrite, regMailToVideoCore, property | propertyChannel}.appendTo(reset.appendTo(nil)))
	f.Add(record{recordWrite, regBellToVideoCore, 0}.appendTo(reset.appendTo(reset.appendTo(nil))))
	f.Add([]byte("\x00\x00\x00\x00"))
	h, err := New(Config{RAM: testRAM})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { h.Close() })
	f.Fuzz(func(t *testing.T, said []byte) {
		ours, theirs := net.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- h.serve(t.Context(), ours) }()
		go io.Copy(io.Discard, theirs)
		theirs.Write(said) // fails if it was not understood
		theirs.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if h.GPU() != nil {
			t.Error("a GPU is left over")
		}
	})
}
