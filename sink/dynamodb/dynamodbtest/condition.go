package dynamodbtest

import (
	"slices"
	"strconv"
	"strings"
)

// condition is a condition on an item, or on the lack of one.
type condition interface {
	holds(attrs) bool
}

// condition reads a condition or filter, nil where the request has none, and the
// paths that it looks at.
func (p *placeholders) condition(in ref, expression string) (condition, []path, *apiError) {
	x, err := p.parserOf(in, expression)
	if x == nil || err != nil {
		return nil, nil, err
	}
	c, err := x.or()
	if err != nil {
		return nil, nil, err
	}
	return c, x.paths, x.end()
}

type (
	both    struct{ a, b condition }
	either  struct{ a, b condition }
	negated struct{ c condition }
)

func (c both) holds(a attrs) bool    { return c.a.holds(a) && c.b.holds(a) }
func (c either) holds(a attrs) bool  { return c.a.holds(a) || c.b.holds(a) }
func (c negated) holds(a attrs) bool { return !c.c.holds(a) }

func (p *parser) or() (condition, *apiError) {
	c, err := p.and()
	for err == nil && p.peek().is("OR") {
		p.at++
		if err = p.operator(); err != nil {
			break
		}
		var d condition
		d, err = p.and()
		c = either{c, d}
	}
	return c, err
}

func (p *parser) and() (condition, *apiError) {
	c, err := p.not()
	for err == nil && p.peek().is("AND") {
		p.at++
		if err = p.operator(); err != nil {
			break
		}
		var d condition
		d, err = p.not()
		c = both{c, d}
	}
	return c, err
}

func (p *parser) not() (condition, *apiError) {
	if !p.peek().is("NOT") {
		return p.primary()
	}
	p.at++
	if err := p.operator(); err != nil {
		return nil, err
	}
	if err := p.nest(); err != nil {
		return nil, err
	}
	c, err := p.not()
	p.depth--
	return negated{c}, err
}

// primary reads a comparison, a function or a condition in parentheses.
func (p *parser) primary() (condition, *apiError) {
	if p.peek().sign("(") && !p.comparator(p.closes(p.at)+1) {
		return p.parenthesis()
	}
	if p.peek().kind == tokenName && p.ahead(1).sign("(") && !p.peek().is("size") {
		return p.function()
	}
	x, err := p.operand()
	if err != nil {
		return nil, err
	}
	return p.comparison(x)
}

// comparator reports whether the token at an index compares what stands before it.
func (p *parser) comparator(at int) bool {
	t := p.ahead(at - p.at)
	return t.is("BETWEEN") || t.is("IN") || t.kind == tokenSign && slices.Contains(comparators, t.text)
}

var comparators = []string{"=", "<>", "<", "<=", ">", ">="}

// parenthesis reads a condition in parentheses.
func (p *parser) parenthesis() (condition, *apiError) {
	if err := p.nest(); err != nil {
		return nil, err
	}
	p.at++
	start := p.at
	c, err := p.or()
	if err != nil {
		return nil, err
	}
	p.depth--
	return c, p.close(start)
}

// close reads the parenthesis that closes what began at start. It fails if all
// of it stands in another pair.
func (p *parser) close(start int) *apiError {
	if p.tokens[start].sign("(") && p.closes(start) == p.at-1 {
		return p.fail("The expression has redundant parentheses;")
	}
	return p.expect(")")
}

