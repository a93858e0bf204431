package systest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/camkrazy/camkrazy/tools/systest/qemu"
)

const (
	rootUpload = "/update/root"
	bootUpload = "/update/boot"
)

// testOtherFirmware updates to an image with other files in its boot partition, which there is only one of and which is
// written in place. An update that breaks off there is mended by the next one, as long as the power stays on. What a
// power cut leaves is measured: on a Pi, a torn file there may be the one that it starts with.
func testOtherFirmware(t *testing.T, p product, e effort) {
	other := p.withOtherFirmware(t)
	size := bootSize(t, other)

	t.Run("connection lost and again", func(t *testing.T) {
		b := newBoard(t, p)
		b.start(t)
		u := beginUpdate(t, b, other, place{bootUpload, size / 2})
		u.wait(t, "the place to cut", u.gateway.reached)
		u.hangUp()
		t.Logf("connection lost %v", u.gateway)
		u.stop()
		if err := b.waitStreaming(t.Context()); err != nil {
			t.Fatal(err)
		}
		testWholeUpdate(t, b, other)
		b.PowerCut()
		if torn := tornFiles(t, b.disk, other); len(torn) > 0 {
			t.Errorf("after a whole update these files of the boot partition are not the new ones: %q", torn)
		}
		b.start(t)
	})
	t.Run("power cut in the root partition", func(t *testing.T) {
		b := newSlowBoard(t, p, cardRate)
		b.start(t)
		b.cutPowerWhileWritten(t, other, place{rootUpload, 1}, 10<<20)
		b.checkBootFiles(t)
		b.start(t)
	})
	for _, percent := range e.bootCuts {
		t.Run(fmt.Sprintf("power cut at %d percent of the boot partition", percent), func(t *testing.T) {
			b := newSlowBoard(t, p, cardRate)
			b.start(t)
			b.cutPowerWhileWritten(t, other, place{bootUpload, 1}, size*percent/100)
			torn := tornFiles(t, b.disk, p, other)
			if err := b.PowerOn(); err != nil {
				t.Fatal(err)
			}
			const patience = 30 * time.Second
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			starts := b.waitStreaming(ctx) == nil
			if len(torn) == 0 && percent < 90 {
				t.Error("no file is torn: is gokrazy safe now? README says that it is not")
			}
			t.Logf("%d torn files in the boot partition, start_x.elf among them: %v, cmdline.txt readable and QEMU starts: %v",
				len(torn), slices.Contains(torn, "start_x.elf"), starts)
		})
	}
}

// bootSize is how many bytes of a boot partition its file system has, which is what an update sends (FAT specification,
// section 3.1: BPB_BytsPerSec, BPB_TotSec16, BPB_TotSec32).
func bootSize(t *testing.T, p product) int64 {
	t.Helper()
	fat, err := os.ReadFile(partition(t, p, 1))
	if err != nil {
		t.Fatal(err)
	}
	sectors := int64(binary.LittleEndian.Uint16(fat[19:]))
	if sectors == 0 {
		sectors = int64(binary.LittleEndian.Uint32(fat[32:]))
	}
	return sectors * int64(binary.LittleEndian.Uint16(fat[11:]))
}

// cutPowerWhileWritten begins an update, waits until the card has taken so many bytes after a place of it, and cuts the
// power.
func (b *board) cutPowerWhileWritten(t *testing.T, p product, at place, written int64) {
	t.Helper()
	u := beginUpdate(t, b, p, at)
	u.wait(t, "the place to cut", u.gateway.reached)
	before := bytesWritten(t, b)
	ctx, cancel := context.WithTimeout(t.Context(), updateTimeout)
	defer cancel()
	var taken int64
	err := poll(ctx, func() (bool, error) {
		n, err := b.BytesWritten(ctx)
		taken = n - before
		return taken >= written, err
	})
	if err != nil {
		t.Fatalf("the card took %d bytes, wait for %d: %v", taken, written, err)
	}
	where := u.gateway.String()
	b.PowerCut()
	u.stop()
	t.Logf("power cut %s, of which the card had taken %.1f MB after %s began", where, float64(taken)/1e6, at.path)
}

// withOtherFirmware builds the product with a GPU firmware that is longer, so that it and all that comes after it in the
// boot partition is elsewhere. Nothing here runs it.
func (p product) withOtherFirmware(t *testing.T) product {
	t.Helper()
	dir := t.TempDir()
	other := p
	other.root, other.image = filepath.Join(dir, "repository"), qemu.Disk(filepath.Join(dir, "other.img"))
	if err := os.Mkdir(other.root, 0o700); err != nil {
		t.Fatal(err)
	}
	copied := []string{"cmd", "firmware", "instance", "internal", "overlay", "tools", "go.mod", "go.sum", "tools.mod", "tools.sum"}
	for _, name := range copied {
		if out, err := exec.Command("cp", "-r", filepath.Join(p.root, name), other.root).CombinedOutput(); err != nil {
			t.Fatalf("copy %s: %v\n%s", name, err, out)
		}
	}
	const longer = "start_x.elf"
	firmware := filepath.Join(other.root, "firmware")
	content, err := os.ReadFile(filepath.Join(firmware, longer))
	if err != nil {
		t.Fatal(err)
	}
	before := fmt.Sprintf("%x", sha256.Sum256(content))
	content = append(bytes.Repeat([]byte("another firmware"), 1<<16), content...)
	sums, err := os.ReadFile(filepath.Join(firmware, "SHA256SUMS"))
	if err != nil || !strings.Contains(string(sums), before) {
		t.Fatalf("SHA256SUMS does not have %s of %s (%v)", before, longer, err)
	}
	sums = bytes.Replace(sums, []byte(before), fmt.Appendf(nil, "%x", sha256.Sum256(content)), 1)
	for name, content := range map[string][]byte{longer: content, "SHA256SUMS": sums} {
		if err := os.WriteFile(filepath.Join(firmware, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	other.make(t)
	return other
}
