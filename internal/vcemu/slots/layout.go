package slots

// The shared memory, as vchiq_core.h of Linux 6.12 has it (drivers/staging/vc04_services). All offsets are in bytes; a
// word is 32 bits, a half 16.
const (
	slotSize     = 4096
	headerSize   = 8 // of a message: id, then the bytes of payload behind it
	maxPayload   = slotSize - headerSize
	maxSlots     = 128 // in shared memory
	slotsPerSide = 64  // length of a slot queue
	queueMask    = slotsPerSide - 1

	// Slot zero.
	zeroMagic     = 0  // word
	zeroVersions  = 4  // halves: version, least version
	zeroSize      = 8  // word: bytes of slot zero in use
	zeroSlotSize  = 12 // word
	zeroSlots     = 16 // word: maxSlots
	zeroPerSide   = 20 // word: slotsPerSide
	zeroFragments = 24 // words: address of the fragments, their number
	zeroMaster    = 32 // VideoCore's shared state
	zeroSlave     = 404
	zeroLength    = 0x508

	// Shared state. What one side has it writes, but for the slot queue and slot_queue_recycle, which the other one
	// appends to when it has done with a slot, and the events, which both write.
	stateInitialised = 0
	stateFirst       = 4
	stateLast        = 8 // inclusive
	stateSync        = 12
	stateTrigger     = 16 // event: there are messages for the owner
	stateTxPos       = 28
	stateRecycle     = 32 // event: slots of the owner's are free again
	stateRecycled    = 44 // how many slots have ever been put into the queue
	stateSyncTrigger = 48
	stateSyncRelease = 60
	stateQueue       = 72 // words: slot numbers

	// Event.
	eventArmed = 0 // the owner waits and wants the doorbell
	eventFired = 4

	magic      = 'V'<<24 | 'C'<<16 | 'H'<<8 | 'I'
	version    = 8
	versionMin = 3
)

// kind is a message's type, the upper byte of its id.
type kind uint8

// The types of message.
const (
	padding kind = iota // what remains of a slot
	connect
	open    // fourcc word, client word, version half, least version half
	openAck // version half
	closing
	data
	bulkRx // address of the page list, bytes: words
	bulkTx
	bulkRxDone // bytes that were transferred, or -1: word
	bulkTxDone
	pause
	resume
	remoteUse
	remoteRelease
	remoteUseActive
)

const (
	openLength = 12
	bulkLength = 8
	aborted    = -1
	// claimed is a bit that ARM sets in the id of a message that it has received.
	claimed  = 0x40000000
	portMask = 0xfff
)

// msgid makes a message's id; src is the sender's port.
func msgid(k kind, src, dst uint16) uint32 {
	return uint32(k)<<24 | uint32(src)<<12 | uint32(dst)
}

// splitID takes a message's id apart.
func splitID(id uint32) (k kind, src, dst uint16) {
	return kind(id >> 24), uint16(id >> 12 & portMask), uint16(id & portMask)
}

// stride is how far it is from a message to the next one.
func stride(payload int) uint32 {
	return (uint32(payload) + 2*headerSize - 1) &^ (headerSize - 1)
}
