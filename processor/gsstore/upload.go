package gsstore

import (
	"context"
	"crypto/md5" //nolint:gosec // what the service compares
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	randv2 "math/rand/v2"
	"time"

	"cloud.google.com/go/storage"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/gcpclient"
	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/fault"
)

// Upload is an object that is being written. It is used by one goroutine at a
// time, and must be ended by a Commit that succeeds, by Close or by Abort.
type Upload struct {
	manager *Manager
	at      location
	mark    string // in the metadata of the object: that it is this upload's

	ctx    context.Context // of the caller
	cancel context.CancelFunc

	buf    []byte          // all that was written, while it fits one request
	stream *storage.Writer // of what does not: a resumable upload
	crc    uint32          // of what was given to stream
	size   int64

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
	// abortTimeout bounds the end of a stream whose context has ended.
	abortTimeout = 5 * time.Second
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Begin starts to write an object. It makes no request. The end of ctx ends the
// upload: it can only be aborted then.
func (m *Manager) Begin(ctx context.Context, url string) (*Upload, error) {
	l, err := locateObject(url)
	if err != nil {
		return nil, fault.Fatal(fmt.Errorf("gsstore: write: %w", err))
	}
	u := &Upload{manager: m, at: l, mark: rand.Text()}
	u.ctx, u.cancel = context.WithCancel(ctx)
	return u, nil
}

// Write appends to the object. It returns when the bytes are in memory or on
// their way. After an error the upload can only be aborted.
func (u *Upload) Write(p []byte) (int, error) {
	if u.ended != nil {
		return 0, fmt.Errorf("gsstore: write %s: %w", u.at, u.ended)
	}
	if u.stream == nil && len(u.buf)+len(p) <= u.manager.cfg.ChunkBytes {
		u.fill(p)
		return len(p), nil
	}
	if err := u.begin(); err != nil {
		return 0, err
	}
	return u.pass(p)
}

// fill appends to what is held.
func (u *Upload) fill(p []byte) {
	if need := len(u.buf) + len(p); need > cap(u.buf) {
		grown := make([]byte, len(u.buf), min(max(2*cap(u.buf), need, firstBuffer), u.manager.cfg.ChunkBytes))
		copy(grown, u.buf)
		u.buf = grown
	}
	u.buf = append(u.buf, p...)
}

// begin turns what is held into a stream, if it is none yet.
func (u *Upload) begin() error {
	if u.stream != nil {
		return nil
	}
	u.stream = u.writer(u.ctx)
	u.stream.ChunkSize = u.manager.cfg.ChunkBytes
	held := u.buf
	u.buf = nil
	_, err := u.pass(held)
	return err
}

// pass gives bytes to the stream.
func (u *Upload) pass(p []byte) (int, error) {
	n, err := u.stream.Write(p)
	u.crc, u.size = crc32.Update(u.crc, castagnoli, p[:n]), u.size+int64(n)
	switch {
	case err == nil:
		return n, nil
	case gcpclient.Judge(u.ctx, err) == gcpclient.Unmet:
		return n, fmt.Errorf("gsstore: write %s: %w: %w", u.at, fs.ErrExist, err)
	}
	return n, callError(u.ctx, "write", u.at, err)
}

// writer begins a request that creates the object.
func (u *Upload) writer(ctx context.Context) *storage.Writer {
	w := u.manager.object(u.at).If(storage.Conditions{DoesNotExist: true}).NewWriter(ctx)
	w.Metadata = map[string]string{markName: u.mark}
	w.ContentType = "application/octet-stream"
	w.ChunkTransferTimeout, w.ChunkRetryDeadline = u.manager.cfg.Timeout, u.manager.cfg.Timeout
	return w
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
		return fmt.Errorf("gsstore: write %s: %w", u.at, u.ended)
	case u.stream != nil:
		return u.finish(ctx)
	}
	return u.put(ctx)
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

// Abort discards what was written, and waits until nothing is on its way any
// more, or until ctx ends. It does nothing after success, or a second time; and it
// cannot take back a Commit that is undecided.
func (u *Upload) Abort(ctx context.Context) error {
	if u.ended != nil {
		return nil //nolint:nilerr // it is a state, not a failure
	}
	u.ended, u.buf = errAborted, nil
	u.cancel()
	if u.stream == nil {
		return nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = u.stream.Close() // an error: its context has ended
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return callError(ctx, "abort upload of", u.at, ctx.Err())
	}
}

// giveUp aborts, also where the context of the upload has ended.
func (u *Upload) giveUp() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), abortTimeout)
	defer cancel()
	_ = u.Abort(ctx)
}

