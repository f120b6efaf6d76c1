package gs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"cloud.google.com/go/storage"

	"github.com/unspool-go/unspool/internal/gcpclient"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Source is a prefix of a bucket. It is safe for concurrent use, holds nothing
// that has to be closed, and may share its client with others.
type Source struct {
	client *storage.Client
	bucket *storage.BucketHandle
	cfg    Config // Prefix is empty or ends with a slash
}

var (
	_ source.Source      = (*Source)(nil)
	_ source.SmallReader = (*Source)(nil)
	_ source.Remover     = (*Source)(nil)
	_ source.Mover       = (*Source)(nil)
)

// New returns the source of a prefix of a bucket. It sends nothing. Every
// mistake in cfg is named in the error, which is marked fault.Fatal.
func New(client *storage.Client, cfg Config) (*Source, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(client); err != nil {
		return nil, fault.Fatal(err)
	}
	s := &Source{client: client, cfg: cfg}
	s.bucket = client.Bucket(cfg.Bucket).Retryer(retries()...)
	if cfg.UserProject != "" {
		s.bucket = s.bucket.UserProject(cfg.UserProject)
	}
	return s, nil
}

// URL returns the root as a gs:// URL.
func (s *Source) URL() string { return "gs://" + s.cfg.Bucket + "/" + s.cfg.Prefix }

var (
	// errBadKey is the error of a key that no listing gives.
	errBadKey = errors.New("not a path below the root")

	errNoGeneration = errors.New("the service gives no generation to ask for it by")
)

// handle returns the object of a key in the bucket.
func (s *Source) handle(key string) (*storage.ObjectHandle, error) {
	for rest, more := key, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, "/")
		if name == "" || name == "." || name == ".." {
			return nil, errBadKey
		}
	}
	if name := s.cfg.Prefix + key; len(name) <= maxName && utf8.ValidString(name) {
		return s.bucket.Object(name), nil
	}
	return nil, errBadKey
}

// maxName is the longest name of an object, in bytes. From "About Cloud Storage
// objects", object name requirements.
const maxName = 1024

// object returns what is stored as the object of a key.
func object(key string, a *storage.ObjectAttrs) source.Object {
	return source.Object{
		Key:     key,
		Version: strconv.FormatInt(a.Generation, 10),
		Size:    a.Size,
		ModTime: finished(a),
	}
}

// finished is when a generation came to be: an object that is appended to is
// created before.
func finished(a *storage.ObjectAttrs) time.Time {
	if a.Finalized.After(a.Created) {
		return a.Finalized.UTC()
	}
	return a.Created.UTC()
}

// stat asks what is stored under a key. The error is classified.
func (s *Source) stat(ctx context.Context, key string) (*storage.ObjectAttrs, error) {
	h, err := s.handle(key)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeoutCause(ctx, s.cfg.Timeout, gcpclient.ErrStalled)
	defer cancel()
	a, err := h.Attrs(limited)
	if err != nil {
		return nil, ofObject(ctx, gcpclient.Why(limited, err))
	}
	if a.Generation <= 0 {
		return nil, fault.Fatal(errNoGeneration)
	}
	return a, nil
}

// find returns the object that o is as far as the service knows it, with its
// generation: what the listing has told already is not asked for again.
func (s *Source) find(ctx context.Context, o source.Object) (source.Object, int64, error) {
	if o.Version != "" && o.Size >= 0 && !o.ModTime.IsZero() {
		gen, err := strconv.ParseInt(o.Version, 10, 64)
		if err != nil || gen <= 0 {
			return source.Object{}, 0, fmt.Errorf("its version is no generation: %w", source.ErrChanged)
		}
		return o, gen, nil
	}
	a, err := s.stat(ctx, o.Key)
	if err != nil {
		return source.Object{}, 0, err
	}
	found := object(o.Key, a)
	if !same(o, found) {
		return found, 0, source.ErrChanged
	}
	return found, a.Generation, nil
}

// same reports whether o is what was found: of one generation there is but one
// content, however exactly its time is told.
func same(o, found source.Object) bool {
	if o.Version != "" {
		return o.Version == found.Version
	}
	return o.SameAs(found)
}
