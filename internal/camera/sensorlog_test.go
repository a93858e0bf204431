package camera_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/vcemu"
)

// TestSensorModeLogged holds that the start says what the sensor that is there will do, and only of that one.
func TestSensorModeLogged(t *testing.T) {
	tests := []struct {
		name    string
		mode    int
		emu     vcemu.Config
		want    string
		warning bool
	}{
		{"V2 by itself", 0, vcemu.Config{}, `msg="sensor mode" sensor=imx219 mode="likely mode 4, 1640x1232: sees the whole sensor`, false},
		{"HQ, chosen", 1, vcemu.Config{Sensor: "imx477"}, `msg="sensor mode" sensor=imx477 mode="mode 1, 2028x1080: sees the whole width`, true},
		{"old firmware does not tell", 0, vcemu.Config{Quirks: vcemu.Quirks{CameraInfoV1: true}}, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				cfg.SensorMode = tt.mode
				r := start(t, cfg, tt.emu)
				time.Sleep(time.Second)
				r.end(t)
				count := 0
				if tt.want != "" {
					count = 1
				}
				if log := r.log.String(); strings.Count(log, "level=INFO msg=\"sensor mode\"") != count || !strings.Contains(log, tt.want) {
					t.Errorf("log lacks %q:\n%s", tt.want, log)
				}
				if warned := strings.Contains(r.log.String(), "mode 1: 320x240 has another shape"); warned != tt.warning {
					t.Errorf("warning of the shape: got %v, want %v:\n%s", warned, tt.warning, r.log)
				}
			})
		})
	}
}

// TestSensorModeRefused holds that a camera does not start in a mode that its sensor lacks, and says which it has.
func TestSensorModeRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.SensorMode = 7
		r := start(t, cfg, vcemu.Config{Sensor: "imx477"})
		err := <-r.ended
		if !errors.Is(err, camera.ErrImpossible) || !strings.Contains(err.Error(), "camera.sensor_mode: the imx477 has the modes 1 to 4, not 7") {
			t.Errorf("got error %v", err)
		}
	})
}
