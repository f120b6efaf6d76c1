package sorted

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// readBytes is how much of an object is read at once.
const readBytes = 256 << 10

// errLong means that a line is longer than what is put in order: the rest of it is
// still to be read.
var errLong = errors.New("line is too long")

// errEnded is errLong where nothing of the line is left to be read.
var errEnded = errors.New("line is too long, and ended")

// lines cuts a stream into lines.
type lines struct {
	in     *bufio.Reader
	quotes bool
	most   int // bytes of a line, its newline included
	buf    []byte
	open   bool  // a quote of the line that was not closed yet
	last   byte  // that was read
	err    error // that ended the stream
}

// slice returns what there is up to the next newline, as far as the buffer takes
// it. The line goes on behind it unless ended is set or there is an error.
func (l *lines) slice() (part []byte, ended bool, err error) {
	if l.err != nil {
		return nil, false, l.err
	}
	part, err = l.in.ReadSlice('\n')
	if len(part) > 0 {
		l.last = part[len(part)-1]
	}
	if l.quotes && bytes.Count(part, quote)%2 == 1 {
		l.open = !l.open
	}
	if err == bufio.ErrBufferFull {
		return part, false, nil
	}
	l.err = err
	return part, err == nil && !l.open, err
}

var quote = []byte{'"'}

// next returns the next line with its newline, valid until the next call. With
// io.EOF, or another error of the stream, it is what came after the last line.
func (l *lines) next() ([]byte, error) {
	l.open = false
	part, ended, err := l.slice()
	if ended && len(part) <= l.most {
		return part, nil
	}
	l.buf = l.buf[:0]
	for {
		l.buf = append(l.buf, part...)
		switch {
		case len(l.buf) > l.most && ended:
			return l.buf, errEnded
		case len(l.buf) > l.most:
			return l.buf, errLong
		case ended || err != nil:
			return l.buf, err
		}
		part, ended, err = l.slice()
	}
}

// rest writes the rest of a long line to w. Its error is that of the stream, or a
// spillError.
func (l *lines) rest(w io.Writer) error {
	for {
		part, ended, err := l.slice()
		if _, err := w.Write(part); err != nil {
			return &spillError{err}
		}
		if ended || err != nil {
			return err
		}
	}
}
