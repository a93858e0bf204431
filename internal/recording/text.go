package recording

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

const (
	firstLine = "camkrazy recording 1"
	// perLine is how many bytes a line of hexadecimal shows.
	perLine = 16
	// maxLine bounds a line; the longest are the fields of a parameter.
	maxLine = 16 << 10
	// maxMessage is the longest message that VCHIQ carries (VCHIQ_MAX_MSG_SIZE).
	maxMessage = 4088
	// maxBulk bounds a bulk transfer, as package mmal does.
	maxBulk = 16 << 20
	// maxTime bounds the time of a block.
	maxTime = 1000 * 24 * time.Hour
	// unreadable names a message without a header.
	unreadable = "UNREADABLE"
)

// Kind says what a block is.
type Kind int

// The kinds of block; package documentation tells what they are.
const (
	Message Kind = iota
	Bulk
	Aborted
	Close
	End
)

// keyword is what a block's line has in the place of a message's name.
func (k Kind) keyword() string { return [...]string{"", "BULK", "ABORTED", "CLOSE", "END"}[k] }

// Block is one message, bulk transfer or end.
type Block struct {
	// Line is that of the block in the text that was parsed, from 1.
	Line int
	// Time since the start, in microseconds exactly.
	Time time.Duration
	// Sent says that the client sent it, as opposed to received.
	Sent bool
	Kind Kind
	// Fields is what the recording program read in a message; empty if nothing.
	Fields string
	// Data is the message, or the beginning of a bulk transfer.
	Data []byte
	// Length is that of the whole bulk transfer, and Sum its SHA-256.
	Length int
	Sum    [sha256.Size]byte
	// Text is the error of an End.
	Text string
}

// name is that of a message, or the keyword of another block.
func (b *Block) name() string {
	if b.Kind != Message {
		return b.Kind.keyword()
	}
	h, err := mmal.DecodeHeader(b.Data)
	if err != nil {
		return unreadable
	}
	return h.ID.String()
}

// String is the block's first line without the time, and what is read in a message.
func (b *Block) String() string {
	text := b.name()
	if b.Kind == Bulk {
		text += fmt.Sprintf(" of %d bytes", b.Length)
	}
	return strings.TrimSpace(text + " " + strings.TrimPrefix(b.Fields, b.name()+" ") + b.Text)
}

// Recording is a parsed text.
type Recording struct {
	Notes  []string
	Blocks []Block
}

// AppendText adds the text to dst.
func (r *Recording) AppendText(dst []byte) ([]byte, error) {
	dst = appendHead(dst, r.Notes)
	for i := range r.Blocks {
		dst = appendBlock(dst, &r.Blocks[i])
	}
	return dst, nil
}

func appendHead(dst []byte, notes []string) []byte {
	dst = append(dst, firstLine+"\n"...)
	for _, n := range notes {
		dst = append(dst, "# "+oneLine(n)+"\n"...)
	}
	return dst
}

func appendBlock(dst []byte, b *Block) []byte {
	arrow := "<"
	if b.Sent {
		arrow = ">"
	}
	micro := b.Time.Microseconds()
	dst = fmt.Appendf(dst, "%d.%06d %s %s", micro/1e6, micro%1e6, arrow, b.name())
	switch b.Kind {
	case Message:
		dst = fmt.Appendf(dst, " %d bytes", len(b.Data))
	case Bulk:
		dst = fmt.Appendf(dst, " %d bytes sha256 %x", b.Length, b.Sum)
	case End:
		dst = append(dst, " "+oneLine(b.Text)...)
	}
	dst = append(dst, '\n')
	if b.Fields != "" {
		dst = append(dst, "  = "+oneLine(b.Fields)+"\n"...)
	}
	return appendHex(dst, b.Data, b.Kind == Message)
}

// appendHex shows bytes, and leaves lines of zeros out if it may, but for the last: so it is seen where a text was cut.
func appendHex(dst, data []byte, skipZeros bool) []byte {
	for at := 0; at < len(data); at += perLine {
		row := data[at:min(at+perLine, len(data))]
		if skipZeros && at+perLine < len(data) && isZero(row) {
			continue
		}
		dst = fmt.Appendf(dst, "  %06x ", at)
		for i, c := range row {
			if i%8 == 0 {
				dst = append(dst, ' ')
			}
			dst = append(dst, hex.EncodeToString([]byte{c})...)
			dst = append(dst, ' ')
		}
		dst[len(dst)-1] = '\n'
	}
	return dst
}

