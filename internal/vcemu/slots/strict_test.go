package slots

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// TestBrokenConnection writes what makes the guest's messages unreadable. The connection ends, and a boot mends it.
func TestBrokenConnection(t *testing.T) {
	slotAt := func(r rig) uint32 { return testZero + r.current*slotSize + r.txPos%slotSize }
	move := func(r rig, by uint32) {
		r.txPos += by
		r.ram.Store32(r.slave()+stateTxPos, r.txPos)
	}
	tests := map[string]func(r rig){
		"tx_pos backwards":      func(r rig) { move(r, 0xfffffff8) },
		"tx_pos far ahead":      func(r rig) { move(r, 64*slotSize) },
		"tx_pos odd":            func(r rig) { move(r, 4) },
		"message without end":   func(r rig) { r.ram.Store32(slotAt(r)+4, 0xffffffff); move(r, 16) },
		"message beyond slot":   func(r rig) { r.ram.Store32(slotAt(r)+4, 4088); move(r, 4096) },
		"message beyond tx":     func(r rig) { r.ram.Store32(slotAt(r)+4, 100); move(r, 16) },
		"padding without end":   func(r rig) { r.ram.Store32(slotAt(r), 0); r.ram.Store32(slotAt(r)+4, 5000); move(r, 16) },
		"slot of VideoCore's":   func(r rig) { nextSlot(r, 2) },
		"slot zero":             func(r rig) { nextSlot(r, 0) },
		"slot out of range":     func(r rig) { nextSlot(r, 128) },
		"slot far out":          func(r rig) { nextSlot(r, 0xfffffff0) },
		"slot in use":           func(r rig) { nextSlot(r, r.current) },
		"recycled too many":     func(r rig) { r.ram.Store32(r.master()+stateRecycled, 1000) },
		"recycled too few":      func(r rig) { r.ram.Store32(r.master()+stateRecycled, 0) },
		"recycled one in use":   func(r rig) { giveBack(r, 2) },
		"recycled unused":       func(r rig) { giveBack(r, 20) },
		"recycled out of range": func(r rig) { giveBack(r, 0x80000000) },
		"recycled ARM's":        func(r rig) { giveBack(r, 40) },
	}
	for name, harm := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := connected(t)
				c := r.dial(echoName, 5, 3)
				c.PostReceive(100, 1)
				synctest.Wait()
				r.mu.Lock()
				harm(r)
				r.signal(stateTrigger)
				r.mu.Unlock()
				r.vc.Doorbell()
				synctest.Wait()
				if s := r.vc.Stats(); s.ProtocolErrors != 1 || s.Services != 0 {
					t.Errorf("%+v", s)
				}
				r.vc.Doorbell()
				synctest.Wait()
				r.boot()
				if v := r.begin(); v != 0 {
					t.Fatalf("VCHIQ_INIT answers %d", v)
				}
				r.connect()
				c = r.dial(echoName, 5, 3)
				c.Send(ask(0, false), nil)
				mustReceive(t, c, mmal.DeliveryMessage)
				c.Close()
				if s := r.vc.Stats(); s.ProtocolErrors != 1 {
					t.Errorf("after the boot: %+v", s)
				}
				r.stop()
			})
		})
	}
}

// nextSlot ends the current slot, and makes index the next one.
func nextSlot(r rig, index uint32) {
	rest := slotSize - r.txPos%slotSize
	at := testZero + r.current*slotSize + r.txPos%slotSize
	r.ram.Store32(at, 0)
	r.ram.Store32(at+4, rest-headerSize)
	r.txPos += rest
	if index == r.current {
		// VideoCore has given that one back by now, so another one is named twice.
		index = r.ram.Load32(r.slave() + stateQueue + 4*(r.entered&queueMask))
		for range 2 {
			r.ram.Store32(r.slave()+stateQueue+4*(r.txPos/slotSize&queueMask), index)
			r.ram.Store32(testZero+index*slotSize, msgid(data, 1, 1))
			r.ram.Store32(testZero+index*slotSize+4, maxPayload)
			r.txPos += slotSize
		}
		r.ram.Store32(r.slave()+stateTxPos, r.txPos)
		return
	}
	r.ram.Store32(r.slave()+stateQueue+4*(r.txPos/slotSize&queueMask), index)
	r.txPos += 16
	r.ram.Store32(r.slave()+stateTxPos, r.txPos)
}

