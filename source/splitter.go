package source

// Splitter cuts the decoded stream of an object into records, one token at a
// time, from a buffer that the caller fills. The caller reads more when told
// so, and hands the same bytes back until the splitter says that they are used
// up:
//
//	for {
//		t := s.Next(buf, atEOF)
//		switch t.Kind { … }
//		buf = buf[t.Advance:]
//	}
//
// Every byte is in exactly one of: the preamble, a separator, a record, a piece
// of a corrupt record. The tokens do not depend on how the stream is cut into
// calls, but for where a long corrupt record is cut into pieces. Time is linear
// in the length of the stream if the buffer grows by a factor whenever the
// splitter finds it too small.
//
// # What a broken record takes along
//
// With [FormatLines] it is its line.
//
// Inside an array it is the element up to the next comma or bracket outside of
// strings, which end with the line at the latest, and of its own brackets. A
// string that is not closed, or holds a newline, can hide the brackets that
// close the element. So after one the element also ends before a line that
// could be its neighbour: a whole valid object or array of any number of lines,
// with the array's next comma or its end behind it, indented by as much as the
// broken element, and not inside of brackets that opened after that string. That
// needs elements on lines of their own. The neighbours of one that shares its
// line with others, or with the bracket before it, may be lost to it, and so may
// scalars and elements indented otherwise.
//
// Elsewhere it reaches to the next line, after the fault, that starts with { or
// [ in the first column or holds nothing but one short scalar: so a truncated
// pretty-printed document is one corrupt record. If the last line before the
// fault starts so and is a valid value by itself, the corrupt record ends before
// it: the line before it was truncated. Where nothing of the kind is found, the
// rest of the object is one corrupt record.
//
// No line tells whether it belongs to the broken value. Where a broken top-level
// value of several lines is not indented, its inner values that start in the
// first column are taken for lines of a stream, and become records of their own.
// [FormatWhole] or [FormatLines] do not guess.
//
// A Splitter is not safe for concurrent use.
type Splitter struct {
	cfg     Split
	path    []string
	maxName int // bytes of the longest way to write a name of path in JSON
	opens   bool

	off   int64
	place place
	wait  int // bytes of the next thing to have before looking at it again

	bad     corrupt
	walk    walker // goes through values that jsonscan cannot
	wrapper wrapper
	line    lineCache
	offer   offer
}

// place is where in the grammar of the stream data[0] stands.
type place uint8

const (
	placeStart place = iota // nothing is used up yet
	placeTop                // between top-level values
	placeRest               // after the value of a line: only white space may follow

	placeOpen  // after the [ of a top-level array
	placeComma // after a comma in it
	placeNext  // after an element of it

	placeWrapper  // inside a value around records
	placeLeaf     // at the record that a path leads to
	placeRecOpen  // after the [ of the array that a path leads to
	placeRecComma // after a comma in it
	placeRecNext  // after an element of it

	placeCorrupt // inside a corrupt record
	placeDone    // everything is used up
)

// after is the place after the value at p.
func (p place) after() place {
	switch p {
	case placeOpen, placeComma:
		return placeNext
	case placeRecOpen, placeRecComma:
		return placeRecNext
	case placeLeaf:
		return placeWrapper
	}
	return p
}

// beforeNext is the place of a further element of the array, without the comma
// that should be between p and there.
func (p place) beforeNext() place {
	switch p {
	case placeNext:
		return placeComma
	case placeRecNext:
		return placeRecComma
	}
	return p
}

// enter goes to place p, after a value.
func (s *Splitter) enter(p place) {
	s.place = p
	if p == placeWrapper {
		s.wrapper.walk.ended()
		s.wrapper.fresh, s.wrapper.newline = true, false
	}
}

// NewSplitter returns a splitter at the start of an object. It reports every
// mistake in cfg.
func NewSplitter(cfg Split) (*Splitter, error) {
	cfg = cfg.WithDefaults()
	path, err := cfg.check()
	if err != nil {
		return nil, err
	}
	s := &Splitter{cfg: cfg, path: path, opens: cfg.Format == FormatAuto}
	for _, name := range path {
		s.maxName = max(s.maxName, len(`\u0000`)*len(name)+len(`""`))
	}
	s.Reset()
	return s, nil
}

// Reset goes to the start of a new object.
func (s *Splitter) Reset() {
	s.off, s.wait, s.place = 0, 0, placeStart
	s.bad, s.line, s.offer = corrupt{}, lineCache{}, offer{}
	s.wrapper.outer, s.wrapper.walked = false, 0
}

