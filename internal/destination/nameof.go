package destination

import (
	"path"
	"strings"
)

// IsNameOf reports whether a part of that name is one of the object's: made by
// [Name] for its key, at whatever attempt. It is exact also where the name was
// shortened.
func IsNameOf(name, key string) bool {
	stem, ok := strings.CutSuffix(path.Base(name), partExt)
	if !ok {
		return false
	}
	loc := mark.FindStringIndex(stem)
	if loc == nil {
		return false
	}
	_, attempt := cutCounter(stem[:loc[0]])
	return Name(key, attempt, stem[loc[0]+1:]) == name
}
