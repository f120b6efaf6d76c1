package dynamodbtest

import (
	"slices"
	"strconv"
	"strings"
)

// Limits of expressions.
const (
	maxOperators = 300
	maxOperands  = 100 // of IN
	maxExprDepth = 150 // of parentheses and NOT, so that no input exhausts the stack
	maxPathDepth = 32
	maxListIndex = 1 << 30
)

// parser reads one expression of a request.
type parser struct {
	*placeholders
	expression string // its name, for messages
	tokens     []token
	paths      []path // that were read
	at         int
	operators  int
	depth      int
}

// parserOf returns a parser of an expression in a member of the request, nil where
// there is none.
func (p *placeholders) parserOf(in ref, expression string) (*parser, *apiError) {
	if in.get(expression).absent() {
		return nil, nil
	}
	text, err := in.text(expression)
	if err != nil {
		return nil, err
	}
	x := &parser{placeholders: p, expression: expression}
	if strings.TrimSpace(text) == "" {
		return nil, x.fail("The expression can not be empty;")
	}
	if len(text) > maxExpression {
		return nil, x.fail("Expression size has exceeded the maximum allowed size; expression size: %d", len(text))
	}
	p.any = true
	var bad string
	x.tokens, bad = lex(text)
	if bad != "" {
		return nil, x.fail(`Syntax error; token: "%s", near: "%s"`, bad, bad)
	}
	return x, nil
}

func (p *parser) fail(format string, args ...any) *apiError {
	return invalid("Invalid "+p.expression+": "+format, args...)
}

// syntax is the error of a token that does not belong where it stands.
func (p *parser) syntax() *apiError {
	t := p.peek()
	if t.kind == tokenEnd {
		t.text = "<EOF>"
	}
	near := t.text
	if p.at > 0 && p.at <= len(p.tokens) {
		near = p.tokens[p.at-1].text
	}
	return p.fail(`Syntax error; token: "%s", near: "%s"`, t.text, near)
}

func (p *parser) peek() token { return p.ahead(0) }

func (p *parser) ahead(n int) token {
	if p.at+n < len(p.tokens) {
		return p.tokens[p.at+n]
	}
	return token{}
}

func (p *parser) next() token {
	t := p.peek()
	p.at++
	return t
}

// take consumes a sign, if it is the next token.
func (p *parser) take(sign string) bool {
	if p.peek().sign(sign) {
		p.at++
		return true
	}
	return false
}

// expect consumes a sign that must be there.
func (p *parser) expect(sign string) *apiError {
	if !p.take(sign) {
		return p.syntax()
	}
	return nil
}

// end checks that nothing is left.
func (p *parser) end() *apiError {
	if p.at < len(p.tokens) {
		return p.syntax()
	}
	return nil
}

// operator counts an operator or function.
func (p *parser) operator() *apiError {
	if p.operators++; p.operators > maxOperators {
		return p.fail("The expression contains too many operators; maximum allowed: %d", maxOperators)
	}
	return nil
}

// nest enters a parenthesis; the caller leaves it by lowering depth.
func (p *parser) nest() *apiError {
	if p.depth++; p.depth > maxExprDepth {
		return p.fail("The expression is nested too deeply")
	}
	return nil
}

// path reads a document path.
func (p *parser) path() (path, *apiError) {
	first, err := p.element()
	if err != nil {
		return nil, err
	}
	out := path{first}
	for {
		switch {
		case p.take("."):
			s, err := p.element()
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		case p.take("["):
			t := p.peek()
			if t.kind != tokenIndex {
				return nil, p.syntax()
			}
			n, e := strconv.Atoi(t.text)
			if e != nil || n > maxListIndex {
				return nil, p.fail("List index is not within the allowable range; index: [%s]", t.text)
			}
			p.at++
			if err := p.expect("]"); err != nil {
				return nil, err
			}
			out = append(out, step{index: n, isIndex: true})
		default:
			if len(out) > maxPathDepth {
				return nil, p.fail("The document path has too many nesting elements; nesting levels: %d", len(out))
			}
			p.paths = append(p.paths, out)
			return out, nil
		}
	}
}

// element reads a name of a path, or the placeholder of one.
func (p *parser) element() (step, *apiError) {
	switch t := p.peek(); t.kind {
	case tokenName:
		if reserved[strings.ToUpper(t.text)] {
			return step{}, p.fail("Attribute name is a reserved keyword; reserved keyword: %s", t.text)
		}
		p.at++
		return step{name: t.text}, nil
	case tokenHash:
		name, ok := p.names[t.text]
		if !ok {
			return step{}, p.fail("An expression attribute name used in the document path is not defined; attribute name: %s", t.text)
		}
		p.used[t.text] = true
		p.at++
		return step{name: name}, nil
	default:
		return step{}, p.syntax()
	}
}

// value reads the placeholder of a value, which is the next token.
func (p *parser) value() (constant, *apiError) {
	t := p.next()
	v, ok := p.values[t.text]
	if !ok {
		return constant{}, p.fail("An expression attribute value used in expression is not defined; attribute value: %s", t.text)
	}
	p.used[t.text] = true
	return constant{v}, nil
}

// operand is what an operator or function takes. eval finds its value in an item;
// it reports false where there is none.
type operand interface {
	eval(attrs) (value, bool)
}

// constant is the value of a placeholder.
type constant struct{ is value }

func (c constant) eval(attrs) (value, bool) { return c.is, true }

// samePath reports whether two operands are one path.
func samePath(a, b operand) bool {
	p, ok := a.(path)
	q, also := b.(path)
	return ok && also && slices.Equal(p, q)
}
