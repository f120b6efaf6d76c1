package destination_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/viant/afs"
	"github.com/viant/afs/mem"
	"github.com/viant/afs/storage"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/fault"
)

// manager is an afs manager as a user may register it, with an Upload of the
// test's.
type manager struct {
	storage.Manager
	upload func(ctx context.Context, r io.Reader) error
}

func (m manager) Upload(ctx context.Context, url string, mode os.FileMode, r io.Reader, options ...storage.Option) error {
	return m.upload(ctx, r)
}

// register registers a scheme for the test; afs has no way to take it back.
func register(t *testing.T, upload func(ctx context.Context, r io.Reader) error) *destination.Store {
	scheme := strings.ToLower(t.Name())
	afs.GetRegistry().Register(scheme, func(...storage.Option) (storage.Manager, error) {
		return manager{mem.New(), upload}, nil
	})
	return open(t, scheme+"://bucket/retry")
}

func TestUploadFails(t *testing.T) {
	away := errors.New("away")
	s := register(t, func(_ context.Context, r io.Reader) error {
		_, _ = io.CopyN(io.Discard, r, 10)
		return away
	})
	part, err := s.Create(t.Context(), "a.json", 0)
	require.NoError(t, err)
	for err == nil { // until the buffer is full and the upload has failed
		_, err = part.Write(make([]byte, 1000))
	}
	assert.ErrorIs(t, err, away)
	assert.True(t, fault.Is(err, fault.ClassInterrupted))
	_, err = part.Commit(t.Context())
	assert.ErrorIs(t, err, away, "commit after a failed write")
}

func TestUploadFailsOnceItHasItAll(t *testing.T) {
	away := errors.New("away")
	s := register(t, func(_ context.Context, r io.Reader) error {
		_, _ = io.Copy(io.Discard, r)
		return away
	})
	part := create(t, s, "a.json", 0, "x")
	_, err := part.Commit(t.Context())
	assert.ErrorIs(t, err, away)
	assert.True(t, fault.Is(err, fault.ClassInterrupted))
}

func TestUploadThatDoesNotReadToTheEndIsNoCommit(t *testing.T) {
	s := register(t, func(context.Context, io.Reader) error { return nil })
	part := create(t, s, "a.json", 0, strings.Repeat("x", 100_000)[:10])
	_, err := part.Commit(t.Context())
	assert.Error(t, err)
}

func TestUploadHangsUntilTheContextOfCommitEnds(t *testing.T) {
	s := register(t, func(ctx context.Context, r io.Reader) error {
		_, _ = io.Copy(io.Discard, r)
		<-ctx.Done()
		return ctx.Err()
	})
	part := create(t, s, "a.json", 0, "x")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := part.Commit(ctx)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.True(t, fault.Is(err, fault.ClassInterrupted))
}

func TestUploadHangsAndTheEndOfCreatesContextFreesWrite(t *testing.T) {
	s := register(t, func(ctx context.Context, r io.Reader) error {
		<-ctx.Done()
		return ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	part, err := s.Create(ctx, "a.json", 0)
	require.NoError(t, err)
	time.AfterFunc(10*time.Millisecond, cancel)
	for err == nil {
		_, err = part.Write(make([]byte, 1000))
	}
	part.Abort()
}

func TestUploadThatNeverReadsIsLeftWhenTheContextOfCommitEnds(t *testing.T) {
	s := register(t, func(ctx context.Context, _ io.Reader) error {
		<-ctx.Done()
		return ctx.Err()
	})
	part := create(t, s, "a.json", 0, "held back until commit")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := part.Commit(ctx)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestUploadThatHonoursNoContextHoldsUpNobody(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	s := register(t, func(context.Context, io.Reader) error {
		<-release
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	part, err := s.Create(ctx, "a.json", 0)
	require.NoError(t, err)
	time.AfterFunc(10*time.Millisecond, cancel)
	for err == nil {
		_, err = part.Write(make([]byte, 1000))
	}
	part.Abort()
}

func TestUploadIsNeverToldThatAnAbortedPartIsComplete(t *testing.T) {
	result := make(chan error, 1)
	s := register(t, func(_ context.Context, r io.Reader) error {
		_, err := io.Copy(io.Discard, r) // nil would mean a complete part
		result <- err
		return err
	})
	part := create(t, s, "a.json", 0, strings.Repeat("x", 100_000))
	part.Abort()
	assert.Error(t, <-result)
}
