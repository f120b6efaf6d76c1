package fanout_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/internal/fanout"
	"github.com/unspool-go/unspool/processor/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errCause = errors.New("cause")

func TestEveryEntryIsCalledOnceAndNoMoreThanWidthAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls [100]atomic.Int32
		var now, most atomic.Int32
		start := time.Now()
		require.NoError(t, fanout.Each(t.Context(), "op", len(calls), 10, func(_ context.Context, i int) error {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second)
			now.Add(-1)
			calls[i].Add(1)
			return nil
		}))
		for i := range calls {
			require.EqualValues(t, 1, calls[i].Load())
		}
		require.EqualValues(t, 10, most.Load())
		require.Equal(t, 10*time.Second, time.Since(start))
	})
}

func TestWhatErrorsAmountTo(t *testing.T) {
	each := func(errs ...error) error {
		return fanout.Each(t.Context(), "op", len(errs), 2, func(_ context.Context, i int) error { return errs[i] })
	}
	require.NoError(t, each())
	require.NoError(t, each(nil, nil))

	away := fault.Interrupted(errCause)
	err := each(nil, away, errCause, nil, away)
	batch, ok := errors.AsType[*claim.BatchError](err)
	require.True(t, ok, "%v", err)
	var indexes []int
	for _, f := range batch.Failed {
		indexes = append(indexes, f.Index)
	}
	require.Equal(t, []int{1, 2, 4}, indexes)

	err = each(away, away)
	_, ok = errors.AsType[*claim.BatchError](err)
	require.False(t, ok, "a store that is away leaves open what took effect")
	require.Equal(t, fault.ClassInterrupted, fault.Of(err))
	require.ErrorIs(t, err, errCause)

	err = each(claim.ErrLost, claim.ErrLost)
	_, ok = errors.AsType[*claim.BatchError](err)
	require.True(t, ok)

	require.Equal(t, fault.ClassFatal, fault.Of(each(away, fault.Fatal(errCause), nil)))
}

func TestAFatalErrorEndsTheCall(t *testing.T) {
	calls := 0
	err := fanout.Each(t.Context(), "op", 10, 1, func(context.Context, int) error {
		calls++
		return fault.Fatal(errCause)
	})
	require.ErrorIs(t, err, errCause)
	require.Equal(t, 1, calls)
}

func TestTheEndOfTheContextEndsTheCall(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err := fanout.Each(ctx, "op", 10, 1, func(context.Context, int) error {
		calls++
		cancel()
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, fault.ClassInterrupted, fault.Of(err))
	require.Equal(t, 1, calls)

	ctx, cancel = context.WithCancel(t.Context())
	require.NoError(t, fanout.Each(ctx, "op", 1, 1, func(context.Context, int) error {
		cancel()
		return nil
	}), "all of it took effect")
}
