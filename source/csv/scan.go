package csv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"unicode/utf8"

	"github.com/unspool-go/unspool/internal/jsonscan"
	"github.com/unspool-go/unspool/processor/fault"
)

const (
	wordBytes   = 8         // looked at at once
	bufferBytes = 256 << 10 // read at once
)

// field is where a field of a row stands: in the buffer, or where it had to be
// put together of pieces in the scratch buffer.
type field struct {
	start, end int
	quoted     bool
	scratch    bool
}

// scanner cuts a text into rows and rows into fields. What it accepts is what
// encoding/csv does.
type scanner struct {
	comma     []byte
	byteComma byte   // comma, where that is one byte
	comment   []byte // nil for none
	quotes    bool
	lazy      bool
	single    bool // a row is a line
	trim      bool
	maxFields int
	maxRow    int

	in       io.Reader // nil: all is in buf
	buf      []byte    // buf[pos:end] is not used up; wordBytes more can be looked at
	pos, end int
	err      error // of in, io.EOF among them

	// The row at hand.
	fields  []field
	scratch []byte
	dirty   bool // a JSON string may not hold it as it is, nor what is in scratch

	long longState // inside a row that is too long
}

func newScanner(cfg *Config) *scanner {
	s := &scanner{
		comma:     utf8.AppendRune(nil, cfg.Comma),
		quotes:    !cfg.NoQuotes,
		lazy:      cfg.LazyQuotes,
		single:    cfg.SingleLine,
		trim:      cfg.TrimSpace,
		maxFields: cfg.MaxColumns,
		maxRow:    cfg.MaxRowBytes,
	}
	if len(s.comma) == 1 {
		s.byteComma = s.comma[0]
	}
	if cfg.Comment != 0 {
		s.comment = utf8.AppendRune(nil, cfg.Comment)
	}
	return s
}

// read begins with the text that comes from r.
func (s *scanner) read(r io.Reader) {
	if len(s.buf) < bufferBytes+wordBytes {
		s.buf = make([]byte, bufferBytes+wordBytes)
	}
	s.in, s.pos, s.end, s.err, s.long = r, 0, 0, nil, longNone
}

// hold begins with the text data[:n]; wordBytes more can be looked at.
func (s *scanner) hold(data []byte, n int) {
	s.in, s.buf, s.pos, s.end, s.err, s.long = nil, data, 0, n, io.EOF, longNone
}

// skipMark passes over a byte order mark at the start.
func (s *scanner) skipMark() {
	const mark = "\ufeff"
	if s.end == 0 && s.err == nil {
		s.fill()
	}
	if bytes.HasPrefix(s.buf[:s.end], []byte(mark)) {
		s.pos = len(mark)
	}
}

// fill reads until the buffer is full or no more comes. What is used up of it
// makes room, and if that is nothing the buffer grows.
func (s *scanner) fill() {
	switch {
	case s.pos > 0:
		copy(s.buf, s.buf[s.pos:s.end])
		s.pos, s.end = 0, s.end-s.pos
	case s.end+wordBytes == len(s.buf):
		s.buf = slices.Grow(s.buf, len(s.buf))
		s.buf = s.buf[:cap(s.buf)]
	}
	const patience = 100
	for idle := 0; s.err == nil && s.end+wordBytes < len(s.buf); {
		n, err := s.in.Read(s.buf[s.end : len(s.buf)-wordBytes])
		switch {
		case n < 0 || n > len(s.buf)-wordBytes-s.end:
			n, err = 0, fmt.Errorf("the reader says that it read %d bytes", n)
		case n > 0:
			idle = 0
		case err == nil:
			if idle++; idle > patience {
				err = io.ErrNoProgress
			}
		}
		s.end += n
		s.err = err
	}
}

// complete reports whether all that there ever will be of the text is known: it
// ended, or what is stored cannot be decoded any further.
func (s *scanner) complete() bool {
	return s.err == io.EOF || fault.Is(s.err, fault.ClassCorrupt)
}

// What a row turns out to be.
type verdict uint8

const (
	rowSound verdict = iota
	rowBlank         // a blank line, or a comment
	rowFlaw
	rowLong
	rowMore // it ends behind what is known
)

