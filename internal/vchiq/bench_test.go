package vchiq

import (
	"testing"
	"unsafe"
)

// BenchmarkReceive is a message and a bulk transfer as large as a frame at 17 Mbit/s, from the driver's record to
// Receive. It also counts the copies on the way: what is delivered lies where the driver put it, or not.
func BenchmarkReceive(b *testing.B) {
	k, s := opened(b, func(k *fakeKernel) { k.unread = true })
	msg, data := noise(300, 1), noise(70832, 2)
	copies := 0
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		k.event1(fakeEvent{msg: msg})
		receive(b, s)
		if err := s.PostReceive(len(data), 1); err != nil {
			b.Fatal(err)
		}
		k.event1(fakeEvent{bulk: data})
		d := receive(b, s)
		s.mu.Lock()
		if unsafe.SliceData(d.Data) != unsafe.SliceData(s.lent.pages.mem) {
			copies++
		}
		s.mu.Unlock()
	}
	b.ReportMetric(float64(copies)/float64(b.N), "copies/op")
	closeService(b, s)
}
