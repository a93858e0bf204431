package slots

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu"
)

// deaf are wires to nobody.
type deaf struct{}

func (deaf) RingARM()            {}
func (deaf) MailboxReply(uint32) {}

// still makes a VideoCore that runs only when the fuzzer steps it, and a kernel that has booted.
func still(t testing.TB, services ...Service) (*arm, *VideoCore) {
	t.Helper()
	a := newARM(t, 2<<20)
	vc, err := New(Config{Memory: a.ram, Wires: deaf{}, Services: services, MaxServices: 20})
	if err != nil {
		t.Fatal(err)
	}
	a.vc = vc
	if err := vc.begin(testZero); err != nil {
		t.Fatal(err)
	}
	return a, vc
}

// FuzzMessages lets the guest do anything with its slots: the fuzzer's bytes are either messages in order, or words
// that it writes anywhere in the shared memory.
func FuzzMessages(f *testing.F) {
	message := func(k kind, src, dst uint16, payload []byte) []byte {
		b := putWord([]byte{byte(len(payload))}, msgid(k, src, dst))
		return append(b, payload...)
	}
	link := message(connect, 0, 0, nil)
	opened := slices.Concat(link, message(open, 7, 0, openPayload(echoName, 5, 3)))
	request := message(data, 7, 1, ask(64, false))
	receive := message(bulkRx, 7, 1, putWord(putWord(nil, testBase+0x2000), 64))
	f.Add(opened)
	f.Add(slices.Concat(opened, request, receive, receive, request))
	f.Add(slices.Concat(opened, message(data, 7, 1, ask(64, true)),
		message(bulkTx, 7, 1, putWord(putWord(nil, testBase+0x3000), 64))))
	f.Add(slices.Concat(opened, request, message(closing, 7, 1, nil)))
	f.Add(slices.Concat(opened, message(pause, 0, 0, nil), request, message(resume, 0, 0, nil)))
	f.Add(slices.Concat(link, message(open, 7, 0, openPayload(mmalName, 16, 10)),
		message(data, 7, 1, mmal.Append(nil, mmal.Header{ID: mmal.BufferFromHost}, &mmal.BufferMessage{Length: 60}))))
	for _, at := range []uint16{zeroMaster + stateRecycled, zeroSlave + stateTxPos, zeroSlave + stateQueue} {
		f.Add(slices.Concat(opened, putHalf([]byte{0xff}, at), []byte{0, 0, 0x10, 0, 0}, request))
	}
	emu, err := vcemu.New(vcemu.Config{NoCamera: true})
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { emu.Run(ctx) })
	f.Cleanup(func() { cancel(); wg.Wait() })
	f.Fuzz(func(t *testing.T, script []byte) {
		a, vc := still(t, echoService(nil), MMAL(emu))
		for typ, list := range []uint32{testBase + 0x3000, testBase + 0x2000} {
			for i, w := range []uint32{64, uint32(typ), testPages} {
				a.ram.Store32(list+uint32(4*i), w)
			}
		}
		for len(script) >= 8 {
			if script[0] == 0xff { // a word anywhere in slot zero or the slots
				at := uint32(half(script[1:])) | uint32(script[3]&3)<<16
				a.ram.Store32(testZero+at&^3, word(script[4:]))
				script = script[8:]
			} else {
				n := min(int(script[0]), len(script)-5)
				a.write(word(script[1:]), script[5:5+n], false)
				script = script[5+n:]
			}
			a.reclaim()
			vc.step()
		}
		ended, stop := context.WithCancel(context.Background())
		stop()
		vc.step()
		if err := vc.Run(ended); err != nil {
			t.Fatal(err)
		}
		if n := vc.Stats().Services; n != 0 {
			t.Fatalf("%d services left", n)
		}
	})
}

// FuzzPageList reads a page list from a guest, and writes and reads what it describes.
func FuzzPageList(f *testing.F) {
	words := func(w ...uint32) []byte {
		var b []byte
		for _, x := range w {
			b = putWord(b, x)
		}
		return b
	}
	f.Add(words(5000, 1, testBase|1), uint32(testBase+0x100), uint32(5000), true, uint32(5000))
	f.Add(words(100, 2|10<<16, testBase), uint32(testBase+0x100), uint32(100), true, uint32(50))
	f.Add(words(100, 0|10<<16, testBase), uint32(testBase+0x100), uint32(100), false, uint32(100))
	for _, w := range badLists {
		f.Add(words(w...), uint32(testBase+0x100), uint32(5000), true, uint32(1))
	}
	f.Fuzz(func(t *testing.T, list []byte, addr, size uint32, receive bool, actual uint32) {
		const ram = 1 << 16
		m := NewRAM(testBase, ram)
		if !within(m, addr, uint64(len(list))) {
			addr = testBase
		}
		m.Write(addr, list[:min(len(list), ram)])
		l, err := readPageList(m, fragments{testBase + 0x8000, 64, testLine}, addr, size, receive)
		if err != nil {
			return
		}
		var sum uint64
		for _, s := range l.spans {
			sum += uint64(s.size)
			if !within(m, s.addr, uint64(s.size)) {
				t.Fatalf("span %+v is not in RAM", s)
			}
		}
		if sum != uint64(size) {
			t.Fatalf("spans have %d bytes, want %d", sum, size)
		}
		actual = min(actual, size)
		if receive {
			l.write(m, make([]byte, actual))
		} else {
			l.read(m, int(actual))
		}
	})
}

// FuzzProperties answers any property buffer.
func FuzzProperties(f *testing.F) {
	buffer := func(words ...uint32) []byte {
		var b []byte
		for _, w := range words {
			b = putWord(b, w)
		}
		return b
	}
	for _, t := range []tag{tagRevision, tagVCHIQ, tagClocks, tagTemperature, tagSetPowerState, tagNotifyReboot, 0x777} {
		f.Add(buffer(32, 0, uint32(t), 8, 0, testZero, 0, 0), uint32(0x1000))
	}
	f.Add(buffer(0xffffffff, 0), uint32(0xfffffff0))
	f.Fuzz(func(t *testing.T, b []byte, at uint32) {
		a, vc := still(t, echoService(nil))
		a.boot()
		at = testBase + at%0x2000&^0xf
		a.ram.Write(at, b[:min(len(b), 0x1000)])
		vc.MailboxWrite(at | propertyChannel)
		vc.step()
		if got := a.ram.Load32(at + 4); len(b) >= 8 && got != statusOK && got != statusError {
			t.Fatalf("status %#x", got)
		}
		vc.disconnect()
		vc.wg.Wait()
	})
}
