package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// machine is what the kernel tells of the board, below a folder that has proc, sys and dev.
type machine struct {
	root  string
	board string
}

// kernel is the kernel's release, as "6.12.47-v8"; "unknown" if it cannot be read.
func (m machine) kernel() string {
	text, err := os.ReadFile(filepath.Join(m.root, "proc/sys/kernel/osrelease"))
	if err != nil {
		return unknown
	}
	return strings.TrimSpace(string(text))
}

// unknown is what cannot be found out.
const unknown = "unknown"

// firmware is the GPU's firmware.
type firmware struct {
	// Build is its date and time, Variant the name of its file without the 4 of a Pi 4, as "start_x"; both are unknown if
	// the kernel does not tell. Hash is of its source; it may be missing.
	Build   string `json:"build"`
	Variant string `json:"variant"`
	Hash    string `json:"hash,omitempty"`
}

// The firmware driver's lines in the kernel's log (drivers/firmware/raspberrypi.c). Mainline kernels leave the variant
// and the hash out.
var (
	attached = regexp.MustCompile(`Attached to firmware from ([0-9T:-]+)(?:, variant (\w+))?`)
	hashed   = regexp.MustCompile(`Firmware hash is ([0-9a-f]{40})`)
)

// firmware reads the build from the kernel's log, for MMAL does not tell it, and the property interface needs an ioctl
// of another driver.
func (m machine) firmware() firmware {
	log := readLog(filepath.Join(m.root, "dev/kmsg"))
	f := firmware{Build: unknown, Variant: unknown}
	if found := attached.FindSubmatch(log); found != nil {
		f.Build = string(found[1])
		if len(found[2]) > 0 {
			f.Variant = string(found[2])
		}
	}
	if found := hashed.FindSubmatch(log); found != nil {
		f.Hash = string(found[1])
	}
	return f
}

// readLog reads what the kernel's log has at the moment: each read(2) gives one record, EPIPE for one that was lost
// meanwhile, EAGAIN at the end. os.File would wait for more.
func readLog(path string) []byte {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer syscall.Close(fd)
	const most = 4 << 20
	var log bytes.Buffer
	record := make([]byte, 8<<10)
	for log.Len() < most {
		n, err := syscall.Read(fd, record)
		switch {
		case errors.Is(err, syscall.EINTR) || errors.Is(err, syscall.EPIPE):
		case err != nil || n == 0:
			return log.Bytes()
		default:
			log.Write(record[:n])
		}
	}
	return log.Bytes()
}

// driverState is what the VCHIQ driver tells of its services, at most the first lines; nil if debugfs does not show it.
func (m machine) driverState() []string {
	const most = 40
	text, err := os.ReadFile(filepath.Join(m.root, "sys/kernel/debug/vchiq/state"))
	if err != nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[:min(most, len(lines))]
}
