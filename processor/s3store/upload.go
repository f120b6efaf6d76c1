package s3store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	randv2 "math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/fault"
)

// Upload is an object that is being written. It is used by one goroutine at a
// time, and must be ended by a Commit that succeeds, by Close or by Abort.
type Upload struct {
	manager *Manager
	at      location
	mark    string // in the metadata of the object: that it is this upload's

	ctx     context.Context // of the caller
	sending context.Context // of the pieces: ends where one fails, with the error as cause
	cancel  context.CancelCauseFunc

	buf    []byte // the piece that is being filled
	id     string // of the multipart upload, once there is one
	pieces []*piece
	sent   bool // the last piece was sent, or is on its way

	ended error // why nothing more can be done
}

var (
	_ io.WriteCloser     = (*Upload)(nil)
	_ destination.Writer = (*Upload)(nil)
)

var (
	errCommitted = errors.New("upload is committed")
	errAborted   = errors.New("upload is aborted")
)

const (
	// markName is the name of the metadata that holds the mark.
	markName = "unspool-upload"
	// firstBuffer is what an upload takes at first, in bytes.
	firstBuffer = 64 << 10
	// abortTimeout bounds the request that aborts an upload whose context has
	// ended.
	abortTimeout = 5 * time.Second
)

// Begin starts to write an object. It makes no request. The end of ctx ends the
// upload: it can only be aborted then.
func (m *Manager) Begin(ctx context.Context, url string) (*Upload, error) {
	l, err := locateObject(url)
	if err != nil {
		return nil, fault.Fatal(fmt.Errorf("s3store: write: %w", err))
	}
	u := &Upload{manager: m, at: l, mark: rand.Text(), ctx: ctx}
	u.sending, u.cancel = context.WithCancelCause(ctx)
	return u, nil
}

// Write appends to the object. It returns when the bytes are in memory or on
// their way. After an error the upload can only be aborted.
func (u *Upload) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if u.ended != nil {
			return n, fmt.Errorf("s3store: write %s: %w", u.at, u.ended)
		}
		if len(u.buf) == u.manager.pieceLen {
			if err := u.send(u.ctx); err != nil {
				return n, err
			}
		}
		k := u.fill(p)
		n, p = n+k, p[k:]
	}
	return n, nil
}

// fill takes as much of p as the piece has room for. The first piece grows: most
// objects are small.
func (u *Upload) fill(p []byte) int {
	whole := u.manager.pieceLen
	n := min(len(p), whole-len(u.buf))
	switch need := len(u.buf) + n; {
	case need <= cap(u.buf):
	case u.id != "":
		u.buf = *u.manager.buffers.Get().(*[]byte)
	default:
		grown := make([]byte, len(u.buf), min(max(2*cap(u.buf), need, firstBuffer), whole))
		copy(grown, u.buf)
		u.buf = grown
	}
	u.buf = append(u.buf, p[:n]...)
	return n
}

// Commit creates the object, durably and with all that was written, unless there
// is one of that name: the error then wraps [fs.ErrExist]. It asks a few times
// where it is not known what came of it. After an error that wraps
// [ErrUndecided], and no other, Commit may be called again, also with another
// context. After success it does nothing.
func (u *Upload) Commit(ctx context.Context) error {
	for try := 0; ; try++ {
		err := u.commit(ctx)
		if !errors.Is(err, ErrUndecided) || try == commitTries-1 || !wait(ctx, try) {
			return err
		}
	}
}

func (u *Upload) commit(ctx context.Context) error {
	switch {
	case u.ended == errCommitted:
		return nil
	case u.ended != nil:
		return fmt.Errorf("s3store: write %s: %w", u.at, u.ended)
	case u.id == "":
		return u.create(ctx, u.put)
	}
	if err := u.sendLast(ctx); err != nil {
		return err
	}
	return u.create(ctx, u.complete)
}

// Close is Commit with the context of Begin, and Abort where that fails. To give
// up what was begun, Abort before Close, or end that context.
func (u *Upload) Close() error {
	err := u.Commit(u.ctx)
	if err != nil {
		u.giveUp()
	}
	return err
}

