package source

import "github.com/unspool-go/unspool/internal/jsonscan"

// walker checks JSON text against the grammar byte by byte and can stop
// anywhere between two bytes. It is slower than jsonscan but needs no more of a
// value than the part at hand: it goes through values that are too long to be
// held, through what surrounds the records of a path, and it says at which byte
// a value that jsonscan refused went wrong.
type walker struct {
	state walkState
	inKey bool   // the string being read is a member name
	rest  string // what is still missing of the literal being read
	hex   int    // hexadecimal digits still missing of \uXXXX
	depth int
	max   int
	// kinds is a stack of bits, one for each open array (0) or object (1).
	kinds []uint64
	// watch is the depth at which run stops before each member name; 0 is none.
	// It falls with the depth.
	watch int
	// stop makes run stop before the next value. It is reset by that.
	stop bool
}

type walkState uint8

const (
	walkValue      walkState = iota // a value must follow
	walkValueOrEnd                  // after '['
	walkKeyOrEnd                    // after '{'
	walkKey                         // after ',' in an object
	walkColon                       // after a member name
	walkAfter                       // after a value inside an array or object
	walkString
	walkEscape
	walkHex
	walkLiteral
	walkMinus
	walkZero
	walkInt
	walkDot
	walkFrac
	walkE
	walkESign
	walkExp
	walkDone
)

type walkEvent uint8

const (
	walkedAll    walkEvent = iota // data is used up
	walkedValue                   // the value is complete
	walkedBad                     // the byte violates the grammar
	walkedDeep                    // the byte opens one level too many
	walkedToKey                   // a member name at the watched depth begins here
	walkedToStop                  // the value that was to be stopped at begins here
)

// reset prepares for a value with at most max levels.
func (w *walker) reset(max int) {
	*w = walker{max: max, kinds: w.kinds[:0]}
}

// run walks on from data[i]. It returns the index of the first byte it did not
// use, and why it stopped there.
func (w *walker) run(data []byte, i int) (int, walkEvent) {
	for i < len(data) {
		c := data[i]
		switch w.state {
		case walkString:
			switch {
			case c == '"':
				if w.inKey {
					w.state = walkColon
				} else {
					w.ended()
				}
			case c == '\\':
				w.state = walkEscape
			case c < ' ':
				return i, walkedBad
			default:
				for i+1 < len(data) && plain(data[i+1]) {
					i++
				}
			}

		case walkValue, walkValueOrEnd:
			if jsonscan.IsSpace(c) {
				break
			}
			if c == ']' && w.state == walkValueOrEnd {
				w.pop()
				break
			}
			if w.stop {
				w.stop = false
				return i, walkedToStop
			}
			if ev := w.begin(c); ev != walkedAll {
				return i, ev
			}

		case walkKeyOrEnd, walkKey:
			switch {
			case jsonscan.IsSpace(c):
			case c == '}' && w.state == walkKeyOrEnd:
				w.pop()
			case c != '"':
				return i, walkedBad
			case w.depth == w.watch:
				return i, walkedToKey
			default:
				w.enterKey()
			}

		case walkColon:
			switch {
			case c == ':':
				w.state = walkValue
			case !jsonscan.IsSpace(c):
				return i, walkedBad
			}

		case walkAfter:
			switch {
			case jsonscan.IsSpace(c):
			case c == ',' && w.inObject():
				w.state = walkKey
			case c == ',':
				w.state = walkValue
			case c == '}' && w.inObject(), c == ']' && !w.inObject():
				w.pop()
			default:
				return i, walkedBad
			}

		case walkEscape:
			switch c {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
				w.state = walkString
			case 'u':
				w.state, w.hex = walkHex, 4
			default:
				return i, walkedBad
			}

		case walkHex:
			if !isHex(c) {
				return i, walkedBad
			}
			if w.hex--; w.hex == 0 {
				w.state = walkString
			}

		case walkLiteral:
			if c != w.rest[0] {
				return i, walkedBad
			}
			if w.rest = w.rest[1:]; w.rest == "" {
				w.ended()
			}

		case walkDone:
			return i, walkedValue

		default:
			if w.number(c) {
				break
			}
			if !w.numberEnds() {
				return i, walkedBad
			}
			// The byte belongs to what follows the number.
			w.ended()
			continue
		}
		i++
		if w.state == walkDone {
			return i, walkedValue
		}
	}
	return i, walkedAll
}

