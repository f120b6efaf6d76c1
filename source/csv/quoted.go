package csv

import (
	"bytes"
	"io"
)

// parse is look for a row with quotes, whose first line ends at lineEnd.
func (s *scanner) parse(lineEnd, nextLine int) (end, next int, v verdict, fault error) {
	s.fields, s.scratch = s.fields[:0], s.scratch[:0]
	for i := s.pos; ; i += len(s.comma) {
		if len(s.fields) == s.maxFields {
			return lineEnd, nextLine, rowFlaw, s.tooMany()
		}
		if s.trim {
			i = s.skipBlanks(i, lineEnd)
		}
		if i < lineEnd && s.buf[i] == '"' {
			f, at, ok := s.quoted(i+1, lineEnd)
			switch {
			case !ok:
				return 0, 0, rowMore, nil
			case at > lineEnd: // the field goes over lines
				if lineEnd, nextLine, ok = s.lineEnd(at); !ok {
					return 0, 0, rowMore, nil
				}
			}
			if fault := s.behind(f, at, lineEnd); fault != nil {
				return lineEnd, nextLine, rowFlaw, fault
			}
			s.fields = append(s.fields, f)
			if s.trim {
				at = s.skipBlanks(at, lineEnd)
			}
			if i = at; i == lineEnd {
				return lineEnd, nextLine, rowSound, nil
			}
			continue
		}
		stop := lineEnd
		if n := bytes.Index(s.buf[i:lineEnd], s.comma); n >= 0 {
			stop = i + n
		}
		if !s.lazy && bytes.IndexByte(s.buf[i:stop], '"') >= 0 {
			return lineEnd, nextLine, rowFlaw, errBareQuote
		}
		f := field{start: i, end: stop}
		if s.trim {
			f.end = s.trimBlanks(i, stop)
		}
		s.fields = append(s.fields, f)
		if i = stop; stop == lineEnd {
			return lineEnd, nextLine, rowSound, nil
		}
	}
}

// open marks, as its end, a quoted field that is not closed.
const open = -1

// quoted finds the quoted field whose text starts at buf[i], in the line that
// ends at lineEnd, and the index behind it. ok is false if that is not known yet.
func (s *scanner) quoted(i, lineEnd int) (f field, at int, ok bool) {
	limit := s.end
	if s.single {
		limit = lineEnd
	}
	f = field{start: i, quoted: true}
	pieces := len(s.scratch) // the pieces of the field start there
	for {
		n := bytes.IndexByte(s.buf[i:limit], '"')
		if n < 0 {
			return s.unclosed(f, pieces, lineEnd)
		}
		quote := i + n
		behind := quote + 1
		switch ended, known := s.closes(behind, limit); {
		case !known:
			return f, 0, false
		case behind < limit && s.buf[behind] == '"':
			s.scratch = append(s.scratch, s.buf[f.start:behind]...)
			f.scratch, f.start, i = true, behind+1, behind+1
		case ended, !s.lazy:
			return s.finish(f, pieces, quote), behind, true
		default: // a quote that stands for itself
			i = behind
		}
	}
}

// finish returns the quoted field whose last piece ends at buf[end].
func (s *scanner) finish(f field, pieces, end int) field {
	if !f.scratch {
		f.end = end
		return f
	}
	s.scratch = append(s.scratch, s.buf[f.start:end]...)
	f.start, f.end = pieces, len(s.scratch)
	return f
}

// unclosed is quoted for a field without a second quote in sight.
func (s *scanner) unclosed(f field, pieces, lineEnd int) (field, int, bool) {
	switch {
	case s.single && s.lazy:
		return s.finish(f, pieces, lineEnd), lineEnd, true
	case s.single:
		f.end = open
		return f, lineEnd, true
	case s.err != io.EOF:
		return f, 0, false
	case !s.lazy:
		f.end = open
		return f, s.end, true
	}
	end := s.end
	if end > f.start && s.buf[end-1] == '\r' { // as before any end of a line
		end--
	}
	return s.finish(f, pieces, end), s.end, true
}

// closes reports whether a quote before buf[i] ends its field: what follows is a
// comma, or the end of the row. known is false if that is not known yet.
func (s *scanner) closes(i, limit int) (ended, known bool) {
	if s.trim {
		i = s.skipBlanks(i, limit)
	}
	rest := s.buf[i:s.end]
	switch {
	case bytes.HasPrefix(rest, s.comma), len(rest) > 0 && rest[0] == '\n', bytes.HasPrefix(rest, []byte("\r\n")):
		return true, true
	case s.err == io.EOF:
		return len(rest) == 0 || len(rest) == 1 && rest[0] == '\r', true
	}
	return false, len(rest) >= max(len("\r\n"), len(s.comma))
}

// behind reports what is wrong with a quoted field, or with what stands at
// buf[at] behind it.
func (s *scanner) behind(f field, at, lineEnd int) error {
	if f.end == open {
		return errOpenQuote
	}
	if s.trim {
		at = s.skipBlanks(at, lineEnd)
	}
	if at < lineEnd && !bytes.HasPrefix(s.buf[at:lineEnd], s.comma) {
		return errAfterQuote
	}
	return nil
}
