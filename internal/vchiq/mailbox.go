package vchiq

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// MailboxPath is the node of the driver that passes property requests on to the firmware.
const MailboxPath = "/dev/vcio"

// ErrMailbox says that the firmware's answer to a property request is none.
var ErrMailbox = errors.New("the firmware's answer makes no sense")

// Property names something that the firmware tells of the board (Linux, include/soc/bcm2835/raspberrypi-firmware.h).
type Property uint32

// The properties, with the words of their request and answer.
const (
	// PropertyVariant is one word out: a Variant.
	PropertyVariant Property = 0x00000002
	// PropertyBoardRevision is one word out: the code that tells model, memory and maker.
	PropertyBoardRevision Property = 0x00010002
	// PropertyARMMemory and PropertyGPUMemory are two words out: base address and bytes.
	PropertyARMMemory Property = 0x00010005
	PropertyGPUMemory Property = 0x00010006
	// PropertyTemperature is two words in and out: 0, and thousandths of a degree Celsius.
	PropertyTemperature Property = 0x00030006
	// PropertyThrottled is one word in and out: which of the sticky bits are to be cleared, and a Throttled.
	PropertyThrottled Property = 0x00030046
)

// Throttled are bits that say what slows the board down now and, 16 bits further up, what has since the sticky bits
// were cleared last. Linux's own driver for the voltage alarm, raspberrypi-hwmon, clears them every two seconds.
type Throttled uint32

// The bits of now.
const (
	UnderVoltage     Throttled = 1 << 0 // the supply is below about 4.63 V
	FrequencyCapped  Throttled = 1 << 1
	SlowedDown       Throttled = 1 << 2
	TemperatureLimit Throttled = 1 << 3 // the soft limit
)

// Variant says which of its builds of the firmware has booted.
type Variant uint32

// The variants; only VariantStart and VariantStartCD are known to have no camera.
const (
	VariantUnknown Variant = iota
	VariantStart
	VariantStartX  // start_x.elf or start4x.elf
	VariantStartDB // with debugging aids
	VariantStartCD // cut down, with gpu_mem=16
)

// String is the name that Linux has for it.
func (v Variant) String() string {
	switch v {
	case VariantStart:
		return "start"
	case VariantStartX:
		return "start_x"
	case VariantStartDB:
		return "start_db"
	case VariantStartCD:
		return "start_cd"
	}
	return "unknown"
}

// NoCamera says that the build has no camera in it for certain.
func (v Variant) NoCamera() bool { return v == VariantStart || v == VariantStartCD }

// The request and its answer, as little-endian words: size of all in bytes, status, then one property with its number,
// the room for its value in bytes, the length of the value with answered set in an answer, and the value; then 0.
const (
	mailboxRequest  = 0
	mailboxSuccess  = 0x80000000
	mailboxAnswered = 0x80000000
	mailboxHeader   = 20 // up to the value
	mailboxEnd      = 4
	mailboxMost     = 64 // words of a value
)

// Mailbox asks the firmware for properties. It needs neither start_x.elf nor a connection to MMAL. Its methods may be
// called from any goroutine; the kernel waits at most a second for each answer.
type Mailbox struct {
	mu     sync.Mutex
	kernel kernel // nil once closed
}

// OpenMailbox opens the driver. Its error wraps a *os.SyscallError, or errors.ErrUnsupported where there can be none.
func OpenMailbox() (*Mailbox, error) {
	k, err := openKernel(MailboxPath)
	if err != nil {
		if errno, ok := errors.AsType[syscall.Errno](err); ok {
			err = os.NewSyscallError("open", errno)
		}
		return nil, fmt.Errorf("open %s: %w", MailboxPath, err)
	}
	return &Mailbox{kernel: k}, nil
}

// Close closes the driver. It may be called more than once.
func (m *Mailbox) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kernel == nil {
		return nil
	}
	err := m.kernel.close()
	m.kernel = nil
	return err
}

// Get asks for a property. value are the words of the request, at least as many as the answer's, at most 64. A property
// that the firmware does not know is EINVAL.
func (m *Mailbox) Get(p Property, value ...uint32) ([]uint32, error) {
	b, err := appendProperty(nil, p, value)
	if err == nil {
		err = m.exchange(b)
	}
	if err == nil {
		value, err = decodeProperty(b, p)
	}
	if err != nil {
		return nil, fmt.Errorf("get property %#08x: %w", uint32(p), err)
	}
	return value, nil
}

// exchange has the kernel replace a request by its answer.
func (m *Mailbox) exchange(b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kernel == nil {
		return os.ErrClosed
	}
	for {
		_, errno := m.kernel.ioctl(reqProperty, unsafe.Pointer(unsafe.SliceData(b)), 0)
		switch errno {
		case 0:
			return nil
		case syscall.EINTR:
			continue
		}
		return os.NewSyscallError("ioctl "+reqProperty.String(), errno)
	}
}

// GPUMemory is how many bytes of the board's memory the firmware keeps for the GPU: gpu_mem.
func (m *Mailbox) GPUMemory() (bytes uint32, err error) {
	return m.last(PropertyGPUMemory, 2)
}

// Temperature is the SoC's, in degrees Celsius.
func (m *Mailbox) Temperature() (float64, error) {
	thousandths, err := m.last(PropertyTemperature, 2)
	return float64(int32(thousandths)) / 1000, err
}

// Throttled says what slows the board down. It clears nothing.
func (m *Mailbox) Throttled() (Throttled, error) {
	bits, err := m.last(PropertyThrottled, 1)
	return Throttled(bits), err
}

// Variant says which build of the firmware has booted.
func (m *Mailbox) Variant() (Variant, error) {
	v, err := m.last(PropertyVariant, 1)
	return Variant(v), err
}

// last is the last of the words of a property, whose request is all zeroes.
func (m *Mailbox) last(p Property, count int) (uint32, error) {
	words, err := m.Get(p, make([]uint32, count)...)
	if err != nil {
		return 0, err
	}
	if len(words) < count {
		return 0, fmt.Errorf("get property %#08x: %w", uint32(p), ErrMailbox)
	}
	return words[count-1], nil
}

// appendProperty encodes a request.
func appendProperty(b []byte, p Property, value []uint32) ([]byte, error) {
	if len(value) > mailboxMost {
		return nil, fmt.Errorf("%d words, more than %d", len(value), mailboxMost)
	}
	room := 4 * len(value)
	le := binary.LittleEndian
	b = le.AppendUint32(b, uint32(mailboxHeader+room+mailboxEnd))
	b = le.AppendUint32(b, mailboxRequest)
	b = le.AppendUint32(b, uint32(p))
	b = le.AppendUint32(b, uint32(room))
	b = le.AppendUint32(b, 0)
	for _, w := range value {
		b = le.AppendUint32(b, w)
	}
	return le.AppendUint32(b, 0), nil
}

// decodeProperty returns the words of an answer.
func decodeProperty(b []byte, p Property) ([]uint32, error) {
	le := binary.LittleEndian
	if len(b) < mailboxHeader+mailboxEnd || le.Uint32(b[4:]) != mailboxSuccess || le.Uint32(b[8:]) != uint32(p) {
		return nil, ErrMailbox
	}
	room := len(b) - mailboxHeader - mailboxEnd
	length := le.Uint32(b[16:])
	if length&mailboxAnswered == 0 || length%4 != 0 || length&^mailboxAnswered > uint32(room) {
		return nil, ErrMailbox
	}
	words := make([]uint32, (length&^mailboxAnswered)/4)
	for i := range words {
		words[i] = le.Uint32(b[mailboxHeader+4*i:])
	}
	return words, nil
}
