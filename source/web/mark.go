package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/unspool-go/unspool/source"
)

// marks are what an answer tells of an object: enough to know it again.
type marks struct {
	object source.Object
	// ifRange is a validator that stands for these very bytes, as it is written
	// in If-Range, or empty.
	ifRange string
}

// marksOf reads the header of an answer. size is that of the whole object, or
// -1.
//
// A weak ETag is a version as good as any: Apache calls the ETag of a file weak
// in the second in which it was modified, and later strong.
func marksOf(key string, h http.Header, size int64) marks {
	m := marks{object: source.Object{Key: key, Size: size}}
	if etag := first(h, "Etag"); etag != "" {
		opaque, weak := strings.CutPrefix(etag, "W/")
		if len(opaque) > 2 && opaque[0] == '"' && strings.IndexByte(opaque[1:], '"') == len(opaque)-2 {
			m.object.Version = opaque[1 : len(opaque)-1]
			if !weak {
				m.ifRange = etag
			}
		}
	}
	modified := first(h, "Last-Modified")
	m.object.ModTime = parseTime(modified)
	if m.ifRange == "" && m.object.Version == "" && strongTime(m.object.ModTime, parseTime(first(h, "Date"))) {
		m.ifRange = modified
	}
	return m
}

// strongTime reports whether a time of modification stands for one content: RFC
// 9110, section 8.8.2.2, asks that the answer be at least a second younger, for
// else the object may have been modified once more in that second.
func strongTime(modified, date time.Time) bool {
	return !modified.IsZero() && !date.IsZero() && date.Sub(modified) >= time.Second
}

// first is h.Get for a name in canonical form.
func first(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// parseTime parses a date of HTTP, or returns the zero time.
func parseTime(s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	t, err := http.ParseTime(s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// contentRange is the header of a 206: the bytes from first to last, both
// included, of total, which is -1 where the server does not say.
type contentRange struct{ first, last, total int64 }

// parseRange parses "bytes first-last/total".
func parseRange(s string) (contentRange, bool) {
	rest, ok := strings.CutPrefix(s, "bytes ")
	span, total, ok2 := strings.Cut(rest, "/")
	from, to, ok3 := strings.Cut(span, "-")
	if !ok || !ok2 || !ok3 {
		return contentRange{}, false
	}
	r := contentRange{first: parseSize(from), last: parseSize(to), total: -1}
	if total != "*" {
		if r.total = parseSize(total); r.total <= r.last {
			return contentRange{}, false
		}
	}
	return r, r.first >= 0 && r.last >= r.first
}

// parseSize parses digits, and nothing else. It returns -1 for anything else.
func parseSize[T string | []byte](s T) int64 {
	if len(s) == 0 || len(s) > 18 {
		return -1
	}
	n := int64(0)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return -1
		}
		n = 10*n + int64(s[i]-'0')
	}
	return n
}

// rangeHeader is the header Range for the bytes from off up to end, or to the
// end of the object if end is negative.
func rangeHeader(off, end int64) string {
	b := strconv.AppendInt([]byte("bytes="), off, 10)
	b = append(b, '-')
	if end >= 0 {
		b = strconv.AppendInt(b, end-1, 10)
	}
	return string(b)
}
