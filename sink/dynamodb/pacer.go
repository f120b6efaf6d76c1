package dynamodb

import (
	"context"
	"sync"
	"time"

	"github.com/unspool-go/unspool/internal/sleep"
)

// pacer spreads write units evenly over time. It is safe for concurrent use.
type pacer struct {
	perSecond float64 // 0 is no limit

	mu   sync.Mutex
	next time.Time // when what was used until now is paid for
}

func newPacer(perSecond float64) *pacer { return &pacer{perSecond: perSecond} }

// longestTurn bounds what one use of units is paid for with, so that times stay such.
const longestTurn = 365 * 24 * time.Hour

// wait waits for its turn to use units. Who is first waits for nobody; nothing is
// saved up for later than a second. Units whose turn does not come before ctx ends are
// not used, and cost those that come later nothing.
func (p *pacer) wait(ctx context.Context, units float64) error {
	if p.perSecond == 0 {
		return nil
	}
	p.mu.Lock()
	now := time.Now()
	if spare := now.Add(-time.Second); p.next.Before(spare) {
		p.next = spare
	}
	turn := p.next
	cost := time.Duration(min(units/p.perSecond*float64(time.Second), float64(longestTurn)))
	p.next = p.next.Add(cost)
	p.mu.Unlock()
	if !turn.After(now) {
		return nil
	}
	err := sleep.For(ctx, turn.Sub(now))
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.next = p.next.Add(-cost)
	}
	return err
}
