//go:build arm64 || amd64

package vchiq

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// TestSystemCalls makes the real system calls on a file that is not the driver's.
func TestSystemCalls(t *testing.T) {
	k, err := openKernel(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if _, errno := k.ioctl(reqConnect, nil, 7); errno != syscall.ENOTTY {
		t.Errorf("CONNECT of another file: %v, want ENOTTY", errno)
	}
	_, err = newDevice(k) // closes it
	refusal, ok := errors.AsType[*Error](err)
	if !ok || refusal.Request != "GET_CONFIG" || !errors.Is(err, syscall.ENOTTY) {
		t.Errorf("error is %v, want ENOTTY of GET_CONFIG", err)
	}

	if k, err = openKernel(os.DevNull); err != nil {
		t.Fatal(err)
	}
	m := &Mailbox{kernel: k}
	if _, err := m.GPUMemory(); !errors.Is(err, syscall.ENOTTY) {
		t.Errorf("property of another file: %v, want ENOTTY", err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}
