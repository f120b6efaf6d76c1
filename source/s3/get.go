package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// errBadKey is the error of a key that no listing gives.
var errBadKey = errors.New("not a path below the root")

// name returns the name of a key in the bucket.
func (s *Source) name(key string) (string, error) {
	for rest, more := key, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, "/")
		if name == "" || name == "." || name == ".." {
			return "", errBadKey
		}
	}
	return s.root + key, nil
}

// part is a stretch of an object: from off up to end, which is excluded and -1
// for all there is.
type part struct{ off, end int64 }

// header is the part in the form of a Range header, or nil for the whole object.
func (p part) header() *string {
	if p.off == 0 && p.end < 0 {
		return nil
	}
	text := "bytes=" + strconv.FormatInt(p.off, 10) + "-"
	if p.end >= 0 {
		text += strconv.FormatInt(p.end-1, 10)
	}
	return &text
}

// answer is an answer to a GET that has begun. Its body is cut when nothing
// comes for the time-out. It is closed by who asked for it.
type answer struct {
	found  source.Object
	etag   string // of found, without quotes
	part   part   // what the body holds; its end is known
	body   io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	idle   time.Duration
}

// get asks for a part of the object that o is: for the one with that ETag, where
// it is not empty. The error is classified.
func (s *Source) get(ctx context.Context, o source.Object, etag string, p part) (*answer, error) {
	name, err := s.name(o.Key)
	if err != nil {
		return nil, err
	}
	in := &s3.GetObjectInput{
		Bucket:               &s.cfg.Bucket,
		Key:                  &name,
		IfMatch:              quoted(etag),
		Range:                p.header(),
		RequestPayer:         s.payer,
		ExpectedBucketOwner:  s.owner,
		SSECustomerAlgorithm: s.sse.algorithm,
		SSECustomerKey:       s.sse.key,
		SSECustomerKeyMD5:    s.sse.sum,
	}
	a := &answer{idle: s.cfg.Timeout}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	a.timer = time.AfterFunc(a.idle, func() { a.cancel(errStalled) })
	out, err := s.api.GetObject(a.ctx, in)
	if err != nil {
		err = classify(ctx, ofObject, stalled(a.ctx, err))
		a.stop()
		return nil, err
	}
	a.body = out.Body
	if err := a.describe(s, o, p, out); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// describe notes what an answer holds, and compares it with what was asked for.
func (a *answer) describe(s *Source, o source.Object, p part, out *s3.GetObjectOutput) error {
	size := aws.ToInt64(out.ContentLength)
	a.part = part{0, size}
	if out.ContentRange != nil {
		var ok bool
		if a.part, size, ok = parseContentRange(*out.ContentRange); !ok {
			return fault.Interrupted(fmt.Errorf("the answer has the Content-Range %q", *out.ContentRange))
		}
		if n := out.ContentLength; n == nil || *n != a.part.end-a.part.off {
			return fault.Interrupted(errors.New("the answer's length is not that of its range"))
		}
	} else if out.ContentLength == nil {
		return fault.Interrupted(errors.New("the answer has no length"))
	}
	a.etag = bare(aws.ToString(out.ETag))
	a.found = s.object(o.Key, stored{etag: out.ETag, versionID: out.VersionId, size: size, modified: out.LastModified})
	switch {
	case !o.SameAs(a.found):
		return source.ErrChanged
	case a.part.off != p.off:
		return source.ErrNoRange
	case p.end >= 0 && a.part.end < p.end:
		return outside(p, size)
	}
	return nil
}

// outside is the error of a part that is not in an object.
func outside(p part, size int64) error {
	return fmt.Errorf("bytes %d to %d are outside of %d bytes", p.off, p.end, size)
}

// parseContentRange reads "bytes 0-99/1000".
func parseContentRange(text string) (p part, size int64, ok bool) {
	text, ok = strings.CutPrefix(text, "bytes ")
	stretch, total, ok2 := strings.Cut(text, "/")
	first, last, ok3 := strings.Cut(stretch, "-")
	off, err := strconv.ParseInt(first, 10, 64)
	end, err2 := strconv.ParseInt(last, 10, 64)
	size, err3 := strconv.ParseInt(total, 10, 64)
	ok = ok && ok2 && ok3 && err == nil && err2 == nil && err3 == nil
	return part{off, end + 1}, size, ok && 0 <= off && off <= end && end < size
}

// read reads from the body.
func (a *answer) read(p []byte) (int, error) {
	n, err := a.body.Read(p)
	if n > 0 {
		a.timer.Reset(a.idle)
	}
	if err != nil && err != io.EOF {
		err = stalled(a.ctx, err)
	}
	return n, err
}

// stop ends the request.
func (a *answer) stop() {
	a.timer.Stop()
	a.cancel(context.Canceled)
}

// close ends the request and the body.
func (a *answer) close() {
	a.stop()
	_ = a.body.Close() // what matters has been read
}

// head asks what is stored under a key: for the one with that ETag, where it is
// not empty. The error is classified.
func (s *Source) head(ctx context.Context, key, etag string) (source.Object, stored, error) {
	name, err := s.name(key)
	if err != nil {
		return source.Object{}, stored{}, err
	}
	st, err := s.headName(ctx, s.cfg.Bucket, name, etag)
	if err != nil {
		return source.Object{}, stored{}, err
	}
	return s.object(key, st), st, nil
}

func (s *Source) headName(ctx context.Context, bucket, name, etag string) (stored, error) {
	in := &s3.HeadObjectInput{
		Bucket:               &bucket,
		Key:                  &name,
		IfMatch:              quoted(etag),
		RequestPayer:         s.payer,
		SSECustomerAlgorithm: s.sse.algorithm,
		SSECustomerKey:       s.sse.key,
		SSECustomerKeyMD5:    s.sse.sum,
	}
	if bucket == s.cfg.Bucket {
		in.ExpectedBucketOwner = s.owner
	}
	limited, cancel := context.WithTimeoutCause(ctx, s.cfg.Timeout, errStalled)
	defer cancel()
	out, err := s.api.HeadObject(limited, in)
	if err != nil {
		return stored{}, classify(ctx, ofObject, stalled(limited, err))
	}
	return stored{etag: out.ETag, versionID: out.VersionId, size: sizeOf(out.ContentLength), modified: out.LastModified}, nil
}

// ifMatch is the ETag that o is asked for by, or nothing: version ids are
// compared by [answer.describe] and its like.
func (s *Source) ifMatch(o source.Object) string {
	if s.cfg.VersionIDs {
		return ""
	}
	return o.Version
}
