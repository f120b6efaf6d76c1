package sorted

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/unspool-go/unspool/processor/fault"
)

// sorter puts the lines of one object in order.
type sorter struct {
	cfg     *Config
	in      *bufio.Reader
	table   table
	keys    *keyer
	key     []byte
	longest int // of the keys

	head []byte    // what stays in front
	runs []run     // of file
	file *tempFile // nil until memory is short
	long *tempFile // lines that are too long; nil without any
	tail []byte    // what a defect left of the last line

	merged int64 // memory taken for merging
}

// load reads an object. It returns the defect of one that is damaged.
func (s *sorter) load(ctx context.Context, body io.Reader) (defect, err error) {
	s.in = bufio.NewReaderSize(body, readBytes)
	if err := s.keepPreamble(s.in); err != nil {
		return nil, err
	}
	in := &lines{in: s.in, quotes: s.cfg.Quotes, most: s.cfg.MaxRecordBytes}
	for n := 0; ; n++ {
		line, err := in.next()
		switch {
		case err == errLong || err == errEnded:
			err = s.setAside(in, line, err)
		case err == nil && n < s.cfg.Header:
			s.head = append(s.head, line...)
		case err == nil:
			err = s.add(ctx, line)
		case err == io.EOF && len(line) > 0:
			if in.last != '\n' { // there is one in open quotes
				line = append(bytes.Clone(line), '\n')
			}
			if n < s.cfg.Header {
				s.head = append(s.head, line...)
			} else if aerr := s.add(ctx, line); aerr != nil {
				return nil, aerr
			}
		case fault.Is(err, fault.ClassCorrupt):
			s.tail = bytes.Clone(line)
		}
		switch {
		case err == nil:
		case err == io.EOF:
			return nil, nil
		case isSpill(err) || !fault.Is(err, fault.ClassCorrupt):
			return nil, err
		default:
			return err, nil
		}
	}
}

func isSpill(err error) bool {
	_, ok := errors.AsType[*spillError](err)
	return ok
}

var byteOrderMark = []byte{0xef, 0xbb, 0xbf}

const maxPreamble = 64 << 10

// errNoPreamble means that an object's preamble is too long.
var errNoPreamble = errors.New("preamble is too long")

// keepPreamble keeps what stands before the first line.
func (s *sorter) keepPreamble(in *bufio.Reader) error {
	mark, _ := in.Peek(len(byteOrderMark)) // an error comes again
	if s.cfg.Preamble == nil {
		if bytes.Equal(mark, byteOrderMark) {
			s.keep(in, len(mark))
		}
		return nil
	}
	for want := 512; ; want *= 2 {
		data, err := in.Peek(min(want, maxPreamble))
		n, ok := s.cfg.Preamble.Skip(data, err == io.EOF)
		switch {
		case ok && 0 <= n && n <= len(data):
			s.keep(in, n)
			return nil
		case err != nil && err != io.EOF && !fault.Is(err, fault.ClassCorrupt):
			return err
		case err != nil || want >= maxPreamble:
			return errNoPreamble
		}
	}
}

func (s *sorter) keep(in *bufio.Reader, n int) {
	ahead, _ := in.Peek(n) // it is there
	s.head = append(s.head, ahead...)
	_, _ = in.Discard(n)
}

// add adds a line, with its newline.
func (s *sorter) add(ctx context.Context, line []byte) error {
	s.key = s.keys.append(s.key[:0], line)
	s.longest = max(s.longest, len(s.key))
	if s.table.add(line, s.key) {
		return nil
	}
	if err := s.spill(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.table.add(line, s.key) // an empty table takes it
	return nil
}

// spill writes the lines in memory to the file, as a run.
func (s *sorter) spill() (err error) {
	if s.file == nil {
		if s.file, err = newTempFile(s.cfg.TempDir); err != nil {
			return err
		}
	}
	t := &s.table
	t.sort()
	w := newRunWriter(s.file)
	for i := range t.entries {
		e := &t.entries[i]
		w.begin(t.key(e), int(e.line))
		w.write(t.line(e))
	}
	t.clear()
	r, err := w.end()
	if err == nil {
		s.runs = append(s.runs, r)
	}
	return err
}

// setAside puts a line that is too long with the others of its kind. The error is
// nil, io.EOF or that of reading.
func (s *sorter) setAside(in *lines, line []byte, long error) (err error) {
	if s.long == nil {
		if s.long, err = newTempFile(s.cfg.TempDir); err != nil {
			return err
		}
	}
	if _, err := s.long.Write(line); err != nil {
		return &spillError{err}
	}
	if long == errEnded {
		return nil
	}
	err = in.rest(s.long)
	if err == io.EOF && in.last != '\n' {
		if _, werr := s.long.Write([]byte{'\n'}); werr != nil {
			return &spillError{werr}
		}
	}
	return err
}

// lines returns the lines in order.
func (s *sorter) lines(ctx context.Context) (io.Reader, error) {
	if s.file == nil {
		s.table.sort()
		return &tableReader{table: &s.table}, nil
	}
	if err := s.spill(); err != nil {
		return nil, err
	}
	s.table.release()
	each := int64(cursorBytes + 2*s.longest)
	most := int(max(2, min(int64(s.table.sizes.fanIn), s.cfg.MemoryBytes/2/each)))
	s.merged = int64(min(most, len(s.runs))) * each
	s.table.memory.take(s.merged, true)
	for len(s.runs) > most {
		if err := s.pass(ctx, most); err != nil {
			return nil, err
		}
	}
	return newMerge(s.file, s.runs)
}

// pass merges the runs, so many at a time, to fewer in a new file.
func (s *sorter) pass(ctx context.Context, most int) error {
	file, err := newTempFile(s.cfg.TempDir)
	if err != nil {
		return err
	}
	var merged []run
	for runs := s.runs; len(runs) > 0; {
		n := min(most, len(runs))
		m, err := newMerge(s.file, runs[:n])
		var r run
		if err == nil {
			r, err = m.writeTo(ctx, file)
		}
		if err != nil {
			return errors.Join(err, file.Close())
		}
		merged, runs = append(merged, r), runs[n:]
	}
	old := s.file
	s.file, s.runs = file, merged
	return old.Close()
}

// close releases everything.
func (s *sorter) close() error {
	s.table.release()
	s.table.memory.give(s.merged)
	s.merged = 0
	var errs []error
	for _, f := range []**tempFile{&s.file, &s.long} {
		if *f != nil {
			errs = append(errs, (*f).Close())
			*f = nil
		}
	}
	return errors.Join(errs...)
}

// tableReader reads the lines of a table in their order.
type tableReader struct {
	*table
	next int
	rest []byte // of the line before next
}

// Read implements [io.Reader].
func (r *tableReader) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(r.rest) == 0 {
			if r.next == len(r.entries) {
				break
			}
			r.rest = r.line(&r.entries[r.next])
			r.next++
		}
		k := copy(p[n:], r.rest)
		r.rest = r.rest[k:]
		n += k
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}
