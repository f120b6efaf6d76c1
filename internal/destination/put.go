package destination

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"io/fs"
)

// ErrDiffers means that something else has the name of a file that was to be put.
var ErrDiffers = errors.New("something else has that name")

// Content stands for the bytes of a file.
type Content struct {
	Size int64
	Sum  [sha256.Size]byte // SHA-256
}

// Put creates a file under a name of the caller's own, as [Store.CreateAs] does,
// with what write writes, and compares what is there then. A file of that name that
// is there already is left alone: if it is the very same, Put succeeds and existed
// is true, and otherwise the error wraps [ErrDiffers]. write is called once, and
// its error passed on as it is.
func (s *Store) Put(ctx context.Context, name string, write func(io.Writer) error) (c Content, existed bool, err error) {
	there, err := s.contentOf(ctx, name)
	switch {
	case err == nil:
		existed = true
		if c, err = contentOf(write); err != nil {
			return c, existed, err
		}
	case errors.Is(err, fs.ErrNotExist):
		if c, err = s.create(ctx, name, write); err != nil && !errors.Is(err, fs.ErrExist) {
			return c, false, err
		}
		existed = err != nil // somebody was faster
		if there, err = s.contentOf(ctx, name); err != nil {
			return c, existed, err
		}
	default:
		return c, false, err
	}
	if there != c {
		return c, existed, s.fail("put", name, ErrDiffers)
	}
	if l, ok := s.backend.(local); ok && existed { // whoever put it there may have died just then
		if err := l.folder.Seal(name); err != nil {
			return c, existed, s.fail("put", name, err)
		}
	}
	return c, existed, nil
}

// mostCommits is how often a file is tried to be committed of which it is not
// known whether it was.
const mostCommits = 4

func (s *Store) create(ctx context.Context, name string, write func(io.Writer) error) (Content, error) {
	part, err := s.CreateAs(ctx, name)
	if err != nil {
		if errors.Is(err, fs.ErrExist) {
			c, werr := contentOf(write)
			return c, cmp.Or(werr, err)
		}
		return Content{}, err
	}
	defer part.Abort()
	c, err := contentOf(func(w io.Writer) error { return write(io.MultiWriter(part, w)) })
	if err != nil {
		return c, err
	}
	for n := 1; ; n++ {
		if _, err = part.Commit(ctx); n == mostCommits || !errors.Is(err, ErrUndecided) || ctx.Err() != nil {
			return c, err
		}
	}
}

// contentOf returns the content that write writes.
func contentOf(write func(io.Writer) error) (Content, error) {
	m := &meter{hash: sha256.New()}
	if err := write(m); err != nil {
		return Content{}, err
	}
	c := Content{Size: m.size}
	m.hash.Sum(c.Sum[:0])
	return c, nil
}

// meter takes the measure of what is written.
type meter struct {
	hash hash.Hash
	size int64
}

func (m *meter) Write(p []byte) (int, error) {
	m.size += int64(len(p))
	return m.hash.Write(p)
}

// contentOf reads a file.
func (s *Store) contentOf(ctx context.Context, name string) (Content, error) {
	r, err := s.Open(ctx, name)
	if err != nil {
		return Content{}, err
	}
	defer r.Close() // only read
	c, err := contentOf(func(w io.Writer) error { _, err := io.Copy(w, r); return err })
	if err != nil {
		return c, s.fail("read", name, err)
	}
	return c, nil
}
