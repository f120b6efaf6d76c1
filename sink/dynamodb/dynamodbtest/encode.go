package dynamodbtest

import (
	"encoding/base64"
	"strconv"
)

// safe holds the characters that stand in JSON strings as they are.
var safe = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return t
}()

// appendString appends s, which is valid UTF-8, as a JSON string.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if safe[c] {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(b, s[start:]...), '"')
}

// appendName appends the name of a member, after a comma unless it is the first.
func appendName(b []byte, name string) []byte {
	if last := b[len(b)-1]; last != '{' && last != '[' {
		b = append(b, ',')
	}
	return append(appendString(b, name), ':')
}

// appendJSON appends the attributes as DynamoDB writes them.
func (a attrs) appendJSON(b []byte) []byte {
	b = append(b, '{')
	for i := range a {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, a[i].name), ':')
		b = a[i].value.appendJSON(b)
	}
	return append(b, '}')
}

func (v *value) appendJSON(b []byte) []byte {
	b = append(append(append(b, `{"`...), kinds[v.kind]...), `":`...)
	switch v.kind {
	case kindBool:
		b = strconv.AppendBool(b, v.truth)
	case kindNull:
		b = append(b, "true"...)
	case kindM:
		b = v.attrs.appendJSON(b)
	case kindL:
		b = append(b, '[')
		for i := range v.elems {
			if i > 0 {
				b = append(b, ',')
			}
			b = v.elems[i].appendJSON(b)
		}
		b = append(b, ']')
	case kindSS, kindNS, kindBS:
		b = append(b, '[')
		for i := range v.elems {
			if i > 0 {
				b = append(b, ',')
			}
			b = v.elems[i].appendText(b)
		}
		b = append(b, ']')
	default:
		b = v.appendText(b)
	}
	return append(b, '}')
}

// appendText appends what stands inside an S, N or B.
func (v *value) appendText(b []byte) []byte {
	if v.kind == kindB {
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, []byte(v.text))
		return append(b, '"')
	}
	return appendString(b, v.text)
}
