package sorted

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"

	"github.com/klauspost/compress/s2"
)

// spillError is an error of a temporary file.
type spillError struct{ error }

func (e *spillError) Unwrap() error { return e.error }

// tempFile is a temporary file without a name, where the system allows that.
type tempFile struct {
	*os.File
	size int64
	path string // to be removed, where it has one
}

func newTempFile(dir string) (*tempFile, error) {
	f, err := os.CreateTemp(dir, "unspool-sort-*")
	if err != nil {
		return nil, &spillError{err}
	}
	t := &tempFile{File: f}
	if os.Remove(f.Name()) != nil { // a system that removes no open files
		t.path = f.Name()
	}
	return t, nil
}

// Write appends.
func (t *tempFile) Write(p []byte) (int, error) {
	n, err := t.File.Write(p)
	t.size += int64(n)
	return n, err
}

// Close removes the file.
func (t *tempFile) Close() error {
	err := t.File.Close()
	if t.path != "" {
		if rerr := os.Remove(t.path); err == nil {
			err = rerr
		}
	}
	return err
}

const (
	// blockBytes is what a run is compressed by.
	blockBytes = 64 << 10
	// cursorBytes is about what reading a run takes: a block, compressed and not,
	// and buffers.
	cursorBytes = 256 << 10
)

// run is a stretch of a temporary file that holds lines in order.
type run struct{ from, to int64 }

// runWriter writes a run: of each line the lengths of key and line, the key and
// the line.
type runWriter struct {
	file *tempFile
	from int64
	out  *s2.Writer
	head [2 * binary.MaxVarintLen32]byte
	err  error
}

func newRunWriter(file *tempFile) *runWriter {
	return &runWriter{
		file: file, from: file.size,
		out: s2.NewWriter(file, s2.WriterConcurrency(1), s2.WriterBlockSize(blockBytes)),
	}
}

func (w *runWriter) write(p []byte) {
	if w.err == nil {
		_, w.err = w.out.Write(p)
	}
}

// begin begins a line of that length.
func (w *runWriter) begin(key []byte, line int) {
	n := binary.PutUvarint(w.head[:], uint64(len(key)))
	n += binary.PutUvarint(w.head[n:], uint64(line))
	w.write(w.head[:n])
	w.write(key)
}

// end ends the run.
func (w *runWriter) end() (run, error) {
	if err := w.out.Close(); w.err == nil {
		w.err = err
	}
	if w.err != nil {
		return run{}, &spillError{w.err}
	}
	return run{w.from, w.file.size}, nil
}

// cursor reads a run.
type cursor struct {
	in     *bufio.Reader
	key    []byte
	prefix uint64
	line   int // bytes that are left of the line
	number int // of the run, in the order of the object
}

func openRun(file io.ReaderAt, r run, number int) *cursor {
	in := s2.NewReader(io.NewSectionReader(file, r.from, r.to-r.from), s2.ReaderMaxBlockSize(blockBytes), s2.ReaderAllocBlock(blockBytes))
	return &cursor{in: bufio.NewReaderSize(in, 4<<10), number: number}
}

// next goes to the next line, when nothing is left of the last one. It returns
// io.EOF behind the last line.
func (c *cursor) next() error {
	key, err := binary.ReadUvarint(c.in)
	if err == io.EOF {
		return io.EOF
	}
	var line uint64
	if err == nil {
		line, err = binary.ReadUvarint(c.in)
	}
	if err == nil {
		if uint64(cap(c.key)) < key {
			c.key = make([]byte, key+key/4)
		}
		c.key = c.key[:key]
		_, err = io.ReadFull(c.in, c.key)
	}
	if err != nil {
		return &spillError{noEOF(err)}
	}
	c.prefix, c.line = prefixOf(c.key), int(line)
	return nil
}

// Read reads of the line.
func (c *cursor) Read(p []byte) (int, error) {
	if c.line == 0 {
		return 0, io.EOF
	}
	n, err := c.in.Read(p[:min(len(p), c.line)])
	c.line -= n
	if err != nil {
		return n, &spillError{noEOF(err)}
	}
	return n, nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
