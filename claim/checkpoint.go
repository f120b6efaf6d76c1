package claim

import (
	"context"
	"fmt"
)

// Checkpoint stores the progress last set for the leases at once, and not only
// with the next heartbeat: what is sent again after a crash begins there.
// Leases that have ended are passed over.
func (k *Keeper) Checkpoint(ctx context.Context, held []Hold) error {
	var x extension
	for _, h := range held {
		if kept(h.Block.states[h.Index].Load()) {
			x.leases = append(x.leases, h.Block.lease(h.Index))
			x.holds = append(x.holds, h)
		}
	}
	if len(x.leases) == 0 {
		return nil
	}
	if _, err := k.extend(ctx, x); err != nil {
		return fmt.Errorf("store the progress of %d leases: %w", len(x.leases), err)
	}
	return nil
}
