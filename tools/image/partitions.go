package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"
)

// The places of gokrazy's partitions in the table.
const (
	bootPartition = iota
	rootPartition
	otherRootPartition
	permPartition
	partitionCount
)

const sector = 512

// partitions reads a disk's GPT.
func partitions(disk *os.File) ([]*gpt.Partition, error) {
	table, err := gpt.Read(file.New(disk, true), sector, sector)
	if err != nil {
		return nil, fmt.Errorf("read the partition table of %s: %w", disk.Name(), err)
	}
	if n := len(table.Partitions); n < partitionCount {
		return nil, fmt.Errorf("%s has %d partitions, want %d", disk.Name(), n, partitionCount)
	}
	return table.Partitions, nil
}

// section is what a partition holds.
func section(disk io.ReaderAt, p *gpt.Partition) *io.SectionReader {
	return io.NewSectionReader(disk, p.GetStart(), p.GetSize())
}

// formatPerm makes the file system for /perm in an image file or on a disk, whose partitions the kernel may not know
// yet. All of it is written now: the kernel would otherwise finish the job in the background, on the appliance.
func formatPerm(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	parts, err := partitions(f)
	if err != nil {
		return err
	}
	perm := parts[permPartition]
	offset := "offset=" + strconv.FormatInt(perm.GetStart(), 10)
	cmd := exec.CommandContext(ctx, mkfs(), "-q", "-F", "-L", "perm", "-m", "0", "-i", "1048576", "-J", "size=8",
		"-E", offset+",lazy_itable_init=0,lazy_journal_init=0", path, strconv.FormatInt(perm.GetSize()>>10, 10)+"k")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("format /perm: %w %s (Debian has mkfs.ext4 in the package e2fsprogs)", err, out)
	}
	return nil
}

// mkfs is the program that makes ext4. Debian leaves its folder out of an ordinary user's PATH.
func mkfs() string {
	if path, err := exec.LookPath("mkfs.ext4"); err == nil {
		return path
	}
	return "/usr/sbin/mkfs.ext4"
}
