package host

import (
	"encoding/binary"
	"fmt"
	"io"
)

// recordSize is the bytes of a record on the socket: kind, register's offset, value, each a little-endian word.
const recordSize = 12

// recordKind says what a record is about.
type recordKind uint32

const (
	recordWrite recordKind = 'W' // the guest wrote the register
	recordReset recordKind = 'R' // the machine was reset, or has just been switched on
	recordSet   recordKind = 'S' // to the device: the register now reads as the value
)

// String returns the letter, or the number of an unknown kind.
func (k recordKind) String() string {
	switch k {
	case recordWrite, recordReset, recordSet:
		return string(rune(k))
	}
	return fmt.Sprintf("record(%#x)", uint32(k))
}

// register is an offset into the device's registers.
type register uint32

const (
	regBellToARM       register = 0x00
	regBellToVideoCore register = 0x08
	regMailToARM       register = 0x40
	regMailStatus      register = 0x58
	regMailToVideoCore register = 0x60
)

const (
	bellRung uint32 = 1 << 2
	mailFull uint32 = 0 // of regMailStatus: not empty
)

// record is one message between the device and this program.
type record struct {
	kind  recordKind
	reg   register
	value uint32
}

// appendTo appends the record as it is on the socket.
func (r record) appendTo(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(r.kind))
	b = binary.LittleEndian.AppendUint32(b, uint32(r.reg))
	return binary.LittleEndian.AppendUint32(b, r.value)
}

// readRecord reads the next record. It returns io.EOF at the end, and io.ErrUnexpectedEOF in the middle of a record.
func readRecord(r io.Reader, buf *[recordSize]byte) (record, error) {
	if _, err := io.ReadFull(r, buf[:]); err != nil {
		return record{}, err
	}
	return record{
		kind:  recordKind(binary.LittleEndian.Uint32(buf[0:])),
		reg:   register(binary.LittleEndian.Uint32(buf[4:])),
		value: binary.LittleEndian.Uint32(buf[8:]),
	}, nil
}
