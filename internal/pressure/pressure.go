// Package pressure tells when a board is short of power, of cool air or of memory.
package pressure

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	// period is how often the board is asked.
	period = 5 * time.Second
	// hot and cool are where trouble with heat begins and ends, in degrees Celsius: the firmware lowers the clock from 80
	// on, and at 85 more.
	hot, cool = 80.0, 76.0
	// scarceShare and enoughShare are what part of the memory has to be left: below one 16th it is scarce, from one 10th on
	// it is enough again.
	scarceShare, enoughShare = 16, 10
)

// Reading is what a board says of itself. A nil pointer is what it cannot tell.
type Reading struct {
	Temperature *float64 // of the SoC, in degrees Celsius
	Power       *Power
	Memory      *Memory
}

// Power is what the firmware says of the supply, and what it does about that or about heat.
type Power struct {
	UnderVoltage bool // now, or since it was asked last
	Slowed       bool // the clock is lowered
}

// Memory is in bytes.
type Memory struct{ Total, Available uint64 }

// Monitor asks a board from time to time.
type Monitor struct {
	read func() Reading
	log  *slog.Logger

	mu      sync.Mutex // guards what follows
	last    Reading
	notices []notice
}

// notice is one kind of trouble.
type notice struct {
	what string // key
	text string
}

// New makes a Monitor of a board that read asks.
func New(read func() Reading, log *slog.Logger) *Monitor { return &Monitor{read: read, log: log} }

// Run asks until ctx is done, at once for the first time. What begins or ends is logged once.
func (m *Monitor) Run(ctx context.Context) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		m.look()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (m *Monitor) look() {
	r := m.read()
	m.mu.Lock()
	defer m.mu.Unlock()
	was := m.notices
	m.last, m.notices = r, judge(r, was)
	for _, n := range m.notices {
		if !has(was, n.what) {
			m.log.Warn(n.text)
		}
	}
	for _, n := range was {
		if !has(m.notices, n.what) {
			m.log.Info("no longer: " + n.text)
		}
	}
}

// judge says what is wrong, and of what was wrong whether it is over.
func judge(r Reading, was []notice) []notice {
	var list []notice
	add := func(wrong bool, what, text string) {
		if wrong {
			list = append(list, notice{what, text})
		}
	}
	if p := r.Power; p != nil {
		add(p.UnderVoltage, "power", "under-voltage: the power supply or its cable is too weak, and pictures may stop")
		add(p.Slowed, "clock", "the firmware has lowered the clock, for heat or for want of power")
	}
	if r.Temperature != nil {
		limit := hot
		if has(was, "heat") {
			limit = cool
		}
		add(*r.Temperature >= limit, "heat", fmt.Sprintf("hot: %.0f °C, give the board a heat sink or air", *r.Temperature))
	}
	if m := r.Memory; m != nil {
		share := uint64(scarceShare)
		if has(was, "memory") {
			share = enoughShare
		}
		add(m.Available < m.Total/share, "memory", fmt.Sprintf("memory is scarce: %d MB are left", m.Available>>20))
	}
	return list
}

func has(list []notice, what string) bool {
	return slices.ContainsFunc(list, func(n notice) bool { return n.what == what })
}

// State is the newest reading, and what is wrong in words.
func (m *Monitor) State() (r Reading, notices []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range m.notices {
		notices = append(notices, n.text)
	}
	return m.last, notices
}
