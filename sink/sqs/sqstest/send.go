package sqstest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"time"
)

// entry is one message as it was sent, with what was absent told from what was
// empty.
type entry struct {
	id         string
	hasID      bool
	body       []byte
	delay      *int
	attrs      map[string]Attribute
	system     map[string]Attribute
	group      *string
	dedup      *string
	attrTwice  bool // an attribute came with two values
	listValues bool // an attribute came with a list
}

// sendRequest is the request of SendMessage and SendMessageBatch.
type sendRequest struct {
	url        string
	entries    []entry
	hasEntries bool
}

// decodeSend reads a request; the bodies point into d.out.
func decodeSend(d *decoder, batch bool) (sendRequest, error) {
	var r sendRequest
	var single entry
	err := d.object(func(name string) error {
		switch {
		case name == "QueueUrl":
			return text(d, &r.url)
		case batch && name == "Entries":
			r.hasEntries = true
			return d.array(func() error {
				var e entry
				if err := d.object(func(name string) error { return e.member(d, name) }); err != nil {
					return err
				}
				r.entries = append(r.entries, e)
				return nil
			})
		case batch:
			return d.skip(maxDepth)
		}
		return single.member(d, name)
	})
	if err != nil {
		return r, err
	}
	if !batch {
		r.entries = []entry{single}
	}
	return r, d.end()
}

func text(d *decoder, dst *string) error {
	s, err := d.str()
	*dst = string(s)
	return err
}

func optional(d *decoder, dst **string) error {
	*dst = new(string)
	return text(d, *dst)
}

// member reads one member of an entry.
func (e *entry) member(d *decoder, name string) (err error) {
	switch name {
	case "Id":
		e.hasID = true
		return text(d, &e.id)
	case "MessageBody":
		e.body, err = d.str()
		return err
	case "DelaySeconds":
		n, err := d.integer()
		e.delay = &n
		return err
	case "MessageGroupId":
		return optional(d, &e.group)
	case "MessageDeduplicationId":
		return optional(d, &e.dedup)
	case "MessageAttributes":
		e.attrs, err = e.attributes(d)
		return err
	case "MessageSystemAttributes":
		e.system, err = e.attributes(d)
		return err
	}
	return d.skip(maxDepth)
}

// attributes reads a map of attributes.
func (e *entry) attributes(d *decoder) (map[string]Attribute, error) {
	attrs := map[string]Attribute{}
	err := d.object(func(name string) error {
		var a Attribute
		values := 0
		err := d.object(func(field string) (err error) {
			switch field {
			case "DataType":
				return text(d, &a.Type)
			case "StringValue":
				values++
				return text(d, &a.Value)
			case "BinaryValue":
				values++
				var encoded []byte
				if encoded, err = d.str(); err == nil {
					a.Binary, err = base64.StdEncoding.AppendDecode([]byte{}, encoded)
				}
				return err
			case "StringListValues", "BinaryListValues":
				e.listValues = true
			}
			return d.skip(maxDepth)
		})
		e.attrTwice = e.attrTwice || values > 1
		attrs[name] = a
		return err
	})
	return attrs, err
}

// size is what the message counts: body and message attributes, not the system
// attributes.
func (e *entry) size() int {
	n := len(e.body)
	for name, a := range e.attrs {
		n += len(name) + a.size()
	}
	return n
}

// accept puts a valid entry into the queue and returns what SQS answers.
func (s *Server) accept(q *queue, e *entry, now time.Time) sendResult {
	m := Message{
		EntryID:    e.id,
		Size:       e.size(),
		MD5:        md5Hex(e.body),
		Attributes: e.attrs,
	}
	if q.keepBodies || s.cfg.OnMessage != nil {
		m.Body = string(e.body)
	}
	if e.group != nil {
		m.Group = *e.group
	}
	if e.dedup != nil {
		m.DeduplicationID = *e.dedup
	} else if q.fifo {
		sum := sha256.Sum256(e.body)
		m.DeduplicationID = hex.EncodeToString(sum[:])
	}
	if trace, ok := e.system[traceHeader]; ok {
		m.TraceHeader = trace.Value
	}
	var delay *time.Duration
	if e.delay != nil && !q.fifo {
		delay = new(time.Duration(*e.delay) * time.Second)
	}
	duplicate := q.add(&m, delay, now)
	if !duplicate && s.cfg.OnMessage != nil {
		s.cfg.OnMessage(q.name, m)
	}
	return sendResult{
		ID:              e.id,
		MessageID:       m.ID,
		MD5:             m.MD5,
		MD5OfAttributes: checksum(e.attrs),
		MD5OfSystem:     checksum(e.system),
		SequenceNumber:  m.SequenceNumber,
	}
}

// sendResult is the result of an accepted message, alone or in a batch.
type sendResult struct {
	ID              string `json:"Id,omitempty"`
	MessageID       string `json:"MessageId"`
	MD5             string `json:"MD5OfMessageBody"`
	MD5OfAttributes string `json:"MD5OfMessageAttributes,omitempty"`
	MD5OfSystem     string `json:"MD5OfMessageSystemAttributes,omitempty"`
	SequenceNumber  string `json:",omitempty"`
}

// failedEntry is the result of a refused entry of any batch.
type failedEntry struct {
	ID          string `json:"Id"`
	Code        string
	Message     string
	SenderFault bool
}

func refused(id string, err *apiError) failedEntry {
	return failedEntry{ID: id, Code: err.code, Message: err.message, SenderFault: err.sender()}
}

// batchResult is the answer to any batch.
type batchResult[T any] struct {
	Successful []T           `json:",omitempty"`
	Failed     []failedEntry `json:",omitempty"`
}

func (s *Server) sendMessage(r *sendRequest) (any, *apiError) {
	q, err := s.resolve(r.url)
	if err != nil {
		return nil, err
	}
	e := &r.entries[0]
	spec := q.settings()
	if err := e.checkFIFO(q, spec, "MissingParameter"); err != nil {
		return nil, err
	}
	if err := e.check(q, spec); err != nil {
		return nil, err
	}
	return s.accept(q, e, s.front.Now()), nil
}

// sendBatch handles SendMessageBatch. failing maps the index of an entry to the
// code that an injected fault gives it.
func (s *Server) sendBatch(r *sendRequest, failing map[int]string) (any, *apiError) {
	q, err := s.resolve(r.url)
	if err != nil {
		return nil, err
	}
	if err := r.checkBatch(); err != nil {
		return nil, err
	}
	spec := q.settings()
	for i := range r.entries {
		if err := r.entries[i].checkFIFO(q, spec, "InvalidParameterValue"); err != nil {
			return nil, err
		}
	}
	var out batchResult[sendResult]
	now := s.front.Now()
	for i := range r.entries {
		e := &r.entries[i]
		err := e.check(q, spec)
		if code, ok := failing[i]; ok && err == nil {
			err = fail(code, "Injected.")
		}
		if err != nil {
			out.Failed = append(out.Failed, refused(e.id, err))
			continue
		}
		out.Successful = append(out.Successful, s.accept(q, e, now))
	}
	return out, nil
}

func (q *queue) settings() settings {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.spec
}
