package slots

import "fmt"

const (
	propertyChannel = 8
	channelMask     = 0xf
	// maxProperty is the size from which on the firmware refuses a property buffer.
	maxProperty = 1 << 20

	statusOK    = 0x80000000
	statusError = 0x80000001
	answered    = 0x80000000 // in a tag's length word, beside the bytes of the answer
)

// tag names a property.
type tag uint32

// The properties that are answered, those that Linux asks for: drivers/firmware/raspberrypi.c and its users.
const (
	tagEnd             tag    = 0
	tagRevision        tag    = 0x00000001 // seconds since 1970
	tagVariant         tag    = 0x00000002
	tagHash            tag    = 0x00000003 // of the firmware's source: 20 bytes
	tagBoardModel      tag    = 0x00010001
	tagBoardRevision   tag    = 0x00010002
	tagGPUMemory       tag    = 0x00010006 // base address and bytes
	tagClocks          tag    = 0x00010007 // pairs of parent and clock, up to a pair of zeroes
	tagPowerState      tag    = 0x00020001
	tagDomainState     tag    = 0x00030030
	tagThrottled       tag    = 0x00030046
	tagNotifyReboot    tag    = 0x00030048
	tagNotifyDisplay   tag    = 0x00030066
	tagClockState      tag    = 0x00030001
	tagClockRate       tag    = 0x00030002
	tagMaxClockRate    tag    = 0x00030004
	tagTemperature     tag    = 0x00030006 // sensor, millidegrees Celsius
	tagMinClockRate    tag    = 0x00030007
	tagMaxTemperature  tag    = 0x0003000a
	tagMeasuredRate    tag    = 0x00030047
	tagSetPowerState   tag    = 0x00028001
	tagSetDomainState  tag    = 0x00038030
	tagVCHIQ           tag    = 0x00048010 // address of slot zero; 0 is the answer that says yes
	variantStartX      uint32 = 2          // of unknown, start, start_x, start_db, start_cd
	boardModel         uint32 = 0
	boardRevision      uint32 = 0x00a02082 // a Raspberry Pi 3 Model B
	gpuMemoryEnd       uint32 = 1 << 30    // the end of a Raspberry Pi 3's memory
	temperature        uint32 = 45_000
	maximumTemperature uint32 = 85_000
)

// properties answers the property buffer that a mailbox message points to: length of all word, status word, then tags,
// each with its id, bytes of value, length of the answer and value, and the end tag. A tag that is not known is left as
// it is and the buffer's status says so, as the firmware's does. It returns the complaint that makes a buffer
// worthless, "" if there is none.
func (v *VideoCore) properties(addr uint32) string {
	m := v.cfg.Memory
	if !within(m, addr, 12) {
		return "property buffer is not in RAM"
	}
	size := m.Load32(addr)
	if size < 12 || size >= maxProperty || size%4 != 0 || !within(m, addr, uint64(size)) {
		m.Store32(addr+4, statusError)
		return "property buffer's size is bad"
	}
	if m.Load32(addr+4) != 0 {
		m.Store32(addr+4, statusError)
		return "property buffer is no request"
	}
	status := uint32(statusOK)
	complaint := ""
	for pos := uint32(8); ; {
		if size-pos < 4 {
			status, complaint = statusError, "property buffer has no end"
			break
		}
		t := tag(m.Load32(addr + pos))
		if t == tagEnd {
			break
		}
		if size-pos < 12 {
			status, complaint = statusError, "property exceeds its buffer"
			break
		}
		room, value := m.Load32(addr+pos+4), addr+pos+12
		if room > size-pos-12 || room%4 != 0 {
			status, complaint = statusError, "property exceeds its buffer"
			break
		}
		if n, ok := v.property(t, value, room); ok {
			m.Store32(addr+pos+8, answered|n)
		} else {
			if n := v.count(func(s *Stats) *uint64 { return &s.Unanswered }); worthALine(n) {
				v.log.Info("unknown property", "tag", fmt.Sprintf("%#08x", uint32(t)), "count", n)
			}
			status = statusError
		}
		pos += 12 + room
	}
	m.Store32(addr+4, status)
	return complaint
}

// property answers one tag whose value has room bytes, and returns the bytes of the answer.
func (v *VideoCore) property(t tag, value, room uint32) (n uint32, known bool) {
	var words []uint32
	second := func(w uint32) []uint32 { // beside the number of what is asked for
		if room < 8 {
			return nil
		}
		return []uint32{v.cfg.Memory.Load32(value), w}
	}
	switch t {
	case tagRevision:
		words = []uint32{v.cfg.Revision}
	case tagVariant:
		words = []uint32{variantStartX}
	case tagHash:
		words = make([]uint32, min(room/4, 5))
	case tagBoardModel:
		words = []uint32{boardModel}
	case tagBoardRevision:
		words = []uint32{boardRevision}
	case tagGPUMemory:
		words = []uint32{gpuMemoryEnd - v.cfg.GPUMemory, v.cfg.GPUMemory}
	case tagTemperature:
		words = second(temperature)
	case tagMaxTemperature:
		words = second(maximumTemperature)
	case tagClocks:
		words = make([]uint32, room/4)
	case tagThrottled:
		words = []uint32{0}
	case tagClockState, tagClockRate, tagMaxClockRate, tagMinClockRate, tagMeasuredRate:
		words = second(0) // there is no such clock
	case tagPowerState, tagSetPowerState, tagDomainState, tagSetDomainState:
		if room >= 8 {
			return 8, true // it is as it is asked to be
		}
	case tagNotifyReboot:
		v.disconnect()
	case tagNotifyDisplay:
	case tagVCHIQ:
		if room < 4 {
			return 0, false
		}
		words = []uint32{0}
		if err := v.begin(v.cfg.Memory.Load32(value)); err != nil {
			v.complain("VCHIQ cannot begin", "err", err)
			words[0] = 1
		}
	default:
		return 0, false
	}
	words = words[:min(uint32(len(words)), room/4)]
	for i, w := range words {
		v.cfg.Memory.Store32(value+4*uint32(i), w)
	}
	return 4 * uint32(len(words)), true
}