// giveBack recycles a slot of VideoCore's.
func giveBack(r rig, index uint32) {
	n := r.ram.Load32(r.master() + stateRecycled)
	r.ram.Store32(r.master()+stateQueue+4*(n&queueMask), index)
	r.ram.Store32(r.master()+stateRecycled, n+1)
}

// TestBrokenMessages sends what VideoCore can leave alone.
func TestBrokenMessages(t *testing.T) {
	tests := map[string]struct {
		kind     kind
		src, dst uint16
		payload  []byte
	}{
		"data to nobody":       {data, 1, 999, make([]byte, 20)},
		"data from nobody":     {data, 77, 1, make([]byte, 20)},
		"close of nobody":      {closing, 1, 999, nil},
		"open of nothing":      {open, 50, 0, nil},
		"open to a port":       {open, 50, 4, openPayload(echoName, 5, 3)},
		"open twice":           {open, 1, 0, openPayload(echoName, 5, 3)},
		"openack":              {openAck, 1, 1, make([]byte, 2)},
		"bulk done":            {bulkRxDone, 1, 1, make([]byte, 4)},
		"resume without pause": {resume, 0, 0, nil},
		"unknown kind":         {99, 1, 1, make([]byte, 50)},
		"claimed data":         {data | claimed>>24, 1, 1, make([]byte, 50)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := connected(t)
				c := r.dial(echoName, 5, 3)
				r.send(test.kind, test.src, test.dst, test.payload)
				synctest.Wait()
				if s := r.vc.Stats(); s.ProtocolErrors != 1 {
					t.Errorf("%+v", s)
				}
				if test.kind == open && test.src == 1 {
					r.stop() // the client takes the refusal for a close, as it would be
					return
				}
				c.Send(ask(0, false), nil)
				mustReceive(t, c, mmal.DeliveryMessage)
				c.Close()
				r.stop()
			})
		})
	}
}

// TestSynchronous releases a message in the slot for synchronous ones, which no service here takes.
func TestSynchronous(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := connected(t)
		const slot = testZero + 33*slotSize
		r.ram.Store32(slot, msgid(data, 1, 1))
		r.mu.Lock()
		r.signal(stateSyncTrigger)
		r.mu.Unlock()
		synctest.Wait()
		if r.ram.Load32(slot) != 0 || r.ram.Load32(r.slave()+stateSyncRelease+eventFired) != 1 {
			t.Error("not released")
		}
		if s := r.vc.Stats(); s.ProtocolErrors != 1 {
			t.Errorf("%+v", s)
		}
		r.stop()
	})
}

// TestAnswersThatNobodyTakes ends the connection of a guest that asks and asks, but takes no answers.
func TestAnswersThatNobodyTakes(t *testing.T) {
	a, vc := still(t, echoService(nil))
	a.write(msgid(pause, 0, 0), nil, false)
	for range maxControl + 100 {
		a.write(msgid(connect, 0, 0), nil, false)
		vc.step()
		a.reclaim()
	}
	if s := vc.Stats(); s.ProtocolErrors != 1 || vc.conn != nil {
		t.Errorf("%+v", s)
	}
}

