/*
 * ARM's side of a Raspberry Pi's VideoCore, on QEMU's virt machine: two doorbells and a mailbox.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The device has the registers and the device tree nodes by which Linux's drivers bcm2835-mailbox, raspberrypi-firmware
 * and vchiq find VideoCore. It knows nothing of what they say: VideoCore itself is a program behind a chardev, which
 * also maps the guest's memory. Nothing of QEMU's own has to be changed for it but a list of sources:
 *
 *     -object memory-backend-file,id=ram,size=1024M,mem-path=FILE,share=on -machine memory-backend=ram
 *     -chardev socket,id=vc,path=SOCKET -device camkrazy-videocore,chardev=vc
 *
 * The chardev carries records of three little-endian 32-bit words: kind, register's offset, value.
 *
 *     'W'  from the device: the guest wrote the register
 *     'R'  from the device: the machine was reset, which is also the first thing that it says; the other words are 0
 *     'S'  to the device: the register now reads as this value
 *
 * The registers, by their offset:
 *
 *     0x00  doorbell to ARM     its interrupt is raised while bit 2 is set; a read returns it and clears it
 *     0x08  doorbell to VideoCore
 *     0x40  mailbox to ARM      a read returns the message and marks the mailbox empty
 *     0x58  its status          bit 30: empty
 *     0x5c  its configuration   bit 0: raise the mailbox's interrupt while it is not empty
 *     0x60  mailbox to VideoCore
 *     0x78  its status          bit 31: full, which it never is
 *
 * The mailbox to ARM holds one message, where the chip's holds eight: Linux's firmware driver asks one question at a
 * time. The program has to read its records soon, for the guest stands still while the chardev is full.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "chardev/char-fe.h"
#include "exec/address-spaces.h"
#include "hw/arm/fdt.h"
#include "hw/arm/virt.h"
#include "hw/irq.h"
#include "hw/qdev-core.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "migration/vmstate.h"
#include "sysemu/device_tree.h"
#include "sysemu/reset.h"

#define TYPE_CAMKRAZY_VIDEOCORE "camkrazy-videocore"
OBJECT_DECLARE_SIMPLE_TYPE(VideoCoreState, CAMKRAZY_VIDEOCORE)

/*
 * The machine has nothing between its virtio-mmio slots and its platform bus, and no interrupt above those of the
 * platform bus. The ones around 100 are free to look at, but are given to PCI devices as message-signalled ones.
 */
#define VC_BASE       0x0b000840
#define VC_SIZE       0x100
#define VC_MBOX       0x40
#define VC_MBOX_SIZE  0x40
#define VC_BELLS_SIZE 0x3c
#define VC_BELL_SPI   240
#define VC_MBOX_SPI   241

#define BELL_TO_ARM   0x00
#define BELL_RUNG     (1u << 2)
#define MBOX_MESSAGE  0x40
#define MBOX_STATUS   0x58
#define MBOX_EMPTY    (1u << 30)
#define MBOX_CONFIG   0x5c
#define MBOX_WANT_IRQ (1u << 0)

#define RECORD_SIZE   12

struct VideoCoreState {
    DeviceState parent_obj;

    CharBackend chr;
    MemoryRegion io;
    qemu_irq bell_irq;
    qemu_irq mbox_irq;
    uint32_t regs[VC_SIZE / 4];
    uint8_t record[RECORD_SIZE]; /* the one that is being received */
    unsigned received;           /* bytes of it */
};

static uint32_t *reg(VideoCoreState *s, hwaddr offset)
{
    return &s->regs[(offset % VC_SIZE) / 4];
}

static void tell(VideoCoreState *s, char kind, uint32_t offset, uint32_t value)
{
    uint8_t record[RECORD_SIZE];

    stl_le_p(record, kind);
    stl_le_p(record + 4, offset);
    stl_le_p(record + 8, value);
    /* Without a listener the record is lost, as a word to a VideoCore that is switched off. */
    qemu_chr_fe_write_all(&s->chr, record, sizeof(record));
}

/* The interrupts follow from the registers alone, so that no order of events can leave one raised for nothing. */
static void update_irqs(VideoCoreState *s)
{
    bool message = !(*reg(s, MBOX_STATUS) & MBOX_EMPTY);

    qemu_set_irq(s->bell_irq, !!(*reg(s, BELL_TO_ARM) & BELL_RUNG));
    qemu_set_irq(s->mbox_irq, message && (*reg(s, MBOX_CONFIG) & MBOX_WANT_IRQ));
}

static uint64_t videocore_read(void *opaque, hwaddr offset, unsigned size)
{
    VideoCoreState *s = opaque;
    uint32_t value = *reg(s, offset);

    switch (offset) {
    case BELL_TO_ARM:
        *reg(s, BELL_TO_ARM) = 0;
        break;
    case MBOX_MESSAGE:
        *reg(s, MBOX_STATUS) |= MBOX_EMPTY;
        break;
    }
    update_irqs(s);
    return value;
}

static void videocore_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    VideoCoreState *s = opaque;

    if (offset == MBOX_CONFIG) {
        *reg(s, MBOX_CONFIG) = value;
        update_irqs(s);
    }
    tell(s, 'W', offset, value);
}

static const MemoryRegionOps videocore_ops = {
    .read = videocore_read,
    .write = videocore_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
};

static int videocore_can_receive(void *opaque)
{
    return 64 * RECORD_SIZE;
}

static void videocore_receive(void *opaque, const uint8_t *bytes, int n)
{
    VideoCoreState *s = opaque;

    for (int i = 0; i < n; i++) {
        s->record[s->received++] = bytes[i];
        if (s->received < RECORD_SIZE) {
            continue;
        }
        s->received = 0;
        if (ldl_le_p(s->record) == 'S') {
            *reg(s, (uint32_t)ldl_le_p(s->record + 4)) = ldl_le_p(s->record + 8);
        }
    }
    update_irqs(s);
}

