package camera

import (
	"strings"
	"testing"
)

func TestPlanSensor(t *testing.T) {
	full := [4]float64{0, 0, 1, 1}
	tests := []struct {
		name, sensor  string
		width, height int
		rate          float64
		mode          int // asked for
		zoom          [4]float64
		exposure      string
		want          int    // the mode that comes out; 0: none
		text          string // in its description
		wrong         string
		warning       string
	}{
		{"V1, default", "ov5647", 1640, 1232, 30, 0, full, "auto", 4, "likely mode 4, 1296x972: sees the whole sensor, 2x2 binned, above 1 to 42 frames/s",
			"", "mode 4: its 1296x972 pixels are enlarged to 1640x1232"},
		{"V2, default", "imx219", 1640, 1232, 30, 0, full, "auto", 4, "likely mode 4, 1640x1232: sees the whole sensor, 2x2 binned, 0.1 to 40 frames/s", "", ""},
		{"HQ, default", "imx477", 1640, 1232, 30, 0, full, "auto", 2, "likely mode 2, 2028x1520: sees the whole sensor, 2x2 binned", "", ""},
		{"name in capitals", "IMX219", 1640, 1232, 30, 0, full, "auto", 4, "", "", ""},
		// The one choice of the firmware that is documented, components.md section 7.
		{"V1, 1080p is a crop", "ov5647", 1920, 1080, 25, 0, full, "auto", 1, "sees 74 % of the width and 56 % of the height, not binned", "", ""},
		{"V2, 1080p is a crop", "imx219", 1920, 1080, 25, 0, full, "auto", 1, "sees 59 % of the width and 44 % of the height, not binned", "", ""},
		{"V2, 1080p of the whole width", "imx219", 1920, 1080, 25, 5, full, "auto", 5, "mode 5, 1640x922: sees the whole width and 75 % of the height, 2x2",
			"", "enlarged to 1920x1080"},
		{"V2, full-width recipe", "imx219", 3280, 2464, 15, 2, [4]float64{0, 0.1, 1, 0.75}, "auto", 2,
			"mode 2, 3280x2464: sees the whole width and 75 % of the height after zoom, not binned, 0.1 to 15 frames/s", "", ""},
		{"V2, zoom to a quarter", "imx219", 1640, 1232, 30, 0, [4]float64{0.25, 0.25, 0.5, 0.5}, "auto", 4, "50 % of the width and 50 % of the height after zoom", "", ""},
		{"V2, full size", "imx219", 3280, 2464, 15, 0, full, "auto", 2, "mode 2", "", ""},
		{"V2, VGA", "imx219", 640, 480, 30, 0, full, "auto", 4, "mode 4", "", ""},
		{"V2, 720p", "imx219", 1280, 720, 30, 0, full, "auto", 5, "mode 5", "", ""},
		{"V2, fast 720p", "imx219", 1280, 720, 60, 0, full, "auto", 6, "above 40 to 90", "", ""},
		{"V2, fast VGA", "imx219", 640, 480, 90, 0, full, "auto", 7, "39 % of the width and 39 % of the height", "", ""},
		{"V2, at the end of a range", "imx219", 640, 480, 40, 0, full, "auto", 4, "", "", ""},
		{"V2, very fast, exposure locked", "imx219", 640, 480, 200, 0, full, "off", 7, "to 200 frames/s", "", ""},
		{"V1, rather shrunk than enlarged", "ov5647", 1500, 1125, 10, 0, full, "auto", 2, "", "", ""},
		{"V1, slow", "ov5647", 2592, 1944, 1, 0, full, "auto", 3, "mode 3, 2592x1944: sees the whole sensor, not binned, 0.1667 to 1 frames/s", "", ""},
		{"V1, just not slow", "ov5647", 2592, 1944, 1.5, 0, full, "auto", 2, "", "", ""},
		{"V1, 60", "ov5647", 640, 480, 60, 0, full, "auto", 6, "", "", ""},
		{"V1, 61", "ov5647", 640, 480, 61, 0, full, "auto", 7, "", "", ""},
		{"HQ, full size", "imx477", 4056, 3040, 10, 0, full, "auto", 3, "mode 3", "", ""},
		{"HQ, fast", "imx477", 1332, 990, 100, 0, full, "auto", 4, "66 % of the width and 65 % of the height", "", ""},
		{"HQ, between the ranges", "imx477", 1280, 960, 50.05, 0, full, "auto", 4, "", "", "50.05 frames/s is below its range, which begins at 50.1"},
		{"below a mode's range", "imx219", 640, 480, 30, 7, full, "auto", 7, "", "", "mode 7: 30 frames/s is below its range, which begins at 40"},
		{"another shape", "imx219", 1280, 720, 30, 4, full, "auto", 4, "", "", "mode 4: 1280x720 has another shape than its 1640x1232"},
		{"V2, very fast, exposure automatic", "imx219", 640, 480, 200, 0, full, "auto", 7, "", "", "mode 7: beyond 90 frames/s it needs exposure_mode: off"},
		{"too fast for any", "imx219", 1280, 720, 120, 0, full, "auto", 0, "",
			"camera.framerate: the sensor does not do 120 frames/s at 1280x720: no mode of the imx219 goes beyond 90", ""},
		{"too fast for the mode", "imx219", 3280, 2464, 30, 2, full, "auto", 0, "", "camera.framerate: mode 2 of the imx219 ends at 15 frames/s, not 30", ""},
		{"no such mode", "imx477", 1640, 1232, 30, 5, full, "auto", 0, "", "camera.sensor_mode: the imx477 has the modes 1 to 4, not 5", ""},
		{"larger than the sensor", "ov5647", 3280, 2464, 15, 0, full, "auto", 0, "", "camera.resolution: 3280x2464 is more than the 2592x1944 of the ov5647", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{Width: tt.width, Height: tt.height, FrameRate: tt.rate, SensorMode: tt.mode,
				Controls: Controls{Zoom: tt.zoom, ExposureMode: tt.exposure}}
			p, known := PlanSensor(tt.sensor, cfg)
			if !known {
				t.Fatal("sensor is not known")
			}
			if p.Mode.Number != tt.want || !strings.Contains(p.Text, tt.text) {
				t.Errorf("got mode %d, %q, want %d with %q", p.Mode.Number, p.Text, tt.want, tt.text)
			}
			if (p.Text == "") != (tt.want == 0) || tt.mode != 0 && strings.Contains(p.Text, "likely") {
				t.Errorf("got description %q of mode %d", p.Text, tt.want)
			}
			if wrong := strings.Join(p.Errors, "\n"); (wrong == "") != (tt.wrong == "") || !strings.Contains(wrong, tt.wrong) {
				t.Errorf("got errors %q, want one with %q", wrong, tt.wrong)
			}
			if w := strings.Join(p.Warnings, "\n"); (w == "") != (tt.warning == "") || !strings.Contains(w, tt.warning) {
				t.Errorf("got warnings %q, want one with %q", w, tt.warning)
			}
		})
	}
	if p, known := PlanSensor("toshh2c", Config{}); known {
		t.Errorf("got %+v for a sensor of which nothing is known", p)
	}
}