// closes is the index of the parenthesis that closes the one at index open.
func (p *parser) closes(open int) int {
	depth := 0
	for i := open; i < len(p.tokens); i++ {
		if p.tokens[i].sign("(") {
			depth++
		}
		if p.tokens[i].sign(")") {
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// operand reads what a comparison compares.
func (p *parser) operand() (operand, *apiError) {
	switch t := p.peek(); {
	case t.kind == tokenColon:
		return p.value()
	case t.sign("("):
		if err := p.nest(); err != nil {
			return nil, err
		}
		p.at++
		start := p.at
		x, err := p.operand()
		if err != nil {
			return nil, err
		}
		p.depth--
		return x, p.close(start)
	case t.kind == tokenName && p.ahead(1).sign("("):
		return p.size()
	default:
		return p.path()
	}
}

// size reads size(operand), the only function that is an operand.
func (p *parser) size() (operand, *apiError) {
	name := p.peek().text
	if name != "size" {
		if _, ok := functions[name]; ok {
			return nil, p.misplaced(name)
		}
		return nil, p.fail("Invalid function name; function: %s", name)
	}
	args, err := p.arguments()
	if err != nil {
		return nil, err
	}
	if len(args) != 1 {
		return nil, p.count(name, len(args))
	}
	if k := kindOfOperand(args[0]); k != 0 && !k.sized() {
		return nil, p.operandType(name, k)
	}
	return sizeOf{args[0]}, nil
}

func (p *parser) misplaced(function string) *apiError {
	return p.fail("The function is not allowed to be used this way in an expression; function: %s", function)
}

// kindOfOperand is the type of an operand, 0 where it depends on the item.
func kindOfOperand(x operand) kind {
	switch x := x.(type) {
	case constant:
		return x.is.kind
	case sizeOf:
		return kindN
	}
	return 0
}

// arguments reads a function's name and its operands.
func (p *parser) arguments() ([]operand, *apiError) {
	p.at += 2
	if err := p.operator(); err != nil {
		return nil, err
	}
	if err := p.nest(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	var args []operand
	for {
		x, err := p.operand()
		if err != nil {
			return nil, err
		}
		args = append(args, x)
		if !p.take(",") {
			return args, p.expect(")")
		}
	}
}

func (p *parser) count(operator string, n int) *apiError {
	return p.fail("Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", operator, n)
}

func (p *parser) operandType(operator string, k kind) *apiError {
	return p.fail("Incorrect operand type for operator or function; operator or function: %s, operand type: %s", operator, k)
}

func (p *parser) distinct(operator string, first operand, rest ...operand) *apiError {
	if slices.ContainsFunc(rest, func(x operand) bool { return samePath(first, x) }) {
		return p.fail("The first operand must be distinct from the remaining operands for this operator or function; operator: %s", operator)
	}
	return nil
}

// sizeOf is size(operand).
type sizeOf struct{ of operand }

func (s sizeOf) eval(a attrs) (value, bool) {
	v, ok := s.of.eval(a)
	if !ok || !v.kind.sized() {
		return value{}, false
	}
	return value{kind: kindN, text: strconv.Itoa(v.length())}, true
}

// sized reports whether size() takes values of the type.
func (k kind) sized() bool { return k != kindN && k != kindBool && k != kindNull }

// length is the size() of a value: bytes of a binary, characters of a string as
// Java counts them, elements of anything else.
func (v value) length() int {
	switch v.kind {
	case kindB:
		return len(v.text)
	case kindS:
		n := 0
		for _, r := range v.text {
			n++
			if r > 0xFFFF {
				n++
			}
		}
		return n
	case kindM:
		return len(v.attrs)
	default:
		return len(v.elems)
	}
}

// compared is x operator y.
type compared struct {
	operator string
	x, y     operand
}

func (c compared) holds(a attrs) bool {
	x, ok := c.x.eval(a)
	y, also := c.y.eval(a)
	switch {
	case c.operator == "=":
		return ok && also && x.equal(y)
	case c.operator == "<>":
		return !ok || !also || !x.equal(y)
	case !ok || !also || x.kind != y.kind || !x.kind.scalar():
		return false
	}
	n := x.compare(y)
	switch c.operator {
	case "<":
		return n < 0
	case "<=":
		return n <= 0
	case ">":
		return n > 0
	default:
		return n >= 0
	}
}

// within is x BETWEEN low AND high.
type within struct{ x, low, high operand }

func (c within) holds(a attrs) bool {
	return compared{">=", c.x, c.low}.holds(a) && compared{"<=", c.x, c.high}.holds(a)
}

// oneOf is x IN (...).
type oneOf struct {
	x    operand
	list []operand
}

func (c oneOf) holds(a attrs) bool {
	return slices.ContainsFunc(c.list, func(y operand) bool { return compared{"=", c.x, y}.holds(a) })
}

// comparison reads what stands after the first operand of a comparison.
func (p *parser) comparison(x operand) (condition, *apiError) {
	if err := p.operator(); err != nil {
		return nil, err
	}
	switch t := p.peek(); {
	case t.is("BETWEEN"):
		p.at++
		return p.between(x)
	case t.is("IN"):
		p.at++
		return p.in(x)
	case t.kind == tokenSign && slices.Contains(comparators, t.text):
		p.at++
		y, err := p.operand()
		if err != nil {
			return nil, err
		}
		if err := p.distinct(t.text, x, y); err != nil {
			return nil, err
		}
		if t.text != "=" && t.text != "<>" {
			if err := p.ordered(t.text, x, y); err != nil {
				return nil, err
			}
		}
		return compared{t.text, x, y}, nil
	default:
		return nil, p.syntax()
	}
}

// ordered refuses constants that have no order.
func (p *parser) ordered(operator string, operands ...operand) *apiError {
	for _, x := range operands {
		if k := kindOfOperand(x); k != 0 && !k.scalar() {
			return p.operandType(operator, k)
		}
	}
	return nil
}

func (p *parser) between(x operand) (condition, *apiError) {
	low, err := p.operand()
	if err != nil {
		return nil, err
	}
	if !p.peek().is("AND") {
		return nil, p.syntax()
	}
	p.at++
	high, err := p.operand()
	if err != nil {
		return nil, err
	}
	if err := p.distinct("BETWEEN", x, low, high); err != nil {
		return nil, err
	}
	if err := p.ordered("BETWEEN", x, low, high); err != nil {
		return nil, err
	}
	a, isA := low.(constant)
	b, isB := high.(constant)
	if isA && isB {
		if a.is.kind != b.is.kind {
			return nil, p.fail("The BETWEEN operator requires same data type for lower and upper bounds")
		}
		if a.is.compare(b.is) > 0 {
			return nil, p.fail("The BETWEEN operator requires upper bound to be greater than or equal to lower bound")
		}
	}
	return within{x, low, high}, nil
}

func (p *parser) in(x operand) (condition, *apiError) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var list []operand
	for {
		y, err := p.operand()
		if err != nil {
			return nil, err
		}
		list = append(list, y)
		if !p.take(",") {
			break
		}
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	if len(list) > maxOperands {
		return nil, p.count("IN", len(list)+1)
	}
	return oneOf{x, list}, p.distinct("IN", x, list...)
}

// function is a condition that is written as a function.
type function struct {
	operands int
	make     func(p *parser, name string, args []operand) (condition, *apiError)
}

// functions of conditions. size is none: it is an operand.
var functions = map[string]function{
	"attribute_exists":     {1, onPath(func(x path) condition { return exists{x} })},
	"attribute_not_exists": {1, onPath(func(x path) condition { return negated{exists{x}} })},
	"attribute_type":       {2, typeCondition},
	"begins_with":          {2, prefixCondition},
	"contains":             {2, containsCondition},
	"if_not_exists":        {},
	"list_append":          {},
}

// function reads a condition that is a function.
func (p *parser) function() (condition, *apiError) {
	name := p.peek().text
	f, ok := functions[name]
	switch {
	case !ok:
		return nil, p.fail("Invalid function name; function: %s", name)
	case f.make == nil:
		return nil, p.fail("The function is not allowed in a condition expression; function: %s", name)
	}
	args, err := p.arguments()
	if err != nil {
		return nil, err
	}
	if len(args) != f.operands {
		return nil, p.count(name, len(args))
	}
	return f.make(p, name, args)
}

// onPath makes a function that takes a path.
func onPath(make func(path) condition) func(*parser, string, []operand) (condition, *apiError) {
	return func(p *parser, name string, args []operand) (condition, *apiError) {
		x, ok := args[0].(path)
		if !ok {
			return nil, p.fail("Operator or function requires a document path; operator or function: %s", name)
		}
		return make(x), nil
	}
}

type exists struct{ path path }

func (c exists) holds(a attrs) bool {
	_, ok := c.path.eval(a)
	return ok
}

// hasType is attribute_type(x, type).
type hasType struct {
	x    operand
	kind kind
}

func (c hasType) holds(a attrs) bool {
	v, ok := c.x.eval(a)
	return ok && v.kind == c.kind
}

func typeCondition(p *parser, name string, args []operand) (condition, *apiError) {
	c, ok := args[1].(constant)
	if !ok {
		return nil, p.fail("Incorrect operand type for operator or function; operator or function: %s, operand type: path", name)
	}
	if c.is.kind != kindS {
		return nil, p.operandType(name, c.is.kind)
	}
	k := kindNamed(c.is.text)
	if k == 0 {
		return nil, p.fail("Invalid attribute type name found; type: %s, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}", c.is.text)
	}
	return hasType{args[0], k}, nil
}

// begins is begins_with(x, prefix).
type begins struct{ x, prefix operand }

func (c begins) holds(a attrs) bool {
	v, ok := c.x.eval(a)
	w, also := c.prefix.eval(a)
	return ok && also && v.kind == w.kind && (v.kind == kindS || v.kind == kindB) && strings.HasPrefix(v.text, w.text)
}

func prefixCondition(p *parser, name string, args []operand) (condition, *apiError) {
	for _, x := range args {
		if k := kindOfOperand(x); k != 0 && k != kindS && k != kindB {
			return nil, p.operandType(name, k)
		}
	}
	return begins{args[0], args[1]}, p.distinct(name, args[0], args[1])
}

// has is contains(x, part).
type has struct{ x, part operand }

func (c has) holds(a attrs) bool {
	v, ok := c.x.eval(a)
	w, also := c.part.eval(a)
	switch {
	case !ok || !also:
		return false
	case v.kind == kindS || v.kind == kindB:
		return v.kind == w.kind && strings.Contains(v.text, w.text)
	case v.kind == kindL || v.kind.isSet():
		return slices.ContainsFunc(v.elems, w.equal)
	}
	return false
}

func containsCondition(p *parser, name string, args []operand) (condition, *apiError) {
	return has{args[0], args[1]}, p.distinct(name, args[0], args[1])
}
