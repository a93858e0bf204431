//go:build arm64 || amd64

package vchiq

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
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

// TestBlockSignals holds that a goroutine gets no signal while they are blocked, and as many as before afterwards.
func TestBlockSignals(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const unstoppable = 1<<(syscall.SIGKILL-1) | 1<<(syscall.SIGSTOP-1)
	before := blockedSignals(t)
	unblock := blockSignals()
	during := blockedSignals(t)
	unblock()
	if after := blockedSignals(t); during != ^uint64(unstoppable) || before == during || after != before {
		t.Errorf("%x were blocked before, %x during and %x after", before, during, after)
	}
}

// blockedSignals are those of this thread, bit 0 for signal 1 (proc_pid_status(5)).
func blockedSignals(t *testing.T) uint64 {
	t.Helper()
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, mask, _ := strings.Cut(string(status), "\nSigBlk:\t")
	mask, _, _ = strings.Cut(mask, "\n")
	n, err := strconv.ParseUint(mask, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