// What is wrong with a row.
var (
	errBareQuote  = errors.New("quote in a field that does not begin with one")
	errAfterQuote = errors.New("text behind a quoted field")
	errOpenQuote  = errors.New("quoted field is not closed")
	errCutOff     = errors.New("row is cut off")
)

// row is the row at hand.
type row struct {
	text  []byte // less the line's end
	fault error
}

// next finds the next row that is not blank and uses it up, unless it is
// rowLong, which [scanner.passLong] does. At the end it returns rowMore, and
// s.err says why there is no more.
func (s *scanner) next() (row, verdict) {
	for {
		start := s.pos
		end, next, v, fault := s.look()
		if v == rowMore {
			switch {
			case s.end-s.pos > s.maxRow+len("\r\n"):
				return row{}, rowLong
			case s.err == nil:
				s.fill()
				continue
			}
			return s.rest()
		}
		if end-start > s.maxRow {
			return row{}, rowLong
		}
		s.pos = next
		if v != rowBlank {
			return row{s.buf[start:end], fault}, v
		}
	}
}

// rest is next behind the last whole row.
func (s *scanner) rest() (row, verdict) {
	if s.pos == s.end || !s.complete() {
		return row{}, rowMore
	}
	text := s.buf[s.pos:s.end]
	s.pos = s.end
	return row{text, errCutOff}, rowFlaw
}

// look finds the row that starts at pos: its text ends at end, and the next row
// starts at next.
func (s *scanner) look() (end, next int, v verdict, fault error) {
	end, next, ok := s.lineEnd(s.pos)
	if !ok {
		return 0, 0, rowMore, nil
	}
	line := s.buf[s.pos:end]
	switch {
	case len(line) == 0 && next == s.pos: // the end of the text
		return 0, 0, rowMore, nil
	case len(line) == 0, s.comment != nil && bytes.HasPrefix(line, s.comment):
		return end, next, rowBlank, nil
	case s.quotes && bytes.IndexByte(line, '"') >= 0:
		if s.byteComma != 0 && !s.trim && s.splitQuoted(s.pos, end) {
			break
		}
		end, next, v, fault = s.parse(end, next)
		s.dirty = v == rowSound && (s.lazy || s.special(s.pos, end))
		return end, next, v, fault
	case s.byteComma != 0:
		s.split(s.pos, end)
	default:
		s.splitLong(s.pos, end)
	}
	if len(s.fields) > s.maxFields {
		return end, next, rowFlaw, s.tooMany()
	}
	return end, next, rowSound, nil
}

func (s *scanner) tooMany() error { return fmt.Errorf("more than %d fields", s.maxFields) }

// lineEnd returns where the line with buf[i] ends and the next one starts. ok is
// false if that is not known yet.
func (s *scanner) lineEnd(i int) (end, next int, ok bool) {
	n := bytes.IndexByte(s.buf[i:s.end], '\n')
	switch {
	case n >= 0:
		end, next = i+n, i+n+1
	case s.err == io.EOF:
		end, next = s.end, s.end
	default:
		return 0, 0, false
	}
	if end > i && s.buf[end-1] == '\r' {
		end--
	}
	return end, next, true
}

const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// split cuts buf[i:end], which has no quotes, at the commas.
func (s *scanner) split(i, end int) {
	fields, start := s.fields[:0], i
	comma := uint64(s.byteComma) * ones
	var special, beyond uint64
	for ; i < end; i += wordBytes {
		w, known := s.word(i, end)
		special |= specials(w) & known
		beyond |= w & known
		for m := isZero(w^comma) & known; m != 0; m &= m - 1 {
			at := i + bits.TrailingZeros64(m)/8
			fields = append(fields, field{start: start, end: at})
			start = at + 1
		}
		if len(fields) > s.maxFields {
			break
		}
	}
	s.fields, s.dirty = append(fields, field{start: start, end: end}), special != 0 || beyond != 0 && !s.valid(end)
	if !s.quotes && !s.dirty {
		s.dirty = bytes.IndexByte(s.buf[s.pos:end], '"') >= 0
	}
	if s.trim {
		s.trimFields()
	}
}

