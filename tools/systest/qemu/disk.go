package qemu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"
)

const (
	sectorSize = 512
	// The MBR's partition table (UEFI specification 2.10, section 5.2.1): four entries of 16 bytes, of which byte 4 is
	// the type, and bytes 8 to 11 the first sector.
	mbrTable, mbrEntry, mbrEntries = 446, 16, 4
	mbrType, mbrFirstLBA           = 4, 8
)

// fatTypes are the MBR partition types that the Pi's firmware takes for FAT.
var fatTypes = map[byte]bool{0x04: true, 0x06: true, 0x0b: true, 0x0c: true, 0x0e: true}

// Disk is a raw image of a card. Nobody may read its boot partition while a machine runs that writes it.
type Disk string

// Clone copies the image to a new file; holes stay holes, and the copy shares the original's blocks where the file
// system can do that.
func (d Disk) Clone(path string) (Disk, error) {
	out, err := exec.Command("cp", "--reflink=auto", "--sparse=always", string(d), path).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("copy image %s: %w: %s", d, err, out)
	}
	return Disk(path), nil
}

// Boot is what the Pi's firmware reads to start Linux.
type Boot struct {
	Kernel  string // path of a copy of vmlinuz
	Cmdline string // cmdline.txt's first line, as the kernel gets it
}

// ReadBoot reads the kernel into a file of folder dir, and the command line. As the Pi's firmware does, it puts the
// serial port's device in the place of console=serial0.
func (d Disk) ReadBoot(dir string) (Boot, error) {
	fat, err := d.bootPartition()
	if err != nil {
		return Boot{}, err
	}
	b := Boot{Kernel: filepath.Join(dir, "vmlinuz")}
	cmdline := filepath.Join(dir, "cmdline.txt")
	for name, to := range map[string]string{"vmlinuz": b.Kernel, "cmdline.txt": cmdline} {
		if err := mtools("mcopy", "-n", "-o", "-i", fat, "::"+name, to); err != nil {
			return Boot{}, fmt.Errorf("read %s from the boot partition: %w", name, err)
		}
	}
	text, err := os.ReadFile(cmdline)
	if err != nil {
		return Boot{}, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	b.Cmdline = strings.ReplaceAll(strings.TrimSpace(line), "console=serial0", "console=ttyAMA0")
	return b, nil
}

// CopyBootFiles copies all files of the boot partition to a folder.
func (d Disk) CopyBootFiles(dir string) error {
	fat, err := d.bootPartition()
	if err != nil {
		return err
	}
	return mtools("mcopy", "-n", "-o", "-s", "-i", fat, "::", dir)
}

// CopyPartition copies what the partition of a number, from 1, holds to a new file.
func (d Disk) CopyPartition(number int, path string) error {
	image, err := os.Open(string(d))
	if err != nil {
		return err
	}
	defer image.Close()
	table, err := gpt.Read(file.New(image, true), sectorSize, sectorSize)
	if err != nil {
		return fmt.Errorf("read partition table of %s: %w", d, err)
	}
	if number < 1 || number > len(table.Partitions) {
		return fmt.Errorf("%s has %d partitions, not %d", d, len(table.Partitions), number)
	}
	p := table.Partitions[number-1]
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.NewSectionReader(image, p.GetStart(), p.GetSize()))
	return errors.Join(err, out.Close())
}

// bootPartition is the first FAT partition, in the form that mtools wants.
func (d Disk) bootPartition() (string, error) {
	f, err := os.Open(string(d))
	if err != nil {
		return "", err
	}
	defer f.Close()
	var mbr [sectorSize]byte
	if _, err := f.ReadAt(mbr[:], 0); err != nil {
		return "", fmt.Errorf("read partition table of %s: %w", d, err)
	}
	if mbr[510] != 0x55 || mbr[511] != 0xaa {
		return "", fmt.Errorf("%s has no partition table", d)
	}
	for i := range mbrEntries {
		e := mbr[mbrTable+i*mbrEntry:][:mbrEntry]
		if fatTypes[e[mbrType]] {
			first := binary.LittleEndian.Uint32(e[mbrFirstLBA:])
			return fmt.Sprintf("%s@@%d", d, int64(first)*sectorSize), nil
		}
	}
	return "", fmt.Errorf("%s has no FAT partition", d)
}

// mtools runs one of Debian's mtools. They complain of the geometry of file systems that were not made by DOS, unless
// told not to.
func mtools(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "MTOOLS_SKIP_CHECK=1")
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w: run tools/systest/deps", err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}
