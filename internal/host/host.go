// Package host reads from the kernel what a board says about itself.
package host

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Board is the board's name as its device tree has it, as "Raspberry Pi 4 Model B Rev 1.4"; "" where there is none.
func Board() string {
	model, err := os.ReadFile("/proc/device-tree/model")
	if err != nil {
		return ""
	}
	return string(bytes.TrimRight(model, "\x00\n"))
}

// Temperature is the SoC's in degrees Celsius; ok is false where there is no sensor.
func Temperature() (celsius float64, ok bool) {
	text, err := os.ReadFile("/sys/class/thermal/thermal_zone0/temp")
	if err != nil {
		return 0, false
	}
	milli, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return float64(milli) / 1000, err == nil
}

// ResidentMemory is this process's resident set in bytes (proc(5), statm, second field); 0 if it cannot be read.
func ResidentMemory() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}

// CardSectorsWritten counts the 512-byte sectors written to the SD card since boot; ok is false where there is no card.
func CardSectorsWritten() (sectors uint64, ok bool) {
	text, err := os.ReadFile("/proc/diskstats")
	if err != nil {
		return 0, false
	}
	return sectorsWritten(string(text))
}

// sectorsWritten finds the first whole MMC device in /proc/diskstats (Documentation/admin-guide/iostats.rst: the
// third field is the name, the seventh after it the sectors written).
func sectorsWritten(diskstats string) (sectors uint64, ok bool) {
	for line := range strings.Lines(diskstats) {
		fields := strings.Fields(line)
		if len(fields) < 10 {
			continue
		}
		if whole, _ := filepath.Match("mmcblk[0-9]", fields[2]); !whole {
			continue
		}
		n, err := strconv.ParseUint(fields[9], 10, 64)
		return n, err == nil
	}
	return 0, false
}
