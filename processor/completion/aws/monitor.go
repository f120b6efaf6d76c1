package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/unspool-go/unspool/internal/sqsevent"
	"github.com/unspool-go/unspool/internal/usercode"
	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source/s3"
)

// MonitorConfig configures a [Monitor].
type MonitorConfig struct {
	// Monitor counts. Required.
	Monitor *completion.Monitor
	// SetOf returns the set that an object is a part of, by its event, and whether
	// there is one: what is of no set is passed over. The object's name must begin
	// with the prefix of the set, or else its message is not settled; the rest is the
	// key of its arrival. To count no more than a source lists, return false where
	// [s3.Source.ObjectOf] does. It is called from several goroutines at once; a panic
	// keeps its message from being settled. Defaults to a set for each bucket.
	SetOf func(s3.Event) (completion.Set, bool)
	// OnError, when not nil, is called with what keeps a message from being settled,
	// from several goroutines at once.
	OnError func(error)
}

// Monitor counts the objects that events of S3 tell of, however they arrive (see
// [s3.ParseEvents]). It is safe for concurrent use.
type Monitor struct{ cfg MonitorConfig }

// NewMonitor returns a handler, or what is wrong with cfg.
func NewMonitor(cfg MonitorConfig) (*Monitor, error) {
	if cfg.Monitor == nil {
		return nil, fault.Fatal(errors.New("configure monitor of S3: Monitor: required"))
	}
	if cfg.SetOf == nil {
		cfg.SetOf = Folders("", 0)
	}
	if cfg.OnError == nil {
		cfg.OnError = func(error) {}
	}
	return &Monitor{cfg}, nil
}

// Folders makes a set of what is in each folder, so many levels below prefix: with
// "out/" and 1, that of out/run-7/part-0001 is of out/run-7/. With 0 all that is below
// prefix is one set.
func Folders(prefix string, depth int) func(s3.Event) (completion.Set, bool) {
	return func(e s3.Event) (completion.Set, bool) {
		rest, ok := strings.CutPrefix(e.Object.Key, prefix)
		root := prefix
		for range depth {
			folder, below, found := strings.Cut(rest, "/")
			if !found {
				return completion.Set{}, false
			}
			root, rest = root+folder+"/", below
		}
		return completion.Set{Bucket: e.Bucket, Prefix: root}, ok
	}
}

// Handle handles one event of Lambda. Of a batch of SQS messages the answer names those
// that are not settled; any other event that is not settled is an error. Everything may
// be delivered again: it is not counted again.
func (h *Monitor) Handle(ctx context.Context, event json.RawMessage) (events.SQSEventResponse, error) {
	batch, ok := sqsevent.Batch(event)
	if !ok {
		found, err := s3.ParseEvents(event)
		if err == nil {
			err = h.count(ctx, found)
		}
		if err != nil {
			h.cfg.OnError(err)
		}
		return events.SQSEventResponse{}, err
	}
	errs := make([]error, len(batch.Records))
	p := plan{}
	for i := range batch.Records {
		found, err := s3.ParseEvents([]byte(batch.Records[i].Body))
		if err == nil {
			err = p.add(h, i, found)
		}
		errs[i] = err
	}
	for i, err := range p.count(ctx, h) {
		errs[i] = errors.Join(errs[i], err)
	}
	return answer(batch.Records, errs, h.cfg.OnError)
}

// HandleMessage handles one message of SQS. A nil error means that it is settled.
func (h *Monitor) HandleMessage(ctx context.Context, m events.SQSMessage) error {
	found, err := s3.ParseEvents([]byte(m.Body))
	if err != nil {
		return fmt.Errorf("message %s: %w", m.MessageId, err)
	}
	return h.count(ctx, found)
}

// count counts the objects of one message.
func (h *Monitor) count(ctx context.Context, found []s3.Event) error {
	p := plan{}
	err := p.add(h, 0, found)
	return errors.Join(append(p.count(ctx, h), err)...)
}

// plan is what has to be counted, by set, and which message each is from.
type plan struct {
	sets     []completion.Set
	arrivals map[completion.Set][]completion.Arrival
	messages map[completion.Set][]int
	last     int // message
}

// add plans what a message tells of. An error is of what cannot be counted of it.
func (p *plan) add(h *Monitor, message int, found []s3.Event) error {
	var errs []error
	if p.arrivals == nil {
		p.arrivals, p.messages = map[completion.Set][]completion.Arrival{}, map[completion.Set][]int{}
	}
	p.last = message
	for _, e := range found {
		if !e.Created() {
			continue
		}
		set, arrival, ok, err := h.arrival(e)
		switch {
		case err != nil:
			errs = append(errs, err)
			continue
		case !ok:
			continue
		}
		if _, known := p.arrivals[set]; !known {
			p.sets = append(p.sets, set)
		}
		p.arrivals[set] = append(p.arrivals[set], arrival)
		p.messages[set] = append(p.messages[set], message)
	}
	return errors.Join(errs...)
}

// arrival returns what an event counts as, and in which set, if it counts. It is checked
// here so that one that no store takes keeps no others of its set from being counted.
func (h *Monitor) arrival(e s3.Event) (set completion.Set, a completion.Arrival, ok bool, err error) {
	err = usercode.Call(func() error { set, ok = h.cfg.SetOf(e); return nil })
	switch {
	case err != nil:
		return set, a, false, fmt.Errorf("the set of object %.64q: %w", e.Object.Key, err)
	case !ok:
		return set, a, false, nil
	case !strings.HasPrefix(e.Object.Key, set.Prefix):
		return set, a, false, fmt.Errorf("object %.64q is not below the prefix of its set, %s", e.Object.Key, set)
	}
	key, ok := set.Below(e.Object.Key)
	if !ok || strings.HasSuffix(key, "/") { // a name that ends so marks a folder
		return set, a, false, nil
	}
	a = completion.Object(key, 0)
	return set, a, true, fault.Corrupt(errors.Join(set.Check(), a.Check()))
}

// count counts, and returns the error of each message.
func (p *plan) count(ctx context.Context, h *Monitor) []error {
	errs := make([]error, p.last+1)
	for _, set := range p.sets {
		if _, err := h.cfg.Monitor.Arrive(ctx, set, p.arrivals[set]...); err != nil {
			for _, i := range p.messages[set] {
				errs[i] = err
			}
		}
	}
	return errs
}
