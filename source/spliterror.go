package source

import (
	"errors"
	"fmt"

	"github.com/unspool-go/unspool/internal/jsonscan"
	"github.com/unspool-go/unspool/processor/fault"
)

// What is wrong with a record, besides what jsonscan says of its syntax.
var (
	errCutOff      = errors.New("value is cut off")
	errArrayCutOff = errors.New("array is cut off")
	errNoElement   = errors.New("no element before a comma")
	errNoComma     = errors.New("no comma or ] after an array element")
	errNoSpace     = errors.New("unexpected byte after a value")
	errLineGoesOn  = errors.New("more than one value in a line")
	errInvalid     = errors.New("byte that no valid JSON can have there")
	errTooDeep     = errors.New("nested too deep")
)

// limitError is a limit that a record, or the preamble, is over.
type limitError struct {
	what  string
	bytes int
}

func (e limitError) Error() string { return fmt.Sprintf("%s than %d bytes", e.what, e.bytes) }

// recordError says why a record is corrupt. Its text is made when it is asked
// for: broken records may be many.
type recordError struct {
	start  int64 // offset of the record in the stream
	at     int64 // offset of the fault, or -1
	reason error
}

func (e *recordError) Error() string {
	if e.at < 0 {
		return fmt.Sprintf("split: record at offset %d: %v", e.start, e.reason)
	}
	return fmt.Sprintf("split: record at offset %d: %v, at offset %d", e.start, e.reason, e.at)
}

func (e *recordError) Unwrap() error { return e.reason }

// fault makes the error of the record at data[i], with a fault at data[at].
func (s *Splitter) fault(i, at int, reason error) error {
	return fault.Corrupt(&recordError{start: s.off + int64(i), at: s.off + int64(at), reason: reason})
}

// overLimit makes the error of the record at data[i], which is too long.
func (s *Splitter) overLimit(i int) error {
	return fault.Corrupt(&recordError{start: s.off + int64(i), at: -1, reason: limitError{"longer", s.cfg.MaxRecordBytes}})
}

// faultAt returns the index of the fault that jsonscan reported in err, where
// it tells one. first is the index of the data that jsonscan was given.
func faultAt(err error, first int) int {
	if syntax, ok := errors.AsType[*jsonscan.SyntaxError](err); ok {
		return first + syntax.Offset
	}
	return first
}
