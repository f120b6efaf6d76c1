// Package offload stores message bodies that are too large for SQS in S3, as
// the AWS Extended Client Library does, so that its consumers find them.
package offload

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink/sqs"
)

// API is what the store uses of the SDK's client, *s3.Client.
type API interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
}

// S3 stores bodies in a bucket. It is safe for concurrent use.
type S3 struct {
	api            API
	bucket, prefix string
}

var (
	_ sqs.Store = (*S3)(nil)
	_ API       = (*s3.Client)(nil)
)

// New returns a store that puts the body of the message with an ID at the key
// prefix + ID. Nothing deletes it: consumers do, or a lifecycle rule of the
// bucket.
func New(api API, bucket, prefix string) (*S3, error) {
	var errs []error
	if api == nil {
		errs = append(errs, errors.New("offload: no client"))
	}
	if bucket == "" {
		errs = append(errs, errors.New("offload: no bucket"))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return &S3{api: api, bucket: bucket, prefix: prefix}, nil
}

// pointerClass is the first element of a pointer: the class by which the Java
// library reads it.
const pointerClass = "software.amazon.payloadoffloading.PayloadS3Pointer"

// pointer is the second element.
type pointer struct {
	Bucket string `json:"s3BucketName"`
	Key    string `json:"s3Key"`
}

// Store implements [sqs.Store] with one PutObject. The same id gets the same
// key, so that a repetition overwrites the object with itself.
func (s *S3) Store(ctx context.Context, id string, body []byte) ([]byte, error) {
	key := s.prefix + id
	_, err := s.api.PutObject(ctx, &s3.PutObjectInput{
		Bucket:        &s.bucket,
		Key:           &key,
		Body:          bytes.NewReader(body),
		ContentLength: aws.Int64(int64(len(body))),
	})
	if err != nil {
		return nil, classify(ctx, fmt.Errorf("offload: store s3://%s/%s: %w", s.bucket, key, err))
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode([]any{pointerClass, pointer{s.bucket, key}}); err != nil {
		return nil, fmt.Errorf("offload: write the pointer to s3://%s/%s: %w", s.bucket, key, err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// classify tells a store that is away from one that refuses: S3 answers 403 and
// 404 where the bucket, the permission or the credentials are wrong, which no
// other body will mend.
func classify(ctx context.Context, err error) error {
	if end := ctx.Err(); end != nil {
		if !errors.Is(err, end) {
			err = fmt.Errorf("%w: %w", end, err)
		}
		return fault.Interrupted(err)
	}
	if _, ok := errors.AsType[smithy.APIError](err); !ok {
		return fault.Interrupted(err) // no answer of S3
	}
	status := 0
	if resp, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = resp.HTTPStatusCode()
	}
	switch {
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status == http.StatusConflict:
		return fault.Interrupted(err)
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound, status == http.StatusMovedPermanently:
		return fault.Fatal(err)
	}
	return fault.Retryable(err)
}