func isZero(row []byte) bool { return len(bytes.Trim(row, "\x00")) == 0 }

// oneLine makes text printable ASCII, so that it cannot be taken for something else, and bounds it.
func oneLine(text string) string {
	clean := []byte(text)
	if most := maxLine / 2; len(clean) > most {
		clean = clean[:most]
	}
	for i, c := range clean {
		if c < ' ' || c > '~' {
			clean[i] = '?'
		}
	}
	return strings.TrimSpace(string(clean))
}

// Parse reads a text. It accepts exactly what this package writes; an error tells the line.
func Parse(r io.Reader) (*Recording, error) {
	p := &parser{lines: bufio.NewReaderSize(r, maxLine)}
	rec, err := p.recording()
	if err != nil {
		return nil, fmt.Errorf("read recording: line %d: %w", p.number, err)
	}
	return rec, nil
}

// parser reads line by line, one ahead.
type parser struct {
	lines  *bufio.Reader
	line   string // without its end
	number int    // of line, from 1
	end    bool   // there is no line
}

// next reads a line.
func (p *parser) next() error {
	p.number++
	text, err := p.lines.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return fmt.Errorf("longer than %d bytes", maxLine)
	case errors.Is(err, io.EOF) && len(text) == 0:
		p.line, p.end = "", true
		return nil
	case errors.Is(err, io.EOF):
		return errors.New("cut off: no end of line")
	case err != nil:
		return err
	}
	p.line = string(text[:len(text)-1])
	return nil
}

