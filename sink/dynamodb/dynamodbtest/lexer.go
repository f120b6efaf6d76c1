package dynamodbtest

import (
	"strings"
	"unicode/utf8"
)

// tokenKind is what an expression is made of.
type tokenKind int

const (
	tokenEnd   tokenKind = iota
	tokenName            // an attribute, keyword or function
	tokenHash            // #name
	tokenColon           // :value
	tokenIndex           // digits
	tokenSign            // operators, brackets, commas and dots
)

// token is one of the parts of an expression, as it is written.
type token struct {
	kind tokenKind
	text string
}

// is reports whether the token is a keyword, which may be in any case.
func (t token) is(keyword string) bool {
	return t.kind == tokenName && strings.EqualFold(t.text, keyword)
}

// sign reports whether the token is an operator or bracket.
func (t token) sign(s string) bool { return t.kind == tokenSign && t.text == s }

// lex cuts an expression into tokens. It returns the text that begins none as bad.
func lex(s string) (tokens []token, bad string) {
	for {
		s = strings.TrimLeft(s, " \t\r\n")
		if s == "" {
			return tokens, ""
		}
		kind, n := tokenSign, 1
		switch c := s[0]; {
		case isLetter(c):
			kind, n = tokenName, wordLen(s)
		case isDigit(c):
			kind, n = tokenIndex, wordLen(s)
			if !allDigits(s[:n]) {
				return tokens, s[:n]
			}
		case c == '#' || c == ':':
			kind, n = tokenHash, 1+wordLen(s[1:])
			if c == ':' {
				kind = tokenColon
			}
			if n == 1 {
				return tokens, s[:1]
			}
		case strings.HasPrefix(s, "<=") || strings.HasPrefix(s, ">=") || strings.HasPrefix(s, "<>"):
			n = 2
		case !strings.ContainsRune("=<>+-()[],.", rune(c)):
			_, n = utf8.DecodeRuneInString(s)
			return tokens, s[:n]
		}
		tokens = append(tokens, token{kind, s[:n]})
		s = s[n:]
	}
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// wordLen is the length of the letters, digits and underscores that s begins
// with.
func wordLen(s string) int {
	n := 0
	for n < len(s) && (isLetter(s[n]) || isDigit(s[n]) || s[n] == '_') {
		n++
	}
	return n
}
