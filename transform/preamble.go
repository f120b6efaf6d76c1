package transform

import (
	"bytes"
	"context"
	"unicode/utf8"

	"github.com/unspool-go/unspool/internal/jsonscan"
	"github.com/unspool-go/unspool/source"
)

// StripPreamble takes off what stands before the JSON, at the start of an
// object ([source.Preamble]) or of one record ([Transform]; a record without
// JSON is dropped). The preamble is any sequence of
//
//   - a byte order mark, at the very start;
//   - white space and blank lines;
//   - lines that start with //, #, -- or ;
//   - comments /* … */ and <!-- … -->, over any number of lines;
//   - guards against script inclusion: )]}', or )]}' or while(1); or for(;;);
//   - lines of free text, if JSON follows them.
//
// Lines may be indented, and end with LF, CR or CRLF. Behind a comment or
// guard the same line may go on with the JSON. Brackets, braces and quotes in
// comments and free text mean nothing.
//
// Nothing is lost silently: what might be data is left for the splitter, to be
// a record or corrupt. So a line that starts with one of { [ " } ] , : is never
// free text, nor is a line of nothing but numbers, true, false and null; text
// must be UTF-8, and neither text nor comments may hold control characters; a
// comment without its end is no comment; and free text that no JSON follows is
// left, with all behind it. An object of nothing but comments and white space
// is preamble to its end.
type StripPreamble struct{}

var (
	_ Transform       = StripPreamble{}
	_ source.Preamble = StripPreamble{}
	_ Preambler       = StripPreamble{}
	_ EmitsJSON       = StripPreamble{}
)

// Preamble returns s itself.
func (s StripPreamble) Preamble() source.Preamble { return s }

// EmitsJSON reports true: valid JSON has no preamble.
func (s StripPreamble) EmitsJSON() bool { return true }

// Apply implements [Transform].
func (s StripPreamble) Apply(_ context.Context, rec source.Record, out *Output) error {
	rest := rec.Data
	if !rec.Valid {
		n, _ := s.Skip(rec.Data, true)
		rest = trimSpace(rec.Data[n:])
	}
	if len(rest) > 0 {
		out.Emit(rest)
	}
	return nil
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// guards are what servers put before JSON so that it is no script. The longer
// of two with the same start comes first.
var guards = [][]byte{[]byte(")]}',"), []byte(")]}'"), []byte("while(1);"), []byte("for(;;);")}

// lineComments start a comment that goes to the end of the line.
var lineComments = [][]byte{[]byte("//"), []byte("#"), []byte("--"), []byte(";")}

// blockComments are starts and ends of comments that may span lines.
var blockComments = [][2][]byte{
	{[]byte("/*"), []byte("*/")},
	{[]byte("<!--"), []byte("-->")},
}

// Skip implements [source.Preamble]. Its time is linear in len(data).
func (s StripPreamble) Skip(data []byte, atEOF bool) (n int, ok bool) {
	i := 0
	switch {
	case bytes.HasPrefix(data, byteOrderMark):
		i = len(byteOrderMark)
	case len(data) < len(byteOrderMark) && bytes.HasPrefix(byteOrderMark, data) && !atEOF:
		return 0, false
	}
	text := -1 // where the first line of free text begins
	for {
		item, end := next(data, i, atEOF)
		switch item {
		case itemComment:
			i = end
			continue
		case itemText:
			if text < 0 {
				text = i
			}
			i = end
			continue
		case itemMore:
			return 0, false
		case itemValue:
			return jsonscan.SkipSpace(data, i), true
		}
		// Neither preamble nor JSON, or the end.
		if text >= 0 {
			i = text
		}
		return jsonscan.SkipSpace(data, i), true
	}
}

// item is a part of a preamble, or what ends it.
type item uint8

const (
	itemMore    item = iota // data ends before it can be told
	itemComment             // a comment or guard
	itemText                // a line of free text
	itemValue               // JSON, valid or not
	itemOther               // none of these, or nothing
)

// next tells what stands at data[i], white space before it included, and where
// it ends if that is a comment or text.
func next(data []byte, i int, atEOF bool) (item, int) {
	i = jsonscan.SkipSpace(data, i)
	rest := data[i:]
	unknown := itemMore // what to say where data ends too soon
	if atEOF {
		unknown = itemOther
	}
	switch {
	case len(rest) == 0:
		return unknown, i
	case opensValue(rest[0]):
		return itemValue, i
	case bytes.IndexByte([]byte("}],:"), rest[0]) >= 0:
		return itemOther, i
	}
	for _, c := range blockComments {
		if bytes.HasPrefix(rest, c[0]) {
			n := bytes.Index(rest[len(c[0]):], c[1])
			if n < 0 {
				return unknown, i
			}
			end := i + len(c[0]) + n + len(c[1])
			if !printable(data[i:end]) {
				return itemOther, i
			}
			return itemComment, end
		}
	}
	for _, g := range guards {
		switch {
		case !bytes.HasPrefix(rest, g):
		case len(rest) == len(g) && !atEOF:
			return itemMore, i
		default:
			return itemComment, i + len(g)
		}
	}
	line := rest
	if n := bytes.IndexAny(rest, "\r\n"); n >= 0 {
		line = rest[:n]
	} else if !atEOF {
		return itemMore, i
	}
	switch {
	case !printable(line):
		return itemOther, i
	case isLineComment(line):
		return itemComment, i + len(line)
	case scalars(line):
		return itemValue, i
	case !utf8.Valid(line):
		return itemOther, i
	}
	return itemText, i + len(line)
}

// opensValue reports whether a line that starts with c is JSON at once,
// whatever follows.
func opensValue(c byte) bool { return c == '{' || c == '[' || c == '"' }

func isLineComment(line []byte) bool {
	for _, c := range lineComments {
		if bytes.HasPrefix(line, c) {
			return true
		}
	}
	return false
}

// scalars reports whether line is nothing but JSON scalars and white space.
func scalars(line []byte) bool {
	for i := 0; i < len(line); {
		end, err := jsonscan.Value(line, i, 0)
		if err != nil || end < len(line) && !jsonscan.IsSpace(line[end]) {
			return false
		}
		i = jsonscan.SkipSpace(line, end)
	}
	return true
}

// printable reports whether text holds no control characters but white space:
// those of binary data.
func printable(text []byte) bool {
	for _, c := range text {
		if c < ' ' && !('\t' <= c && c <= '\r') || c == 0x7f {
			return false
		}
	}
	return true
}
