package rtspd

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/pion/rtp"

	"github.com/camkrazy/camkrazy/internal/camera"
)

// stream is one path: it takes access units from the camera and hands packets to gortsplib.
type stream struct {
	name    string
	index   int     // among the streams
	rate    float64 // nominal pictures per second, 0 = not known
	log     *slog.Logger
	clock   *clock
	keys    keyRequester
	viewers *viewers

	media  *description.Media
	format *format.H264 // its parameter sets are replaced under mu, never written to

	// ready is closed when the description is complete and there is an output to read from.
	ready chan struct{}

	frames, keyFrames, bytes atomic.Uint64
	drops, skips, refused    atomic.Uint64
	newest                   atomic.Uint32             // RTP timestamp of the newest picture
	lastWrite                atomic.Pointer[time.Time] // nil: never

	// mu makes one writer of the camera's goroutines, of which a rebuilt pipeline brings new ones. It is held while
	// packets go to gortsplib, so OnStreamWriteError, which is called from there, must not take it.
	mu      sync.Mutex
	packets *packetizer
	nals    [][]byte  // scratch for an access unit that lacked its parameter sets
	ntp     time.Time // capture time of the access unit being written
	last    recent
	joining int  // sessions that are about to play and have no sender report yet
	owes    bool // one of them plays now

	out atomic.Pointer[gortsplib.ServerStream] // nil while not serving
}

func newStream(sc StreamConfig, log *slog.Logger, c *clock, v *viewers, ask func()) *stream {
	f := &format.H264{PayloadTyp: payloadType, PacketizationMode: 1}
	st := &stream{
		name:    sc.Name,
		rate:    sc.FrameRate,
		log:     log.With("stream", sc.Name),
		clock:   c,
		keys:    keyRequester{ask: ask},
		viewers: v,
		media:   &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{f}},
		format:  f,
		ready:   make(chan struct{}),
		last:    newRecent(),
	}
	st.packets = newPacketizer(uint16(rand.Uint32()), st.emit)
	return st
}

// open begins to serve the stream on srv.
func (st *stream) open(srv *gortsplib.Server, g groups) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	out := &gortsplib.ServerStream{
		Server: srv,
		Desc:   &description.Session{Title: sessionName, Medias: []*description.Media{st.media}},

		MulticastParams: g.params(st.media, st.index),
	}
	if err := out.Initialize(); err != nil {
		return fmt.Errorf("open stream %s: %w", st.name, err)
	}
	st.out.Store(out)
	st.announce(out)
	return nil
}

// close ends what open began.
func (st *stream) close() {
	if out := st.out.Swap(nil); out != nil {
		out.Close()
	}
}

// announce publishes the parameter sets, if they are known, to later DESCRIBEs. The caller holds mu.
func (st *stream) announce(out *gortsplib.ServerStream) {
	if out == nil || st.format.SPS == nil || st.format.PPS == nil {
		return
	}
	out.ReloadDesc()
	select {
	case <-st.ready:
	default:
		close(st.ready)
	}
}

// write is the stream's camera.Sink.
func (st *stream) write(au camera.AccessUnit) {
	st.mu.Lock()
	defer st.mu.Unlock()

	nals := st.complete(au)
	if nals == nil {
		return
	}
	now := time.Now()
	st.count(nals, au.IDR, now)
	if !st.inOrder(au.PTS) {
		return
	}
	st.keys.picture(au.IDR, now)

	st.ntp = st.clock.captured(au.PTS)
	timestamp := st.clock.rtp(au.PTS)
	st.newest.Store(timestamp)
	if st.viewers.playing(st) > 0 {
		st.introduce(timestamp)
		if err := st.packets.write(nals, timestamp); err != nil {
			st.log.Warn("write access unit", "err", err)
		}
	}
	st.last.keep(nals, au, timestamp, st.ntp)
}

// behind is how long before the newest picture one with the RTP timestamp at was taken.
func (st *stream) behind(at uint32) time.Duration {
	return time.Duration(int32(st.newest.Load()-at)) * time.Second / clockRate
}

// skipped counts a viewer that was too slow and gets nothing until the next IDR picture, and asks for that.
func (st *stream) skipped() {
	st.skips.Add(1)
	st.keys.want(time.Now())
}

// emit hands one packet to all viewers.
func (st *stream) emit(pkt *rtp.Packet) error {
	out := st.out.Load()
	if out == nil {
		return nil
	}
	return out.WritePacketRTPWithNTP(st.media, pkt, st.ntp)
}

// complete returns the NAL units to send for au: nil when there is no picture among them, and with the last known
// parameter sets in front when an IDR picture came without.
func (st *stream) complete(au camera.AccessUnit) [][]byte {
	var sps, pps []byte
	picture := false
	for _, nal := range au.NALs {
		if len(nal) == 0 {
			continue
		}
		switch t := nal[0] & nalTypeMask; {
		case t == nalSPS:
			sps = nal
		case t == nalPPS:
			pps = nal
		case t >= nalNonIDR && t <= nalIDR:
			picture = true
		}
	}
	st.learn(sps, pps)
	if !picture {
		return nil
	}
	if !au.IDR || sps != nil && pps != nil || st.format.SPS == nil || st.format.PPS == nil {
		return au.NALs
	}
	st.nals = append(st.nals[:0], st.format.SPS, st.format.PPS)
	for _, nal := range au.NALs {
		if len(nal) > 0 && nal[0]&nalTypeMask != nalSPS && nal[0]&nalTypeMask != nalPPS {
			st.nals = append(st.nals, nal)
		}
	}
	return st.nals
}

// learn keeps copies of new parameter sets and announces them.
func (st *stream) learn(sps, pps []byte) {
	changed := false
	if sps != nil && !bytes.Equal(sps, st.format.SPS) {
		st.format.SPS = bytes.Clone(sps)
		changed = true
	}
	if pps != nil && !bytes.Equal(pps, st.format.PPS) {
		st.format.PPS = bytes.Clone(pps)
		changed = true
	}
	if changed {
		st.announce(st.out.Load())
	}
}

func (st *stream) count(nals [][]byte, idr bool, now time.Time) {
	var size int
	for _, nal := range nals {
		size += len(nal)
	}
	st.bytes.Add(uint64(size))
	st.frames.Add(1)
	if idr {
		st.keyFrames.Add(1)
	}
	st.lastWrite.Store(&now)
}

// inOrder reports whether capture times rise. Where they do not, the camera's clock has begun anew: a viewer can take
// that as a new session, but not as timestamps that run backwards, so the stream's sessions are ended.
func (st *stream) inOrder(pts time.Duration) bool {
	last := st.last.newest()
	if last == nil || pts > last.pts {
		return true
	}
	st.last.forget()
	n := st.viewers.closeAll(st)
	st.log.Warn("capture time ran backwards, viewers disconnected", "from", last.pts, "to", pts, "viewers", n)
	return false
}

func (st *stream) stats() StreamStats {
	s := StreamStats{
		Readers:     st.viewers.playing(st),
		ReaderDrops: st.drops.Load(),
		ReaderSkips: st.skips.Load(),
		Refused:     st.refused.Load(),
		Frames:      st.frames.Load(),
		KeyFrames:   st.keyFrames.Load(),
		Bytes:       st.bytes.Load(),
	}
	if last := st.lastWrite.Load(); last != nil {
		s.LastWrite = *last
	}
	return s
}
