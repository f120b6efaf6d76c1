package csv

import (
	"bytes"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/unspool-go/unspool/source"
)

// longState is where in a row that is too long the scanner stands.
type longState uint8

const (
	longNone     longState = iota
	longStart              // at the start of a field
	longPlain              // in a field without quotes
	longQuoted             // in one with quotes
	longQuote              // behind a quote in one with quotes
	longBlank              // behind blanks behind that
	longLine               // in what goes on to the end of the line
	longFinished           // at the end of the row
)

func (s *scanner) tooLong() error { return fmt.Errorf("longer than %d bytes", s.maxRow) }

// startLong begins to pass over the row at pos, which is too long.
func (s *scanner) startLong() {
	s.long = longStart
	if !s.quotes || s.comment != nil && bytes.HasPrefix(s.buf[s.pos:s.end], s.comment) {
		s.long = longLine
	}
}

// passLong passes over what is known of the row that is too long, and appends it
// to dst: what follows the head of a flaw.
func (s *scanner) passLong(dst []byte) []byte {
	stop := s.end
	if s.err == nil {
		// Enough is kept back to see a comma or the end of a line as a whole.
		stop = max(s.pos, s.end-utf8.UTFMax)
	}
	stop = min(stop, s.pos+batchBytes)
	if stop < s.end && s.buf[stop] == '\n' && stop > s.pos {
		stop-- // a carriage return before it stays with it
	}
	i := s.pos
	for i < stop && s.long != longFinished {
		i = s.step(i)
	}
	text := s.buf[s.pos:i]
	s.pos = i
	if s.long == longFinished {
		text = bytes.TrimSuffix(text[:len(text)-1], []byte("\r"))
	}
	dst = source.AppendFlawData(dst, text)
	if s.long == longFinished || s.pos == s.end && s.complete() {
		s.long = longNone
		return source.AppendFlawEnd(dst)
	}
	if s.end-s.pos <= utf8.UTFMax+1 {
		s.fill()
	}
	return dst
}

// step goes on over buf[i] and returns what comes next.
func (s *scanner) step(i int) int {
	c := s.buf[i]
	comma := bytes.HasPrefix(s.buf[i:s.end], s.comma)
	ends := c == '\n'
	switch s.long {
	case longQuoted:
		if c == '"' {
			s.long = longQuote
		} else if ends && s.single {
			s.long = longFinished
		}
		return i + 1
	case longQuote, longBlank:
		switch {
		case ends:
			s.long = longFinished
		case comma:
			s.long = longStart
			return i + len(s.comma)
		case c == '"' && s.long == longQuote:
			s.long = longQuoted
		case c == '"' && s.lazy:
			s.long = longQuote
		case c == '\r' && (i+1 < s.end && s.buf[i+1] == '\n' || i+1 == s.end && s.err == io.EOF):
			s.long = longLine
		case s.trim && blank(c):
			s.long = longBlank
		case s.lazy:
			s.long = longQuoted
		default:
			s.long = longLine
		}
		return i + 1
	}
	switch {
	case ends:
		s.long = longFinished
	case s.long == longLine:
	case comma:
		s.long = longStart
		return i + len(s.comma)
	case s.long == longStart && c == '"':
		s.long = longQuoted
	case c == '"' && !s.lazy:
		s.long = longLine
	case s.long == longStart && s.trim && blank(c):
	default:
		s.long = longPlain
	}
	return i + 1
}
