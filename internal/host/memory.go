package host

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// MemoryState is the machine's memory, in bytes.
type MemoryState struct {
	Total     uint64
	Available uint64 // without swapping, by the kernel's estimate
}

// Memory reads /proc/meminfo (proc(5)); ok is false if it cannot be read.
func Memory() (m MemoryState, ok bool) { return memory("/") }

func memory(tree string) (m MemoryState, ok bool) {
	text, err := os.ReadFile(filepath.Join(tree, "proc/meminfo"))
	if err != nil {
		return m, false
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "MemTotal":
			m.Total = kib << 10
		case "MemAvailable":
			m.Available = kib << 10
		}
	}
	return m, m.Total > 0
}
