package dynamodbtest

import "strings"

// keyRange is what a KeyConditionExpression asks for: the items of a partition
// whose key is at least from and below to.
type keyRange struct{ prefix, from, to string }

// keyCondition reads a KeyConditionExpression.
func (p *placeholders) keyCondition(in ref, s *schema) (keyRange, *apiError) {
	c, _, err := p.condition(in, "KeyConditionExpression")
	if err != nil {
		return keyRange{}, err
	}
	if c == nil {
		return keyRange{}, invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	parts := []condition{c}
	if b, ok := c.(both); ok {
		parts = []condition{b.a, b.b}
	}
	var partition, sort condition
	for i := range parts {
		parts[i] = pathFirst(parts[i])
		c := parts[i]
		x, err := keyOperand(c)
		switch {
		case err != nil:
			return keyRange{}, err
		case x == s.partition.name && partition == nil:
			partition = c
		case x == s.sort.name && sort == nil:
			sort = c
		case x == s.partition.name || x == s.sort.name:
			return keyRange{}, invalid("Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key")
		default:
			return keyRange{}, invalid("Query key condition not supported")
		}
	}
	if partition == nil {
		return keyRange{}, invalid("Query condition missed key schema element: %s", s.partition.name)
	}
	eq, ok := partition.(compared)
	if !ok || eq.operator != "=" {
		return keyRange{}, invalid("Query key condition not supported")
	}
	v, _ := eq.y.eval(nil)
	if err := s.partition.matches(v, maxPartitionKey); err != nil {
		return keyRange{}, err
	}
	prefix := string(partitionPrefix(v))
	r := keyRange{prefix, prefix, after(prefix)}
	if sort == nil {
		return r, nil
	}
	return r, r.narrow(sort, s.sort)
}

// pathFirst turns a comparison round whose path comes last.
func pathFirst(c condition) condition {
	x, ok := c.(compared)
	if !ok {
		return c
	}
	if _, ok := x.y.(path); !ok {
		return c
	}
	if turned, ok := map[string]string{"<": ">", "<=": ">=", ">": "<", ">=": "<="}[x.operator]; ok {
		x.operator = turned
	}
	return compared{x.operator, x.y, x.x}
}

// keyOperand is the attribute that a condition on a key is about.
func keyOperand(c condition) (string, *apiError) {
	var x operand
	var rest []operand
	switch c := c.(type) {
	case compared:
		x, rest = c.x, []operand{c.y}
		if c.operator == "<>" {
			return "", invalid("Invalid KeyConditionExpression: Invalid operator used in KeyConditionExpression: <>")
		}
	case within:
		x, rest = c.x, []operand{c.low, c.high}
	case begins:
		x, rest = c.x, []operand{c.prefix}
	case both:
		return "", invalid("Invalid KeyConditionExpression: Conditions can be of length 1 or 2 only")
	default:
		return "", invalid("Invalid KeyConditionExpression: Invalid operator used in KeyConditionExpression")
	}
	p, ok := x.(path)
	if !ok || len(p) != 1 {
		return "", invalid("Invalid KeyConditionExpression: KeyConditionExpressions cannot have conditions on nested attributes")
	}
	for _, y := range rest {
		if _, ok := y.(constant); !ok {
			return "", invalid("Invalid KeyConditionExpression: Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")
		}
	}
	return p[0].name, nil
}

// matches checks a value that is compared with the key attribute.
func (k keyAttr) matches(v value, limit int) *apiError {
	if v.kind != k.kind {
		return parameter("Condition parameter type does not match schema type")
	}
	return k.check(v, limit)
}

// narrow bounds the range by a condition on the sort key.
func (r *keyRange) narrow(c condition, k keyAttr) *apiError {
	bound := func(x operand) (string, *apiError) {
		v, _ := x.eval(nil)
		return r.prefix + string(appendSort(nil, v)), k.matches(v, maxSortKey)
	}
	switch c := c.(type) {
	case within:
		low, err := bound(c.low)
		if err != nil {
			return err
		}
		high, err := bound(c.high)
		r.from, r.to = low, high+"\x00"
		return err
	case begins:
		prefix, err := bound(c.prefix)
		r.from, r.to = prefix, min(after(prefix), r.to)
		return err
	case compared:
		b, err := bound(c.y)
		switch c.operator {
		case "=":
			r.from, r.to = b, b+"\x00"
		case "<":
			r.to = b
		case "<=":
			r.to = b + "\x00"
		case ">":
			r.from = b + "\x00"
		case ">=":
			r.from = b
		}
		return err
	}
	return nil
}

// after is the first key that is above all that begin with prefix. There is none
// where prefix is of the highest bytes alone.
func after(prefix string) string {
	n := len(prefix)
	for n > 0 && prefix[n-1] == 0xFF {
		n--
	}
	if n == 0 {
		return prefix + strings.Repeat("\xff", maxPartitionKey+maxSortKey)
	}
	return prefix[:n-1] + string([]byte{prefix[n-1] + 1})
}
