// Package systest judges the appliance from outside: it builds the image, boots it in QEMU, and looks at it only
// through its network ports, its serial port and its card. `make systest` runs it.
//
// The image is the product's own, but for the daemon's flag --emulate and for a camera.yaml with pictures that are small
// enough for software emulation of the CPU.
package systest
