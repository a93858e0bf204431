// Package exif writes into a JPEG file when and with what it was taken (CIPA DC-008, Exif 2.32).
package exif

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Info is what is told of a picture. Its pixels are the right way up.
type Info struct {
	Taken time.Time
	// Make, Model and Software are ASCII; "" leaves the tag out.
	Make, Model, Software string
	Width, Height         int // pixels
}

// ErrNotJPEG says that a file does not begin as a JPEG file does.
var ErrNotJPEG = errors.New("this is no JPEG")

// The markers of a JPEG file (ITU-T T.81 table B.1) up to its first scan.
const (
	markerSOI  = 0xd8
	markerSOS  = 0xda
	markerAPP0 = 0xe0
	markerAPP1 = 0xe1
)

// magic begins the APP1 segment that holds Exif.
const magic = "Exif\x00\x00"

// maxSegment is the most that a segment's length can say, its own two bytes included.
const maxSegment = 1<<16 - 1

// Add returns a copy of a JPEG file that has info in the place of what Exif it had.
func Add(jpeg []byte, info Info) ([]byte, error) {
	segment := appendTIFF([]byte(magic), info)
	if len(segment)+2 > maxSegment {
		return nil, fmt.Errorf("write Exif: %d bytes do not fit", len(segment))
	}
	head, rest, err := split(jpeg)
	if err != nil {
		return nil, fmt.Errorf("write Exif: %w", err)
	}
	out := make([]byte, 0, len(jpeg)+len(segment)+4)
	out = append(out, head...)
	out = append(out, 0xff, markerAPP1)
	out = binary.BigEndian.AppendUint16(out, uint16(len(segment)+2))
	out = append(out, segment...)
	for _, part := range rest {
		out = append(out, part...)
	}
	return out, nil
}

// split returns what stays before the new segment, SOI and JFIF's APP0, and the parts that come after it, without old
// Exif.
func split(jpeg []byte) (head []byte, rest [][]byte, err error) {
	if len(jpeg) < 4 || jpeg[0] != 0xff || jpeg[1] != markerSOI {
		return nil, nil, ErrNotJPEG
	}
	at := 2
	for {
		marker, end, err := segmentAt(jpeg, at)
		if err != nil {
			return nil, nil, err
		}
		part := jpeg[at:end]
		switch {
		case marker == markerSOS:
			if head == nil {
				head = jpeg[:2]
			}
			return head, append(rest, jpeg[at:]), nil
		case marker == markerAPP0 && at == 2:
			head = jpeg[:end]
		case marker != markerAPP1 || !bytes.HasPrefix(part[4:], []byte(magic)):
			rest = append(rest, part)
		}
		at = end
	}
}

// segmentAt reads the head of a segment, which may have fill bytes before it.
func segmentAt(jpeg []byte, at int) (marker byte, end int, err error) {
	const head = 4
	if len(jpeg)-at < head || jpeg[at] != 0xff {
		return 0, 0, ErrNotJPEG
	}
	length := int(binary.BigEndian.Uint16(jpeg[at+2:]))
	if length < 2 || length > len(jpeg)-at-2 {
		return 0, 0, ErrNotJPEG
	}
	return jpeg[at+1], at + 2 + length, nil
}

// The types of a TIFF value.
const (
	typeASCII     = 2
	typeShort     = 3
	typeLong      = 4
	typeRational  = 5
	typeUndefined = 7
)

// entry is one tag of a directory, its value as it is in the file.
type entry struct {
	tag, typ uint16
	count    uint32
	value    []byte
}

// directory is the tags of an IFD, in ascending order.
type directory []entry

func (d *directory) ascii(tag uint16, text string) {
	if text != "" {
		*d = append(*d, entry{tag, typeASCII, uint32(len(text) + 1), append([]byte(text), 0)})
	}
}

