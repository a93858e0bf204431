# SPDX-License-Identifier: GPL-2.0-or-later
# All that the system test's board is made of; QEMU's other boards and devices are not compiled.
CONFIG_ARM_VIRT=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_BLK=y
CONFIG_VIRTIO_NET=y
CONFIG_WDT_IB6300ESB=y
# The emulated processor cannot be linked without these.
CONFIG_ARM_V7M=y
CONFIG_SEMIHOSTING=y
CONFIG_ARM_COMPATIBLE_SEMIHOSTING=y
