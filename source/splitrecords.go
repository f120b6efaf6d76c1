package source

import (
	"encoding/json"

	"github.com/unspool-go/unspool/internal/jsonscan"
)

// wrapper is where the splitter is in a value around records.
type wrapper struct {
	// walk watches the depth of the object that the path has led to so far.
	walk walker
	// outer says that the wrapper is an element of a top-level array.
	outer bool
	// held says that the path has not led anywhere yet, so that the wrapper may
	// still become one corrupt record: no byte of it is used up, and walk has
	// seen the first walked ones.
	held   bool
	walked int
	// fresh says that walk is right behind the record the path has led to.
	fresh bool
	// newline says that the last byte used up was one.
	newline bool
}

// startWrapper goes into the value that starts at data[i].
func (s *Splitter) startWrapper(data []byte, i int, atEOF bool) Token {
	w := &s.wrapper
	w.walk.reset(s.cfg.MaxDepth)
	w.walk.watch = 1
	w.outer = s.place != placeTop
	w.held, w.walked, w.newline = true, 0, false
	s.place = placeWrapper
	return s.nextValue(data, i, atEOF)
}

// walkWrapper goes on in the wrapper at data[i]: to its end or to its records,
// in which case done is false and the next thing is at the index returned, or
// to the token that has to be given before that.
func (s *Splitter) walkWrapper(data []byte, i int, atEOF bool) (at int, t Token, done bool) {
	w := &s.wrapper
	w.fresh = false
	for at = i + w.walked; ; {
		var ev walkEvent
		at, ev = w.walk.run(data, at)
		switch ev {
		case walkedToKey:
			matches, known := s.nameAt(data[at:], s.path[w.walk.watch-1], atEOF)
			if !known {
				return at, s.moreWrapper(data, i, at), true
			}
			w.walk.enterKey()
			w.walk.stop = matches
			at++
		case walkedToStop:
			if w.walk.watch < len(s.path) {
				if data[at] == '{' {
					w.walk.watch++
				}
				continue
			}
			w.walk.watch, w.held, w.walked = 0, false, 0
			if data[at] == '[' {
				s.place = placeRecOpen
				return at + 1, Token{}, false
			}
			s.place = placeLeaf
			return at, Token{}, false
		case walkedAll:
			if !atEOF {
				return at, s.moreWrapper(data, i, at), true
			}
			if !w.walk.complete() {
				return at, s.brokenWrapper(data, i, at, errCutOff, atEOF), true
			}
			s.place = s.afterWrapper()
			return at, Token{}, false
		case walkedValue:
			w.walked = 0
			s.place = s.afterWrapper()
			return at, Token{}, false
		case walkedDeep:
			return at, s.brokenWrapper(data, i, at, errTooDeep, atEOF), true
		case walkedBad:
			return at, s.brokenWrapper(data, i, at, errInvalid, atEOF), true
		}
	}
}

// moreWrapper asks for more data to walk on from data[at] in the wrapper at
// data[i].
func (s *Splitter) moreWrapper(data []byte, i, at int) Token {
	w := &s.wrapper
	if w.held && at-i <= s.cfg.MaxRecordBytes {
		w.walked = at - i
		return s.more(i, 0)
	}
	w.held, w.walked = false, 0
	if at > 0 {
		w.newline = data[at-1] == '\n'
	}
	return s.more(at, 0)
}

// afterWrapper is the place after the wrapper.
func (s *Splitter) afterWrapper() place {
	switch {
	case s.wrapper.outer:
		return placeNext
	case s.opens:
		return placeTop
	}
	return placeRest
}

// brokenWrapper makes a corrupt record of the wrapper at data[i], or of what
// remains of it, which went wrong at data[at].
func (s *Splitter) brokenWrapper(data []byte, i, at int, reason error, atEOF bool) Token {
	w := &s.wrapper
	whole := w.held && at-i <= s.cfg.MaxRecordBytes
	w.walked = 0
	if !whole {
		i = at
	}
	c := corrupt{how: toEnd, err: s.fault(i, at, reason)}
	switch {
	case at == len(data) && !whole:
		s.place = placeTop
		return s.nothing(at, reason)
	case !s.opens:
		return s.begin(data, i, atEOF, c)
	case whole:
		if s.place = placeTop; w.outer {
			s.place = placeComma
		}
		return s.broken(data, i, at, reason, atEOF)
	case w.outer:
		c.how, c.back, c.skim = toComma, placeNext, skimmer{first: '{', closer: ']', inString: w.walk.inString()}
		c.skim.objects, c.skim.arrays = w.walk.open()
		return s.begin(data, i, atEOF, c)
	}
	newline := w.newline
	if at > 0 {
		newline = data[at-1] == '\n'
	}
	if newline && bracketed(data[at]) {
		s.place = placeTop
		return s.nothing(at, reason)
	}
	c.how, c.back, c.from = toLine, placeTop, at+1
	return s.begin(data, i, atEOF, c)
}

// nameAt reports whether the member name at the start of data is name. known is
// false if that cannot be told without more data.
func (s *Splitter) nameAt(data []byte, name string, atEOF bool) (matches, known bool) {
	whole := atEOF
	if len(data) >= s.maxName {
		data, whole = data[:s.maxName], true
	}
	end, escaped, err := jsonscan.String(data, 0)
	switch {
	case err == jsonscan.ErrIncomplete:
		return false, whole
	case err != nil:
		return false, true
	case !escaped:
		return string(data[1:end-1]) == name, true
	}
	var unescaped string
	return json.Unmarshal(data[:end], &unescaped) == nil && unescaped == name, true
}