// begin takes the first byte of a value.
func (w *walker) begin(c byte) walkEvent {
	switch c {
	case '{', '[':
		if w.depth >= w.max {
			return walkedDeep
		}
		w.push(c == '{')
	case '"':
		w.state, w.inKey = walkString, false
	case '-':
		w.state = walkMinus
	case '0':
		w.state = walkZero
	case '1', '2', '3', '4', '5', '6', '7', '8', '9':
		w.state = walkInt
	case 't':
		w.state, w.rest = walkLiteral, "rue"
	case 'f':
		w.state, w.rest = walkLiteral, "alse"
	case 'n':
		w.state, w.rest = walkLiteral, "ull"
	default:
		return walkedBad
	}
	return walkedAll
}

// number takes a further byte of a number, and reports false if c is none.
func (w *walker) number(c byte) bool {
	digit := '0' <= c && c <= '9'
	switch w.state {
	case walkMinus:
		switch {
		case c == '0':
			w.state = walkZero
		case digit:
			w.state = walkInt
		default:
			return false
		}
		return true
	case walkZero, walkInt:
		switch {
		case c == '.':
			w.state = walkDot
		case c == 'e' || c == 'E':
			w.state = walkE
		default:
			return digit && w.state == walkInt
		}
		return true
	case walkDot, walkFrac:
		switch {
		case digit:
			w.state = walkFrac
		case (c == 'e' || c == 'E') && w.state == walkFrac:
			w.state = walkE
		default:
			return false
		}
		return true
	case walkE:
		if c == '+' || c == '-' {
			w.state = walkESign
			return true
		}
	}
	if digit {
		w.state = walkExp
	}
	return digit
}

// numberEnds reports whether a number may end where the walker is.
func (w *walker) numberEnds() bool {
	switch w.state {
	case walkZero, walkInt, walkFrac, walkExp:
		return true
	}
	return false
}

// complete reports whether the value is complete if nothing follows.
func (w *walker) complete() bool {
	return w.state == walkDone || w.depth == 0 && w.numberEnds()
}

// enterKey passes the quote that opens a member name.
func (w *walker) enterKey() { w.state, w.inKey = walkString, true }

// ended notes the end of a value.
func (w *walker) ended() {
	w.state = walkAfter
	if w.depth == 0 {
		w.state = walkDone
	}
}

func (w *walker) push(object bool) {
	word, bit := w.depth/64, uint(w.depth%64)
	if word == len(w.kinds) {
		w.kinds = append(w.kinds, 0)
	}
	w.depth++
	if object {
		w.kinds[word] |= 1 << bit
		w.state = walkKeyOrEnd
	} else {
		w.kinds[word] &^= 1 << bit
		w.state = walkValueOrEnd
	}
}

func (w *walker) pop() {
	w.depth--
	w.watch = min(w.watch, w.depth)
	w.ended()
}

// inObject reports whether the innermost open level is an object.
func (w *walker) inObject() bool { return w.isObject(w.depth - 1) }

func (w *walker) isObject(level int) bool {
	return w.kinds[level/64]>>(uint(level)%64)&1 == 1
}

// inString reports whether the walker stands inside a string.
func (w *walker) inString() bool {
	return w.state == walkString || w.state == walkEscape || w.state == walkHex
}

// open counts the open objects and arrays.
func (w *walker) open() (objects, arrays int) {
	for level := range w.depth {
		if w.isObject(level) {
			objects++
		}
	}
	return objects, w.depth - objects
}

// plain reports whether c stands for itself in a string.
func plain(c byte) bool { return c >= ' ' && c != '"' && c != '\\' }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
