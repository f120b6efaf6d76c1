package plainhttp

import (
	"bufio"
	"errors"
	"io"
	"net/http/httputil"
	"strings"
)

// body is the body of an answer. With its last byte the connection goes back.
type body struct {
	c      *conn // nil once it was given back or closed
	stop   func() bool
	keep   bool      // the connection may be used again
	left   int64     // bytes to come; -1 for all until the end of the connection
	chunks io.Reader // where the body comes in such
	err    error     // of the last read
}

// errClosed is the error of reading a body that was closed.
var errClosed = errors.New("plainhttp: the body is closed")

// Read implements [io.Reader]. It returns io.EOF with the last bytes.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	n, err := b.read(p)
	if err != nil {
		b.end(err)
	}
	return n, err
}

func (b *body) read(p []byte) (n int, err error) {
	switch {
	case b.chunks != nil:
		return b.chunks.Read(p)
	case b.left < 0:
		return b.c.in.Read(p)
	}
	n, err = b.c.in.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case b.left == 0:
		return n, io.EOF
	case err == io.EOF:
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// end gives the connection back, or closes it, once a read gave err.
func (b *body) end(err error) {
	c := b.c
	b.err, b.c, b.chunks = err, nil, nil
	notCancelled := b.stop()
	switch {
	case c == nil:
	case b.keep && notCancelled && (err == nil || err == io.EOF):
		c.ctx = nil
		c.t.put(c)
	default:
		c.close()
	}
}

// Close implements [io.Closer]. The connection of a body that was not read to its
// end is closed.
func (b *body) Close() error {
	if b.c != nil {
		b.end(errClosed)
	}
	b.err = errClosed
	return nil
}

// chunks reads a body that comes in such, and the trailer.
type chunks struct {
	in     *bufio.Reader
	data   io.Reader
	header int // bytes that the trailer may have
}

func newChunks(in *bufio.Reader, header int) *chunks {
	return &chunks{in: in, data: httputil.NewChunkedReader(in), header: header}
}

// Read implements [io.Reader].
func (c *chunks) Read(p []byte) (int, error) {
	n, err := c.data.Read(p)
	if err == io.EOF {
		err = c.trailer()
	}
	return n, err
}

// trailer reads what follows the last chunk, and returns io.EOF at its end.
func (c *chunks) trailer() error {
	for {
		line, err := c.in.ReadSlice('\n')
		c.header -= len(line)
		switch {
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err == bufio.ErrBufferFull, c.header < 0:
			return malformed("the trailer is too long")
		case err != nil:
			return err
		}
		text, ok := strings.CutSuffix(string(line), "\r\n")
		if ok && text == "" {
			return io.EOF
		}
		if _, _, valid := field(text); !ok || !valid {
			return malformed("a line of the trailer is none")
		}
	}
}
