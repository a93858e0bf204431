package vcemu

import (
	"encoding/binary"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vcemu/h264"
)

// Parameters of the H.264 encoder that package mmal has no use for.
const (
	paramNALUnitFormat         mmal.ParameterID = 0x20005
	paramMinimiseFragmentation mmal.ParameterID = 0x20006
	paramVideoFrameRate        mmal.ParameterID = 0x2000f
	paramRCModel               mmal.ParameterID = 0x20012
	paramExtraBuffers          mmal.ParameterID = 0x20013
	paramDroppablePFrames      mmal.ParameterID = 0x20016
	paramQPP                   mmal.ParameterID = 0x20018
	paramFrameLimitBits        mmal.ParameterID = 0x2001a
	paramPeakRate              mmal.ParameterID = 0x2001b
	paramLowLatency            mmal.ParameterID = 0x2001d
	paramHeaderOnOpen          mmal.ParameterID = 0x20021
	paramHeadersWithFrame      mmal.ParameterID = 0x20036
)

// maxBitRate is that of level 4.2, High profile, in bit/s (ITU-T H.264 table A-1).
const maxBitRate = 62_500_000

// videoEncoder is ril.video_encode.
type videoEncoder struct {
	passive
	comp    *component
	outlet  outlet
	fault   encoderFault
	encoder Coder // nil while the output is disabled; only the worker uses it
	header  bool  // SPS and PPS have been sent since the output was enabled
	idr     bool  // the host wants an IDR
	retune  bool  // bit rate or intra period have changed
	clock   int64 // the encoder's idea of time at the last image, in microseconds
	period  int64 // of the nominal frame rate, in microseconds

	keyFrames, frames, skipped, bytes uint64
}

func newVideoEncoder(comp *component) {
	e := &videoEncoder{comp: comp}
	comp.unit = e
	in, out := comp.addPort(mmal.PortInput, 0), comp.addPort(mmal.PortOutput, 0)
	in.setDefault(mmal.EncodingI420)
	in.kind = dualImage
	out.setDefault(mmal.EncodingH264)
	e.outlet.port, e.outlet.fault, out.outlet = out, &e.fault, &e.outlet
	in.addFlag(mmal.ParamImmutableInput, false)
	e.addParameters(out)
	e.addControlParameters(comp.control)
}

func (e *videoEncoder) addParameters(p *port) {
	profile := p.add(&mmal.VideoProfile{Profile: mmal.ProfileHigh, Level: mmal.Level4})
	profile.stopped = true
	profile.check = func(v []byte) mmal.Status {
		var m mmal.VideoProfile
		_ = mmal.DecodeParameter(v, &m) // the size has been checked
		_, ok := profiles(m.Profile)
		return when(ok && (!e.comp.inputs[0].isCommitted || e.fits(m.Level)))
	}
	p.addWord(mmal.ParamIntraPeriod, 60, 0, 1<<16).changed = func() { e.retune = true }
	bitRate := p.addWord(mmal.ParamBitRate, 0, 0, maxBitRate)
	bitRate.check = func(v []byte) mmal.Status {
		live := p.enabled && e.comp.vc.cfg.Quirks.NoLiveBitRate
		return when(!live && binary.LittleEndian.Uint32(v) <= maxBitRate)
	}
	bitRate.changed = func() { e.retune, p.format.Bitrate = true, p.word(mmal.ParamBitRate) }
	for _, id := range []mmal.ParameterID{mmal.ParamInitialQuant, mmal.ParamMinQuant, mmal.ParamMaxQuant, paramQPP} {
		p.addWord(id, 0, 0, 51).stopped = true
	}
	p.addWord(mmal.ParamRateControl, 0, 0, 4).stopped = true
	p.addWord(paramRCModel, 0, 0, 2).stopped = true
	p.addWord(paramPeakRate, 0, 0, maxBitRate).stopped = true
	p.addWord(paramFrameLimitBits, 0, 0, 1<<30).stopped = true
	p.addWord(paramExtraBuffers, 0, 0, 16).stopped = true
	p.addWord(paramNALUnitFormat, 1, 1, 1) // start codes
	p.addWord(paramLowLatency, 0, 0, 0)    // is said to hang the real one
	p.addFlag(mmal.ParamInlineHeader, false)
	p.addFlag(mmal.ParamSEIEnable, false).stopped = true
	p.addFlag(mmal.ParamSPSTiming, false).stopped = true
	p.addFlag(paramDroppablePFrames, false)
	p.add(&mmal.Ratio{ID: paramVideoFrameRate, Value: mmal.Rational{Num: 0, Den: 1}}).stopped = true
	e.addIFrameRequest(p)
	refresh := p.add(&mmal.IntraRefresh{Mode: mmal.RefreshCyclicRows})
	refresh.stopped = true
	refresh.check = func(v []byte) mmal.Status {
		switch mmal.RefreshMode(binary.LittleEndian.Uint32(v)) {
		case mmal.RefreshCyclic, mmal.RefreshAdaptive, mmal.RefreshBoth, mmal.RefreshCyclicRows:
			return mmal.Success
		}
		return mmal.EInval
	}
	p.params[mmal.ParamStatistics] = &param{constant: true, read: e.statistics}
}