// badLists are page lists for 5000 bytes that cannot be used. The RAM ends at testBase+testRAM.
var badLists = map[string][]uint32{
	"other length":             {4000, 1, testPages, testPages},
	"no length":                {0, 1},
	"huge":                     {0xffffffff, 1, testPages},
	"of a transmit":            {5000, 0, testPages | 1},
	"offset beyond page":       {5000, 1 | 4096<<16, testPages | 1},
	"fragment that is none":    {5000, 2 + 64, testPages | 1},
	"fragment far out":         {5000, 0xffff, testPages | 1},
	"page before RAM":          {5000, 1, testBase - 4096, testPages},
	"page at zero":             {5000, 1, 0, 0},
	"page after RAM":           {5000, 1, testBase + testRAM, testPages},
	"run beyond RAM":           {5000, 1, (testBase + testRAM - 4096) | 1},
	"page at the end of all":   {5000, 1, 0xfffff001},
	"run longer than the list": {5000, 1, testPages | 0xfff},
}

// TestBadPageLists ends the service that names one, and no other.
func TestBadPageLists(t *testing.T) {
	const list = testBase + 0x2000
	post := func(addr, size uint32) []byte { return putWord(putWord(nil, addr), size) }
	type request struct {
		kind    kind
		words   []uint32
		payload []byte
	}
	tests := map[string]request{
		"list before RAM":    {bulkRx, nil, post(testBase-8, 5000)},
		"list after RAM":     {bulkRx, nil, post(testBase+testRAM, 5000)},
		"list across end":    {bulkRx, nil, post(testBase+testRAM-4, 5000)},
		"list at end of all": {bulkRx, nil, post(0xfffffffc, 5000)},
		"odd address":        {bulkRx, nil, post(list+2, 5000)},
		"empty":              {bulkRx, []uint32{0, 1}, post(list, 0)},
		"negative":           {bulkRx, []uint32{0xffffffff, 1, testPages}, post(list, 0xffffffff)},
		"short request":      {bulkRx, nil, []byte{1, 2, 3}},
		"no request":         {bulkTx, nil, nil},
		"transmit as read":   {bulkTx, []uint32{5000, 1, testPages | 1}, post(list, 5000)},
	}
	for name, words := range badLists {
		tests["page list: "+name] = request{bulkRx, words, post(list, 5000)}
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := connected(t)
				bad, good := r.dial(echoName, 5, 3), r.dial(echoName, 5, 3)
				for i, w := range test.words {
					r.ram.Store32(list+uint32(4*i), w)
				}
				r.send(test.kind, bad.port, bad.remote, test.payload)
				if _, err := bad.Receive(); !errors.Is(err, mmal.ErrClosed) {
					t.Errorf("bad client gets %v", err)
				}
				good.Send(ask(0, false), nil)
				mustReceive(t, good, mmal.DeliveryMessage)
				good.Close()
				synctest.Wait()
				if s := r.vc.Stats(); s.ProtocolErrors != 1 || s.Services != 0 {
					t.Errorf("%+v", s)
				}
				r.stop()
			})
		})
	}
}

// TestTooManyBulks ends the service of a kernel that posts a fifth transfer.
func TestTooManyBulks(t *testing.T) {
	for _, k := range []kind{bulkRx, bulkTx} {
		synctest.Test(t, func(t *testing.T) {
			r := connected(t)
			c := r.dial(echoName, 5, 3)
			const list = testBase + 0x2000
			typ := uint32(listWrite)
			if k == bulkRx {
				typ = listRead
			}
			for i, w := range []uint32{64, typ, testPages} {
				r.ram.Store32(list+uint32(4*i), w)
			}
			r.mu.Lock()
			for range 5 {
				c.receives = append(c.receives, bulk{fragment: -1})
				c.transmits++
				r.write(msgid(k, c.port, c.remote), putWord(putWord(nil, list), 64), true)
			}
			r.mu.Unlock()
			r.until(func() bool { return c.closed })
			if s := r.vc.Stats(); s.ProtocolErrors != 1 {
				t.Errorf("%+v", s)
			}
			r.stop()
		})
	}
}

