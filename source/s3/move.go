package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Move implements [source.Mover] for targets of the form s3://bucket/prefix that
// the same client can write to; others are unsupported. S3 copies by itself: an
// object is copied on condition that it is the one given and that nothing has its
// name there, the copy is looked at, and then the object is removed as by
// [Source.Remove]. What is in the way but holds the very same bytes counts as
// the copy. Objects of more than 5 GB are copied in parts, and so are all where
// the store obeys no condition of other copies. Copies have the default storage
// class of the target.
//
// A target that ignores conditions is found out by the first copy, which is made
// twice, and refused with a fatal error that wraps [ErrIgnoresConditions].
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
	rest, ok := strings.CutPrefix(to, "s3://")
	if !ok {
		return nil, fmt.Errorf("to %s: %w", to, errors.ErrUnsupported)
	}
	cfg := s.cfg
	cfg.Bucket, cfg.Prefix, _ = strings.Cut(rest, "/")
	if cfg.Bucket != s.cfg.Bucket {
		cfg.BucketOwner = ""
	}
	target, err := New(s.api, cfg)
	if err != nil {
		return nil, fmt.Errorf("to %s: %w", to, err)
	}
	if cfg.Bucket == s.cfg.Bucket && strings.HasPrefix(target.root, s.root) {
		return nil, fault.Fatal(fmt.Errorf("to %s: lies in the source %s: what is put there would be listed again", to, s.URL()))
	}
	target.copyLimit, target.copyPart = s.copyLimit, s.copyPart
	return target, nil
}

func (s *Source) move(ctx context.Context, o source.Object, target *Source) error {
	etag, err := s.present(ctx, o)
	if err != nil {
		return err
	}
	now, st, err := s.head(ctx, o.Key, etag)
	if err != nil {
		return err
	}
	if !o.SameAs(now) {
		return source.ErrChanged
	}
	if err := s.copyTo(ctx, now, st, target); err != nil {
		return err
	}
	return s.remove(ctx, o.Key, etag)
}

// copyTo makes sure that the target has a copy of the object that o is.
func (s *Source) copyTo(ctx context.Context, o source.Object, st stored, target *Source) error {
	name, err := target.name(o.Key)
	if err != nil {
		return err
	}
	c := copying{s: s, from: s.root + o.Key, etag: bare(aws.ToString(st.etag)), size: o.Size, target: target, name: name}
	if s.cfg.VersionIDs {
		c.version = o.Version
	}
	etag, err := s.makeProven(ctx, &c)
	if errors.Is(err, source.ErrChanged) { // or something is in the way
		return c.resolve(ctx, o)
	}
	if err != nil {
		return err
	}
	there, err := target.headName(ctx, target.cfg.Bucket, name, "")
	switch {
	case err != nil:
		return fmt.Errorf("look at the copy: %w", err)
	case there.size != o.Size || etag != "" && bare(aws.ToString(there.etag)) != etag:
		return errors.New("the copy is not what was copied")
	}
	return nil
}

// makeProven makes a copy in a way whose condition the target is known to obey.
// The first one in a bucket is made where nothing is, and then once more, which
// the store has to refuse. Some refuse only what is uploaded in parts.
func (s *Source) makeProven(ctx context.Context, c *copying) (etag string, err error) {
	bucket := c.target.cfg.Bucket
	if err := s.prove(ctx); err != nil {
		return "", err
	}
	known := s.copies[bucket]
	if known != unproven {
		s.proven()
		switch known {
		case obeys:
			return c.make(ctx)
		case obeysInParts:
			return c.inParts(ctx)
		}
		return "", errIgnoresCopies
	}
	defer s.proven()
	switch _, err := c.target.headName(ctx, bucket, c.name, ""); {
	case err == nil:
		return "", source.ErrChanged
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	if etag, err = c.make(ctx); err != nil || c.size > s.copyLimit {
		return etag, err // what has to be copied in parts proves nothing
	}
	known = obeys
	_, err = c.make(ctx)
	if err == nil {
		known = obeysInParts
		_, err = c.inParts(ctx)
	}
	switch {
	case err == nil:
		s.copies[bucket] = ignores
		return "", errIgnoresCopies
	case !errors.Is(err, source.ErrChanged):
		return "", err
	}
	s.copies[bucket] = known
	return etag, nil
}

var errIgnoresCopies = fault.Fatal(fmt.Errorf("a copy with If-None-Match replaced what was there: %w", ErrIgnoresConditions))

// copying is the copying of one object.
type copying struct {
	s       *Source
	from    string // its name
	etag    string
	version string // or empty
	size    int64
	target  *Source
	name    string // of the copy
}

// make makes the copy, and returns its ETag. An error that wraps
// [source.ErrChanged] says that one of the conditions does not hold.
func (c *copying) make(ctx context.Context) (etag string, err error) {
	if c.size > c.s.copyLimit {
		return c.inParts(ctx)
	}
	out, err := c.s.api.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket:                         &c.target.cfg.Bucket,
		Key:                            &c.name,
		CopySource:                     c.source(),
		CopySourceIfMatch:              quoted(c.etag),
		IfNoneMatch:                    aws.String("*"),
		RequestPayer:                   c.s.payer,
		ExpectedSourceBucketOwner:      c.s.owner,
		ExpectedBucketOwner:            c.target.owner,
		CopySourceSSECustomerAlgorithm: c.s.sse.algorithm,
		CopySourceSSECustomerKey:       c.s.sse.key,
		CopySourceSSECustomerKeyMD5:    c.s.sse.sum,
		SSECustomerAlgorithm:           c.s.sse.algorithm,
		SSECustomerKey:                 c.s.sse.key,
		SSECustomerKeyMD5:              c.s.sse.sum,
	})
	if err != nil {
		return "", classify(ctx, ofObject, err)
	}
	if out.CopyObjectResult == nil {
		return "", fault.Interrupted(errors.New("the answer does not tell that it was copied"))
	}
	return bare(aws.ToString(out.CopyObjectResult.ETag)), nil
}

// source is the object in the form of a header, where a + would be a space.
func (c *copying) source() *string {
	text := c.s.cfg.Bucket + "/" + c.from
	if strings.HasPrefix(text, "arn:") {
		text = c.s.cfg.Bucket + "/object/" + c.from
	}
	text = strings.NewReplacer("+", "%20", "%2F", "/").Replace(url.QueryEscape(text))
	if c.version != "" {
		text += "?versionId=" + url.QueryEscape(c.version)
	}
	return &text
}

// resolve finds out why a copy was refused: the object is another, or something
// is in its way, which may be the copy of one that was killed.
func (c *copying) resolve(ctx context.Context, o source.Object) error {
	there, st, err := c.target.head(ctx, o.Key, "")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return source.ErrChanged
	case err != nil:
		return fmt.Errorf("look at what is in the way: %w", err)
	case st.size != c.size:
		return fs.ErrExist
	}
	same, err := c.same(ctx, o, there)
	switch {
	case err != nil:
		return fmt.Errorf("compare with what is in the way: %w", err)
	case !same:
		return fs.ErrExist
	}
	return nil
}

// same compares the object with one of the target, byte by byte.
func (c *copying) same(ctx context.Context, o, there source.Object) (bool, error) {
	a, _, err := c.s.open(ctx, o, 0, -1)
	if err != nil {
		return false, err
	}
	defer a.Close()
	b, _, err := c.target.open(ctx, there, 0, -1)
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
func orEnd(err error) bool {
	return err == nil || err == io.EOF || err == io.ErrUnexpectedEOF
}
