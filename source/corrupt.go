package source

import (
	"bytes"

	"github.com/unspool-go/unspool/internal/jsonscan"
)

const (
	// maxTrim is the most white space, in bytes, that is taken off the end of a
	// corrupt record: it has to be held back until more is known.
	maxTrim = 512
	// maxScalarLine is the longest line that is looked at whether it holds a
	// scalar, so that reading can go on there.
	maxScalarLine = 512
)

// corrupt is a corrupt record under way. It passes in pieces, so that none of
// it needs to be held but the white space that may be its end.
type corrupt struct {
	how  recovery
	err  error
	back place   // where to go on after it
	from int     // toLine: the first index of data where the line may start
	skim skimmer // toComma
	flaw bool    // it is a flaw, and its text ends before a NUL
}

// recovery is how the end of a corrupt record is found.
type recovery uint8

const (
	toEnd      recovery = iota // the end of the object (or of the line with the path's value)
	toEOF                      // the end of the object, whatever the format
	toNewline                  // the end of the line
	toLine                     // the next line that looks like the start of a value
	toValueEnd                 // where the grammar ends the value, which is too long
	toComma                    // the end of the element or member
	pastCommas                 // where the commas end
)

// begin starts a corrupt record at data[i].
func (s *Splitter) begin(data []byte, i int, atEOF bool, c corrupt) Token {
	s.bad, s.place, s.wait = c, placeCorrupt, 0
	return s.piece(data, i, atEOF)
}

// nothing makes the token of an empty corrupt record at data[i], which stands
// for something that is missing there.
func (s *Splitter) nothing(i int, reason error) Token {
	s.wait = 0
	return Token{Kind: TokenCorrupt, Start: i, End: i, Advance: i, Err: s.fault(i, i, reason)}
}

// piece passes the next piece of the corrupt record, which goes on at data[i].
func (s *Splitter) piece(data []byte, i int, atEOF bool) Token {
	end, next, found := s.findEnd(data, i, atEOF)
	t := Token{Kind: TokenCorrupt, Start: i, End: end, Err: s.bad.err}
	if found || atEOF {
		t.End = s.textEnd(data, i, end)
	}
	switch {
	case found:
		t.Advance = next
		s.enter(s.bad.back)
		s.bad = corrupt{}
	case atEOF:
		t.Advance = len(data)
		s.place, s.bad = placeTop, corrupt{}
	case t.End == i:
		s.bad.from = max(s.bad.from-i, 0)
		return s.more(i, s.wait)
	default:
		t.Advance, t.Continues = t.End, true
		s.bad.from = 0
	}
	return t
}

// findEnd returns where in data the corrupt record ends and the next thing
// begins. If it is not found, end is how far it is known to reach.
func (s *Splitter) findEnd(data []byte, i int, atEOF bool) (end, next int, found bool) {
	c := &s.bad
	// White space at the end is looked at together with what follows it.
	known := len(data)
	if !atEOF {
		known = s.textEnd(data, i, known)
	}
	switch c.how {
	case toNewline:
		if n := bytes.IndexByte(data[i:], '\n'); n >= 0 {
			return i + n, i + n + 1, true
		}
	case toValueEnd:
		at, ev := s.walk.run(data[:known], i)
		switch ev {
		case walkedValue:
			return at, at, true
		case walkedBad, walkedDeep:
			c.how, c.from = toLine, at
			return s.findEnd(data, i, atEOF)
		}
	case toComma:
		return s.findElementEnd(data, i, known, atEOF)
	case pastCommas:
		for at := i; at < known; at++ {
			if data[at] != ',' && !jsonscan.IsSpace(data[at]) {
				return at, at, true
			}
		}
	case toLine:
		at, ok := s.findLine(data, max(c.from-1, i), atEOF)
		if ok {
			return at, at, true
		}
		if !atEOF {
			known = trim(data, i, at)
		}
	}
	return known, known, false
}

// textEnd returns end less what is not part of the corrupt record that data[i]
// belongs to, should it end there.
func (s *Splitter) textEnd(data []byte, i, end int) int {
	end = trim(data, i, end)
	if s.bad.flaw {
		end = flawStop(data, i, end)
	}
	return end
}

// findLine returns the start of the first line after a newline in data[at:]
// where reading can go on. If there is none, it returns the index up to which
// that is certain.
func (s *Splitter) findLine(data []byte, at int, atEOF bool) (int, bool) {
	for {
		n := bytes.IndexByte(data[at:], '\n')
		if n < 0 {
			return len(data), false
		}
		at += n + 1
		starts, known := s.startsValue(data[at:], atEOF)
		if starts || !known {
			return at, starts
		}
	}
}

// startsValue reports whether line, and what follows it, looks like the start
// of a value. known is false if that cannot be told without more data.
func (s *Splitter) startsValue(line []byte, atEOF bool) (starts, known bool) {
	if len(line) == 0 {
		return false, atEOF
	}
	if line[0] == flawEscape {
		_, n, known := flawHead(line, atEOF)
		return n > 0, known
	}
	if !startsScalar(line[0]) {
		return bracketed(line[0]), true
	}
	n := bytes.IndexByte(line[:min(len(line), maxScalarLine+1)], '\n')
	switch {
	case n >= 0:
		line = line[:n]
	case len(line) > maxScalarLine:
		return false, true
	case !atEOF:
		return false, false
	}
	return jsonscan.Valid(line, s.cfg.MaxDepth) == nil, true
}

// trim returns end less the white space before it, at most maxTrim bytes and
// not below i.
func trim(data []byte, i, end int) int {
	for least := max(i, end-maxTrim); end > least && jsonscan.IsSpace(data[end-1]); {
		end--
	}
	return end
}
