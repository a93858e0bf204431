package vcemu

import "github.com/camkrazy/camkrazy/internal/mmal"

// cameraInfo is camera_info: it lists the sensors.
type cameraInfo struct {
	passive
	comp *component
}

func newCameraInfo(comp *component) mmal.Status {
	c := &cameraInfo{comp: comp}
	comp.unit = c
	comp.control.params[mmal.ParamCameraInfo] = &param{constant: true, read: c.read}
	return mmal.Success
}

// cameraInfoV1Size is the size of CAMERA_INFO in old firmware, whose entries have no names.
const cameraInfoV1Size = 88

func (c *cameraInfo) read(size uint32) []byte {
	var info mmal.CameraInfo
	if !c.comp.vc.cfg.NoCamera {
		m := c.comp.vc.mode
		name := m.name
		if q := c.comp.vc.cfg.Quirks.SensorName; q != "" {
			name = q
		}
		info.Cameras = []mmal.Sensor{{MaxWidth: m.width, MaxHeight: m.height, Name: name}}
	}
	if size == cameraInfoV1Size || c.comp.vc.cfg.Quirks.CameraInfoV1 {
		v := words(uint32(len(info.Cameras)), 0)
		for _, s := range info.Cameras {
			v = append(v, words(s.Port, s.MaxWidth, s.MaxHeight, 0)...)
		}
		return append(v, make([]byte, cameraInfoV1Size-parameterHeader-len(v))...)
	}
	return mmal.AppendParameter(nil, &info)
}
