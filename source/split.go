package source

// Format says how an object is cut into records.
type Format string

const (
	// FormatAuto takes JSON as it comes: a top-level object (or scalar) is one
	// record, each element of a top-level array is one, and concatenated or
	// newline-delimited values give one each, arrays among them again one per
	// element.
	FormatAuto Format = "auto"
	// FormatLines takes each line as a record. Blank lines are separators. A
	// last line without a newline counts.
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
	// more data from the same start. With atEOF, ok is always true.
	Skip(data []byte, atEOF bool) (n int, ok bool)
}

// Split configures how objects are cut into records. The zero value is
// [FormatAuto] with the default limits and no preamble.
type Split struct {
	// Format defaults to [FormatAuto].
	Format Format
	// Records is a gjson path to the records inside each top-level value
	// ("statuses"): if it leads to an array each element is a record, if it
	// leads to another value that is the record, and a value without it gives
	// none. Empty means the values themselves. With FormatLines each line is
	// such a value. Only plain member names joined by dots can be streamed, and
	// only such are accepted: "." and other special characters in a name are
	// escaped by a backslash as in gjson.
	Records string
	// Preamble, when not nil, is taken off the start of each object.
	Preamble Preamble
	// Raw turns off JSON validation, for lines and whole objects that are not
	// JSON. It is a mistake together with FormatAuto or Records.
	Raw bool
	// MaxRecordBytes is the longest record; a longer one is corrupt. Defaults
	// to 16 MiB.
	MaxRecordBytes int
	// MaxPreambleBytes is the longest preamble; an object with a longer one is
	// corrupt. Defaults to 64 KiB.
	MaxPreambleBytes int
	// MaxDepth is how deep arrays and objects may nest; a deeper record is
	// corrupt. Defaults to 10,000, as in encoding/json.
	MaxDepth int
}

// TokenKind is what a [Splitter] found.
type TokenKind uint8

const (
	// TokenMore means that data ends before the next thing is complete:
	// call Next again with more data (or atEOF). Advance bytes may be let go.
	TokenMore TokenKind = iota
	// TokenRecord is one record: data[Start:End].
	TokenRecord
	// TokenCorrupt is one piece, data[Start:End], of a record that is invalid
	// or over a limit, with the reason in Err. If Continues is set the next
	// token is the next piece of the same corrupt record (its Err is the
	// same); a corrupt record of any length so passes through a bounded
	// buffer. A piece may be empty only if it is the last.
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
	// Preamble is how many of the bytes before Start are preamble. The others
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
