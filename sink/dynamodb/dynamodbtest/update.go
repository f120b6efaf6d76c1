package dynamodbtest

import (
	"slices"
	"strings"
)

// update is a parsed UpdateExpression.
type update struct {
	sets    []assignment // SET
	removes []path       // REMOVE
	adds    []amount     // ADD
	deletes []amount     // DELETE
}

// assignment is path = operand.
type assignment struct {
	path path
	what term
}

// amount is path and constant.
type amount struct {
	path path
	by   constant
}

// term is what SET sets something to.
type term interface {
	value(attrs) (value, *apiError)
}

// paths are all that the update changes.
func (u *update) paths() []path {
	var out []path
	for _, s := range u.sets {
		out = append(out, s.path)
	}
	out = append(out, u.removes...)
	for _, a := range slices.Concat(u.adds, u.deletes) {
		out = append(out, a.path)
	}
	return out
}

// update reads an UpdateExpression, nil where the request has none.
func (p *placeholders) update(in ref, s *schema) (*update, *apiError) {
	x, err := p.parserOf(in, "UpdateExpression")
	if x == nil || err != nil {
		return nil, err
	}
	u := &update{}
	seen := map[string]bool{}
	for x.peek().kind != tokenEnd {
		section := strings.ToUpper(x.peek().text)
		read, ok := sections[section]
		if !ok || x.peek().kind != tokenName {
			return nil, x.syntax()
		}
		if seen[section] {
			return nil, x.fail(`The "%s" section can only be used once in an update expression;`, section)
		}
		seen[section] = true
		x.at++
		for {
			if err := x.operator(); err != nil {
				return nil, err
			}
			if err := read(x, u); err != nil {
				return nil, err
			}
			if !x.take(",") {
				break
			}
		}
	}
	paths := u.paths()
	if err := checkPaths("UpdateExpression", paths); err != nil {
		return nil, err
	}
	for _, p := range paths {
		if s.is(p[0].name) {
			err := parameter("Cannot update attribute %s. This attribute is part of the key", p[0].name)
			err.reason = true
			return nil, err
		}
	}
	return u, s.scalarKeys(x.paths)
}

// sections reads one action of each section.
var sections = map[string]func(*parser, *update) *apiError{
	"SET": func(p *parser, u *update) *apiError {
		to, err := p.path()
		if err != nil {
			return err
		}
		if err := p.expect("="); err != nil {
			return err
		}
		what, err := p.sum()
		u.sets = append(u.sets, assignment{to, what})
		return err
	},
	"REMOVE": func(p *parser, u *update) *apiError {
		x, err := p.path()
		u.removes = append(u.removes, x)
		return err
	},
	"ADD": func(p *parser, u *update) *apiError {
		a, err := p.amount("ADD", func(k kind) bool { return k == kindN || k.isSet() })
		u.adds = append(u.adds, a)
		return err
	},
	"DELETE": func(p *parser, u *update) *apiError {
		a, err := p.amount("DELETE", kind.isSet)
		u.deletes = append(u.deletes, a)
		return err
	},
}

// amount reads what ADD and DELETE take.
func (p *parser) amount(section string, takes func(kind) bool) (amount, *apiError) {
	x, err := p.path()
	if err != nil {
		return amount{}, err
	}
	if p.peek().kind != tokenColon {
		return amount{}, p.syntax()
	}
	by, err := p.value()
	if err != nil {
		return amount{}, err
	}
	if !takes(by.is.kind) {
		return amount{}, p.fail("Incorrect operand type for operator or function; operator: %s, operand type: %s", section, by.is.kind)
	}
	return amount{x, by}, nil
}

// sum reads what SET sets something to: a term, or two with a plus or minus, or
// all that in parentheses.
func (p *parser) sum() (term, *apiError) {
	if p.peek().sign("(") && !p.plusOrMinus(p.closes(p.at)+1) {
		return p.bracketed((*parser).sum)
	}
	a, err := p.term()
	if err != nil || !p.plusOrMinus(p.at) {
		return a, err
	}
	op := p.next()
	if err := p.operator(); err != nil {
		return nil, err
	}
	b, err := p.term()
	if err != nil {
		return nil, err
	}
	for _, x := range []term{a, b} {
		switch x := x.(type) {
		case given:
			if x.is.kind != kindN {
				return nil, p.operandType(op.text, x.is.kind)
			}
		case joined:
			return nil, p.misplaced("list_append")
		}
	}
	return total{a, b, op.text == "-"}, nil
}

