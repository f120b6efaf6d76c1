package redrive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// TraceConfig says where the path of a record is looked for.
type TraceConfig struct {
	// Inspect is where its object and the destinations are. Required.
	Inspect processor.InspectConfig
	// Keys are the objects that it may come from. Defaults to those that the source
	// lists.
	Keys []string
	// Open opens each of those objects to learn its version. It is needed where the
	// listing does not tell that, or another than is told to whoever reads it, as with
	// web servers.
	Open bool
	// Boxes are looked through as well, such as a queue of dead letters.
	Boxes []Box
}

// Fate is what is known to have become of a record.
type Fate string

// Fates. What lies aside in several places has the first one of them.
const (
	FateDeadLetter Fate = "in a queue of dead letters"
	FateFailed     Fate = "in the failed destination"
	FateCorrupt    Fate = "in the corruption destination"
	FateRetry      Fate = "in the retry destination"
	// FateSettled means that it was delivered, or dropped by the transform: nothing is
	// noted of a single record of which nothing is left.
	FateSettled Fate = "delivered, or dropped by the transform"
	// FateOpen means that its object is not worked on that far.
	FateOpen Fate = "not settled yet"
	// FateUnknown means that nothing is known of its object: it is not in the source
	// any more, or has changed since, and nothing of it lies aside.
	FateUnknown Fate = "unknown"
)

// Track is the path of a record.
type Track struct {
	RecordID string
	// Object and Version are what it comes from, empty where that was not found.
	Object, Version string `json:",omitempty"`
	// Offset is where it stands in the decoded stream of the object. Output is its
	// number among what was made of the record there.
	Offset int64
	Output int `json:",omitempty"`
	Fate   Fate
	// Story is that of the object, nil where that was not found.
	Story *processor.Story `json:",omitempty"`
	// Aside are the letters that hold it, or stand for the rest of the object with it.
	Aside []Aside `json:",omitempty"`
}

// Aside is a letter in a track.
type Aside struct {
	Fate Fate // where it lies
	Example
	Ticket bool `json:",omitempty"` // for the object, from Offset on
}

// Trace tells the path of the record with an id, as [processor.RecordID] makes it. It
// changes nothing.
func Trace(ctx context.Context, cfg TraceConfig, id string) (Track, error) {
	t := &tracer{cfg: cfg, track: Track{RecordID: id, Fate: FateUnknown}}
	var err error
	if t.hash, t.track.Offset, t.track.Output, err = parseID(id); err != nil {
		return t.track, fault.Fatal(err)
	}
	if err := t.find(ctx); err != nil {
		return t.track, err
	}
	for _, p := range []struct {
		url  string
		fate Fate
	}{{cfg.Inspect.FailedURL, FateFailed}, {cfg.Inspect.CorruptionURL, FateCorrupt}, {cfg.Inspect.RetryURL, FateRetry}} {
		if p.url == "" {
			continue
		}
		place, err := NewPlace(p.url)
		if err != nil {
			return t.track, err
		}
		if err := t.look(ctx, place, p.fate); err != nil {
			return t.track, err
		}
	}
	for _, box := range cfg.Boxes {
		err := t.look(ctx, box, FateDeadLetter)
		if err := errors.Join(err, box.End(ctx)); err != nil {
			return t.track, err
		}
	}
	return t.track, t.judge(ctx)
}

// CheckRecordID says what is wrong with the id of a record, if anything.
func CheckRecordID(id string) error {
	_, _, _, err := parseID(id)
	return err
}

// parseID takes an id apart.
func parseID(id string) (hash string, offset int64, output int, err error) {
	parts := strings.Split(id, ".")
	if len(parts) == 3 {
		if output, err = strconv.Atoi(parts[2]); output < 1 {
			err = errors.New("no output")
		}
		parts = parts[:2]
	}
	if len(parts) == 2 && err == nil {
		offset, err = strconv.ParseInt(parts[1], 10, 64)
	}
	if len(parts) != 2 || len(parts[0]) != hashLen || err != nil || offset < 0 {
		return "", 0, 0, fmt.Errorf("redrive: %q is no id of a record, such as jz1cJ8tSCJFEmPD01nKBDg.2048", id)
	}
	return parts[0], offset, output, nil
}

// hashLen is the length of what stands for the object in an id.
const hashLen = 22

// tracer is one call of Trace.
type tracer struct {
	cfg   TraceConfig
	hash  string
	track Track
}

// comesFrom reports whether the record comes from the object.
func (t *tracer) comesFrom(o source.Object) bool {
	hash, _, _ := strings.Cut(processor.RecordID(o, 0, 0), ".")
	return hash == t.hash
}

