package transform

import (
	"errors"
	"strings"
)

// part is one component of a plain path. What it selects depends on what it is
// applied to, as in gjson: the member called key of an object, or, in an
// array, the element number index, or, with each set, all elements.
type part struct {
	key   string
	index int  // -1 if none
	each  bool // the part is "#"
}

// maxIndexDigits keeps index well inside an int.
const maxIndexDigits = 9

// plainPath splits a gjson path of nothing but member names, element numbers
// and "#". ok is false if there is anything else in it, or anything that gjson
// reads in one way in front of an object and in another in front of an array:
// such paths are left to gjson itself.
func plainPath(path string) (parts []part, ok bool) {
	for rest, more := path, true; more; {
		var raw, key string
		if raw, key, rest, more, ok = cutPart(rest); !ok {
			return nil, false
		}
		p := part{key: key, index: -1, each: raw == "#"}
		if strings.Trim(raw, "0123456789") == "" {
			if len(raw) > maxIndexDigits {
				return nil, false
			}
			p.index = 0
			for _, c := range []byte(raw) {
				p.index = p.index*10 + int(c-'0')
			}
		}
		parts = append(parts, p)
	}
	return parts, true
}

// cutPart cuts the first part off path: as it stands, and as the name it
// means. more is set if a dot follows.
func cutPart(path string) (raw, key, rest string, more, ok bool) {
	if path == "" || strings.IndexByte(".@!{[", path[0]) >= 0 {
		return "", "", "", false, false
	}
	var name strings.Builder
	i := 0
	for ; i < len(path) && path[i] != '.'; i++ {
		switch path[i] {
		case '|', '*', '?':
			return "", "", "", false, false
		case '\\':
			// In front of an array gjson sees no escapes: an escaped dot or
			// pipe ends the part, and then means what it usually means.
			i++
			if i == len(path) || path[i] == '|' || path[i] == '#' || isAlphanumeric(path[i]) {
				return "", "", "", false, false
			}
			if path[i] == '.' && i+1 < len(path) && strings.IndexByte("@!{[", path[i+1]) >= 0 {
				return "", "", "", false, false
			}
		}
		name.WriteByte(path[i])
	}
	raw, key = path[:i], name.String()
	if raw[0] == '#' && len(raw) > 1 {
		return "", "", "", false, false
	}
	if i < len(path) {
		rest, more = path[i+1:], true
	}
	return raw, key, rest, more, true
}

func isAlphanumeric(c byte) bool {
	return c-'0' <= 9 || c|0x20-'a' <= 25
}

// scanPath calls visit with the index of each byte of path that stands outside
// of brackets and quoted strings and is not escaped, until visit returns
// false. It fails if a bracket or quote has no partner.
//
// Quotes count inside of brackets and behind "!" or ":" only, where gjson has
// values; elsewhere they are part of a name.
func scanPath(path string, visit func(i int) bool) error {
	var open []byte
	for i := 0; i < len(path); i++ {
		c := path[i]
		switch {
		case c == '\\':
			i++
		case c == '"' && (len(open) > 0 || i > 0 && (path[i-1] == ':' || path[i-1] == '!')):
			for i++; i < len(path) && path[i] != '"'; i++ {
				if path[i] == '\\' {
					i++
				}
			}
			if i >= len(path) {
				return errors.New("a quote without its partner")
			}
		case c == '(' || c == '[' || c == '{':
			open = append(open, c)
		case c == ')' || c == ']' || c == '}':
			if len(open) == 0 || c-open[len(open)-1] > 2 {
				return errors.New("a bracket without its partner")
			}
			open = open[:len(open)-1]
		case len(open) == 0:
			if !visit(i) {
				return nil
			}
		}
	}
	if len(open) > 0 {
		return errors.New("a bracket without its partner")
	}
	return nil
}