func (p *parser) plusOrMinus(at int) bool {
	t := p.ahead(at - p.at)
	return t.sign("+") || t.sign("-")
}

// term reads a value, a path or a function, perhaps in parentheses.
func (p *parser) term() (term, *apiError) {
	switch t := p.peek(); {
	case t.kind == tokenColon:
		c, err := p.value()
		return given{c}, err
	case t.sign("("):
		return p.bracketed((*parser).term)
	case t.kind == tokenName && p.ahead(1).sign("("):
		return p.setFunction()
	default:
		x, err := p.path()
		return found{x}, err
	}
}

// bracketed reads something in parentheses.
func (p *parser) bracketed(read func(*parser) (term, *apiError)) (term, *apiError) {
	if err := p.nest(); err != nil {
		return nil, err
	}
	p.at++
	start := p.at
	x, err := read(p)
	if err != nil {
		return nil, err
	}
	p.depth--
	return x, p.close(start)
}

// setFunction reads if_not_exists(path, term) or list_append(term, term).
func (p *parser) setFunction() (term, *apiError) {
	name := p.next().text
	p.at++
	if _, ok := functions[name]; !ok && name != "size" {
		return nil, p.fail("Invalid function name; function: %s", name)
	}
	if name != "if_not_exists" && name != "list_append" {
		return nil, p.fail("The function is not allowed in an update expression; function: %s", name)
	}
	args, err := p.terms()
	if err != nil {
		return nil, err
	}
	if len(args) != 2 {
		return nil, p.count(name, len(args))
	}
	for _, x := range args {
		if _, ok := x.(joined); ok {
			return nil, p.misplaced("list_append")
		}
	}
	if name == "if_not_exists" {
		x, ok := args[0].(found)
		if !ok {
			return nil, p.fail("Operator or function requires a document path; operator or function: %s", name)
		}
		return fallback{x.path, args[1]}, nil
	}
	for _, x := range args {
		if c, ok := x.(given); ok && c.is.kind != kindL {
			return nil, p.operandType(name, c.is.kind)
		}
	}
	return joined{args[0], args[1]}, nil
}

// terms reads the operands of a function of SET, and the parenthesis after them.
func (p *parser) terms() ([]term, *apiError) {
	if err := p.operator(); err != nil {
		return nil, err
	}
	if err := p.nest(); err != nil {
		return nil, err
	}
	var args []term
	for {
		x, err := p.term()
		if err != nil {
			return nil, err
		}
		args = append(args, x)
		if !p.take(",") {
			break
		}
	}
	p.depth--
	return args, p.expect(")")
}

// given is the value of a placeholder.
type given struct{ constant }

func (t given) value(attrs) (value, *apiError) { return t.is, nil }

// found is the value that a path leads to.
type found struct{ path path }

func (t found) value(a attrs) (value, *apiError) {
	v, ok := t.path.eval(a)
	if !ok {
		return value{}, invalid("The provided expression refers to an attribute that does not exist in the item")
	}
	return v, nil
}

// fallback is if_not_exists(path, otherwise).
type fallback struct {
	path      path
	otherwise term
}

func (t fallback) value(a attrs) (value, *apiError) {
	if v, ok := t.path.eval(a); ok {
		return v, nil
	}
	return t.otherwise.value(a)
}

func wrongOperand() *apiError {
	return invalid("An operand in the update expression has an incorrect data type")
}

// joined is list_append(a, b).
type joined struct{ a, b term }

func (t joined) value(a attrs) (value, *apiError) {
	v, w, err := evalBoth(a, t.a, t.b)
	if err != nil {
		return value{}, err
	}
	if v.kind != kindL || w.kind != kindL {
		return value{}, wrongOperand()
	}
	return value{kind: kindL, elems: slices.Concat(v.elems, w.elems)}, nil
}

// total is a + b, or a - b.
type total struct {
	a, b  term
	minus bool
}

func (t total) value(a attrs) (value, *apiError) {
	v, w, err := evalBoth(a, t.a, t.b)
	if err != nil {
		return value{}, err
	}
	if v.kind != kindN || w.kind != kindN {
		return value{}, wrongOperand()
	}
	n, err := add(v.text, w.text, t.minus)
	return value{kind: kindN, text: n}, err
}

func evalBoth(a attrs, x, y term) (v, w value, err *apiError) {
	if v, err = x.value(a); err == nil {
		w, err = y.value(a)
	}
	return v, w, err
}
