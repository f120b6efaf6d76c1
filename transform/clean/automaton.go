package clean

import (
	"encoding/binary"
	"regexp/syntax"
	"slices"
)

// automaton tells of texts in ASCII whether they match a regular expression, a
// table look-up for each byte.
type automaton struct {
	next [][128]uint8 // state, by state and byte
	good []bool       // whether a text may end in the state
}

const (
	stuck     = 0  // the state from which nothing matches any more
	begun     = 1  // the state before the first byte
	maxStates = 64 // of an automaton that is worth its while
)

// newAutomaton returns an automaton for an expression that begins with ^, or nil
// where that would be too large, or where the expression asks for more than
// characters and, with ^ and $, for the ends of the text.
//
// Its states are the sets of instructions that package regexp could be at. Which
// alternative it prefers makes no difference to whether there is a match.
func newAutomaton(expr string) *automaton {
	parsed, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil || prog.StartCond()&syntax.EmptyBeginText == 0 {
		return nil
	}
	for _, inst := range prog.Inst {
		if inst.Op == syntax.InstEmptyWidth && syntax.EmptyOp(inst.Arg)&^(syntax.EmptyBeginText|syntax.EmptyEndText) != 0 {
			return nil
		}
	}
	b := builder{prog: prog, numbers: map[string]uint8{}}
	start := []uint32{uint32(prog.Start)}
	b.state(nil)
	b.add(b.closure(start, syntax.EmptyBeginText))
	b.good[begun] = b.ends(b.closure(start, syntax.EmptyBeginText|syntax.EmptyEndText)) // of an empty text
	for len(b.next) < len(b.sets) {
		set := b.sets[len(b.next)]
		var row [128]uint8
		for c := range row {
			number, ok := b.state(b.closure(b.step(set, rune(c)), 0))
			if !ok {
				return nil
			}
			row[c] = number
		}
		b.next = append(b.next, row)
	}
	return &b.automaton
}

// match reports whether text matches. ok is false if it is not ASCII.
func (a *automaton) match(text []byte) (good, ok bool) {
	state := uint8(begun)
	for _, c := range text {
		if c >= 128 {
			return false, false
		}
		state = a.next[state][c]
	}
	return a.good[state], true
}

// builder makes an automaton.
type builder struct {
	automaton
	prog    *syntax.Prog
	sets    [][]uint32       // of instructions, by state
	numbers map[string]uint8 // of states, by their sets
}

// state returns the number of the state of a set. ok is false if there are too
// many.
func (b *builder) state(set []uint32) (number uint8, ok bool) {
	var key []byte
	for _, pc := range set {
		key = binary.LittleEndian.AppendUint32(key, pc)
	}
	if number, ok = b.numbers[string(key)]; ok {
		return number, true
	}
	if len(b.sets) == maxStates {
		return stuck, false
	}
	number = b.add(set)
	b.numbers[string(key)] = number
	return number, true
}

// add makes a state of a set.
func (b *builder) add(set []uint32) (number uint8) {
	b.sets = append(b.sets, set)
	b.good = append(b.good, b.ends(b.closure(set, syntax.EmptyEndText)))
	return uint8(len(b.sets) - 1)
}

// closure returns all instructions that take or end a text, or wait for its
// end, that are reached from some without taking anything, in order.
func (b *builder) closure(from []uint32, at syntax.EmptyOp) (set []uint32) {
	seen := make([]bool, len(b.prog.Inst))
	for todo := slices.Clone(from); len(todo) > 0; {
		pc := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		switch inst := &b.prog.Inst[pc]; inst.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			todo = append(todo, inst.Out, inst.Arg)
		case syntax.InstCapture, syntax.InstNop:
			todo = append(todo, inst.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(inst.Arg)&^at == 0 {
				todo = append(todo, inst.Out)
			} else {
				set = append(set, pc)
			}
		case syntax.InstFail:
		default:
			set = append(set, pc)
		}
	}
	slices.Sort(set)
	return set
}

// step returns the instructions behind those of set that take r.
func (b *builder) step(set []uint32, r rune) (next []uint32) {
	for _, pc := range set {
		inst := &b.prog.Inst[pc]
		if inst.Op == syntax.InstMatch { // whatever follows
			next = append(next, pc)
		} else if inst.Op != syntax.InstEmptyWidth && inst.MatchRune(r) {
			next = append(next, inst.Out)
		}
	}
	return next
}

// ends reports whether one of the instructions is that of a match.
func (b *builder) ends(set []uint32) bool {
	return slices.ContainsFunc(set, func(pc uint32) bool { return b.prog.Inst[pc].Op == syntax.InstMatch })
}
