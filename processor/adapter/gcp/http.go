package gcp

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source/gs/gsevent"
)

// ServeHTTP implements [http.Handler]. It takes CloudEvents of Eventarc, those of
// Cloud Storage itself and those of Pub/Sub, in binary and in structured mode; the
// envelope of a push subscription, with a notification of Cloud Storage in it; and
// the events of functions of the first generation.
func (h *Objects) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.cfg.serve(w, r, func(ctx context.Context, d *delivery, p payload) error {
		if gsevent.IsType(p.kind) {
			e, err := gsevent.Parse(p.kind, p.data)
			if err != nil {
				return err
			}
			return h.do(ctx, d, e, 0)
		}
		m, err := p.message()
		if err != nil {
			return errNoEvent
		}
		return h.message(ctx, d, m)
	})
}

// ServeHTTP implements [http.Handler]. It takes the envelope of a push
// subscription; CloudEvents of Pub/Sub in binary and in structured mode; and the
// events of functions of the first generation.
func (h *Messages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.cfg.serve(w, r, func(ctx context.Context, d *delivery, p payload) error {
		m, err := p.message()
		if err != nil {
			return err
		}
		return h.message(ctx, d, m)
	})
}

var (
	_ http.Handler = (*Objects)(nil)
	_ http.Handler = (*Messages)(nil)
)

// serve handles a request, and answers it.
func (c *Config) serve(w http.ResponseWriter, r *http.Request, do func(context.Context, *delivery, payload) error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	err := c.handle(r.Context(), func(ctx context.Context, d *delivery) error {
		if c.Timeout == 0 {
			return errNoTimeout
		}
		p, err := read(w, r, c.MaxBody)
		if err != nil {
			return err
		}
		return do(ctx, d, p)
	})
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	status := statusOf(err)
	http.Error(w, http.StatusText(status), status) // the reason is in the report
}

// statusOf is the answer to what is not settled.
func statusOf(err error) int {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge
	}
	switch {
	case errors.Is(err, errMediaType):
		return http.StatusUnsupportedMediaType
	case errors.Is(err, errUnread):
		return http.StatusBadRequest
	case fault.Is(err, fault.ClassCorrupt):
		return http.StatusBadRequest
	case fault.Is(err, fault.ClassInterrupted), errors.Is(err, processor.ErrHeld):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

var (
	errNoTimeout = fault.Fatal(errors.New("gcp: Config.Timeout: required for HTTP"))
	errMediaType = errors.New("gcp: batches of CloudEvents are not supported")
	errUnread    = errors.New("gcp: the body could not be read")
)

// payload is what an HTTP request delivers.
type payload struct {
	kind string // of the event, or empty for the envelope of a push subscription
	id   string // of the event
	data []byte
}

const (
	structured = "application/cloudevents+json"
	batched    = "application/cloudevents-batch+json"
)

// read reads a request.
func read(w http.ResponseWriter, r *http.Request, most int64) (payload, error) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // what is none is none of these
	if media == batched {
		return payload{}, fault.Corrupt(errMediaType)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		if _, long := errors.AsType[*http.MaxBytesError](err); long {
			return payload{}, err
		}
		return payload{}, errors.Join(errUnread, err)
	}
	if media == structured {
		return unwrap(body)
	}
	if kind := r.Header.Get("Ce-Type"); kind != "" { // binary mode
		return payload{kind, r.Header.Get("Ce-Id"), body}, nil
	}
	return legacy(body), nil
}

// unwrap takes a CloudEvent in structured mode apart. See "JSON Event Format for
// CloudEvents", 1.0.2.
func unwrap(body []byte) (payload, error) {
	var e struct {
		Type string          `json:"type"`
		ID   string          `json:"id"`
		Data json.RawMessage `json:"data"`
		Text []byte          `json:"data_base64"`
	}
	if json.Unmarshal(body, &e) != nil || e.Type == "" {
		return payload{}, fault.Corrupt(errors.New("gcp: it is no CloudEvent"))
	}
	if e.Text != nil {
		return payload{e.Type, e.ID, e.Text}, nil
	}
	return payload{e.Type, e.ID, e.Data}, nil
}

// legacy takes the event of a function of the first generation apart, or returns
// the body as it is.
func legacy(body []byte) payload {
	type context struct {
		Type string `json:"eventType"`
		ID   string `json:"eventId"`
	}
	var e struct {
		context
		Context context         `json:"context"`
		Data    json.RawMessage `json:"data"`
	}
	if json.Unmarshal(body, &e) != nil || e.Data == nil {
		return payload{data: body}
	}
	for _, c := range []context{e.Context, e.context} {
		if c.Type != "" {
			return payload{c.Type, c.ID, e.Data}
		}
	}
	return payload{data: body}
}

// message reads a payload as a message of Pub/Sub.
func (p payload) message() (*Message, error) {
	switch p.kind {
	case "", "google.cloud.pubsub.topic.v1.messagePublished", "google.pubsub.topic.publish",
		"providers/cloud.pubsub/eventTypes/topic.publish":
	default:
		return nil, fault.Corrupt(errNoMessage)
	}
	m := new(Message)
	if err := json.Unmarshal(p.data, m); err != nil {
		return nil, fault.Corrupt(errNoMessage)
	}
	if m.ID == "" {
		m.ID = p.id
	}
	return m, nil
}
