package dynamodbtest

import (
	"slices"
	"strings"
)

// kind is the type of an attribute value.
type kind byte

const (
	kindS kind = iota + 1
	kindN
	kindB
	kindBool
	kindNull
	kindM
	kindL
	kindSS
	kindNS
	kindBS
)

// kinds are the names of types on the wire, by kind.
var kinds = [...]string{kindS: "S", kindN: "N", kindB: "B", kindBool: "BOOL", kindNull: "NULL", kindM: "M", kindL: "L", kindSS: "SS", kindNS: "NS", kindBS: "BS"}

func (k kind) String() string { return kinds[k] }

// kindNamed finds a type by its name on the wire, 0 where there is none.
func kindNamed(name string) kind {
	switch name {
	case "S":
		return kindS
	case "N":
		return kindN
	case "": // is in kinds
		return 0
	}
	return kind(max(0, slices.Index(kinds[:], name)))
}

// isSet reports whether values of the type are sets.
func (k kind) isSet() bool { return k == kindSS || k == kindNS || k == kindBS }

// scalar reports whether values of the type have an order: only those can be keys.
func (k kind) scalar() bool { return k == kindS || k == kindN || k == kindB }

// element is the type of what a set holds.
func (k kind) element() kind {
	switch k {
	case kindSS:
		return kindS
	case kindNS:
		return kindN
	default:
		return kindB
	}
}

// value is an attribute value. Values are not changed once they are made.
type value struct {
	kind  kind
	truth bool    // of a BOOL
	text  string  // of S, B, and N in canonical form
	elems []value // of lists, and of sets in order
	attrs attrs   // of maps
}

// attrs are the attributes of an item or map, sorted by name.
type attrs []attr

type attr struct {
	name  string
	value value
}

// find returns the index of an attribute, or where it belongs.
func (a attrs) find(name string) (int, bool) {
	return slices.BinarySearchFunc(a, name, func(x attr, name string) int { return strings.Compare(x.name, name) })
}

func (a attrs) get(name string) (value, bool) {
	if i, ok := a.find(name); ok {
		return a[i].value, true
	}
	return value{}, false
}

// with returns attributes in which name has a value. a stays as it was.
func (a attrs) with(name string, v value) attrs {
	i, ok := a.find(name)
	out := make(attrs, 0, len(a)+1)
	out = append(out, a[:i]...)
	out = append(out, attr{name, v})
	if ok {
		i++
	}
	return append(out, a[i:]...)
}

// without returns attributes that lack name. a stays as it was.
func (a attrs) without(name string) attrs {
	i, ok := a.find(name)
	if !ok {
		return a
	}
	return append(append(make(attrs, 0, len(a)-1), a[:i]...), a[i+1:]...)
}

// compare orders two values of one scalar type.
func (v value) compare(w value) int {
	if v.kind == kindN {
		return compareNumbers(v.text, w.text)
	}
	return strings.Compare(v.text, w.text)
}

// equal compares as conditions do: by type and content, sets without order.
func (v value) equal(w value) bool {
	return v.kind == w.kind && v.text == w.text && v.truth == w.truth &&
		slices.EqualFunc(v.elems, w.elems, value.equal) &&
		slices.EqualFunc(v.attrs, w.attrs, func(x, y attr) bool { return x.name == y.name && x.value.equal(y.value) })
}

// sortSet puts the elements of a set in order. It reports whether all differ.
func sortSet(elems []value) bool {
	slices.SortFunc(elems, value.compare)
	for i := 1; i < len(elems); i++ {
		if elems[i-1].text == elems[i].text {
			return false
		}
	}
	return true
}

// Sizes of what is stored, as the developer guide gives them ("DynamoDB item
// sizes and formats").
const (
	maxItemBytes = 400 << 10
	containerLen = 3 // of a list or map, and one byte for each element
)

// size is the length of the attributes as DynamoDB counts it.
func (a attrs) size() int {
	n := 0
	for i := range a {
		n += len(a[i].name) + a[i].value.size()
	}
	return n
}

func (v *value) size() int {
	switch v.kind {
	case kindS, kindB:
		return len(v.text)
	case kindN:
		return numberSize(v.text)
	case kindM:
		return containerLen + len(v.attrs) + v.attrs.size()
	case kindL, kindSS, kindNS, kindBS:
		n := 0
		for i := range v.elems {
			n += v.elems[i].size()
		}
		if v.kind == kindL {
			n += containerLen + len(v.elems)
		}
		return n
	default:
		return 1
	}
}

// numberSize is one byte for every two significant digits and one more, and
// another where the number is negative.
func numberSize(s string) int {
	neg := 0
	if s[0] == '-' {
		neg, s = 1, s[1:]
	}
	digits := 0
	leading, zeros := true, 0
	for i := range len(s) {
		switch {
		case s[i] == '.':
		case s[i] == '0':
			zeros++
		default:
			if !leading {
				digits += zeros
			}
			leading, zeros = false, 0
			digits++
		}
	}
	return min(21, max(1, (digits+1)/2)+1+neg)
}

// depth is how deep the value is nested.
func (v *value) depth() int {
	n := 0
	for i := range v.elems {
		n = max(n, v.elems[i].depth())
	}
	for i := range v.attrs {
		n = max(n, v.attrs[i].value.depth())
	}
	if v.kind == kindM || v.kind == kindL {
		n++
	}
	return n
}
