package source

import (
	"bytes"
	"errors"
	"io"

	"github.com/unspool-go/unspool/processor/fault"
)

// A [Decoder] that presents an object as lines of JSON, one for each of its
// rows, writes what it cannot decode as a flaw: a line that no JSON can be and
// that holds the original text and what is wrong with it. The [Splitter] takes a
// flaw for one corrupt record with that text and that reason.
//
// The line is "\x00flaw ", the reason, a NUL, the text, a NUL and a newline. In
// the text a NUL is written "\x000" and a newline "\x00n", so that it is one
// line, and stands there as it was unless it holds one of the two.
const (
	flawSign      = "\x00flaw "
	flawEnd       = "\x00\n"
	flawEscape    = 0
	maxFlawReason = 240 // bytes
)

// AppendFlaw appends a flaw to dst, which must be at the start of a line: data is
// the original text of one row, be it empty, and reason is what is wrong with it,
// in printable ASCII; other characters are replaced, and what is longer than 240
// bytes is cut. A reason holds no payload.
func AppendFlaw(dst []byte, reason string, data []byte) []byte {
	return AppendFlawEnd(AppendFlawData(AppendFlawHead(dst, reason), data))
}

// AppendFlawHead begins a flaw whose text is too long to be held, as
// [AppendFlaw] does. Any number of [AppendFlawData] and one [AppendFlawEnd]
// follow.
func AppendFlawHead(dst []byte, reason string) []byte {
	dst = append(dst, flawSign...)
	for i := range min(len(reason), maxFlawReason) {
		c := reason[i]
		if !printable(c) {
			c = '?'
		}
		dst = append(dst, c)
	}
	if reason == "" {
		dst = append(dst, '?')
	}
	return append(dst, flawEscape)
}

// AppendFlawData appends more text to a flaw.
func AppendFlawData(dst, data []byte) []byte {
	for {
		n := bytes.IndexAny(data, "\x00\n")
		if n < 0 {
			return append(dst, data...)
		}
		dst = append(dst, data[:n]...)
		if data[n] == '\n' {
			dst = append(dst, flawEscape, 'n')
		} else {
			dst = append(dst, flawEscape, '0')
		}
		data = data[n+1:]
	}
}

// AppendFlawEnd ends a flaw.
func AppendFlawEnd(dst []byte) []byte { return append(dst, flawEnd...) }

func printable(c byte) bool { return ' ' <= c && c < 0x7f }

// flawError is the reason that a flaw gives.
type flawError string

func (e flawError) Error() string { return string(e) }

// IsFlaw reports whether err, of a [TokenCorrupt], is the reason of a flaw. The
// data of the token is then to be read with [AppendFlawText] or [FlawText].
func IsFlaw(err error) bool {
	_, ok := errors.AsType[flawError](err)
	return ok
}

// AppendFlawText appends to dst the original text of a flaw, of which data is
// all that its token delimits.
func AppendFlawText(dst, data []byte) []byte {
	for {
		n := bytes.IndexByte(data, flawEscape)
		if n < 0 || n+1 == len(data) {
			return append(dst, data...)
		}
		dst = appendUnescaped(append(dst, data[:n]...), data[n+1])
		data = data[n+2:]
	}
}

func appendUnescaped(dst []byte, c byte) []byte {
	switch c {
	case 'n':
		return append(dst, '\n')
	case '0':
		return append(dst, 0)
	}
	return append(dst, flawEscape, c) // nothing that AppendFlawData writes
}

// FlawText returns a reader of the original text of a flaw whose data comes from
// r, as that of a flaw in several pieces does.
func FlawText(r io.Reader) io.Reader { return &flawText{in: r} }

type flawText struct {
	in      io.Reader
	escaped bool   // the last byte read was the first of an escape
	ready   []byte // not given out yet
	err     error  // behind it
	ended   bool
}

// Read implements [io.Reader].
func (r *flawText) Read(p []byte) (int, error) {
	if len(r.ready) == 0 && !r.ended {
		r.more(len(p))
	}
	n := copy(p, r.ready)
	r.ready = r.ready[n:]
	if n == 0 && len(p) > 0 {
		return 0, r.err
	}
	return n, nil
}

// more reads n bytes or less.
func (r *flawText) more(n int) {
	buf := make([]byte, n+1)
	from := 0
	if r.escaped {
		buf[0], from = flawEscape, 1
	}
	n, r.err = r.in.Read(buf[from:])
	data := buf[:from+n]
	r.ended = r.err != nil
	r.escaped = false
	for at := 0; at < len(data); at++ { // an escape may be cut in two
		if data[at] != flawEscape {
			continue
		}
		if at+1 == len(data) && !r.ended {
			r.escaped, data = true, data[:at]
		}
		at++
	}
	r.ready = AppendFlawText(nil, data)
}

// flawHead looks whether a flaw starts with line, which may be cut short unless
// whole is set. n is the length of what stands before its text, or 0 if it is
// none. known is false if that cannot be told without more of line.
func flawHead(line []byte, whole bool) (reason []byte, n int, known bool) {
	sign := min(len(line), len(flawSign))
	switch {
	case string(line[:sign]) != flawSign[:sign]:
		return nil, 0, true
	case sign < len(flawSign):
		return nil, 0, whole
	}
	for at := sign; at < len(line); at++ {
		switch c := line[at]; {
		case c == flawEscape && at > sign:
			return line[sign:at], at + 1, true
		case !printable(c), at == sign+maxFlawReason:
			return nil, 0, true
		}
	}
	return nil, 0, whole
}

// startFlaw begins the corrupt record of the flaw that starts at data[i]. ok is
// false if it is none.
func (s *Splitter) startFlaw(data []byte, i int, atEOF bool) (t Token, ok bool) {
	reason, n, known := flawHead(data[i:], atEOF)
	switch {
	case !known:
		return s.more(i, 0), true
	case n == 0:
		return Token{}, false
	}
	return s.begin(data, i+n, atEOF, corrupt{how: toNewline, back: placeTop, flaw: true, err: s.flawed(i+n, reason)}), true
}

// flawed makes the error of the flaw whose text is at data[i].
func (s *Splitter) flawed(i int, reason []byte) error {
	return fault.Corrupt(&recordError{start: s.off + int64(i), at: -1, reason: flawError(reason)})
}

// flawLine is whole for a flaw. ok is false if it is none.
func (s *Splitter) flawLine(data []byte, start, end, advance int) (t Token, ok bool) {
	reason, n, _ := flawHead(data[start:end], true)
	if n == 0 {
		return Token{}, false
	}
	t = s.record(start+n, flawStop(data, start+n, end), advance)
	t.Kind, t.Valid, t.Err = TokenCorrupt, false, s.flawed(t.Start, reason)
	return t, true
}

// flawStop returns the end of the text of a flaw, data[i:end] less the NUL
// behind it.
func flawStop(data []byte, i, end int) int {
	if end > i && data[end-1] == flawEscape {
		return end - 1
	}
	return end
}
