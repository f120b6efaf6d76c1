package processor_test

import (
	"context"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// relister counts its own kind of listings, and knows that nothing is added.
type relister struct {
	source.Source
	listings int
	more     bool
}

func (r *relister) List(ctx context.Context) (iter.Seq2[source.Object, error], func() bool) {
	r.listings++
	return r.Source.Objects(ctx), func() bool { return r.more }
}

// A source that knows that nothing was added is not listed again, unless
// something of what was listed is left.
func TestRunListsAgainOnlyIfThereMayBeMore(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(s *scene, r *relister)
		listings int
	}{
		"all is done":          {func(*scene, *relister) {}, 1},
		"there may be more":    {func(_ *scene, r *relister) { r.more = true }, 2},
		"versions are claimed": {func(s *scene, _ *relister) { s.cfg.ClaimVersion = true }, 0},
		"one is held": {func(s *scene, _ *relister) {
			_, err := s.store.Claim(t.Context(), "other", "nonce", []string{"b"}, 1<<40)
			require.NoError(s.t, err)
		}, 2},
		"one is given back": {func(s *scene, _ *relister) {
			broken := brokenObject("b")
			var failed atomic.Bool
			s.src.OnOpen = func(ctx context.Context, o source.Object, off int64) processortest.ReadFault {
				if o.Key == "b" && failed.CompareAndSwap(false, true) {
					return broken(ctx, o, off)
				}
				return processortest.ReadFault{}
			}
		}, 3}, // it is held back in between
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				s.put("a", 3, 10)
				s.put("b", 3, 100)
				r := &relister{Source: s.src}
				s.cfg.Source = r
				s.cfg.Transform = transform.Validate{}
				c.change(s, r)
				resp, err := s.run(t.Context())
				require.NoError(t, err)
				assert.Equal(t, processor.StatusOK, resp.Status)
				assert.Equal(t, c.listings, r.listings)
			})
		})
	}
}
