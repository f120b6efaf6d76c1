package source

import (
	"errors"
	"fmt"
	"strings"
)

// specialInPath are the bytes that mean something in a gjson path, so that a
// member name that holds one has to escape it.
const specialInPath = "*?|#@!{}[]()<>=%\"'`"

// parseRecordsPath takes a gjson path of plain member names apart.
func parseRecordsPath(path string) ([]string, error) {
	var names []string
	var name strings.Builder
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '\\':
			if i++; i == len(path) {
				return nil, errors.New("nothing follows the last backslash")
			}
			name.WriteByte(path[i])
		case c == '.':
			if name.Len() == 0 {
				return nil, errors.New("a member name is empty")
			}
			names = append(names, name.String())
			name.Reset()
		case strings.IndexByte(specialInPath, c) >= 0:
			return nil, fmt.Errorf("%q is not supported here: only member names joined by dots are (escape it by a backslash if it is part of a name)", c)
		default:
			name.WriteByte(c)
		}
	}
	if name.Len() == 0 {
		return nil, errors.New("a member name is empty")
	}
	return append(names, name.String()), nil
}
