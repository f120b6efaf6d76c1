package destination

import (
	"path"
	"strings"
	"unicode/utf8"
)

// FileName is the path below the base of a file that stands for an object: its
// key, where every store takes that, and otherwise what [Name] makes of keys, less
// the mark. room is how many bytes are to be left for what is added to the last
// element.
func FileName(key string, room int) string {
	if isFileName(key, room) {
		return key
	}
	folders, file := path.Split(escape(key))
	return shortenFolders(folders) + shorten(file, maxElement-room)
}

func isFileName(key string, room int) bool {
	if checkName(key) != nil || hidden(key) || !utf8.ValidString(key) || len(key) > maxFolders {
		return false
	}
	for i := range len(key) {
		if c := key[i]; c < ' ' || c == 0x7f || c == '\\' {
			return false
		}
	}
	for element := range strings.SplitSeq(key, "/") {
		if len(element) > maxElement-room {
			return false
		}
	}
	return true
}
