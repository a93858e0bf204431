package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	// minDisk is what gokrazy's partitions need, with some room for /perm.
	minDisk = 1200 << 20
	// maxDisk is where the 32-bit sector numbers of gokrazy's partition table end; and no SD card is as large.
	maxDisk = 2e12
)

// machine is where the kernel tells about disks; a test has folders of its own.
type machine struct{ sys, proc, dev string }

// disk is what is known about one.
type disk struct {
	name       string // as sdb
	path       string // as /dev/sdb
	model      string
	size       int64 // bytes
	removable  bool
	readOnly   bool
	inUse      []string // reasons, as "/dev/sdb1 is mounted on /mnt"
	partitions []partition
}

type partition struct {
	name   string
	number int
	size   int64 // bytes
}

// disk looks one up by its device file, or a link to it.
func (m machine) disk(path string) (disk, error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	d := disk{name: filepath.Base(path), path: path}
	dir := filepath.Join(m.sys, "block", d.name)
	if _, err := os.Stat(dir); err != nil || filepath.Dir(path) != m.dev {
		if _, err := os.Stat(filepath.Join(m.sys, "class", "block", d.name, "partition")); err == nil {
			return d, fmt.Errorf("%s is a partition: name the whole disk", path)
		}
		if _, err := os.Stat(path); err != nil {
			return d, fmt.Errorf("%s does not exist", path)
		}
		return d, fmt.Errorf("%s is not a disk", path)
	}
	d.size = 512 * readInt(filepath.Join(dir, "size"))
	d.readOnly = readInt(filepath.Join(dir, "ro")) != 0
	d.removable = readInt(filepath.Join(dir, "removable")) != 0 || readText(filepath.Join(dir, "device", "type")) == "SD"
	words := []string{readText(filepath.Join(dir, "device", "vendor")), readText(filepath.Join(dir, "device", "model")), readText(filepath.Join(dir, "device", "name"))}
	words = slices.DeleteFunc(words, func(s string) bool { return s == "" })
	d.model = cmp.Or(strings.Join(words, " "), "no name")
	d.partitions = m.partitions(dir, d.name)
	var err error
	d.inUse, err = m.uses(dir, d)
	return d, err
}

// partitions lists those that the kernel sees, in order.
func (m machine) partitions(dir, name string) []partition {
	var out []partition
	dirs, _ := filepath.Glob(filepath.Join(dir, name+"*", "partition")) // the pattern is well formed
	for _, file := range dirs {
		part := filepath.Dir(file)
		out = append(out, partition{filepath.Base(part), int(readInt(file)), 512 * readInt(filepath.Join(part, "size"))})
	}
	slices.SortFunc(out, func(a, b partition) int { return a.number - b.number })
	return out
}

// uses lists the reasons not to touch a disk: mounts, swap, and disks made of it (encryption, RAID, LVM).
func (m machine) uses(dir string, d disk) ([]string, error) {
	mounts, err := os.ReadFile(filepath.Join(m.proc, "self", "mountinfo"))
	if err != nil {
		return nil, fmt.Errorf("find out what is mounted: %w", err)
	}
	swaps := readText(filepath.Join(m.proc, "swaps"))
	var out []string
	parts := append([]partition{{name: d.name}}, d.partitions...)
	for _, p := range parts {
		own, device := dir, filepath.Join(m.dev, p.name)
		if p.number > 0 {
			own = filepath.Join(dir, p.name)
		}
		for line := range strings.Lines(string(mounts)) {
			if mountedFrom(line, readText(filepath.Join(own, "dev")), device) {
				out = append(out, fmt.Sprintf("%s is mounted on %s", device, strings.Fields(line)[4]))
			}
		}
		for line := range strings.Lines(swaps) {
			if f := strings.Fields(line); len(f) > 0 && f[0] == device {
				out = append(out, device+" is swap space")
			}
		}
		holders, _ := os.ReadDir(filepath.Join(own, "holders")) // no folder: no holders
		for _, h := range holders {
			out = append(out, fmt.Sprintf("%s is part of %s", device, h.Name()))
		}
	}
	return out, nil
}

// mountedFrom says whether a line of /proc/self/mountinfo (proc(5)) is about a device: by number, or, for file systems
// that have numbers of their own, by name.
func mountedFrom(line, number, device string) bool {
	f := strings.Fields(line)
	dash := slices.Index(f, "-")
	if len(f) < 5 || dash < 0 || dash+2 >= len(f) {
		return false
	}
	return number != "" && f[2] == number || f[dash+2] == device
}

// refusal says why a disk must not be written to, or nil.
func (d disk) refusal(force bool) error {
	gigabytes := float64(d.size) / 1e9
	switch {
	case len(d.inUse) > 0:
		return errors.New(strings.Join(d.inUse, "; ") + ": unmount it first")
	case d.readOnly:
		return fmt.Errorf("%s is write-protected", d.path)
	case d.size > maxDisk:
		return fmt.Errorf("%s has %.0f GB: no SD card has more than 2 TB", d.path, gigabytes)
	case d.size < minDisk:
		return fmt.Errorf("%s has %.1f GB: 1.3 GB are needed", d.path, gigabytes)
	case !d.removable && !force:
		return fmt.Errorf("%s (%s, %.1f GB) is not removable: if it really is the card, say FORCE=1", d.path, d.model, gigabytes)
	}
	return nil
}

// describe shows what would be erased.
func (d disk) describe(w io.Writer) {
	fmt.Fprintf(w, "%s  %s  %.1f GB\n", d.path, d.model, float64(d.size)/1e9)
	for _, p := range d.partitions {
		fmt.Fprintf(w, "  %-12s %8.1f MB\n", p.name, float64(p.size)/1e6)
	}
	if len(d.partitions) == 0 {
		fmt.Fprintln(w, "  no partitions")
	}
}

// suggest names the disks that may be meant, for the end of a sentence.
func (m machine) suggest() string {
	entries, _ := os.ReadDir(filepath.Join(m.sys, "block")) // nothing to read: nothing to suggest
	var names []string
	for _, e := range entries {
		if d, err := m.disk(filepath.Join(m.dev, e.Name())); err == nil && d.refusal(false) == nil {
			names = append(names, fmt.Sprintf("%s (%s, %.1f GB)", d.path, d.model, float64(d.size)/1e9))
		}
	}
	if len(names) == 0 {
		return "; there is no removable disk"
	}
	return "; it may be " + strings.Join(names, " or ")
}

// written is how many bytes the disk has taken since it was plugged in (Documentation/block/stat.rst).
func (m machine) written(d disk) int64 {
	const sectorsWritten = 6
	fields := strings.Fields(readText(filepath.Join(m.sys, "block", d.name, "stat")))
	if len(fields) <= sectorsWritten {
		return 0
	}
	n, err := strconv.ParseInt(fields[sectorsWritten], 10, 64)
	if err != nil {
		return 0
	}
	return 512 * n
}

// readText is what a small file holds, "" if there is none to read; the kernel leaves out what a device lacks.
func readText(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	content, err := io.ReadAll(bufio.NewReader(f))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}

func readInt(path string) int64 {
	n, err := strconv.ParseInt(readText(path), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
