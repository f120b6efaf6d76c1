package source

import "github.com/unspool-go/unspool/internal/jsonscan"

// skimmer looks for the end of an element of an array, or of the value of a
// member, that is broken or too long: for the comma or closing bracket outside
// of its strings and its own brackets. It is lenient: a newline ends a string,
// as valid ones hold none, and brackets that do not match are forgiven when
// those of the kind that the value started with balance. Any valid value ends
// where the grammar says.
//
// A string that a newline ended may have hidden brackets that close the element,
// which would then swallow its neighbours. From there on the skimmer stops at
// the lines where a neighbour can start.
type skimmer struct {
	first             byte // of the value
	closer            byte // of what surrounds it
	objects, arrays   int  // open ones
	inString, escaped bool

	ownLine               bool // nothing but indent bytes of white space is before the element in its line
	indent                int
	cut                   bool // a newline ended a string, the last one with so many open:
	cutObjects, cutArrays int
}

type skimEvent uint8

const (
	skimmedAll  skimEvent = iota // data is used up
	skimmedEnd                   // the comma or bracket is here
	skimmedLine                  // a line begins here that may be a neighbour's first
)

// run looks on from data[i] and returns where it stopped. To look at white space
// again changes nothing.
func (s *skimmer) run(data []byte, i int) (int, skimEvent) {
	for ; i < len(data); i++ {
		c := data[i]
		if c == '\n' {
			if s.inString {
				s.cut, s.cutObjects, s.cutArrays = true, s.objects, s.arrays
			}
			s.inString, s.escaped = false, false
			// What was opened since the string is not closed yet: a value in
			// this line is inside of it.
			if s.cut && s.ownLine && s.objects <= s.cutObjects && s.arrays <= s.cutArrays {
				return i + 1, skimmedLine
			}
			continue
		}
		if s.inString {
			switch {
			case s.escaped:
				s.escaped = false
			case c == '\\':
				s.escaped = true
			case c == '"':
				s.inString = false
			}
			continue
		}
		switch c {
		case '"':
			s.inString = true
		case '{':
			s.objects++
		case '[':
			s.arrays++
		case '}':
			if s.objects == 0 && s.closer == '}' {
				return i, skimmedEnd
			}
			if s.objects = max(s.objects-1, 0); s.objects == 0 && s.first == '{' {
				s.arrays = 0
			}
		case ']':
			if s.arrays == 0 && s.closer == ']' {
				return i, skimmedEnd
			}
			if s.arrays = max(s.arrays-1, 0); s.arrays == 0 && s.first == '[' {
				s.objects = 0
			}
		case ',':
			if s.objects == 0 && s.arrays == 0 {
				return i, skimmedEnd
			}
		}
	}
	return i, skimmedAll
}

// skimElement prepares to skim the element of an array, or the value of a
// member, that starts at data[i].
func (s *Splitter) skimElement(data []byte, i int) skimmer {
	k := skimmer{first: data[i], closer: s.closer()}
	if s.atElement() {
		k.indent, k.ownLine = indentation(data, i)
	}
	return k
}

// indentation returns how many blanks are before data[i] in its line. ok is
// false if there is something else, or too much.
func indentation(data []byte, i int) (n int, ok bool) {
	for n < min(i, maxTrim) {
		switch data[i-n-1] {
		case '\n':
			return n, true
		case ' ', '\t':
			n++
		default:
			return 0, false
		}
	}
	return 0, false
}

// atElement reports whether the splitter stands between the elements of an array
// that are records.
func (s *Splitter) atElement() bool {
	switch s.place {
	case placeOpen, placeComma, placeNext:
		return s.path == nil
	case placeRecOpen, placeRecComma, placeRecNext:
		return true
	}
	return false
}

// moreValue is more for a value at data[i]. The indentation of an element, with
// the newline before it, is not let go.
func (s *Splitter) moreValue(data []byte, i, wait int) Token {
	if n, ok := indentation(data, i); ok && s.atElement() {
		i -= n + 1
	}
	return s.more(i, wait)
}

// findElementEnd is findEnd for toComma. data is skimmed up to known.
func (s *Splitter) findElementEnd(data []byte, i, known int, atEOF bool) (end, next int, found bool) {
	c := &s.bad
	for at := i; ; {
		var ev skimEvent
		switch at, ev = c.skim.run(data[:known], at); ev {
		case skimmedAll:
			return known, known, false
		case skimmedEnd:
			return at, at, true
		}
		first := at + c.skim.indent
		starts, certain := s.startsNeighbour(data, at, first, atEOF)
		switch {
		case starts:
			c.back = c.back.beforeNext()
			return first, first, true
		case !certain:
			// The newline stays at hand, so that the skimmer stops here again.
			end = trim(data, i, min(first, len(data)))
			return end, end, false
		}
	}
}

// startsNeighbour reports whether data[first], in the line that starts at
// data[line] and indented like the broken element, begins a whole valid element.
// certain is false if that cannot be told without more data. No byte is in more
// than one such look: inside of a value the skimmer stops at no line.
func (s *Splitter) startsNeighbour(data []byte, line, first int, atEOF bool) (starts, certain bool) {
	for _, c := range data[line:min(first, len(data))] {
		if c != ' ' && c != '\t' {
			return false, true
		}
	}
	switch {
	case first >= len(data):
		return false, atEOF
	case !bracketed(data[first]):
		return false, true
	case len(data)-first < s.wait && !atEOF:
		return false, false
	}
	limit := s.cfg.MaxRecordBytes
	seen, all := data, true
	if len(data)-first > limit {
		// One byte more, for what follows the longest record.
		seen, all = data[:first+limit+1], false
	}
	s.wait = 0
	end, err := jsonscan.Value(seen, first, s.cfg.MaxDepth)
	if err == nil {
		end = jsonscan.SkipSpace(seen, end)
		switch {
		case end < len(seen):
			return seen[end] == ',' || seen[end] == ']', true
		case all && atEOF:
			return true, true
		}
		err = jsonscan.ErrIncomplete
	}
	if err == jsonscan.ErrIncomplete && all && !atEOF {
		s.wait = grown(len(data)-first, limit)
		return false, false
	}
	return false, true
}
