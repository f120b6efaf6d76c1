package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"

	"github.com/aws/aws-lambda-go/events"

	"github.com/unspool-go/unspool/internal/sqsevent"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/s3"
)

// ObjectsConfig configures [NewObjects].
type ObjectsConfig struct {
	Config
	// Source is that of the service, which opens the objects. Required.
	Source source.Source
	// ObjectOf returns the object of an event as Source lists it, and whether it
	// does. Defaults to the method of that name that Source has, or that which it
	// decodes: [s3.Source.ObjectOf].
	ObjectOf func(s3.Event) (source.Object, bool)
	// Claim has each object claimed in the Claimer of the service before it is read
	// (see [processor.Request.Claim]), so that a Run over the same prefix, and an
	// event that comes twice, has it done once. It needs a claim store that all of
	// them share, and a service without OnDone.
	Claim bool
}

// Objects handles S3 events: each object that was created becomes a request. The
// events may come from S3 itself, through SNS, EventBridge or SQS, or one in the
// other, as [s3.ParseEvents] knows them.
//
//   - An object that an event names several times is done once.
//   - One that is not of the source is refused: it is settled, and counted.
//   - One that is gone is settled, and counted as vanished.
//   - With Claim, one that was done before is settled, and counted as skipped. One
//     that somebody else holds, or that was given back, is not: its event comes again.
//   - One that was replaced since the event is settled if another event must tell
//     of it, because it is younger than this event; otherwise it is done as it is.
//   - An event that cannot be read is not settled, so that its message ends in the
//     dead-letter queue.
//
// It is safe for concurrent use.
type Objects struct {
	cfg      Config
	source   source.Source
	claim    bool
	objectOf func(s3.Event) (source.Object, bool)
}

