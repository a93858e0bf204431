// Package slots is VideoCore's half of the VCHIQ slot protocol, over memory that it shares with a guest's ARM, and of
// the property mailbox by which the guest's kernel tells where that memory is.
//
// The guest is Linux with its own vchiq driver, or whoever behaves as one. Nothing it writes is trusted: what breaks
// the protocol ends the service, or the connection if its messages cannot be told apart any more, with a count and a
// log line. After that only a new VCHIQ_INIT, which is a boot of the guest's, begins a connection.
//
// A message to a port that is not open, and the like, is counted and left alone.
//
// # The protocol
//
// The memory is 4 KiB slots. Slot zero describes the others and holds both sides' shared state; layout.go has the
// offsets. Each side writes messages of {id, size, payload}, padded to 8 bytes, one behind the other into the slots
// that its queue names, and never across slots. tx_pos says how far it has got. A slot that the other side has read
// altogether goes back to the end of the queue, and slot_queue_recycle counts those. Events wake the other side: fired
// is set, and the doorbell rung if the other side is armed, which is to say that it sleeps.
//
// A slot of ARM's goes back when all requests in it are executed. So a client that sends faster than that comes to
// wait in its kernel, by that kernel's quotas, and others do not. The quotas for what VideoCore sends are the driver's
// own: data leaves one slot free, and a service leaves half of all slots to others.
//
// A bulk transfer is posted by ARM with a page list in its memory. VideoCore, the master, matches it in order with what
// a session sends or awaits, copies, and answers with the bytes copied, or -1 if the service ends before. At most 4
// are under way in each direction of a service; the message that announces a fifth waits, and all behind it.
//
// A service is closed by CLOSE from either side, which the other one answers in kind. A client that dies is one that
// closes: the guest's kernel does it.
//
// Sources: drivers/staging/vc04_services/interface/vchiq_arm and drivers/firmware/raspberrypi.c of Linux 6.12. What the
// firmware does was not looked at, for nobody can.
package slots
