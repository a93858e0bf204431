package vcemu

import (
	"encoding/binary"
	"slices"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// parameterHeader is the length of a parameter's id and size.
const parameterHeader = 8

// param is one parameter of a port. Its value is what the host set, without id and size.
type param struct {
	value []byte
	// sizes are the lengths that a value may have; empty is that of the default.
	sizes []int
	// check may refuse a value of the right size; nil accepts all.
	check func(value []byte) mmal.Status
	// changed follows a value that was set.
	changed func()
	// read makes the value at the moment it is asked for; nil is what was set. Where a parameter has several layouts,
	// size, that of the whole parameter, tells which one the host means.
	read func(size uint32) []byte
	// stopped refuses to set the value while the port is enabled.
	stopped bool
	// constant refuses to set the value at all.
	constant bool
}

// setParameter executes PORT_PARAMETER_SET.
func (p *port) setParameter(id mmal.ParameterID, value []byte) mmal.Status {
	q := p.params[id]
	switch {
	case q == nil:
		return mmal.ENoSys
	case q.constant || !q.fits(len(value)) || q.stopped && p.enabled:
		return mmal.EInval
	}
	if q.check != nil {
		if status := q.check(value); status != mmal.Success {
			return status
		}
	}
	q.value = append(q.value[:0], value...)
	if q.changed != nil {
		q.changed()
	}
	return mmal.Success
}

func (q *param) fits(n int) bool {
	if len(q.sizes) == 0 {
		return n == len(q.value)
	}
	return slices.Contains(q.sizes, n)
}

// parameter executes PORT_PARAMETER_GET.
func (p *port) parameter(id mmal.ParameterID, size uint32) ([]byte, mmal.Status) {
	q := p.params[id]
	switch {
	case q == nil:
		return nil, mmal.ENoSys
	case q.read != nil:
		return q.read(size), mmal.Success
	}
	return q.value, mmal.Success
}

// add gives the port a parameter with its default.
func (p *port) add(def mmal.Parameter) *param {
	q := &param{value: mmal.AppendParameter(nil, def)}
	p.params[def.ParameterID()] = q
	return q
}

// addFlag adds a boolean; only 0 and 1 are accepted.
func (p *port) addFlag(id mmal.ParameterID, def bool) *param {
	q := p.add(&mmal.Boolean{ID: id, Value: def})
	q.check = func(v []byte) mmal.Status { return when(binary.LittleEndian.Uint32(v) <= 1) }
	return q
}

// addWord adds an unsigned number or enumerator within bounds.
func (p *port) addWord(id mmal.ParameterID, def, lowest, highest uint32) *param {
	q := p.add(&mmal.Uint32{ID: id, Value: def})
	q.check = func(v []byte) mmal.Status {
		n := binary.LittleEndian.Uint32(v)
		return when(lowest <= n && n <= highest)
	}
	return q
}

// addNumber adds a signed number within bounds.
func (p *port) addNumber(id mmal.ParameterID, def, lowest, highest int32) *param {
	q := p.add(&mmal.Int32{ID: id, Value: def})
	q.check = func(v []byte) mmal.Status {
		n := int32(binary.LittleEndian.Uint32(v))
		return when(lowest <= n && n <= highest)
	}
	return q
}

// addRatio adds a fraction whose value is within bounds.
func (p *port) addRatio(id mmal.ParameterID, def mmal.Rational, lowest, highest float64) *param {
	q := p.add(&mmal.Ratio{ID: id, Value: def})
	q.check = func(v []byte) mmal.Status {
		r := mmal.Ratio{ID: id}
		_ = mmal.DecodeParameter(v, &r) // the size has been checked
		f, ok := fraction(r.Value)
		return when(ok && lowest <= f && f <= highest)
	}
	return q
}

// fraction is a rational's value; a zero or negative denominator has none.
func fraction(r mmal.Rational) (float64, bool) {
	if r.Den <= 0 {
		return 0, false
	}
	return float64(r.Num) / float64(r.Den), true
}

// when is Success if ok, else EINVAL.
func when(ok bool) mmal.Status {
	if ok {
		return mmal.Success
	}
	return mmal.EInval
}

// flag reads a boolean parameter of the port.
func (p *port) flag(id mmal.ParameterID) bool { return p.word(id) != 0 }

// word reads a parameter of one word.
func (p *port) word(id mmal.ParameterID) uint32 {
	return binary.LittleEndian.Uint32(p.params[id].value)
}

// ratio reads a fraction of the port, whose value was checked when it was set.
func (p *port) ratio(id mmal.ParameterID) float64 {
	m := mmal.Ratio{ID: id}
	p.get(&m)
	f, _ := fraction(m.Value)
	return f
}

// get reads any other parameter of the port into v.
func (p *port) get(v mmal.Parameter) {
	_ = mmal.DecodeParameter(p.params[v.ParameterID()].value, v) // its size was checked when it was set
}

// commonParameters adds what every port knows.
func (p *port) commonParameters() {
	p.params[mmal.ParamSystemTime] = &param{constant: true, read: func(uint32) []byte {
		return binary.LittleEndian.AppendUint64(nil, uint64(p.comp.vc.now()))
	}}
	if p.typ == mmal.PortControl {
		return
	}
	zeroCopy := p.addFlag(mmal.ParamZeroCopy, false)
	zeroCopy.check = func(v []byte) mmal.Status { return when(binary.LittleEndian.Uint32(v) == 0) }
	p.params[mmal.ParamSupportedEncodings] = &param{constant: true, read: p.supportedEncodings}
}

// words makes a value of words.
func words(w ...uint32) []byte {
	b := make([]byte, 0, 4*len(w))
	for _, n := range w {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}

// supportedEncodings lists what the port accepts. OPAQUE is never listed, although accepted.
func (p *port) supportedEncodings(uint32) []byte {
	if p.comp.vc.cfg.Quirks.EmptyEncodingList || p.format.Encoding == 0 {
		return nil
	}
	e := p.format.Encoding
	if e == mmal.EncodingOpaque {
		e = mmal.EncodingI420
	}
	return words(uint32(e))
}
