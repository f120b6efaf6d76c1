package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/unspool-go/unspool/processor/fault"
)

const (
	maxCopyBytes  = 5 << 30   // that S3 copies at once
	copyPartBytes = 512 << 20 // of what it does not
	maxParts      = 10_000    // of an upload
)

// inParts is make for what cannot be copied at once. What
// its owner said of it (type, encoding, metadata) goes along, tags do not. An
// upload that fails is given up.
func (c *copying) inParts(ctx context.Context) (etag string, err error) {
	upload, err := c.begin(ctx)
	if err != nil {
		return "", err
	}
	parts, err := c.parts(ctx, upload)
	if err == nil {
		etag, err = c.complete(ctx, upload, parts)
	}
	if err != nil {
		err = errors.Join(err, c.abort(ctx, upload))
	}
	return etag, err
}

func (c *copying) begin(ctx context.Context) (upload *string, err error) {
	of, err := c.s.api.HeadObject(ctx, &s3.HeadObjectInput{
		Bucket:               &c.s.cfg.Bucket,
		Key:                  &c.from,
		IfMatch:              quoted(c.etag),
		RequestPayer:         c.s.payer,
		ExpectedBucketOwner:  c.s.owner,
		SSECustomerAlgorithm: c.s.sse.algorithm,
		SSECustomerKey:       c.s.sse.key,
		SSECustomerKeyMD5:    c.s.sse.sum,
	})
	if err != nil {
		return nil, classify(ctx, ofObject, err)
	}
	out, err := c.s.api.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket:               &c.target.cfg.Bucket,
		Key:                  &c.name,
		CacheControl:         of.CacheControl,
		ContentDisposition:   of.ContentDisposition,
		ContentEncoding:      of.ContentEncoding,
		ContentLanguage:      of.ContentLanguage,
		ContentType:          of.ContentType,
		Metadata:             of.Metadata,
		RequestPayer:         c.s.payer,
		ExpectedBucketOwner:  c.target.owner,
		SSECustomerAlgorithm: c.s.sse.algorithm,
		SSECustomerKey:       c.s.sse.key,
		SSECustomerKeyMD5:    c.s.sse.sum,
	})
	if err != nil {
		return nil, classify(ctx, ofObject, err)
	}
	if out.UploadId == nil {
		return nil, fault.Interrupted(errors.New("an upload without an id"))
	}
	return out.UploadId, nil
}

// parts copies the parts, some at a time.
func (c *copying) parts(ctx context.Context, upload *string) ([]types.CompletedPart, error) {
	size := max(c.s.copyPart, (c.size+maxParts-1)/maxParts)
	n := int(max(1, (c.size+size-1)/size)) // the one of an empty object is empty
	parts, errs := make([]types.CompletedPart, n), make([]error, n)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	slots := make(chan struct{}, c.s.cfg.Parallel)
	var wg sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			off := int64(i) * size
			if parts[i], errs[i] = c.part(ctx, upload, int32(i+1), part{off, min(off+size, c.size)}); errs[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return nil, err // the one that ended the others
		}
	}
	return parts, errors.Join(errs...)
}

func (c *copying) part(ctx context.Context, upload *string, number int32, p part) (types.CompletedPart, error) {
	var stretch *string // the whole, where there is but one
	if p != (part{0, c.size}) {
		stretch = aws.String(fmt.Sprintf("bytes=%d-%d", p.off, p.end-1))
	}
	out, err := c.s.api.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
		Bucket:                         &c.target.cfg.Bucket,
		Key:                            &c.name,
		UploadId:                       upload,
		PartNumber:                     &number,
		CopySource:                     c.source(),
		CopySourceIfMatch:              quoted(c.etag),
		CopySourceRange:                stretch,
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
		return types.CompletedPart{}, classify(ctx, ofObject, err)
	}
	if out.CopyPartResult == nil {
		return types.CompletedPart{}, fault.Interrupted(errors.New("the answer does not tell that a part was copied"))
	}
	return types.CompletedPart{ETag: out.CopyPartResult.ETag, PartNumber: &number}, nil
}

func (c *copying) complete(ctx context.Context, upload *string, parts []types.CompletedPart) (string, error) {
	out, err := c.s.api.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket:               &c.target.cfg.Bucket,
		Key:                  &c.name,
		UploadId:             upload,
		IfNoneMatch:          aws.String("*"),
		MultipartUpload:      &types.CompletedMultipartUpload{Parts: parts},
		RequestPayer:         c.s.payer,
		ExpectedBucketOwner:  c.target.owner,
		SSECustomerAlgorithm: c.s.sse.algorithm,
		SSECustomerKey:       c.s.sse.key,
		SSECustomerKeyMD5:    c.s.sse.sum,
	})
	if err != nil {
		if err = classify(ctx, ofObject, err); errors.Is(err, fs.ErrNotExist) { // the upload, as after a lost answer
			err = fault.Interrupted(fmt.Errorf("complete the upload %s: %v", *upload, err)) //nolint:errorlint // not the object
		}
		return "", err
	}
	return bare(aws.ToString(out.ETag)), nil
}

// abort gives an upload up, also after the end of ctx: its parts would cost for
// ever.
func (c *copying) abort(ctx context.Context, upload *string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.s.cfg.Timeout)
	defer cancel()
	_, err := c.s.api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket:              &c.target.cfg.Bucket,
		Key:                 &c.name,
		UploadId:            upload,
		RequestPayer:        c.s.payer,
		ExpectedBucketOwner: c.target.owner,
	})
	if err != nil {
		return fmt.Errorf("abort the upload %s: %w", *upload, err)
	}
	return nil
}
