package dynamodbtest

import (
	"maps"
	"slices"
	"strings"
)

// maxExpression is how long an expression may be.
const maxExpression = 4096

// placeholders are the #names and :values of a request, and which of them its
// expressions have used.
type placeholders struct {
	names  map[string]string
	values map[string]value
	used   map[string]bool
	any    bool // expression was parsed
}

// decodePlaceholders reads ExpressionAttributeNames and -Values.
func decodePlaceholders(in ref) (*placeholders, *apiError) {
	p := &placeholders{used: map[string]bool{}}
	names, err := in.object("ExpressionAttributeNames")
	if err != nil {
		return nil, err
	}
	values, err := in.object("ExpressionAttributeValues")
	if err != nil {
		return nil, err
	}
	if !names.absent() {
		p.names = map[string]string{}
		for m := range names.each {
			n := m.node()
			switch {
			case n.kind != jsonString:
				return nil, malformed()
			case n.name == "" || n.name[0] != '#' || len(n.name) == 1 || wordLen(n.name[1:]) != len(n.name)-1:
				return nil, invalid(`ExpressionAttributeNames contains invalid key: Syntax error; key: "%s"`, n.name)
			case n.text == "":
				return nil, invalid("ExpressionAttributeNames contains invalid value: The expression attribute name must not be empty; key: %s", n.name)
			}
			p.names[n.name] = n.text
		}
		if len(p.names) == 0 {
			return nil, invalid("ExpressionAttributeNames must not be empty")
		}
	}
	if !values.absent() {
		p.values = map[string]value{}
		for m := range values.each {
			name := m.node().name
			if name == "" || name[0] != ':' || len(name) == 1 || wordLen(name[1:]) != len(name)-1 {
				return nil, invalid(`ExpressionAttributeValues contains invalid key: Syntax error; key: "%s"`, name)
			}
			var v value
			if err := decodeValue(m, &v); err != nil {
				if err.code == "ValidationException" {
					err.message = "ExpressionAttributeValues contains invalid value: " + err.message + " for key " + name
				}
				return nil, err
			}
			p.values[name] = v
		}
		if len(p.values) == 0 {
			return nil, invalid("ExpressionAttributeValues must not be empty")
		}
	}
	return p, nil
}

// done finds what no expression has used.
func (p *placeholders) done() *apiError {
	switch {
	case p.names != nil && !p.any:
		return invalid("ExpressionAttributeNames can only be specified when using expressions")
	case p.values != nil && !p.any:
		return invalid("ExpressionAttributeValues can only be specified when using expressions")
	}
	unused := func(keys []string) string {
		return strings.Join(slices.DeleteFunc(keys, func(k string) bool { return p.used[k] }), ", ")
	}
	if s := unused(slices.Sorted(maps.Keys(p.names))); s != "" {
		return invalid("Value provided in ExpressionAttributeNames unused in expressions: keys: {%s}", s)
	}
	if s := unused(slices.Sorted(maps.Keys(p.values))); s != "" {
		return invalid("Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}", s)
	}
	return nil
}