// Offset returns the position in the stream of the next byte that is not used
// up: that of data[0] in the next call.
func (s *Splitter) Offset() int64 { return s.off }

// MaxBuffer returns how many bytes of buffer are always enough: given as many,
// or atEOF, Next never returns [TokenMore] without using up some.
func (s *Splitter) MaxBuffer() int {
	return max(s.cfg.MaxPreambleBytes, s.cfg.MaxRecordBytes+maxTrim, 2*maxTrim, s.maxName) + 2
}

// LookAgain has the next call of Next look at all of its data, where otherwise it
// may wait until there is so much more that looking is worth its while: for who
// knows that no more data will come, though this is not the end of the object.
func (s *Splitter) LookAgain() { s.wait = 0 }

// Next returns what stands at the start of data, the unused part of the stream
// as far as it is known; atEOF says that nothing follows it. Next must not be
// called with less data than before, less what was used up. It keeps no
// reference to data, and allocates only for the error of a corrupt record.
func (s *Splitter) Next(data []byte, atEOF bool) Token {
	if end, n := s.TakeLine(data); n > 0 {
		return Token{Kind: TokenRecord, End: end, Advance: n}
	}
	s.offer = offer{}
	pre := 0
	var t Token
	if s.place == placeStart {
		n, res := s.skipPreamble(data, atEOF)
		switch res {
		case preambleOpen:
			s.wait = grown(len(data), s.cfg.MaxPreambleBytes)
			return Token{}
		case preambleTooLong:
			t = s.begin(data, 0, atEOF, corrupt{how: toEOF, err: s.fault(0, 0, limitError{"preamble longer", s.cfg.MaxPreambleBytes})})
			s.off += int64(t.Advance)
			return t
		}
		s.place, s.wait, pre = placeTop, 0, n
	}
	switch {
	case s.place == placeDone:
		t = Token{Kind: TokenEnd, Advance: len(data)}
	case s.place == placeCorrupt && (s.path == nil || s.bad.how == toEOF):
		t = s.piece(data, pre, atEOF)
	case s.cfg.Format == FormatWhole:
		t = s.nextWhole(data, pre, atEOF)
	case s.cfg.Format == FormatAuto:
		t = s.nextValue(data, pre, atEOF)
	case s.path == nil:
		t = s.nextLine(data, pre, atEOF)
	default:
		t = s.nextInLine(data, pre, atEOF)
	}
	t.Preamble = pre
	s.off += int64(t.Advance)
	return t
}

type preambleResult uint8

const (
	preambleFound preambleResult = iota
	preambleOpen
	preambleTooLong
)

// skipPreamble returns the length of the preamble at the start of the stream.
// It looks at no more than the longest preamble allowed, so that its answer
// does not depend on how much else is there.
func (s *Splitter) skipPreamble(data []byte, atEOF bool) (int, preambleResult) {
	if s.cfg.Preamble == nil {
		return 0, preambleFound
	}
	if s.wait > len(data) && !atEOF {
		return 0, preambleOpen
	}
	head, whole := data, true
	if len(data) > s.cfg.MaxPreambleBytes {
		head, whole = data[:s.cfg.MaxPreambleBytes], false
	}
	n, ok := s.cfg.Preamble.Skip(head, whole && atEOF)
	switch {
	case ok && n >= 0 && n <= len(head):
		return n, preambleFound
	case whole && !atEOF:
		return 0, preambleOpen
	}
	return 0, preambleTooLong
}

// grown is how many bytes to wait for before n bytes that were not enough are
// looked at again: a factor more, so that all looks together are linear, but
// no more than decide.
func grown(n, most int) int { return min(n+n/4+1, most+1) }

// record makes the token of the record data[i:end].
func (s *Splitter) record(i, end, advance int) Token {
	s.wait = 0
	return Token{Kind: TokenRecord, Start: i, End: end, Advance: advance, Valid: !s.cfg.Raw}
}

// more asks for more data; data[i:] is still needed, and is looked at again
// when there are wait bytes of it.
func (s *Splitter) more(i, wait int) Token {
	s.wait = wait
	return Token{Advance: i}
}

// end notes that everything is used up.
func (s *Splitter) end(data []byte) Token {
	s.place = placeDone
	return Token{Kind: TokenEnd, Advance: len(data)}
}
