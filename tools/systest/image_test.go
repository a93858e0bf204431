package systest

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// boardFiles are what a Pi with a camera needs of the boot partition: the GPU's firmware for each board's first stage,
// the kernel, and the overlay that config.txt names.
var boardFiles = []string{
	"bootcode.bin", "start_x.elf", "fixup_x.dat", "start4x.elf", "fixup4x.dat", "vmlinuz", "cmdline.txt", "config.txt",
	"overlays/disable-bt.dtbo", "bcm2710-rpi-3-b.dtb", "bcm2710-rpi-zero-2-w.dtb", "bcm2711-rpi-4-b.dtb",
}

// testImage has Debian's tools look at what was built.
func testImage(t *testing.T, p product) {
	boot, root := partition(t, p, 1), partition(t, p, 2)
	judge(t, "sfdisk", "--verify", "--quiet", string(p.image))
	judge(t, "fsck.fat", "-n", boot)
	judge(t, "fsck.ext4", "-n", "-f", partition(t, p, 4))
	listing := judge(t, "mdir", "-b", "-i", boot, "::")
	if !strings.Contains(listing, "::/start_x.elf") {
		t.Errorf("mdir lists no start_x.elf:\n%s", listing)
	}
	files := filepath.Join(t.TempDir(), "boot")
	if err := errors.Join(os.Mkdir(files, 0o700), p.image.CopyBootFiles(files)); err != nil {
		t.Fatal(err)
	}
	for _, name := range boardFiles {
		if st, err := os.Stat(filepath.Join(files, name)); err != nil || st.Size() == 0 {
			t.Errorf("boot partition: %s: %v", name, err)
		}
	}
	checkConfigTxt(t, p, filepath.Join(files, "config.txt"))
	checkRoot(t, p, root)
	testWithoutSecrets(t, p)
}

// checkConfigTxt holds that the built config.txt has each line of overlay/config.txt, and that nothing in it says the
// contrary.
func checkConfigTxt(t *testing.T, p product, path string) {
	t.Helper()
	built := settings(t, path)
	for _, line := range settings(t, filepath.Join(p.root, "overlay", "config.txt")) {
		if !slices.Contains(built, line) {
			t.Errorf("config.txt lacks %q", line)
		}
		key, _, _ := strings.Cut(line, "=")
		for _, other := range built {
			if k, _, _ := strings.Cut(other, "="); k == key && k != "dtoverlay" && other != line {
				t.Errorf("config.txt has %q and %q", line, other)
			}
		}
	}
}

// settings are the lines of a config.txt that are no comments.
func settings(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for scan := bufio.NewScanner(bytes.NewReader(text)); scan.Scan(); {
		if line := strings.TrimSpace(scan.Text()); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		t.Errorf("%s says nothing", path)
	}
	return lines
}

// checkRoot unpacks the root. What holds a password is for root only.
func checkRoot(t *testing.T, p product, image string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "root")
	judge(t, "unsquashfs", "-q", "-n", "-d", dir, image)
	for _, name := range []string{
		"user/camkrazy", "user/gokr-rsync", "user/breakglass", "user/serial-busybox", "gokrazy/init", "gokrazy/dhcp", "gokrazy/ntp",
		"gokrazy/randomd", "gokrazy/heartbeat", "etc/gokr-rsyncd.toml", "usr/share/doc/firmware/LICENSE.broadcom",
	} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Size() == 0 {
			t.Errorf("root: %s: %v", name, err)
		}
	}
	watch, _ := p.viewer.Password()
	for name, secret := range map[string]string{"etc/gokr-pw.txt": p.password, "etc/camkrazy/camera.yaml": watch} {
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), secret) {
			t.Errorf("root: %s has not the owner's password (%v)", name, err)
			continue
		}
		if st, err := os.Stat(path); err != nil || st.Mode().Perm()&0o077 != 0 {
			t.Errorf("root: others may read %s: %v (%v)", name, st.Mode(), err)
		}
	}
	const limit = 20 << 20
	if st, err := os.Stat(filepath.Join(dir, "user/camkrazy")); err == nil && st.Size() > limit {
		t.Errorf("the daemon has %d bytes, at most %d are wanted", st.Size(), limit)
	}
}

// testWithoutSecrets holds that the instance as it is in the repository makes no image that is open to anyone.
func testWithoutSecrets(t *testing.T, p product) {
	t.Helper()
	dir := t.TempDir()
	instance := filepath.Join(dir, "instance")
	for _, name := range []string{"instance", "overlay", "firmware"} {
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(p.root, name))); err != nil {
			t.Fatal(err)
		}
	}
	gomod := filepath.Join(instance, "camkrazy", "builddir", "go.mod")
	text, err := os.ReadFile(gomod)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("=> ../../../"), []byte("=> "+p.root), 1)
	if err := os.WriteFile(gomod, text, 0o600); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "open.img")
	cmd := exec.CommandContext(t.Context(), "go", "tool", "-modfile="+filepath.Join(p.root, "tools.mod"), "gok",
		"--parent_dir", instance, "-i", "camkrazy", "overwrite", "--full="+open, "--target_storage_bytes=1572864000")
	cmd.Dir = p.root
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+dir)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "secrets/camera.yaml") {
		t.Errorf("without the secrets gok ends with %v and says\n%s", err, out)
	}
	if _, err := os.Stat(open); err == nil {
		t.Error("without the secrets gok made an image")
	}
}

// partition copies what a partition holds to a file.
func partition(t *testing.T, p product, number int) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "partition")
	if err := p.image.CopyPartition(number, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// judge runs a program that has to be content, and returns what it says. Some live where only root looks for programs.
func judge(t *testing.T, name string, args ...string) string {
	t.Helper()
	args = append([]string{"MTOOLS_SKIP_CHECK=1", "PATH=" + os.Getenv("PATH") + ":/sbin:/usr/sbin", name}, args...)
	out, err := exec.CommandContext(t.Context(), "env", args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}
