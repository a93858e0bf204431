package main

import (
	"github.com/camkrazy/camkrazy/internal/host"
	"github.com/camkrazy/camkrazy/internal/pressure"
	"github.com/camkrazy/camkrazy/internal/vchiq"
	"github.com/camkrazy/camkrazy/internal/webd"
)

// readPressure asks the kernel and, where there is one, the firmware how the board is.
func readPressure() pressure.Reading {
	var r pressure.Reading
	if t, ok := host.Temperature(); ok {
		r.Temperature = &t
	}
	if m, ok := host.Memory(); ok {
		r.Memory = &pressure.Memory{Total: m.Total, Available: m.Available}
	}
	box, err := vchiq.OpenMailbox()
	if err != nil {
		return r // not a board
	}
	defer box.Close()
	if t, err := box.Temperature(); err == nil && r.Temperature == nil {
		r.Temperature = &t
	}
	if t, err := box.Throttled(); err == nil {
		// The upper half of the word is what has been since somebody cleared it, the lower what is now.
		const since = 16
		slowed := vchiq.FrequencyCapped | vchiq.SlowedDown | vchiq.TemperatureLimit
		r.Power = &pressure.Power{
			UnderVoltage: t&(vchiq.UnderVoltage|vchiq.UnderVoltage<<since) != 0,
			Slowed:       t&slowed != 0,
		}
	}
	return r
}

// hostStatus tells of the board as it was found the last time.
func (a *appliance) hostStatus() (h webd.Host, notices []string) {
	r, notices := a.pressure.State()
	h = webd.Host{TemperatureC: r.Temperature, MemoryRSSBytes: host.ResidentMemory()}
	if r.Power != nil {
		h.Throttled, h.UnderVoltage = &r.Power.Slowed, &r.Power.UnderVoltage
	}
	if r.Memory != nil {
		h.MemoryTotalBytes, h.MemoryAvailableBytes = r.Memory.Total, r.Memory.Available
	}
	if n, ok := host.CardSectorsWritten(); ok {
		h.SDSectorsWritten = &n
	}
	return h, notices
}
