package gcp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strconv"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/gs/gsevent"
)

// ObjectsConfig configures [NewObjects].
type ObjectsConfig struct {
	Config
	// Source is that of the service, which opens the objects. Required.
	Source source.Source
	// ObjectOf returns the object of an event as Source lists it, and whether it
	// does. Defaults to the method of that name that Source has, as that of
	// source/gs, or that which it decodes.
	ObjectOf func(gsevent.Event) (source.Object, bool)
	// Claim has each object claimed in the Claimer of the service before it is read
	// (see [processor.Request.Claim]), so that a Run over the same prefix, and an
	// event that comes twice, has it done once. It needs a claim store that all of
	// them share, and a service without OnDone.
	Claim bool
}

// Objects handles events of Cloud Storage: an object that was created becomes a
// request.
//
//   - One that is not of the source is refused: it is settled, and counted.
//   - One that is gone is settled, and counted as vanished.
//   - With Claim, one that was done before is settled, and counted as skipped. One
//     that somebody else holds, or that was given back, is not: its event comes again.
//   - One that was replaced since the event is settled: the event of the later
//     generation tells of it.
//   - An event that cannot be read is not settled, so that it ends in the
//     dead-letter topic.
//
// It is safe for concurrent use.
type Objects struct {
	cfg      Config
	source   source.Source
	claim    bool
	objectOf func(gsevent.Event) (source.Object, bool)
}

// NewObjects returns a handler of storage events, or every mistake in cfg.
func NewObjects(cfg ObjectsConfig) (*Objects, error) {
	h := &Objects{cfg: cfg.withDefaults(), source: cfg.Source, claim: cfg.Claim, objectOf: cfg.ObjectOf}
	errs := []error{h.cfg.validate()}
	if h.source == nil {
		errs = append(errs, errors.New("gcp: Config.Source: required"))
	} else if h.objectOf == nil {
		if h.objectOf = objectOf(h.source); h.objectOf == nil {
			errs = append(errs, fmt.Errorf("gcp: Config.ObjectOf: required, as a %T has no such method", h.source))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return h, nil
}

// objectOf finds the method of a source, or of the one it decodes.
func objectOf(src source.Source) func(gsevent.Event) (source.Object, bool) {
	for src != nil {
		if s, ok := src.(interface {
			ObjectOf(e gsevent.Event) (source.Object, bool)
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

// HandleEvent handles one event that was read already, as a function of the first
// generation is handed it. The event is settled if the error is nil.
func (h *Objects) HandleEvent(ctx context.Context, e gsevent.Event) error {
	return h.cfg.handle(ctx, func(ctx context.Context, d *delivery) error { return h.do(ctx, d, e, 0) })
}

// HandleMessage handles one message of Pub/Sub that is a notification of Cloud
// Storage. The message is settled if the error is nil.
func (h *Objects) HandleMessage(ctx context.Context, m Message) error {
	return h.cfg.handle(ctx, func(ctx context.Context, d *delivery) error { return h.message(ctx, d, &m) })
}

func (h *Objects) message(ctx context.Context, d *delivery, m *Message) error {
	e, ok, err := gsevent.FromAttributes(m.Attributes, m.Data)
	switch {
	case err != nil:
		return err
	case !ok:
		return errNoEvent
	}
	return h.do(ctx, d, e, m.attempts())
}

// do works on the object of an event.
func (h *Objects) do(ctx context.Context, d *delivery, e gsevent.Event, attempt int) error {
	if !e.Created() {
		d.report.Ignored++
		return nil
	}
	o, ok := h.objectOf(e)
	if !ok {
		d.report.Refused++
		return nil
	}
	where := (&url.URL{Scheme: "gs", Host: e.Bucket, Path: "/" + e.Object.Key}).String()
	req := &processor.Request{Object: &o, SourceURL: where, StartTime: e.Time, Attempt: attempt, Claim: h.claim}
	err := d.request(ctx, req)
	if !errors.Is(err, source.ErrChanged) {
		return err
	}
	switch now, ask := h.stat(ctx, o.Key); {
	case errors.Is(ask, fs.ErrNotExist):
		d.settled().Vanished++
		return nil
	case ask == nil && later(now.Version, o.Version):
		d.settled().Superseded++
		return nil
	}
	return err
}

// settled is the report after it turned out that an error is of no account.
func (d *delivery) settled() *Report {
	d.report.Status, d.report.Errors = processor.StatusOK, nil
	return d.report
}

// later reports whether a generation is later than another. They grow.
func later(a, b string) bool {
	x, errA := strconv.ParseInt(a, 10, 64)
	y, errB := strconv.ParseInt(b, 10, 64)
	return errA == nil && errB == nil && x > y
}

// errNoStat says that a source cannot be asked for an object without opening it.
var errNoStat = errors.New("the source cannot look objects up")

// stat returns the object as it is now.
func (h *Objects) stat(ctx context.Context, key string) (source.Object, error) {
	if r, ok := h.source.(source.Remover); ok {
		o, _, err := r.Stat(ctx, key)
		return o, err
	}
	body, found, err := h.source.Open(ctx, source.Object{Key: key, Size: -1}, 0, -1)
	if err != nil {
		return source.Object{}, err
	}
	_ = body.Close() // nothing was read
	if found.Version == "" {
		return source.Object{}, errNoStat
	}
	return found, nil
}
