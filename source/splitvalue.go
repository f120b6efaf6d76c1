package source

import (
	"bytes"

	"github.com/unspool-go/unspool/internal/jsonscan"
)

// punctuation passes white space and what stands between values, from data[i]
// at place p on. It changes nothing.
func (s *Splitter) punctuation(data []byte, i int, p place) (int, place) {
	for ; i < len(data); i++ {
		c := data[i]
		if jsonscan.IsSpace(c) {
			continue
		}
		switch {
		case p == placeTop && c == '[' && s.opens:
			p = placeOpen
		case p == placeNext && c == ',':
			p = placeComma
		case p == placeRecNext && c == ',':
			p = placeRecComma
		case (p == placeOpen || p == placeNext) && c == ']':
			p = placeTop
		case (p == placeRecOpen || p == placeRecNext) && c == ']':
			return i + 1, placeWrapper
		default:
			return i, p
		}
	}
	return i, p
}

// nextValue is Next for streams of values, from data[i] on. data may also be
// one line of such a stream, as far as it is known.
func (s *Splitter) nextValue(data []byte, i int, atEOF bool) Token {
	if s.place == placeCorrupt {
		return s.piece(data, i, atEOF)
	}
	for {
		switch s.place {
		case placeLeaf:
			return s.value(data, i, atEOF)
		case placeWrapper:
			var t Token
			var done bool
			if i, t, done = s.walkWrapper(data, i, atEOF); done {
				return t
			}
			continue
		}

		i, s.place = s.punctuation(data, i, s.place)
		switch {
		case s.place == placeWrapper:
			s.enter(placeWrapper)
			continue
		case i < len(data):
			return s.atByte(data, i, atEOF)
		case !atEOF:
			return s.moreValue(data, i, 0)
		case s.place == placeTop || s.place == placeRest:
			return s.end(data)
		}
		s.place = placeTop
		return s.nothing(i, errArrayCutOff)
	}
}

// atByte goes on at data[i], which is no white space nor punctuation in its
// place.
func (s *Splitter) atByte(data []byte, i int, atEOF bool) Token {
	switch s.place {
	case placeRest:
		return s.begin(data, i, atEOF, corrupt{how: toEnd, err: s.fault(i, i, errLineGoesOn)})
	case placeNext, placeRecNext:
		return s.broken(data, i, i, errNoComma, atEOF)
	case placeOpen, placeComma, placeRecOpen, placeRecComma:
		if data[i] == ',' {
			return s.begin(data, i, atEOF, corrupt{how: pastCommas, back: s.place, err: s.fault(i, i, errNoElement)})
		}
	}
	if data[i] == flawEscape && s.place == placeTop {
		if t, ok := s.startFlaw(data, i, atEOF); ok {
			return t
		}
	}
	if s.path != nil && s.place <= placeNext {
		return s.startWrapper(data, i, atEOF)
	}
	return s.value(data, i, atEOF)
}

// value takes the value that starts at data[i] as a record.
func (s *Splitter) value(data []byte, i int, atEOF bool) Token {
	if len(data)-i < s.wait && !atEOF {
		return s.moreValue(data, i, s.wait)
	}
	limit := s.cfg.MaxRecordBytes
	seen, whole := data, atEOF
	if len(data)-i > limit+1 {
		// One byte more, so that a number that goes on is seen to.
		seen, whole = data[:i+limit+1], false
	}
	end, err := jsonscan.Value(seen, i, s.cfg.MaxDepth)
	if err == nil && end == len(seen) && !whole && !bracketed(data[i]) {
		err = jsonscan.ErrIncomplete
	}
	switch {
	case err == nil && end-i > limit, err == jsonscan.ErrIncomplete && len(seen)-i > limit:
		return s.tooLong(data, i, atEOF)
	case err == nil:
		if err = s.follows(data[i], seen, end); err != nil {
			return s.broken(data, i, end, err, atEOF)
		}
		s.enter(s.place.after())
		return s.record(i, end, end)
	case err == jsonscan.ErrIncomplete && !atEOF:
		return s.moreValue(data, i, grown(len(data)-i, limit))
	case err == jsonscan.ErrIncomplete:
		return s.broken(data, i, len(data), errCutOff, atEOF)
	case err == jsonscan.ErrDepth:
		return s.broken(data, i, s.tooDeep(data, i), errTooDeep, atEOF)
	}
	return s.broken(data, i, faultAt(err, 0), err, atEOF)
}

