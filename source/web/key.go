package web

import (
	"bytes"
	"errors"
	"strings"
)

var (
	errBadKey  = errors.New("not a path below the directory")
	errBadName = errors.New("not the name of a file")
)

// checkKey reports whether key is a path that a listing could have given: each
// file has but one key, and that never leads out.
func checkKey(key string) error {
	for rest, more := key, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, "/")
		if !plainName(name) {
			return errBadKey
		}
	}
	return nil
}

// maxName is more than any file system takes, in bytes.
const maxName = 4 << 10

// plainName reports whether name, unescaped, is that of one file or folder. A
// backslash is as good as any character, unless the name would lead out on a
// server that takes it for a slash.
func plainName[T string | []byte](name T) bool {
	if len(name) == 0 || len(name) > maxName {
		return false
	}
	dots, element := 0, 0 // of what lies between backslashes
	for i := 0; i <= len(name); i++ {
		if i == len(name) || name[i] == '\\' {
			if element == dots && (dots == 1 || dots == 2) {
				return false
			}
			dots, element = 0, 0
			continue
		}
		switch name[i] {
		case '/', 0:
			return false
		case '.':
			dots++
		}
		element++
	}
	return true
}

const hex = "0123456789ABCDEF"

// appendEscaped appends a path as it stands in a request: all bytes escaped but
// slashes and those that RFC 3986 calls unreserved.
func appendEscaped(dst []byte, path string) []byte {
	for i := range len(path) {
		switch c := path[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~', c == '/':
			dst = append(dst, c)
		default:
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}

// appendUnescaped appends path without its escapes. As in url.PathUnescape, "+"
// is a plus.
func appendUnescaped(dst, path []byte) ([]byte, bool) {
	for {
		i := bytes.IndexByte(path, '%')
		if i < 0 {
			return append(dst, path...), true
		}
		if len(path) < i+3 {
			return dst, false
		}
		high, low := unhex(path[i+1]), unhex(path[i+2])
		if high > 15 || low > 15 {
			return dst, false
		}
		dst = append(append(dst, path[:i]...), high<<4|low)
		path = path[i+3:]
	}
}

// unhex returns the value of a digit, or more than 15.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}
