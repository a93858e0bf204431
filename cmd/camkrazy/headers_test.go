package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"maps"
	"os"
	"sync"
	"testing"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// headers is layout.json: what a C compiler made of the firmware's headers.
type headers struct {
	Structs map[string]struct {
		Size   int
		Fields map[string]struct{ Offset, Size int }
	}
	Constants map[string]int64
	Params    map[string]struct{ Struct string } `json:"parameter_structs"`
}

func readHeaders(t *testing.T) headers {
	t.Helper()
	text, err := os.ReadFile("../../internal/mmal/testdata/layout.json")
	if err != nil {
		t.Fatal(err)
	}
	var h headers
	if err := json.Unmarshal(text, &h); err != nil {
		t.Fatal(err)
	}
	return h
}

// golden is what a test wants to arrive: a parameter of the headers, with the values of its fields, int or string. Those
// without a value are 0.
type golden struct {
	param  string // without MMAL_PARAMETER_
	fields map[string]any
	times  int // 0 is once
}

// structs are the layouts of parameters for which the headers' comments name none, or an old one.
var structs = map[string]string{
	"AWB_MODE": "MMAL_PARAMETER_AWBMODE_T", "ANNOTATE": "MMAL_PARAMETER_CAMERA_ANNOTATE_V4_T",
}

// bytes is the whole parameter as it stands in a message.
func (h headers) bytes(t *testing.T, g golden) []byte {
	t.Helper()
	name := structs[g.param]
	if name == "" {
		name = h.Params["MMAL_PARAMETER_"+g.param].Struct
	}
	layout, known := h.Structs[name]
	id, hasID := h.Constants["MMAL_PARAMETER_"+g.param]
	if !known || !hasID {
		t.Fatalf("the headers do not have %s (%s)", g.param, name)
	}
	b := make([]byte, layout.Size)
	fields := maps.Clone(g.fields)
	if fields == nil {
		fields = map[string]any{}
	}
	fields["hdr.id"], fields["hdr.size"] = int(id), layout.Size
	for field, value := range fields {
		f, ok := layout.Fields[field]
		if !ok {
			t.Fatalf("%s has no field %s", name, field)
		}
		switch v := value.(type) {
		case string:
			copy(b[f.Offset:f.Offset+f.Size], v)
		case int:
			word := binary.LittleEndian.AppendUint64(nil, uint64(v))
			copy(b[f.Offset:f.Offset+f.Size], word)
		}
	}
	return b
}

// wire is the way to an emulated VideoCore, where parameters that are set are seen.
type wire struct {
	mmal.Transport
	headers headers

	mu  *sync.Mutex
	set *[][]byte
}

// Send passes a message on to VideoCore.
func (w wire) Send(msg, bulk []byte) error {
	m := w.headers.Structs["mmal_worker_port_param_set"].Fields
	word := func(field string) int { return int(binary.LittleEndian.Uint32(msg[m[field].Offset:])) }
	if int64(word("header.msgid")) == w.headers.Constants["MMAL_WORKER_PORT_PARAMETER_SET"] {
		at := m["param"].Offset
		w.mu.Lock()
		*w.set = append(*w.set, bytes.Clone(msg[at:at+word("param.size")]))
		w.mu.Unlock()
	}
	return w.Transport.Send(msg, bulk)
}