func TestBadSlotZero(t *testing.T) {
	tests := map[string]func(a *arm){
		"magic":             func(a *arm) { a.ram.Store32(testZero, 0x12345678) },
		"old":               func(a *arm) { a.ram.Store32(testZero+zeroVersions, 2|1<<16) },
		"too new":           func(a *arm) { a.ram.Store32(testZero+zeroVersions, 12|9<<16) },
		"slot size":         func(a *arm) { a.ram.Store32(testZero+zeroSlotSize, 8192) },
		"size":              func(a *arm) { a.ram.Store32(testZero+zeroSize, 0x500) },
		"slots":             func(a *arm) { a.ram.Store32(testZero+zeroSlots, 0xffffffff) },
		"per side":          func(a *arm) { a.ram.Store32(testZero+zeroPerSide, 128) },
		"not initialised":   func(a *arm) { a.ram.Store32(a.slave(), 0) },
		"last before first": func(a *arm) { a.ram.Store32(a.master()+stateLast, 1) },
		"last out of range": func(a *arm) { a.ram.Store32(a.slave()+stateLast, 128) },
		"last far out":      func(a *arm) { a.ram.Store32(a.slave()+stateLast, 0xffffffff) },
		"too many":          func(a *arm) { a.ram.Store32(a.master()+stateLast, 70) },
		"overlap":           func(a *arm) { a.ram.Store32(a.master()+stateLast, 40) },
		"no sync":           func(a *arm) { a.ram.Store32(a.master()+stateSync, 0) },
		"queue":             func(a *arm) { a.ram.Store32(a.slave()+stateRecycled, 5) },
	}
	for name, harm := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := launch(t)
				harm(r.arm)
				if r.begin() == 0 {
					t.Error("accepted")
				}
				r.vc.Doorbell()
				synctest.Wait()
				if s := r.vc.Stats(); s.ProtocolErrors != 1 || s.Connections != 0 {
					t.Errorf("%+v", s)
				}
				r.stop()
			})
		})
	}
	for _, zero := range []uint32{
		0, testBase - 4096, testZero + 8, testBase + testRAM, testBase + testRAM - 4096, 0xfffff000,
	} {
		synctest.Test(t, func(t *testing.T) {
			r := launch(t)
			if got := r.property(28, 0, uint32(tagVCHIQ), 4, 0, zero, 0); got[5] == 0 {
				t.Errorf("slot zero at %#x accepted", zero)
			}
			r.stop()
		})
	}
}

