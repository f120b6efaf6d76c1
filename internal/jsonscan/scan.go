package jsonscan

import (
	"bytes"
	"math/bits"
)

// scanner is a pass over a text. Its hot loop, run, keeps what it needs in
// registers and leaves what comes rarely to methods, which find and leave their
// place in i.
type scanner struct {
	data []byte
	i    int // the place in data
	// stack is the containers around i, from within, one bit each: set for an
	// object, clear for an array. Behind the last stands outside.
	stack    uint64
	maxDepth int
	full     uint64 // the least stack with no room for another container
	badUTF8  bool
	err      error
	walk
}

const (
	// outside is the stack outside of all containers.
	outside = 0b10
	// levels is how many nested containers one scanner keeps on its stack.
	levels = 62
	// lookahead is how many bytes from the start of a value on run may load
	// before it has found out how long it is.
	lookahead = 16
)

const noKey = "no string where an object key must start"

func newScanner(data []byte, i, maxDepth int) scanner {
	maxDepth = min(maxDepth, MaxDepth)
	return scanner{data: data, i: i, stack: outside, maxDepth: maxDepth, full: outside << min(maxDepth, levels)}
}

// run passes the value at s.i. It returns false, with s.err set, at a fault.
//
// It is a state machine whose states are its labels. Behind each call of a
// method it takes its registers from s again, for what is kept over a call is
// stored each time that it changes.
func (s *scanner) run() bool {
	p, n, i, stack := textOf(s.data), len(s.data), s.i, s.stack
	var name int // where the last key starts

value:
	if i+lookahead > n {
		goto slowValue
	}
	switch c := load1(p, i); {
	case c == '"':
		i++
		m := special(load8(p, i))
		for m == 0 {
			if i += 8; i+8+4 > n {
				goto slowString
			}
			m = special(load8(p, i))
		}
		i += first(m)
		if load4(p, i)&0xffffff == '"'|','<<8|'"'<<16 && stack&1 == 1 {
			i += 3
			goto key
		}
		if load1(p, i) == '"' {
			i++
			goto after
		}
		goto slowString

	case c-'0' <= 9:
		// Most are whole numbers, and not that long.
		d := leadingDigits(load8(p, i))
		if d == 8 {
			d += leadingDigits(load8(p, i+8))
		}
		if d < 16 && (c != '0' || d == 1) {
			switch load1(p, i+d) {
			case ',', '}', ']':
				i += d
				goto after
			}
		}

	case c == ' ' && stack != outside: // as many put it behind a colon
		i++
		goto value

	case c|0x20 == '{':
		if load1(p, i+1) <= ' ' || stack >= s.full {
			s.i = i
			goto open
		}
		if load1(p, i+1) == c+2 { // the partner
			i += 2
			goto after
		}
		i++
		if c == '[' {
			stack <<= 1
			s.stack = stack
			goto value
		}
		if stack == s.level && stack&1 == 0 {
			s.enterElement()
		}
		stack = stack<<1 | 1
		s.stack = stack
		if load1(p, i) == '"' {
			i++
			goto key
		}
		s.i = i
		s.fail(noKey)
		return false

	default:
		switch x := load8(p, i); {
		case uint32(x) == 'n'|'u'<<8|'l'<<16|'l'<<24, uint32(x) == 't'|'r'<<8|'u'<<16|'e'<<24:
			i += 4
			goto after
		case x<<24 == 'f'<<24|'a'<<32|'l'<<40|'s'<<48|'e'<<56:
			i += 5
			goto after
		}
	}

slowValue:
	s.i = i
	switch s.scalar() {
	case isFault:
		return false
	case isOpen:
		goto open
	}
	p, n, i, stack = textOf(s.data), len(s.data), s.i, s.stack

after:
	if stack == outside {
		s.i = i
		if !s.passedWanted() {
			return true
		}
		stack = s.stack
	}
	if i+2 > n {
		goto slowAfter
	}
	switch {
	case load2(p, i) == ','|'"'<<8 && stack&1 == 1:
		i += 2
		goto key
	case load1(p, i) == '}' && stack&1 == 1, load1(p, i) == ']' && stack&1 == 0:
		if stack == s.level {
			s.leave()
		}
		i++
		stack >>= 1
		s.stack = stack
		goto after
	case load1(p, i) == ',' && stack&1 == 0:
		i++
		goto value
	case load2(p, i) == ','|' '<<8 && i+2 < n && load1(p, i+2) == '"': // in an object
		i += 3
		goto key
	case load2(p, i) == ','|'\n'<<8: // in an object
		next := SkipSpace(s.data, i+2)
		p, n, stack = textOf(s.data), len(s.data), s.stack
		if next < n && load1(p, next) == '"' {
			i = next + 1
			goto key
		}
	}

slowAfter:
	s.i = i
	switch s.afterValue() {
	case isFault:
		return false
	case isPassed:
		p, n, i, stack = textOf(s.data), len(s.data), s.i, s.stack
		goto after
	case isNext:
		p, n, i, stack = textOf(s.data), len(s.data), s.i, s.stack
		if stack&1 == 0 {
			goto value
		}
		i++
	}

key:
	name = i
	for {
		if i+8+2 > n {
			goto slowKey
		}
		if m := special(load8(p, i)); m != 0 {
			i += first(m)
			break
		}
		i += 8
	}
	if load2(p, i) == '"'|':'<<8 {
		i += 2
		if stack != s.level || s.tree.likely>>nameBit(load1(p, name), i-2-name)&1 == 0 {
			goto value
		}
		s.i = i
		switch s.member(s.tree.child(s.data[name : i-2])) {
		case isFault:
			return false
		case isPassed:
			p, n, i, stack = textOf(s.data), len(s.data), s.i, s.stack
			goto after
		}
		p, n, i, stack = textOf(s.data), len(s.data), s.i, s.stack
		goto value
	}

slowKey:
	s.i = i
	switch s.restOfKey(name) {
	case isFault:
		return false
	case isPassed:
		p, n, i, stack = textOf(s.data), len(s.data), s.i, s.stack
		goto after
	}
	p, n, i, stack = textOf(s.data), len(s.data), s.i, s.stack
	goto value

slowString:
	s.i = i
	if !s.restOfString() {
		return false
	}
	p, n, i, stack = textOf(s.data), len(s.data), s.i, s.stack
	goto after

open:
	switch s.open() {
	case isFault:
		return false
	case isPassed:
		p, n, i, stack = textOf(s.data), len(s.data), s.i, s.stack
		goto after
	}
	p, n, i, stack = textOf(s.data), len(s.data), s.i, s.stack
	if stack&1 == 0 {
		goto value
	}
	i++
	goto key
}

