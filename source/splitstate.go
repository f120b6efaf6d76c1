package source

import (
	"fmt"
	"strings"
)

// The names of the places that a splitter can be resumed at. Checkpoints hold
// them: they are never given another meaning.
const (
	stateElement = "a" // before the others: inside a top-level array

	stateTop      = "t"
	stateRest     = "l"
	stateOpen     = "ao"
	stateComma    = "ac"
	stateNext     = "an"
	stateRecOpen  = "ro"
	stateRecComma = "rc"
	stateRecNext  = "rn"
	stateLeaf     = "rl" // behind the one record that the path has led to
	stateDone     = "e"
)

var stateOf = map[place]string{
	placeTop:      stateTop,
	placeRest:     stateRest,
	placeOpen:     stateOpen,
	placeComma:    stateComma,
	placeNext:     stateNext,
	placeRecOpen:  stateRecOpen,
	placeRecComma: stateRecComma,
	placeRecNext:  stateRecNext,
	placeWrapper:  stateLeaf,
	placeDone:     stateDone,
}

// State describes in a few ASCII letters where the splitter stands at Offset,
// so that another with the same configuration can be resumed there and gives
// the same tokens from there on. It is empty where that is not possible: at the
// start of the object, which needs no state, inside a corrupt record, and
// between the bytes of what surrounds the records of a path. After every token
// that is a record, or the last piece of a corrupt one, it is not empty.
func (s *Splitter) State() string {
	state := stateOf[s.place]
	if s.place == placeWrapper && !s.wrapper.fresh {
		return ""
	}
	if s.wrapper.outer && strings.HasPrefix(state, "r") {
		return stateElement + state
	}
	return state
}

// Resume continues an object at offset, where another splitter with the same
// configuration was in the given state. An empty state is the start of the
// object, at offset 0. After an error the splitter is at the start.
func (s *Splitter) Resume(state string, offset int64) error {
	s.Reset()
	if offset < 0 || state == "" && offset != 0 {
		return fmt.Errorf("split: cannot resume at offset %d in state %q", offset, state)
	}
	if state == "" {
		return nil
	}
	inside, outer := state, false
	if rest, ok := strings.CutPrefix(state, stateElement+"r"); ok {
		inside, outer = "r"+rest, true
	}
	for p, name := range stateOf {
		if name == inside && s.reaches(p, outer) {
			s.place, s.off, s.wrapper.outer = p, offset, outer
			if strings.HasPrefix(inside, "r") {
				s.resumeWrapper()
			}
			return nil
		}
	}
	return fmt.Errorf("split: state %q is none of this configuration", state)
}

// reaches reports whether the configuration can lead to place p.
func (s *Splitter) reaches(p place, outer bool) bool {
	switch p {
	case placeOpen, placeComma, placeNext:
		return s.opens
	case placeRest:
		return !s.opens && s.path != nil
	case placeRecOpen, placeRecComma, placeRecNext, placeWrapper:
		return s.path != nil && (s.opens || !outer)
	}
	return true
}

// resumeWrapper puts the walker behind the records, which it does not see.
func (s *Splitter) resumeWrapper() {
	w := &s.wrapper
	w.walk.reset(s.cfg.MaxDepth)
	for range s.path {
		w.walk.push(true)
	}
	w.held, w.newline = false, false
	w.walk.ended()
	w.fresh = true
}