func (d *directory) short(tag, v uint16) {
	*d = append(*d, entry{tag, typeShort, 1, binary.LittleEndian.AppendUint16(nil, v)})
}

func (d *directory) long(tag uint16, v uint32) {
	*d = append(*d, entry{tag, typeLong, 1, binary.LittleEndian.AppendUint32(nil, v)})
}

func (d *directory) whole(tag uint16, v uint32) {
	b := binary.LittleEndian.AppendUint32(nil, v)
	*d = append(*d, entry{tag, typeRational, 1, binary.LittleEndian.AppendUint32(b, 1)})
}

func (d *directory) undefined(tag uint16, v string) {
	*d = append(*d, entry{tag, typeUndefined, uint32(len(v)), []byte(v)})
}

// size is that of the directory in the file, with the values that do not fit into an entry.
func (d directory) size() int {
	n := 2 + 12*len(d) + 4
	for _, e := range d {
		if len(e.value) > 4 {
			n += (len(e.value) + 1) &^ 1
		}
	}
	return n
}

// appendTo appends the directory, which begins at an offset from the beginning of the TIFF header.
func (d directory) appendTo(b []byte, offset int) []byte {
	le := binary.LittleEndian
	var values []byte
	valuesAt := offset + 2 + 12*len(d) + 4
	b = le.AppendUint16(b, uint16(len(d)))
	for _, e := range d {
		b = le.AppendUint16(b, e.tag)
		b = le.AppendUint16(b, e.typ)
		b = le.AppendUint32(b, e.count)
		if len(e.value) <= 4 {
			b = append(b, append(e.value, 0, 0, 0, 0)[:4]...)
			continue
		}
		b = le.AppendUint32(b, uint32(valuesAt+len(values)))
		values = append(values, e.value...)
		if len(values)%2 != 0 {
			values = append(values, 0)
		}
	}
	b = le.AppendUint32(b, 0) // no further directory
	return append(b, values...)
}

// appendTIFF appends the TIFF header and the two directories.
func appendTIFF(b []byte, info Info) []byte {
	const (
		headerSize  = 8
		stamp       = "2006:01:02 15:04:05"
		upright     = 1 // the first row is the top, the first column the left
		perInch     = 2
		centred     = 1
		sRGB        = 1
		pixelsPer   = 72
		exifPointer = 0x8769
	)
	var main, detail directory
	main.ascii(0x010f, info.Make)
	main.ascii(0x0110, info.Model)
	main.short(0x0112, upright)
	main.whole(0x011a, pixelsPer)
	main.whole(0x011b, pixelsPer)
	main.short(0x0128, perInch)
	main.ascii(0x0131, info.Software)
	main.ascii(0x0132, info.Taken.Format(stamp))
	main.short(0x0213, centred)
	main.long(exifPointer, 0)

	detail.undefined(0x9000, "0232")
	detail.ascii(0x9003, info.Taken.Format(stamp)) // original
	detail.ascii(0x9004, info.Taken.Format(stamp)) // digitized
	for _, tag := range []uint16{0x9010, 0x9011, 0x9012} {
		detail.ascii(tag, info.Taken.Format("-07:00"))
	}
	detail.undefined(0x9101, "\x01\x02\x03\x00") // Y, Cb, Cr
	for _, tag := range []uint16{0x9290, 0x9291, 0x9292} {
		detail.ascii(tag, fmt.Sprintf("%03d", info.Taken.Nanosecond()/1e6))
	}
	detail.undefined(0xa000, "0100")
	detail.short(0xa001, sRGB)
	detail.long(0xa002, uint32(info.Width))
	detail.long(0xa003, uint32(info.Height))

	detailAt := headerSize + main.size()
	binary.LittleEndian.PutUint32(main[len(main)-1].value, uint32(detailAt))
	b = append(b, "II*\x00\x08\x00\x00\x00"...)
	b = main.appendTo(b, headerSize)
	return detail.appendTo(b, detailAt)
}
