package file

import (
	"errors"
	"io"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
)

var newline = []byte{'\n'}

// writeLines writes the bodies as lines. A message without a body would be a
// blank line: it is refused as poison, in refused. err is that of w: some lines
// may be written and others not, or in part.
func writeLines(w io.Writer, batch []sink.Message) (n int64, refused, err error) {
	var empty []sink.EntryError
	for i, m := range batch {
		if len(m.Body) == 0 {
			empty = append(empty, sink.EntryError{Index: i, Err: fault.Corrupt(errors.New("body is empty"))})
			continue
		}
		if _, err := w.Write(m.Body); err != nil {
			return n, nil, err
		}
		n += int64(len(m.Body))
		if m.Body[len(m.Body)-1] == '\n' {
			continue
		}
		if _, err := w.Write(newline); err != nil {
			return n, nil, err
		}
		n++
	}
	if empty != nil {
		return n, &sink.BatchError{Failed: empty}, nil
	}
	return n, nil, nil
}
