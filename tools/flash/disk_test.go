package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// newMachine has folders in place of the kernel's, with one fixed disk, sda, that the machine runs from.
func newMachine(t *testing.T) machine {
	t.Helper()
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := machine{sys: filepath.Join(top, "sys"), proc: filepath.Join(top, "proc"), dev: filepath.Join(top, "dev")}
	m.put(t, map[string]string{
		"/proc/self/mountinfo": "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n",
		"/proc/swaps":          "Filename Type Size Used Priority\n/dev/sda2 partition 999 0 -2\n",
	})
	m.put(t, diskFiles("sda", 500e9, "8:0", 250e9, 10e9))
	m.put(t, map[string]string{"/sys/block/sda/removable": "0", "/sys/block/sda/device/model": "SSD"})
	return m
}

// put writes files. /dev in their text is the machine's.
func (m machine) put(t *testing.T, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(filepath.Dir(m.sys), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(m.text(content)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// text has the machine's /dev in place of the real one.
func (m machine) text(s string) string {
	return strings.ReplaceAll(s, "/dev/", m.dev+"/")
}

// diskFiles are those of a removable disk with partitions, whose minor numbers follow the disk's.
func diskFiles(name string, size int64, number string, partitions ...int64) map[string]string {
	sys := "/sys/block/" + name
	files := map[string]string{
		"/dev/" + name:     "",
		sys + "/size":      fmt.Sprintln(size / 512),
		sys + "/ro":        "0\n",
		sys + "/removable": "1\n",
		sys + "/dev":       number + "\n",
		"/sys/class/block/" + name + "/queue/depth": "",
	}
	major, minor, _ := strings.Cut(number, ":")
	var first int
	fmt.Sscan(minor, &first)
	for i, size := range partitions {
		part := fmt.Sprintf("%s%d", name, i+1)
		if strings.HasPrefix(name, "mmcblk") {
			part = fmt.Sprintf("%sp%d", name, i+1)
		}
		files["/dev/"+part] = ""
		files[sys+"/"+part+"/partition"] = fmt.Sprintln(i + 1)
		files[sys+"/"+part+"/size"] = fmt.Sprintln(size / 512)
		files[sys+"/"+part+"/dev"] = fmt.Sprintf("%s:%d\n", major, first+i+1)
		files["/sys/class/block/"+part+"/partition"] = fmt.Sprintln(i + 1)
	}
	return files
}

// addCard plugs in a reader with a card, sdb, of 32 GB and two partitions.
func (m machine) addCard(t *testing.T) {
	t.Helper()
	m.put(t, diskFiles("sdb", 32e9, "8:16", 100_000_256, 31e9))
	m.put(t, map[string]string{
		"/sys/block/sdb/device/vendor": "Generic \n",
		"/sys/block/sdb/device/model":  "Card Reader\n",
	})
}

func TestDisk(t *testing.T) {
	m := newMachine(t)
	m.addCard(t)
	m.put(t, diskFiles("mmcblk0", 64e9, "179:0", 1e9, 2e9, 3e9, 4e9, 5e9, 6e9, 7e9, 8e9, 9e9, 10e9))
	m.put(t, map[string]string{
		"/sys/block/mmcblk0/removable":   "0\n",
		"/sys/block/mmcblk0/device/type": "SD\n",
		"/sys/block/mmcblk0/device/name": "SD64G\n",
	})
	sd := disk{
		name: "mmcblk0", path: m.text("/dev/mmcblk0"), model: "SD64G", size: 64e9, removable: true,
	}
	for i := range 10 { // the tenth comes last, unlike among file names
		size := int64(i+1) * 1e9 / 512 * 512
		sd.partitions = append(sd.partitions, partition{fmt.Sprintf("mmcblk0p%d", i+1), i + 1, size})
	}
	card := disk{
		name: "sdb", path: m.text("/dev/sdb"), model: "Generic Card Reader", size: 32e9, removable: true,
		partitions: []partition{{"sdb1", 1, 100_000_256}, {"sdb2", 2, 31e9}},
	}
	fixed := disk{
		name: "sda", path: m.text("/dev/sda"), model: "SSD", size: 500e9 / 512 * 512,
		partitions: []partition{{"sda1", 1, 250e9 / 512 * 512}, {"sda2", 2, 10e9 / 512 * 512}},
		inUse:      []string{m.text("/dev/sda1 is mounted on /"), m.text("/dev/sda2 is swap space")},
	}
	m.put(t, map[string]string{"/dev/null": "", "/somewhere/sdb": "", "/somewhere/sdb1": ""})
	link := filepath.Join(m.dev, "disk", "by-id", "usb-card")
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{link: "../../sdb", link + "-part1": "../../sdb1"} {
		if err := os.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	elsewhere := filepath.Join(filepath.Dir(m.sys), "somewhere", "sdb")

	tests := []struct {
		name, path string
		want       disk
		err        string
	}{
		{"in a USB reader", "/dev/sdb", card, ""},
		{"in a built-in reader", "/dev/mmcblk0", sd, ""},
		{"fixed", "/dev/sda", fixed, ""},
		{"by a link", link, card, ""},
		{"a link to a partition", link + "-part1", disk{}, "/dev/sdb1 is a partition: name the whole disk"},
		{"a partition", "/dev/sdb1", disk{}, "/dev/sdb1 is a partition: name the whole disk"},
		{"a partition of a card", "/dev/mmcblk0p1", disk{}, "/dev/mmcblk0p1 is a partition: name the whole disk"},
		{"another device", "/dev/null", disk{}, "/dev/null is not a disk"},
		{"unplugged", "/dev/sdz", disk{}, "/dev/sdz does not exist"},
		{"a file with a disk's name", elsewhere, disk{}, elsewhere + " is not a disk"},
		{"the folder", "/dev/", disk{}, strings.TrimSuffix(m.text("/dev/"), "/") + " is not a disk"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := tt.path
			if !strings.HasPrefix(path, filepath.Dir(m.sys)) {
				path = m.text(path)
			}
			got, err := m.disk(path)
			if tt.err != "" {
				want := tt.err
				if !strings.HasPrefix(want, filepath.Dir(m.sys)) {
					want = m.text(want)
				}
				if err == nil || err.Error() != want {
					t.Errorf("got error %v, want %s", err, want)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(disk{}, partition{})); err != nil || diff != "" {
				t.Errorf("error %v, disk (-want +got):\n%s", err, diff)
			}
		})
	}
}

// TestRefusal changes one thing about a good card. Only "not removable" may be overridden.
func TestRefusal(t *testing.T) {
	const mounts = "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
	tests := []struct {
		name   string
		files  map[string]string
		want   string // "": no refusal
		forced string // the same with FORCE
	}{
		{"good", nil, "", ""},
		{
			"fixed", map[string]string{"/sys/block/sdb/removable": "0"},
			"/dev/sdb (Generic Card Reader, 32.0 GB) is not removable: if it really is the card, say FORCE=1", "",
		},
		{
			"an eMMC chip", map[string]string{"/sys/block/sdb/removable": "0", "/sys/block/sdb/device/type": "MMC"},
			"/dev/sdb (Generic Card Reader, 32.0 GB) is not removable: if it really is the card, say FORCE=1", "",
		},
		{
			"an SD card", map[string]string{"/sys/block/sdb/removable": "0", "/sys/block/sdb/device/type": "SD"}, "", "",
		},
		always("mounted by number", "/dev/sdb2 is mounted on /media/card: unmount it first", map[string]string{
			"/proc/self/mountinfo": mounts + "30 22 8:18 / /media/card rw - vfat /dev/root rw\n",
		}),
		always("mounted by name", "/dev/sdb1 is mounted on /media/card: unmount it first", map[string]string{
			"/proc/self/mountinfo": mounts + "30 22 0:45 /@ /media/card rw shared:2 master:1 - btrfs /dev/sdb1 rw\n",
		}),
		always("mounted whole", "/dev/sdb is mounted on /mnt: unmount it first", map[string]string{
			"/proc/self/mountinfo": "30 22 8:16 / /mnt rw - ext4 /dev/sdb rw\n" + mounts,
		}),
		always("mounted twice", "/dev/sdb1 is mounted on /a; /dev/sdb2 is mounted on /b: unmount it first", map[string]string{
			"/proc/self/mountinfo": mounts +
				"30 22 8:18 / /b rw - ext4 /dev/sdb2 rw\n31 22 8:17 / /a rw - ext4 /dev/sdb1 rw\n",
		}),
		always("swap", "/dev/sdb2 is swap space: unmount it first", map[string]string{
			"/proc/swaps": "Filename Type\n/dev/sdb2 partition 1 0 -2\n",
		}),
		always("encrypted", "/dev/sdb1 is part of dm-0: unmount it first", map[string]string{
			"/sys/block/sdb/sdb1/holders/dm-0": "",
		}),
		always("RAID of whole disks", "/dev/sdb is part of md0: unmount it first", map[string]string{
			"/sys/block/sdb/holders/md0": "",
		}),
		always("write-protected", "/dev/sdb is write-protected", map[string]string{"/sys/block/sdb/ro": "1"}),
		always("too large", "/dev/sdb has 2000 GB: no SD card has more than 2 TB", map[string]string{
			"/sys/block/sdb/size": "3906250001",
		}),
		{"as large as can be", map[string]string{"/sys/block/sdb/size": "3906250000"}, "", ""},
		always("too small", "/dev/sdb has 1.3 GB: 1.3 GB are needed", map[string]string{"/sys/block/sdb/size": "2457599"}),
		{"as small as can be", map[string]string{"/sys/block/sdb/size": "2457600"}, "", ""},
		always("no card in the reader", "/dev/sdb has 0.0 GB: 1.3 GB are needed", map[string]string{
			"/sys/block/sdb/size": "0",
		}),
		always("fixed and mounted", "/dev/sdb1 is mounted on /mnt: unmount it first", map[string]string{
			"/proc/self/mountinfo":     "30 22 8:17 / /mnt rw - ext4 /dev/sdb1 rw\n",
			"/sys/block/sdb/removable": "0",
		}),
		{
			"mounts of others with similar names and numbers",
			map[string]string{
				"/proc/self/mountinfo": mounts +
					"30 22 8:160 / /a rw - ext4 /dev/sdb10 rw\n31 22 18:16 / /b rw - ext4 /dev/sdba rw\n" +
					"32 22 0:5 / /dev/sdb1 rw - tmpfs none rw\n33 22 0:6 /dev/sdb1 /c rw\n",
				"/proc/swaps": "Filename Type\n/dev/sdb10 partition 1 0 -2\n/dev/sdba partition 1 0 -2\n",
			},
			"", "",
		},
		// A disk that tells no number must not take every mount for its own.
		{"no numbers", map[string]string{"/sys/block/sdb/dev": "", "/sys/block/sdb/sdb1/dev": ""}, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			m.addCard(t)
			m.put(t, tt.files)
			d, err := m.disk(m.text("/dev/sdb"))
			if err != nil {
				t.Fatal(err)
			}
			for force, want := range map[bool]string{false: tt.want, true: tt.forced} {
				got := ""
				if err := d.refusal(force); err != nil {
					got = err.Error()
				}
				if got != m.text(want) {
					t.Errorf("force %v: got %q\nwant %q", force, got, m.text(want))
				}
			}
		})
	}
}

// always is a case of TestRefusal in which FORCE changes nothing.
func always(name, want string, files map[string]string) (tt struct {
	name   string
	files  map[string]string
	want   string
	forced string
}) {
	tt.name, tt.files, tt.want, tt.forced = name, files, want, want
	return tt
}

// TestMountsUnknown: without the list of mounts no disk is free.
func TestMountsUnknown(t *testing.T) {
	m := newMachine(t)
	m.addCard(t)
	if err := os.Remove(filepath.Join(m.proc, "self", "mountinfo")); err != nil {
		t.Fatal(err)
	}
	_, err := m.disk(m.text("/dev/sdb"))
	if want := "find out what is mounted: "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	if got, want := m.suggest(), "; there is no removable disk"; got != want {
		t.Errorf("suggests %q, want %q", got, want)
	}
}

func TestDescribe(t *testing.T) {
	tests := []struct {
		name string
		d    disk
		want string
	}{
		{
			"partitions",
			disk{path: "/dev/sdb", model: "Generic Reader", size: 31_914_983_424, partitions: []partition{
				{"sdb1", 1, 104_857_600}, {"sdb2", 2, 31e9},
			}},
			"/dev/sdb  Generic Reader  31.9 GB\n  sdb1            104.9 MB\n  sdb2          31000.0 MB\n",
		},
		{
			"empty", disk{path: "/dev/mmcblk0", model: "no name", size: 2e9},
			"/dev/mmcblk0  no name  2.0 GB\n  no partitions\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			tt.d.describe(&out)
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSuggest(t *testing.T) {
	m := newMachine(t)
	check := func(want string) {
		t.Helper()
		if got := m.suggest(); got != m.text(want) {
			t.Errorf("got %q\nwant %q", got, m.text(want))
		}
	}
	check("; there is no removable disk")
	m.addCard(t)
	check("; it may be /dev/sdb (Generic Card Reader, 32.0 GB)")
	m.put(t, diskFiles("sdc", 8e9, "8:32"))
	check("; it may be /dev/sdb (Generic Card Reader, 32.0 GB) or /dev/sdc (no name, 8.0 GB)")
	m.put(t, map[string]string{"/sys/block/sdb/ro": "1"})
	check("; it may be /dev/sdc (no name, 8.0 GB)")
}

func TestWritten(t *testing.T) {
	tests := map[string]int64{
		"1 2 3 4 5 6 70 8 9 10 11\n": 70 * 512,
		"1 2 3 4 5 6 70":             70 * 512,
		"1 2 3 4 5 6":                0,
		"1 2 3 4 5 6 x 8":            0,
		"":                           0,
	}
	for stat, want := range tests {
		m := newMachine(t)
		m.addCard(t)
		m.put(t, map[string]string{"/sys/block/sdb/stat": stat})
		if got := m.written(disk{name: "sdb"}); got != want {
			t.Errorf("%q: got %d, want %d", stat, got, want)
		}
	}
	if got := newMachine(t).written(disk{name: "sdz"}); got != 0 {
		t.Errorf("no such disk: got %d, want 0", got)
	}
}
