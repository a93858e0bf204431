package host

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCardSectorsWritten(t *testing.T) {
	const (
		squashfs = "21 1 179:2 / / ro,relatime - squashfs /dev/root ro,errors=continue\n" +
			"25 21 0:15 / /tmp rw,nosuid,nodev - tmpfs tmpfs rw,size=51200k\n"
		ext4 = "29 1 179:2 / / rw,relatime shared:1 - ext4 /dev/mmcblk0p2 rw\n"
		stat = "    1220      404    90218      810        3        0       42        5        0      701      816        0        0        0        0\n"
	)
	tests := []struct {
		name, mounts, stat string
		partition          bool
		sectors            uint64
		ok                 bool
	}{
		{"the card, not its partition", squashfs, stat, true, 42, true},
		{"a disk without partitions", squashfs, stat, false, 42, true},
		{"a computer", ext4, stat, true, 0, false},
		{"no mounts", "", stat, true, 0, false},
		{"short line", "21 1 179:2\n", stat, true, 0, false},
		{"short stat", squashfs, "1 2 3\n", true, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree := t.TempDir()
			disk := "sys/devices/mmc/mmcblk0"
			root := disk
			write(t, filepath.Join(tree, "proc/self/mountinfo"), tt.mounts)
			write(t, filepath.Join(tree, disk, "stat"), tt.stat)
			if tt.partition {
				root += "/mmcblk0p2"
				write(t, filepath.Join(tree, root, "partition"), "2\n")
				write(t, filepath.Join(tree, root, "stat"), "70 0 4100 51 1 0 77 2 0 12 53\n")
			}
			write(t, filepath.Join(tree, "sys/dev/block/1:0"), "")
			if err := os.Symlink(filepath.Join(tree, root), filepath.Join(tree, "sys/dev/block/179:2")); err != nil {
				t.Fatal(err)
			}
			sectors, ok := cardSectorsWritten(tree)
			if sectors != tt.sectors || ok != tt.ok {
				t.Errorf("got %d, %v, want %d, %v", sectors, ok, tt.sectors, tt.ok)
			}
		})
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestResidentMemory(t *testing.T) {
	if got := ResidentMemory(); got < 1<<20 || got > 1<<36 {
		t.Errorf("got %d bytes for a running Go program", got)
	}
}
