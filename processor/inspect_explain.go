package processor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/source"
)

// Story is all there is to know of one object.
type Story struct {
	Key      string
	Standing Standing
	// Of its claim, as far as the store keeps it:
	Owner      string    `json:",omitempty"` // that has it, or had it last
	Attempt    int       `json:",omitempty"`
	Reason     string    `json:",omitempty"` // why it was last given back
	ClaimedAt  time.Time `json:",omitzero"`
	Expires    time.Time `json:",omitzero"` // end of the lease, or not to be taken before
	FinishedAt time.Time `json:",omitzero"`
	// Checkpoint is how far it is settled, where somebody left off in it.
	Checkpoint *Checkpoint `json:",omitempty"`
	// Stored is what the source has under the key now, nil if nothing.
	Stored *StoredObject `json:",omitempty"`
	// Parts are those in the destinations that hold records of it.
	Parts []PartStory `json:",omitempty"`

	claimKey string
}

// Checkpoint is how far an object is settled.
type Checkpoint struct {
	Offset  int64      // in the decoded stream: all before it is settled
	Spans   [][2]int64 `json:",omitempty"` // settled as well, further on
	Version string     `json:",omitempty"` // of the object, to which the offsets belong
}

// StoredObject is an object as its source knows it.
type StoredObject struct {
	Size    int64
	ModTime time.Time `json:",omitzero"`
	Version string    `json:",omitempty"`
}

// PartStory is one part in a destination.
type PartStory struct {
	Destination string // retry, failed or corruption
	Name        string // below the destination's URL
	Time        time.Time
	Records     int      // lines, tickets among them
	Tickets     int      // lines that stand for the object, or the rest of it
	Attempt     int      // the highest of its records
	Reasons     []string `json:",omitempty"` // the first few distinct ones
}

// mostReasons is how many reasons of a part are told.
const mostReasons = 5

// Explain tells the whole story of each object: where it stands, who had it, how
// far it is, and what is in the destinations of it. It changes nothing.
func Explain(ctx context.Context, cfg InspectConfig, keys ...string) ([]Story, error) {
	in, err := cfg.open()
	if err != nil {
		return nil, err
	}
	return in.explain(ctx, keys)
}

func (in *inspection) explain(ctx context.Context, keys []string) ([]Story, error) {
	stories := make([]Story, len(keys))
	claimKeys := make([]string, len(keys))
	for i, key := range keys {
		stories[i].Key = key
		found, err := in.stored(ctx, key)
		if err != nil {
			return nil, err
		}
		o := source.Object{Key: key, Size: -1}
		if found != nil {
			o = *found
			stories[i].Stored = &StoredObject{o.Size, o.ModTime, o.Version}
		}
		if claimKeys[i], err = objectClaimKey(o, in.ClaimVersion && found != nil); err != nil {
			return nil, err
		}
		stories[i].claimKey = claimKeys[i]
	}
	entries, err := in.Claims.Inspect(ctx, claimKeys)
	if err != nil {
		return nil, fmt.Errorf("look at claims: %w", err)
	}
	now := time.Now()
	for i, e := range entries {
		stories[i].tell(e, now)
	}
	for _, p := range in.places {
		if err := p.explain(ctx, stories); err != nil {
			return nil, err
		}
	}
	return stories, nil
}

// tell adds what the claim store knows.
func (s *Story) tell(e claim.Entry, now time.Time) {
	s.Standing = standing(e, now)
	s.Owner, s.Attempt, s.Reason = e.Owner, e.Attempt, e.Reason
	s.ClaimedAt, s.FinishedAt = e.ClaimedAt, e.DoneAt
	if s.Standing != StandingFinished && s.Standing != StandingNew {
		s.Expires = e.Expires
	}
	if p, ok := readProgress(e.Progress); ok && !p.empty() {
		s.Checkpoint = &Checkpoint{Offset: p.Offset, Version: p.Identity}
		for _, span := range p.Settled {
			s.Checkpoint.Spans = append(s.Checkpoint.Spans, span)
		}
	}
}

// stored asks the source for the object as it is now; nil if it is not there.
func (in *inspection) stored(ctx context.Context, key string) (*source.Object, error) {
	if in.Source == nil {
		return nil, nil
	}
	body, o, err := in.Source.Open(ctx, source.Object{Key: key, Size: -1}, 0, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", key, err)
	}
	_ = body.Close() // nothing was read
	return &o, nil
}

// explain adds the parts of one destination to the stories they belong to.
func (p place) explain(ctx context.Context, stories []Story) error {
	for part, err := range p.store.List(ctx) {
		if err != nil {
			return err
		}
		i := slices.IndexFunc(stories, func(s Story) bool { return destination.IsNameOf(part.Name, s.Key) })
		if i < 0 {
			continue
		}
		story, err := p.read(ctx, part)
		if errors.Is(err, fs.ErrNotExist) {
			continue // worked off meanwhile
		}
		if err != nil {
			return err
		}
		stories[i].Parts = append(stories[i].Parts, story)
	}
	return nil
}

// read goes through a part.
func (p place) read(ctx context.Context, part destination.Info) (PartStory, error) {
	story := PartStory{Destination: p.name, Name: part.Name, Time: part.ModTime}
	body, err := p.store.Open(ctx, part.Name)
	if err != nil {
		return story, err
	}
	defer body.Close() // only read
	for env, err := range destination.ReadEnvelopes(body, 0) {
		switch {
		case err == nil, errors.Is(err, destination.ErrDataTooLong) && !errors.Is(err, destination.ErrNotEnvelope):
			if env.Stage == "ticket" {
				story.Tickets++
			}
			story.Attempt = max(story.Attempt, env.Attempt)
			if len(story.Reasons) < mostReasons && !slices.Contains(story.Reasons, env.Reason) {
				story.Reasons = append(story.Reasons, env.Reason)
			}
		case !errors.Is(err, destination.ErrNotEnvelope):
			return story, err
		}
		story.Records++
	}
	return story, nil
}

// readProgress reads the progress of any fingerprint.
func readProgress(text string) (progress, bool) {
	var p progress
	if text == "" || json.Unmarshal([]byte(text), &p) != nil {
		return progress{}, false
	}
	p.tidy()
	return p, true
}
