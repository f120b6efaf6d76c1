package processor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/source"
)

// SurveyReport is how a spool stands as a whole.
type SurveyReport struct {
	Time   time.Time
	Counts claim.Counts // of the claim store
	// Stuck is how many leases expired at least Grace ago: [Check] sees to them.
	Stuck int64
	// LongestStuck are those that expired first, at most ten.
	LongestStuck []StuckObject `json:",omitempty"`
	// Source is how far the source is drained, where one was given.
	Source *Backlog `json:",omitempty"`
	// Destinations are those that were given.
	Destinations []DestinationSurvey `json:",omitempty"`
}

// StuckObject is an object that somebody began and nobody finishes.
type StuckObject struct {
	Key     string // of the claim: of a part of the retry destination, it begins with NUL
	Owner   string `json:",omitempty"`
	Attempt int
	Expires time.Time
}

// Backlog is how many of the objects in a source stand where.
type Backlog struct {
	Objects                                     int64
	New, Processing, Expired, Waiting, Finished int64
	// Oldest is the time of the oldest object that is not finished: that in its
	// name where the source tells it (see [source.Dater]), else when it was last
	// modified, as far as the listing tells. LagSeconds is how long ago that is.
	Oldest     time.Time `json:",omitzero"`
	LagSeconds float64
}

// DestinationSurvey is what is in one destination.
type DestinationSurvey struct {
	Name   string // retry, failed or corruption
	URL    string
	Parts  int64
	Oldest time.Time `json:",omitzero"`
}

// mostStuck is how many stuck objects a survey names.
const mostStuck = 10

// Survey tells how a spool stands: it lists the source and the destinations and
// looks at every claim that is of interest. It changes nothing, and needs no
// more memory for more objects.
func Survey(ctx context.Context, cfg InspectConfig) (SurveyReport, error) {
	r := SurveyReport{Time: time.Now()}
	in, err := cfg.open()
	if err != nil {
		return r, err
	}
	if r.Counts, err = in.Claims.Count(ctx); err != nil {
		return r, fmt.Errorf("count claims: %w", err)
	}
	if err := in.stuck(ctx, &r); err != nil {
		return r, err
	}
	if in.Source != nil {
		if r.Source, err = in.backlog(ctx, r.Time); err != nil {
			return r, err
		}
	}
	for _, p := range in.places {
		d := DestinationSurvey{Name: p.name, URL: p.store.URL()}
		for part, err := range p.store.List(ctx) {
			if err != nil {
				return r, err
			}
			d.Parts++
			d.Oldest = earlier(d.Oldest, part.ModTime)
		}
		r.Destinations = append(r.Destinations, d)
	}
	return r, nil
}

func (in *inspection) stuck(ctx context.Context, r *SurveyReport) error {
	for e, err := range in.Claims.Expired(ctx, in.Grace) {
		if err != nil {
			return fmt.Errorf("list expired claims: %w", err)
		}
		r.Stuck++
		s := StuckObject{Key: e.Key, Owner: e.Owner, Attempt: e.Attempt, Expires: e.Expires}
		at, _ := slices.BinarySearchFunc(r.LongestStuck, s, func(a, b StuckObject) int { return a.Expires.Compare(b.Expires) })
		if at < mostStuck {
			r.LongestStuck = slices.Insert(r.LongestStuck, at, s)
			r.LongestStuck = r.LongestStuck[:min(len(r.LongestStuck), mostStuck)]
		}
	}
	return nil
}

func (in *inspection) backlog(ctx context.Context, now time.Time) (*Backlog, error) {
	b := new(Backlog)
	err := in.inBlocks(ctx, func(o source.Object, e claim.Entry) {
		b.Objects++
		stands := standing(e, now)
		switch stands {
		case StandingNew:
			b.New++
		case StandingProcessing:
			b.Processing++
		case StandingExpired:
			b.Expired++
		case StandingWaiting:
			b.Waiting++
		case StandingFinished:
			b.Finished++
			return
		}
		b.Oldest = earlier(b.Oldest, source.DateOf(in.Source, o))
	})
	if !b.Oldest.IsZero() {
		b.LagSeconds = max(0, now.Sub(b.Oldest)).Seconds()
	}
	return b, err
}

// earlier returns the earlier of two times, of which the zero one is unknown.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
