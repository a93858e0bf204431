package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Rewrite returns the text of a camera.yaml in which the live keys have the values of live, and everything else is as
// it was: only the lines of keys that change are touched. Where that is not possible, as in a section written between
// braces over several lines, the whole file is written anew, without its comments. The text has to be valid before,
// and is so afterwards.
func Rewrite(text []byte, live Camera) ([]byte, error) {
	old, err := Parse(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	want := old
	want.Camera = old.Camera.WithLive(live)
	root, errs := parseDocument(text)
	if errs != nil {
		return nil, errs
	}
	for _, rewritten := range [][]byte{editLines(text, root, old.Camera, want.Camera), renderChanged(root, want.Camera)} {
		got, err := Parse(bytes.NewReader(rewritten))
		if err == nil && reflect.DeepEqual(got, want) {
			return rewritten, nil
		}
	}
	// What is valid at one frame rate may not be at that of a file that somebody changed meanwhile.
	if _, err := Parse(bytes.NewReader(renderChanged(root, want.Camera))); err != nil {
		return nil, err
	}
	return nil, errors.New("rewrite configuration: the file is too unusual to be changed by a program")
}

// yamlText writes a value of [Camera.Live] as the file has it.
func yamlText(v any) string {
	switch v := v.(type) {
	case nil:
		return "none"
	case string:
		if v != "" && strings.Trim(v, "abcdefghijklmnopqrstuvwxyz0123456789") == "" && v[0] > '9' {
			return v
		}
		return strconv.Quote(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	list := reflect.ValueOf(v)
	if list.Kind() != reflect.Slice {
		return fmt.Sprint(v)
	}
	items := make([]string, list.Len())
	for i := range items {
		items[i] = yamlText(list.Index(i).Interface())
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// section is what a file is to have in one section of live keys, by their own names, in order.
type section []assignment

type assignment struct {
	key     string
	text    string // of the value
	changed bool
	inner   section
}

// assignments are the live keys of c, each with whether it differs from old.
func assignments(old, c Camera) section {
	var all section
	for _, k := range liveKeys() {
		a := assignment{key: k.Key, text: yamlText(k.value(&c))}
		a.changed = a.text != yamlText(k.value(&old))
		outer, key, nested := strings.Cut(k.Key, ".")
		if !nested {
			all = append(all, a)
			continue
		}
		if len(all) == 0 || all[len(all)-1].key != outer {
			all = append(all, assignment{key: outer})
		}
		parent := &all[len(all)-1]
		a.key = key
		parent.inner = append(parent.inner, a)
		parent.changed = parent.changed || a.changed
	}
	return all
}

func (s section) braces() string {
	fields := make([]string, len(s))
	for i, a := range s {
		fields[i] = a.key + ": " + a.text
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

// editLines changes a file line by line. What it cannot do leaves a text that does not mean what it should.
func editLines(text []byte, root *node, old, c Camera) []byte {
	e := lineEditor{lines: slices.Collect(strings.Lines(string(text))), after: make(map[int][]string)}
	changes := assignments(old, c)
	camera := root.field("camera")
	switch {
	case camera == nil:
		e.insert(len(e.lines), "camera:")
		e.edit(changes, nil, len(e.lines), "  ")
	case camera.value.kind != mapping || len(camera.value.fields) == 0:
		e.edit(changes, nil, camera.line, "  ")
	default:
		first := camera.value.fields[0].line
		e.edit(changes, camera.value, camera.line, e.indent(first))
	}
	return []byte(e.text())
}

// field returns the field with a key, nil if there is none.
func (n *node) field(key string) *field {
	if n == nil {
		return nil
	}
	for i := range n.fields {
		if n.fields[i].key == key {
			return &n.fields[i]
		}
	}
	return nil
}

// hasLines says that the value of a key in some line is a section in lines of its own.
func (n *node) hasLines(line int) bool {
	return n.kind == mapping && len(n.fields) > 0 && n.fields[0].line > line
}

// lineEditor changes lines, which are numbered from 1, and collects those that are to follow each.
type lineEditor struct {
	lines []string
	after map[int][]string
}

func (e *lineEditor) insert(after int, line string) { e.after[after] = append(e.after[after], line) }

func (e *lineEditor) indent(line int) string {
	text := e.lines[line-1]
	return text[:len(text)-len(strings.TrimLeft(text, " "))]
}

// edit makes the changes in a section that begins in a line; n is what it has, nil for nothing.
func (e *lineEditor) edit(changes section, n *node, begin int, indent string) {
	last := begin
	if n != nil {
		for _, f := range n.fields {
			if !f.value.hasLines(f.line) {
				last = max(last, f.line)
			}
		}
	}
	for _, a := range changes {
		f := n.field(a.key)
		switch {
		case !a.changed:
		case f == nil:
			e.insert(last, indent+a.key+": "+a.replacement(nil))
		case len(a.inner) > 0 && f.value.hasLines(f.line):
			e.edit(a.inner, f.value, f.line, e.indent(f.value.fields[0].line))
		default:
			e.lines[f.line-1] = replaceValue(e.lines[f.line-1], a.key, a.replacement(f.value))
		}
	}
}

// replacement is the value in place of n: of a section what n has and what changed.
func (a assignment) replacement(n *node) string {
	if len(a.inner) == 0 {
		return a.text
	}
	var kept section
	for _, i := range a.inner {
		if i.changed || n.field(i.key) != nil {
			kept = append(kept, i)
		}
	}
	return kept.braces()
}

func (e *lineEditor) text() string {
	var b strings.Builder
	eol := "\n"
	for i := range len(e.lines) + 1 {
		if i > 0 {
			line := e.lines[i-1]
			b.WriteString(line)
			if strings.HasSuffix(line, "\r\n") {
				eol = "\r\n"
			}
			if len(e.after[i]) > 0 && !strings.HasSuffix(line, "\n") {
				b.WriteString(eol)
			}
		}
		for _, line := range e.after[i] {
			b.WriteString(line + eol)
		}
	}
	return b.String()
}

// replaceValue replaces the value in a line `key: value # comment`, and leaves the comment where it is if there is room.
func replaceValue(line, key, value string) string {
	head, rest, _ := strings.Cut(line, key)
	gap := len(rest) - len(strings.TrimLeft(rest, ": "))
	if gap == 0 || strings.Trim(head, " ") != "" {
		return line
	}
	rest = rest[gap:]
	end := valueLength(rest)
	tail := rest[end:]
	comment := strings.TrimLeft(tail, " ")
	if strings.HasPrefix(comment, "#") {
		column := end + len(tail) - len(comment)
		tail = strings.Repeat(" ", max(1, column-len(value))) + comment
	}
	return head + key + ": " + value + tail
}

// valueLength is how many bytes of a line, which begins with a value, are the value.
func valueLength(line string) int {
	depth, quote, escaped := 0, byte(0), false
	for i := range len(line) {
		c := line[i]
		switch {
		case escaped:
			escaped = false
		case quote == '"' && c == '\\':
			escaped = true
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && (i == 0 || depth > 0):
			quote = c
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case c == '#' && (i == 0 || line[i-1] == ' '), c == '\r', c == '\n':
			return len(strings.TrimRight(line[:i], " "))
		}
	}
	return len(line)
}

// renderChanged writes a whole file anew, with the live keys of c.
func renderChanged(root *node, c Camera) []byte {
	if root == nil || root.kind != mapping {
		root = &node{kind: mapping}
	}
	changes := assignments(defaultCamera(), c)
	var b strings.Builder
	for _, f := range root.fields {
		if f.key != "camera" {
			fmt.Fprintf(&b, "%s: %s\n", f.key, flow(f.value))
		}
	}
	b.WriteString("camera:\n")
	if camera := root.field("camera"); camera != nil {
		for _, f := range camera.value.fields {
			if !slices.ContainsFunc(changes, func(a assignment) bool { return a.key == f.key }) {
				fmt.Fprintf(&b, "  %s: %s\n", f.key, flow(f.value))
			}
		}
	}
	for _, a := range changes {
		if a.changed {
			fmt.Fprintf(&b, "  %s: %s\n", a.key, a.replacement(nil))
		}
	}
	return []byte(b.String())
}

// flow writes a value in one line.
func flow(n *node) string {
	switch n.kind {
	case mapping:
		fields := make([]string, len(n.fields))
		for i, f := range n.fields {
			fields[i] = f.key + ": " + flow(f.value)
		}
		return "{" + strings.Join(fields, ", ") + "}"
	case sequence:
		items := make([]string, len(n.items))
		for i, item := range n.items {
			items[i] = flow(item)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case scalar:
		if n.quoted || strings.ContainsAny(n.text, ",[]{}:#\"'") {
			return strconv.Quote(n.text)
		}
		return n.text
	}
	return ""
}
