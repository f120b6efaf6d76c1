package dynamodbtest

import (
	"slices"
	"strconv"
	"strings"
)

// step is one step into a document: a member's name, or an index of a list.
type step struct {
	name    string
	index   int
	isIndex bool
}

func (s step) String() string {
	if s.isIndex {
		return "[" + strconv.Itoa(s.index) + "]"
	}
	return s.name
}

// path leads to an attribute, or into it. Its first step is a name.
type path []step

// String is the path as DynamoDB's messages show it: [a, [0], b].
func (p path) String() string {
	names := make([]string, len(p))
	for i, s := range p {
		names[i] = s.String()
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// eval finds what the path leads to.
func (p path) eval(a attrs) (value, bool) {
	v, ok := a.get(p[0].name)
	for _, s := range p[1:] {
		if !ok {
			return value{}, false
		}
		v, ok = s.from(v)
	}
	return v, ok
}

// from takes the step from a value.
func (s step) from(v value) (value, bool) {
	switch {
	case s.isIndex && v.kind == kindL && s.index < len(v.elems):
		return v.elems[s.index], true
	case !s.isIndex && v.kind == kindM:
		return v.attrs.get(s.name)
	}
	return value{}, false
}

// clash says how two paths of one expression get into each other's way.
type clash int

const (
	noClash  clash = iota
	overlap        // one leads to, or into, what the other leads to
	conflict       // one takes for a map what the other takes for a list
)

func (p path) clash(q path) clash {
	n := min(len(p), len(q))
	for i := range n {
		if p[i] != q[i] {
			if p[i].isIndex != q[i].isIndex {
				return conflict
			}
			return noClash
		}
	}
	return overlap
}

// checkPaths finds paths that cannot be in one expression.
func checkPaths(expression string, paths []path) *apiError {
	for i, q := range paths {
		for _, p := range paths[:i] {
			switch p.clash(q) {
			case overlap:
				return invalid("Invalid %s: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", expression, p, q)
			case conflict:
				return invalid("Invalid %s: Two document paths conflict with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", expression, p, q)
			case noClash:
			}
		}
	}
	return nil
}

// scalarKeys refuses paths that lead into key attributes.
func (s *schema) scalarKeys(paths []path) *apiError {
	for _, p := range paths {
		if len(p) > 1 && s.is(p[0].name) {
			return invalid("Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: %s", p[0].name)
		}
	}
	return nil
}

// project returns the parts of an item that paths lead to, in maps and lists as
// they stand in the item. Lists close up.
func project(a attrs, paths []path) attrs {
	var out attrs
	for i := range a {
		var rest []path
		for _, p := range paths {
			if p[0].name == a[i].name {
				rest = append(rest, p[1:])
			}
		}
		if v, ok := a[i].value.project(rest); ok {
			out = append(out, attr{a[i].name, v})
		}
	}
	return out
}

// project returns the parts of a value that paths lead to; an empty path is all
// of it.
func (v value) project(paths []path) (value, bool) {
	if len(paths) == 0 {
		return value{}, false
	}
	if slices.ContainsFunc(paths, func(p path) bool { return len(p) == 0 }) {
		return v, true
	}
	out := value{kind: v.kind}
	switch v.kind {
	case kindM:
		out.attrs = project(v.attrs, slices.DeleteFunc(paths, func(p path) bool { return p[0].isIndex }))
	case kindL:
		for i := range v.elems {
			var rest []path
			for _, p := range paths {
				if p[0].isIndex && p[0].index == i {
					rest = append(rest, p[1:])
				}
			}
			if e, ok := v.elems[i].project(rest); ok {
				out.elems = append(out.elems, e)
			}
		}
	default:
		return value{}, false
	}
	return out, len(out.attrs)+len(out.elems) > 0
}
