package s3store

import (
	"bytes"
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/unspool-go/unspool/processor/fault"
)

// piece is a part of a multipart upload, on its way or sent.
type piece struct {
	done chan struct{}       // closed when it is no longer on its way
	part types.CompletedPart // once done, unless it failed
}

// send sets the piece that was filled on its way, once there is room. ctx bounds
// the waiting for that.
func (u *Upload) send(ctx context.Context) error {
	if err := u.start(); err != nil {
		return err
	}
	if len(u.pieces) == maxPieces {
		return fault.Fatal(fmt.Errorf("s3store: write %s: more than %d times Config.PartBytes, which is %d", u.at, maxPieces, u.manager.pieceLen))
	}
	select {
	case u.manager.slots <- struct{}{}:
	case <-u.sending.Done():
		return u.failure()
	case <-ctx.Done():
		return u.undecided(ctx, ctx.Err())
	}
	p, body := &piece{done: make(chan struct{})}, u.buf
	u.pieces, u.buf = append(u.pieces, p), nil
	number := int32(len(u.pieces))
	go func() {
		defer close(p.done)
		defer func() { <-u.manager.slots }()
		u.upload(p, number, body)
	}()
	return nil
}

// start begins a multipart upload, if there is none yet.
func (u *Upload) start() error {
	if u.id != "" {
		return nil
	}
	out, err := u.manager.client.CreateMultipartUpload(u.ctx, &s3.CreateMultipartUploadInput{
		Bucket: &u.at.bucket, Key: &u.at.key, Metadata: u.metadata(),
	})
	if err != nil {
		return callError(u.ctx, "begin to write", u.at, err)
	}
	if aws.ToString(out.UploadId) == "" {
		return fault.Fatal(fmt.Errorf("s3store: begin to write %s: the store names no upload", u.at))
	}
	u.id = *out.UploadId
	return nil
}

// upload sends a piece.
func (u *Upload) upload(p *piece, number int32, body []byte) {
	out, err := u.manager.client.UploadPart(u.sending, &s3.UploadPartInput{
		Bucket: &u.at.bucket, Key: &u.at.key, UploadId: &u.id, PartNumber: &number,
		Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body))),
	})
	if err != nil {
		u.cancel(callError(u.sending, "write", u.at, err))
		return
	}
	p.part = types.CompletedPart{
		PartNumber: &number, ETag: out.ETag,
		ChecksumCRC32: out.ChecksumCRC32, ChecksumCRC32C: out.ChecksumCRC32C, ChecksumCRC64NVME: out.ChecksumCRC64NVME,
		ChecksumSHA1: out.ChecksumSHA1, ChecksumSHA256: out.ChecksumSHA256,
	}
	// A request that failed may be reading its body still, beyond the call.
	if tries, ok := retry.GetAttemptResults(out.ResultMetadata); ok && len(tries.Results) == 1 {
		body = body[:0]
		u.manager.buffers.Put(&body)
	}
}

// sendLast sends what is left, and waits until all pieces are there.
func (u *Upload) sendLast(ctx context.Context) error {
	if !u.sent && len(u.buf) > 0 {
		if err := u.send(ctx); err != nil {
			return err
		}
	}
	u.sent = true
	for _, p := range u.pieces {
		select {
		case <-p.done:
		case <-ctx.Done():
			return u.undecided(ctx, ctx.Err())
		}
	}
	if u.sending.Err() != nil {
		return u.failure()
	}
	return nil
}

// failure is why sending has ended.
func (u *Upload) failure() error {
	if u.ctx.Err() != nil {
		return callError(u.ctx, "write", u.at, context.Cause(u.ctx))
	}
	return context.Cause(u.sending)
}