func (p *parser) recording() (*Recording, error) {
	if err := p.next(); err != nil {
		return nil, err
	}
	if p.line != firstLine {
		return nil, fmt.Errorf("want %q", firstLine)
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	rec := &Recording{}
	for strings.HasPrefix(p.line, "# ") {
		note := p.line[2:]
		if oneLine(note) != note {
			return nil, errors.New("a note has other than printable characters, or blanks at its ends")
		}
		rec.Notes = append(rec.Notes, note)
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	for !p.end {
		b, err := p.block()
		if err != nil {
			return nil, err
		}
		if err := rec.follows(&b); err != nil {
			p.number = b.Line
			return nil, err
		}
		rec.Blocks = append(rec.Blocks, b)
	}
	return rec, nil
}

// follows checks a block against the one before it.
func (r *Recording) follows(b *Block) error {
	var last Block
	if len(r.Blocks) > 0 {
		last = r.Blocks[len(r.Blocks)-1]
	}
	switch {
	case b.Time < last.Time:
		return errors.New("earlier than the block before it")
	case b.Kind == Bulk && b.Sent && (len(r.Blocks) == 0 || last.Kind != Message || !last.Sent):
		return errors.New("a bulk transfer of the client's does not follow its message")
	}
	return nil
}

// block reads one block, and compares it with what it would be written as.
func (p *parser) block() (Block, error) {
	b := Block{Line: p.number}
	first := p.line
	size, err := parseFirst(first, &b)
	if err != nil {
		return b, err
	}
	if err := p.next(); err != nil {
		return b, err
	}
	if fields, ok := strings.CutPrefix(p.line, "  = "); ok {
		if b.Fields = fields; b.Kind != Message || fields == "" || oneLine(fields) != fields {
			return b, errors.New("fields that cannot be")
		}
		if err := p.next(); err != nil {
			return b, err
		}
	}
	if err := p.data(&b, size); err != nil {
		return b, err
	}
	if b.Kind == Bulk && len(b.Data) == b.Length && sha256.Sum256(b.Data) != b.Sum {
		p.number = b.Line
		return b, errors.New("the bytes of the bulk transfer do not have its sum")
	}
	if want, _, _ := strings.Cut(string(appendBlock(nil, &b)), "\n"); want != first {
		p.number = b.Line
		return b, fmt.Errorf("got %q, want %q from the bytes below it", first, want)
	}
	return b, nil
}

// parseFirst reads a block's first line; size is how many bytes may follow.
func parseFirst(line string, b *Block) (size int, err error) {
	stamp, rest, _ := strings.Cut(line, " ")
	seconds, fraction, ok := strings.Cut(stamp, ".")
	s, err1 := strconv.ParseUint(seconds, 10, 31)
	us, err2 := strconv.ParseUint(fraction, 10, 31)
	b.Time = time.Duration(s)*time.Second + time.Duration(us)*time.Microsecond
	if !ok || err1 != nil || err2 != nil || len(fraction) != 6 || b.Time > maxTime {
		return 0, fmt.Errorf("%q is no time in seconds with six decimals, and no note or data can be here", stamp)
	}
	arrow, rest, _ := strings.Cut(rest, " ")
	if arrow != ">" && arrow != "<" {
		return 0, fmt.Errorf("%q is not > or <", arrow)
	}
	b.Sent = arrow == ">"
	word, rest, _ := strings.Cut(rest, " ")
	for b.Kind = End; b.Kind != Message && b.Kind.keyword() != word; b.Kind-- {
	}
	switch b.Kind {
	case Message:
		return length(strings.TrimSuffix(rest, " bytes"), maxMessage)
	case Bulk:
		count, sum, _ := strings.Cut(rest, " bytes sha256 ")
		raw, err := hex.DecodeString(sum)
		if err != nil || copy(b.Sum[:], raw) != len(b.Sum) {
			return 0, errors.New("no SHA-256 sum")
		}
		b.Length, err = length(count, maxBulk)
		return b.Length, err
	case Aborted, Close:
		if b.Sent != (b.Kind == Close) {
			return 0, fmt.Errorf("%s has the wrong direction", word)
		}
	case End:
		b.Text = rest
	}
	return 0, nil
}

func length(text string, most int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%q is no length of 0 to %d bytes", text, most)
	}
	return n, nil
}

// data reads the lines of hexadecimal that belong to b: size bytes, or fewer if only the beginning was kept.
func (p *parser) data(b *Block, size int) error {
	if b.Kind == Message {
		b.Data = make([]byte, size)
	}
	end := 0
	for strings.HasPrefix(p.line, "  ") {
		at, row, err := parseRow(p.line)
		if err != nil {
			return err
		}
		switch {
		case at%perLine != 0 || at < end || at+len(row) > size:
			return fmt.Errorf("offset %#x is not behind the bytes before it, or past the end", at)
		case b.Kind == Message:
			copy(b.Data[at:], row)
		case at != end:
			return fmt.Errorf("bytes from %#x on are missing", end)
		default:
			b.Data = append(b.Data, row...)
		}
		whole := min(perLine, size-at)
		if b.Kind == Message && len(row) != whole {
			return fmt.Errorf("%d bytes, want %d", len(row), whole)
		}
		zeros := b.Kind == Message && at+perLine < size && isZero(row)
		if shown := appendHex(nil, row, false); zeros ||
			string(shown[len("  000000"):len(shown)-1]) != p.line[len("  000000"):] {
			return errors.New("bytes are not in the form in which they are written")
		}
		end = at + perLine
		if err := p.next(); err != nil {
			return err
		}
		if len(row) < perLine && strings.HasPrefix(p.line, "  ") {
			return errors.New("bytes behind a line that was not full")
		}
	}
	if b.Kind == Message && end < size {
		return fmt.Errorf("the last bytes of the message at line %d are missing", b.Line)
	}
	return nil
}

// parseRow reads one line of hexadecimal.
func parseRow(line string) (at int, row []byte, err error) {
	const digits = 6
	text := line[2:]
	if len(text) < digits {
		return 0, nil, errors.New("no offset")
	}
	offset, err := strconv.ParseUint(text[:digits], 16, 32)
	if err != nil || strings.ToLower(text[:digits]) != text[:digits] {
		return 0, nil, fmt.Errorf("%q is no offset", text[:digits])
	}
	row, err = hex.DecodeString(strings.ReplaceAll(text[digits:], " ", ""))
	if err != nil || len(row) == 0 || len(row) > perLine {
		return 0, nil, fmt.Errorf("%q is not 1 to %d bytes", text[digits:], perLine)
	}
	return int(offset), row, nil
}