// TestSensorModes holds that the data is consistent.
func TestSensorModes(t *testing.T) {
	for _, m := range sensorModels() {
		for i, mode := range m.modes {
			bin := 1
			if mode.Binning == "2x2" {
				bin = 2
			}
			switch {
			case mode.Number != i+1:
				t.Errorf("%s: mode %d is at place %d", m.name, mode.Number, i+1)
			case mode.MinRate >= mode.MaxRate:
				t.Errorf("%s mode %d: rates %v to %v", m.name, mode.Number, mode.MinRate, mode.MaxRate)
			case mode.AreaWidth > m.width || mode.AreaHeight > m.height:
				t.Errorf("%s mode %d: area is larger than the sensor", m.name, mode.Number)
			case mode.Width*bin > mode.AreaWidth || mode.Height*bin > mode.AreaHeight:
				t.Errorf("%s mode %d: more pixels than its area has", m.name, mode.Number)
			}
		}
	}
}

// TestSensorTable holds that a plan tells of all sensors, and calls none of their limits an error of its own.
func TestSensorTable(t *testing.T) {
	p := NewPlan(Config{Width: 3280, Height: 2464, FrameRate: 15, Streams: []StreamConfig{{Name: "hq", Width: 640, Height: 480, FrameRate: 15}}})
	if len(p.Errors) > 0 {
		t.Errorf("got errors %q", p.Errors)
	}
	for _, want := range []string{
		"\nov5647 (V1)  not possible: camera.resolution: 3280x2464 is more than",
		"\nimx219 (V2)  likely mode 2, 3280x2464: sees the whole sensor",
		"\nimx477 (HQ)  likely mode 2, 2028x1520: ",
		"\nimx477 (HQ)  unusual: mode 2: its 2028x1520 pixels are enlarged to 3280x2464\n",
	} {
		if !strings.Contains(p.String(), want) {
			t.Errorf("plan lacks %q:\n%v", want, p)
		}
	}
}
