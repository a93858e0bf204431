package pressure

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestThresholds leads a board through trouble and out of it: what begins and what ends is said once each, and a value
// that swings around a threshold is not said again and again.
func TestThresholds(t *testing.T) {
	degrees := func(c float64) Reading { return Reading{Temperature: &c} }
	left := func(mb uint64) Reading { return Reading{Memory: &Memory{Total: 232 << 20, Available: mb << 20}} }
	tests := []struct {
		name     string
		readings []Reading
		want     []string // begins of the log's messages
	}{
		{"nothing is known", []Reading{{}, {}}, nil},
		{"cool", []Reading{degrees(45), degrees(79.9)}, nil},
		{"hot for a while", []Reading{degrees(79), degrees(80), degrees(84), degrees(79), degrees(80), degrees(77), degrees(75), degrees(79)},
			[]string{"hot: 80 °C", "no longer: hot"}},
		{"weak supply", []Reading{{Power: &Power{}}, {Power: &Power{UnderVoltage: true}}, {Power: &Power{UnderVoltage: true, Slowed: true}}, {Power: &Power{}}},
			[]string{"under-voltage", "the firmware has lowered", "no longer: under-voltage", "no longer: the firmware"}},
		{"memory", []Reading{left(100), left(15), left(13), left(20), left(13), left(30)}, []string{"memory is scarce: 13 MB", "no longer: memory"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				i := -1
				m := New(func() Reading {
					i = min(i+1, len(tt.readings)-1)
					return tt.readings[i]
				}, slog.New(slog.NewTextHandler(&log, nil)))
				ctx, cancel := context.WithCancel(t.Context())
				go m.Run(ctx)
				time.Sleep(time.Duration(len(tt.readings)) * period)
				synctest.Wait()
				if _, notices := m.State(); len(notices) > 0 {
					t.Errorf("at the end: %q", notices)
				}
				cancel()
				synctest.Wait()
				var got []string
				for line := range strings.Lines(log.String()) {
					_, msg, _ := strings.Cut(line, "msg=")
					got = append(got, strings.Trim(strings.TrimSpace(msg), `"`))
				}
				if !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}
