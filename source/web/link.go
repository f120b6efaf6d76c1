package web

import "bytes"

// link is where a link of a listing leads: one level down, or elsewhere.
type link struct {
	name   []byte // of a file or folder of the listed folder; nil for elsewhere
	folder bool
}

// follow says where href leads, from a page of the folder whose unescaped path
// on the server is page. Anything else than a file or folder right in it is
// elsewhere: sort links (a query), the parent, other hosts and schemes. What
// looks like an entry and cannot be one is errBadName. The name is appended to
// buf[:0].
func follow(href []byte, page string, buf []byte) (link, error) {
	if bytes.ContainsAny(href, "?#") {
		return link{}, nil
	}
	rest := bytes.TrimPrefix(href, []byte("./"))
	if len(rest) == len(href) && hasScheme(rest) {
		return link{}, nil
	}
	if bytes.IndexByte(rest, '\\') >= 0 {
		return link{}, nil // which browsers take for a slash; in a name it is escaped
	}
	if len(href) > 0 && href[0] == '/' {
		var ok bool
		if rest, ok = below(rest, page); !ok {
			return link{}, nil
		}
	}
	raw, folder := bytes.CutSuffix(rest, []byte("/"))
	if len(raw) == 0 || bytes.IndexByte(raw, '/') >= 0 {
		return link{}, nil
	}
	name, ok := appendUnescaped(buf[:0], raw)
	switch {
	case ok && (string(name) == "." || string(name) == ".."):
		return link{}, nil
	case !ok || !plainName(name):
		return link{}, errBadName
	}
	return link{name: name, folder: folder}, nil
}

// below cuts the folder's path off an absolute one, of whatever spelling.
func below(href []byte, page string) ([]byte, bool) {
	for i := range len(page) {
		switch {
		case len(href) == 0:
			return nil, false
		case href[0] == '%':
			if len(href) < 3 || page[i] == '/' || unhex(href[1]) > 15 || unhex(href[2]) > 15 || unhex(href[1])<<4|unhex(href[2]) != page[i] {
				return nil, false
			}
			href = href[3:]
		case href[0] == page[i]:
			href = href[1:]
		default:
			return nil, false
		}
	}
	return href, true
}

// hasScheme reports whether a link begins with the scheme of a URL. A name with
// a colon in it is linked to as "./a:b" or "a%3Ab".
func hasScheme(href []byte) bool {
	for i, c := range href {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case i > 0 && ('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.'):
		default:
			return c == ':' && i > 0
		}
	}
	return false
}
