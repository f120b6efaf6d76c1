package gcpclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"cloud.google.com/go/storage"

	"github.com/unspool-go/unspool/source"
)

// ErrStalled is the cause of a request's end when nothing came for the time
// allowed.
var ErrStalled = errors.New("nothing came for the time allowed")

// Stretch is what is read of an object: the stored bytes from Off up to End,
// which is excluded, of one generation.
type Stretch struct {
	Object     *storage.ObjectHandle
	Generation int64
	Size       int64 // of the whole object
	Off, End   int64 // Off < End <= Size
	// Idle is how long the first byte may take, with all retries of the client,
	// and how long each of the others.
	Idle time.Duration
}

// Reader reads a stretch. A body that is cut is resumed by the client, at the
// same generation and only as long as the service answers; one that ends before
// what was announced, or goes on behind it, is an error. Errors are those of the
// client, not classified.
type Reader struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	idle   time.Duration
	body   *storage.Reader
	left   int64
}

// Open opens a stretch, on condition that the object is of that generation. An
// object of another, from a service that ignores the condition, is
// source.ErrChanged.
func Open(ctx context.Context, s Stretch) (*Reader, error) {
	r := &Reader{idle: s.Idle, left: s.End - s.Off}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	r.timer = time.AfterFunc(s.Idle, func() { r.cancel(ErrStalled) })
	length := s.End - s.Off
	if length == s.Size {
		length = -1 // not as a range: the client compares checksums of whole objects
	}
	object := s.Object.If(storage.Conditions{GenerationMatch: s.Generation}).ReadCompressed(true)
	body, err := object.NewRangeReader(r.ctx, s.Off, length)
	if err != nil {
		err = r.why(err)
		r.stop()
		return nil, err
	}
	r.body = body
	if a := body.Attrs; a.Generation != s.Generation || a.Size >= 0 && a.Size != s.Size {
		_ = r.Close() // nothing was read
		return nil, source.ErrChanged
	}
	return r, nil
}

// Read implements [io.Reader].
func (r *Reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, r.finish()
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.body.Read(p[:min(int64(len(p)), r.left)])
	if n > 0 {
		r.timer.Reset(r.idle)
	}
	r.left -= int64(n)
	switch {
	case err == io.EOF && r.left > 0:
		return n, io.ErrUnexpectedEOF
	case err == io.EOF: // with the last byte
		return n, io.EOF
	case err != nil:
		return n, r.why(err)
	}
	return n, nil
}

// finish makes sure that the body ends where it should: the client compares
// checksums there.
func (r *Reader) finish() error {
	var more [1]byte
	for {
		n, err := r.body.Read(more[:])
		switch {
		case n > 0:
			return errors.New("the body is longer than announced")
		case err == io.EOF:
			return io.EOF
		case err != nil:
			return r.why(err)
		}
	}
}

// why names the time-out where that is the cause of an error.
func (r *Reader) why(err error) error { return Why(r.ctx, err) }

// Why names [ErrStalled] as the cause of an error of a request under ctx, where
// it is.
func Why(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), ErrStalled) {
		return fmt.Errorf("%w: %w", ErrStalled, err)
	}
	return err
}

func (r *Reader) stop() {
	r.timer.Stop()
	r.cancel(context.Canceled)
}

// Close implements [io.Closer].
func (r *Reader) Close() error {
	r.stop()
	_ = r.body.Close() // what matters has been read
	return nil
}