static void videocore_event(void *opaque, QEMUChrEvent event)
{
    VideoCoreState *s = opaque;

    if (event == CHR_EVENT_OPENED) {
        s->received = 0; /* what an earlier listener began is not the beginning of this one's record */
    }
}

static void videocore_reset(void *opaque)
{
    VideoCoreState *s = opaque;

    memset(s->regs, 0, sizeof(s->regs));
    *reg(s, MBOX_STATUS) = MBOX_EMPTY;
    update_irqs(s);
    tell(s, 'R', 0, 0);
}

static void add_interrupt(void *fdt, const char *node, uint32_t spi)
{
    qemu_fdt_setprop_cells(fdt, node, "interrupts", GIC_FDT_IRQ_TYPE_SPI, spi, GIC_FDT_IRQ_FLAGS_LEVEL_HI);
}

/* The nodes are added while the machine is made; the guest gets the tree after that. */
static void add_nodes(void *fdt)
{
    uint32_t phandle = qemu_fdt_alloc_phandle(fdt);
    g_autofree char *mbox = g_strdup_printf("/mailbox@%x", VC_BASE + VC_MBOX);
    g_autofree char *vchiq = g_strdup_printf("/mailbox@%x", VC_BASE);
    const char *firmware = "/videocore-firmware"; /* Linux does not look for drivers at a node /firmware */
    const char firmware_is[] = "raspberrypi,bcm2835-firmware\0simple-mfd"; /* the latter for the node inside it */
    const char *vcio = "/videocore-firmware/vcio";

    qemu_fdt_add_subnode(fdt, mbox);
    qemu_fdt_setprop_string(fdt, mbox, "compatible", "brcm,bcm2835-mbox");
    qemu_fdt_setprop_sized_cells(fdt, mbox, "reg", 2, VC_BASE + VC_MBOX, 2, VC_MBOX_SIZE);
    add_interrupt(fdt, mbox, VC_MBOX_SPI);
    qemu_fdt_setprop_cell(fdt, mbox, "#mbox-cells", 0);
    qemu_fdt_setprop_cell(fdt, mbox, "phandle", phandle);

    qemu_fdt_add_subnode(fdt, firmware);
    qemu_fdt_setprop(fdt, firmware, "compatible", firmware_is, sizeof(firmware_is));
    qemu_fdt_setprop_cell(fdt, firmware, "mboxes", phandle);
    qemu_fdt_add_subnode(fdt, vcio);
    qemu_fdt_setprop_string(fdt, vcio, "compatible", "raspberrypi,vcio");

    qemu_fdt_add_subnode(fdt, vchiq);
    qemu_fdt_setprop_string(fdt, vchiq, "compatible", "brcm,bcm2836-vchiq");
    qemu_fdt_setprop_sized_cells(fdt, vchiq, "reg", 2, VC_BASE, 2, VC_BELLS_SIZE);
    add_interrupt(fdt, vchiq, VC_BELL_SPI);
}

static void videocore_realize(DeviceState *dev, Error **errp)
{
    VideoCoreState *s = CAMKRAZY_VIDEOCORE(dev);
    Object *machine = object_dynamic_cast(qdev_get_machine(), TYPE_VIRT_MACHINE);
    VirtMachineState *virt;

    if (!machine) {
        error_setg(errp, "%s needs the virt machine", TYPE_CAMKRAZY_VIDEOCORE);
        return;
    }
    if (!qemu_chr_fe_backend_connected(&s->chr)) {
        error_setg(errp, "%s needs a chardev", TYPE_CAMKRAZY_VIDEOCORE);
        return;
    }
    virt = VIRT_MACHINE(machine);
    if (memory_region_present(get_system_memory(), VC_BASE)) {
        error_setg(errp, "%s: there is a device at 0x%x", TYPE_CAMKRAZY_VIDEOCORE, VC_BASE);
        return;
    }
    s->bell_irq = qdev_get_gpio_in(virt->gic, VC_BELL_SPI);
    s->mbox_irq = qdev_get_gpio_in(virt->gic, VC_MBOX_SPI);
    memory_region_init_io(&s->io, OBJECT(s), &videocore_ops, s, TYPE_CAMKRAZY_VIDEOCORE, VC_SIZE);
    memory_region_add_subregion(get_system_memory(), VC_BASE, &s->io);
    add_nodes(MACHINE(machine)->fdt);
    qemu_chr_fe_set_handlers(&s->chr, videocore_can_receive, videocore_receive, videocore_event, NULL, s, NULL, true);
    qemu_register_reset(videocore_reset, s); /* only a device on a bus is reset with the machine */
}

static Property videocore_properties[] = {
    DEFINE_PROP_CHR("chardev", VideoCoreState, chr),
    DEFINE_PROP_END_OF_LIST(),
};

static const VMStateDescription videocore_vmstate = {
    .name = TYPE_CAMKRAZY_VIDEOCORE,
    .unmigratable = 1, /* the program behind the chardev has a state of its own */
};

static void videocore_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    dc->desc = "Raspberry Pi VideoCore doorbells and mailbox, served by a chardev";
    dc->realize = videocore_realize;
    dc->hotpluggable = false;
    dc->vmsd = &videocore_vmstate;
    device_class_set_props(dc, videocore_properties);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo videocore_type = {
    .name = TYPE_CAMKRAZY_VIDEOCORE,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(VideoCoreState),
    .class_init = videocore_class_init,
};

static void videocore_register_types(void)
{
    type_register_static(&videocore_type);
}

type_init(videocore_register_types)
