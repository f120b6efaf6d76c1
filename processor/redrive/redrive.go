// Package redrive looks through what lies aside, in the retry, failed and corruption
// destinations of the processor or in a dead-letter queue, and replays what of it is
// wanted, when what it failed of is mended.
//
//	report, err := redrive.Run(ctx, redrive.Config{
//		From:  failed,                  // NewPlace, or sqsbox.New
//		To:    redrive.ToRetry("aside/retry"),
//		Where: redrive.Filter{Reason: "throttled", Since: yesterday},
//		Rate:  100,
//	})
//
// With DryRun nothing is replayed: the [Report] counts, by reason, and shows examples.
//
// # What it promises
//
// Nothing is lost: a letter (one record of a destination, or one message of a queue)
// is removed only after its replay was acknowledged, a file of a destination only
// after all of its records were, or lie in another file there, and nothing of it is
// removed that could not be replayed.
//
// It may come twice: after a crash, or an answer that was lost, what was replayed and
// not yet removed is replayed again by whoever runs it next; and so it is if two
// redrive the same thing at once, or redrive the retry destination beside a run that
// drains it.
package redrive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/fault"
)

// Config says what is replayed, and where to.
type Config struct {
	// From is where letters lie. Required.
	From Box
	// To takes them. Required, unless with DryRun.
	To Target
	// Where chooses among them. Defaults to all.
	Where Filter
	// DryRun only looks.
	DryRun bool
	// Rate is how many letters a second are replayed at most. Defaults to no limit.
	Rate float64
	// Limit is how many are replayed, or shown by a DryRun, at most; the rest is not
	// looked at. Defaults to all.
	Limit int64
	// Examples is how many letters a DryRun tells in full. Defaults to 5; negative
	// means none.
	Examples int
	// MaxOutage is how long a target may be away before Run gives up. Defaults to 5
	// minutes.
	MaxOutage time.Duration
}

func (c Config) withDefaults() Config {
	if c.Examples == 0 {
		c.Examples = 5
	}
	if c.MaxOutage == 0 {
		c.MaxOutage = 5 * time.Minute
	}
	return c
}

func (c *Config) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("redrive: Config."+format, args...)) }
	if c.From == nil {
		bad("From: required")
	}
	if c.To == nil && !c.DryRun {
		bad("To: required, unless with DryRun")
	}
	if from, ok := c.From.(*Place); ok {
		if to, ok := c.To.(retry); ok && (destination.Inside(to.store.URL(), from.store.URL()) || destination.Inside(from.store.URL(), to.store.URL())) {
			bad("To: lies in From, or the other way round: %s", to.store.URL())
		}
	}
	if c.Rate < 0 || math.IsNaN(c.Rate) || math.IsInf(c.Rate, 0) {
		bad("Rate: %v is no rate", c.Rate)
	}
	if c.Limit < 0 {
		bad("Limit: %d is negative", c.Limit)
	}
	if c.MaxOutage < 0 {
		bad("MaxOutage: %v is negative", c.MaxOutage)
	}
	if err := errors.Join(errs...); err != nil {
		return fault.Fatal(err)
	}
	return nil
}

// tidyTime bounds what must still be done when ctx has ended: noting what was
// replayed.
const tidyTime = 30 * time.Second

// Run replays what cfg says, until all of it was looked at, or ctx ends. What was
// replayed until then is removed; the rest stays. The report is of use with an error,
// too. Letters that cannot be replayed, each for itself, are no error: they are told
// in the report.
func Run(ctx context.Context, cfg Config) (Report, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return Report{}, err
	}
	r := &run{cfg: cfg, report: Report{DryRun: cfg.DryRun, Reasons: map[string]int64{}}}
	if cfg.Rate > 0 {
		r.limiter = rate.NewLimiter(rate.Limit(cfg.Rate), max(1, int(math.Min(cfg.Rate, math.MaxInt32))))
	}
	err := r.all(ctx)
	// What a box hides from others while it is looked through is given back.
	tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	return r.report, errors.Join(err, cfg.From.End(tidy))
}

// run is one call of Run.
type run struct {
	cfg     Config
	report  Report
	limiter *rate.Limiter // nil without a rate
}

func (r *run) all(ctx context.Context) error {
	for bundle, err := range r.cfg.From.Bundles(ctx) {
		if err == nil {
			err = r.bundle(ctx, bundle)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // worked off meanwhile
		case err != nil:
			return err
		case r.full():
			return nil
		}
	}
	return ctx.Err()
}

// full reports whether Limit is reached.
func (r *run) full() bool { return r.cfg.Limit > 0 && r.report.Matched >= r.cfg.Limit }

// bundle looks through a bundle, and replays of it what is wanted.
func (r *run) bundle(ctx context.Context, b Bundle) error {
	found, wanted, err := r.look(ctx, b)
	if err != nil || wanted == 0 || r.cfg.DryRun {
		return errors.Join(err, b.Leave())
	}
	d := &delivery{run: r, bundle: b, left: wanted}
	if err := d.replay(ctx); err != nil || d.replayed == 0 {
		return errors.Join(err, d.stopped, b.Leave())
	}
	tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	if err := b.Settle(tidy); err != nil {
		return fmt.Errorf("remove what was replayed (%d of %d letters of %s): %w", d.replayed, found, b.Name(), err)
	}
	return d.stopped
}

// look counts the letters of a bundle, and those that are wanted. It is done before
// anything is replayed, so that nothing is of a bundle that cannot be read.
func (r *run) look(ctx context.Context, b Bundle) (found, wanted int64, err error) {
	counted := r.report.clone()
	for l, err := range b.Letters(ctx) {
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, fs.ErrNotExist) && !fault.Is(err, fault.ClassFatal) {
				r.report.Unreadable++
				r.report.note(fmt.Errorf("%s: %w", b.Name(), err))
				return 0, 0, nil
			}
			return 0, 0, err
		}
		found++
		counted.Seen++
		switch {
		case !r.cfg.Where.match(&l):
			continue
		case l.Stage == StageTicket:
			counted.Tickets++
			continue
		case r.cfg.Limit > 0 && counted.Matched >= r.cfg.Limit:
			continue
		}
		wanted++
		counted.Matched++
		counted.add(&l, r.cfg.DryRun, r.cfg.Examples)
	}
	r.report = counted
	return found, wanted, nil
}
