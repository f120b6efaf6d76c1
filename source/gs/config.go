package gs

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/storage"
)

// Config says what of a bucket is listed, and how it is read. All but Bucket
// may be left at zero: everything below the root is listed then but hidden and
// temporary names, as by source/dir.
type Config struct {
	// Bucket is the name of the bucket. Required.
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
	// MinAge keeps objects back that are younger, by the clock of this machine.
	// Cloud Storage shows no object before it is whole, so that it is seldom
	// needed. Defaults to 0: no limit.
	MinAge time.Duration
	// Flat passes over nested folders, without listing them.
	Flat bool
	// MaxDepth is how many levels of nested folders are listed. A deeper one is
	// passed over and reported at the end of the listing. Defaults to 64.
	MaxDepth int

	// UserProject is the project that pays for the requests, where the bucket
	// wants the requester to pay. Defaults to that of the bucket.
	UserProject string
	// Timeout is how long an answer may be waited for, the client's own retries
	// included, and how long a body may stay without a byte. Defaults to 1
	// minute.
	Timeout time.Duration
}

const (
	defaultMaxDepth = 64
	defaultTimeout  = time.Minute
)

func (c Config) withDefaults() Config {
	c.Suffixes = slices.Clone(c.Suffixes)
	c.Ignore = slices.Clone(c.Ignore)
	if c.MaxDepth == 0 {
		c.MaxDepth = defaultMaxDepth
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Prefix != "" && !strings.HasSuffix(c.Prefix, "/") {
		c.Prefix += "/"
	}
	return c
}

// check reports every mistake.
func (c Config) check(client *storage.Client) error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("gs: Config.%s: %s", field, fmt.Sprintf(format, args...)))
	}
	if client == nil {
		errs = append(errs, errors.New("gs: the client is nil"))
	}
	if c.Bucket == "" {
		bad("Bucket", "required")
	} else if strings.Contains(c.Bucket, "/") {
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
	if c.MinAge < 0 {
		bad("MinAge", "is negative")
	}
	if c.MaxDepth < 0 {
		bad("MaxDepth", "is negative")
	}
	if c.Timeout < 0 {
		bad("Timeout", "is negative")
	}
	return errors.Join(errs...)
}
