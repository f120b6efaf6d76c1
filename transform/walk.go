package transform

import (
	"bytes"
	"slices"
	"strconv"
	"sync"

	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/internal/jsonscan"
)

// node is a place in the paths of a projection: all paths with a common start
// share the nodes of that start.
type node struct {
	part
	fields []int // that end here
	under  []int // that end here or further on
	// nodes are what follows: in an object, all of them; in an array, those with
	// an index, and the one that is "#".
	nodes    []*node
	elements []*node
	hash     *node
	tree     *jsonscan.Tree // of nodes
}

func newNode(p part) *node { return &node{part: p} }

// add adds a path to field below n.
func (p *Projection) add(n *node, parts []part, field int) {
	n.under = append(n.under, field)
	if len(parts) == 0 {
		n.fields = append(n.fields, field)
		n.tree.Whole = true
		return
	}
	i := slices.IndexFunc(n.nodes, func(m *node) bool { return m.key == parts[0].key })
	if i < 0 {
		m := newNode(parts[0])
		i = len(n.nodes)
		n.nodes = append(n.nodes, m)
		m.tree = n.tree.Add(m.key, len(p.nodes))
		p.nodes = append(p.nodes, m)
		if m.index >= 0 {
			n.elements = append(n.elements, m)
		}
		if m.each {
			n.hash = m
		}
	}
	p.add(n.nodes[i], parts[1:], field)
}

// walkThrough has the scanner itself walk through arrays below n, where all that
// is wanted of them are members of their elements.
func (n *node) walkThrough() {
	if h := n.hash; h != nil && len(n.elements) == 0 && len(h.fields) == 0 && len(h.elements) == 0 && h.hash == nil {
		n.tree.Each = h.tree
	}
	for _, m := range n.nodes {
		m.walkThrough()
	}
}

// piece is a piece of a value that is put together: the array that a path
// with "#" gives. The pieces of one value are a list, for those of several
// fields come mixed.
type piece struct {
	kind       pieceKind
	start, end int // of the record
	next       int // index of the next piece, 0 if none
}

type pieceKind uint8

const (
	pieceRaw    pieceKind = iota // data[start:end]
	pieceNumber                  // the number start
	pieceOpen                    // [
	pieceClose                   // ]
)

// found is what a walk found of a field: a value that stands in the record,
// data[start:end], or one put together.
type found struct {
	done        bool
	start, end  int
	first, last int // of its pieces, 0 if there are none
}

// walk is one pass over a record. It does as gjson does, which goes down the
// document in reading order and takes the first place where a path matches to
// its end: a member that matches only the start of a path is left again, and
// a later one of the same name tried.
type walk struct {
	data   []byte
	nodes  []*node // by the IDs of their trees
	fields []found
	pieces []piece // the first is not used
	// badUTF8 is set where the record is not valid UTF-8.
	badUTF8 bool
	// exotic is set where the pass does not know what gjson would do. The
	// record is then validated all the same, and searched by gjson.
	exotic bool
	mended []byte // room for a record made valid UTF-8
}

// maxPieces is a number of pieces whose memory is not worth keeping.
const maxPieces = 1 << 14

var walks = sync.Pool{New: func() any { return new(walk) }}

// free gives w back. What it appended elsewhere stays valid.
func (w *walk) free() {
	w.data, w.nodes = nil, nil
	if cap(w.mended) > maxScratch {
		w.mended = nil
	}
	if cap(w.pieces) > maxPieces {
		w.pieces = nil
	}
	walks.Put(w)
}

// run validates the value at the start of data and finds the fields of p in
// it, and whether it is valid UTF-8. It returns the value's length, or -1 if it
// is invalid, incomplete or nested too deep: the caller asks jsonscan which.
func (w *walk) run(p *Projection, data []byte, maxDepth int) int {
	w.data, w.nodes, w.badUTF8, w.exotic = data, p.nodes, false, false
	w.fields = slices.Grow(w.fields[:0], len(p.fields))[:len(p.fields)]
	clear(w.fields)
	w.pieces = append(w.pieces[:0], piece{})
	if len(data) == 0 {
		return -1
	}
	if p.root == nil || data[0] != '{' && data[0] != '[' {
		// gjson looks for brackets even in a scalar that is a string.
		w.exotic = true
		return w.skip(0, maxDepth)
	}
	return w.value(0, p.root, maxDepth)
}

// skip validates the value at i and returns its end, or -1.
func (w *walk) skip(i, depth int) int {
	end, validUTF8, err := jsonscan.Text(w.data, i, depth)
	if err != nil {
		return -1
	}
	if !validUTF8 {
		w.badUTF8 = true
	}
	return end
}

// space returns the index of the first byte from i on that is no white space,
// or -1 if there is none.
func (w *walk) space(i int) int {
	if i < len(w.data) && w.data[i] > ' ' {
		return i
	}
	if i = jsonscan.SkipSpace(w.data, i); i == len(w.data) {
		return -1
	}
	return i
}

// value walks the value at i, which n applies to, and returns its end, or -1.
func (w *walk) value(i int, n *node, depth int) (end int) {
	if i >= len(w.data) {
		return -1
	}
	switch c := w.data[i]; {
	case c == '{' && len(n.nodes) > 0:
		end = w.object(i, n, depth)
	case c == '[' && (n.hash != nil || len(n.elements) > 0):
		end = w.array(i, n, depth)
	default:
		end = w.skip(i, depth)
	}
	return end
}

