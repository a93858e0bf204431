package vchiq

import (
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"
	"unsafe"
)

// propertyKernel is /dev/vcio, with the firmware behind it.
type propertyKernel struct {
	interrupts int
	errno      syscall.Errno
	answer     func(b []byte) // changes a request to an answer; nil leaves it
	asked      []byte
	closed     bool
}

func (k *propertyKernel) ioctl(req request, arg unsafe.Pointer, _ uint32) (int, syscall.Errno) {
	if k.interrupts > 0 {
		k.interrupts--
		return 0, syscall.EINTR
	}
	if req != 0xc0086400 {
		return 0, syscall.EINVAL
	}
	b := unsafe.Slice((*byte)(arg), *(*uint32)(arg))
	k.asked = slices.Clone(b)
	if k.errno == 0 && k.answer != nil {
		k.answer(b)
	}
	return 0, k.errno
}

func (k *propertyKernel) close() error {
	k.closed = true
	return nil
}

// words are a buffer of the mailbox.
func words(w ...uint32) []byte {
	var b []byte
	for _, v := range w {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func TestMailbox(t *testing.T) {
	tests := []struct {
		name    string
		ask     func(*Mailbox) (any, error)
		request []byte
		answer  []byte
		want    any
	}{
		{
			"gpu memory", func(m *Mailbox) (any, error) { return m.GPUMemory() },
			[]byte("\x20\x00\x00\x00\x00\x00\x00\x00\x06\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x00" +
				"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
			[]byte("\x20\x00\x00\x00\x00\x00\x00\x80\x06\x00\x01\x00\x08\x00\x00\x00\x08\x00\x00\x80" +
				"\x00\x00\x00\x30\x00\x00\x00\x10\x00\x00\x00\x00"),
			uint32(256 << 20),
		},
		{
			"temperature", func(m *Mailbox) (any, error) { return m.Temperature() },
			words(32, 0, 0x30006, 8, 0, 0, 0, 0), words(32, 0x80000000, 0x30006, 8, 0x80000008, 0, 45_500, 0), 45.5,
		},
		{
			"frost", func(m *Mailbox) (any, error) { return m.Temperature() },
			words(32, 0, 0x30006, 8, 0, 0, 0, 0), words(32, 0x80000000, 0x30006, 8, 0x80000008, 0, 0xffffe0c0, 0), -8.0,
		},
		{
			"throttled", func(m *Mailbox) (any, error) { return m.Throttled() },
			words(28, 0, 0x30046, 4, 0, 0, 0), words(28, 0x80000000, 0x30046, 4, 0x80000004, 0x50005, 0),
			UnderVoltage | SlowedDown | (UnderVoltage|SlowedDown)<<16,
		},
		{
			"variant", func(m *Mailbox) (any, error) { return m.Variant() },
			words(28, 0, 2, 4, 0, 0, 0), words(28, 0x80000000, 2, 4, 0x80000004, 2, 0), VariantStartX,
		},
		{
			"board", func(m *Mailbox) (any, error) {
				w, err := m.Get(PropertyBoardRevision, 0)
				return len(w) == 1 && w[0] == 0xa02082, err
			},
			words(28, 0, 0x10002, 4, 0, 0, 0), words(28, 0x80000000, 0x10002, 4, 0x80000004, 0xa02082, 0), true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := &propertyKernel{interrupts: 2, answer: func(b []byte) { copy(b, tt.answer) }}
			m := &Mailbox{kernel: k}
			got, err := tt.ask(m)
			if err != nil || got != tt.want {
				t.Errorf("got %v (%v), want %v", got, err, tt.want)
			}
			if !slices.Equal(k.asked, tt.request) {
				t.Errorf("asked % x, want % x", k.asked, tt.request)
			}
		})
	}
}

func TestMailboxRefusals(t *testing.T) {
	answers := map[string][]byte{
		"not answered":  nil,
		"status":        words(32, 0x80000001, 0x10006, 8, 0x80000008, 0, 1, 0),
		"another":       words(32, 0x80000000, 0x10005, 8, 0x80000008, 0, 1, 0),
		"tag ignored":   words(32, 0x80000000, 0x10006, 8, 0, 0, 1, 0),
		"too long":      words(32, 0x80000000, 0x10006, 8, 0x8000000c, 0, 1, 0),
		"much too long": words(32, 0x80000000, 0x10006, 8, 0xfffffffc, 0, 1, 0),
		"odd":           words(32, 0x80000000, 0x10006, 8, 0x80000007, 0, 1, 0),
		"too short":     words(32, 0x80000000, 0x10006, 8, 0x80000004, 0, 1, 0),
	}
	for name, answer := range answers {
		m := &Mailbox{kernel: &propertyKernel{answer: func(b []byte) { copy(b, answer) }}}
		if n, err := m.GPUMemory(); !errors.Is(err, ErrMailbox) {
			t.Errorf("%s: got %d (%v), want ErrMailbox", name, n, err)
		}
	}
	m := &Mailbox{kernel: &propertyKernel{errno: syscall.EINVAL}}
	_, err := m.Throttled()
	if call, ok := errors.AsType[*os.SyscallError](err); !ok || call.Err != syscall.EINVAL {
		t.Errorf("unknown property: %v, want EINVAL of a system call", err)
	}
	if _, err := m.Get(PropertyTemperature, make([]uint32, 65)...); err == nil {
		t.Error("65 words were not refused")
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := m.Temperature(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v, want ErrClosed", err)
	}
}

func FuzzDecodeProperty(f *testing.F) {
	f.Add(words(32, 0x80000000, 0x10006, 8, 0x80000008, 1, 2, 0))
	f.Add(words(28, 0x80000000, 0x30046, 4, 0x80000000, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := decodeProperty(b, PropertyGPUMemory)
		if err == nil && (len(got)*4 > len(b)-24) {
			t.Errorf("%d words out of %d bytes", len(got), len(b))
		}
	})
}
