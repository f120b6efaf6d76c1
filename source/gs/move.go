package gs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"cloud.google.com/go/storage"

	"github.com/unspool-go/unspool/internal/gcpclient"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Move implements [source.Mover] for targets of the form gs://bucket/prefix that
// the same client can write to; others are unsupported. Cloud Storage copies by
// itself: an object is copied on condition that it is the one given and that
// nothing has its name there, size and checksum of the copy are compared, and
// then the object is removed as by [Source.Remove]. What is in the way but holds
// the very same bytes counts as the copy.
func (s *Source) Move(ctx context.Context, objects []source.Object, to string) []error {
	target, err := s.target(to)
	return s.each("move", objects, func(o source.Object) error {
		if err != nil {
			return err
		}
		return s.move(ctx, o, target)
	})
}

// target returns the folder that a URL names as a source.
func (s *Source) target(to string) (*Source, error) {
	rest, ok := strings.CutPrefix(to, "gs://")
	if !ok {
		return nil, fmt.Errorf("to %s: %w", to, errors.ErrUnsupported)
	}
	cfg := s.cfg
	cfg.Bucket, cfg.Prefix, _ = strings.Cut(rest, "/")
	target, err := New(s.client, cfg)
	if err != nil {
		return nil, fmt.Errorf("to %s: %w", to, err)
	}
	if target.cfg.Bucket == s.cfg.Bucket && strings.HasPrefix(target.cfg.Prefix, s.cfg.Prefix) {
		return nil, fault.Fatal(fmt.Errorf("to %s: lies in the source %s: what is put there would be listed again", to, s.URL()))
	}
	return target, nil
}

func (s *Source) move(ctx context.Context, o source.Object, target *Source) error {
	a, err := s.stat(ctx, o.Key)
	if err != nil {
		return err
	}
	if !same(o, object(o.Key, a)) {
		return source.ErrChanged
	}
	if err := s.copyTo(ctx, o.Key, a, target); err != nil {
		return err
	}
	return s.remove(ctx, o.Key, a.Generation)
}

// copyTo makes sure that the target has a copy of an object of this source.
func (s *Source) copyTo(ctx context.Context, key string, a *storage.ObjectAttrs, target *Source) error {
	from, err := s.handle(key)
	if err != nil {
		return err
	}
	to, err := target.handle(key)
	if err != nil {
		return err
	}
	copier := to.If(storage.Conditions{DoesNotExist: true}).
		CopierFrom(from.Generation(a.Generation).If(storage.Conditions{GenerationMatch: a.Generation}))
	there, err := s.run(ctx, copier)
	switch {
	case err != nil && gcpclient.Judge(ctx, err) == gcpclient.Unmet: // or an answer was lost
		return s.resolve(ctx, key, a, target)
	case err != nil:
		return ofObject(ctx, err)
	case there.Size != a.Size || there.CRC32C != a.CRC32C:
		return errors.New("the copy is not what was copied")
	}
	return nil
}

// run makes a copy. One between locations or storage classes takes several
// requests, each of which may take as long as the time-out.
func (s *Source) run(ctx context.Context, copier *storage.Copier) (*storage.ObjectAttrs, error) {
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(s.cfg.Timeout, func() { cancel(gcpclient.ErrStalled) })
	defer timer.Stop()
	copier.ProgressFunc = func(uint64, uint64) { timer.Reset(s.cfg.Timeout) }
	a, err := copier.Run(limited)
	return a, gcpclient.Why(limited, err)
}

// resolve finds out why a copy was refused: the object is another, or something
// is in its way, which may be the copy of one that was killed.
func (s *Source) resolve(ctx context.Context, key string, a *storage.ObjectAttrs, target *Source) error {
	there, err := target.stat(ctx, key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return source.ErrChanged
	case err != nil:
		return fmt.Errorf("look at what is in the way: %w", err)
	case there.Size != a.Size || there.CRC32C != a.CRC32C:
		return fs.ErrExist
	case len(a.MD5) > 0 && len(there.MD5) > 0: // composed objects have none
		if string(a.MD5) != string(there.MD5) {
			return fs.ErrExist
		}
		return nil
	}
	same, err := s.same(ctx, object(key, a), target, object(key, there))
	switch {
	case err != nil:
		return fmt.Errorf("compare with what is in the way: %w", err)
	case !same:
		return fs.ErrExist
	}
	return nil
}

// same compares an object with one of the target, byte by byte.
func (s *Source) same(ctx context.Context, o source.Object, target *Source, there source.Object) (bool, error) {
	a, _, err := s.open(ctx, o, 0, -1)
	if err != nil {
		return false, err
	}
	defer a.Close()
	b, _, err := target.open(ctx, there, 0, -1)
	if err != nil {
		return false, err
	}
	defer b.Close()
	const size = 64 << 10
	bufA, bufB := make([]byte, size), make([]byte, size)
	for {
		n, errA := io.ReadFull(a, bufA)
		m, errB := io.ReadFull(b, bufB)
		switch {
		case !orEnd(errA):
			return false, errA
		case !orEnd(errB):
			return false, errB
		case string(bufA[:n]) != string(bufB[:m]):
			return false, nil
		case errA != nil:
			return errB != nil, nil
		}
	}
}

// orEnd reports whether an error of io.ReadFull is none, or the end.
func orEnd(err error) bool { return err == nil || err == io.EOF || err == io.ErrUnexpectedEOF }
