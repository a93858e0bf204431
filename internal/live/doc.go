// Package live makes fragmented MP4 (ISO/IEC 14496-12) of a stream's access units, for browsers' Media Source Extensions
// and whatever else plays MP4 over HTTP. Nothing is coded again.
//
// Each access unit becomes one fragment, made once for all watchers, and only while there is one. A watcher begins with an
// IDR picture, which is asked of the camera. One that cannot keep up loses what waits for it and goes on with the next
// IDR picture: it never gets half a group of pictures, and neither the camera nor another watcher waits for it.
package live
