package host

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMemory(t *testing.T) {
	tree := t.TempDir()
	if _, ok := memory(tree); ok {
		t.Error("memory of a machine without /proc")
	}
	if err := os.Mkdir(filepath.Join(tree, "proc"), 0o700); err != nil {
		t.Fatal(err)
	}
	text := "MemTotal:         237568 kB\nMemFree:           20480 kB\nMemAvailable:     102400 kB\nHugePages_Total:       0\n"
	if err := os.WriteFile(filepath.Join(tree, "proc/meminfo"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if m, ok := memory(tree); !ok || m != (MemoryState{Total: 237568 << 10, Available: 102400 << 10}) {
		t.Errorf("got %+v, %v", m, ok)
	}
	if m, ok := Memory(); !ok || m.Available == 0 || m.Available > m.Total {
		t.Errorf("of this machine: %+v, %v", m, ok)
	}
}
