package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// Getter is what is used of the SDK's client of S3, *s3.Client.
type Getter interface {
	GetObject(context.Context, *awss3.GetObjectInput, ...func(*awss3.Options)) (*awss3.GetObjectOutput, error)
}

// Offloaded reads message bodies that were stored in S3 because they were too
// large for the queue, in the format of the AWS Extended Client Library, as the
// sink of package sqs/offload writes it. It deletes nothing: a lifecycle rule of
// the bucket does, later than the longest that a message may stay in its queues.
type Offloaded struct {
	api    Getter
	bucket string
}

// NewOffloaded returns a reader of the bodies in one bucket. What points anywhere
// else is refused: whoever may send messages cannot have others read for them.
func NewOffloaded(api Getter, bucket string) (*Offloaded, error) {
	var errs []error
	if api == nil {
		errs = append(errs, errors.New("NewOffloaded: api: required"))
	}
	if bucket == "" {
		errs = append(errs, errors.New("NewOffloaded: bucket: required"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Offloaded{api: api, bucket: bucket}, nil
}

// pointer is the body of a message whose own body is in S3.
type pointer struct {
	Bucket string `json:"s3BucketName"`
	Key    string `json:"s3Key"`
}

// The classes of the library that name a pointer: that of today, and that of its
// first version.
const (
	pointerClass    = "software.amazon.payloadoffloading.PayloadS3Pointer"
	oldPointerClass = "com.amazon.sqs.javamessaging.MessageS3Pointer"
)

// parsePointer returns the pointer that a body is, if it is one.
func parsePointer(body string) (p pointer, ok bool) {
	// Few bodies are: do not parse the others.
	if head := body[:min(len(body), 128)]; !strings.Contains(head, pointerClass) && !strings.Contains(head, oldPointerClass) {
		return p, false
	}
	var parts []json.RawMessage
	if json.Unmarshal([]byte(body), &parts) != nil || len(parts) != 2 {
		return p, false
	}
	var class string
	if json.Unmarshal(parts[0], &class) != nil || class != pointerClass && class != oldPointerClass {
		return p, false
	}
	if json.Unmarshal(parts[1], &p) != nil || p.Bucket == "" || p.Key == "" {
		return p, false
	}
	return p, true
}

// open opens the body that p points to.
func (o *Offloaded) open(ctx context.Context, p pointer) (io.ReadCloser, error) {
	if p.Bucket != o.bucket {
		return nil, fmt.Errorf("aws: its body is in bucket %q, which is not that of Config.Offloaded", p.Bucket)
	}
	out, err := o.api.GetObject(ctx, &awss3.GetObjectInput{Bucket: awssdk.String(p.Bucket), Key: awssdk.String(p.Key)})
	if err != nil {
		return nil, fmt.Errorf("aws: read the body from S3: %w", err)
	}
	return out.Body, nil
}
