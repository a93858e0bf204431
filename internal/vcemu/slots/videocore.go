package slots

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"sync"
)

const (
	// defaultCacheLine is what Linux takes for a brcm,bcm2836-vchiq; for a brcm,bcm2835-vchiq it is 32.
	defaultCacheLine = 64
	// defaultMaxServices is more than a guest could want.
	defaultMaxServices = 256
	// defaultRevision is a date that firmware could have been built at.
	defaultRevision = 0x6a0f0000
	// defaultGPUMemory is what the image's config.txt asks for.
	defaultGPUMemory = 256 << 20
	// maxMail is how many mailbox messages can wait. The guest's driver has one under way at a time.
	maxMail = 64
)

// Wires are how VideoCore reaches the guest's processor. They are called by the goroutine that runs the VideoCore, and
// may wait for who carries the signal as long as that does not wait for Doorbell or MailboxWrite, which never do.
type Wires interface {
	// RingARM rings the doorbell: bit 2 of the guest's BELL0 register is set and its interrupt raised, until the guest
	// reads it.
	RingARM()
	// MailboxReply puts a message into the guest's mailbox and raises that interrupt, until the guest reads it.
	MailboxReply(value uint32)
}

// Config says what VideoCore is connected to.
type Config struct {
	Memory   Memory
	Wires    Wires
	Services []Service
	// CacheLine is the bytes of a cache line as the guest's driver knows it, a power of two from 8 to 4096; 0 is 64.
	CacheLine int
	// MaxServices is how many services can be open at a time, at most 4095; 0 is 256.
	MaxServices int
	// Revision is the firmware's date that the mailbox tells, in seconds since 1970; 0 is some day in 2026.
	Revision uint32
	// GPUMemory is what the mailbox tells of gpu_mem, in bytes, at most 1 GiB; 0 is 256 MiB.
	GPUMemory uint32
	// Logger gets what goes wrong; nil logs nothing.
	Logger *slog.Logger
}

// VideoCore is VideoCore's half of the slot protocol and of the property mailbox. The goroutine of Run is the only one
// that touches the guest's memory.
type VideoCore struct {
	cfg  Config
	log  *slog.Logger
	work chan struct{} // something has happened
	once sync.Once     // Run
	wg   sync.WaitGroup

	// Of Run's goroutine.
	conn *connection // nil before the guest begins, and after it has broken the protocol
	ring bool        // ARM waits for something that was signalled

	mu       sync.Mutex // guards what follows, and what service says
	mail     []uint32   // written since Reset
	consumed []consumed
	injected []outgoing
	closeAll bool
	reset    bool
	mute     bool
	tamper   Tamper
	stats    Stats
}

// New makes a VideoCore that does nothing until Run.
func New(cfg Config) (*VideoCore, error) {
	if cfg.CacheLine == 0 {
		cfg.CacheLine = defaultCacheLine
	}
	if cfg.MaxServices == 0 {
		cfg.MaxServices = defaultMaxServices
	}
	if cfg.Revision == 0 {
		cfg.Revision = defaultRevision
	}
	if cfg.GPUMemory == 0 {
		cfg.GPUMemory = defaultGPUMemory
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case cfg.Memory == nil || cfg.Wires == nil:
		return nil, errors.New("make VideoCore: no memory or no wires")
	case cfg.CacheLine < 8 || cfg.CacheLine > pageSize || bits.OnesCount(uint(cfg.CacheLine)) != 1:
		return nil, fmt.Errorf("make VideoCore: cache line of %d bytes", cfg.CacheLine)
	case cfg.MaxServices < 0 || cfg.MaxServices >= portMask:
		return nil, fmt.Errorf("make VideoCore: %d services", cfg.MaxServices)
	}
	return &VideoCore{cfg: cfg, log: cfg.Logger, work: make(chan struct{}, 1)}, nil
}

// Run serves the guest until ctx is done; then it closes all sessions, waits for all that it started, and returns nil.
// It can be called once.
func (v *VideoCore) Run(ctx context.Context) error {
	err := errors.New("run VideoCore: a second time")
	v.once.Do(func() {
		err = nil
		for v.wait(ctx) {
			v.step()
		}
		v.disconnect()
		v.wg.Wait()
	})
	return err
}

