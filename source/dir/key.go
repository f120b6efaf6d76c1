package dir

import (
	"errors"
	"strings"
)

var errBadKey = errors.New("not a path below the directory")

// checkKey reports whether key is a path that a listing could have given: each
// file has but one key, and that never leads out.
func checkKey(key string) error {
	for rest, more := key, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, "/")
		if name == "" || name == "." || name == ".." {
			return errBadKey
		}
	}
	if strings.IndexByte(key, 0) >= 0 {
		return errBadKey
	}
	return nil
}
