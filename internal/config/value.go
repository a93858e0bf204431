package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// show returns a scalar as an error can print it: one line, not too long, text in quotes.
func show(n *node) string {
	if n.kind != scalar {
		return n.kind.String()
	}
	if !n.quoted && isDecimal(n.text) {
		return shorten(n.text)
	}
	return strconv.QuoteToASCII(shorten(n.text))
}

// isDecimal reports whether text is a number as this file has them: digits, maybe a sign and a decimal point. The
// other spellings that YAML versions disagree about (010, 0o17, 1_000, 1e3, .5) are not.
func isDecimal(text string) bool {
	whole, fraction, point := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	leadingZero := len(whole) > 1 && whole[0] == '0'
	return isDigits(whole) && !leadingZero && (!point || isDigits(fraction))
}

func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// scalar reports whether n is a single value, and if not, says that it must be what.
func (d *decoder) scalar(key string, n *node, what string) bool {
	switch n.kind {
	case scalar:
		return true
	case null:
		d.fail(n.line, key, "has no value; write %s, or remove the key", what)
	default:
		d.fail(n.line, key, "must be %s, not %s", what, n.kind)
	}
	return false
}

// number reports whether n is a decimal number, and if not, says that it must be what.
func (d *decoder) number(key string, n *node, what string) bool {
	switch {
	case !d.scalar(key, n, what):
		return false
	case n.quoted && isDecimal(n.text):
		d.fail(n.line, key, "%s is text; write the number without quotes", show(n))
		return false
	case n.quoted || !isDecimal(n.text):
		hint := ""
		if !n.quoted && strings.ContainsAny(n.text, "0123456789") {
			hint = " in plain decimal digits"
		}
		d.fail(n.line, key, "%s is not a number; write %s%s", show(n), what, hint)
		return false
	}
	return true
}

// parseInteger reads a whole number in lo..hi. The bool is false if it was none, which has then been reported.
func (d *decoder) parseInteger(key string, n *node, lo, hi int) (int, bool) {
	what := fmt.Sprintf("a whole number in %d..%d", lo, hi)
	if !d.number(key, n, what) {
		return 0, false
	}
	if strings.Contains(n.text, ".") {
		d.fail(n.line, key, "%s is not a whole number; write %s", show(n), what)
		return 0, false
	}
	v, err := strconv.Atoi(n.text)
	if err != nil || v < lo || v > hi {
		d.fail(n.line, key, "%s is out of range %d..%d", show(n), lo, hi)
		return 0, false
	}
	return v, true
}

func (d *decoder) integer(to *int, lo, hi int) reader {
	return func(key string, n *node) {
		if v, ok := d.parseInteger(key, n, lo, hi); ok {
			*to = v
		}
	}
}

func (d *decoder) parseDecimal(key string, n *node, lo, hi float64) (float64, bool) {
	if !d.number(key, n, fmt.Sprintf("a number in %v..%v", lo, hi)) {
		return 0, false
	}
	v, err := strconv.ParseFloat(n.text, 64)
	if err != nil || v < lo || v > hi {
		d.fail(n.line, key, "%s is out of range %v..%v", show(n), lo, hi)
		return 0, false
	}
	return v + 0, true // -0.0 is not a value of its own
}

func (d *decoder) decimal(to *float64, lo, hi float64) reader {
	return func(key string, n *node) {
		if v, ok := d.parseDecimal(key, n, lo, hi); ok {
			*to = v
		}
	}
}

// items reports whether n is a list of as many elements as example has, and if not, says so.
func (d *decoder) items(key string, n *node, count int, example string) bool {
	switch {
	case n.kind == null:
		d.fail(n.line, key, "has no value; write %s, or remove the key", example)
	case n.kind != sequence:
		d.fail(n.line, key, "must be a list like %s, not %s", example, show(n))
	case len(n.items) != count:
		d.fail(n.line, key, "has %d elements instead of %d; write it like %s", len(n.items), count, example)
	default:
		return true
	}
	return false
}

// decimals reads a list of exactly len(to) numbers.
func (d *decoder) decimals(to []float64, lo, hi float64, example string) reader {
	return func(key string, n *node) {
		if !d.items(key, n, len(to), example) {
			return
		}
		values := make([]float64, len(to))
		for i, item := range n.items {
			v, ok := d.parseDecimal(fmt.Sprintf("%s[%d]", key, i), item, lo, hi)
			if !ok {
				d.bad[key] = true
			}
			values[i] = v
		}
		if !d.bad[key] {
			copy(to, values)
		}
	}
}

