package storetest

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
)

// Expiry is that of the leases which the conformance suite lets expire. A
// quarter of it is more than the time is uncertain by, on a slow machine too.
const Expiry = time.Minute

// TimeMachine dates answers by a clock of its own, and is a clock for stores, so
// that leases expire though no time passes. To a store that has not got its
// clock it is as if the process had been suspended.
type TimeMachine struct {
	Next  http.RoundTripper
	shift atomic.Int64 // time.Duration
}

// Now is the time by this clock.
func (m *TimeMachine) Now() time.Time { return time.Now().Add(time.Duration(m.shift.Load())) }

// RoundTrip implements [http.RoundTripper].
func (m *TimeMachine) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := m.Next.RoundTrip(r)
	if err == nil {
		resp.Header.Set("Date", m.Now().UTC().Format(http.TimeFormat))
	}
	return resp, err
}

// Advance lets time pass.
func (m *TimeMachine) Advance(d time.Duration) { m.shift.Add(int64(d)) }

// FrozenProcess checks that a process writes no lease by the time of before it
// was frozen. advance lets time pass for the store, and not for the process.
func FrozenProcess(t *testing.T, store Store, advance func(time.Duration)) {
	t.Helper()
	ctx := t.Context()
	first, err := store.Claim(ctx, "a", "1", []string{"before"}, time.Minute)
	require.NoError(t, err)

	// The local clock stands still while an hour passes at the store.
	advance(time.Hour)
	thawed := time.Now().Add(time.Hour)
	results, err := store.Claim(ctx, "a", "2", []string{"after"}, time.Minute)
	require.NoError(t, err)
	require.Equal(t, claim.Granted, results[0].Status)
	require.Equal(t, 1, results[0].Lease.Attempt)

	advance(time.Hour)
	require.NoError(t, store.Extend(ctx, []claim.Lease{first[0].Lease}, time.Minute))

	entries, err := store.Inspect(ctx, []string{"before", "after"})
	require.NoError(t, err)
	require.GreaterOrEqual(t, entries[0].Expires, thawed.Add(time.Hour+time.Minute), "extended by the time of before the pause")
	require.GreaterOrEqual(t, entries[1].Expires, thawed.Add(time.Minute), "claimed by the time of before the pause")
}

// LateNonce checks that a nonce outlives its lease, as long as nobody took that.
func LateNonce(t *testing.T, store Store, advance func(time.Duration)) {
	t.Helper()
	ctx := t.Context()
	first, err := store.Claim(ctx, "a", "nonce", []string{"k"}, time.Minute)
	require.NoError(t, err)
	advance(2 * time.Minute)
	_, err = store.Inspect(ctx, []string{"k"}) // tells the time
	require.NoError(t, err)
	again, err := store.Claim(ctx, "a", "nonce", []string{"k"}, time.Minute)
	require.NoError(t, err)
	require.Equal(t, first, again, "expired, but taken by nobody")
	other, err := store.Claim(ctx, "b", "other", []string{"k"}, time.Minute)
	require.NoError(t, err)
	require.Equal(t, claim.Held, other[0].Status, "it was renewed")
}
