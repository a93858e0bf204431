package live

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"
	"github.com/google/go-cmp/cmp"

	"github.com/camkrazy/camkrazy/internal/camera"
)

// The parameter sets of a 640x480 picture, as x264 writes them.
var (
	testSPS = []byte{0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x3d, 0xa1, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x32, 0x0f, 0x16, 0x2e, 0x48}
	testPPS = []byte{0x68, 0xcb, 0x83, 0xcb, 0x20}
)

const step = time.Second / 5

// unit is picture n of a stream of 5 a second that has an IDR picture every second.
func unit(n int) camera.AccessUnit {
	au := camera.AccessUnit{PTS: time.Duration(n) * step, IDR: n%5 == 0}
	if au.IDR {
		au.NALs = [][]byte{{9, 0x10}, testSPS, testPPS, binary.BigEndian.AppendUint32([]byte{0x65}, uint32(n))}
	} else {
		au.NALs = [][]byte{binary.BigEndian.AppendUint32([]byte{0x41}, uint32(n))}
	}
	return au
}

// numbers reads the segments that wait for a watcher: the numbers of their pictures, and -1 for a header.
func numbers(t *testing.T, w *Watcher) []int {
	t.Helper()
	var list []int
	for segment := w.take(); segment != nil; segment = w.take() {
		if string(segment[4:8]) == "ftyp" {
			list = append(list, -1)
			continue
		}
		list = append(list, number(t, segment))
	}
	return list
}

func number(t *testing.T, segment []byte) int {
	t.Helper()
	var parts fmp4.Parts
	if err := parts.Unmarshal(segment); err != nil || len(parts) != 1 || len(parts[0].Tracks) != 1 || len(parts[0].Tracks[0].Samples) != 1 {
		t.Fatalf("not a fragment of one picture: %v, %x", err, segment)
	}
	sample := parts[0].Tracks[0].Samples[0]
	var nals h264.AVCC
	if err := nals.Unmarshal(sample.Payload); err != nil || len(nals) != 1 || len(nals[0]) != 5 {
		t.Fatalf("sample has the NAL units %x (%v), want the slice alone", nals, err)
	}
	if idr := nals[0][0] == 0x65; sample.IsNonSyncSample == idr {
		t.Errorf("picture %x is marked as a sync sample: %v", nals[0], !sample.IsNonSyncSample)
	}
	return int(binary.BigEndian.Uint32(nals[0][1:]))
}

func TestWatcherBeginsWithIDR(t *testing.T) {
	asked := 0
	s := New(Config{Name: "lq", FrameRate: 5, KeyFrame: func() { asked++ }})
	s.Write(unit(2))
	first := s.Watch()
	if kind := first.ContentType(); kind != "" || asked != 1 {
		t.Errorf("type %q, asked for %d IDR pictures, want none and one", kind, asked)
	}
	for n := 3; n < 8; n++ {
		s.Write(unit(n))
	}
	late := s.Watch()
	for n := 8; n < 12; n++ {
		s.Write(unit(n))
	}
	late.Close()
	s.Write(unit(12))
	// The queue holds five pictures: one that has them all has lost none.
	if diff := cmp.Diff([]int{-1, 10, 11}, numbers(t, late)); diff != "" {
		t.Error("second watcher:", diff)
	}
	if kind := late.ContentType(); kind != `video/mp4; codecs="avc1.42c01e"` {
		t.Errorf("type is %q", kind)
	}
	if st := s.Stats(); st.Watchers != 1 || asked != 2 {
		t.Errorf("%d watchers, asked for %d IDR pictures, want 1 and 2", st.Watchers, asked)
	}
}