func (e *videoEncoder) addControlParameters(p *port) {
	e.addIFrameRequest(p)
	p.addFlag(paramHeaderOnOpen, e.comp.vc.cfg.Quirks.HeaderOnOpen)
	p.addFlag(paramHeadersWithFrame, false)
	p.addFlag(paramMinimiseFragmentation, false).changed = func() {
		e.outlet.uncut = p.flag(paramMinimiseFragmentation)
	}
	immutable := p.addFlag(mmal.ParamImmutableInput, false) // where the kernel's driver sets it
	immutable.changed = func() {
		in := e.comp.inputs[0].params[mmal.ParamImmutableInput]
		in.value = append(in.value[:0], immutable.value...)
	}
}

func (e *videoEncoder) addIFrameRequest(p *port) {
	p.addFlag(mmal.ParamRequestIFrame, false).changed = func() {
		stalled := len(e.comp.outputs[0].buffers) == 0
		if p.flag(mmal.ParamRequestIFrame) && !(stalled && e.comp.vc.cfg.Quirks.LoseStalledIFrameRequest) {
			e.idr = true
		}
	}
}

// maxWidth and maxMacroblocks are what the hardware can do, at level 4.2.
const (
	maxWidth       = 1920
	maxMacroblocks = 8704
)

func macroblocks(v mmal.VideoFormat) int64 {
	return int64((v.Crop.Width+15)/16) * int64((v.Crop.Height+15)/16)
}

// fits says that the pictures at the input are within a level's limits.
func (e *videoEncoder) fits(level mmal.Level) bool {
	l, ok := levels(level)
	v := e.comp.inputs[0].format.Video
	r := e.frameRate()
	n := macroblocks(v)
	return ok && n <= l.perFrame && n*int64(r.Num) <= l.perSecond*int64(r.Den)
}

// frameRate is the nominal one: the input's, else the output's, else 30.
func (e *videoEncoder) frameRate() mmal.Rational {
	for _, p := range []*port{e.comp.inputs[0], e.comp.outputs[0]} {
		if r := p.format.Video.FrameRate; r.Num > 0 {
			return r
		}
	}
	return mmal.Rational{Num: 30, Den: 1}
}

func (e *videoEncoder) commit(p *port, f *mmal.Format) mmal.Status {
	in, out := e.comp.inputs[0], e.comp.outputs[0]
	if p == in {
		if status := p.picture(f); status != mmal.Success || out.enabled {
			return mmal.EInval
		}
		return when(f.Video.Crop.Width >= 16 && f.Video.Crop.Height >= 16 &&
			f.Video.Crop.Width <= maxWidth && f.Video.Crop.Height <= maxWidth &&
			macroblocks(f.Video) <= maxMacroblocks)
	}
	if f.Encoding != mmal.EncodingH264 || f.Bitrate > maxBitRate || rate(f.Video.FrameRate) != mmal.Success {
		return mmal.EInval
	}
	r := f.Video.FrameRate
	f.Video = in.format.Video // it cannot scale
	f.Video.FrameRate = r
	return mmal.Success
}

func (e *videoEncoder) committed(p *port) {
	out := e.comp.outputs[0]
	if p.typ == mmal.PortInput {
		r := out.format.Video.FrameRate
		out.format.Video = p.format.Video
		out.format.Video.FrameRate = r
		return
	}
	binary.LittleEndian.PutUint32(out.params[mmal.ParamBitRate].value, p.format.Bitrate)
}

