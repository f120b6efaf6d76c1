package s3store

import (
	"context"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/viant/afs/storage"

	"github.com/unspool-go/unspool/processor/fault"
)

// Open is OpenURL for what was listed.
func (m *Manager) Open(ctx context.Context, o storage.Object, options ...storage.Option) (io.ReadCloser, error) {
	return m.OpenURL(ctx, o.URL(), options...)
}

// OpenURL reads an object; ctx is that of the whole reading. That there is none
// wraps [io/fs.ErrNotExist]. Where the connection breaks reading goes on at that
// place; an object that ends before its size is an error, never io.EOF.
func (m *Manager) OpenURL(ctx context.Context, url string, _ ...storage.Option) (io.ReadCloser, error) {
	l, err := locateObject(url)
	if err != nil {
		return nil, fault.Fatal(fmt.Errorf("s3store: read: %w", err))
	}
	b := &body{manager: m, ctx: ctx, at: l}
	if err := b.open(); err != nil {
		return nil, err
	}
	return b, nil
}

// mostResumes is how often in a row reading goes on after the connection broke
// without a byte in between.
const mostResumes = 3

// body is an object that is being read.
type body struct {
	manager *Manager
	ctx     context.Context // of the whole reading
	at      location
	etag    *string // of what is read: it must not change in the middle

	from    io.ReadCloser
	off     int64 // of what comes next
	size    int64 // -1 where it is not known
	resumes int
}

// open asks for what has not been read yet.
func (b *body) open() error {
	in := &s3.GetObjectInput{Bucket: &b.at.bucket, Key: &b.at.key}
	if b.off > 0 {
		in.Range, in.IfMatch = aws.String(fmt.Sprintf("bytes=%d-", b.off)), b.etag
	}
	out, err := b.manager.client.GetObject(b.ctx, in, quietly)
	if err != nil {
		return lookError(b.ctx, "read", b.at, err)
	}
	if b.off > 0 && out.ContentRange == nil { // a store without ranges begins anew
		if _, err := io.CopyN(io.Discard, out.Body, b.off); err != nil {
			_ = out.Body.Close() // only read
			return callError(b.ctx, "read", b.at, err)
		}
	} else if b.off == 0 {
		b.etag, b.size = out.ETag, -1
		if out.ContentLength != nil {
			b.size = *out.ContentLength
		}
	}
	b.from = out.Body
	return nil
}

// quietly spares the log of the client a line for each object that was written
// in pieces: it has no checksum of the whole that could be checked.
func quietly(o *s3.Options) { o.DisableLogOutputChecksumValidationSkipped = true }

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	for {
		n, err := b.from.Read(p)
		if b.off += int64(n); n > 0 {
			b.resumes = 0
		}
		if err == io.EOF && b.size >= 0 && b.off < b.size {
			err = io.ErrUnexpectedEOF
		}
		switch {
		case err == nil || err == io.EOF:
			return n, err
		case b.off >= b.size || b.resumes == mostResumes || b.ctx.Err() != nil:
			return n, callError(b.ctx, "read", b.at, err)
		case n > 0:
			return n, nil // and go on with the next call
		}
		b.resumes++
		_ = b.from.Close() // it is broken
		if err := b.open(); err != nil {
			return 0, err
		}
	}
}

// Close implements io.Closer.
func (b *body) Close() error { return b.from.Close() }
