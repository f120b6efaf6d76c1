package fanout_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/internal/fanout"
	"github.com/unspool-go/unspool/processor/fault"
)

func TestABlockAnswersForEveryKeyAsListed(t *testing.T) {
	b := fanout.NewBlock([]string{"done", "new", "", "new", "held", "bad", "done", "bad"})
	b.Settle("done", claim.Done)
	b.Settle("held", claim.Held)
	b.Reopen()
	require.Equal(t, []string{"new", "bad"}, b.Open)

	b.Results[0] = claim.Result{Status: claim.Granted, Lease: claim.Lease{Key: "new"}}
	results, err := b.Answer(&claim.BatchError{Failed: []claim.EntryError{{Index: 1, Err: errCause}}})
	var statuses []claim.Status
	for _, r := range results {
		statuses = append(statuses, r.Status)
	}
	require.Equal(t, []claim.Status{claim.Done, claim.Granted, 0, claim.Held, claim.Held, 0, claim.Done, 0}, statuses)
	batch, ok := errors.AsType[*claim.BatchError](err)
	require.True(t, ok)
	var indexes []int
	for _, f := range batch.Failed {
		indexes = append(indexes, f.Index)
	}
	require.Equal(t, []int{2, 5, 7}, indexes)

	require.True(t, fanout.InVain(results, 10))
	require.False(t, fanout.InVain(results, 1))
	require.False(t, fanout.InVain(nil, 1))

	_, err = fanout.NewBlock([]string{"a"}).Answer(errCause)
	require.Equal(t, errCause, err)
}

func TestWhole(t *testing.T) {
	batch := func(errs ...error) error {
		b := &claim.BatchError{}
		for i, err := range errs {
			b.Failed = append(b.Failed, claim.EntryError{Index: i, Err: err})
		}
		return b
	}
	require.NoError(t, fanout.Whole("op", nil))
	require.Equal(t, errCause, fanout.Whole("op", errCause))
	for want, err := range map[fault.Class]error{
		fault.ClassRetryable:   batch(errCause),
		fault.ClassInterrupted: batch(errCause, fault.Interrupted(errCause)),
	} {
		got := fanout.Whole("op", err)
		_, isBatch := errors.AsType[*claim.BatchError](got)
		require.False(t, isBatch)
		require.ErrorIs(t, got, errCause)
		require.Equal(t, want, fault.Of(got))
	}
}
