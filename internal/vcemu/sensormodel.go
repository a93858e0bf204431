package vcemu

import "github.com/camkrazy/camkrazy/internal/mmal"

// sensorModel is what the firmware knows of a kind of sensor (picamera and raspicam documentation).
type sensorModel struct {
	name          string
	width, height uint32
	modes         []sensorMode // mode 1 first
}

// sensorMode is one way to read out the sensor, at up to so many frames per second.
type sensorMode struct {
	width, height uint32
	fps           float64
}

func sensorModelOf(name string) (sensorModel, bool) {
	for _, m := range []sensorModel{
		{"ov5647", 2592, 1944, []sensorMode{
			{1920, 1080, 30}, {2592, 1944, 15}, {2592, 1944, 1}, {1296, 972, 42}, {1296, 730, 49}, {640, 480, 60}, {640, 480, 90},
		}},
		{"imx219", 3280, 2464, []sensorMode{
			{1920, 1080, 30}, {3280, 2464, 15}, {3280, 2464, 15}, {1640, 1232, 40}, {1640, 922, 40}, {1280, 720, 90}, {640, 480, 200},
		}},
		{"imx477", 4056, 3040, []sensorMode{
			{2028, 1080, 50}, {2028, 1520, 50}, {4056, 3040, 10}, {1332, 990, 120},
		}},
	} {
		if m.name == name {
			return m, true
		}
	}
	return sensorModel{}, false
}

// supports says that the sensor reaches the rate in the mode; mode 0 leaves the choice to the firmware, which scales a
// smaller mode up if it must. A variable rate (0) is always possible.
func (m sensorModel) supports(mode uint32, r mmal.Rational) bool {
	if r.Num == 0 {
		return true
	}
	fps, ok := fraction(r)
	const slowest = 0.005
	if !ok || fps < slowest {
		return false
	}
	for i, mo := range m.modes {
		if (mode == 0 || int(mode) == i+1) && fps <= mo.fps {
			return true
		}
	}
	return false
}
