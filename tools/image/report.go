package main

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/CalebQ42/squashfs"
)

// report says how large the parts of a built image are, and what takes the room.
func report(w io.Writer, image string) error {
	f, err := os.Open(image)
	if err != nil {
		return err
	}
	defer f.Close()
	parts, err := partitions(f)
	if err != nil {
		return err
	}
	boot, err := fatSize(section(f, parts[bootPartition]))
	if err != nil {
		return err
	}
	root, err := squashfs.NewReader(section(f, parts[rootPartition]))
	if err != nil {
		return fmt.Errorf("read the root partition: %w", err)
	}
	files, err := listFiles(root)
	if err != nil {
		return fmt.Errorf("read the root partition: %w", err)
	}
	fmt.Fprintf(w, "\n%-26s %6s MB\n", "boot partition (FAT)", megabytes(boot))
	fmt.Fprintf(w, "%-26s %6s MB; of which, before compression:\n", "root (squashfs)", megabytes(int64(root.Low.Superblock.Size)))
	for _, item := range biggest(files) {
		fmt.Fprintf(w, "  %-24s %6s MB\n", item.path, megabytes(item.size))
	}
	return nil
}

// whatNext says where the image is and how it comes onto a card.
func whatNext(w io.Writer, root, image string) error {
	info, err := os.Stat(image)
	if err != nil {
		return err
	}
	if short, err := filepath.Rel(root, image); err == nil && filepath.IsLocal(short) {
		image = short
	}
	fmt.Fprintf(w, "\n%-10s%s, %s MB; write it to a card with any tool for that, or build and write in one with: make flash DISK=/dev/sdX\n",
		"image", image, megabytes(info.Size()))
	return nil
}

// rootFile is a file, or some that belong together, and how many bytes are in it.
type rootFile struct {
	path string
	size int64
}

// listFiles lists the regular files.
func listFiles(root fs.FS) ([]rootFile, error) {
	var files []rootFile
	err := fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		files = append(files, rootFile{"/" + path, info.Size()})
		return nil
	})
	return files, err
}

// fatSize is the size of a FAT file system, which gok makes just as large as the files need, by its boot sector.
func fatSize(r io.ReaderAt) (int64, error) {
	b := make([]byte, sector)
	if _, err := r.ReadAt(b, 0); err != nil {
		return 0, err
	}
	sectors := int64(binary.LittleEndian.Uint16(b[19:]))
	if sectors == 0 {
		sectors = int64(binary.LittleEndian.Uint32(b[32:]))
	}
	return sectors * int64(binary.LittleEndian.Uint16(b[11:])), nil
}

// biggest puts files that belong together into one, and returns all from the largest down.
func biggest(files []rootFile) []rootFile {
	var out []rootFile
	for _, f := range files {
		switch {
		case strings.HasPrefix(f.path, "/lib/modules/"):
			f.path = "kernel modules"
		case !strings.HasPrefix(f.path, "/user/") && !strings.HasPrefix(f.path, "/gokrazy/") && f.path != "/usr/local/bin/busybox":
			f.path = "everything else"
		}
		if i := slices.IndexFunc(out, func(o rootFile) bool { return o.path == f.path }); i >= 0 {
			out[i].size += f.size
		} else {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b rootFile) int { return cmp.Compare(b.size, a.size) })
	return out
}

// megabytes is a size in units of 1,000,000 bytes.
func megabytes(n int64) string {
	return fmt.Sprintf("%.1f", float64(n)/1e6)
}
