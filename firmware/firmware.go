// Package firmware is what gok copies to the boot partition for the Raspberry Pi's GPU: bootcode.bin, and start_x.elf
// and start4x.elf with their fixups, the variant of the firmware that has the camera and MMAL. The binaries are not in
// the repository: go generate takes them, and their licence, out of the module github.com/gokrazy/firmware at the
// version in instance/camkrazy/builddir/go.mod and compares them with SHA256SUMS.
package firmware

//go:generate go run ../tools/image -root .. -firmware