// Abort discards what was written, pieces in the store included, and waits until
// nothing is on its way any more. ctx is that of the request for it. It does
// nothing after success, or a second time; and it cannot take back a Commit that
// is undecided.
func (u *Upload) Abort(ctx context.Context) error {
	if u.ended != nil {
		return nil //nolint:nilerr // it is a state, not a failure
	}
	u.ended = errAborted
	u.cancel(errAborted)
	u.buf = nil
	for _, p := range u.pieces {
		<-p.done
	}
	if u.id == "" {
		return nil
	}
	_, err := u.manager.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &u.at.bucket, Key: &u.at.key, UploadId: &u.id})
	if outcomeOf(err) == missing {
		err = nil // gone already
	}
	if err != nil {
		return callError(ctx, "abort upload of", u.at, err)
	}
	return nil
}

// giveUp aborts, also where the context of the upload has ended. An error leaves
// pieces to the lifecycle rule of the bucket.
func (u *Upload) giveUp() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), abortTimeout)
	defer cancel()
	_ = u.Abort(ctx)
}

const (
	// firstWait and lastWait bound the waiting between tries, half of it random.
	firstWait = 50 * time.Millisecond
	lastWait  = time.Second
	// conflictTries bounds how often a 409 is answered by another try, which
	// takes some four seconds in all.
	conflictTries = 8
	// commitTries is how often Commit asks.
	commitTries = 3
)

// create makes the request that creates the object, and finds out what came of
// it.
func (u *Upload) create(ctx context.Context, request func(context.Context) error) error {
	var err error
	for try := range conflictTries {
		if err = request(ctx); err == nil {
			u.committed()
			return nil
		}
		switch outcomeOf(err) {
		case exists, missing: // somebody else's, or this upload's by a request whose answer was lost
			return u.look(ctx, err)
		case conflict:
			if wait(ctx, try) {
				continue
			}
		}
		break
	}
	return u.undecided(ctx, err)
}

// look finds out whether the object is there, and whose it is, after the answer
// cause to the request that creates it.
func (u *Upload) look(ctx context.Context, cause error) error {
	head, err := u.manager.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &u.at.bucket, Key: &u.at.key})
	switch {
	case err == nil && head.Metadata[markName] == u.mark:
		u.committed()
		return nil
	case err == nil && outcomeOf(cause) == exists:
		return fmt.Errorf("s3store: write %s: %w: %w", u.at, fs.ErrExist, cause)
	case err != nil && outcomeOf(err) != missing:
		return u.undecided(ctx, err)
	case outcomeOf(cause) == exists: // it is gone again
		return u.undecided(ctx, cause)
	}
	return callError(ctx, "write", u.at, cause) // the upload is gone, or the bucket
}

func (u *Upload) undecided(ctx context.Context, err error) error {
	return fmt.Errorf("%w: %w", ErrUndecided, callError(ctx, "write", u.at, err))
}

func (u *Upload) committed() {
	u.ended, u.buf = errCommitted, nil
	u.cancel(errCommitted)
}

// put creates an object that fits one request.
func (u *Upload) put(ctx context.Context) error {
	_, err := u.manager.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &u.at.bucket, Key: &u.at.key, IfNoneMatch: aws.String("*"), Metadata: u.metadata(),
		Body: bytes.NewReader(u.buf), ContentLength: aws.Int64(int64(len(u.buf))),
	})
	return err
}

// complete creates an object of the pieces that were sent.
func (u *Upload) complete(ctx context.Context) error {
	parts := make([]types.CompletedPart, len(u.pieces))
	for i, p := range u.pieces {
		parts[i] = p.part
	}
	_, err := u.manager.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &u.at.bucket, Key: &u.at.key, IfNoneMatch: aws.String("*"), UploadId: &u.id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	return err
}

func (u *Upload) metadata() map[string]string { return map[string]string{markName: u.mark} }

// wait waits before another try, and reports whether ctx allows one.
func wait(ctx context.Context, try int) bool {
	d := min(firstWait<<try, lastWait)
	return sleep.For(ctx, d/2+randv2.N(d/2)) == nil
}
