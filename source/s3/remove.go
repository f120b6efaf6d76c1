package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// atOnce is how many objects of one call are removed or moved at a time.
const atOnce = 16

// Stat implements [source.Remover]. An object is there since its Last-Modified,
// which S3 tells to the second. Of one that was uploaded in parts that is when
// the upload began, before anybody could see it: S3 does not tell since when it
// is there.
func (s *Source) Stat(ctx context.Context, key string) (source.Object, time.Time, error) {
	o, st, err := s.head(ctx, key, "")
	if err != nil {
		return source.Object{}, time.Time{}, fmt.Errorf("s3: look at %q: %w", key, err)
	}
	if o.ModTime.IsZero() || strings.Contains(bare(aws.ToString(st.etag)), "-") {
		return o, time.Time{}, nil
	}
	return o, o.ModTime.Add(time.Second), nil
}

// Remove implements [source.Remover], by deletions on condition of the ETag, so
// that the same bytes written again count as the same object. In a versioned
// bucket a marker is put on top of the versions.
//
// A store that ignores such conditions would let go of what was never
// processed. So the first object is deleted on a condition that does not hold,
// once it was seen that it is the one given; if it goes all the same, Remove
// refuses the others with a fatal error that wraps [ErrIgnoresConditions].
func (s *Source) Remove(ctx context.Context, objects []source.Object) []error {
	return s.each("remove", objects, func(o source.Object) error {
		etag, err := s.present(ctx, o)
		if err != nil {
			return err
		}
		return s.remove(ctx, o.Key, etag)
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
				errs[i] = fmt.Errorf("s3: %s %q: %w", op, o.Key, err)
			}
		})
	}
	wg.Wait()
	return errs
}

// present returns the ETag that the object given has.
func (s *Source) present(ctx context.Context, o source.Object) (string, error) {
	if etag := s.ifMatch(o); etag != "" {
		return etag, nil
	}
	now, st, err := s.head(ctx, o.Key, "")
	switch etag := bare(aws.ToString(st.etag)); {
	case err != nil:
		return "", err
	case !o.SameAs(now):
		return "", source.ErrChanged
	case etag == "":
		return "", fault.Fatal(errors.New("the store gives no ETag to remove it by"))
	default:
		return etag, nil
	}
}

// remove deletes the object of a key if it has the ETag.
func (s *Source) remove(ctx context.Context, key, etag string) error {
	name, err := s.name(key)
	if err != nil {
		return err
	}
	removed, err := s.proveDeletes(ctx, name, etag)
	if removed || err != nil {
		return err
	}
	return s.delete(ctx, name, etag)
}

// proof is what is known of a store's obeying a condition.
type proof uint8

const (
	unproven proof = iota
	obeys
	obeysInParts // of copies: those that are uploads in parts only
	ignores
)

// noETag is that of no object.
const noETag = "00000000000000000000000000000000"

// prove waits until nobody else proves anything.
func (s *Source) prove(ctx context.Context) error {
	select {
	case s.proving <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fault.Interrupted(ctx.Err())
	}
}

func (s *Source) proven() { <-s.proving }

// proveDeletes finds out, once, with an object that is to be deleted, whether
// the store obeys the condition of a deletion. It reports whether the object is
// gone.
func (s *Source) proveDeletes(ctx context.Context, name, etag string) (removed bool, err error) {
	if err := s.prove(ctx); err != nil {
		return false, err
	}
	defer s.proven()
	if s.deletes == unproven {
		if _, err := s.headName(ctx, s.cfg.Bucket, name, etag); err != nil {
			return false, err
		}
		switch err := s.delete(ctx, name, noETag); {
		case err == nil:
			s.deletes = ignores
			return true, nil
		case errors.Is(err, source.ErrChanged):
			s.deletes = obeys
		default:
			return false, err
		}
	}
	if s.deletes == ignores {
		return false, fault.Fatal(fmt.Errorf("a DELETE with If-Match was carried out against it: %w", ErrIgnoresConditions))
	}
	return false, nil
}

// delete deletes a name if it has the ETag. The retries are its own: after an
// answer was lost, what is gone was deleted by it.
func (s *Source) delete(ctx context.Context, name, etag string) error {
	in := &s3.DeleteObjectInput{
		Bucket:              &s.cfg.Bucket,
		Key:                 &name,
		IfMatch:             quoted(etag),
		RequestPayer:        s.payer,
		ExpectedBucketOwner: s.owner,
	}
	lost := false
	for try := 1; ; try++ {
		err := func() error {
			limited, cancel := context.WithTimeoutCause(ctx, s.cfg.Timeout, errStalled)
			defer cancel()
			_, err := s.api.DeleteObject(limited, in, once)
			return stalled(limited, err)
		}()
		if err == nil {
			return nil
		}
		err = classify(ctx, ofObject, err)
		if lost && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, source.ErrChanged)) {
			if _, now := s.headName(ctx, s.cfg.Bucket, name, ""); errors.Is(now, fs.ErrNotExist) {
				return nil
			}
		}
		if !fault.Is(err, fault.ClassInterrupted) || try == tries || sleep.For(ctx, wait(try)) != nil {
			return err
		}
		lost = true
	}
}

// once turns the retries of the SDK off for one call.
func once(o *s3.Options) { o.Retryer = aws.NopRetryer{} }