func (d *decoder) boolean(to *bool) reader {
	return func(key string, n *node) {
		if !d.scalar(key, n, "true or false") {
			return
		}
		switch {
		case !n.quoted && n.text == "true":
			*to = true
		case !n.quoted && n.text == "false":
			*to = false
		case slices.Contains([]string{"yes", "y", "on", "true", "1"}, strings.ToLower(n.text)):
			d.fail(n.line, key, "%s is not a boolean; write true", show(n))
		case slices.Contains([]string{"no", "n", "off", "false", "0"}, strings.ToLower(n.text)):
			d.fail(n.line, key, "%s is not a boolean; write false", show(n))
		default:
			d.fail(n.line, key, "%s is not a boolean; write true or false", show(n))
		}
	}
}

// oneOf reads a word out of a list. An empty word, if allowed, stands for no choice.
func (d *decoder) oneOf(to *string, allowed ...string) reader {
	list := strings.Join(allowed, ", ")
	if allowed[0] == "" {
		list = `""` + list
	}
	return func(key string, n *node) {
		if !d.scalar(key, n, "one of "+list) {
			return
		}
		if !slices.Contains(allowed, n.text) {
			hint := ""
			if near := nearest(n.text, allowed); near != "" {
				hint = fmt.Sprintf("; did you mean %s?", near)
			}
			d.fail(n.line, key, "%s is not one of %s%s", show(n), list, hint)
			return
		}
		*to = n.text
	}
}

// parseText reads text that would also be text to other YAML readers.
func (d *decoder) parseText(key string, n *node) (string, bool) {
	if !d.scalar(key, n, "text") {
		return "", false
	}
	if !n.quoted && (isDecimal(n.text) || n.text == "true" || n.text == "false") {
		d.fail(n.line, key, "must be text; put it in quotes")
		return "", false
	}
	return n.text, true
}

// duration reads Go's duration syntax (time.ParseDuration). If mayBeOff, 0 is allowed too.
func (d *decoder) duration(to *time.Duration, lo, hi time.Duration, mayBeOff bool) reader {
	limits := fmt.Sprintf("%s..%s", brief(lo), brief(hi))
	if mayBeOff {
		limits += ", or 0"
	}
	return func(key string, n *node) {
		if !d.scalar(key, n, "a duration in "+limits) {
			return
		}
		v, err := time.ParseDuration(n.text)
		switch {
		case err != nil && isDecimal(n.text):
			d.fail(n.line, key, "%s has no unit; write %ss or %sms", show(n), n.text, n.text)
		case err != nil:
			d.fail(n.line, key, "%s is not a duration; write it like 1s or 500ms", show(n))
		case mayBeOff && v == 0, v >= lo && v <= hi:
			*to = v
		default:
			d.fail(n.line, key, "%s is out of range %s", shorten(n.text), limits)
		}
	}
}

// brief is a duration without the zero minutes and seconds at its end.
func brief(v time.Duration) string {
	s := v.String()
	s, _ = strings.CutSuffix(s, "0s")
	if s == "" || !strings.ContainsAny(s[len(s)-1:], "hm") {
		return v.String()
	}
	t, _ := strings.CutSuffix(s, "0m")
	if strings.HasSuffix(t, "h") {
		return t
	}
	return s
}

// minSide is the smallest width and height of any picture, in pixels.
const minSide = 64

// size reads a resolution, from 64x64 to maxWidth x maxHeight, both even as YUV 4:2:0 needs them.
func (d *decoder) size(width, height *int, maxWidth, maxHeight int) reader {
	return func(key string, n *node) {
		if !d.scalar(key, n, "a resolution like 1280x720") {
			return
		}
		left, right, _ := strings.Cut(n.text, "x")
		if !isDigits(left) || !isDigits(right) {
			d.fail(n.line, key, "%s is not a resolution; write WIDTHxHEIGHT, as 1280x720", show(n))
			return
		}
		w, errW := strconv.Atoi(left)
		h, errH := strconv.Atoi(right)
		switch {
		case errW != nil || errH != nil || w < minSide || h < minSide || w > maxWidth || h > maxHeight:
			d.fail(n.line, key, "%s is out of range %dx%d..%dx%d", shorten(n.text), minSide, minSide, maxWidth, maxHeight)
		case w%2 != 0 || h%2 != 0:
			d.fail(n.line, key, "%s has an odd side; the nearest that works is %dx%d", shorten(n.text), w&^1, h&^1)
		default:
			*width, *height = w, h
		}
	}
}
