package systest

import (
	"crypto/sha256"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/camkrazy/camkrazy/tools/systest/qemu"
)

// choosing are the files with which gokrazy chooses the root; they differ from boot to boot.
var choosing = []string{"cmdline.txt", "loader/entries/gokrazy.conf"}

// checkBootFiles holds that each file of the boot partition is as it was built. QEMU starts the kernel by itself; a Pi
// needs the others too.
func (b *board) checkBootFiles(t *testing.T) {
	t.Helper()
	for _, name := range tornFiles(t, b.disk, b.p) {
		t.Errorf("%s in the boot partition is torn", name)
	}
}

// tornFiles lists the files of a card's boot partition that are not those of any of the products.
func tornFiles(t *testing.T, disk qemu.Disk, products ...product) []string {
	t.Helper()
	var built []map[string][sha256.Size]byte
	for _, p := range products {
		sums, err := bootSums(t, p.image)
		if err != nil {
			t.Fatal(err)
		}
		built = append(built, sums)
	}
	got, err := bootSums(t, disk)
	if err != nil {
		t.Logf("read the boot partition: %v", err)
		return []string{"the file system"}
	}
	var torn []string
	for name := range built[0] {
		same := func(b map[string][sha256.Size]byte) bool { return b[name] == got[name] }
		if !slices.ContainsFunc(built, same) {
			torn = append(torn, name)
		}
	}
	slices.Sort(torn)
	return torn
}

// bootSums hashes the files of a boot partition.
func bootSums(t *testing.T, disk qemu.Disk) (map[string][sha256.Size]byte, error) {
	t.Helper()
	dir := t.TempDir()
	if err := disk.CopyBootFiles(dir); err != nil {
		return nil, err
	}
	sums := make(map[string][sha256.Size]byte)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || slices.Contains(choosing, filepath.ToSlash(name)) {
			return err
		}
		content, err := os.ReadFile(path)
		sums[name] = sha256.Sum256(content)
		return err
	})
	return sums, err
}
