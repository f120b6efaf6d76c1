package jsonscan

import "errors"

// Tree tells which members of an object are wanted, and which of their members.
type Tree struct {
	// ID is for the [Walker].
	ID int
	// Whole is set where the Walker wants the value itself, be it an object or
	// array, besides members of it.
	Whole bool
	// Each is set where an array is walked through as well, and tells what is
	// wanted of those of its elements that are objects. It is a child of this
	// Tree.
	Each *Tree

	name     string
	parent   *Tree
	children []*Tree
	likely   uint64 // set of what tells the names of the children from most others
}

// Add adds a member to t, of a name that t does not have yet.
func (t *Tree) Add(name string, id int) *Tree {
	c := &Tree{ID: id, name: name, parent: t}
	t.children = append(t.children, c)
	first := byte('"') // what stands there if the name is empty
	if name != "" {
		first = name[0]
	}
	t.likely |= 1 << nameBit(first, len(name))
	return c
}

// nameBit is a bit that depends on a name's first byte, or what follows it if it
// is empty, and length.
func nameBit(first byte, length int) uint {
	return (uint(first) + 5*uint(length)) & 63
}

// child returns what t has of the given name, or nil.
func (t *Tree) child(name []byte) *Tree {
	for _, c := range t.children {
		if c.name == string(name) {
			return c
		}
	}
	return nil
}

// Walker is told of what a walk comes upon.
type Walker interface {
	// Unescape returns what a name means that is written with escapes. It gets
	// what stands between the quotes.
	Unescape(raw []byte) []byte
	// Scalar is called behind the value of a wanted member that is neither
	// object nor array, data[start:end].
	Scalar(t *Tree, start, end int)
	// Begin is called before an array that is to be walked through, if it is not
	// empty, with the Each of its Tree. If it returns false, Container is called
	// instead.
	Begin(each *Tree) bool
	// Element is called behind each element that is an object, if it is not
	// empty, and End behind the array.
	Element(each *Tree)
	End(each *Tree)
	// Container is called before the value of a wanted member that is an object
	// or array and not just walked through, be it that it is empty or lies very
	// deep. It validates that value, which
	// starts at data[i] and may nest as deep as maxDepth, and returns the index
	// behind it, or -1 if it is at fault. The walk then ends with [ErrWalker].
	Container(t *Tree, i, maxDepth int) (end int)
}

// ErrWalker means that [Walker.Container] found a fault.
var ErrWalker = errors.New("fault in a JSON object or array")

// Walk is [Text] for the object at data[i], and tells w on the way of its
// members in t.
func Walk(data []byte, i, maxDepth int, t *Tree, w Walker) (end int, validUTF8 bool, err error) {
	s := newScanner(data, i, maxDepth)
	s.walk = walk{walker: w, root: t, tree: t, level: outside<<1 | 1}
	if !s.run() {
		return 0, false, s.err
	}
	return s.i, !s.badUTF8, nil
}

// walk is where a scanner is that looks for members.
type walk struct {
	walker Walker
	root   *Tree
	// tree tells what is wanted of the object that the stack level is inside
	// of, or of the elements of that array. level is 0 where nothing is wanted.
	tree  *Tree
	level uint64
	// wanted is the member whose value, a scalar from start on, the scanner is
	// in, or nil. The stack is outside then, which makes run stop behind it, and
	// level what it was.
	wanted *Tree
	start  int
}

// member does with a member of the object that s.tree is for what t, which may
// be nil, wants. Its value is at s.i, behind any white space.
func (s *scanner) member(t *Tree) event {
	if t == nil {
		return isNext
	}
	if !s.space() {
		return isFault
	}
	switch c := s.data[s.i]; {
	case c != '{' && c != '[':
		s.wanted, s.start = t, s.i
		s.stack = outside
		return isNext
	case t.Whole || s.stack >= s.full>>1 || s.empty(): // an array and its elements need two levels
	case c == '{' && len(t.children) > 0:
		s.tree = t
		s.level = s.level<<1 | 1
		return isNext
	case c == '[' && t.Each != nil && s.walker.Begin(t.Each):
		s.tree = t.Each
		s.level <<= 1
		return isNext
	}
	if s.i = s.walker.Container(t, s.i, s.maxDepth-s.depth()); s.i < 0 {
		s.err = ErrWalker
		return isFault
	}
	return isPassed
}

// empty reports whether there is nothing in the container at s.i, or no end.
func (s *scanner) empty() bool {
	i := SkipSpace(s.data, s.i+1)
	return i == len(s.data) || s.data[i] == '}' || s.data[i] == ']'
}

// passedWanted tells the walker if the value that ends at s.i is wanted, and
// goes back to where that was.
func (s *scanner) passedWanted() bool {
	t := s.wanted
	if t == nil {
		return false
	}
	s.wanted = nil
	s.stack = s.level
	s.walker.Scalar(t, s.start, s.i)
	return true
}

// enterElement goes into an object in the array that s.tree is for.
func (s *scanner) enterElement() { s.level = s.level<<1 | 1 }

// leave leaves the object or array that s.tree is for.
func (s *scanner) leave() {
	array := s.level&1 == 0
	s.level >>= 1
	switch {
	case s.level == outside:
		s.level = 0
	case array:
		s.walker.End(s.tree)
		s.tree = s.tree.parent.parent
	case s.level&1 == 0:
		s.walker.Element(s.tree)
	default:
		s.tree = s.tree.parent
	}
}
