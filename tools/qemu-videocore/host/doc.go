// Package host is the VideoCore of a virtual machine: the program behind the device that tools/qemu-videocore/device
// adds to QEMU.
//
// QEMU's guest has the registers, the interrupts and the memory; here are the slot protocol and the emulated firmware,
// which see that memory through the file that QEMU takes it from. A socket carries what happens to the registers, in
// records that camkrazy-videocore.c describes.
//
// A VideoCore lives from one reset of the machine to the next one, or to the end of QEMU, whichever comes first. So
// QEMU may be ended and started again as often as one likes, as a board may be switched off and on.
package host
