package processor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/source"
)

// InspectConfig says what an operator looks at, with [Survey] and [Explain], or
// sets right, with [Release] and [Retry]. What is not given is left out of the
// answer.
type InspectConfig struct {
	// Claims is the store of the workers. Required. Release and Retry need one
	// that is a [Claims] store as well, which one opened for reading is not.
	Claims claim.Inspector
	// Source is what the workers drain. It should tell sizes and times.
	Source source.Source
	// RetryURL, FailedURL and CorruptionURL are the destinations of the workers.
	RetryURL, FailedURL, CorruptionURL string
	// ClaimVersion says that the workers claim by key and version, as in
	// [Config]. It needs the Source.
	ClaimVersion bool
	// Grace is how long ago a lease must have expired for its object to count as
	// stuck. Defaults to 1 minute; negative means none.
	Grace time.Duration
}

// inspectBlock is how many keys are looked up in one round trip.
const inspectBlock = 1024

// inspection is an opened InspectConfig.
type inspection struct {
	InspectConfig
	places []place
}

// place is one destination, under the name it has in reports.
type place struct {
	name  string
	store *destination.Store
}

func (c InspectConfig) open() (*inspection, error) {
	var errs []error
	def(&c.Grace, time.Minute)
	c.Grace = max(c.Grace, 0)
	if c.Claims == nil {
		errs = append(errs, errors.New("Claims: required"))
	}
	if c.ClaimVersion && c.Source == nil {
		errs = append(errs, errors.New("Source: required with ClaimVersion, to know the versions"))
	}
	in := &inspection{InspectConfig: c}
	for _, d := range []struct{ field, name, url string }{
		{"RetryURL", fateName(retried), c.RetryURL}, {"FailedURL", fateName(failed), c.FailedURL},
		{"CorruptionURL", fateName(corrupted), c.CorruptionURL},
	} {
		if d.url == "" {
			continue
		}
		store, err := destination.Open(destination.Config{URL: d.url})
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", d.field, err))
			continue
		}
		in.places = append(in.places, place{d.name, store})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return in, nil
}

// place returns the destination of that name, or nil.
func (in *inspection) place(name string) *destination.Store {
	if i := slices.IndexFunc(in.places, func(p place) bool { return p.name == name }); i >= 0 {
		return in.places[i].store
	}
	return nil
}

// Standing is where an object stands.
type Standing string

const (
	// StandingNew means that nobody ever claimed it, or all that was undone.
	StandingNew Standing = "new"
	// StandingProcessing means that a worker has it.
	StandingProcessing Standing = "processing"
	// StandingExpired means that the worker that had it has not been heard of
	// for longer than its lease: the next one to ask for it gets it.
	StandingExpired Standing = "expired"
	// StandingWaiting means that it was given back, with attempts or progress on
	// record, or not to be taken before a certain time.
	StandingWaiting Standing = "waiting"
	// StandingFinished means that all its records are settled.
	StandingFinished Standing = "finished"
)

// standing tells where the object of an entry stands. Expiry is judged by the
// local clock.
func standing(e claim.Entry, now time.Time) Standing {
	switch {
	case e.State == claim.Finished:
		return StandingFinished
	case e.State == claim.Processing && e.Expires.After(now):
		return StandingProcessing
	case e.State == claim.Processing:
		return StandingExpired
	case e.Attempt > 0 || e.Progress != "" || e.Expires.After(now):
		return StandingWaiting
	}
	return StandingNew
}

// inBlocks calls do with the objects of the source, in blocks, and the entries of
// their claims.
func (in *inspection) inBlocks(ctx context.Context, do func(source.Object, claim.Entry)) error {
	objects := make([]source.Object, 0, inspectBlock)
	flush := func() error {
		keys := make([]string, len(objects))
		for i, o := range objects {
			key, err := objectClaimKey(o, in.ClaimVersion)
			if err != nil {
				return err
			}
			keys[i] = key
		}
		entries, err := in.Claims.Inspect(ctx, keys)
		if err != nil {
			return fmt.Errorf("look at claims: %w", err)
		}
		for i, o := range objects {
			do(o, entries[i])
		}
		objects = objects[:0]
		return nil
	}
	for o, err := range in.Source.Objects(ctx) {
		if err != nil {
			return fmt.Errorf("list objects: %w", err)
		}
		if objects = append(objects, o); len(objects) == cap(objects) {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(objects) == 0 {
		return nil
	}
	return flush()
}
