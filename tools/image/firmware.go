package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// firmwareModule has the Raspberry Pi's firmware; its version is pinned in the instance's go.mod.
const firmwareModule = "github.com/gokrazy/firmware"

// fetchFirmware puts the files of firmware/SHA256SUMS into firmware/, unless they are there already.
func fetchFirmware(ctx context.Context, root string) error {
	dest := filepath.Join(root, "firmware")
	manifest, err := os.ReadFile(filepath.Join(dest, "SHA256SUMS"))
	if err != nil {
		return fmt.Errorf("read the firmware's manifest: %w", err)
	}
	sums, err := parseSums(manifest)
	if err != nil {
		return fmt.Errorf("read the firmware's manifest: %w", err)
	}
	if checkSums(dest, sums) == nil {
		return nil
	}
	source, err := moduleDir(ctx, filepath.Join(root, "instance", "camkrazy", "builddir"), firmwareModule)
	if err != nil {
		return err
	}
	if err := checkSums(source, sums); err != nil {
		return fmt.Errorf("check %s: %w", firmwareModule, err)
	}
	for name := range sums {
		content, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dest, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// parseSums reads what sha256sum prints: file names, each with its hash in hexadecimal.
func parseSums(manifest []byte) (map[string]string, error) {
	sums := make(map[string]string)
	for line := range bytes.Lines(manifest) {
		sum, name, found := strings.Cut(strings.TrimSpace(string(line)), "  ")
		if !found || len(sum) != 2*sha256.Size || name != filepath.Base(name) {
			return nil, fmt.Errorf("%q is not a hash and a file name", line)
		}
		sums[name] = sum
	}
	return sums, nil
}

// checkSums compares the files in dir with their hashes.
func checkSums(dir string, sums map[string]string) error {
	for name, want := range sums {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		got := sha256.Sum256(content)
		if hex.EncodeToString(got[:]) != want {
			return fmt.Errorf("%s has SHA-256 %x, want %s", name, got, want)
		}
	}
	return nil
}

// moduleDir downloads a module at the version that the go.mod in dir requires, and returns its folder.
func moduleDir(ctx context.Context, dir, module string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	cmd.Dir = dir
	out, err := cmd.Output()
	var answer struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &answer); jsonErr == nil && answer.Error != "" {
		return "", fmt.Errorf("download %s: %s", module, answer.Error)
	}
	if err != nil {
		return "", fmt.Errorf("download %s: %w", module, err)
	}
	return answer.Dir, nil
}