// NewObjects returns a handler of S3 events, or every mistake in cfg.
func NewObjects(cfg ObjectsConfig) (*Objects, error) {
	h := &Objects{cfg: cfg.withDefaults(), source: cfg.Source, claim: cfg.Claim, objectOf: cfg.ObjectOf}
	errs := []error{h.cfg.validate()}
	if h.source == nil {
		errs = append(errs, errors.New("Config.Source: required"))
	} else if h.objectOf == nil {
		if h.objectOf = objectOf(h.source); h.objectOf == nil {
			errs = append(errs, fmt.Errorf("Config.ObjectOf: required, as a %T has no such method", h.source))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return h, nil
}

// objectOf finds the method of a source, or of the one it decodes.
func objectOf(src source.Source) func(s3.Event) (source.Object, bool) {
	for src != nil {
		if s, ok := src.(interface {
			ObjectOf(e s3.Event) (source.Object, bool)
		}); ok {
			return s.ObjectOf
		}
		d, ok := src.(source.Decoder)
		if !ok {
			return nil
		}
		src = d.Stored()
	}
	return nil
}

// Handle handles one event of Lambda. Of a batch of SQS messages the answer names
// those that hold an object which is not settled; any other event that holds one
// is an error. Lambda ignores the answer to what is no batch.
func (h *Objects) Handle(ctx context.Context, event json.RawMessage) (Answer, error) {
	if batch, ok := sqsevent.Batch(event); ok {
		return h.HandleSQS(ctx, batch)
	}
	inv := h.cfg.invoked(ctx)
	found, err := s3.ParseEvents(event)
	if err != nil {
		inv.note(func(r *Report) { r.Received, r.Unsettled = 1, 1 })
		inv.fail(err)
		return Answer{}, inv.over()
	}
	p := newPlan(inv, h)
	p.add(0, "", 0, found)
	lost := 0
	for _, ok := range inv.perform(ctx, p.tasks) {
		if !ok {
			lost++
		}
	}
	inv.note(func(r *Report) { r.Received, r.Unsettled = int64(len(found)), int64(lost) })
	err = inv.over()
	if lost > 0 {
		return Answer{}, fmt.Errorf("aws: %d of %d objects are not settled: %w", lost, len(p.tasks), unsettled(err))
	}
	return Answer{}, nil
}

// HandleSQS handles a batch of SQS messages that each hold an S3 event.
func (h *Objects) HandleSQS(ctx context.Context, batch events.SQSEvent) (Answer, error) {
	return handleSQS(ctx, &h.cfg, batch, h.plan)
}

// plan makes requests of events. It is a planner.
type plan struct {
	inv    *invocation
	of     *Objects // may be nil where there are no objects
	tasks  []task
	owners [][]int // the messages that each task belongs to
	known  map[objectKey]int
}

// objectKey is what makes two events those of the same object.
type objectKey struct{ lane, key, version string }

func newPlan(inv *invocation, of *Objects) *plan {
	return &plan{inv: inv, of: of, known: map[objectKey]int{}}
}

func (h *Objects) plan(inv *invocation) *plan { return newPlan(inv, h) }

// message adds an SQS message.
func (p *plan) message(i int, lane string, m *events.SQSMessage) {
	found, err := s3.ParseEvents([]byte(m.Body))
	if err != nil {
		p.append(i, lane, func(context.Context) error { return fmt.Errorf("message %s: %w", m.MessageId, err) })
		return
	}
	p.add(i, lane, attemptsOf(m), found)
}

// append adds a task of message i.
func (p *plan) append(i int, lane string, do func(context.Context) error) {
	p.tasks = append(p.tasks, task{lane, do})
	p.owners = append(p.owners, []int{i})
}

// add adds the objects of events in message i.
func (p *plan) add(i int, lane string, attempt int, found []s3.Event) {
	if len(found) == 0 { // of a test
		p.inv.note(func(r *Report) { r.Ignored++ })
	}
	for _, e := range found {
		if !e.Created() {
			p.inv.note(func(r *Report) { r.Ignored++ })
			continue
		}
		o, ok := p.of.objectOf(e)
		if !ok {
			p.inv.note(func(r *Report) { r.Refused++ })
			continue
		}
		key := objectKey{lane, o.Key, o.Version}
		if at, ok := p.known[key]; ok {
			p.inv.note(func(r *Report) { r.Repeated++ })
			p.owners[at] = append(p.owners[at], i)
			continue
		}
		p.known[key] = len(p.tasks)
		p.append(i, lane, func(ctx context.Context) error { return p.of.do(ctx, p.inv, e, o, attempt) })
	}
}

// do works on one object.
func (h *Objects) do(ctx context.Context, inv *invocation, e s3.Event, o source.Object, attempt int) error {
	where := (&url.URL{Scheme: "s3", Host: e.Bucket, Path: "/" + e.Object.Key}).String()
	req := &processor.Request{Object: &o, SourceURL: where, StartTime: e.Time, Attempt: attempt, Claim: h.claim}
	err := inv.request(ctx, req)
	if !errors.Is(err, source.ErrChanged) {
		return err
	}
	now, ask := h.stat(ctx, o.Key)
	switch {
	case errors.Is(ask, fs.ErrNotExist):
		inv.note(func(r *Report) { r.Vanished++ })
		return nil
	case ask == nil && now.ModTime.After(e.Time) && !e.Time.IsZero():
		inv.note(func(r *Report) { r.Superseded++ })
		return nil
	case !inv.when.open(ctx):
		return err
	}
	// No other event need tell of it, or it is not known whether one does: a store may
	// write a version in another way than in its events.
	req.Object = &source.Object{Key: o.Key, Size: -1}
	if ask == nil {
		req.Object = &now // a claim may be one of a version
	}
	return inv.request(ctx, req)
}

// errNoStat says that a source cannot be asked for an object without opening it.
var errNoStat = errors.New("the source cannot look objects up")

// stat returns the object as it is now.
func (h *Objects) stat(ctx context.Context, key string) (source.Object, error) {
	if r, ok := h.source.(source.Remover); ok {
		o, _, err := r.Stat(ctx, key)
		return o, err
	}
	body, _, err := h.source.Open(ctx, source.Object{Key: key, Size: -1}, 0, -1)
	if err != nil {
		return source.Object{}, err
	}
	_ = body.Close() // nothing was read
	return source.Object{}, errNoStat
}
