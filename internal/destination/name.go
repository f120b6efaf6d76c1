package destination

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// partExt ends every part's name. A part holds envelopes, whatever format
	// or compression the object has, so it must not end like the object.
	partExt = ".ndjson"

	// maxElement is the longest file or folder name, in bytes, that common
	// file systems take.
	maxElement = 255
	// maxFolders bounds the folders of a name. With the file name, and some
	// room for the base, it stays below S3's 1,024 bytes per key and macOS's
	// 1,024 per path.
	maxFolders = 512
	// maxAttempt is the highest attempt that is written: nine digits.
	maxAttempt = 999_999_999
	// cutMark starts the hash that stands for what was cut off. A key's own %
	// is always written as %25, so no other name holds it.
	cutMark = "%~"
	cutLen  = len(cutMark) + 32
)

var (
	// counter is a retry counter at the end of a stem: two or more digits, as
	// cloudless writes it, and few enough for an int.
	counter = regexp.MustCompile(`-retry([0-9]{2,9})$`)
	// mark is the unique mark at the end of a part's stem.
	mark = regexp.MustCompile(`~[0-9a-f]{16,64}$`)
	// extension is what may count as one: a dot and a few letters or digits.
	// "v1.2-retry03" has none.
	extension = regexp.MustCompile(`\.[A-Za-z0-9]{1,16}$`)
	// compression is an extension that says nothing of the content, so that the
	// one before it belongs to the extension too.
	compression = regexp.MustCompile(`(?i)\.(gz|gzip|zst|zstd|bz2|xz|lz4|br|z)$`)
)

// Name is the path below the base of a part: <key>[-retryNN]~<unique>.ndjson,
// without the counter at attempt 0. unique is 16 to 64 hex digits in lower
// case. [ParseName] is its inverse.
//
// Whatever the key holds, the name is a valid relative path in valid UTF-8
// without hidden elements. Bytes that are unsafe in a file name or a URL (and
// the percent sign) are written as %XX. Over-long elements, and folders beyond
// 512 bytes, are cut and end in %~ and a hash of all that was there: the same
// key always gives the same name, two keys never do.
func Name(key string, attempt int, unique string) string {
	folders, stem := path.Split(escape(key))
	suffix := "~" + unique + partExt
	if attempt > 0 {
		suffix = fmt.Sprintf("-retry%02d", min(attempt, maxAttempt)) + suffix
	} else if loc := counter.FindStringIndex(stem); loc != nil {
		// The key's own "-retry01" is part of its name, not a count of ours.
		stem = stem[:loc[0]] + "%2D" + stem[loc[0]+1:]
	}
	return shortenFolders(folders) + shorten(stem, maxElement-len(suffix)) + suffix
}

// ParseName takes a part's name apart: the object's key and the attempt, 0
// without a counter. The counter counts only at the end of the file name's
// stem, never in a folder or elsewhere in the name.
//
// It takes any other object's name too, such as numbers-retry01.txt as
// cloudless writes it (numbers.txt, 1). A name that is nothing but a counter,
// with or without an extension, is just a name.
func ParseName(name string) (key string, attempt int) {
	if stem, ok := strings.CutSuffix(name, partExt); ok {
		if loc := mark.FindStringIndex(stem); loc != nil {
			stem, attempt = cutCounter(stem[:loc[0]])
			return unescape(stem), attempt
		}
	}
	folders, file := path.Split(name)
	stem, ext := splitExt(file)
	base, attempt := cutCounter(stem)
	if base == "" {
		return name, 0
	}
	return folders + base + ext, attempt
}

// IsPart reports whether a name is that of a part, as [Name] makes them: with
// their mark and extension.
func IsPart(name string) bool {
	stem, ok := strings.CutSuffix(name, partExt)
	return ok && mark.MatchString(stem)
}

// cutCounter takes a counter off the end of a stem.
func cutCounter(stem string) (string, int) {
	m := counter.FindStringSubmatch(stem)
	if m == nil {
		return stem, 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return stem, 0
	}
	return stem[:len(stem)-len(m[0])], n
}

// splitExt splits a file name before its extension: .json.gz is one.
func splitExt(file string) (stem, ext string) {
	stem = compression.ReplaceAllString(file, "")
	stem = extension.ReplaceAllString(stem, "")
	if stem == "" {
		return file, ""
	}
	return stem, file[len(stem):]
}

// checkName refuses names that no List gave.
func checkName(name string) error {
	if !fs.ValidPath(name) || name == "." {
		return errors.New("not a path below the base")
	}
	return nil
}

const hexDigits = "0123456789ABCDEF"

// escape makes a valid relative path of any key, reversibly: of the slashes
// only those that separate two elements stay, no element starts with a dot, and
// what is unsafe in file names or URLs is written as %XX.
func escape(key string) string {
	var b strings.Builder
	start := true // of an element
	for i := 0; i < len(key); {
		c := key[i]
		r, size := utf8.DecodeRuneInString(key[i:])
		switch {
		case c == '/':
			separator := !start && i+1 < len(key) && key[i+1] != '/'
			start = separator
			if separator {
				b.WriteByte('/')
			} else {
				b.WriteString("%2F")
			}
		case r == utf8.RuneError && size == 1,
			c < ' ', c == 0x7f,
			strings.IndexByte(`%\:*?"<>|#`, c) >= 0,
			c == '.' && start:
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
			start = false
		default:
			b.WriteString(key[i : i+size])
			start = false
		}
		i += size
	}
	return b.String()
}

// unescape is the inverse of escape. What is no escape stays.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				b = append(b, c[0])
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

// shortenFolders shortens each folder of a path that ends in a slash, or is
// empty, and puts one hash in place of the folders that are too many.
func shortenFolders(folders string) string {
	var b strings.Builder
	for folder := range strings.SplitAfterSeq(folders, "/") {
		name, slash := strings.CutSuffix(folder, "/")
		b.WriteString(shorten(name, maxElement))
		if slash {
			b.WriteByte('/')
		}
	}
	if b.Len() <= maxFolders {
		return b.String()
	}
	kept := b.String()[:maxFolders-cutLen-1]
	kept = kept[:strings.LastIndexByte(kept, '/')+1]
	return kept + cutMark + digest(folders) + "/"
}

// shorten cuts an escaped element to at most limit bytes.
func shorten(element string, limit int) string {
	if len(element) <= limit {
		return element
	}
	n := limit - cutLen
	for n > 0 && !utf8.RuneStart(element[n]) {
		n--
	}
	return element[:n] + cutMark + digest(element)
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}
