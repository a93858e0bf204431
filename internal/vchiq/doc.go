// Package vchiq carries MMAL messages and bulk transfers between this process and VideoCore through /dev/vchiq.
//
// Open and Device.OpenMMAL, or Dial for both, give a Service, which is an mmal.Transport. It is the product's only
// package with unsafe and with ioctls. What follows is the kernel's interface as it is used here, for a 64-bit process; all
// numbers are little-endian, offsets and sizes in bytes. The source is Linux 6.12,
// drivers/staging/vc04_services/interface/vchiq_arm: vchiq_ioctl.h, vchiq_dev.c and vchiq_core.h; layout_test.go
// compares with what a C compiler made of them.
//
// # Requests of ioctl(2)
//
//	number      name                   argument  effect, and what blocks it
//	0x0000c400  CONNECT                none      once for each open file; waits for VideoCore, the first time ever
//	0x0000c401  SHUTDOWN               none      ends all services; AWAIT_COMPLETION then returns 0
//	0xc030c402  CREATE_SERVICE         struct    opens a service; waits for VideoCore's answer. Its use count is then 1
//	0x4010c404  QUEUE_MESSAGE          struct    copies and sends; waits while VideoCore has no room
//	0xc028c405  QUEUE_BULK_TRANSMIT    struct    waits while 4 of its direction are under way, perhaps for ever; see below
//	0xc028c406  QUEUE_BULK_RECEIVE     struct    the same
//	0xc020c407  AWAIT_COMPLETION       struct    waits for news; returns the number of records, 0 at the end
//	0xc010c40a  GET_CONFIG             struct    copies the driver's limits out
//	0x0000c40b  CLOSE_SERVICE          handle    waits for VideoCore, then for CLOSE_DELIVERED
//	0x0000c410  LIB_VERSION            version   from 7 on, CLOSE_SERVICE waits for CLOSE_DELIVERED
//	0x0000c411  CLOSE_DELIVERED        handle    says that SERVICE_CLOSED has been seen
//
// Each may fail with EINTR whenever the process gets a signal, and the Go runtime sends itself many: nothing has been
// done then, and the request is repeated. But not CREATE_SERVICE, which leaves a service behind that is neither open nor
// closed: VideoCore's answers to it then reach the next service at its port, the driver warns of a wrong use count,
// and no service can be opened until the board is booted. So no signal may come while it waits.
//
// QUEUE_MESSAGE succeeds on a service that is closing, though nothing is sent: whoever waits for an answer needs a
// deadline.
//
// USE_SERVICE and RELEASE_SERVICE change the use count, without which nothing is sent. It stays at 1 from
// CREATE_SERVICE to CLOSE_SERVICE, so neither is needed.
//
// # Structs
//
//	CREATE_SERVICE    48  fourcc s32@0, callback ptr@8 (ignored), userdata u64@16, version s16@24, least version s16@26,
//	                      is open s32@32, VCHI mode s32@36, handle u32@40 (out)
//	QUEUE_MESSAGE     16  handle u32@0, elements u32@4, element array ptr@8
//	element           16  data ptr@0, size u32@8
//	QUEUE_BULK_*      40  handle u32@0, data ptr@8, size u32@16, userdata u64@24, mode s32@32 (0: tell by a record)
//	AWAIT_COMPLETION  32  records u32@0, record array ptr@8, buffer size u32@16, buffers u32@20 (in and out),
//	                      array of pointers to buffers ptr@24
//	record            32  reason s32@0, message ptr@8, service userdata u64@16, bulk userdata u64@24
//	message header     8  id s32@0, size of what follows u32@4
//	GET_CONFIG        16  size u32@0, config ptr@8
//	config            20  largest message u32@0, bulk threshold u32@4, bulks per direction u32@8, services u32@12,
//	                      version s16@16, least version s16@18
//
// Reasons: 0 service opened, 1 service closed, 2 message, 3 transmit done, 4 receive done, 5 transmit aborted, 6
// receive aborted. AWAIT_COMPLETION puts each message into a buffer taken from the end of the array. The driver keeps
// at most 128 records for a file that does not fetch them; then it stalls, for every user of VideoCore on the
// machine.
//
// A bulk transfer carries no tag: the n-th receive gets VideoCore's n-th transmission, and both must be of one size.
// The kernel pins the memory until its record comes, and moves the cache lines at its ends separately, so each
// transfer has whole pages of its own. The number of bytes moved is not told.
//
// A fifth transfer of one direction waits for an event that both directions share. Who is woken by the other's transfer
// uses the event up and waits again, so that two who wait can sleep on when there is room. So no more than three are
// ever given to the driver, which then never waits.
//
// # Properties
//
// Mailbox is a second, small driver, /dev/vcio (Linux, drivers/char/broadcom/vcio.c): request 0xc0086400, MBOX_PROPERTY,
// whose argument points to a buffer of the firmware's property interface, which the kernel copies in and out. It refuses
// a buffer with a property that the firmware does not know with EINVAL, so that each goes in a buffer of its own.
//
// # Who does what
//
// A Service has five goroutines, so that none ever waits for another one's system call:
//
//   - completions blocks in AWAIT_COMPLETION and in nothing else. Messages stay where the kernel put them: the buffer
//     goes to Receive's queue, a fresh one to the kernel. Queue and buffers are so many that only a consumer who has
//     stopped can exhaust them; the service then fails, and its records are still fetched, so that the driver does not
//     stall.
//   - send blocks in QUEUE_MESSAGE. Send waits for room in its queue, but never for the kernel.
//   - post, one for each direction, makes QUEUE_BULK_*, in the order of the transfers, each of which has been
//     preceded by its message. A fourth transfer waits for the first one's record, and holds up neither messages nor
//     completions.
//   - shutdown, from Close on (from the start if opening is given up): CLOSE_SERVICE, SHUTDOWN, the end of the other
//     four, close(2), and the memory is unmapped, but for a delivery that the consumer still holds.
//
// If VideoCore is dead the kernel may never come back from these calls. Then Close returns with ErrStuck, everyone
// who waits in Send or Receive has been told ErrClosed, and the goroutines that are stuck belong to the process:
// they, the file and the memory stay until VideoCore answers or the process ends. Even that may need a reboot, for
// close(2) waits for VideoCore without heeding signals.
package vchiq
