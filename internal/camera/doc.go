// Package camera builds the pipeline that makes coded pictures from a sensor, inside VideoCore, and runs it.
//
//	sensor → ril.camera ─ video → ril.video_splitter ┬→ ril.video_encode ──────────────→ Sink of a stream
//	             │                                   ├→ ril.isp → ril.video_encode ────→ Sink of a smaller stream
//	             │                                   └→ ril.isp → ril.image_encode ────→ Sink of stills
//	             └ preview → null_sink (keeps exposure and white balance running)
//
// Frames stay on the GPU. All links are tunnels but those of streams slower than the sensor: there the splitter's
// references to images come to ARM, and every N-th is passed on (see gate.go). The link of the stills is enabled for
// the time of one picture only, as images that wait there would be missing elsewhere.
//
// What stops giving pictures is built anew: a stream alone while the others run, or more, as package recovery decides
// (see remedy.go); judge.go tells a frozen stream from a still world. Times of pictures come from the sensor's clock and go
// on over all that.
package camera
