package mmal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// layoutFile is testdata/layout.json: what a C compiler made of the headers.
type layoutFile struct {
	Structs   map[string]cStruct
	Constants map[string]int64
	Params    map[string]struct {
		ID     ParameterID
		Struct string
		Size   int
	} `json:"parameter_structs"`
}

type cStruct struct {
	Size   int
	Fields map[string]cField
}

type cField struct {
	Offset, Size int
}

func (f cField) end() int { return f.Offset + f.Size }

func loadLayout(tb testing.TB) layoutFile {
	tb.Helper()
	b, err := os.ReadFile("testdata/layout.json")
	if err != nil {
		tb.Fatal(err)
	}
	var l layoutFile
	if err := json.Unmarshal(b, &l); err != nil {
		tb.Fatalf("parse layout.json: %v", err)
	}
	return l
}

// leaves returns the names of the fields that have no fields of their own.
func (s cStruct) leaves() []string {
	var names []string
	for n := range s.Fields {
		inner := func(o string) bool { return strings.HasPrefix(o, n+".") || strings.HasPrefix(o, n+"[") }
		found := false
		for o := range s.Fields {
			found = found || inner(o)
		}
		if !found {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

// encodeWhole encodes what v points to with all that the C struct has: a header, or a parameter's id and size.
func encodeWhole(v any) []byte {
	switch v := v.(type) {
	case *Header:
		return Append(nil, *v, &Reply{})[:HeaderSize]
	case Parameter:
		return Append(nil, Header{}, set(0, 0, v))[HeaderSize+8:]
	}
	return Append(nil, Header{}, v.(Message))
}

// decodeWhole decodes what encodeWhole encoded into what v points to.
func decodeWhole(b []byte, v any) (err error) {
	switch v := v.(type) {
	case *Header:
		*v, err = DecodeHeader(b)
		return err
	case Parameter:
		var m ParameterSetRequest
		if err := Decode(append(make([]byte, HeaderSize+8), b...), &m); err != nil {
			return err
		}
		if id := reflect.ValueOf(v).Elem().FieldByName("ID"); id.IsValid() {
			id.SetUint(uint64(m.ID))
		} else if m.ID != v.ParameterID() {
			return fmt.Errorf("id %#x, want %v", uint32(m.ID), v.ParameterID())
		}
		return DecodeParameter(m.Value, v)
	}
	return Decode(b, v.(Message))
}

// goLeaves calls visit with each field below v that has no fields of its own, and its path.
func goLeaves(path string, v reflect.Value, visit func(path string, v reflect.Value)) {
	switch {
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			switch {
			case f.Anonymous:
				goLeaves(path, v.Field(i), visit)
			case path == "":
				goLeaves(f.Name, v.Field(i), visit)
			default:
				goLeaves(path+"."+f.Name, v.Field(i), visit)
			}
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		for i := range v.Len() {
			goLeaves(fmt.Sprintf("%s[%d]", path, i), v.Index(i), visit)
		}
	default:
		visit(path, v)
	}
}

// fill gives v a value whose encoding in a C field of size bytes differs in each byte from that of another seed, and
// returns that encoding.
func fill(v reflect.Value, seed byte, size int) []byte {
	want := make([]byte, size)
	for i := range want {
		want[i] = seed + byte(i%8)
	}
	var word uint64
	for i := range min(size, 8) {
		word |= uint64(want[i]) << (8 * i)
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(seed == seedA)
		clear(want)
		if v.Bool() {
			want[0] = 1
		}
	case reflect.String:
		v.SetString(string(want[:size-1]))
		want[size-1] = 0
	case reflect.Slice:
		v.SetBytes(slices.Clone(want))
	case reflect.Array:
		reflect.Copy(v, reflect.ValueOf(want))
	case reflect.Int32:
		v.SetInt(int64(int32(word)))
	case reflect.Int64:
		v.SetInt(int64(word))
	default:
		v.SetUint(word)
	}
	return want
}

// The seeds of fill: no byte of one pattern is in the other, and none is zero. The first makes booleans true.
const (
	seedA = 0x41
	seedB = 0x91
)

// bounded is the one field that may not hold just anything: up to MaxShortPayload in its four bytes.
const bounded = "InMessage"

// withLeaf returns what base makes, with one leaf filled, and that leaf's encoding.
func withLeaf(tt layoutCase, leaf string, seed byte, size int) (value any, want []byte) {
	value = tt.base()
	goLeaves("", reflect.ValueOf(value).Elem(), func(path string, v reflect.Value) {
		switch {
		case path == leaf && leaf == bounded:
			v.SetUint(uint64(seed) & 0x7f)
			want = make([]byte, size)
			want[0] = seed & 0x7f
		case path == leaf:
			want = fill(v, seed, size)
		}
	})
	return value, want
}

func TestLayout(t *testing.T) {
	layout := loadLayout(t)
	for _, tt := range layoutCases() {
		t.Run(tt.name, func(t *testing.T) {
			c, ok := layout.Structs[tt.c]
			if !ok {
				t.Fatalf("no struct %s in layout.json", tt.c)
			}
			if got := len(encodeWhole(tt.base())); got != c.Size {
				t.Errorf("encoded size = %d, want %d", got, c.Size)
			}
			mapped := maps.Clone(tt.fields)
			goLeaves("", reflect.ValueOf(tt.base()).Elem(), func(leaf string, _ reflect.Value) {
				if isOther(tt.other, leaf) {
					return
				}
				field, ok := c.Fields[tt.fields[leaf]]
				if !ok {
					t.Errorf("Go field %s: no C field", leaf)
					return
				}
				delete(mapped, leaf)
				checkLeaf(t, tt, leaf, field)
			})
			for leaf := range mapped {
				t.Errorf("C field %s: no Go field %s", tt.fields[leaf], leaf)
			}
			checkCovered(t, tt, c)
		})
	}
}

func isOther(other []string, leaf string) bool {
	return slices.ContainsFunc(other, func(o string) bool { return leaf == o || strings.HasPrefix(leaf, o+".") })
}

// checkLeaf checks that a Go field is in the bytes of its C field, all of them, and in no others, both ways.
func checkLeaf(t *testing.T, tt layoutCase, leaf string, field cField) {
	t.Helper()
	a, want := withLeaf(tt, leaf, seedA, field.Size)
	b, other := withLeaf(tt, leaf, seedB, field.Size)
	ea, eb := encodeWhole(a), encodeWhole(b)
	if len(ea) != len(eb) || len(ea) < field.end() {
		t.Fatalf("%s: encoded in %d and %d bytes, want at least %d", leaf, len(ea), len(eb), field.end())
	}
	expect := slices.Clone(eb)
	copy(expect[field.Offset:], want)
	if !bytes.Equal(ea, expect) || !bytes.Equal(eb[field.Offset:field.end()], other) {
		t.Errorf("%s: want bytes %d..%d only to change, to % x; changed: %v", leaf, field.Offset, field.end()-1, want,
			changed(ea, eb))
	}
	checkLeafDecodes(t, leaf, a, ea)
	checkLeafDecodes(t, leaf, b, eb)
	if leafKind(a, leaf) != reflect.Bool {
		return
	}
	for i := range field.Size { // a boolean is read from its whole word
		flipped := slices.Clone(eb)
		flipped[field.Offset+i] = 0x80
		checkLeafDecodes(t, leaf, a, flipped)
	}
}

func leafKind(value any, leaf string) (kind reflect.Kind) {
	goLeaves("", reflect.ValueOf(value).Elem(), func(path string, v reflect.Value) {
		if path == leaf {
			kind = v.Kind()
		}
	})
	return kind
}

func checkLeafDecodes(t *testing.T, leaf string, want any, b []byte) {
	t.Helper()
	got := zeroed(want)
	if err := decodeWhole(b, got); err != nil {
		t.Errorf("%s: decode: %v", leaf, err)
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: decode (-want +got):\n%s", leaf, diff)
	}
}

func changed(a, b []byte) (offsets []int) {
	for i := range a {
		if a[i] != b[i] {
			offsets = append(offsets, i)
		}
	}
	return offsets
}

// checkCovered checks that every C field is either mapped to a Go field, worked out by the encoder, or named as zero and
// indeed zero whatever else the message holds.
func checkCovered(t *testing.T, tt layoutCase, c cStruct) {
	t.Helper()
	covered := make([]bool, c.Size)
	for _, name := range append(slices.Collect(maps.Values(tt.fields)), tt.derived...) {
		f, ok := c.Fields[name]
		if !ok {
			t.Fatalf("no C field %s", name)
		}
		for i := f.Offset; i < f.end(); i++ {
			covered[i] = true
		}
	}
	full := encodeWhole(fullValue(tt, c))
	for _, name := range c.leaves() {
		f := c.Fields[name]
		isCovered := !slices.Contains(covered[f.Offset:f.end()], false)
		isZero := slices.Contains(tt.zero, name)
		switch {
		case isElsewhere(name):
		case isCovered == isZero:
			t.Errorf("C field %s: mapped %v, zero %v: want one of the two", name, isCovered, isZero)
		case isZero && len(bytes.Trim(full[f.Offset:f.end()], "\x00")) != 0:
			t.Errorf("C field %s = % x, want zero", name, full[f.Offset:f.end()])
		}
	}
}

// isElsewhere tells the header, which has a case of its own, and the formats that share their bytes with the video format.
func isElsewhere(name string) bool {
	return strings.HasPrefix(name, "header.") || strings.HasPrefix(name, "es.audio.") ||
		strings.HasPrefix(name, "es.subpicture.")
}

// fullValue returns a value with every mapped field filled.
func fullValue(tt layoutCase, c cStruct) any {
	value := tt.base()
	goLeaves("", reflect.ValueOf(value).Elem(), func(path string, v reflect.Value) {
		if f, ok := c.Fields[tt.fields[path]]; ok && path != bounded {
			fill(v, seedA, f.Size)
		}
	})
	return value
}
