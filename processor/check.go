package processor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"go.uber.org/zap"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/fault"
)

// Claims is a claim store that can be inspected: what [Check], [Archive] and
// the commands of operators need.
type Claims interface {
	claim.Claimer
	claim.Inspector
}

// CheckConfig configures [Check].
type CheckConfig struct {
	// Claims is the store of the workers. Required.
	Claims Claims
	// FailedURL is the folder for what used up its attempts, as in [Config].
	// Required.
	FailedURL string
	// RetryURL is the retry destination of the workers. Without it parts of it
	// that nobody finishes are given back and never given up.
	RetryURL string
	// MaxRetries is how often an object is tried again, as in [Config]: use the
	// same. Defaults to 10; negative means none.
	MaxRetries int
	// Grace is how long ago a lease must have expired. Longer means that a
	// worker that was merely stalled can still go on. Defaults to 1 minute;
	// negative means none.
	Grace time.Duration
	// Lease is how long the checker's own claims last without a heartbeat.
	// Defaults to 1 minute.
	Lease time.Duration
	// Block is the largest number of keys claimed in one round trip. Defaults
	// to 256.
	Block int
	// Owner names the checker in the claim store. Defaults to host, process id
	// and a random part.
	Owner string
	// Logger receives the summary line. Defaults to none.
	Logger *zap.Logger
}

// CheckReport is the outcome of a [Check]. Its JSON is the summary line.
type CheckReport struct {
	// Status is [StatusOK], [StatusStopped] if the deadline or a cancellation
	// came before the end, or [StatusError].
	Status string
	// Errors holds the first few distinct errors, cut to a bounded length.
	Errors    []string `json:",omitempty"`
	StartTime time.Time
	RuntimeMs int64
	FailedURL string `json:",omitempty"` // set once something was written there

	Expired  int64 // leases found that had expired at least Grace ago
	Released int64 // of those, given back: any worker can claim them at once
	Failed   int64 // moved to FailedURL: they used up their attempts
	Held     int64 // somebody else saw to them first
	Finished int64 // their worker finished them after all
	Lost     int64 // claimed by the checker, and lost to another before it was done

	// Oldest is when the longest overdue of them expired.
	Oldest time.Time `json:",omitzero"`
	// Counts are the keys in the store when the check was over.
	Counts claim.Counts
}

// Check finds objects that somebody began and nobody finishes: their leases
// expired at least Grace ago, because the worker died or hangs. It gives them
// back with their progress and their attempts, and moves those that used up
// their attempts to FailedURL, as tickets with the reason.
//
// It can run at any time, beside any number of workers and other checkers: it
// claims what it found through the store, so that a lease which is alive is
// never taken, and a worker that comes back finds its own lost. An object is
// finished in the store only after its ticket is durable; a checker that dies
// in between leaves a ticket that the next one writes again.
//
// It works block by block until nothing is left, or until shortly before the
// deadline of ctx. The report is complete as far as the check got, also with an
// error.
func Check(ctx context.Context, cfg CheckConfig) (CheckReport, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return CheckReport{Status: StatusError}, err
	}
	s, err := newShift(ctx, cfg.Claims, cfg.Owner, cfg.Lease)
	if err != nil {
		return CheckReport{Status: StatusError}, err
	}
	defer s.end()
	c := &checker{shift: s, cfg: cfg, report: CheckReport{Status: StatusOK, StartTime: s.start}}
	if err = c.open(); err == nil {
		err = c.run()
	}
	return c.conclude(err)
}

// checker is one call of Check.
type checker struct {
	*shift
	cfg           CheckConfig
	failed, retry *destination.Store // retry is nil without a RetryURL
	report        CheckReport
	errs          errorList
	unwritten     error // why a ticket could not be written
}

