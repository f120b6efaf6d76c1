package storetest

import (
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/fault"
)

// The keys of what testdata of the drivers holds, as the first release wrote it.
// See [Understood].
const (
	Processing = "2026/a.json"         // has a lease
	Released   = "2026/b.json"         // was given back
	Finished   = "\x00retry/c-retry01" // is done
)

// Understood checks that a store with what testdata holds, which is never
// changed, goes on where that stood.
func Understood(t *testing.T, store Store) {
	t.Helper()
	ctx, keys := t.Context(), []string{Processing, Released, Finished}
	entries, err := store.Inspect(ctx, keys)
	require.NoError(t, err)
	require.Equal(t, []claim.Entry{
		{
			Key: Processing, State: claim.Processing, Owner: "host/1", Attempt: 2, Progress: `{"o":4096}`,
			ClaimedAt: time.UnixMilli(1790000000000), Expires: time.UnixMilli(4102444800000),
		},
		{
			Key: Released, Owner: "host/2", Attempt: 3, Progress: "\xff", Reason: "read cut short",
			ClaimedAt: time.UnixMilli(1790000001000),
		},
		{
			Key: Finished, State: claim.Finished, Owner: "host/3", Attempt: 1,
			ClaimedAt: time.UnixMilli(1790000002000), DoneAt: time.UnixMilli(1790000003000),
		},
	}, entries)
	counts, err := store.Count(ctx)
	require.NoError(t, err)
	require.Equal(t, claim.Counts{Processing: 1, Waiting: 1, Finished: 1}, counts)

	results, err := store.Claim(ctx, "new/1", "nonce", keys, time.Minute)
	require.NoError(t, err)
	require.Equal(t, []claim.Status{claim.Held, claim.Granted, claim.Done}, []claim.Status{results[0].Status, results[1].Status, results[2].Status})
	require.Equal(t, 4, results[1].Lease.Attempt)
	require.Equal(t, "\xff", results[1].Lease.Progress)
	held := claim.Lease{Key: Processing, Token: "TOKEN1", Progress: `{"o":5000}`}
	require.NoError(t, store.Extend(ctx, []claim.Lease{held}, time.Minute))
	require.NoError(t, store.Complete(ctx, []claim.Lease{held, results[1].Lease}))
	require.NoError(t, store.Forget(ctx, keys))
	counts, err = store.Count(ctx)
	require.NoError(t, err)
	require.Equal(t, claim.Counts{}, counts)
}

// Refused checks that every step with a key that a later version marked as its
// own fails, as fatal and for that reason.
func Refused(t *testing.T, store Store, key, token, reason string) {
	t.Helper()
	ctx, l := t.Context(), claim.Lease{Key: key, Token: token}
	last := func(entries iter.Seq2[claim.Entry, error]) (last error) {
		for _, err := range entries {
			last = err
		}
		return last
	}
	_, claimed := store.Claim(ctx, "old/1", "nonce-1", []string{key}, time.Minute)
	_, inspected := store.Inspect(ctx, []string{key})
	_, counted := store.Count(ctx)
	for op, err := range map[string]error{
		"claim": claimed, "inspect": inspected, "count": counted,
		"extend":    store.Extend(ctx, []claim.Lease{l}, time.Minute),
		"complete":  store.Complete(ctx, []claim.Lease{l}),
		"release":   store.Release(ctx, []claim.Return{{Lease: l}}),
		"forget":    store.Forget(ctx, []string{key}),
		"expired":   last(store.Expired(ctx, 0)),
		"completed": last(store.Completed(ctx)),
	} {
		require.ErrorContains(t, err, reason, "%s of %q", op, key)
		require.Equal(t, fault.ClassFatal, fault.Of(err), "%s of %q", op, key)
	}
}
