package s3

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/fault"
)

// entry is one name of a listing.
type entry struct {
	name    string
	garbled bool // the store could not write it down
	stored
}

// fetch asks for one page of a listing, and where it goes on: nil for nowhere.
// An answer that was cut is asked for again.
func (s *Source) fetch(ctx context.Context, prefix string, at place) ([]entry, *place, error) {
	ask := s.fetchObjects
	if s.cfg.VersionIDs {
		ask = s.fetchVersions
	}
	for try := 1; ; try++ {
		entries, next, err := func() ([]entry, *place, error) {
			ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.Timeout, errStalled)
			defer cancel()
			entries, next, err := ask(ctx, prefix, at)
			return entries, next, stalled(ctx, err)
		}()
		_, cut := errors.AsType[*smithy.DeserializationError](err)
		if err == nil || !cut || isAnswer(err) || try == tries || sleep.For(ctx, wait(try)) != nil {
			return entries, next, err
		}
	}
}

func (s *Source) fetchObjects(ctx context.Context, prefix string, at place) ([]entry, *place, error) {
	in := &s3.ListObjectsV2Input{
		Bucket:              &s.cfg.Bucket,
		Prefix:              nonempty(prefix),
		EncodingType:        types.EncodingTypeUrl, // XML cannot hold every name
		ContinuationToken:   at.token,
		RequestPayer:        s.payer,
		ExpectedBucketOwner: s.owner,
	}
	if at.token == nil {
		in.StartAfter = nonempty(at.after)
	}
	if s.cfg.Flat {
		in.Delimiter = aws.String("/")
	}
	out, err := s.api.ListObjectsV2(ctx, in)
	switch {
	case err != nil:
		return nil, nil, err
	case out.IsTruncated == nil, *out.IsTruncated && aws.ToString(out.NextContinuationToken) == "":
		return nil, nil, fault.Interrupted(errNoListing)
	}
	entries := make([]entry, len(out.Contents))
	for i := range out.Contents {
		c := &out.Contents[i]
		name, err := decoded(c.Key, out.EncodingType)
		if err != nil {
			return nil, nil, err
		}
		entries[i] = entry{name, garbled(name, out.EncodingType), stored{etag: c.ETag, size: sizeOf(c.Size), modified: c.LastModified}}
	}
	if *out.IsTruncated {
		return entries, &place{token: out.NextContinuationToken}, nil
	}
	return entries, nil, nil
}

// fetchVersions lists the present versions only; those that it passes over, and
// the markers of what was deleted, count into the pages of the store.
func (s *Source) fetchVersions(ctx context.Context, prefix string, at place) ([]entry, *place, error) {
	in := &s3.ListObjectVersionsInput{
		Bucket:              &s.cfg.Bucket,
		Prefix:              nonempty(prefix),
		EncodingType:        types.EncodingTypeUrl,
		KeyMarker:           at.key,
		VersionIdMarker:     at.token,
		RequestPayer:        s.payer,
		ExpectedBucketOwner: s.owner,
	}
	if at.key == nil {
		in.KeyMarker = nonempty(at.after)
	}
	if s.cfg.Flat {
		in.Delimiter = aws.String("/")
	}
	out, err := s.api.ListObjectVersions(ctx, in)
	switch {
	case err != nil:
		return nil, nil, err
	case out.IsTruncated == nil, *out.IsTruncated && aws.ToString(out.NextKeyMarker) == "":
		return nil, nil, fault.Interrupted(errNoListing)
	}
	entries := make([]entry, 0, len(out.Versions))
	for i := range out.Versions {
		v := &out.Versions[i]
		if !aws.ToBool(v.IsLatest) {
			continue
		}
		name, err := decoded(v.Key, out.EncodingType)
		if err != nil {
			return nil, nil, err
		}
		if id := aws.ToString(v.VersionId); id == "" || id == "null" {
			return nil, nil, fault.Fatal(fmt.Errorf("%q: %w", name, errUnversioned))
		}
		entries = append(entries, entry{name, garbled(name, out.EncodingType), stored{
			etag: v.ETag, versionID: v.VersionId, size: sizeOf(v.Size), modified: v.LastModified,
		}})
	}
	if !*out.IsTruncated {
		return entries, nil, nil
	}
	key, err := decoded(out.NextKeyMarker, out.EncodingType)
	if err != nil {
		return nil, nil, err
	}
	return entries, &place{key: &key, token: out.NextVersionIdMarker}, nil
}

// errUnversioned means that what was written without versioning has no version
// id that tells it from what was there before.
var errUnversioned = errors.New("has no version id: Config.VersionIDs needs a versioned bucket")

// decoded returns a name as it is.
func decoded(name *string, encoding types.EncodingType) (string, error) {
	if name == nil {
		return "", fault.Interrupted(fmt.Errorf("an object without a name: %w", errNoListing))
	}
	if encoding != types.EncodingTypeUrl {
		return *name, nil // a store that does not encode
	}
	plain, err := url.QueryUnescape(*name)
	if err != nil {
		return "", fault.Interrupted(fmt.Errorf("the name %q is not encoded: %w", *name, errNoListing))
	}
	return plain, nil
}

// garbled reports whether a name may be another: XML has no control characters,
// and a store that does not encode writes the replacement character for them.
func garbled(name string, encoding types.EncodingType) bool {
	return encoding != types.EncodingTypeUrl && strings.ContainsRune(name, utf8.RuneError)
}

func sizeOf(size *int64) int64 {
	if size == nil {
		return -1
	}
	return *size
}

func nonempty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

const (
	// tries is how often in a row something is asked for whose answer is cut
	// before anything new has come.
	tries = 4
	// firstWait is the time before the second of them, and doubles.
	firstWait = 100 * time.Millisecond
)

func wait(try int) time.Duration { return firstWait << (try - 1) }

// stalled names the time-out as the cause of an error of a request under ctx.
func stalled(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return fmt.Errorf("%w: %w", errStalled, err)
	}
	return err
}
