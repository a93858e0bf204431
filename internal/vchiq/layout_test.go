package vchiq

import (
	"encoding/json"
	"os"
	"testing"
	"unsafe"
)

// TestLayout compares with what a C compiler made of the kernel's headers for a 64-bit process.
func TestLayout(t *testing.T) {
	var golden struct {
		Structs map[string]struct {
			Size   uintptr
			Fields map[string]struct {
				Offset, Size uintptr
				Type         string
			}
		}
	}
	load(t, &golden)
	type field struct{ offset, size uintptr }
	type fields map[string]field
	var (
		cs createService
		el element
		qm queueMessage
		qb queueBulk
		co completion
		aw awaitCompletion
		mh messageHeader
		gc getConfig
		cf config
	)
	tests := map[string]struct {
		size   uintptr
		fields fields
	}{
		"vchiq_create_service": {unsafe.Sizeof(cs), fields{
			"params":             {0, unsafe.Offsetof(cs.isOpen)},
			"params.fourcc":      {unsafe.Offsetof(cs.fourCC), unsafe.Sizeof(cs.fourCC)},
			"params.callback":    {unsafe.Offsetof(cs.callback), unsafe.Sizeof(cs.callback)},
			"params.userdata":    {unsafe.Offsetof(cs.userdata), unsafe.Sizeof(cs.userdata)},
			"params.version":     {unsafe.Offsetof(cs.version), unsafe.Sizeof(cs.version)},
			"params.version_min": {unsafe.Offsetof(cs.versionMin), unsafe.Sizeof(cs.versionMin)},
			"is_open":            {unsafe.Offsetof(cs.isOpen), unsafe.Sizeof(cs.isOpen)},
			"is_vchi":            {unsafe.Offsetof(cs.isVCHI), unsafe.Sizeof(cs.isVCHI)},
			"handle":             {unsafe.Offsetof(cs.handle), unsafe.Sizeof(cs.handle)},
		}},
		"vchiq_element": {unsafe.Sizeof(el), fields{
			"data": {unsafe.Offsetof(el.data), unsafe.Sizeof(el.data)},
			"size": {unsafe.Offsetof(el.size), unsafe.Sizeof(el.size)},
		}},
		"vchiq_queue_message": {unsafe.Sizeof(qm), fields{
			"handle":   {unsafe.Offsetof(qm.handle), unsafe.Sizeof(qm.handle)},
			"count":    {unsafe.Offsetof(qm.count), unsafe.Sizeof(qm.count)},
			"elements": {unsafe.Offsetof(qm.elements), unsafe.Sizeof(qm.elements)},
		}},
		"vchiq_queue_bulk_transfer": {unsafe.Sizeof(qb), fields{
			"handle":   {unsafe.Offsetof(qb.handle), unsafe.Sizeof(qb.handle)},
			"data":     {unsafe.Offsetof(qb.data), unsafe.Sizeof(qb.data)},
			"size":     {unsafe.Offsetof(qb.size), unsafe.Sizeof(qb.size)},
			"userdata": {unsafe.Offsetof(qb.userdata), unsafe.Sizeof(qb.userdata)},
			"mode":     {unsafe.Offsetof(qb.mode), unsafe.Sizeof(qb.mode)},
		}},
		"vchiq_completion_data": {unsafe.Sizeof(co), fields{
			"reason":           {unsafe.Offsetof(co.reason), unsafe.Sizeof(co.reason)},
			"header":           {unsafe.Offsetof(co.header), unsafe.Sizeof(co.header)},
			"service_userdata": {unsafe.Offsetof(co.serviceUserdata), unsafe.Sizeof(co.serviceUserdata)},
			"bulk_userdata":    {unsafe.Offsetof(co.bulkUserdata), unsafe.Sizeof(co.bulkUserdata)},
		}},
		"vchiq_await_completion": {unsafe.Sizeof(aw), fields{
			"count":       {unsafe.Offsetof(aw.count), unsafe.Sizeof(aw.count)},
			"buf":         {unsafe.Offsetof(aw.records), unsafe.Sizeof(aw.records)},
			"msgbufsize":  {unsafe.Offsetof(aw.bufferSize), unsafe.Sizeof(aw.bufferSize)},
			"msgbufcount": {unsafe.Offsetof(aw.bufferCount), unsafe.Sizeof(aw.bufferCount)},
			"msgbufs":     {unsafe.Offsetof(aw.buffers), unsafe.Sizeof(aw.buffers)},
		}},
		"vchiq_header": {unsafe.Sizeof(mh), fields{
			"msgid": {unsafe.Offsetof(mh.id), unsafe.Sizeof(mh.id)},
			"size":  {unsafe.Offsetof(mh.size), unsafe.Sizeof(mh.size)},
			"data":  {messageHeaderSize, 0},
		}},
		"vchiq_get_config": {unsafe.Sizeof(gc), fields{
			"config_size": {unsafe.Offsetof(gc.size), unsafe.Sizeof(gc.size)},
			"pconfig":     {unsafe.Offsetof(gc.config), unsafe.Sizeof(gc.config)},
		}},
		"vchiq_config": {unsafe.Sizeof(cf), fields{
			"max_msg_size":          {unsafe.Offsetof(cf.maxMessage), unsafe.Sizeof(cf.maxMessage)},
			"bulk_threshold":        {unsafe.Offsetof(cf.bulkThreshold), unsafe.Sizeof(cf.bulkThreshold)},
			"max_outstanding_bulks": {unsafe.Offsetof(cf.maxBulks), unsafe.Sizeof(cf.maxBulks)},
			"max_services":          {unsafe.Offsetof(cf.maxServices), unsafe.Sizeof(cf.maxServices)},
			"version":               {unsafe.Offsetof(cf.version), unsafe.Sizeof(cf.version)},
			"version_min":           {unsafe.Offsetof(cf.versionMin), unsafe.Sizeof(cf.versionMin)},
		}},
	}
	for name, test := range tests {
		want, ok := golden.Structs[name]
		if !ok || test.size != want.Size || len(test.fields) != len(want.Fields) {
			t.Errorf("%s has %d bytes, %d fields, want %d, %d", name, test.size, len(test.fields), want.Size, len(want.Fields))
		}
		for field, want := range want.Fields {
			if got, ok := test.fields[field]; !ok || got.offset != want.Offset || got.size != want.Size {
				t.Errorf("%s.%s is %d, %v; want %+v", name, field, got, ok, want)
			}
		}
	}
}

