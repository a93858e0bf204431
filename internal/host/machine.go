package host

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Machine is what the device tree says of the board; empty where there is no device tree.
type Machine struct {
	Model      string   // as "Raspberry Pi 4 Model B Rev 1.4"
	Compatible []string // from the board to its SoC, as "raspberrypi,4-model-b", "brcm,bcm2711"
}

// ReadMachine reads the device tree.
func ReadMachine() Machine { return readMachine("/") }

// readMachine works on a tree that has /proc. Device tree strings end with a zero byte.
func readMachine(tree string) Machine {
	read := func(name string) []string {
		text, err := os.ReadFile(filepath.Join(tree, "proc/device-tree", name))
		if err != nil {
			return nil
		}
		return strings.FieldsFunc(string(bytes.TrimSpace(text)), func(r rune) bool { return r == 0 })
	}
	return Machine{Model: strings.Join(read("model"), " "), Compatible: read("compatible")}
}

// Unfit says in one line why a program built for an architecture (runtime.GOARCH) has no camera on this machine, whatever
// its firmware, and what to do; "" if nothing speaks against it.
func (m Machine) Unfit(arch string) string {
	const use = "use a Raspberry Pi 3, 3+, 4 or Zero 2 W"
	model := m.Model
	if model == "" {
		model = "this board"
	}
	for _, soc := range []struct{ compatible, why string }{
		{"brcm,bcm2712", "its GPU has neither the camera firmware nor an H.264 encoder"},
		{"brcm,bcm2835", "its processor has 32 bits, and this program needs 64"},
		{"brcm,bcm2836", "its processor has 32 bits, and this program needs 64"},
	} {
		if slices.Contains(m.Compatible, soc.compatible) {
			return fmt.Sprintf("%s cannot be a camera: %s: %s", model, soc.why, use)
		}
	}
	if arch == "arm" {
		return fmt.Sprintf("%s runs the 32-bit build of this program, which cannot talk to the GPU: build with GOARCH=arm64 and boot a 64-bit kernel, as `make image` does",
			model)
	}
	return ""
}