// Doorbell says that ARM has rung. It never waits.
func (v *VideoCore) Doorbell() { v.kick() }

// MailboxWrite says that ARM has written to the mailbox. It never waits.
func (v *VideoCore) MailboxWrite(value uint32) {
	v.mu.Lock()
	full := len(v.mail) >= maxMail
	if !full {
		v.mail = append(v.mail, value)
	}
	v.mu.Unlock()
	if full {
		v.complain("mailbox overflow")
	}
	v.kick()
}

// Reset says that the guest's processor was reset: all is closed, and the guest's memory is left alone until the guest
// begins anew. It does not wait for that. A guest that reboots in order says so by the mailbox, to the same effect.
func (v *VideoCore) Reset() {
	v.mu.Lock()
	v.reset, v.mail = true, nil
	v.mu.Unlock()
	v.kick()
}

// kick makes Run look around.
func (v *VideoCore) kick() {
	select {
	case v.work <- struct{}{}:
	default:
	}
}

// wait waits for something to do. It says no when ctx is done.
func (v *VideoCore) wait(ctx context.Context) bool {
	if v.conn != nil && !v.muted() && !v.conn.arm() {
		return ctx.Err() == nil
	}
	select {
	case <-v.work:
		return true
	case <-ctx.Done():
		return false
	}
}

// step does all that can be done now.
func (v *VideoCore) step() {
	v.mu.Lock()
	mail, reset, mute := v.mail, v.reset, v.mute
	v.mail, v.reset = nil, false
	var taken []consumed
	var injected []outgoing
	var closeAll bool
	if !mute {
		taken, injected, closeAll = v.consumed, v.injected, v.closeAll
		v.consumed, v.injected, v.closeAll = nil, nil, false
	}
	v.mu.Unlock()
	if reset {
		v.disconnect()
	}
	for _, value := range mail {
		v.read(value)
	}
	for _, m := range taken {
		m.settle()
	}
	c := v.conn
	if c == nil || mute {
		return
	}
	c.control = append(c.control, injected...)
	c.closeEnded(closeAll)
	c.wake()
	err := c.reclaim()
	if err == nil {
		err = c.receive()
	}
	if err != nil {
		v.complain("connection broken", "err", err)
		v.disconnect()
	} else {
		c.transmit()
	}
	if v.ring {
		v.ring = false
		v.cfg.Wires.RingARM()
	}
}

// read handles a mailbox message.
func (v *VideoCore) read(value uint32) {
	if value&channelMask != propertyChannel {
		v.complain("mailbox message to an unknown channel", "channel", value&channelMask)
		return
	}
	if complaint := v.properties(value &^ channelMask); complaint != "" {
		v.complain(complaint)
	}
	v.cfg.Wires.MailboxReply(value)
}

// begin begins the slot protocol anew, with slot zero at that address.
func (v *VideoCore) begin(zero uint32) error {
	v.disconnect()
	c, err := newConnection(v, zero)
	if err != nil {
		return err
	}
	v.conn = c
	v.count(func(s *Stats) *uint64 { return &s.Connections })
	return nil
}

// disconnect ends the connection, if there is one, on this side only.
func (v *VideoCore) disconnect() {
	if v.conn != nil {
		v.conn.end()
		v.conn = nil
	}
	v.ring = false
}

// offer finds the service of that name, or nil.
func (v *VideoCore) offer(fourcc uint32) *Service {
	for i := range v.cfg.Services {
		if v.cfg.Services[i].FourCC == fourcc {
			return &v.cfg.Services[i]
		}
	}
	return nil
}

// closeEnded closes the services whose sessions have ended by themselves, or all.
func (c *connection) closeEnded(all bool) {
	for _, s := range c.turn {
		c.v.mu.Lock()
		ended := s.shut
		c.v.mu.Unlock()
		if (all || ended) && !s.closing {
			s.closeByVideoCore()
		}
	}
}
