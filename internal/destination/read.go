package destination

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

var (
	// ErrDataTooLong means that the data of an envelope, or a raw line, is
	// longer than the caller takes.
	ErrDataTooLong = errors.New("data is too long")
	// ErrNotEnvelope means that a line is not a whole envelope: a raw record,
	// or an envelope that was torn or changed.
	ErrNotEnvelope = errors.New("line is not an envelope")
)

// maxHeader bounds what a line holds before its data.
const maxHeader = 256 << 10

// ReadEnvelopes reads the envelopes of a part. Blank lines are skipped. Two
// errors concern one line only, and reading goes on after them:
// [ErrDataTooLong], with the envelope but for its data, where that is longer
// than maxData bytes; and [ErrNotEnvelope], with the line as Data. A raw line
// that is too long gives both, and no data. Any other error is r's, and last.
//
// Data is valid until the next step of the loop. At most about five times
// maxData is held in memory, whatever the part holds.
func ReadEnvelopes(r io.Reader, maxData int) iter.Seq2[Envelope, error] {
	return func(yield func(Envelope, error) bool) {
		lines := lineReader{r: bufio.NewReaderSize(r, 64<<10), max: maxHeader + maxEscape*maxData}
		for {
			text, whole, err := lines.next()
			if len(bytes.TrimSpace(text)) > 0 {
				if !yield(parseLine(text, whole, maxData)) {
					return
				}
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(Envelope{}, fmt.Errorf("read envelopes: %w", err))
				return
			}
		}
	}
}

// parseLine takes a line apart; one that is not whole was cut.
func parseLine(text []byte, whole bool, maxData int) (Envelope, error) {
	if !whole {
		if e, ok := ParseEnvelope(closeHeader(text)); ok {
			return e, ErrDataTooLong
		}
		return Envelope{}, fmt.Errorf("%w: %w", ErrNotEnvelope, ErrDataTooLong)
	}
	e, ok := ParseEnvelope(text)
	switch {
	case ok && len(e.Data) > maxData:
		e.Data = nil
		return e, ErrDataTooLong
	case ok:
		return e, nil
	case len(text) > maxData:
		return Envelope{}, fmt.Errorf("%w: %w", ErrNotEnvelope, ErrDataTooLong)
	}
	return Envelope{Data: text}, ErrNotEnvelope
}

// closeHeader ends a line that was cut in its data before it. The comma, quotes
// and name in a row cannot stand inside a JSON string, where quotes are escaped.
func closeHeader(text []byte) []byte {
	for _, member := range []string{`,"data":"`, `,"data64":"`} {
		if i := bytes.Index(text[:min(len(text), maxHeader)], []byte(member)); i >= 0 {
			return append(text[:i:i], '}')
		}
	}
	return text
}

// lineReader reads lines into one buffer that grows up to max.
type lineReader struct {
	r   *bufio.Reader
	max int
	buf []byte
}

// next returns the next line without its newline, valid until the next call.
// Of a line of more than max bytes only the start is returned, and whole is
// false. io.EOF comes with the last line, which may be empty.
func (l *lineReader) next() (text []byte, whole bool, err error) {
	l.buf = l.buf[:0]
	whole = true
	for {
		piece, err := l.r.ReadSlice('\n')
		if len(l.buf)+len(piece) > l.max {
			piece, whole = piece[:max(0, l.max-len(l.buf))], false
		}
		l.buf = append(l.buf, piece...)
		if err == bufio.ErrBufferFull {
			continue
		}
		if !whole {
			return l.buf, false, err
		}
		return bytes.TrimSuffix(l.buf, []byte{'\n'}), true, err
	}
}