// bracketed reports whether a value that starts with c ends with a byte of its
// own that nothing but its end can be.
func bracketed(c byte) bool { return c == '{' || c == '[' }

// follows reports what is wrong with the byte after the scalar that started
// with first and ends at data[end]. A scalar with a colon or the like behind it
// is a piece of something broken rather than a record.
func (s *Splitter) follows(first byte, data []byte, end int) error {
	if bracketed(first) {
		return nil
	}
	inside := s.place != placeTop
	if end == len(data) {
		if inside {
			return errArrayCutOff
		}
		return nil
	}
	switch c := data[end]; {
	case jsonscan.IsSpace(c):
	case inside && (c == ',' || c == ']' && s.place != placeLeaf || c == '}' && s.place == placeLeaf):
	case !inside && (c == '{' || c == '[' || c == '"'):
	case !inside && first == '"' && startsScalar(c):
	default:
		return errNoSpace
	}
	return nil
}

// startsScalar reports whether a string, number or literal can start with c.
func startsScalar(c byte) bool {
	switch c {
	case '"', '-', 't', 'f', 'n':
		return true
	}
	return '0' <= c && c <= '9'
}

// tooDeep returns the index of the bracket that opens one level too many in
// the value at data[i].
func (s *Splitter) tooDeep(data []byte, i int) int {
	s.walk.reset(s.cfg.MaxDepth)
	at, _ := s.walk.run(data, i)
	return at
}

// broken makes a corrupt record of the value at data[i], which went wrong at
// data[at].
func (s *Splitter) broken(data []byte, i, at int, reason error, atEOF bool) Token {
	c := corrupt{err: s.fault(i, at, reason), back: s.place.after()}
	switch {
	case s.place != placeTop:
		c.how, c.skim = toComma, s.skimElement(data, i)
	default:
		if end, ok := s.lastLine(data, i, at); ok {
			s.wait = 0
			return Token{Kind: TokenCorrupt, Start: i, End: trim(data, i, end), Advance: end, Err: c.err}
		}
		c.how, c.from = toLine, max(at, i+1)
	}
	return s.begin(data, i, atEOF, c)
}

// tooLong makes a corrupt record of the value at data[i], which is valid as far
// as the longest record goes.
func (s *Splitter) tooLong(data []byte, i int, atEOF bool) Token {
	c := corrupt{back: s.place.after(), err: s.overLimit(i)}
	if s.place == placeTop {
		c.how = toValueEnd
		s.walk.reset(s.cfg.MaxDepth)
	} else {
		c.how, c.skim = toComma, s.skimElement(data, i)
	}
	return s.begin(data, i, atEOF, c)
}

// closer is the bracket that ends what surrounds the value at hand.
func (s *Splitter) closer() byte {
	if s.place == placeLeaf {
		return '}'
	}
	return ']'
}

// lastLine looks at the last line before the fault at data[at] of the value at
// data[i]. If that is a valid value by itself and starts like one of a stream
// of lines, it is where the broken value ends.
func (s *Splitter) lastLine(data []byte, i, at int) (int, bool) {
	if at < len(data) && (at == i || data[at-1] != '\n') {
		return 0, false
	}
	stop := trim(data, i, at)
	start := i + bytes.LastIndexByte(data[i:stop], '\n') + 1
	if start == i || !bracketed(data[start]) || jsonscan.Valid(data[start:stop], s.cfg.MaxDepth) != nil {
		return 0, false
	}
	return start, true
}