// object walks the object at i.
func (w *walk) object(i int, n *node, depth int) int {
	end, validUTF8, err := jsonscan.Walk(w.data, i, depth, n.tree, w)
	if err != nil {
		return -1
	}
	if !validUTF8 {
		w.badUTF8 = true
	}
	return end
}

// Unescape implements [jsonscan.Walker]. Only gjson knows what it makes of lone
// surrogates.
func (w *walk) Unescape(raw []byte) []byte {
	return []byte(gjson.Parse(`"` + string(raw) + `"`).Str)
}

// Scalar implements [jsonscan.Walker].
func (w *walk) Scalar(t *jsonscan.Tree, start, end int) {
	w.take(w.nodes[t.ID], start, end)
}

// Begin implements [jsonscan.Walker].
func (w *walk) Begin(each *jsonscan.Tree) bool { return w.begin(w.nodes[each.ID]) != nil }

// Element implements [jsonscan.Walker].
func (w *walk) Element(each *jsonscan.Tree) { w.again(w.nodes[each.ID]) }

// End implements [jsonscan.Walker].
func (w *walk) End(each *jsonscan.Tree) { w.end(w.nodes[each.ID], 0) }

// Container implements [jsonscan.Walker].
func (w *walk) Container(t *jsonscan.Tree, i, maxDepth int) int {
	n := w.nodes[t.ID]
	end := w.value(i, n, maxDepth)
	if end >= 0 {
		w.take(n, i, end)
	}
	return end
}

// take gives data[start:end] to the fields that end at n and have no value yet.
func (w *walk) take(n *node, start, end int) {
	for _, f := range n.fields {
		switch v := &w.fields[f]; {
		case v.done:
		case v.first == 0:
			v.done, v.start, v.end = true, start, end
		default:
			v.done = true
			w.add(f, piece{kind: pieceRaw, start: start, end: end})
		}
	}
}

// add appends a piece to the value of field f.
func (w *walk) add(f int, p piece) {
	at := len(w.pieces)
	w.pieces = append(w.pieces, p)
	if w.fields[f].first == 0 {
		w.fields[f].first = at
	} else {
		w.pieces[w.fields[f].last].next = at
	}
	w.fields[f].last = at
}

// array walks the array at i.
func (w *walk) array(i int, n *node, depth int) int {
	data := w.data
	if depth == 0 {
		return -1
	}
	each := w.begin(n.hash)
	count := 0
	if i = w.space(i + 1); i < 0 {
		return -1
	}
	for data[i] != ']' {
		if count > 0 {
			if data[i] != ',' {
				return -1
			}
			if i = w.space(i + 1); i < 0 {
				return -1
			}
		}
		start, end := i, -1
		for _, m := range n.elements {
			if m.index == count {
				if end = w.value(start, m, depth-1); end < 0 {
					return -1
				}
				w.take(m, start, end)
			}
		}
		if each != nil {
			end = w.element(start, each, depth-1)
		} else if end < 0 {
			end = w.skip(start, depth-1)
		}
		if end < 0 {
			return -1
		}
		count++
		if i = w.space(end); i < 0 {
			return -1
		}
	}
	w.end(each, count)
	return i + 1
}

// begin starts to collect what the fields at and under n, a "#", take from an
// array. It returns nil if there is nothing to collect.
func (w *walk) begin(n *node) *node {
	if n == nil {
		return nil
	}
	done := 0
	for _, f := range n.under {
		if w.fields[f].done {
			done++
		}
	}
	switch done {
	case 0:
	case len(n.under):
		return nil
	default:
		// A member called "#" gave some of the fields already.
		w.exotic = true
		return nil
	}
	for _, m := range n.nodes {
		for _, f := range m.under {
			w.add(f, piece{kind: pieceOpen})
		}
	}
	return n
}

// element walks one element of an array for the paths behind "#".
func (w *walk) element(i int, n *node, depth int) int {
	end := w.value(i, n, depth)
	if end < 0 {
		return -1
	}
	if w.data[i] == '"' && (n.hash != nil || len(n.elements) > 0) && bytes.IndexByte(w.data[i:end], '[') >= 0 {
		w.exotic = true // gjson looks for an array in the string
	}
	w.again(n)
	return end
}

// again makes ready for the next element: each may give a value.
func (w *walk) again(n *node) {
	for _, m := range n.nodes {
		for _, f := range m.under {
			w.fields[f].done = false
		}
	}
}

// end completes what begin began.
func (w *walk) end(n *node, count int) {
	if n == nil {
		return
	}
	for _, f := range n.fields {
		w.fields[f].done = true
		w.add(f, piece{kind: pieceNumber, start: count})
	}
	for _, m := range n.nodes {
		for _, f := range m.under {
			w.fields[f].done = true
			w.add(f, piece{kind: pieceClose})
		}
	}
}

// appendField appends the value of field f. ok is false if it has none.
func (w *walk) appendField(dst []byte, f int) (_ []byte, ok bool) {
	v := &w.fields[f]
	if !v.done {
		return dst, false
	}
	if v.first == 0 {
		return append(dst, w.data[v.start:v.end]...), true
	}
	comma := false
	for at := v.first; at != 0; at = w.pieces[at].next {
		p := &w.pieces[at]
		if comma && p.kind != pieceClose {
			dst = append(dst, ',')
		}
		switch p.kind {
		case pieceRaw:
			dst = append(dst, w.data[p.start:p.end]...)
		case pieceNumber:
			dst = strconv.AppendInt(dst, int64(p.start), 10)
		case pieceOpen:
			dst = append(dst, '[')
		case pieceClose:
			dst = append(dst, ']')
		}
		comma = p.kind != pieceOpen
	}
	return dst, true
}
