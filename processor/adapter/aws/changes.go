package aws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/unspool-go/unspool/processor"
)

// ChangesConfig configures [NewChanges].
type ChangesConfig struct {
	Config
	// Chunk is the largest number of changes in one request. A request is what is
	// settled, or delivered again, as a whole. Defaults to 100.
	Chunk int
}

// Changes handles the events of a DynamoDB stream. Each change becomes a record:
//
//	{"eventID":"1","eventName":"MODIFY","sequenceNumber":"4421584500000000017450439092",
//	 "approximateCreationDateTime":1479499740,"keys":{"id":101},
//	 "newImage":{"id":101,"tags":["a"]},"oldImage":{"id":101}}
//
// Images are plain JSON: numbers keep all of their digits, sets become arrays,
// binary values are in base64. What the stream does not have is left out;
// "userIdentity" is there for items that were deleted because they expired.
//
// Changes are worked on in chunks, one after the other. From the first chunk on
// that is not settled, everything is delivered again. Within a chunk the order is
// kept as the service keeps it: with Concurrency 1.
//
// It is safe for concurrent use.
type Changes struct {
	cfg   Config
	chunk int
}

const defaultChunk = 100

// NewChanges returns a handler of changes, or every mistake in cfg.
func NewChanges(cfg ChangesConfig) (*Changes, error) {
	h := &Changes{cfg: cfg.withDefaults(), chunk: cfg.Chunk}
	if h.chunk == 0 {
		h.chunk = defaultChunk
	}
	errs := []error{h.cfg.validate()}
	if h.chunk < 0 {
		errs = append(errs, fmt.Errorf("Config.Chunk: %d is negative", h.chunk))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return h, nil
}

// change is one event of a stream, as far as it is needed. The types of package
// events would panic on some input, and lose the order of attributes.
type change struct {
	ID           string          `json:"eventID"`
	Name         string          `json:"eventName"`
	Stream       string          `json:"eventSourceARN"`
	UserIdentity json.RawMessage `json:"userIdentity"`
	DynamoDB     struct {
		Created  json.Number     `json:"ApproximateCreationDateTime"`
		Keys     json.RawMessage `json:"Keys"`
		NewImage json.RawMessage `json:"NewImage"`
		OldImage json.RawMessage `json:"OldImage"`
		Sequence string          `json:"SequenceNumber"`
	} `json:"dynamodb"`
}

// Handle handles a batch of changes, as Lambda's event source mapping of a stream
// delivers it.
func (h *Changes) Handle(ctx context.Context, event json.RawMessage) (Answer, error) {
	changes, err := parseChanges(event)
	if err != nil {
		return Answer{}, err
	}
	inv := h.cfg.invoked(ctx)
	var tasks []task
	for from := 0; from < len(changes); from += h.chunk {
		some := changes[from:min(from+h.chunk, len(changes))]
		tasks = append(tasks, task{"stream", func(ctx context.Context) error { return request(ctx, inv, some) }})
	}
	first := len(changes) // that is delivered again
	for i, ok := range inv.perform(ctx, tasks) {
		if !ok {
			first = i * h.chunk
			break
		}
	}
	inv.note(func(r *Report) { r.Received, r.Unsettled = int64(len(changes)), int64(len(changes)-first) })
	err = inv.over()
	switch first {
	case len(changes):
		return Answer{}, nil
	case 0:
		return Answer{}, fmt.Errorf("aws: none of %d changes is settled: %w", len(changes), unsettled(err))
	}
	return Answer{again: []string{changes[first].DynamoDB.Sequence}}, nil
}

// parseChanges returns the changes of an event, each of which an answer can name.
func parseChanges(event json.RawMessage) ([]change, error) {
	var batch struct{ Records []change }
	if json.Unmarshal(event, &batch) != nil || len(batch.Records) == 0 {
		return nil, errors.New("aws: the event is none of a DynamoDB stream")
	}
	for i := range batch.Records {
		if c := &batch.Records[i]; c.DynamoDB.Sequence == "" {
			return nil, fmt.Errorf("aws: change %d of the event has no sequence number, so that no answer could name it", i)
		}
	}
	return batch.Records, nil
}

// request has some changes processed.
func request(ctx context.Context, inv *invocation, changes []change) error {
	var lines bytes.Buffer
	for i := range changes {
		line, err := changes[i].record()
		if err != nil {
			return fmt.Errorf("aws: change %s: %w", changes[i].DynamoDB.Sequence, err)
		}
		lines.Write(line)
		lines.WriteByte('\n')
	}
	req := processor.NewRequest(&lines, nil, changes[0].url())
	req.StartTime = changes[0].created()
	return inv.request(ctx, req)
}

// record returns the change as a record.
func (c *change) record() ([]byte, error) {
	out := struct {
		ID           string          `json:"eventID,omitempty"`
		Name         string          `json:"eventName,omitempty"`
		Sequence     string          `json:"sequenceNumber"`
		Created      json.Number     `json:"approximateCreationDateTime,omitempty"`
		UserIdentity json.RawMessage `json:"userIdentity,omitempty"`
		Keys         json.RawMessage `json:"keys,omitempty"`
		NewImage     json.RawMessage `json:"newImage,omitempty"`
		OldImage     json.RawMessage `json:"oldImage,omitempty"`
	}{ID: c.ID, Name: c.Name, Sequence: c.DynamoDB.Sequence, Created: c.DynamoDB.Created, UserIdentity: c.UserIdentity}
	for _, image := range []struct {
		to   *json.RawMessage
		from json.RawMessage
		name string
	}{
		{&out.Keys, c.DynamoDB.Keys, "Keys"},
		{&out.NewImage, c.DynamoDB.NewImage, "NewImage"},
		{&out.OldImage, c.DynamoDB.OldImage, "OldImage"},
	} {
		if len(image.from) == 0 || string(image.from) == "null" {
			continue
		}
		var err error
		if *image.to, err = item(image.from); err != nil {
			return nil, fmt.Errorf("%s: %w", image.name, err)
		}
	}
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(out); err != nil {
		return nil, errAttribute
	}
	return bytes.TrimSuffix(line.Bytes(), []byte("\n")), nil
}

// url names a request by the table and the first of its changes.
func (c *change) url() string {
	where := url.PathEscape(c.Stream)
	if part := strings.SplitN(c.Stream, ":", 6); len(part) == 6 { // arn:aws:dynamodb:region:account:table/name/stream/time
		_, table, _ := strings.Cut(part[5], "/")
		table, _, _ = strings.Cut(table, "/")
		where = url.PathEscape(part[3]) + "/" + url.PathEscape(part[4]) + "/" + url.PathEscape(table)
	}
	return "dynamodb://" + where + "/" + url.PathEscape(c.DynamoDB.Sequence)
}

// created is when the change was made, zero where that is not known.
func (c *change) created() time.Time {
	s, err := c.DynamoDB.Created.Float64()
	if err != nil || s <= 0 || s > 1<<40 {
		return time.Time{}
	}
	return time.UnixMilli(int64(s * 1000))
}
