//go:build arm64 || amd64

package vchiq

import "unsafe"

// Proof of the layout: each constant is the negative of an unsigned difference, which does not compile unless that is
// 0. Where there is no driver to talk to, as on a 32-bit machine, the layout does not matter.
const (
	_ = -(unsafe.Sizeof(createService{}) ^ 48)
	_ = -(unsafe.Offsetof(createService{}.callback) ^ 8)
	_ = -(unsafe.Offsetof(createService{}.userdata) ^ 16)
	_ = -(unsafe.Offsetof(createService{}.version) ^ 24)
	_ = -(unsafe.Offsetof(createService{}.versionMin) ^ 26)
	_ = -(unsafe.Offsetof(createService{}.isOpen) ^ 32)
	_ = -(unsafe.Offsetof(createService{}.isVCHI) ^ 36)
	_ = -(unsafe.Offsetof(createService{}.handle) ^ 40)

	_ = -(unsafe.Sizeof(element{}) ^ 16)
	_ = -(unsafe.Offsetof(element{}.size) ^ 8)

	_ = -(unsafe.Sizeof(queueMessage{}) ^ 16)
	_ = -(unsafe.Offsetof(queueMessage{}.count) ^ 4)
	_ = -(unsafe.Offsetof(queueMessage{}.elements) ^ 8)

	_ = -(unsafe.Sizeof(queueBulk{}) ^ 40)
	_ = -(unsafe.Offsetof(queueBulk{}.data) ^ 8)
	_ = -(unsafe.Offsetof(queueBulk{}.size) ^ 16)
	_ = -(unsafe.Offsetof(queueBulk{}.userdata) ^ 24)
	_ = -(unsafe.Offsetof(queueBulk{}.mode) ^ 32)

	_ = -(unsafe.Sizeof(completion{}) ^ 32)
	_ = -(unsafe.Offsetof(completion{}.header) ^ 8)
	_ = -(unsafe.Offsetof(completion{}.serviceUserdata) ^ 16)
	_ = -(unsafe.Offsetof(completion{}.bulkUserdata) ^ 24)

	_ = -(unsafe.Sizeof(awaitCompletion{}) ^ 32)
	_ = -(unsafe.Offsetof(awaitCompletion{}.records) ^ 8)
	_ = -(unsafe.Offsetof(awaitCompletion{}.bufferSize) ^ 16)
	_ = -(unsafe.Offsetof(awaitCompletion{}.bufferCount) ^ 20)
	_ = -(unsafe.Offsetof(awaitCompletion{}.buffers) ^ 24)

	_ = -(unsafe.Sizeof(messageHeader{}) ^ messageHeaderSize)
	_ = -(unsafe.Offsetof(messageHeader{}.size) ^ 4)

	_ = -(unsafe.Sizeof(getConfig{}) ^ 16)
	_ = -(unsafe.Offsetof(getConfig{}.config) ^ 8)

	_ = -(unsafe.Sizeof(config{}) ^ 20)
	_ = -(unsafe.Offsetof(config{}.bulkThreshold) ^ 4)
	_ = -(unsafe.Offsetof(config{}.maxBulks) ^ 8)
	_ = -(unsafe.Offsetof(config{}.maxServices) ^ 12)
	_ = -(unsafe.Offsetof(config{}.version) ^ 16)
	_ = -(unsafe.Offsetof(config{}.versionMin) ^ 18)

	_ = -(unsafe.Sizeof(createService{}) ^ uintptr(reqCreateService>>16&0x3fff))
	_ = -(unsafe.Sizeof(queueMessage{}) ^ uintptr(reqQueueMessage>>16&0x3fff))
	_ = -(unsafe.Sizeof(queueBulk{}) ^ uintptr(reqBulkTransmit>>16&0x3fff))
	_ = -(unsafe.Sizeof(queueBulk{}) ^ uintptr(reqBulkReceive>>16&0x3fff))
	_ = -(unsafe.Sizeof(awaitCompletion{}) ^ uintptr(reqAwaitCompletion>>16&0x3fff))
	_ = -(unsafe.Sizeof(getConfig{}) ^ uintptr(reqGetConfig>>16&0x3fff))
	_ = -(unsafe.Sizeof(uintptr(0)) ^ uintptr(reqProperty>>16&0x3fff))
)
