package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/camkrazy/camkrazy/internal/config"
	"github.com/camkrazy/camkrazy/internal/webd"
)

// changes makes random changes of settings, and knows what comes of them.
type changes struct {
	*rand.Rand
	controls []webd.Control
	state    map[string]any
}

// newChanges begins with what GET /settings.json/controls and /settings.json say.
func newChanges(t *testing.T, controls, state []byte) *changes {
	t.Helper()
	var list webd.ControlList
	if err := json.Unmarshal(controls, &list); err != nil || len(list.Controls) < 30 {
		t.Fatalf("%d controls: %v", len(list.Controls), err)
	}
	return &changes{rand.New(rand.NewPCG(1, 2)), list.Controls, decodeState(t, state)}
}

func (d *daemon) changes() *changes {
	d.t.Helper()
	_, controls := d.send(http.MethodGet, "/settings.json/controls", "")
	_, state := d.send(http.MethodGet, "/settings.json", "")
	return newChanges(d.t, controls, state)
}

// valid is a value that a control takes. Numbers are what JSON makes of them.
func (c *changes) valid(k webd.Control) any {
	whole := func() float64 { return *k.Min + float64(c.IntN(int(*k.Max-*k.Min)+1)) }
	switch config.Kind(k.Kind) {
	case config.IntegerKind:
		return whole()
	case config.GainKind:
		if c.IntN(3) == 0 {
			return 0.0
		}
		return 1 + (*k.Max-1)*c.Float64()
	case config.BooleanKind:
		return c.IntN(2) == 0
	case config.ChoiceKind:
		return k.Choices[c.IntN(len(k.Choices))]
	case config.RotationKind:
		return float64(c.IntN(4) * 90)
	case config.TextKind:
		text := []byte{}
		for range c.IntN(20) {
			text = append(text, "abcXYZ 019!#{}~:,'"[c.IntN(18)])
		}
		return string(text)
	case config.ColorKind:
		return fmt.Sprintf("#%06x", c.IntN(1<<24))
	case config.IntegersKind:
		return []any{whole(), whole()}
	case config.PairKind:
		if c.IntN(3) == 0 {
			return nil
		}
		return []any{whole(), whole()}
	}
	if k.Length == 4 { // zoom
		w, h := 0.05+0.9*c.Float64(), 0.05+0.9*c.Float64()
		return []any{(1 - w) * c.Float64(), (1 - h) * c.Float64(), w, h}
	}
	return []any{0.1 + 7.9*c.Float64(), 0.1 + 7.9*c.Float64()}
}

// invalid is a value that a control does not take.
func (c *changes) invalid(k webd.Control) any {
	kind := config.Kind(k.Kind)
	other := []any{map[string]any{"a": 1.0}, []any{}, []any{1.0, 2.0, 3.0}}
	switch kind {
	case config.IntegerKind:
		other = append(other, *k.Max+1, *k.Min-1, *k.Min+0.5, "1", true, nil)
	case config.GainKind:
		other = append(other, 0.5, *k.Max+0.1, -1.0, "2", nil)
	case config.BooleanKind:
		other = append(other, 1.0, "true", nil)
	case config.ChoiceKind, config.ColorKind:
		other = append(other, "moonlight", 1.0, true, nil)
	case config.RotationKind:
		other = append(other, 45.0, -90.0, 360.0, "90", nil)
	case config.TextKind:
		other = append(other, strings.Repeat("x", int(*k.Max)+1), "é", "%Q", nil, "\x01")
	case config.PairKind:
		other = append(other, []any{1.0, 256.0}, "grey", 5.0)
	default:
		other = append(other, []any{*k.Max + 1, 1.0}, []any{1.0}, []any{-1.0, 1.0, 1.0, 1.0}, "1", nil)
	}
	return other[c.IntN(len(other))]
}

// put gives a key like annotate.size a value in an object.
func put(object map[string]any, key string, value any) {
	if section, inner, nested := strings.Cut(key, "."); nested {
		if object[section] == nil {
			object[section] = map[string]any{}
		}
		object = object[section].(map[string]any)
		key = inner
	}
	object[key] = value
}

// next is a change of one to four keys, and the state after it.
func (c *changes) next() (change, after map[string]any) {
	change, after = map[string]any{}, maps.Clone(c.state)
	after["annotate"] = maps.Clone(c.state["annotate"].(map[string]any))
	set := func(key string, value any) { put(change, key, value); put(after, key, value) }
	for range 1 + c.IntN(4) {
		k := c.controls[c.IntN(len(c.controls))]
		if k.Key == "awb_gains" || k.Key == "awb_mode" && c.IntN(4) == 0 { // gains go with the mode off
			set("awb_mode", "off")
			gains := slices.IndexFunc(c.controls, func(k webd.Control) bool { return k.Key == "awb_gains" })
			set("awb_gains", c.valid(c.controls[gains]))
			continue
		}
		value := c.valid(k)
		if k.Key == "awb_mode" {
			if value == "off" {
				continue
			}
			delete(change, "awb_gains")
			after["awb_gains"] = []any{0.0, 0.0}
		}
		set(k.Key, value)
	}
	return change, after
}
