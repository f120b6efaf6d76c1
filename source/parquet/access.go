package parquet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// access is an object that can be read anywhere.
type access interface {
	io.ReaderAt
	io.Closer
	size() int64
}

// smallBytes is how large an object may be that is held in memory.
const smallBytes = 4 << 20

// access opens an object.
func (s *tables) access(ctx context.Context, o source.Object) (access, source.Object, error) {
	body, found, err := s.Source.Open(ctx, o, 0, -1)
	if err != nil {
		return nil, found, err
	}
	if found.Encoding == "" && found.Size > smallBytes {
		if r, ok, err := s.ranged(ctx, found); ok || err != nil {
			_ = body.Close() // only looked into
			return r, found, err
		}
	}
	a, err := s.hold(body)
	if err != nil {
		err = fmt.Errorf("parquet: read %q: %w", found.Key, err)
	}
	if closed := body.Close(); closed != nil && err == nil {
		return nil, found, errors.Join(closed, a.Close())
	}
	return a, found, err
}

// hold puts what body has where it can be read anywhere.
func (s *tables) hold(body io.Reader) (access, error) {
	head, err := io.ReadAll(io.LimitReader(body, smallBytes+1))
	if err != nil {
		return nil, err
	}
	if len(head) <= smallBytes {
		return inMemory{bytes.NewReader(head)}, nil
	}
	f, err := os.CreateTemp(s.cfg.TempDir, "unspool-parquet-*")
	if err != nil {
		return nil, fault.Interrupted(err)
	}
	t := &inFile{File: f, linked: os.Remove(f.Name()) != nil}
	t.n, err = io.Copy(f, io.LimitReader(io.MultiReader(bytes.NewReader(head), body), s.cfg.MaxTempBytes+1))
	if err == nil && t.n > s.cfg.MaxTempBytes {
		err = fault.Corruptf("it is over the limit of %d bytes for a temporary file", s.cfg.MaxTempBytes)
	}
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// inMemory is an object that is held in memory.
type inMemory struct{ *bytes.Reader }

func (m inMemory) size() int64  { return m.Reader.Size() }
func (m inMemory) Close() error { return nil }

// inFile is an object that is held in a temporary file.
type inFile struct {
	*os.File
	n      int64
	linked bool // it could not be removed while it is open
}

func (f *inFile) size() int64 { return f.n }

// Close implements [io.Closer].
func (f *inFile) Close() error {
	err := f.File.Close()
	if f.linked {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// ranged reads an object through ranges of its source. ok is false if that has
// none.
func (s *tables) ranged(ctx context.Context, o source.Object) (access, bool, error) {
	r := &byRange{ctx: ctx, of: s.Source, object: o}
	_, err := r.ReadAt(make([]byte, 1), o.Size-1)
	switch {
	case errors.Is(err, source.ErrNoRange):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	}
	return r, true, nil
}

// byRange is an object that is read through ranges.
type byRange struct {
	ctx    context.Context
	of     source.Source
	object source.Object
}

func (r *byRange) size() int64  { return r.object.Size }
func (r *byRange) Close() error { return nil }

// ReadAt implements [io.ReaderAt].
func (r *byRange) ReadAt(p []byte, off int64) (int, error) {
	body, _, err := r.of.Open(r.ctx, r.object, off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	n, err := io.ReadFull(body, p)
	return n, errors.Join(err, body.Close())
}