func (c CheckConfig) withDefaults() CheckConfig {
	if c.MaxRetries == 0 {
		c.MaxRetries = 10
	}
	c.MaxRetries = max(c.MaxRetries, 0)
	def(&c.Grace, time.Minute)
	c.Grace = max(c.Grace, 0)
	def(&c.Lease, time.Minute)
	def(&c.Block, 256)
	if c.Owner == "" {
		c.Owner = newOwner("checker")
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	return c
}

func (c CheckConfig) validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
	}
	if c.Claims == nil {
		bad("Claims", "required")
	}
	if c.FailedURL == "" {
		bad("FailedURL", "required: without it there is no place for what used up its attempts")
	} else if err := destination.Check(c.FailedURL); err != nil {
		bad("FailedURL", "%v", err)
	}
	if c.RetryURL != "" {
		if err := destination.Check(c.RetryURL); err != nil {
			bad("RetryURL", "%v", err)
		}
	}
	if c.Lease < minLease {
		bad("Lease", "%v is below %v", c.Lease, minLease)
	}
	if c.Block < 1 {
		bad("Block", "%d is below 1", c.Block)
	}
	return errors.Join(errs...)
}

func (c *checker) open() (err error) {
	if c.failed, err = destination.Open(destination.Config{URL: c.cfg.FailedURL, Start: c.start}); err != nil {
		return err
	}
	if c.cfg.RetryURL != "" {
		c.retry, err = destination.Open(destination.Config{URL: c.cfg.RetryURL, Start: c.start})
	}
	return err
}

// run lists what expired and works it off in blocks.
func (c *checker) run() error {
	var block []claim.Entry
	for e, err := range c.cfg.Claims.Expired(c.work, c.cfg.Grace) {
		if err != nil {
			return c.unlessOver("list expired claims", err)
		}
		if e.Key == archiverKey {
			continue // the next archiver takes it over
		}
		c.report.Expired++
		if c.report.Oldest.IsZero() || e.Expires.Before(c.report.Oldest) {
			c.report.Oldest = e.Expires
		}
		if block = append(block, e); len(block) < c.cfg.Block {
			continue
		}
		if err := c.check(block); err != nil {
			return err
		}
		block = block[:0]
	}
	return c.check(block)
}

// check claims a block of keys, and either fails each or gives it back.
func (c *checker) check(entries []claim.Entry) error {
	entries, err := c.stillExpired(entries)
	if err != nil || len(entries) == 0 {
		return err
	}
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = e.Key
	}
	block, err := c.keeper.Claim(c.work, keys)
	if block == nil {
		return c.unlessOver("claim what expired", err)
	}
	if err != nil {
		c.errs.add(err) // single keys, which the next check meets again
	}
	var done []claim.Hold
	var back []claim.GiveBack
	for i, res := range block.Results {
		hold := claim.Hold{Block: block, Index: i}
		switch res.Status {
		case claim.Held:
			c.report.Held++
		case claim.Done:
			c.report.Finished++
		case claim.Granted:
			if c.giveUp(hold, entries[i]) {
				done = append(done, hold)
			} else {
				back = append(back, claim.GiveBack{Hold: hold, Reason: entries[i].Reason})
			}
		}
	}
	return errors.Join(c.complete(done), c.giveBack(back))
}

// stillExpired leaves out what other checkers and workers have seen to since it
// was listed, so that checkers side by side do not do all the work twice.
func (c *checker) stillExpired(entries []claim.Entry) ([]claim.Entry, error) {
	if c.work.Err() != nil {
		return nil, nil //nolint:nilerr // to stop in time is no failure
	}
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = e.Key
	}
	now, err := c.cfg.Claims.Inspect(c.work, keys)
	if err != nil {
		return nil, c.unlessOver("look at what expired", err)
	}
	kept := entries[:0]
	for i, e := range entries {
		switch {
		case now[i].State == claim.Finished:
			c.report.Finished++
		case now[i].State == claim.Processing && now[i].Expires.Equal(e.Expires):
			kept = append(kept, e)
		default:
			c.report.Held++
		}
	}
	return kept, nil
}

// giveUp reports whether an object used up its attempts and is now in the
// failed destination.
func (c *checker) giveUp(hold claim.Hold, was claim.Entry) bool {
	lease := hold.Block.Results[hold.Index].Lease
	what := parseClaimKey(lease.Key)
	// The checker's own claim counts as one attempt, until it is given back.
	if lease.Attempt <= c.cfg.MaxRetries+1 || c.work.Err() != nil {
		return false
	}
	var err error
	switch {
	case what.object != "":
		err = c.writeTicket(what, lease, was)
	case what.part != "" && c.retry != nil:
		err = c.copyPart(what.part)
	default:
		return false // a name that was cut: the worker that claims it next knows the whole
	}
	if err != nil {
		c.errs.add(err)
		c.unwritten = err
		return false
	}
	c.report.FailedURL = c.failed.URL()
	return hold.Block.Remaining(hold.Index) > 0 // else its heir writes a ticket too
}

