package source

import (
	"errors"
	"fmt"

	"github.com/unspool-go/unspool/internal/jsonscan"
)

// Format says how an object is cut into records.
type Format string

const (
	// FormatAuto takes JSON as it comes: a top-level object (or scalar) is one
	// record, each element of a top-level array is one, and concatenated or
	// newline-delimited values give one each, arrays among them again one per
	// element.
	FormatAuto Format = "auto"
	// FormatLines takes each line as a record, less the white space around it.
	// Blank lines are separators. A last line without a newline counts.
	FormatLines Format = "lines"
	// FormatWhole takes the object, less preamble and surrounding white space,
	// as one record.
	FormatWhole Format = "whole"
)

// Preamble finds the end of what stands before the first value of an object.
// Implementations hold no state between calls and are safe for concurrent use.
// transform.StripPreamble is the usual one.
type Preamble interface {
	// Skip looks at data, the start of the object's decoded stream, and
	// returns how many bytes of it are preamble. ok is false when data ends
	// before that can be told and atEOF is false: the caller calls again with
	// more data from the same start. With atEOF, ok is always true. Once ok, the
	// answer is the same however much more data is offered.
	Skip(data []byte, atEOF bool) (n int, ok bool)
}

// Split configures how objects are cut into records. The zero value is
// [FormatAuto] with the default limits and no preamble.
type Split struct {
	// Format defaults to [FormatAuto].
	Format Format `yaml:"format"`
	// Records is a gjson path to the records inside each value that would be a
	// record without it ("statuses"): if it leads to an array each element is a
	// record, if it leads to another value that is the record, and a value
	// without it gives none. Empty means the values themselves. Only plain
	// member names joined by dots can be streamed, and only such are accepted:
	// "." and other special characters in a name are escaped by a backslash as
	// in gjson. The first member of a name that leads on counts, as in gjson.
	// It is a mistake together with FormatWhole.
	//
	// What surrounds the records may be of any length. It is validated, and
	// counts as separators. If it turns out broken, the whole value is one
	// corrupt record where it is not longer than MaxRecordBytes and the path has
	// not led anywhere yet, and otherwise what remains of it from the fault on.
	Records string `yaml:"records"`
	// Preamble, when not nil, is taken off the start of each object.
	Preamble Preamble `yaml:"-"`
	// Raw turns off JSON validation, for lines and whole objects that are not
	// JSON. Of a raw line only its end is taken off ("\n" or "\r\n"). It is a
	// mistake together with FormatAuto or Records.
	Raw bool `yaml:"raw"`
	// MaxRecordBytes is the longest record; a longer one is corrupt. At most
	// 1 GiB. Defaults to 16 MiB.
	MaxRecordBytes int `yaml:"maxRecordBytes"`
	// MaxPreambleBytes is the longest preamble, with what must be seen to tell
	// its end; an object with a longer one is corrupt as a whole. At most 1 GiB.
	// Defaults to 64 KiB.
	MaxPreambleBytes int `yaml:"maxPreambleBytes"`
	// MaxDepth is how deep arrays and objects may nest; a deeper record is
	// corrupt. At most 1,048,576. Defaults to 10,000, as in encoding/json.
	MaxDepth int `yaml:"maxDepth"`
}

const (
	defaultRecordBytes   = 16 << 20
	defaultPreambleBytes = 64 << 10
	defaultDepth         = 10_000
	maxLimitBytes        = 1 << 30
)

// WithDefaults returns c with the defaults in the place of zeroes.
func (c Split) WithDefaults() Split {
	if c.Format == "" {
		c.Format = FormatAuto
	}
	if c.MaxRecordBytes == 0 {
		c.MaxRecordBytes = defaultRecordBytes
	}
	if c.MaxPreambleBytes == 0 {
		c.MaxPreambleBytes = defaultPreambleBytes
	}
	if c.MaxDepth == 0 {
		c.MaxDepth = defaultDepth
	}
	return c
}

// check returns every mistake in c, joined, each naming its field. path is
// Records taken apart.
func (c Split) check() (path []string, err error) {
	var errs []error
	switch c.Format {
	case FormatAuto, FormatLines, FormatWhole:
	default:
		errs = append(errs, fmt.Errorf("Split.Format: %q is none of %q, %q and %q", c.Format, FormatAuto, FormatLines, FormatWhole))
	}
	if c.Records != "" {
		if path, err = parseRecordsPath(c.Records); err != nil {
			errs = append(errs, fmt.Errorf("Split.Records: path %q: %w", c.Records, err))
		}
		if c.Format == FormatWhole {
			errs = append(errs, fmt.Errorf("Split.Records: a path has no meaning with format %q", FormatWhole))
		}
	}
	if c.Raw && c.Format == FormatAuto {
		errs = append(errs, fmt.Errorf("Split.Raw: format %q is JSON always", FormatAuto))
	}
	if c.Raw && c.Records != "" {
		errs = append(errs, errors.New("Split.Raw: the path in Split.Records needs JSON"))
	}
	for _, l := range []struct {
		field      string
		value, max int
	}{
		{"MaxRecordBytes", c.MaxRecordBytes, maxLimitBytes},
		{"MaxPreambleBytes", c.MaxPreambleBytes, maxLimitBytes},
		{"MaxDepth", c.MaxDepth, jsonscan.MaxDepth},
	} {
		if l.value < 0 || l.value > l.max {
			errs = append(errs, fmt.Errorf("Split.%s: %d is not between 0 (the default) and %d", l.field, l.value, l.max))
		}
	}
	return path, errors.Join(errs...)
}

// TokenKind is what a [Splitter] found.
type TokenKind uint8

const (
	// TokenMore means that data ends before the next thing is complete:
	// call Next again with more data (or atEOF). Advance bytes may be let go;
	// if some are, the call may as well come before there is more.
	TokenMore TokenKind = iota
	// TokenRecord is one record: data[Start:End].
	TokenRecord
	// TokenCorrupt is one piece, data[Start:End], of a record that is invalid
	// or over a limit, with the reason in Err. If Continues is set the next
	// token is the next piece of the same corrupt record (its Err is the
	// same); a corrupt record of any length so passes through a bounded
	// buffer. A piece may be empty only if it is the last; a corrupt record that
	// is empty stands for something missing, such as the end of an array.
	TokenCorrupt
	// TokenEnd means that the stream is complete and nothing follows. It is
	// given only with atEOF, and again on every further call.
	TokenEnd
)

// Token is what [Splitter.Next] found at the start of data.
type Token struct {
	Kind TokenKind
	// Start and End delimit the record, or the piece of a corrupt one.
	Start, End int
	// Advance is how many bytes of data are used up; it is at least End. The
	// next call gets data[Advance:], with whatever follows it appended.
	Advance int
	// Preamble is how many bytes at the start of data are preamble. The others
	// used up outside [Start, End) are separators.
	Preamble int
	// Valid says that the record was validated as JSON within MaxDepth (UTF-8
	// is not checked by the splitter).
	Valid bool
	// Continues says that a corrupt record goes on in the next token.
	Continues bool
	// Err is the reason of TokenCorrupt, marked fault.Corrupt. It names the
	// offset in the stream, and holds no payload.
	Err error
}
