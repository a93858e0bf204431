package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// reader takes over the value of one key. It reports what is wrong with it and then leaves its target as it was.
type reader func(key string, n *node)

// table has the readers of one section by key.
type table map[string]reader

// decoder collects the mistakes of one file, and which keys it has, for checks that concern several keys.
type decoder struct {
	errs  Errors
	lines map[string]int  // of the keys in the file
	bad   map[string]bool // keys with an error of their own
	alien map[string]bool // sections with an unknown key, which may be meant to be any of theirs
}

func newDecoder() *decoder {
	return &decoder{lines: make(map[string]int), bad: make(map[string]bool), alien: make(map[string]bool)}
}

func (d *decoder) fail(line int, key, format string, args ...any) {
	d.bad[key] = true
	d.errs = append(d.errs, &Error{Line: line, Key: key, Problem: fmt.Sprintf(format, args...)})
}

// failKey is fail at the line where the file has the key.
func (d *decoder) failKey(key, format string, args ...any) {
	d.fail(d.lines[key], key, format, args...)
}

func (d *decoder) written(key string) bool {
	return d.lines[key] > 0
}

func (d *decoder) sortedErrors() Errors {
	slices.SortStableFunc(d.errs, func(a, b *Error) int { return cmp.Compare(a.Line, b.Line) })
	return d.errs
}

// mapping reads the section n, whose own key is key. A section that is absent or empty is one without keys.
func (d *decoder) mapping(key string, n *node, readers table) {
	if n == nil || n.kind == null {
		return
	}
	if n.kind != mapping {
		d.fail(n.line, key, "must be a section of key: value, not %s", n.kind)
		return
	}
	for _, f := range d.uniqueFields(key, n) {
		read, known := readers[f.key]
		if !known {
			d.alien[key] = true
			d.fail(f.line, join(key, f.key), "unknown key; %s", instead(f.key, readers))
			continue
		}
		read(join(key, f.key), f.value)
	}
}

// uniqueFields returns the fields of a section without those whose key came before, and notes their lines.
func (d *decoder) uniqueFields(key string, n *node) []field {
	var fields []field
	first := make(map[string]int)
	for _, f := range n.fields {
		path := join(key, f.key)
		if line, dup := first[f.key]; dup {
			d.fail(f.line, path, "is already set in line %d; keep one of them", line)
			continue
		}
		first[f.key] = f.line
		d.lines[path] = f.line
		fields = append(fields, f)
	}
	return fields
}

// join makes the path of a key. Keys that are not plain words are quoted, so that an error stays one readable line.
func join(section, key string) string {
	plain := key != "" && len(key) <= 40 && !strings.ContainsFunc(key, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", r)
	})
	if !plain {
		key = strconv.QuoteToASCII(shorten(key))
	}
	if section == "" {
		return key
	}
	return section + "." + key
}

// shorten keeps an error line readable whatever the file has in it.
func shorten(text string) string {
	if runes := []rune(text); len(runes) > 40 {
		return string(runes[:40]) + "…"
	}
	return text
}

// instead names the known key that an unknown one is probably meant to be, or else all known keys.
func instead(unknown string, readers table) string {
	known := slices.Sorted(maps.Keys(readers))
	if near := nearest(unknown, known); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "known here: " + strings.Join(known, ", ")
}
