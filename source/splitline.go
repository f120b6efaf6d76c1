package source

import (
	"bytes"

	"github.com/unspool-go/unspool/internal/jsonscan"
)

// lineCache remembers what is known of where the line at hand ends, so that no
// byte is searched twice.
type lineCache struct {
	clear int64 // the offset in the stream up to which the line goes on
	ends  bool  // there is a newline at clear
}

// nextLine is Next for lines without a path.
func (s *Splitter) nextLine(data []byte, i int, atEOF bool) Token {
	for {
		start, end, next, ok := s.findNextLine(data, i, atEOF)
		if !ok {
			if atEOF && start == len(data) {
				return s.end(data)
			}
			if len(data)-start <= s.cfg.MaxRecordBytes+maxTrim {
				return s.more(start, grown(len(data)-start, s.cfg.MaxRecordBytes+maxTrim))
			}
			if data[start] == flawEscape {
				if t, ok := s.startFlaw(data, start, atEOF); ok {
					return t
				}
			}
			return s.begin(data, start, atEOF, corrupt{how: toNewline, back: placeTop, err: s.overLimit(start)})
		}
		if start == end {
			i = next
			continue
		}
		if data[start] == flawEscape {
			if t, ok := s.flawLine(data, start, end, next); ok {
				return t
			}
		}
		return s.whole(data, start, end, next)
	}
}

// TakeLine is Next for a raw line that is a record at first sight: data[:end], with
// n bytes used up. It returns 0, and changes nothing, where the next line is not or
// lines are not raw; the caller then calls Next.
func (s *Splitter) TakeLine(data []byte) (end, n int) {
	if end, n = s.rawLine(data); n > 0 {
		s.offer, s.wait = offer{}, 0
		s.off += int64(n)
	}
	return end, n
}

// rawLine spares the raw line at the start of data what nextLine goes through,
// where it is a record at first sight: data[:end], n bytes with its end. n is 0
// where it is not.
func (s *Splitter) rawLine(data []byte) (end, n int) {
	if !s.cfg.Raw || s.cfg.Format != FormatLines || s.place != placeTop || len(data) <= s.wait || data[0] <= ' ' {
		return 0, 0 // not enough yet, or it may be blank
	}
	end = bytes.IndexByte(data, '\n')
	n = end + 1
	if end > 0 && data[end-1] == '\r' {
		end--
	}
	if end > s.cfg.MaxRecordBytes {
		return 0, 0
	}
	return end, n
}

// findNextLine returns the record data[start:end] of the next line from data[i]
// on and the index after the line. A blank raw line has start equal to end. ok
// is false, with data[start:] unused, if the end is not to be seen within the
// longest record, or yet.
func (s *Splitter) findNextLine(data []byte, i int, atEOF bool) (start, end, next int, ok bool) {
	if start = i; !s.cfg.Raw {
		start = jsonscan.SkipSpace(data, i)
	}
	if start == len(data) || len(data)-start < s.wait && !atEOF {
		return start, 0, 0, false
	}
	seen, whole := data, atEOF
	if most := s.cfg.MaxRecordBytes + maxTrim; len(data)-start > most {
		seen, whole = data[:start+most+1], false
	}
	n := bytes.IndexByte(seen[start:], '\n')
	switch {
	case n >= 0:
		end, next = start+n, start+n+1
	case whole:
		end, next = len(data), len(data)
	default:
		return start, 0, 0, false
	}
	stop := trimAll(data, start, end)
	switch {
	case !s.cfg.Raw || stop == start:
		end = stop
	case end > start && data[end-1] == '\r':
		end--
	}
	return start, end, next, true
}

// trimAll returns end less all the white space before it, but not below i.
func trimAll(data []byte, i, end int) int {
	for end > i && jsonscan.IsSpace(data[end-1]) {
		end--
	}
	return end
}

// nextWhole is Next for objects that are one record.
func (s *Splitter) nextWhole(data []byte, i int, atEOF bool) Token {
	start := jsonscan.SkipSpace(data, i)
	switch {
	case len(data)-start > s.cfg.MaxRecordBytes+maxTrim:
		return s.begin(data, start, atEOF, corrupt{how: toEnd, err: s.overLimit(start)})
	case !atEOF:
		return s.more(start, 0)
	case start == len(data):
		return s.end(data)
	}
	return s.whole(data, start, trimAll(data, start, len(data)), len(data))
}

// whole makes a record of data[start:end], or a corrupt one if it is too long
// or not one valid value.
func (s *Splitter) whole(data []byte, start, end, advance int) Token {
	t := s.record(start, end, advance)
	if end-start > s.cfg.MaxRecordBytes {
		t.Err = s.overLimit(start)
	} else if !s.cfg.Raw {
		if err := jsonscan.Valid(data[start:end], s.cfg.MaxDepth); err != nil {
			t.Err = s.fault(start, faultAt(err, start), err)
		}
	}
	if t.Err != nil {
		t.Kind, t.Valid = TokenCorrupt, false
	}
	return t
}

// nextInLine is Next for lines with a path: each line is a stream of one value.
func (s *Splitter) nextInLine(data []byte, i int, atEOF bool) Token {
	for {
		end, ok := s.lineEnd(data, i)
		if !ok {
			return s.nextValue(data, i, atEOF)
		}
		if t := s.nextValue(data[:end], i, true); t.Kind != TokenEnd {
			return t
		}
		s.place = placeTop
		i = end + 1
	}
}

// lineEnd returns the index of the newline that ends the line with data[i], if
// it is there.
func (s *Splitter) lineEnd(data []byte, i int) (int, bool) {
	l := &s.line
	at := s.off + int64(i)
	if l.ends && l.clear >= at {
		return int(l.clear - s.off), true
	}
	from := int(max(at, l.clear) - s.off)
	n := bytes.IndexByte(data[from:], '\n')
	l.ends = n >= 0
	if !l.ends {
		n = len(data) - from
	}
	l.clear = s.off + int64(from+n)
	return from + n, l.ends
}
