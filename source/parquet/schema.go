package parquet

import (
	"errors"
	"fmt"
	"slices"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"github.com/unspool-go/unspool/internal/decoder"
)

// kind is what a node of a schema becomes.
type kind uint8

const (
	isLeaf  kind = iota
	isGroup      // an object
	isList       // an array of the elements of items
	isMap        // an object of the two children of items
)

// node is a node of the schema.
type node struct {
	name     []byte // of the member, as it is written: "id":
	path     string // for errors
	kind     kind
	optional bool
	repeated bool // by itself, not as the part of a list
	def, rep int  // its levels
	children []*node
	items    *node // of a list or map: what is repeated
	element  *node // of a list: what is shown of each of items
	first    int   // its leaves are columns first … last-1
	last     int
	element0 *format.SchemaElement
	leaf     leaf
}

const maxDepth = 64

var (
	errSchema = errors.New("schema is not what it should be")
	errDeep   = fmt.Errorf("schema nests deeper than %d levels", maxDepth)
)

// parser makes a tree of the list of elements that a schema is stored as.
type parser struct {
	elements []format.SchemaElement
	cfg      *Config
	leaves   []*node
}

// parseSchema returns the root of the schema, and its leaves.
func parseSchema(elements []format.SchemaElement, cfg *Config) (*node, []*node, error) {
	p := parser{elements: elements, cfg: cfg}
	if len(elements) == 0 {
		return nil, nil, errSchema
	}
	p.elements[0].RepetitionType.Reset() // some writers say that the root is repeated
	root, err := p.node(&node{}, 0)
	switch {
	case err != nil:
		return nil, nil, err
	case len(p.elements) > 0, root.kind == isLeaf:
		return nil, nil, errSchema
	}
	root.kind = isGroup
	return root, p.leaves, nil
}

func (p *parser) node(parent *node, depth int) (*node, error) {
	switch {
	case depth > maxDepth:
		return nil, errDeep
	case len(p.elements) == 0:
		return nil, errSchema
	}
	e := &p.elements[0]
	p.elements = p.elements[1:]
	n := &node{path: e.Name, def: parent.def, rep: parent.rep, first: len(p.leaves), element0: e}
	if depth > 1 {
		n.path = parent.path + "." + e.Name
	}
	name := decoder.AppendValid(nil, []byte(e.Name))
	n.name = append(decoder.AppendString(nil, name), ':')
	switch repetition, _ := e.RepetitionType.Get(); {
	case !e.RepetitionType.Valid || repetition == format.Required:
	case repetition == format.Optional:
		n.optional = true
		n.def++
	case repetition == format.Repeated:
		n.repeated = true
		n.def++
		n.rep++
	default:
		return nil, errSchema
	}
	children, _ := e.NumChildren.Get()
	if e.Type.Valid && children == 0 {
		n.last = n.first + 1
		p.leaves = append(p.leaves, n)
		var err error
		n.leaf, err = newLeaf(e, p.cfg)
		return n, err
	}
	if children <= 0 && depth > 0 || int(children) > len(p.elements) || children < 0 {
		return nil, errSchema
	}
	n.kind = isGroup
	for range children {
		c, err := p.node(n, depth+1)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(n.children, func(other *node) bool { return string(other.name) == string(c.name) }) {
			return nil, fmt.Errorf("column %q is there twice", c.path)
		}
		n.children = append(n.children, c)
	}
	n.last = len(p.leaves)
	n.annotate()
	return n, nil
}

// annotate makes a list or a map of a group that is marked as one. What a list
// looks like has changed over time:
// https://github.com/apache/parquet-format/blob/master/LogicalTypes.md#nested-types
func (n *node) annotate() {
	list := converted(n.element0, deprecated.List) || logical[*format.ListType](n.element0)
	mapping := converted(n.element0, deprecated.Map) || converted(n.element0, deprecated.MapKeyValue) || logical[*format.MapType](n.element0)
	if !list && !mapping || len(n.children) != 1 || !n.children[0].repeated {
		return
	}
	items := n.children[0]
	if mapping && items.kind == isGroup && len(items.children) == 2 && items.children[0].leaf.text() && !items.children[0].optional {
		n.kind, n.items = isMap, items
		items.repeated = false
		return
	}
	n.kind, n.items, n.element = isList, items, items
	items.repeated = false
	name := items.element0.Name
	if list && items.kind == isGroup && len(items.children) == 1 && !items.children[0].repeated && name != "array" && name != n.element0.Name+"_tuple" {
		n.element = items.children[0]
	}
}

func converted(e *format.SchemaElement, want deprecated.ConvertedType) bool {
	have, ok := e.ConvertedType.Get()
	return ok && have == want
}

// logical reports whether an element has a logical type.
func logical[T format.LogicalTypeValue](e *format.SchemaElement) bool {
	_, ok := e.LogicalType.Value.(T)
	return ok
}

// choose leaves the wanted ones of the root's children.
func (n *node) choose(names []string) error {
	if len(names) == 0 {
		return nil
	}
	for _, name := range names {
		if !slices.ContainsFunc(n.children, func(c *node) bool { return c.element0.Name == name }) {
			return fmt.Errorf("there is no column %q", name)
		}
	}
	n.children = slices.DeleteFunc(n.children, func(c *node) bool { return !slices.Contains(names, c.element0.Name) })
	return nil
}
