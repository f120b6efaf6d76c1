package s3

import (
	"context"
	"iter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/internal/fanout"
	"github.com/unspool-go/unspool/claim/internal/lease"
)

// Inspect implements [claim.Inspector].
func (s *Store) Inspect(ctx context.Context, keys []string) ([]claim.Entry, error) {
	if err := lease.Begin(ctx, "inspect"); err != nil || len(keys) == 0 {
		return nil, err
	}
	entries := make([]claim.Entry, len(keys))
	err := fanout.Each(ctx, "s3: inspect", len(keys), s.parallel, func(ctx context.Context, i int) error {
		entries[i].Key = keys[i]
		if !fanout.Legal(keys[i]) {
			return nil // nobody ever claimed it
		}
		v, err := s.get(ctx, "inspect", s.name(keys[i]))
		if err == nil && v.etag != "" {
			entries[i] = v.record.entry()
		}
		return err
	})
	if err != nil {
		return nil, fanout.Whole("s3: inspect", err)
	}
	return entries, nil
}

// Expired implements [claim.Inspector]. It reads every object under the prefix,
// a page of a listing at a time.
func (s *Store) Expired(ctx context.Context, grace time.Duration) iter.Seq2[claim.Entry, error] {
	return s.entries(ctx, func(r record, now int64) bool {
		return r.held() && r.Expires <= now-grace.Milliseconds()
	})
}

// Completed implements [claim.Inspector]. It reads every object under the
// prefix, a page of a listing at a time.
func (s *Store) Completed(ctx context.Context) iter.Seq2[claim.Entry, error] {
	return s.entries(ctx, func(r record, _ int64) bool { return r.State == stateFinished })
}

// entries lists what is wanted at S3's time, in ms.
func (s *Store) entries(ctx context.Context, want func(r record, now int64) bool) iter.Seq2[claim.Entry, error] {
	return func(yield func(claim.Entry, error) bool) {
		err := s.walk(ctx, func(r record, now int64) bool { return !want(r, now) || yield(r.entry(), nil) })
		if err != nil {
			yield(claim.Entry{}, err)
		}
	}
}

// walk calls visit for every record until it returns false.
func (s *Store) walk(ctx context.Context, visit func(r record, now int64) bool) error {
	in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &s.prefix}
	for {
		if err := lease.Begin(ctx, "s3: list claims"); err != nil {
			return err
		}
		start := s.clock.Start()
		page, err := s.api.ListObjectsV2(ctx, in)
		if err != nil {
			s.observeError(start, err)
			return callError(ctx, "list "+s.prefix, err)
		}
		s.observe(start, page.ResultMetadata)
		var names []string
		for _, o := range page.Contents {
			if name := aws.ToString(o.Key); s.isRecord(name) {
				names = append(names, name)
			}
		}
		versions := make([]version, len(names))
		err = fanout.Each(ctx, "s3: list claims", len(names), s.parallel, func(ctx context.Context, i int) error {
			var err error
			versions[i], err = s.get(ctx, "list", names[i])
			return err
		})
		if err != nil {
			return fanout.Whole("s3: list claims", err)
		}
		for _, v := range versions {
			if v.etag == "" {
				continue // forgotten since it was listed
			}
			if err := lease.Begin(ctx, "s3: list claims"); err != nil {
				return err
			}
			now, err := s.now()
			if err != nil {
				return err
			}
			if !visit(v.record, now.Earliest) {
				return nil
			}
		}
		if !aws.ToBool(page.IsTruncated) {
			return nil
		}
		in.ContinuationToken = page.NextContinuationToken
	}
}

// Count implements [claim.Inspector]. It reads every object under the prefix.
func (s *Store) Count(ctx context.Context) (claim.Counts, error) {
	var c claim.Counts
	err := s.walk(ctx, func(r record, now int64) bool {
		switch {
		case r.State == stateFinished:
			c.Finished++
		case r.held() && r.Expires > now:
			c.Processing++
		case r.held():
			c.Expired++
		case !r.blank(now):
			c.Waiting++
		}
		return true
	})
	if err != nil {
		return claim.Counts{}, err
	}
	return c, nil
}

// Forget implements [claim.Inspector]. It deletes what it has read, by ETag, so
// that a key which was forgotten by another and claimed since is left alone. A
// store that cannot do so is refused.
func (s *Store) Forget(ctx context.Context, keys []string) error {
	if err := lease.Begin(ctx, "forget"); err != nil || len(keys) == 0 {
		return err
	}
	if err := s.readyToDelete(ctx); err != nil {
		return err
	}
	return fanout.Each(ctx, "s3: forget", len(keys), s.parallel, func(ctx context.Context, i int) error {
		if !fanout.Legal(keys[i]) {
			return nil // nobody ever claimed it
		}
		name := s.name(keys[i])
		for range rounds {
			v, err := s.get(ctx, "forget", name)
			if err != nil || v.record.State != stateFinished {
				return err
			}
			if gone, err := s.remove(ctx, "forget", name, v.etag); err != nil || gone {
				return err
			}
		}
		return errConflict("forget", name)
	})
}
