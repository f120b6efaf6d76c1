package s3

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/unspool-go/unspool/internal/timefolder"
)

// Config says what of a bucket is listed, and how it is read. All but Bucket
// may be left at zero: everything below the root is listed then but hidden and
// temporary names, as by source/dir.
type Config struct {
	// Bucket is the name of the bucket, or the ARN of an access point. Required.
	Bucket string
	// Prefix is the root: the folder that keys are relative to, as in "feed/in".
	// A slash at its end is added. Defaults to the whole bucket.
	Prefix string

	// Suffixes lists only keys that end with one of them, as ".json.gz".
	// Defaults to all.
	Suffixes []string
	// Ignore are patterns as in [path.Match]. An object is passed over if its
	// name or that of a folder it is in (not the path) matches one.
	Ignore []string
	// IncludeHidden lists names that start with "." or end with ".tmp", too.
	// Otherwise they are taken for files, and folders, that are not ready.
	IncludeHidden bool
	// MinAge keeps objects back whose last modification is younger, by the
	// clock of this machine. S3 shows no object before it is whole, so that it
	// is seldom needed. Defaults to 0: no limit.
	MinAge time.Duration
	// Flat passes over nested folders, without listing them.
	Flat bool
	// MaxDepth is how many levels of nested folders are listed. A deeper one is
	// passed over and reported at the end of the listing. Defaults to 64.
	MaxDepth int
	// Partitions lists only the folders of some time. Defaults to all.
	Partitions Partitions

	// Growing speeds up Watch where keys grow with time.
	Growing Growing

	// PartBytes is the size of the ranges in which a large object is read, side
	// by side. Defaults to 8 MiB.
	PartBytes int64
	// AheadBytes bounds what all readers together hold of ranges that were read
	// before it was their turn. Defaults to 64 MiB; negative means that nothing is
	// read ahead.
	AheadBytes int64
	// Parallel is how many ranges of one object are under way at once. Defaults
	// to 4.
	Parallel int
	// Timeout is how long an answer may be waited for, the SDK's own retries
	// included, and how long a body may stay without a byte. Defaults to 1
	// minute.
	Timeout time.Duration

	// RequesterPays says that this account pays for what is sent.
	RequesterPays bool
	// BucketOwner is the account that the bucket must belong to. Defaults to any.
	BucketOwner string
	// CustomerKey is the key of 32 bytes that objects are encrypted with (SSE-C).
	// S3 takes it over HTTPS only. Defaults to none.
	CustomerKey []byte
	// VersionIDs makes the version id of S3 the Version of an object, so that
	// the same bytes written again are another object. The bucket must be
	// versioned. It is listed with ListObjectVersions, which goes through old
	// versions, too. Defaults to the ETag.
	VersionIDs bool
}

// Growing says that new objects come with keys that are greater, byte by byte,
// than those that are there, but for exceptions: as where keys begin with a
// time. [Source.Watch] then lists from where the last listing ended.
type Growing struct {
	// On says that keys grow.
	On bool
	// Overlap is how long a listing goes back: it begins at the greatest key of
	// a listing that is so long ago, so that writers may overtake each other by
	// that. Defaults to 1 minute.
	Overlap time.Duration
	// FullEvery is how often everything is listed all the same: how long an
	// object may stay unseen that comes with a key smaller than that, later than
	// Overlap. Defaults to 15 minutes.
	FullEvery time.Duration
}

const (
	defaultMaxDepth   = 64
	defaultOverlap    = time.Minute
	defaultFullEvery  = 15 * time.Minute
	defaultPartBytes  = 8 << 20
	defaultAheadBytes = 64 << 20
	defaultParallel   = 4
	defaultTimeout    = time.Minute
)

// check reports every mistake, and compiles the layout of the partitions.
func (c Config) check(api API) ([]timefolder.Level, error) {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("s3: Config.%s: %s", field, fmt.Sprintf(format, args...)))
	}
	if api == nil {
		errs = append(errs, errors.New("s3: the client is nil"))
	}
	if c.Bucket == "" {
		bad("Bucket", "required")
	} else if strings.Contains(c.Bucket, "/") && !strings.HasPrefix(c.Bucket, "arn:") {
		bad("Bucket", "%q is no name of a bucket: the rest belongs to Prefix", c.Bucket)
	}
	for i, suffix := range c.Suffixes {
		if suffix == "" || strings.HasSuffix(suffix, "/") {
			bad(fmt.Sprintf("Suffixes[%d]", i), "%q ends no key", suffix)
		}
	}
	for i, pattern := range c.Ignore {
		if _, err := path.Match(pattern, ""); err != nil {
			bad(fmt.Sprintf("Ignore[%d]", i), "%q: %v", pattern, err)
		}
	}
	for _, n := range []struct {
		field string
		value int64
	}{
		{"MaxDepth", int64(c.MaxDepth)}, {"PartBytes", c.PartBytes}, {"Parallel", int64(c.Parallel)},
		{"MinAge", int64(c.MinAge)}, {"Timeout", int64(c.Timeout)},
		{"Growing.Overlap", int64(c.Growing.Overlap)}, {"Growing.FullEvery", int64(c.Growing.FullEvery)},
	} {
		if n.value < 0 {
			bad(n.field, "is negative")
		}
	}
	if n := len(c.CustomerKey); n != 0 && n != 32 {
		bad("CustomerKey", "has %d bytes: want 32", n)
	}
	if c.Flat && c.Partitions.Layout != "" {
		bad("Flat", "not together with Partitions, which are nested folders")
	}
	levels, err := c.Partitions.compile()
	if err != nil {
		errs = append(errs, err)
	}
	return levels, errors.Join(errs...)
}
