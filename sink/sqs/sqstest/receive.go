package sqstest

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// receiveRequest is the request of ReceiveMessage.
type receiveRequest struct {
	QueueUrl                    string
	AttributeNames              []string // deprecated, but older SDKs send it
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             *int
	ReceiveRequestAttemptId     string
}

// received is one message as ReceiveMessage returns it.
type received struct {
	MessageID       string `json:"MessageId"`
	ReceiptHandle   string
	MD5             string `json:"MD5OfBody"`
	Body            string
	Attributes      map[string]string         `json:",omitempty"`
	MD5OfAttributes string                    `json:"MD5OfMessageAttributes,omitempty"`
	Values          map[string]attributeValue `json:"MessageAttributes,omitempty"`
}

// attributeValue is a message attribute on the wire.
type attributeValue struct {
	DataType    string
	StringValue string `json:",omitempty"`
	BinaryValue []byte `json:",omitempty"`
}

// between checks an optional number.
func between(name string, v *int, fallback, low, high int) (int, *apiError) {
	if v == nil {
		return fallback, nil
	}
	if *v < low || *v > high {
		return 0, fail("InvalidParameterValue", "Value %d for parameter %s is invalid. Reason: Must be between %d and %d, if provided.", *v, name, low, high)
	}
	return *v, nil
}

// receive handles ReceiveMessage. It returns early, with nothing, when ctx
// ends.
func (s *Server) receive(ctx context.Context, in *receiveRequest) (any, *apiError) {
	q, err := s.resolve(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	spec := q.settings()
	limit, err := between("MaxNumberOfMessages", in.MaxNumberOfMessages, 1, 1, 10)
	if err != nil {
		return nil, err
	}
	hidden, err := between("VisibilityTimeout", in.VisibilityTimeout, int(spec.visibility/time.Second), 0, 43_200)
	if err != nil {
		return nil, err
	}
	wait, err := between("WaitTimeSeconds", in.WaitTimeSeconds, int(spec.wait/time.Second), 0, 20)
	if err != nil {
		return nil, err
	}
	until := s.front.Now().Add(time.Duration(wait) * time.Second)
	for {
		moved := s.front.Moved()
		now := s.front.Now()
		got, changed, err := s.take(q, limit, time.Duration(hidden)*time.Second, now)
		if err != nil {
			return nil, err
		}
		if len(got) > 0 || !now.Before(until) {
			return in.answer(got), nil
		}
		if !q.sleep(ctx, changed, moved, until, now) {
			return in.answer(nil), nil
		}
	}
}

// sleep waits until something may have become receivable or the poll is over.
// It reports false when ctx ended.
func (q *queue) sleep(ctx context.Context, changed, moved <-chan struct{}, until, now time.Time) bool {
	q.mu.Lock()
	for _, m := range q.live {
		if m.visible.After(now) && m.visible.Before(until) {
			until = m.visible
		}
	}
	q.mu.Unlock()
	timer := time.NewTimer(until.Sub(now))
	defer timer.Stop()
	select {
	case <-changed:
	case <-moved:
	case <-timer.C:
	case <-ctx.Done():
		return false
	}
	return true
}

// take receives up to limit messages, and returns the channel that tells when
// to look again.
func (s *Server) take(q *queue, limit int, hidden time.Duration, now time.Time) ([]message, <-chan struct{}, *apiError) {
	var dead *queue
	if name := q.settings().deadLetter; name != "" {
		dead = s.queueNamed(name)
	}
	q.mu.Lock()
	got, expelled, err := q.pick(limit, hidden, now, dead != nil)
	changed := q.changed
	q.mu.Unlock()
	for _, m := range expelled { // after q.mu: two queues may be each other's dead letters
		dead.bury(m, now)
	}
	return got, changed, err
}

// pick marks up to limit messages as received and returns copies of them. With
// redrive, those received too often are taken out and returned as expelled. The
// caller holds mu.
func (q *queue) pick(limit int, hidden time.Duration, now time.Time, redrive bool) (got []message, expelled []Message, err *apiError) {
	q.prune(now)
	blocked, inFlight := q.occupied(now)
	if inFlight >= maxInFlight {
		if q.fifo { // FIFO queues return nothing instead
			return nil, nil, nil
		}
		return nil, nil, fail("OverLimit", "Too many messages in flight.")
	}
	for _, m := range q.live {
		if len(got) == limit {
			break
		}
		switch {
		case m.Deleted || q.fifo && blocked[m.Group]:
			continue
		case now.Before(m.visible):
			if q.fifo { // a delayed message keeps its place in the group
				blocked[m.Group] = true
			}
			continue
		case redrive && m.Receives >= q.spec.maxReceives:
			expelled = append(expelled, m.Message)
			q.forget(m)
			continue
		}
		m.Receives++
		if m.Receives == 1 || m.first.IsZero() {
			m.first = now
		}
		m.visible, m.last = now.Add(hidden), now
		m.inFlight = true
		m.receipt = receipt(q.name, m.ID, m.Receives)
		got = append(got, *m)
	}
	return got, expelled, nil
}

// occupied counts the messages in flight and, for a FIFO queue, their groups:
// nothing more of a group is received until those are deleted or visible again.
func (q *queue) occupied(now time.Time) (groups map[string]bool, n int) {
	groups = map[string]bool{}
	for _, m := range q.live {
		if !m.Deleted && m.inFlight && now.Before(m.visible) {
			n++
			if q.fifo {
				groups[m.Group] = true
			}
		}
	}
	return groups, n
}

// bury takes a dead letter.
func (q *queue) bury(m Message, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	m.Deleted = false
	if q.fifo {
		m.SequenceNumber = q.nextSequence()
	}
	stored := &message{Message: m, visible: now}
	q.all = append(q.all, stored)
	q.live = append(q.live, stored)
	q.byID[m.ID] = stored
	q.wake()
}

// answer writes what was received, with the attributes asked for.
func (in *receiveRequest) answer(got []message) any {
	var out struct {
		Messages []received `json:",omitempty"`
	}
	system := append(slices.Clone(in.AttributeNames), in.MessageSystemAttributeNames...)
	for i := range got {
		m := &got[i]
		attrs := selected(m.Attributes, in.MessageAttributeNames)
		out.Messages = append(out.Messages, received{
			MessageID:       m.ID,
			ReceiptHandle:   m.receipt,
			MD5:             m.MD5,
			Body:            m.Body,
			Attributes:      m.system(system),
			MD5OfAttributes: checksum(attrs),
			Values:          values(attrs),
		})
	}
	return out
}

// system returns the system attributes asked for.
func (m *message) system(names []string) map[string]string {
	all := map[string]string{
		"SenderId":                         "AIDAEXAMPLE",
		"SentTimestamp":                    strconv.FormatInt(m.Sent.UnixMilli(), 10),
		"ApproximateReceiveCount":          strconv.Itoa(m.Receives),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.first.UnixMilli(), 10),
	}
	for name, value := range map[string]string{
		"MessageGroupId":         m.Group,
		"MessageDeduplicationId": m.DeduplicationID,
		"SequenceNumber":         m.SequenceNumber,
		"AWSTraceHeader":         m.TraceHeader,
	} {
		if value != "" {
			all[name] = value
		}
	}
	if !slices.Contains(names, "All") {
		maps.DeleteFunc(all, func(name, _ string) bool { return !slices.Contains(names, name) })
	}
	return all
}

