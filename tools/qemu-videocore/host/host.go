package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/camkrazy/camkrazy/internal/vcemu"
	"github.com/camkrazy/camkrazy/internal/vcemu/slots"
)

// Config says what kind of board the virtual machine is to be.
type Config struct {
	// RAM is the bytes of the guest's memory: QEMU's -m, in whole MiB, at most MaxRAM.
	RAM int64
	// VideoCore is the firmware, its camera and what that sees. Each reset of the machine makes a new one.
	VideoCore vcemu.Config
	// Services are offered to the guest beside the firmware's own, or in its place.
	Services []slots.Service
	// Logger gets what goes wrong between guest and VideoCore; nil logs nothing.
	Logger *slog.Logger
}

// Host waits for QEMU and is its VideoCore.
type Host struct {
	cfg      Config
	log      *slog.Logger
	dir      string
	memory   *memory
	listener *net.UnixListener

	mu  sync.Mutex
	gpu *GPU // the present one, or nil
}

// GPU is the VideoCore that the machine has between two resets.
type GPU struct {
	Firmware *vcemu.VideoCore // the MMAL server
	Slots    *slots.VideoCore // what connects it to the guest

	cancel context.CancelFunc
	ended  chan struct{}
	err    error // valid when ended is closed
}

// New makes the guest's memory and begins to listen, so that QEMU can be started. Close frees all of it.
func New(cfg Config) (*Host, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Host{cfg: cfg, log: cfg.Logger}
	if err := h.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("make a VideoCore's host: %w", err), h.Close())
	}
	return h, nil
}

func (h *Host) open() error {
	var err error
	if h.dir, err = newFolder(h.cfg.RAM); err != nil {
		return err
	}
	if h.memory, err = newMemory(h.ram(), h.cfg.RAM); err != nil {
		return err
	}
	h.listener, err = net.ListenUnix("unix", &net.UnixAddr{Name: h.socket()})
	return err
}

// Close removes the memory and the socket. Neither Run nor QEMU may still be running.
func (h *Host) Close() error {
	var errs []error
	if h.listener != nil {
		if err := h.listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if h.memory != nil {
		errs = append(errs, h.memory.unmap())
	}
	if h.dir != "" {
		errs = append(errs, os.RemoveAll(h.dir))
	}
	return errors.Join(errs...)
}

func (h *Host) ram() string    { return filepath.Join(h.dir, "ram") }
func (h *Host) socket() string { return filepath.Join(h.dir, "socket") }

// QEMUArgs are what a QEMU with the device needs to have this VideoCore, beside -machine virt,highmem=off and -m with
// the memory's size.
func (h *Host) QEMUArgs() []string {
	path := func(p string) string { return strings.ReplaceAll(p, ",", ",,") }
	return []string{
		"-object", fmt.Sprintf("memory-backend-file,id=ram,size=%d,mem-path=%s,share=on", h.cfg.RAM, path(h.ram())),
		"-machine", "memory-backend=ram",
		"-chardev", "socket,id=videocore,path=" + path(h.socket()),
		"-device", "camkrazy-videocore,chardev=videocore",
	}
}

// GPU returns the VideoCore that the machine has had since its last reset, or nil if it is not running.
func (h *Host) GPU() *GPU {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.gpu
}

// Run is the VideoCore of one QEMU after the other until ctx is done, and then returns nil. It can be called once.
func (h *Host) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { h.listener.Close() })()
	for {
		conn, err := h.listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case err != nil:
			return fmt.Errorf("wait for QEMU: %w", err)
		}
		h.log.Info("QEMU is there")
		err = h.serve(ctx, conn)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("run the guest's VideoCore: %w", err)
		}
		h.log.Info("QEMU is gone")
	}
}

// serve is the VideoCore of one QEMU, until that ends or says something that the device does not say.
func (h *Host) serve(ctx context.Context, conn net.Conn) (err error) {
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var gpu *GPU
	defer func() {
		conn.Close() // first, for VideoCore may be waiting for QEMU to read
		err = errors.Join(err, h.end(gpu))
	}()
	r := bufio.NewReader(conn)
	var buf [recordSize]byte
	for {
		rec, err := readRecord(r, &buf)
		if err != nil {
			if !errors.Is(err, io.EOF) && ctx.Err() == nil {
				h.log.Warn("connection to QEMU broken", "err", err)
			}
			return nil
		}
		switch {
		case rec.kind == recordReset:
			err := h.end(gpu)
			gpu = nil
			if err != nil {
				return err
			}
			if gpu, err = h.begin(ctx, &wires{conn: conn, log: h.log}); err != nil {
				return err
			}
		case rec.kind != recordWrite:
			h.log.Error("not the device's protocol", "kind", rec.kind, "register", uint32(rec.reg))
			return nil
		case gpu == nil:
			h.log.Warn("guest writes before its reset", "register", uint32(rec.reg), "value", rec.value)
		case rec.reg == regBellToVideoCore:
			gpu.Slots.Doorbell()
		case rec.reg == regMailToVideoCore:
			gpu.Slots.MailboxWrite(rec.value)
		}
	}
}

// begin switches a VideoCore on.
func (h *Host) begin(ctx context.Context, w slots.Wires) (*GPU, error) {
	firmware, err := vcemu.New(h.cfg.VideoCore)
	if err != nil {
		return nil, err
	}
	s, err := slots.New(slots.Config{
		Memory: h.memory, Wires: w, Logger: h.log,
		Services: slices.Concat(h.cfg.Services, []slots.Service{slots.MMAL(firmware)}),
	})
	if err != nil {
		return nil, err
	}
	g := &GPU{Firmware: firmware, Slots: s, ended: make(chan struct{})}
	ctx, g.cancel = context.WithCancel(ctx)
	go func() {
		defer close(g.ended)
		defer g.cancel()
		var firmwareErr error
		var wg sync.WaitGroup
		wg.Go(func() { firmwareErr = firmware.Run(ctx) })
		g.err = s.Run(ctx)
		wg.Wait()
		g.err = errors.Join(g.err, firmwareErr)
	}()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gpu = g
	return g, nil
}

// end switches a VideoCore off, if there is one. When it returns, the guest's memory is left alone.
func (h *Host) end(g *GPU) error {
	if g == nil {
		return nil
	}
	h.mu.Lock()
	h.gpu = nil
	h.mu.Unlock()
	g.cancel()
	<-g.ended
	return g.err
}

// wires are the device's registers and interrupts, as VideoCore drives them.
type wires struct {
	conn net.Conn
	log  *slog.Logger
	buf  []byte
}

// RingARM implements slots.Wires.
func (w *wires) RingARM() {
	w.send(record{recordSet, regBellToARM, bellRung})
}

// MailboxReply implements slots.Wires.
func (w *wires) MailboxReply(value uint32) {
	w.send(record{recordSet, regMailToARM, value}, record{recordSet, regMailStatus, mailFull})
}

// send passes records to QEMU. It waits while QEMU does not read, but not after serve has closed the connection. If
// QEMU is gone, serve finds out.
func (w *wires) send(records ...record) {
	w.buf = w.buf[:0]
	for _, r := range records {
		w.buf = r.appendTo(w.buf)
	}
	if _, err := w.conn.Write(w.buf); err != nil {
		w.log.Debug("write to QEMU", "err", err)
	}
}
