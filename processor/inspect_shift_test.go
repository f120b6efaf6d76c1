package processor_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor"
)

// hanging is a store that, from some moment on, never answers.
type hanging struct {
	processor.Claims
	hangs atomic.Bool
}

func (h *hanging) wait(ctx context.Context) error {
	if !h.hangs.Load() {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (h *hanging) Extend(ctx context.Context, leases []claim.Lease, ttl time.Duration) error {
	if err := h.wait(ctx); err != nil {
		return err
	}
	return h.Claims.Extend(ctx, leases, ttl)
}

func (h *hanging) Release(ctx context.Context, returns []claim.Return) error {
	if err := h.wait(ctx); err != nil {
		return err
	}
	return h.Claims.Release(ctx, returns)
}

func (h *hanging) Count(ctx context.Context) (claim.Counts, error) {
	if err := h.wait(ctx); err != nil {
		return claim.Counts{}, err
	}
	return h.Claims.Count(ctx)
}

func (h *hanging) Forget(ctx context.Context, keys []string) error {
	if err := h.wait(ctx); err != nil {
		return err
	}
	return h.Claims.Forget(ctx, keys)
}

// Whatever hangs, checker and archiver return, with their reports, before the
// deadline: a function that is killed then could not say what it did.
func TestCheckerAndArchiverReturnBeforeTheirDeadline(t *testing.T) {
	for _, limit := range []time.Duration{3 * time.Second, 15 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			a := newAttic(t, "a", "b", "c", "d")
			a.finish("a", "b", "c", "d")
			dies(t, a.store, 1, "dead")
			time.Sleep(time.Hour)
			h := &hanging{Claims: a.store}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			cfg := a.scene.checkConfig()
			cfg.Claims = &watchedClaims{Claims: h, claim: func(context.Context, []string) error {
				h.hangs.Store(true)
				return nil
			}}
			r, err := processor.Check(ctx, cfg)
			require.NoError(t, ctx.Err(), "it returned before")
			require.Error(t, err)
			assert.EqualValues(t, 1, r.Expired)

			time.Sleep(time.Hour)
			h.hangs.Store(false)
			ctx, cancel = context.WithTimeout(t.Context(), limit)
			defer cancel()
			a.cfg.Claims, a.cfg.Delete = h, true
			a.shelf.onRemove = func() error {
				h.hangs.Store(true)
				return nil
			}
			ar, err := processor.Archive(ctx, a.cfg)
			require.NoError(t, ctx.Err(), "it returned before")
			require.Error(t, err)
			assert.EqualValues(t, 4, ar.Objects)
		})
	}
}
