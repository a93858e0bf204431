package camera

import (
	"errors"
	"fmt"
	"strings"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// What keeps a board from having a camera, each with its cure, after a semicolon. ErrNoSupport, where there were no
// pictures before, and what wraps ErrImpossible last and end the camera; of the others it asks again and again, for they
// may pass by themselves.
var (
	// ErrNoCamera says that the firmware found no sensor at the place asked for.
	ErrNoCamera = errors.New("no camera found")

	// ErrNoSupport says that the firmware that booted has no camera in it.
	ErrNoSupport = errors.New("the firmware that booted has no camera support; config.txt needs start_x=1 and gpu_mem=256")

	// ErrImpossible says that the sensor or the firmware cannot do what the configuration asks for, so that trying again
	// does not help.
	ErrImpossible = errors.New("not possible with this camera")

	// ErrRefused says that the firmware knows a camera, but does not make its component.
	ErrRefused = errors.New("the firmware refuses the camera that it has found; if that lasts, take the power off and check the ribbon " +
		"cable, and if config.txt has less than gpu_mem=256, write that")

	// ErrInUse says that the firmware does not let this program have the sensor.
	ErrInUse = errors.New("the camera is in use by another program, or its sensor does not answer; stop the other program, or " +
		"take the power off and check the ribbon cable")

	// ErrMemory says that the firmware could not get memory for the pipeline.
	ErrMemory = errors.New("the GPU has too little memory for this configuration; write a larger gpu_mem in config.txt (--check says " +
		"how much is needed), or lower camera.resolution")
)

// noCamera says what to do where there is no camera of a number, though there may be others.
func noCamera(number, found int) error {
	const check = "take the power off and check the ribbon cable at both ends"
	if found > 0 {
		return fmt.Errorf("%w at camera.number: %d, for the firmware sees %d, counted from 0; write camera.number: 0, or %s of the other",
			ErrNoCamera, number, found, check)
	}
	return fmt.Errorf("%w; %s; of a Camera Module 3 or a Global Shutter camera this firmware sees nothing, use a Camera Module 1, 2 or HQ",
		ErrNoCamera, check)
}

// checkSensor refuses sensors that this firmware can name and not drive. known says whether there is documentation of the
// sensor's modes.
func checkSensor(name string) (known bool, err error) {
	for sensor, module := range map[string]string{"imx708": "a Camera Module 3", "imx296": "a Global Shutter camera"} {
		if strings.EqualFold(sensor, name) {
			return false, fmt.Errorf("the camera is %s (%s), which this firmware cannot drive: use a Camera Module 1, 2 or HQ: %w",
				module, sensor, ErrImpossible)
		}
	}
	for _, m := range sensorModels() {
		if strings.EqualFold(m.name, name) {
			return true, nil
		}
	}
	return false, nil
}

// explained says what a refusal in the middle of the pipeline's building means.
func explained(err error) error {
	if errors.Is(err, mmal.ENoMem) && !errors.Is(err, ErrNoSupport) && !errors.Is(err, ErrRefused) {
		return fmt.Errorf("%w (%w)", ErrMemory, err)
	}
	return err
}
