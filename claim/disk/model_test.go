package disk_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/disk"
	"github.com/unspool-go/unspool/claim/memory"
)

// model takes a store on disk and one in memory, which is right, through the
// same calls, and reopens the former now and then.
type model struct {
	ctx    context.Context
	cfg    disk.Config
	dir    string
	disk   *disk.Store
	memory *memory.Store
	calls  int
	leases []pair // granted since the store was opened, live or not
}

// pair is one lease in both stores.
type pair struct{ disk, memory claim.Lease }

var modelKeys = rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 60), func(i int) string { return fmt.Sprint("key/", i) }), 1, 8)

func (m *model) claim(t *rapid.T) {
	keys := modelKeys.Draw(t, "keys")
	repeat := rapid.IntRange(0, 4).Draw(t, "repeat") == 0
	if !repeat {
		m.calls++
	}
	nonce := fmt.Sprint("call", m.calls)
	ttl := rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second}).Draw(t, "ttl")
	got, err := m.disk.Claim(m.ctx, "owner", nonce, keys, ttl)
	require.NoError(t, err)
	want, err := m.memory.Claim(m.ctx, "owner", nonce, keys, ttl)
	require.NoError(t, err)
	for i := range want {
		if want[i].Status == claim.Granted {
			m.leases = append(m.leases, pair{got[i].Lease, want[i].Lease})
		}
		got[i].Lease.Token, want[i].Lease.Token = "", ""
	}
	require.Equal(t, want, got)
}

// some draws leases, with new progress.
func (m *model) some(t *rapid.T) (ours, theirs []claim.Lease) {
	if len(m.leases) == 0 {
		t.Skip("no lease")
	}
	for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(m.leases)-1), 1, 8).Draw(t, "leases") {
		p := m.leases[i]
		progress := rapid.SampledFrom([]string{"", "one", "two"}).Draw(t, "progress")
		p.disk.Progress, p.memory.Progress = progress, progress
		ours, theirs = append(ours, p.disk), append(theirs, p.memory)
	}
	return ours, theirs
}

// same requires that both failed alike.
func same(t *rapid.T, want, got error) {
	a, _ := errors.AsType[*claim.BatchError](want)
	b, _ := errors.AsType[*claim.BatchError](got)
	require.Equal(t, a, b)
	require.Equal(t, want == nil, got == nil)
}

func (m *model) extend(t *rapid.T) {
	ours, theirs := m.some(t)
	ttl := rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second}).Draw(t, "ttl")
	same(t, m.memory.Extend(m.ctx, theirs, ttl), m.disk.Extend(m.ctx, ours, ttl))
}

func (m *model) complete(t *rapid.T) {
	ours, theirs := m.some(t)
	same(t, m.memory.Complete(m.ctx, theirs), m.disk.Complete(m.ctx, ours))
}

func (m *model) release(t *rapid.T) {
	ours, theirs := m.some(t)
	a, b := make([]claim.Return, len(ours)), make([]claim.Return, len(ours))
	for i := range ours {
		a[i] = claim.Return{
			Lease:   ours[i],
			Counted: rapid.Bool().Draw(t, "counted"),
			Reason:  rapid.SampledFrom([]string{"", "broken"}).Draw(t, "reason"),
			Delay:   rapid.SampledFrom([]time.Duration{0, 0, 10 * time.Millisecond}).Draw(t, "delay"),
		}
		b[i] = a[i]
		b[i].Lease = theirs[i]
	}
	// The store on disk may forget that it answered a clean release. Let it not
	// be asked: this is the one difference that the rules allow.
	a, b = slices.CompactFunc(a, sameLease), slices.CompactFunc(b, sameLease)
	same(t, m.memory.Release(m.ctx, b), m.disk.Release(m.ctx, a))
	m.leases = slices.DeleteFunc(m.leases, func(p pair) bool { return slices.Contains(tokens(a), p.disk.Token+p.disk.Key) })
}

func sameLease(a, b claim.Return) bool { return a.Lease.Key == b.Lease.Key }

func tokens(returns []claim.Return) []string {
	var all []string
	for _, r := range returns {
		all = append(all, r.Lease.Token+r.Lease.Key)
	}
	return all
}

func (m *model) forget(t *rapid.T) {
	keys := modelKeys.Draw(t, "keys")
	require.NoError(t, m.memory.Forget(m.ctx, keys))
	require.NoError(t, m.disk.Forget(m.ctx, keys))
}

func (m *model) wait(t *rapid.T) {
	time.Sleep(rapid.SampledFrom([]time.Duration{2 * time.Millisecond, 20 * time.Millisecond}).Draw(t, "time"))
}

// reopen voids all leases, which in memory is done by time.
func (m *model) reopen(t *rapid.T) {
	require.NoError(t, m.disk.Close())
	time.Sleep(2 * time.Second)
	s, err := disk.Open(m.dir, m.cfg)
	require.NoError(t, err)
	m.disk, m.leases = s, nil
	m.calls++
}

// check compares what both know.
func (m *model) check(t *rapid.T) {
	var keys []string
	for i := range 61 {
		keys = append(keys, fmt.Sprint("key/", i))
	}
	got, err := m.disk.Inspect(m.ctx, keys)
	require.NoError(t, err)
	want, err := m.memory.Inspect(m.ctx, keys)
	require.NoError(t, err)
	for i := range keys {
		g, w := got[i], want[i]
		require.Equal(t, w.State == claim.Finished, g.State == claim.Finished, "%+v, want %+v", g, w)
		require.Equal(t, [3]any{w.Attempt, w.Progress, w.Reason}, [3]any{g.Attempt, g.Progress, g.Reason}, keys[i])
	}
	a, err := m.disk.Count(m.ctx)
	require.NoError(t, err)
	b, err := m.memory.Count(m.ctx)
	require.NoError(t, err)
	require.Equal(t, b.Finished, a.Finished)
	listed := int64(0)
	for _, err := range m.disk.Completed(m.ctx) {
		require.NoError(t, err)
		listed++
	}
	require.Equal(t, a.Finished, listed)
}

// inBubble hides Deadline from rapid, which a bubble has none of.
type inBubble struct{ testing.TB }

func TestTheStoreOnDiskAnswersAsTheOneInMemory(t *testing.T) {
	root := t.TempDir()
	run := 0
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(inBubble{t}, func(rt *rapid.T) {
			run++
			m := &model{ctx: t.Context(), dir: fmt.Sprint(root, "/", run), memory: memory.New()}
			// As few as make a segment of every other key that is finished.
			m.cfg.Recent = rapid.SampledFrom([]int{2, 5, 100}).Draw(rt, "recent")
			var err error
			m.disk, err = disk.Open(m.dir, m.cfg)
			require.NoError(rt, err)
			defer func() { m.disk.Close() }()
			rt.Repeat(map[string]func(*rapid.T){
				"":         m.check,
				"claim":    m.claim,
				"claim2":   m.claim,
				"extend":   m.extend,
				"complete": m.complete,
				"release":  m.release,
				"forget":   m.forget,
				"wait":     m.wait,
				"reopen":   m.reopen,
			})
		})
	})
}