// splitQuoted is split for a line with quotes, where each is the first or the last
// of its field. It reports false for any other.
func (s *scanner) splitQuoted(i, end int) bool {
	fields, start := s.fields[:0], i
	comma := uint64(s.byteComma) * ones
	var special, beyond uint64
	inside := false // of quotes
	closed := -1    // the place behind the last ones
	for ; i < end; i += wordBytes {
		w, known := s.word(i, end)
		special |= specials(w) & known
		beyond |= w & known
		for m := (isZero(w^comma) | isZero(w^'"'*ones)) & known; m != 0; m &= m - 1 {
			at := i + bits.TrailingZeros64(m)/8
			switch quote := s.buf[at] == '"'; {
			case inside && quote:
				fields = append(fields, field{start: start, end: at, quoted: true})
				inside, closed = false, at+1
			case inside:
			case closed >= 0:
				if quote || at != closed {
					return false
				}
				closed, start = -1, at+1
			case !quote:
				fields = append(fields, field{start: start, end: at})
				start = at + 1
			case at == start:
				inside, start = true, at+1
			default:
				return false
			}
		}
		if len(fields) > s.maxFields {
			break
		}
	}
	switch {
	case len(fields) > s.maxFields:
	case inside, closed >= 0 && closed != end:
		return false
	case closed < 0:
		fields = append(fields, field{start: start, end: end})
	}
	s.fields, s.dirty = fields, special != 0 || beyond != 0 && !s.valid(end)
	return true
}

// word returns the bytes from buf[i] on, and the highest bit of each set that is
// before buf[end].
func (s *scanner) word(i, end int) (w, known uint64) {
	known = highs
	if left := end - i; left < wordBytes {
		known >>= 8 * (wordBytes - left)
	}
	return binary.LittleEndian.Uint64(s.buf[i : i+wordBytes]), known
}

// specials has the highest bit set of bytes of ASCII that a JSON string may not
// hold as they are, quotes aside. If it has any, others may be set too.
func specials(w uint64) uint64 { return ((w-' '*ones)&^w | isZero(w^'\\'*ones)) & highs }

// special reports whether there are any in buf[i:end], or something near it, or
// what is no UTF-8 in the row up to there.
func (s *scanner) special(i, end int) bool {
	var beyond uint64
	for ; i < end; i += wordBytes {
		w, known := s.word(i, end)
		if specials(w)&known != 0 {
			return true
		}
		beyond |= w & known
	}
	return beyond != 0 && !s.valid(end)
}

// valid reports whether the row at hand, which ends at end, is UTF-8. Its fields
// are so then: they are cut at ASCII.
func (s *scanner) valid(end int) bool { return jsonscan.ValidUTF8(s.buf[s.pos:end]) }

// isZero has the highest bit of each byte set that is 0 in x.
func isZero(x uint64) uint64 {
	const rest = highs - ones
	return ^((x&rest + rest) | x | rest)
}

// splitLong is split for a comma of several bytes.
func (s *scanner) splitLong(i, end int) {
	s.fields, s.dirty = s.fields[:0], true
	for len(s.fields) <= s.maxFields {
		n := bytes.Index(s.buf[i:end], s.comma)
		if n < 0 {
			break
		}
		s.fields = append(s.fields, field{start: i, end: i + n})
		i += n + len(s.comma)
	}
	s.fields = append(s.fields, field{start: i, end: end})
	if s.trim {
		s.trimFields()
	}
}

func (s *scanner) trimFields() {
	for i, f := range s.fields {
		s.fields[i].start = s.skipBlanks(f.start, f.end)
		s.fields[i].end = s.trimBlanks(s.fields[i].start, f.end)
	}
}

func (s *scanner) skipBlanks(i, end int) int {
	for i < end && blank(s.buf[i]) {
		i++
	}
	return i
}

func (s *scanner) trimBlanks(i, end int) int {
	for end > i && blank(s.buf[end-1]) {
		end--
	}
	return end
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// bytes returns the text of a field.
func (s *scanner) bytes(f field) []byte {
	if f.scratch {
		return s.scratch[f.start:f.end]
	}
	return s.buf[f.start:f.end]
}