const (
	// firstWait and lastWait bound the waiting between tries.
	firstWait = 100 * time.Millisecond
	lastWait  = time.Second
	// commitTries is how often Commit asks.
	commitTries = 5
)

// put creates an object that fits one request, and finds out what came of it.
func (u *Upload) put(ctx context.Context) error {
	limited, cancel := context.WithTimeoutCause(ctx, u.manager.cfg.Timeout, gcpclient.ErrStalled)
	defer cancel()
	w := u.writer(limited)
	w.ChunkSize = 0       // one request, straight from the buffer; Commit repeats it
	sum := md5.Sum(u.buf) //nolint:gosec // as above
	w.MD5, w.CRC32C, w.SendCRC32C = sum[:], crc32.Checksum(u.buf, castagnoli), true
	_, err := w.Write(u.buf)
	if closed := w.Close(); closed != nil {
		err = closed // it tells more
	}
	if err == nil {
		u.committed()
		return nil
	}
	return u.failed(ctx, gcpclient.Why(limited, err))
}

// failed says what a failed request to create the object means.
func (u *Upload) failed(ctx context.Context, err error) error {
	switch verdict := gcpclient.Judge(ctx, err); {
	case verdict == gcpclient.Unmet: // somebody else's, or this upload's by a request whose answer was lost
		return u.look(ctx, err)
	case verdict == gcpclient.Missing: // the bucket
		return fault.Fatal(callError(ctx, "write", u.at, err))
	}
	return u.undecided(ctx, err)
}

// finish ends a stream, or finds out what came of its end.
func (u *Upload) finish(ctx context.Context) error {
	defer context.AfterFunc(ctx, u.cancel)() // it has no other way to end early
	err := u.stream.Close()
	if err == nil {
		return u.compare(ctx)
	}
	if verdict := gcpclient.Judge(ctx, err); verdict == gcpclient.Unmet || verdict == gcpclient.Away {
		err = u.look(ctx, err)
	}
	if errors.Is(err, fs.ErrExist) || errors.Is(err, ErrUndecided) || err == nil {
		return err
	}
	return callError(ctx, "write", u.at, err) // a stream cannot be sent again: it never comes to be
}

// compare makes sure that what the service has of a stream is what was written.
func (u *Upload) compare(ctx context.Context) error {
	a := u.stream.Attrs()
	if a.Size == u.size && a.CRC32C == u.crc {
		u.committed()
		return nil
	}
	err := errors.New("the service has stored something else")
	if del := u.manager.object(u.at).If(storage.Conditions{GenerationMatch: a.Generation}).Delete(ctx); del != nil {
		err = errors.Join(err, del)
	}
	return fault.Interrupted(fmt.Errorf("gsstore: write %s: %w", u.at, err))
}

// errNotThere means that an object was not created.
var errNotThere = errors.New("it was not created")

// look finds out whether the object is there, and whose it is, after the failure
// cause of the request that creates it.
func (u *Upload) look(ctx context.Context, cause error) error {
	limited, cancel := context.WithTimeoutCause(ctx, u.manager.cfg.Timeout, gcpclient.ErrStalled)
	defer cancel()
	a, err := u.manager.object(u.at).Attrs(limited)
	unmet := gcpclient.Judge(ctx, cause) == gcpclient.Unmet
	switch {
	case err == nil && a.Metadata[markName] == u.mark:
		u.committed()
		return nil
	case err == nil:
		return fmt.Errorf("gsstore: write %s: %w: %w", u.at, fs.ErrExist, cause)
	case gcpclient.Judge(ctx, err) != gcpclient.Missing, unmet && u.stream == nil: // or it is gone again
		return u.undecided(ctx, gcpclient.Why(limited, err))
	}
	return fmt.Errorf("%w: %w", errNotThere, cause)
}

func (u *Upload) undecided(ctx context.Context, err error) error {
	return fmt.Errorf("%w: %w", ErrUndecided, callError(ctx, "write", u.at, err))
}

func (u *Upload) committed() {
	u.ended, u.buf = errCommitted, nil
	u.cancel()
}

// wait waits before another try, and reports whether ctx allows one.
func wait(ctx context.Context, try int) bool {
	d := min(firstWait<<try, lastWait)
	return sleep.For(ctx, d/2+randv2.N(d/2)) == nil
}