func TestProperties(t *testing.T) {
	const end = 0
	tests := []struct {
		name      string
		ask, want []uint32
	}{
		{"revision", []uint32{28, 0, 1, 4, 0, 0, end}, []uint32{28, statusOK, 1, 4, answered | 4, defaultRevision, end}},
		{"nothing", []uint32{12, 0, end}, []uint32{12, statusOK, end}},
		{"unknown", []uint32{28, 0, 0x777, 4, 0, 9, end}, []uint32{28, statusError, 0x777, 4, 0, 9, end}},
		{
			"unknown and known",
			[]uint32{44, 0, 0x777, 4, 0, 9, 1, 4, 0, 0, end},
			[]uint32{44, statusError, 0x777, 4, 0, 9, 1, 4, answered | 4, defaultRevision, end},
		},
		{
			"gpu memory", []uint32{32, 0, 0x10006, 8, 0, 0, 0, end},
			[]uint32{32, statusOK, 0x10006, 8, answered | 8, 0x30000000, 0x10000000, end},
		},
		{"throttled", []uint32{28, 0, 0x30046, 4, 0, 0xffff, end}, []uint32{28, statusOK, 0x30046, 4, answered | 4, 0, end}},
		{
			"power", []uint32{32, 0, 0x28001, 8, 0, 3, 1, end}, []uint32{32, statusOK, 0x28001, 8, answered | 8, 3, 1, end},
		},
		{
			"clock", []uint32{32, 0, 0x30002, 8, 0, 4, 5, end}, []uint32{32, statusOK, 0x30002, 8, answered | 8, 4, 0, end},
		},
		{
			"clocks", []uint32{32, 0, 0x10007, 8, 0, 4, 5, end}, []uint32{32, statusOK, 0x10007, 8, answered | 8, 0, 0, end},
		},
		{"no room", []uint32{24, 0, 1, 0, 0, end}, []uint32{24, statusOK, 1, 0, answered, end}},
		{"value too long", []uint32{28, 0, 1, 12, 0, 0, end}, []uint32{28, statusError, 1, 12, 0, 0, end}},
		{
			"value far too long",
			[]uint32{28, 0, 1, 0xfffffffc, 0, 0, end}, []uint32{28, statusError, 1, 0xfffffffc, 0, 0, end},
		},
		{"odd value", []uint32{28, 0, 1, 3, 0, 0, end}, []uint32{28, statusError, 1, 3, 0, 0, end}},
		{"no end", []uint32{24, 0, 1, 4, 0, 7}, []uint32{24, statusError, 1, 4, answered | 4, defaultRevision}},
		{"cut tag", []uint32{16, 0, 1, 4}, []uint32{16, statusError, 1, 4}},
		{"answer", []uint32{28, statusOK, 1, 4, 0, 0, end}, []uint32{28, statusError, 1, 4, 0, 0, end}},
		{"size", []uint32{0xfffffff0, 0, 1, 4, 0, 0, end}, []uint32{0xfffffff0, statusError, 1, 4, 0, 0, end}},
		{"tiny", []uint32{8, 0}, []uint32{8, statusError}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := launch(t)
				got := r.property(test.ask...)
				for i, w := range test.want {
					if got[i] != w {
						t.Errorf("got %#x, want %#x", got, test.want)
						break
					}
				}
				r.stop()
			})
		})
	}
}

// TestMailbox holds that mail from nowhere, or to nobody, is survived, and how much of it is kept.
func TestMailbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := launch(t)
		for _, v := range []uint32{8, 0xfffffff8, testBase - 16 | 8, testBase + testRAM | 8} {
			r.vc.MailboxWrite(v)
			if got := <-r.replies; got != v {
				t.Errorf("reply %#x to %#x", got, v)
			}
		}
		r.vc.MailboxWrite(testBase | 3)
		synctest.Wait()
		if s := r.vc.Stats(); s.ProtocolErrors != 5 {
			t.Errorf("%+v", s)
		}
		r.stop()
		for range maxMail + 10 {
			r.vc.MailboxWrite(3)
		}
		if s := r.vc.Stats(); s.ProtocolErrors != 15 {
			t.Errorf("%+v", s)
		}
	})
}

func TestNew(t *testing.T) {
	a := newARM(t, testRAM)
	for name, cfg := range map[string]Config{
		"no memory":     {Wires: a},
		"no wires":      {Memory: a.ram},
		"line":          {Memory: a.ram, Wires: a, CacheLine: 48},
		"long line":     {Memory: a.ram, Wires: a, CacheLine: 8192},
		"many services": {Memory: a.ram, Wires: a, MaxServices: 5000},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestLastSlotIsFinished shows ARM the end of the last slot when no other is free: ARM may have no other to give back.
func TestLastSlotIsFinished(t *testing.T) {
	a, vc := still(t, echoService(nil))
	const slots = 31
	for range slots {
		if !vc.conn.write(nil, msgid(connect, 0, 0), make([]byte, maxPayload-headerSize)) {
			t.Fatal("no slot")
		}
	}
	if vc.conn.write(nil, msgid(connect, 0, 0), make([]byte, headerSize)) {
		t.Error("written without a slot")
	}
	if got := a.ram.Load32(a.master() + stateTxPos); got != slots*slotSize {
		t.Errorf("tx_pos is %d, want %d", got, slots*slotSize)
	}
}