// writeTicket puts a ticket for an object into the failed destination: what a
// worker would write that claims it once more.
func (c *checker) writeTicket(what claimed, lease claim.Lease, was claim.Entry) error {
	reason := fmt.Sprintf("object %s: claimed %d times without being finished", what.object, lease.Attempt-1)
	if was.Owner != "" {
		reason += ", last by " + was.Owner
	}
	if was.Reason != "" {
		reason += ": " + was.Reason
	}
	env := destination.Envelope{
		Object: what.object, Version: what.version, Stage: "ticket", Attempt: lease.Attempt,
		Class: fault.ClassRetryable.String(), Reason: clip(reason, 4*maxErrorBytes),
		Time: time.Now().UTC().Truncate(time.Millisecond),
	}
	part, err := c.failed.Create(c.last, what.object, 0)
	if err != nil {
		return err
	}
	defer part.Abort()
	if _, err := part.Write(env.Append(nil)); err != nil {
		return err
	}
	_, err = part.Commit(c.last)
	return err
}

// copyPart copies a part of the retry destination to the failed one as it is:
// each line says what went wrong with it.
func (c *checker) copyPart(name string) error {
	_, err := copyPart(c.last, c.retry, c.failed, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was worked off and deleted: only the claim is left
	}
	return err
}

// complete finishes what is durable in the failed destination.
func (c *checker) complete(holds []claim.Hold) error {
	errs, err := c.settle(len(holds), func(ctx context.Context) error { return c.keeper.Complete(ctx, holds) })
	if err != nil {
		return fmt.Errorf("complete what failed: %w", err)
	}
	for i, hold := range holds {
		if !c.count(errs[i], &c.report.Failed) || c.retry == nil {
			continue
		}
		if what := parseClaimKey(hold.Block.Results[hold.Index].Lease.Key); what.part != "" {
			if err := c.retry.Delete(c.last, what.part); err != nil {
				c.errs.add(err) // a worker that meets the finished part deletes it
			}
		}
	}
	return nil
}

// giveBack releases the others, with the progress and the attempts they had.
func (c *checker) giveBack(back []claim.GiveBack) error {
	errs, err := c.settle(len(back), func(ctx context.Context) error { return c.keeper.Release(ctx, back) })
	if err != nil {
		return fmt.Errorf("release what expired: %w", err)
	}
	for i := range back {
		c.count(errs[i], &c.report.Released)
	}
	return nil
}

// count adds one entry to the counter that its error says, and reports whether
// that is n.
func (c *checker) count(err error, n *int64) bool {
	switch {
	case err == nil:
		*n++
		return true
	case errors.Is(err, claim.ErrLost):
		c.report.Lost++
	default:
		c.errs.add(err)
	}
	return false
}

// conclude fills in the rest of the report and writes the summary line.
func (c *checker) conclude(err error) (CheckReport, error) {
	r := &c.report
	if err == nil && c.unwritten != nil {
		err = fmt.Errorf("give up what used up its attempts: %w", c.unwritten)
	}
	if err == nil && c.work.Err() != nil {
		r.Status = StatusStopped
	}
	counts, countErr := c.cfg.Claims.Count(c.last)
	if countErr != nil && err == nil && r.Status == StatusOK {
		err = fmt.Errorf("count claims: %w", countErr)
	}
	r.Counts = counts
	if err != nil {
		r.Status = StatusError
		c.errs.add(err)
	}
	r.Errors = c.errs.strings()
	r.RuntimeMs = time.Since(c.start).Milliseconds()
	c.cfg.Logger.Info("check finished", zap.String("status", r.Status), zap.Int64("expired", r.Expired),
		zap.Int64("released", r.Released), zap.Int64("failed", r.Failed), zap.Int64("held", r.Held),
		zap.Int64("finished", r.Finished), zap.Int64("lost", r.Lost), zap.Int64("processing", r.Counts.Processing),
		zap.Int64("done", r.Counts.Finished), zap.Int64("runtimeMs", r.RuntimeMs), zap.Error(err))
	return *r, err
}
