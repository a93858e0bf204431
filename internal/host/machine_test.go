package host

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestMachine reads device trees as the boards' .dtb files have them.
func TestMachine(t *testing.T) {
	tests := []struct {
		model, compatible, arch string
		unfit                   string // "" is fit
	}{
		{"Raspberry Pi 4 Model B Rev 1.4\x00", "raspberrypi,4-model-b\x00brcm,bcm2711\x00", "arm64", ""},
		{"Raspberry Pi 3 Model B Plus Rev 1.3\x00", "raspberrypi,3-model-b-plus\x00brcm,bcm2837\x00", "arm64", ""},
		{"Raspberry Pi Zero 2 W Rev 1.0\x00", "raspberrypi,model-zero-2-w\x00brcm,bcm2837\x00", "arm64", ""},
		{"linux,dummy-virt\x00", "linux,dummy-virt\x00", "arm64", ""},
		{"", "", "amd64", ""},
		{"Raspberry Pi 5 Model B Rev 1.0\x00", "raspberrypi,5-model-b\x00brcm,bcm2712\x00", "arm64",
			"Raspberry Pi 5 Model B Rev 1.0 cannot be a camera: its GPU has neither the camera firmware nor an H.264 encoder: use a Raspberry Pi 3"},
		{"Raspberry Pi 500 Rev 1.0\x00", "raspberrypi,500\x00brcm,bcm2712\x00", "arm64", "Raspberry Pi 500 Rev 1.0 cannot be a camera"},
		{"", "brcm,bcm2712\x00", "arm64", "this board cannot be a camera: its GPU"},
		{"Raspberry Pi 2 Model B Rev 1.1\x00", "raspberrypi,2-model-b\x00brcm,bcm2836\x00", "arm", "its processor has 32 bits"},
		{"Raspberry Pi Zero W Rev 1.1\x00", "raspberrypi,model-zero-w\x00brcm,bcm2835\x00", "arm", "its processor has 32 bits"},
		{"Raspberry Pi 4 Model B Rev 1.4\x00", "raspberrypi,4-model-b\x00brcm,bcm2711\x00", "arm",
			"Raspberry Pi 4 Model B Rev 1.4 runs the 32-bit build of this program, which cannot talk to the GPU: build with GOARCH=arm64"},
	}
	for _, tt := range tests {
		tree := t.TempDir()
		if tt.compatible != "" {
			write(t, filepath.Join(tree, "proc/device-tree/compatible"), tt.compatible)
		}
		if tt.model != "" {
			write(t, filepath.Join(tree, "proc/device-tree/model"), tt.model)
		}
		m := readMachine(tree)
		if want := strings.TrimSuffix(tt.model, "\x00"); m.Model != want {
			t.Errorf("model is %q, want %q", m.Model, want)
		}
		if want := strings.FieldsFunc(tt.compatible, func(r rune) bool { return r == 0 }); !slices.Equal(m.Compatible, want) {
			t.Errorf("%s: compatible is %q, want %q", m.Model, m.Compatible, want)
		}
		got := m.Unfit(tt.arch)
		if (got == "") != (tt.unfit == "") || !strings.Contains(got, tt.unfit) || strings.Contains(got, "\n") {
			t.Errorf("%s on %s: got %q, want %q in it", m.Model, tt.arch, got, tt.unfit)
		}
	}
}