// opening makes the encoder when the output is enabled.
func (e *videoEncoder) opening(p *port) mmal.Status {
	in, out := e.comp.inputs[0], e.comp.outputs[0]
	if p == in {
		e.checkShared()
		return mmal.Success
	}
	var profile mmal.VideoProfile
	out.get(&profile)
	if !in.isCommitted || !e.fits(profile.Level) {
		return mmal.EInval
	}
	r := e.frameRate()
	level, _ := levels(profile.Level)
	idc, _ := profiles(profile.Profile)
	encoder, err := e.comp.vc.cfg.Coder(h264.Config{
		Width: in.visible().X, Height: in.visible().Y,
		FrameRateNum: int(r.Num), FrameRateDen: int(r.Den),
		Bitrate:     int(out.format.Bitrate),
		InitialQP:   int(out.word(mmal.ParamInitialQuant)),
		MinQP:       int(out.word(mmal.ParamMinQuant)),
		MaxQP:       int(out.word(mmal.ParamMaxQuant)),
		Profile:     idc,
		Level:       level.idc,
		IntraPeriod: int(out.word(mmal.ParamIntraPeriod)),
		TimingInfo:  out.flag(mmal.ParamSPSTiming),
		SEI:         out.flag(mmal.ParamSEIEnable),
	})
	if err != nil {
		e.comp.vc.log.Warn("encoder refused", "err", err)
		return mmal.EInval
	}
	e.encoder, e.header, e.retune, e.idr = encoder, false, false, false
	e.period, e.clock = int64(r.Den)*1_000_000/int64(r.Num), 0
	return mmal.Success
}

// checkShared complains if the real encoder would draw its reconstruction over images that others look at too.
func (e *videoEncoder) checkShared() {
	in := e.comp.inputs[0]
	if in.peer == nil || in.flag(mmal.ParamImmutableInput) || in.format.Encoding != mmal.EncodingOpaque {
		return
	}
	if _, shared := in.peer.comp.unit.(*splitter); shared {
		e.comp.vc.count.mutableShared.Add(1)
		e.comp.vc.log.Warn("encoder behind a splitter without IMMUTABLE_INPUT: hardware would spoil the images")
	}
}

// lumaBudget is how many luma samples per second the hardware encodes, for all encoders together: the 245760
// macroblocks of level 4, and hardly more (picamera#270).
const lumaBudget = 245_760 * 256

// lumaRate is what the encoder takes of lumaBudget at its nominal frame rate.
func (e *videoEncoder) lumaRate() float64 {
	r := e.frameRate()
	return float64(256*macroblocks(e.comp.inputs[0].format.Video)) * float64(r.Num) / float64(r.Den)
}

// checkBudget complains if the encoders that run are more than the hardware could do: it would drop frames and slow
// down the camera, which this one does not.
func (v *VideoCore) checkBudget() {
	encoders, sum := 0, 0.0
	for _, c := range v.components {
		if e, ok := c.unit.(*videoEncoder); ok && e.encoder != nil {
			encoders++
			sum += e.lumaRate()
		}
	}
	if sum > lumaBudget {
		v.count.overBudget.Add(1)
		v.log.Warn("video encoders above the hardware's budget: hardware would drop frames",
			"encoders", encoders, "luma_samples_per_second", int64(sum), "budget", lumaBudget)
	}
}

func (e *videoEncoder) switched(p *port) {
	if p != e.comp.outputs[0] {
		return
	}
	if !p.enabled {
		e.encoder = nil
		return
	}
	e.comp.vc.checkBudget()
	if e.comp.control.flag(paramHeaderOnOpen) {
		e.pushHeader()
	}
}

func (e *videoEncoder) kick() {
	e.outlet.drain()
	e.comp.wake.Broadcast()
}