// TestSlowWatcher holds that a slow watcher loses whole groups of pictures, and the others nothing.
func TestSlowWatcher(t *testing.T) {
	s := New(Config{Name: "lq", FrameRate: 5})
	slow, quick := s.Watch(), s.Watch()
	var all []int
	for n := range 27 {
		s.Write(unit(n))
		all = append(all, numbers(t, quick)...)
	}
	got := numbers(t, slow)
	if len(got) > s.queue+1 || got[0] != -1 || got[1]%5 != 0 || got[len(got)-1] != 26 && got[len(got)-1] != 24 {
		t.Errorf("slow watcher got %v", got)
	}
	for i, n := range got[2:] {
		if n != got[1]+i+1 {
			t.Errorf("slow watcher got %v, which is not one piece", got)
		}
	}
	want := []int{-1}
	for n := range 27 {
		want = append(want, n)
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Error("quick watcher:", diff)
	}
	if st := s.Stats(); st.Drops == 0 || st.Drops > 27 {
		t.Errorf("counted %d drops", st.Drops)
	}
	for n := 27; n < 31; n++ {
		s.Write(unit(n))
	}
	if again := numbers(t, slow); len(again) == 0 || again[len(again)-1] != 30 {
		t.Errorf("after it has caught up the slow watcher got %v", again)
	}
}

// TestNewParameterSets holds that a watcher gets the header that belongs to the pictures.
func TestNewParameterSets(t *testing.T) {
	s := New(Config{Name: "lq", FrameRate: 5})
	w := s.Watch()
	s.Write(unit(0))
	numbers(t, w)
	au := unit(5)
	other := bytes.Clone(testPPS)
	other[len(other)-1] ^= 0x40
	au.NALs[2] = other
	s.Write(au)
	head := w.take()
	var init fmp4.Init
	if err := init.Unmarshal(bytes.NewReader(head)); err != nil {
		t.Fatal(err)
	}
	want := &codecs.H264{SPS: testSPS, PPS: other}
	if diff := cmp.Diff(want, init.Tracks[0].Codec); diff != "" || init.Tracks[0].TimeScale != timescale {
		t.Error("header:", diff)
	}
	if got := numbers(t, w); len(got) != 1 || got[0] != 5 {
		t.Errorf("after the header came %v", got)
	}
}

// TestUnits holds what is left out: units without a picture, and pictures whose header cannot be made.
func TestUnits(t *testing.T) {
	s := New(Config{Name: "lq", FrameRate: 5})
	w := s.Watch()
	s.Write(camera.AccessUnit{NALs: [][]byte{testSPS, testPPS}})
	s.Write(camera.AccessUnit{IDR: true, NALs: [][]byte{{0x67, 1}, {0x68}, {0x65, 1, 2, 3, 4}}})
	if got := numbers(t, w); got != nil {
		t.Errorf("got %v", got)
	}
	s.Write(unit(5))
	if diff := cmp.Diff([]int{-1, 5}, numbers(t, w)); diff != "" {
		t.Error(diff)
	}
}

func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Name: "lq", FrameRate: 5})
		w := s.Watch()
		defer w.Close()
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			time.Sleep(time.Second)
			s.Write(unit(0))
			time.Sleep(time.Second)
			cancel(gone)
		}()
		began := time.Now()
		for range 2 {
			if segment, err := w.Next(ctx); segment == nil || err != nil || time.Since(began) != time.Second {
				t.Errorf("after %v: %d bytes, %v", time.Since(began), len(segment), err)
			}
		}
		if _, err := w.Next(ctx); err != gone || time.Since(began) != 2*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// TestNothingIsMadeForNobody holds that a stream without watchers costs nothing.
func TestNothingIsMadeForNobody(t *testing.T) {
	s := New(Config{Name: "lq", FrameRate: 5})
	w := s.Watch()
	s.Write(unit(0))
	w.Close()
	au := unit(1)
	if n := testing.AllocsPerRun(100, func() { s.Write(au) }); n != 0 {
		t.Errorf("%v allocations for a picture that nobody watches", n)
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, watchers := range []int{1, 10} {
		b.Run(fmt.Sprintf("watchers=%d", watchers), func(b *testing.B) {
			s := New(Config{Name: "hq", FrameRate: 30})
			var all []*Watcher
			for range watchers {
				all = append(all, s.Watch())
			}
			au := unit(0)
			au.NALs[3] = append(au.NALs[3], make([]byte, 33_000)...) // 8 Mbit/s at 30 pictures a second
			b.ReportAllocs()
			for b.Loop() {
				au.PTS += time.Second / 30
				s.Write(au)
				for _, w := range all {
					for w.take() != nil {
					}
				}
			}
			runtime.KeepAlive(all)
		})
	}
}
