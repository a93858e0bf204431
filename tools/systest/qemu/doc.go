// Package qemu is a board of the product's own kind made of QEMU: a card image, a power switch, a serial console.
//
// As on a Raspberry Pi, what is booted comes from the card's first partition each time the board starts: the harness
// stands in for the Pi's firmware, which reads vmlinuz and cmdline.txt from the first FAT partition of the MBR. When the
// guest resets, the board starts again in the same way, so that an update's new kernel and its choice of root take
// effect.
//
// The board is QEMU's virt machine with a Cortex-A72. Its kernel is the image's own, unchanged. It has a virtio disk in
// place of the card, a virtio network whose ports are forwarded from this machine's loopback, and a watchdog that
// resets. Its GPU, if it is to have one, comes from tools/qemu-videocore.
package qemu
