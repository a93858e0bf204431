// Package host reads from the kernel what a board says about itself.
package host

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Temperature is the SoC's in degrees Celsius; ok is false where there is no sensor.
func Temperature() (celsius float64, ok bool) {
	text, err := os.ReadFile("/sys/class/thermal/thermal_zone0/temp")
	if err != nil {
		return 0, false
	}
	milli, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return float64(milli) / 1000, err == nil
}

// Uptime is the time since the kernel was started (proc(5), uptime, first field); ok is false if it cannot be read.
func Uptime() (up time.Duration, ok bool) {
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0, false
	}
	first, _, _ := strings.Cut(string(text), " ")
	seconds, err := strconv.ParseFloat(first, 64)
	return time.Duration(seconds * float64(time.Second)), err == nil
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

// CardSectorsWritten counts the 512-byte sectors written since boot to the disk that the read-only root is on; ok is false
// where the root is not gokrazy's squashfs.
func CardSectorsWritten() (sectors uint64, ok bool) { return cardSectorsWritten("/") }

// cardSectorsWritten works on a tree that has /proc and /sys. The root's device number (proc(5), mountinfo) leads to its
// partition in sysfs, whose parent is the disk; the seventh field of a disk's stat is what was written
// (Documentation/block/stat.rst).
func cardSectorsWritten(tree string) (sectors uint64, ok bool) {
	mounts, err := os.ReadFile(filepath.Join(tree, "proc/self/mountinfo"))
	if err != nil {
		return 0, false
	}
	partition, err := filepath.EvalSymlinks(filepath.Join(tree, "sys/dev/block", squashfsRoot(string(mounts))))
	if err != nil {
		return 0, false
	}
	disk := filepath.Dir(partition)
	if _, err := os.Stat(filepath.Join(partition, "partition")); err != nil {
		disk = partition
	}
	text, err := os.ReadFile(filepath.Join(disk, "stat"))
	if err != nil {
		return 0, false
	}
	const written = 6
	fields := strings.Fields(string(text))
	if len(fields) <= written {
		return 0, false
	}
	n, err := strconv.ParseUint(fields[written], 10, 64)
	return n, err == nil
}

// squashfsRoot is the device number, as 179:2, of a root that is a squashfs; "none" if it is something else.
func squashfsRoot(mountinfo string) string {
	const number, mountPoint = 2, 4
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if len(fields) > mountPoint && fields[mountPoint] == "/" && strings.HasPrefix(after, "squashfs ") {
			return fields[number]
		}
	}
	return "none"
}
