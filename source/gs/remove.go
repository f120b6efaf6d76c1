package gs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"cloud.google.com/go/storage"

	"github.com/unspool-go/unspool/internal/gcpclient"
	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// atOnce is how many objects of one call are removed or moved at a time.
const atOnce = 16

// Stat implements [source.Remover]. An object is there since its generation was
// created, which the service tells to the millisecond.
func (s *Source) Stat(ctx context.Context, key string) (source.Object, time.Time, error) {
	a, err := s.stat(ctx, key)
	if err != nil {
		return source.Object{}, time.Time{}, fmt.Errorf("gs: look at %q: %w", key, err)
	}
	o := object(key, a)
	if o.ModTime.IsZero() {
		return o, time.Time{}, nil
	}
	return o, o.ModTime.Add(time.Millisecond), nil
}

// Remove implements [source.Remover], by deletions on condition of the
// generation. In a bucket with versions or soft deletion the object is kept as
// such.
func (s *Source) Remove(ctx context.Context, objects []source.Object) []error {
	return s.each("remove", objects, func(o source.Object) error {
		_, gen, err := s.find(ctx, o)
		if err != nil {
			return err
		}
		return s.remove(ctx, o.Key, gen)
	})
}

// each calls do for many objects side by side, and returns the error of each.
func (s *Source) each(op string, objects []source.Object, do func(o source.Object) error) []error {
	errs := make([]error, len(objects))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, o := range objects {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := do(o); err != nil {
				errs[i] = fmt.Errorf("gs: %s %q: %w", op, o.Key, err)
			}
		})
	}
	wg.Wait()
	return errs
}

// remove deletes one generation. The retries are its own: after an answer was
// lost, what is gone was deleted by it.
func (s *Source) remove(ctx context.Context, key string, gen int64) error {
	h, err := s.handle(key)
	if err != nil {
		return err
	}
	h = h.Retryer(storage.WithPolicy(storage.RetryNever)).If(storage.Conditions{GenerationMatch: gen})
	for try, lost := 1, false; ; try++ {
		err := func() error {
			limited, cancel := context.WithTimeoutCause(ctx, s.cfg.Timeout, gcpclient.ErrStalled)
			defer cancel()
			return gcpclient.Why(limited, h.Delete(limited))
		}()
		if err == nil {
			return nil
		}
		err = ofObject(ctx, err)
		switch {
		case lost && errors.Is(err, fs.ErrNotExist):
			return nil
		case !fault.Is(err, fault.ClassInterrupted), try == tries, sleep.For(ctx, firstWait<<(try-1)) != nil:
			return err
		}
		lost = true
	}
}
