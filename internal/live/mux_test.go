package live

import (
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"
	"github.com/google/go-cmp/cmp"
)

// TestFragmentBytes compares with the fragments that mediacommon writes.
func TestFragmentBytes(t *testing.T) {
	m := mux{time: newTimeline(5)}
	m.time.next = 1 << 33
	for n := range 3 {
		au := unit(n + 4) // the second one is an IDR picture
		got := m.fragment(au)
		payload, err := h264.AVCC(au.NALs[len(au.NALs)-1:]).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		sample := &fmp4.Sample{Duration: timescale / 5, IsNonSyncSample: !au.IDR, Payload: payload}
		var want seekablebuffer.Buffer
		part := fmp4.Part{SequenceNumber: uint32(n + 1), Tracks: []*fmp4.PartTrack{{
			ID: trackID, BaseTime: 1<<33 + uint64(n)*timescale/5, Samples: []*fmp4.Sample{sample},
		}}}
		if err := part.Marshal(&want); err != nil {
			t.Fatal(err)
		}
		if au.IDR {
			// mediacommon leaves the flags out where they are 0, and so is shorter.
			if len(got) != want.Len()+4 || number(t, got) != n+4 {
				t.Errorf("IDR picture: got %x, mediacommon has %x", got, want.Bytes())
			}
		} else if diff := cmp.Diff(want.Bytes(), got); diff != "" {
			t.Error(diff)
		}
	}
	if m.time.last != 6*int64(step)*timescale/int64(time.Second) {
		t.Errorf("the timeline is at %d", m.time.last)
	}
}
