package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"

	"github.com/unspool-go/unspool/claim/internal/awsdate"
	"github.com/unspool-go/unspool/claim/internal/storeclock"
	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/fault"
)

// observe sets the clock by the answer to a request that left at start.
func (s *Store) observe(start time.Duration, md middleware.Metadata) {
	if date, ok := awsdate.OfResult(md); ok {
		s.clock.Observe(start, date)
	}
}

// observeError is observe for an answer that is an error.
func (s *Store) observeError(start time.Duration, err error) {
	if date, ok := awsdate.OfError(err); ok {
		s.clock.Observe(start, date)
	}
}

// now returns S3's time. Some answer must have come before.
func (s *Store) now() (storeclock.Reading, error) {
	r, ok := s.clock.Now()
	if !ok {
		return r, fault.Fatal(errors.New("s3: answers carry no Date header, so there is no clock to judge leases by"))
	}
	return r, nil
}

// get reads the object of a name. Where there is none, the version is empty.
func (s *Store) get(ctx context.Context, op, name string) (version, error) {
	start := s.clock.Start()
	out, err := s.api.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &name})
	if err != nil {
		s.observeError(start, err)
		if outcomeOf(err) == missing {
			return version{}, nil
		}
		return version{}, callError(ctx, op+": read "+name, err)
	}
	s.observe(start, out.ResultMetadata)
	body, err := io.ReadAll(io.LimitReader(out.Body, maxRecordBytes))
	_ = out.Body.Close() // all that matters has been read
	if err != nil {
		return version{}, callError(ctx, op+": read "+name, err)
	}
	r, err := s.parse(name, body)
	if err != nil {
		return version{}, err
	}
	return version{r, aws.ToString(out.ETag)}, nil
}

const (
	// firstWait and lastWait bound the waiting after a 409, half of it random.
	firstWait = 20 * time.Millisecond
	lastWait  = time.Second
	// conflictTries bounds how often that is done before the store counts as
	// away.
	conflictTries = 8
)

// write puts an object if that of its name still has the ETag, or if there is
// none where etag is empty. It returns the new ETag, and false if the object is
// another.
func (s *Store) write(ctx context.Context, op, name string, body []byte, etag string) (string, bool, error) {
	wait := firstWait
	for try := range conflictTries {
		if try > 0 {
			if err := sleep.For(ctx, wait/2+rand.N(wait/2)); err != nil {
				return "", false, callError(ctx, op+": write "+name, err)
			}
			wait = min(2*wait, lastWait)
		}
		in := &s3.PutObjectInput{
			Bucket:        &s.bucket,
			Key:           &name,
			Body:          bytes.NewReader(body),
			ContentLength: aws.Int64(int64(len(body))),
			ContentType:   aws.String("application/json"),
		}
		if etag == "" {
			in.IfNoneMatch = aws.String("*")
		} else {
			in.IfMatch = &etag
		}
		start := s.clock.Start()
		out, err := s.api.PutObject(ctx, in)
		if err == nil {
			s.observe(start, out.ResultMetadata)
			return aws.ToString(out.ETag), true, nil
		}
		s.observeError(start, err)
		switch outcomeOf(err) {
		case otherwise, missing:
			return "", false, nil
		case conflict:
		default:
			return "", false, callError(ctx, op+": write "+name, err)
		}
	}
	return "", false, errConflict(op, name)
}

// remove deletes an object if it still has the ETag, or any that is there where
// etag is empty. It returns false if it is another, and true also if there is
// none.
func (s *Store) remove(ctx context.Context, op, name, etag string) (bool, error) {
	wait := firstWait
	for try := range conflictTries {
		if try > 0 {
			if err := sleep.For(ctx, wait/2+rand.N(wait/2)); err != nil {
				return false, callError(ctx, op+": delete "+name, err)
			}
			wait = min(2*wait, lastWait)
		}
		in := &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &name}
		if etag != "" {
			in.IfMatch = &etag
		}
		start := s.clock.Start()
		out, err := s.api.DeleteObject(ctx, in)
		if err == nil {
			s.observe(start, out.ResultMetadata)
			return true, nil
		}
		s.observeError(start, err)
		switch outcomeOf(err) {
		case otherwise:
			return false, nil
		case missing:
			return true, nil
		case conflict:
		default:
			return false, callError(ctx, op+": delete "+name, err)
		}
	}
	return false, errConflict(op, name)
}

// rounds is how often an object is judged anew because somebody was quicker, or
// because the store's time turned out to be another. More than two are rare.
const rounds = 8

// decision is what a step makes of an object as it stands: the record to write,
// or false to leave it.
type decision func(v version, now storeclock.Reading) (record, bool)

// swap replaces the object of a key by what decide makes of it. It begins with
// guess, if there is one, which may be out of date as long as decide writes: what
// is left alone must be read. It returns the object as it stands at the end, and
// whether swap wrote it.
func (s *Store) swap(ctx context.Context, op, key string, guess *version, decide decision) (version, bool, error) {
	name := s.name(key)
	for range rounds {
		var v version
		if guess != nil {
			v, guess = *guess, nil
		} else {
			var err error
			if v, err = s.get(ctx, op, name); err != nil {
				return version{}, false, err
			}
		}
		now, err := s.now()
		if err != nil {
			return version{}, false, err
		}
		next, write := decide(v, now)
		if !write {
			s.own.forget(key)
			return v, false, nil
		}
		next.Format, next.Key = format, text(key)
		body, err := json.Marshal(next)
		if err != nil {
			return version{}, false, fmt.Errorf("s3: %s: encode %s: %w", op, name, err)
		}
		etag, ok, err := s.write(ctx, op, name, body, v.etag)
		if err != nil {
			return version{}, false, err
		}
		if !ok {
			continue
		}
		v = version{next, etag}
		if s.clock.Behind(now) {
			guess = &v // a lease written by a time that was too early is written again
			continue
		}
		if v.record.held() {
			s.own.put(key, v)
		} else {
			s.own.forget(key)
		}
		return v, true, nil
	}
	return version{}, false, errConflict(op, name)
}