// found notes the object.
func (t *tracer) found(o source.Object) { t.track.Object, t.track.Version = o.Key, o.Identity() }

// find looks for the object in the source.
func (t *tracer) find(ctx context.Context) error {
	src := t.cfg.Inspect.Source
	if src == nil {
		return nil
	}
	for _, key := range t.cfg.Keys {
		if err := t.open(ctx, source.Object{Key: key, Size: -1}); err != nil || t.track.Object != "" {
			return err
		}
	}
	if t.cfg.Keys != nil {
		return nil
	}
	for o, err := range src.Objects(ctx) {
		switch {
		case err != nil:
			return fmt.Errorf("look for the object of a record: %w", err)
		case t.cfg.Open:
			err = t.open(ctx, o)
		case t.comesFrom(o):
			t.found(o)
		}
		if err != nil || t.track.Object != "" {
			return err
		}
	}
	return nil
}

// open looks whether an object is the one, as who reads it sees it.
func (t *tracer) open(ctx context.Context, o source.Object) error {
	body, o, err := t.cfg.Inspect.Source.Open(ctx, o, 0, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, source.ErrChanged):
		return nil
	case err != nil:
		return fmt.Errorf("look at %s: %w", o.Key, err)
	}
	_ = body.Close() // nothing was read
	if t.comesFrom(o) {
		t.found(o)
	}
	return nil
}

// look notes the letters of a box that hold the record.
func (t *tracer) look(ctx context.Context, box Box, fate Fate) error {
	for b, err := range box.Bundles(ctx) {
		if err != nil {
			return err
		}
		if _, named := box.(*Place); named && t.track.Object != "" && destination.IsPart(b.Name()) && !destination.IsNameOf(b.Name(), t.track.Object) {
			continue
		}
		for l, err := range b.Letters(ctx) {
			if errors.Is(err, fs.ErrNotExist) {
				break // worked off meanwhile
			}
			if err != nil {
				return fmt.Errorf("%s: %w", b.Name(), err)
			}
			if t.holds(&l) {
				t.track.Aside = append(t.track.Aside, Aside{Fate: fate, Example: exampleOf(&l), Ticket: l.Stage == StageTicket})
			}
		}
		if err := b.Leave(); err != nil {
			return err
		}
	}
	return nil
}

// holds reports whether a letter holds the record, or stands for it.
func (t *tracer) holds(l *Letter) bool {
	if l.queued() && holdsID(string(l.Data), t.track.RecordID) {
		return true
	}
	if l.Stage == StageMessage {
		return false
	}
	o := source.Object{Key: l.Object, Version: l.Version, Size: -1}
	switch {
	case l.plain || !t.comesFrom(o):
		return false
	case l.Stage == StageTicket:
		return l.Offset <= t.track.Offset
	case l.Offset != t.track.Offset, l.Stage == StageSink && l.Index != t.track.Output:
		return false
	}
	if t.track.Object == "" { // it is not in the source any more
		t.found(o)
	}
	return true
}

// judge tells what became of the record.
func (t *tracer) judge(ctx context.Context) error {
	track := &t.track
	if track.Object != "" {
		stories, err := processor.Explain(ctx, t.cfg.Inspect, track.Object)
		if err != nil {
			return err
		}
		track.Story = &stories[0]
		track.Fate = fateBy(track.Story, track.Offset, track.Version)
	}
	for _, fate := range []Fate{FateDeadLetter, FateFailed, FateCorrupt, FateRetry} {
		if slices.ContainsFunc(track.Aside, func(a Aside) bool { return a.Fate == fate }) {
			track.Fate = fate
			return nil
		}
	}
	return nil
}

// fateBy is what the claim of the object tells of a record in it that does not lie
// aside.
func fateBy(s *processor.Story, offset int64, version string) Fate {
	switch s.Standing {
	case processor.StandingFinished:
		return FateSettled
	case processor.StandingNew:
		if s.Stored == nil {
			return FateUnknown
		}
	case processor.StandingProcessing, processor.StandingExpired, processor.StandingWaiting:
	}
	c := s.Checkpoint
	if c == nil || c.Version != version && !strings.HasPrefix(c.Version, version+"+") { // and how it is decoded
		return FateOpen
	}
	within := func(span [2]int64) bool { return span[0] <= offset && offset < span[1] }
	if offset < c.Offset || slices.ContainsFunc(c.Spans, within) {
		return FateSettled
	}
	return FateOpen
}
