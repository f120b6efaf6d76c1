package processor_test

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/source"
)

// endless is a source whose one listing goes on for as long as it is read: an object
// each second.
type endless struct{ source.Source }

func (e endless) Watch(context.Context) (source.Changes, error) { return endlessChanges{e}, nil }

type endlessChanges struct{ endless }

func (c endlessChanges) Objects(ctx context.Context, _ bool) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		for n := 0; ctx.Err() == nil; n++ {
			if !yield(source.Object{Key: fmt.Sprintf("k%05d", n), Size: -1}, nil) {
				return
			}
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}
}

func (endlessChanges) Wait(context.Context, time.Duration) {}

func (endlessChanges) Close() error { return nil }

// What another worker held is tried again while a listing is worked off, and not
// only when that has come to its end: it may take long.
func TestWatchComesBackAmidAListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		const files = 4000 // more than there are seconds
		for n := range files {
			s.put(fmt.Sprintf("k%05d", n), 1, 1)
		}
		s.cfg.Source = endless{s.src}
		s.cfg.RescanInterval = 2 * time.Hour
		other, err := s.store.Claim(t.Context(), "other", "nonce", []string{"k00000"}, time.Hour)
		require.NoError(t, err)
		var asked atomic.Int64
		s.claims.OnCall = func(_ context.Context, call processortest.Call, keys []string) (error, bool) {
			if call == processortest.CallClaim {
				for _, key := range keys {
					if key == "k00000" {
						asked.Add(1)
					}
				}
			}
			return nil, false
		}
		var before int64
		s.watch(map[time.Duration]func(){
			10 * time.Minute: func() {
				assert.Greater(t, asked.Load(), int64(1))
				assert.NoError(t, s.store.Release(t.Context(), []claim.Return{{Lease: other[0].Lease}}))
			},
			20 * time.Minute: func() { before = asked.Load() },
			50 * time.Minute: func() { assert.Equal(t, before, asked.Load(), "it was had") },
		})
		entries, err := s.store.Inspect(t.Context(), []string{"k00000"})
		require.NoError(t, err)
		assert.Equal(t, claim.Finished, entries[0].State)
	})
}
