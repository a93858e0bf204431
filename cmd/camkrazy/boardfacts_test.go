package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/camkrazy/camkrazy/internal/config"
	"github.com/camkrazy/camkrazy/internal/host"
	"github.com/camkrazy/camkrazy/internal/vchiq"
)

// TestBoardFacts holds the one line that a board is refused with, and that a good one, or one that says nothing, is not.
func TestBoardFacts(t *testing.T) {
	four := host.Machine{Model: "Raspberry Pi 4 Model B Rev 1.4", Compatible: []string{"raspberrypi,4-model-b", "brcm,bcm2711"}}
	five := host.Machine{Model: "Raspberry Pi 5 Model B Rev 1.0", Compatible: []string{"raspberrypi,5-model-b", "brcm,bcm2712"}}
	tests := []struct {
		name  string
		facts boardFacts
		line  string // "" is fit
	}{
		{"says nothing", boardFacts{}, ""},
		{"good", boardFacts{four, vchiq.VariantStartX, 256}, ""},
		{"debugging firmware", boardFacts{four, vchiq.VariantStartDB, 256}, ""},
		{"little memory is a warning", boardFacts{four, vchiq.VariantStartX, 76}, ""},
		{"Pi 5", boardFacts{five, vchiq.VariantUnknown, 0}, "Raspberry Pi 5 Model B Rev 1.0 cannot be a camera: its GPU has neither"},
		{"start_x is missing", boardFacts{four, vchiq.VariantStart, 76},
			"the firmware that booted has no camera support; config.txt needs start_x=1 and gpu_mem=256 (it calls itself start)"},
		{"cut down", boardFacts{four, vchiq.VariantStartCD, 16}, "(it calls itself start_cd)"},
		{"gpu_mem is too small", boardFacts{four, vchiq.VariantUnknown, 32}, "gpu_mem is 32 MB, with which the GPU's firmware has no camera: write gpu_mem=256"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.facts.unfit(cameraConfig(config.Default()))
			if tt.line == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			if _, hopeless := errors.AsType[giveUp](err); !hopeless || !strings.Contains(err.Error(), tt.line) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v (gives up: %v), want one line with %q", err, hopeless, tt.line)
			}
		})
	}
	if p := (boardFacts{four, vchiq.VariantStartX, 76}).plan(cameraConfig(config.Default())); len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "gpu_mem is 76 MB") {
		t.Errorf("76 MB: got the warnings %q", p.Warnings)
	}
}