// event is what one of the methods behind run came upon.
type event uint8

const (
	isFault  event = iota
	isPassed       // the end of a value
	isOpen         // the start of a container
	isNext         // a value, or the quote of a key
)

// fail sets the fault at s.i.
func (s *scanner) fail(msg string) event {
	s.err = &SyntaxError{s.i, msg}
	return isFault
}

// space skips white space and reports whether anything is left.
func (s *scanner) space() bool {
	if s.i = SkipSpace(s.data, s.i); s.i < len(s.data) {
		return true
	}
	s.err = ErrIncomplete
	return false
}

// scalar passes the value at s.i, behind any white space, if it is no
// container.
func (s *scanner) scalar() event {
	if s.stack == outside && s.i < len(s.data) && IsSpace(s.data[s.i]) {
		return s.fail("white space where a JSON value must start")
	}
	if !s.space() {
		return isFault
	}
	switch c := s.data[s.i]; {
	case c == '"':
		s.i++
		s.restOfString()
	case c-'0' <= 9 || c == '-':
		s.i, s.err = number(s.data, s.i)
	case c == '{' || c == '[':
		return isOpen
	default:
		s.i, s.err = literal(s.data, s.i)
	}
	if s.err != nil {
		return isFault
	}
	return isPassed
}

// depth returns the number of containers around s.i.
func (s *scanner) depth() int { return bits.Len64(s.stack) - 2 }

// open goes into the container at s.i.
func (s *scanner) open() event {
	depth := s.depth()
	if depth >= s.maxDepth {
		s.err = ErrDepth
		return isFault
	}
	if depth == levels {
		inner := newScanner(s.data, s.i, s.maxDepth-levels)
		ok := inner.run()
		s.i, s.err = inner.i, inner.err
		s.badUTF8 = s.badUTF8 || inner.badUTF8
		if !ok {
			return isFault
		}
		return isPassed
	}
	c := s.data[s.i]
	s.i++
	if !s.space() {
		return isFault
	}
	if s.data[s.i] == c+2 { // the partner
		s.i++
		return isPassed
	}
	if c == '{' && s.stack == s.level && s.stack&1 == 0 {
		s.enterElement()
	}
	s.stack <<= 1
	if c == '{' {
		s.stack |= 1
		if s.data[s.i] != '"' {
			return s.fail(noKey)
		}
	}
	return isNext
}

// afterValue goes from behind a value to the next in the same container, or
// behind that container.
func (s *scanner) afterValue() event {
	if !s.space() {
		return isFault
	}
	inObject := s.stack&1 == 1
	switch c := s.data[s.i]; {
	case c == ',':
		s.i++
		if !inObject {
			return isNext
		}
		if !s.space() {
			return isFault
		}
		if s.data[s.i] != '"' {
			return s.fail(noKey)
		}
		return isNext
	case inObject && c != '}':
		return s.fail("no comma or } after an object member")
	case !inObject && c != ']':
		return s.fail("no comma or ] after an array element")
	}
	s.i++
	if s.stack == s.level {
		s.leave()
	}
	s.stack >>= 1
	return isPassed
}

// restOfKey goes from s.i, inside of the key that starts at name, to the
// member's value.
func (s *scanner) restOfKey(name int) event {
	if !s.restOfString() {
		return isFault
	}
	end := s.i - 1
	if !s.space() {
		return isFault
	}
	if s.data[s.i] != ':' {
		return s.fail("no colon after an object key")
	}
	s.i++
	if s.stack != s.level {
		return isNext
	}
	key := s.data[name:end]
	if bytes.IndexByte(key, '\\') >= 0 {
		key = s.walker.Unescape(key)
	}
	return s.member(s.tree.child(key))
}
