// Package mirror copies each object of another [source.Source] to a folder before
// the first byte of it is read.
//
// A copy is made of what is stored, whole, and compared with it; until then it is
// not visible. It has the object's key below the folder (characters that a store
// does not take are written as %XX). Another content under the same key, be it a
// later version of the object, is never replaced: the copy then has a hash of the
// version in its name, a~0123456789abcdef.json for a.json. A copy that is there
// already, from another process or before a crash, is compared and counts.
//
// Where an object cannot be copied it cannot be read either: the error is marked
// fault.Interrupted, so that nothing of it is processed and no attempt counted.
//
// A bucket can hold a key that is also the folder of others, and a folder cannot:
// mirror such a one to a bucket.
//
// It costs a second reading of each object that is not small, and one of the copy.
// Wrap what is stored, and decode around that: decompress.New(mirror.New(files)). The
// other way round works as well, and reads once more.
package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// New returns a source of the objects of inner that copies each to the folder of
// the URL to: a path, file:// or a scheme that is registered with afs, such as s3://
// by s3store. Copies are durable and exclusive there as in a retry destination. It
// must not lie in inner, where copies would be listed.
//
// The source has the parts of inner that remove and move objects, and is always a
// [source.Relister], [source.SmallReader], [source.Watcher] and [source.Decoder]:
// who archives objects makes no copy by it. It remembers what it has copied, within
// 4 MiB. inner stays the caller's, to be closed by it.
func New(inner source.Source, to string) (source.Source, error) {
	var errs []error
	if inner == nil {
		errs = append(errs, errors.New("mirror: no source"))
	}
	store, err := destination.Open(destination.Config{URL: to})
	switch {
	case err != nil:
		errs = append(errs, fmt.Errorf("mirror: %w", err))
	case strings.Contains(to, "$"):
		errs = append(errs, fmt.Errorf("mirror: %q: macros are not expanded: a copy is made once", to))
	}
	if l, ok := inner.(interface{ URL() string }); ok && err == nil && destination.Inside(to, l.URL()) {
		errs = append(errs, fmt.Errorf("mirror: %q lies in the source %s: copies would be processed", to, l.URL()))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fault.Fatal(err)
	}
	s := &mirrored{Source: inner, stored: inner, store: store}
	if d, ok := inner.(source.Decoder); ok {
		s.stored = d.Stored()
	}
	switch remover := inner.(type) {
	case source.Mover:
		return struct {
			*mirrored
			source.Mover
		}{s, remover}, nil
	case source.Remover:
		return struct {
			*mirrored
			source.Remover
		}{s, remover}, nil
	}
	return s, nil
}

// mirrored is a source whose objects are copied before they are read.
type mirrored struct {
	source.Source
	stored source.Source // what is copied
	store  *destination.Store

	mu   sync.Mutex
	done map[id]struct{} // copied
}

var (
	_ source.Source      = (*mirrored)(nil)
	_ source.SmallReader = (*mirrored)(nil)
	_ source.Relister    = (*mirrored)(nil)
	_ source.Watcher     = (*mirrored)(nil)
	_ source.Decoder     = (*mirrored)(nil)
)

// Open implements [source.Source].
func (s *mirrored) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	found, err := s.ensure(ctx, o)
	if err != nil {
		return nil, found, err
	}
	return s.Source.Open(ctx, found, off, n)
}

// ReadObject implements [source.SmallReader]: what is read is copied from memory.
// Where the inner source does not, every object is too large.
func (s *mirrored) ReadObject(ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error) {
	small, ok := s.Source.(source.SmallReader)
	if !ok {
		return dst, o, fmt.Errorf("mirror: read %q: %w", o.Key, source.ErrTooLarge)
	}
	if s.stored != s.Source {
		found, err := s.ensure(ctx, o)
		if err != nil {
			return dst, found, err
		}
		return small.ReadObject(ctx, found, dst, max)
	}
	out, found, err := small.ReadObject(ctx, o, dst, max)
	if err != nil {
		return dst, found, err
	}
	err = s.copyOnce(ctx, found, func(w io.Writer) error { _, err := w.Write(out[len(dst):]); return err })
	if err != nil {
		return dst, found, err
	}
	return out, found, nil
}

// ensure makes sure that there is a copy of an object, and returns it as it was
// found.
func (s *mirrored) ensure(ctx context.Context, o source.Object) (source.Object, error) {
	if s.isDone(o) {
		return o, ctx.Err()
	}
	body, found, err := s.stored.Open(ctx, o, 0, -1)
	if err != nil {
		return found, err
	}
	err = s.copyOnce(ctx, found, func(w io.Writer) (err error) {
		if body == nil { // it was read before
			if body, _, err = s.stored.Open(ctx, found, 0, -1); err != nil {
				return err
			}
		}
		n, err := io.Copy(w, body)
		if err == nil && found.Size >= 0 && n != found.Size {
			err = fault.Interrupted(fmt.Errorf("mirror: read %q: %d bytes of %d", found.Key, n, found.Size))
		}
		err = errors.Join(err, body.Close())
		body = nil
		return err
	})
	if body != nil {
		err = errors.Join(err, body.Close())
	}
	return found, err
}

// List implements [source.Relister]. Where the inner source cannot tell, there
// may always be more.
func (s *mirrored) List(ctx context.Context) (iter.Seq2[source.Object, error], func() bool) {
	if r, ok := s.Source.(source.Relister); ok {
		return r.List(ctx)
	}
	return s.Objects(ctx), func() bool { return true }
}

// Watch implements [source.Watcher].
func (s *mirrored) Watch(ctx context.Context) (source.Changes, error) {
	if w, ok := s.Source.(source.Watcher); ok {
		return w.Watch(ctx)
	}
	return source.Poll(s.Source), nil
}

// Stored implements [source.Decoder]: to look at what is stored needs no copy.
func (s *mirrored) Stored() source.Source { return s.stored }

// noPlace is the URL of a source that has none. No destination lies in it.
const noPlace = "source://"

// URL returns that of the inner source.
func (s *mirrored) URL() string {
	if l, ok := s.Source.(interface{ URL() string }); ok {
		return l.URL()
	}
	return noPlace
}
