// Package storetest is what the tests of claim stores in AWS have in common: they
// are reached by HTTP, take one request an entry, and tell the time in the dates
// of their answers.
package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/fault"
)

// Store is a claim store as the drivers make it.
type Store interface {
	claim.Claimer
	claim.Inspector
}

// Keys returns n keys as they are in practice.
func Keys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("2026/11/22/object-%06d.json", i)
	}
	return keys
}

// EveryStep claims, extends, gives back, claims again, completes and forgets
// keys, each call until it knows how it ended, and checks what was counted: for
// stores on whose way answers are lost.
func EveryStep(t *testing.T, store Store) {
	t.Helper()
	ctx, keys := t.Context(), Keys(5)
	must := func(what string, call func() error) {
		t.Helper()
		for range 3 {
			err := call()
			if err == nil {
				return
			}
			require.Equal(t, fault.ClassInterrupted, fault.Of(err), "%s: %v", what, err)
		}
		t.Fatalf("%s fails again and again", what)
	}
	grant := func(nonce string) (leases []claim.Lease) {
		must("claim", func() error {
			results, err := store.Claim(ctx, "a", nonce, keys, time.Minute)
			if err != nil {
				return err
			}
			leases = make([]claim.Lease, len(results))
			for i, r := range results {
				require.Equal(t, claim.Granted, r.Status)
				leases[i] = r.Lease
			}
			return nil
		})
		return leases
	}
	leases := grant("first call")
	for i := range leases {
		require.Equal(t, 1, leases[i].Attempt)
		leases[i].Progress = "half"
	}
	must("extend", func() error { return store.Extend(ctx, leases, time.Minute) })
	must("release", func() error {
		var back []claim.Return
		for i, l := range leases {
			back = append(back, claim.Return{Lease: l, Counted: i%2 == 0, Reason: "why"})
		}
		return store.Release(ctx, back)
	})
	leases = grant("second call")
	for i, l := range leases {
		require.Equal(t, 2-i%2, l.Attempt, "of lease %d: a clean release refunds exactly one attempt", i)
		require.Equal(t, "half", l.Progress)
	}
	must("complete", func() error { return store.Complete(ctx, leases) })
	results, err := store.Claim(ctx, "b", "third call", keys, time.Minute)
	require.NoError(t, err)
	for _, r := range results {
		require.Equal(t, claim.Done, r.Status)
	}
	must("forget", func() error { return store.Forget(ctx, keys) })
	entries, err := store.Inspect(ctx, keys)
	require.NoError(t, err)
	for i, e := range entries {
		require.Equal(t, claim.Entry{Key: keys[i]}, e)
	}
}