func TestConstants(t *testing.T) {
	var golden struct{ Constants map[string]int64 }
	load(t, &golden)
	for name, got := range map[string]int64{
		"VCHIQ_VERSION":                 ourVersion,
		"VCHIQ_VERSION_MIN":             ourVersionMin,
		"VCHIQ_VERSION_LIB_VERSION":     handshakeVersion,
		"VCHIQ_VERSION_CLOSE_DELIVERED": handshakeVersion,
		"VCHIQ_MAX_MSG_SIZE":            maxMessage,
		"VCHIQ_SLOT_SIZE":               slotSize,
		"VCHIQ_NUM_SERVICE_BULKS":       serviceBulks,
		"VCHIQ_BULK_MODE_CALLBACK":      bulkCallback,
		"VCHIQ_SERVICE_OPENED":          int64(serviceOpened),
		"VCHIQ_SERVICE_CLOSED":          int64(serviceClosed),
		"VCHIQ_MESSAGE_AVAILABLE":       int64(messageArrived),
		"VCHIQ_BULK_TRANSMIT_DONE":      int64(transmitDone),
		"VCHIQ_BULK_RECEIVE_DONE":       int64(receiveDone),
		"VCHIQ_BULK_TRANSMIT_ABORTED":   int64(transmitAborted),
		"VCHIQ_BULK_RECEIVE_ABORTED":    int64(receiveAborted),
	} {
		if want, ok := golden.Constants[name]; !ok || got != want {
			t.Errorf("%s = %d, want %d", name, got, want)
		}
	}
	requests := []request{
		reqConnect, reqShutdown, reqCreateService, reqQueueMessage, reqBulkTransmit, reqBulkReceive, reqAwaitCompletion,
		reqGetConfig, reqCloseService, reqLibVersion, reqCloseDelivered,
	}
	for _, r := range requests {
		if want, ok := golden.Constants["VCHIQ_IOC_"+r.String()]; !ok || int64(r) != want {
			t.Errorf("%v = %#x, want %#x", r, uint32(r), want)
		}
	}
}

func load(t *testing.T, into any) {
	t.Helper()
	b, err := os.ReadFile("testdata/layout.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("parse layout.json: %v", err)
	}
}
