package processor

import (
	"context"
	"fmt"
	"sync"
)

// discardAtOnce is how many finished parts are deleted side by side.
const discardAtOnce = 8

// discard deletes those parts of the retry destination among objects that are
// finished. Should that fail the claim still says that a part is done, and the
// next to list it deletes it. It comes last, and does not hold up the drain: a
// destination that is away must not keep anything from being given back.
func (c *closer) discard(objects []*object) {
	ctx := c.run.putCtx
	if ctx.Err() != nil {
		ctx = c.run.lastCtx
	}
	slots := make(chan struct{}, discardAtOnce)
	var deleting sync.WaitGroup
	for _, o := range objects {
		if o.part == nil {
			continue
		}
		slots <- struct{}{}
		deleting.Go(func() {
			defer func() { <-slots }()
			c.delete(ctx, o.part.Name)
		})
	}
	deleting.Wait()
}

func (c *closer) delete(ctx context.Context, part string) {
	ctx, cancel := context.WithTimeout(ctx, c.run.cfg.SendTimeout)
	defer cancel()
	if err := c.run.stores[retried].Delete(ctx, part); err != nil {
		c.run.errs.add(fmt.Errorf("delete finished retry part: %w", err))
	}
}
