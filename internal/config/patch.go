package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ErrNotObject says that a change is no JSON object at all.
var ErrNotObject = errors.New("not a JSON object")

// Patch returns c with the live keys changed that a JSON object names, as {"brightness": 60, "annotate": {"text": "x"}}:
// by the rules of the file, and as a whole or not at all. What is wrong is an [Errors] whose keys are those of the
// object, or an [ErrNotObject]. A white balance that is switched on sets awb_gains, which nothing uses then, to 0.
func (c Camera) Patch(object []byte) (Camera, error) {
	root, err := parseObject(object)
	if err != nil {
		return c, err
	}
	d := newDecoder()
	var changes []field
	for _, f := range root.fields {
		if slices.Contains([]string{"number", "resolution", "framerate", "sensor_mode"}, f.key) {
			d.fail(f.line, f.key, "cannot change while the camera runs; change it in camera.yaml and start again")
			continue
		}
		if f.key == "annotate" && f.value.kind == null {
			d.fail(f.line, f.key, `has no value; write {"text": ""} for no text, or remove the key`)
		}
		changes = append(changes, f)
	}
	root.fields = changes
	d.mapping("", root, d.liveTable(&c))
	if d.written("awb_mode") && !d.written("awb_gains") && c.AWBMode != "off" {
		c.AWBGains = [2]float64{}
	}
	d.checkShutter("", c)
	d.checkGains("", c)
	if errs := d.sortedErrors(); len(errs) > 0 {
		return Camera{}, errs
	}
	return c, nil
}

// parseObject makes nodes of a JSON object.
func parseObject(object []byte) (*node, error) {
	if err := json.Unmarshal(object, new(json.RawMessage)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotObject, err)
	}
	if !utf8.Valid(object) {
		return nil, fmt.Errorf("%w: not valid UTF-8", ErrNotObject)
	}
	p := jsonParser{text: object, tokens: json.NewDecoder(bytes.NewReader(object))}
	p.tokens.UseNumber()
	root := p.value(0)
	if root.kind != mapping {
		return nil, ErrNotObject
	}
	if len(p.errs) > 0 {
		return nil, p.errs
	}
	return root, nil
}

// jsonParser makes nodes of JSON that is known to be valid.
type jsonParser struct {
	text   []byte
	tokens *json.Decoder
	errs   Errors
}

func (p *jsonParser) next() (json.Token, int) {
	t, err := p.tokens.Token()
	if err != nil && err != io.EOF {
		panic(err) // not reached: the text has been checked
	}
	return t, 1 + bytes.Count(p.text[:p.tokens.InputOffset()], []byte("\n"))
}

func (p *jsonParser) value(depth int) *node {
	t, line := p.next()
	n := &node{line: line}
	if depth == maxDepth {
		p.errs = append(p.errs, &Error{Line: line, Problem: "nested too deeply"})
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			p.object(n, depth)
		} else {
			p.array(n, depth)
		}
	case string:
		n.kind, n.text, n.quoted = scalar, t, true
	case bool:
		n.kind, n.text = scalar, strconv.FormatBool(t)
	case json.Number:
		n.kind, n.text = scalar, plainNumber(t)
	}
	return n
}

func (p *jsonParser) object(n *node, depth int) {
	n.kind = mapping
	for p.tokens.More() {
		key, line := p.next()
		f := field{key: key.(string), line: line, value: p.value(depth + 1)}
		n.fields = append(n.fields, f)
	}
	p.next()
}

func (p *jsonParser) array(n *node, depth int) {
	n.kind = sequence
	for p.tokens.More() {
		n.items = append(n.items, p.value(depth+1))
	}
	p.next()
}

// plainNumber writes a number without an exponent and without a fraction of zeroes, which programs send and people do
// not write: to JSON 60, 60.0 and 6e1 are the same.
func plainNumber(n json.Number) string {
	v, err := n.Float64()
	if err != nil || isDecimal(n.String()) && !strings.Contains(n.String(), ".") {
		return n.String()
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}