// step implements worker.
func (e *videoEncoder) step() bool {
	in, out, encoder := e.comp.inputs[0], e.comp.outputs[0], e.encoder
	if e.fault.stalled {
		return in.swallow()
	}
	if !e.comp.enabled || encoder == nil || len(in.queue) == 0 || e.outlet.backlog >= maxBacklog {
		return false
	}
	a, epoch := in.take()
	if a.image.pool.size != in.visible() {
		in.done(a, epoch)
		return true
	}
	if e.retune {
		encoder.SetBitrate(int(out.format.Bitrate))
		encoder.SetIntraPeriod(int(out.word(mmal.ParamIntraPeriod)))
	}
	if e.idr {
		encoder.RequestIDR()
	}
	if e.leavesOut() {
		e.pushNothing(a.pts)
		in.done(a, epoch)
		return true
	}
	e.retune, e.idr = false, false
	e.clock = max(a.pts, e.clock+1)
	if a.pts == mmal.TimeUnknown || a.pts == 0 {
		e.clock += e.period - 1
	}
	data, clock := e.outlet.memory(), e.clock
	source := e.fault.picture(&a.image.pic)
	var picture h264.Picture
	e.comp.unlocked(func() { data, picture = encoder.Encode(data, source, clock) })
	if e.encoder == encoder {
		e.push(data, picture.IDR, a.pts)
	}
	in.done(a, epoch)
	return true
}

// leavesOut says that the next picture is one that the rate control skips.
func (e *videoEncoder) leavesOut() bool {
	n := uint64(e.comp.vc.cfg.Quirks.SkipEvery)
	return n > 0 && (e.frames+e.skipped)%n == n-1
}

// pushNothing sends what is left of a picture that was skipped.
func (e *videoEncoder) pushNothing(pts int64) {
	end := coded{last: mmal.FlagFrameEnd, pts: pts}
	switch e.skipped % 3 {
	case 0:
		e.outlet.push(end)
	case 1:
		e.pushHeader()
	case 2:
		end.data = append(append([]byte(nil), e.encoder.SPS()...), e.encoder.PPS()...)
		end.flags = mmal.FlagKeyFrame
		e.outlet.push(end)
	}
	e.skipped++
}

// push sends a coded picture, with the parameter sets before it where they belong.
func (e *videoEncoder) push(data []byte, idr bool, pts int64) {
	c := coded{data: data, whole: data, last: mmal.FlagFrameEnd | mmal.FlagNALEnd, pts: pts}
	e.frames++
	if idr {
		c.flags = mmal.FlagKeyFrame
		e.keyFrames++
		inline := e.comp.outputs[0].flag(mmal.ParamInlineHeader)
		switch {
		case e.header && !inline:
		case e.comp.control.flag(paramHeadersWithFrame):
			c.data = append(append(append([]byte(nil), e.encoder.SPS()...), e.encoder.PPS()...), data...)
			c.whole = c.data
			e.header = true
		default:
			e.pushHeader()
		}
	}
	e.bytes += uint64(len(c.data))
	e.outlet.push(c)
}

// pushHeader sends SPS and PPS, a buffer each.
func (e *videoEncoder) pushHeader() {
	quirks := &e.comp.vc.cfg.Quirks
	e.header = true
	pts := mmal.TimeUnknown
	if quirks.ConfigPTSZero {
		pts = 0
	}
	sps := coded{data: e.encoder.SPS(), flags: mmal.FlagConfig, last: mmal.FlagNALEnd, pts: pts}
	if quirks.CutSPS {
		sps.first = 7
	}
	e.outlet.push(sps)
	last := mmal.FlagNALEnd | mmal.FlagFrameEnd
	e.outlet.push(coded{data: e.encoder.PPS(), flags: mmal.FlagConfig, last: last, pts: pts})
	e.bytes += uint64(len(e.encoder.SPS()) + len(e.encoder.PPS()))
}

// statistics is the value of STATISTICS. Frames count parameter sets too (raspberrypi/firmware#644).
func (e *videoEncoder) statistics(uint32) []byte {
	s := e.outlet.sent
	return words(s.buffers, s.frames, 0, 0, 0, s.largest, uint32(s.bytes), uint32(s.bytes>>32), 0, 0)
}

func (e *videoEncoder) stats() EncoderStats {
	size := e.comp.inputs[0].visible()
	return EncoderStats{
		Component: e.comp.handle,
		Width:     size.X, Height: size.Y,
		BitRate:   int(e.comp.outputs[0].format.Bitrate),
		Frames:    e.frames,
		KeyFrames: e.keyFrames,
		Skipped:   e.skipped,
		Bytes:     e.bytes,
		Waiting:   len(e.comp.inputs[0].queue),
	}
}
