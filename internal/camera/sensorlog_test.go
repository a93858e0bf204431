package camera_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/mmal"
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

// TestSensorLoggedOnce holds that a reconnect says nothing of a sensor that is the one that was there before.
func TestSensorLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, testConfig(), vcemu.Config{})
		time.Sleep(time.Second)
		if err := r.vc.Inject(vcemu.Disconnect, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		st := r.camera.Status()
		r.end(t)
		if st.Recovery.Reconnects == 0 || st.State != camera.Streaming {
			t.Fatalf("after %d reconnects the camera is %s", st.Recovery.Reconnects, st.State)
		}
		for _, message := range []string{`msg="camera found"`, `msg="sensor mode"`} {
			if n := strings.Count(r.log.String(), message); n != 1 {
				t.Errorf("the log has %s %d times:\n%s", message, n, r.log)
			}
		}
	})
}

// TestSensorBackLogged holds that the log does not end with a camera that is missing when it is there again.
func TestSensorBackLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		hide := func(h mmal.Header, msg []byte) bool {
			var m mmal.ParameterGetReply
			if away.Load() && h.ID == mmal.PortParameterGet && mmal.Decode(msg, &m) == nil && m.ID == mmal.ParamCameraInfo {
				clear(m.Value[:4]) // how many there are
			}
			return true
		}
		r := startTampered(t, testConfig(), vcemu.Config{}, &tamper{received: hide})
		time.Sleep(time.Second)
		away.Store(true)
		if err := r.vc.Inject(vcemu.Disconnect, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		if st := r.camera.Status(); st.State != camera.NoCamera {
			t.Fatalf("the camera is %s, want %s", st.State, camera.NoCamera)
		}
		away.Store(false)
		time.Sleep(5 * time.Minute)
		if st := r.camera.Status(); st.State != camera.Streaming {
			t.Fatalf("the camera is %s, want %s", st.State, camera.Streaming)
		}
		r.end(t)
		for _, message := range []string{`msg="camera found"`, `msg="sensor mode"`} {
			if n := strings.Count(r.log.String(), message); n != 2 {
				t.Errorf("the log has %s %d times, want 2:\n%s", message, n, r.log)
			}
		}
	})
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
