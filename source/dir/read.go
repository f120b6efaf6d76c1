package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/unspool-go/unspool/source"
)

var (
	errNotRegular = errors.New("not a regular file")
	errLeavesRoot = errors.New("leads out of the directory")
)

// info is what is asked of an open file.
type info struct {
	size    int64
	modTime time.Time
	regular bool
}

func (i info) object(key string) source.Object {
	return source.Object{Key: key, Size: i.size, ModTime: i.modTime}
}

// ReadObject implements [source.SmallReader]. The file is checked before and
// after it is read: one that was written to meanwhile gives
// [source.ErrChanged].
func (s *Source) ReadObject(ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error) {
	out, found, err := s.readObject(ctx, o, dst, max)
	if err != nil {
		return dst, found, fmt.Errorf("dir: read %q: %w", o.Key, err)
	}
	return out, found, nil
}

func (s *Source) readObject(ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error) {
	if err := s.ready(ctx, o.Key); err != nil {
		return dst, source.Object{}, err
	}
	f, err := s.files.open(o.Key)
	if err != nil {
		return dst, source.Object{}, err
	}
	defer f.close()
	before, err := f.stat()
	switch {
	case err != nil:
		return dst, source.Object{}, err
	case !before.regular:
		return dst, source.Object{}, errNotRegular
	}
	found := before.object(o.Key)
	switch {
	case !o.SameAs(found):
		return dst, found, source.ErrChanged
	case before.size > int64(max):
		return dst, found, source.ErrTooLarge
	}

	// One byte more than expected: a read that leaves it free has met the end.
	want := int(before.size)
	out := slices.Grow(dst, want+1)
	room := out[len(dst) : len(dst)+want+1]
	got := 0
	for got <= want {
		n, err := f.read(room[got:])
		if err != nil {
			return dst, found, err
		}
		got += n
		if n == 0 || got == want {
			break
		}
	}
	after, err := f.stat()
	switch {
	case err != nil:
		return dst, found, err
	case got != want || after != before:
		return dst, found, source.ErrChanged
	}
	return out[:len(dst)+want], found, nil
}

// ready checks what all reads need.
func (s *Source) ready(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed.Load() {
		return fs.ErrClosed
	}
	return checkKey(key)
}

// Open implements [source.Source]. A file that is written to while it is read
// gives [source.ErrChanged] at its end.
func (s *Source) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	r, found, err := s.open(ctx, o, off, n)
	if err != nil {
		return nil, found, fmt.Errorf("dir: open %q: %w", o.Key, err)
	}
	return r, found, nil
}

func (s *Source) open(ctx context.Context, o source.Object, off, n int64) (*reader, source.Object, error) {
	if err := s.ready(ctx, o.Key); err != nil {
		return nil, source.Object{}, err
	}
	f, err := s.files.openFile(o.Key)
	if err != nil {
		return nil, source.Object{}, err
	}
	r := &reader{ctx: ctx, file: f, key: o.Key, at: off}
	found, err := r.begin(o, n)
	if err != nil {
		return nil, found, errors.Join(err, f.Close())
	}
	return r, found, nil
}

// reader reads a range of a file and makes sure that it is still the same file
// at the end.
type reader struct {
	ctx    context.Context
	file   *os.File
	key    string
	before info
	at     int64 // where the next read starts
	left   int64 // bytes still to read
	err    error // of the last read, io.EOF among them
}

func (r *reader) begin(o source.Object, n int64) (source.Object, error) {
	var err error
	if r.before, err = statFile(r.file); err != nil {
		return source.Object{}, err
	}
	if !r.before.regular {
		return source.Object{}, errNotRegular
	}
	found := r.before.object(o.Key)
	if !o.SameAs(found) {
		return found, source.ErrChanged
	}
	if r.at < 0 || r.at > r.before.size {
		return found, fmt.Errorf("offset %d is outside of %d bytes", r.at, r.before.size)
	}
	if r.left = n; n < 0 {
		r.left = r.before.size - r.at
	}
	return found, nil
}

// Read implements [io.Reader].
func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("dir: read %q: %w", r.key, err)
	}
	r.err = err
	return n, err
}

func (r *reader) read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.left == 0 {
		return 0, r.end()
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.file.ReadAt(p, r.at)
	r.at += int64(n)
	r.left -= int64(n)
	switch {
	case err == io.EOF && r.left > 0:
		if end := r.end(); end != io.EOF {
			return n, end
		}
		return n, io.ErrUnexpectedEOF
	case err == io.EOF:
		return n, nil
	case err != nil:
		return n, cause(err)
	}
	return n, nil
}

// end returns io.EOF if the file is still what it was when it was opened.
func (r *reader) end() error {
	after, err := statFile(r.file)
	switch {
	case err != nil:
		return cause(err)
	case after != r.before:
		return source.ErrChanged
	}
	return io.EOF
}

// Close implements [io.Closer].
func (r *reader) Close() error { return r.file.Close() }

func statFile(f *os.File) (info, error) {
	st, err := f.Stat()
	if err != nil {
		return info{}, err
	}
	return info{size: st.Size(), modTime: st.ModTime(), regular: st.Mode().IsRegular()}, nil
}
