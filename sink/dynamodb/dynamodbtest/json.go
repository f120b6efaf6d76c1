package dynamodbtest

import (
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/unspool-go/unspool/internal/standin"
)

// errJSON is returned for a request that is no JSON.
var errJSON = errors.New("malformed JSON")

// maxDepth bounds the nesting of a request: 32 levels of a document, two of JSON
// each, in the few that requests put around it.
const maxDepth = 96

// kindOf is the kind of a JSON value, named by its first byte; numbers are '0'.
type kindOf byte

const (
	jsonNull   kindOf = 'n'
	jsonTrue   kindOf = 't'
	jsonFalse  kindOf = 'f'
	jsonNumber kindOf = '0'
	jsonString kindOf = '"'
	jsonArray  kindOf = '['
	jsonObject kindOf = '{'
)

// node is one value of a document.
type node struct {
	kind        kindOf
	name        string // of the member that it is the value of
	text        string // of strings, unescaped, and of numbers
	first, next int32  // of its elements or members, and after itself; 0 is none
}

// doc is a JSON document, parsed in one pass into one slice of nodes. It exists
// because encoding/json costs several times as much as the rest of a request
// does: strings without escapes are parts of the input, and a doc is used again.
type doc struct {
	in    string
	pos   int
	nodes []node // the root is at 1
}

// parse reads a whole document. The strings in it hold on to in.
func (d *doc) parse(in string) (ref, error) {
	d.in, d.pos = in, 0
	d.nodes = append(d.nodes[:0], node{})
	if !utf8.ValidString(in) {
		return ref{}, errJSON
	}
	root, err := d.value("", maxDepth)
	if err != nil {
		return ref{}, err
	}
	if d.space() != 0 || d.pos != len(in) {
		return ref{}, errJSON
	}
	return ref{d, root}, nil
}

// forget lets go of what was parsed.
func (d *doc) forget() {
	clear(d.nodes)
	d.in = ""
}

// space skips white space and returns the next byte, 0 at the end.
func (d *doc) space() byte {
	for ; d.pos < len(d.in); d.pos++ {
		switch c := d.in[d.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

func (d *doc) take(c byte) error {
	if d.space() != c {
		return errJSON
	}
	d.pos++
	return nil
}

// value reads any value and returns the index of its node.
func (d *doc) value(name string, depth int) (int32, error) {
	if depth == 0 {
		return 0, errJSON
	}
	at := int32(len(d.nodes))
	c := d.space()
	d.nodes = append(d.nodes, node{kind: kindOf(c), name: name})
	switch {
	case c == '{':
		return at, d.children(at, '}', depth)
	case c == '[':
		return at, d.children(at, ']', depth)
	case c == '"':
		s, err := d.str()
		d.nodes[at].text = s
		return at, err
	case c == 't':
		return at, d.literal("true")
	case c == 'f':
		return at, d.literal("false")
	case c == 'n':
		return at, d.literal("null")
	case c == '-' || '0' <= c && c <= '9':
		s, err := d.digits()
		d.nodes[at].kind, d.nodes[at].text = jsonNumber, s
		return at, err
	}
	return 0, errJSON
}

// children reads the elements or members of the node at index at.
func (d *doc) children(at int32, end byte, depth int) error {
	d.pos++
	if d.space() == end {
		d.pos++
		return nil
	}
	var last int32
	for {
		var name string
		if end == '}' {
			if d.space() != '"' {
				return errJSON
			}
			s, err := d.str()
			if err != nil {
				return err
			}
			if err := d.take(':'); err != nil {
				return err
			}
			name = s
		}
		child, err := d.value(name, depth-1)
		if err != nil {
			return err
		}
		if last == 0 {
			d.nodes[at].first = child
		} else {
			d.nodes[last].next = child
		}
		last = child
		switch d.space() {
		case ',':
			d.pos++
		case end:
			d.pos++
			return nil
		default:
			return errJSON
		}
	}
}

func (d *doc) literal(s string) error {
	if !strings.HasPrefix(d.in[d.pos:], s) {
		return errJSON
	}
	d.pos += len(s)
	return nil
}

// digits reads a number as it is written.
func (d *doc) digits() (string, error) {
	start := d.pos
	run := func() bool {
		from := d.pos
		for d.pos < len(d.in) && isDigit(d.in[d.pos]) {
			d.pos++
		}
		return d.pos > from
	}
	next := func(c byte) bool {
		if d.pos < len(d.in) && d.in[d.pos] == c {
			d.pos++
			return true
		}
		return false
	}
	next('-')
	if zero := next('0'); !zero && !run() {
		return "", errJSON
	}
	if next('.') && !run() {
		return "", errJSON
	}
	if next('e') || next('E') {
		_ = next('+') || next('-')
		if !run() {
			return "", errJSON
		}
	}
	return d.in[start:d.pos], nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// str reads a string. It is a part of the input unless it holds escapes.
func (d *doc) str() (string, error) {
	d.pos++
	start := d.pos
	for d.pos < len(d.in) {
		switch c := d.in[d.pos]; {
		case c == '"':
			d.pos++
			return d.in[start : d.pos-1], nil
		case c == '\\':
			return d.escaped(start)
		case c < ' ':
			return "", errJSON
		default:
			d.pos++
		}
	}
	return "", errJSON
}

// escaped reads the rest of a string, which began at start, from its first escape.
func (d *doc) escaped(start int) (string, error) {
	out := append(make([]byte, 0, 2*(d.pos-start)+32), d.in[start:d.pos]...)
	for d.pos < len(d.in) {
		switch c := d.in[d.pos]; {
		case c == '"':
			d.pos++
			return string(out), nil
		case c == '\\':
			r, size := standin.Unescape(d.in[d.pos:])
			if size == 0 || utf16.IsSurrogate(r) { // half a pair
				return "", errJSON
			}
			out = utf8.AppendRune(out, r)
			d.pos += size
		case c < ' ':
			return "", errJSON
		default:
			out = append(out, c)
			d.pos++
		}
	}
	return "", errJSON
}

// ref is a value of a document. The zero ref stands for a member that is not
// there or is null.
type ref struct {
	doc *doc
	at  int32
}

func (r ref) node() *node { return &r.doc.nodes[r.at] }

func (r ref) absent() bool { return r.doc == nil }

func (r ref) kind() kindOf { return r.node().kind }

// get finds a member, or the zero ref. Of members of one name the last counts.
func (r ref) get(name string) ref {
	var found ref
	for m := range r.each {
		if n := m.node(); n.name == name {
			found = m
		}
	}
	if found.doc != nil && found.kind() == jsonNull {
		return ref{}
	}
	return found
}

// byName orders members.
func byName(a, b ref) int { return strings.Compare(a.node().name, b.node().name) }

// each goes through the elements or members.
func (r ref) each(yield func(ref) bool) {
	if r.doc == nil {
		return
	}
	for i := r.node().first; i != 0; i = r.doc.nodes[i].next {
		if !yield(ref{r.doc, i}) {
			return
		}
	}
}

// count is the number of elements or members.
func (r ref) count() int {
	n := 0
	for range r.each {
		n++
	}
	return n
}