// selected returns the attributes that names ask for: by name, "prefix.*",
// ".*" or "All".
func selected(attrs map[string]Attribute, names []string) map[string]Attribute {
	out := map[string]Attribute{}
	for name, a := range attrs {
		for _, want := range names {
			prefix, wild := strings.CutSuffix(want, "*")
			prefix = strings.TrimSuffix(prefix, ".")
			if want == "All" || want == name || wild && strings.HasPrefix(name, prefix) {
				out[name] = a
			}
		}
	}
	return out
}

func values(attrs map[string]Attribute) map[string]attributeValue {
	out := make(map[string]attributeValue, len(attrs))
	for name, a := range attrs {
		out[name] = attributeValue{DataType: a.Type, StringValue: a.Value, BinaryValue: a.Binary}
	}
	return out
}

// receipt makes a receipt handle: it names queue, message and receive.
func receipt(queue, id string, n int) string {
	return base64.StdEncoding.EncodeToString([]byte(queue + " " + id + " " + strconv.Itoa(n)))
}

// holder finds the message of a receipt handle. latest says that the handle is
// of the last receive.
func (q *queue) holder(handle string) (m *message, latest bool, err *apiError) {
	raw, decodeErr := base64.StdEncoding.DecodeString(handle)
	part := strings.Split(string(raw), " ")
	if decodeErr != nil || len(part) != 3 || part[0] != q.name || q.byID[part[1]] == nil {
		return nil, false, fail("ReceiptHandleIsInvalid", "The input receipt handle %q is not a valid receipt handle.", handle)
	}
	m = q.byID[part[1]]
	return m, m.receipt == handle, nil
}
