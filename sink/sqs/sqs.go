// Package sqs sends messages to Amazon SQS queues, standard and FIFO, through
// the AWS SDK for Go v2.
//
//	cfg, err := config.LoadDefaultConfig(ctx)
//	s, err := sqs.New(sqs.NewClient(cfg), "jobs", sqs.Config{})
//
// One Send is one SendMessageBatch call. Nothing is retried here: the processor
// retries, so that back-off, deadline and accounting are in one place.
// [NewClient] makes an SDK client that fits; a client that retries works too,
// but its retries are invisible to the processor.
//
// Package sqstest has a stand-in for tests, package offload a store for bodies
// that are too large for a queue.
package sqs

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/unspool-go/unspool/internal/jsonscan"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
)

// What SQS takes at most: the sizes since August 2025. A queue's own
// MaximumMessageSize may be lower, and bounds a message but not a batch.
const (
	maxBatchBytes    = 1 << 20
	maxBatchMessages = 10
)

// API is what the sink uses of the SDK's client, *sqs.Client.
type API interface {
	SendMessageBatch(context.Context, *awssqs.SendMessageBatchInput, ...func(*awssqs.Options)) (*awssqs.SendMessageBatchOutput, error)
	GetQueueAttributes(context.Context, *awssqs.GetQueueAttributesInput, ...func(*awssqs.Options)) (*awssqs.GetQueueAttributesOutput, error)
	GetQueueUrl(context.Context, *awssqs.GetQueueUrlInput, ...func(*awssqs.Options)) (*awssqs.GetQueueUrlOutput, error)
}

// Store keeps bodies that are too large for a queue.
type Store interface {
	// Store keeps body durably under a name derived from id and returns the
	// body of the message that points to it. It is called by several goroutines
	// at once, must not keep body, and may be called again with the same
	// arguments. Its errors are classified with package fault.
	Store(ctx context.Context, id string, body []byte) (pointer []byte, err error)
}

// Config holds what is optional. The zero value works.
type Config struct {
	// MessageBytes is the queue's MaximumMessageSize, for workers that may send
	// but not read the queue's attributes. Defaults to asking the queue.
	MessageBytes int
	// Offload takes the bodies that are too large. Defaults to none.
	Offload Store
}

// Sink sends to one queue. It is safe for concurrent use.
type Sink struct {
	api   API
	queue string // as given: URL, name or ARN
	cfg   Config

	most atomic.Int64 // MessageBytes of the last Limits

	mu  sync.Mutex
	url string // resolved, empty until then
}

var (
	_ sink.Sink      = (*Sink)(nil)
	_ sink.Offloader = (*Sink)(nil)
	_ API            = (*awssqs.Client)(nil)
)

// New returns a sink for a queue, given by URL, name or ARN. It calls nothing:
// a name or ARN is resolved when the sink is first used.
func New(api API, queue string, cfg Config) (*Sink, error) {
	var errs []error
	if api == nil {
		errs = append(errs, errors.New("sqs: no client"))
	}
	if err := checkQueue(queue); err != nil {
		errs = append(errs, err)
	}
	if cfg.MessageBytes < 0 || cfg.MessageBytes > maxBatchBytes {
		errs = append(errs, fmt.Errorf("sqs: MessageBytes %d: want 1 to %d, or 0 to ask the queue", cfg.MessageBytes, maxBatchBytes))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	s := &Sink{api: api, queue: queue, cfg: cfg}
	if isURL(queue) {
		s.url = queue
	}
	return s, nil
}

func isURL(queue string) bool { return strings.Contains(queue, "://") }

// checkQueue finds what is wrong with a queue's URL, ARN or name.
func checkQueue(queue string) error {
	switch {
	case isURL(queue):
		u, err := url.Parse(queue)
		if err != nil || u.Host == "" || strings.Trim(u.Path, "/") == "" {
			return fmt.Errorf("sqs: queue %q is not the URL of a queue", queue)
		}
	case arn.IsARN(queue):
		if a, err := arn.Parse(queue); err != nil || a.Service != "sqs" || a.Resource == "" {
			return fmt.Errorf("sqs: queue %q is not the ARN of a queue", queue)
		}
	case queue == "" || strings.ContainsAny(queue, "/: "):
		return fmt.Errorf("sqs: queue %q is neither a URL nor a name nor an ARN", queue)
	}
	return nil
}

// fifo reports whether it is a FIFO queue: the suffix is part of the name, and
// the name ends URL and ARN.
func (s *Sink) fifo() bool { return strings.HasSuffix(s.queue, ".fifo") }

// resolve returns the queue's URL, which it asks for once.
func (s *Sink) resolve(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.url != "" {
		return s.url, nil
	}
	in := &awssqs.GetQueueUrlInput{QueueName: &s.queue}
	if a, err := arn.Parse(s.queue); err == nil {
		in.QueueName, in.QueueOwnerAWSAccountId = &a.Resource, &a.AccountID
	}
	out, err := s.api.GetQueueUrl(ctx, in)
	if err != nil {
		return "", callError(ctx, "find queue "+s.queue, err)
	}
	if aws.ToString(out.QueueUrl) == "" {
		return "", fault.Fatal(fmt.Errorf("sqs: find queue %s: no URL in the answer", s.queue))
	}
	s.url = *out.QueueUrl
	return s.url, nil
}

// Limits implements [sink.Sink]. It asks the queue for its own
// MaximumMessageSize, unless Config has it.
func (s *Sink) Limits(ctx context.Context) (sink.Limits, error) {
	l := sink.Limits{
		MessageBytes:  s.cfg.MessageBytes,
		BatchBytes:    maxBatchBytes,
		BatchMessages: maxBatchMessages,
		FIFO:          s.fifo(),
		XMLChars:      true,
	}
	queueURL, err := s.resolve(ctx)
	if err != nil {
		return sink.Limits{}, err
	}
	if l.MessageBytes > 0 {
		s.most.Store(int64(l.MessageBytes))
		return l, nil
	}
	out, err := s.api.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{
		QueueUrl:       &queueURL,
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameMaximumMessageSize},
	})
	if err != nil {
		return sink.Limits{}, callError(ctx, "read the limits of "+s.queue, err)
	}
	value := out.Attributes[string(types.QueueAttributeNameMaximumMessageSize)]
	l.MessageBytes, err = strconv.Atoi(value)
	if err != nil || l.MessageBytes < 1 {
		return sink.Limits{}, fault.Fatal(fmt.Errorf("sqs: read the limits of %s: MaximumMessageSize is %q", s.queue, value))
	}
	s.most.Store(int64(l.MessageBytes))
	return l, nil
}

// Send implements [sink.Sink] with one SendMessageBatch call. On a FIFO queue a
// message's ID is its deduplication id, and Group its group; elsewhere a Group
// is not sent, as it would turn on fair queues and their charge.
//
// The checksum that SQS returns for each body is verified; a message that it
// does not match was accepted altered, and is reported as interrupted so that
// it is sent again. A body that is not UTF-8 cannot be sent unaltered and is
// corrupt; the others of its batch are sent.
func (s *Sink) Send(ctx context.Context, batch []sink.Message) error {
	if len(batch) == 0 {
		return nil
	}
	queueURL, err := s.resolve(ctx)
	if err != nil {
		return err
	}
	var failed []sink.EntryError
	in := &awssqs.SendMessageBatchInput{QueueUrl: &queueURL, Entries: make([]types.SendMessageBatchRequestEntry, 0, len(batch))}
	for i := range batch {
		if err := sendable(&batch[i]); err != nil {
			failed = append(failed, sink.EntryError{Index: i, Err: err})
			continue
		}
		in.Entries = append(in.Entries, s.entry(i, &batch[i]))
	}
	if len(in.Entries) > 0 {
		out, err := s.api.SendMessageBatch(ctx, in)
		if err != nil {
			return callError(ctx, "send to "+s.queue, err)
		}
		failed = append(failed, s.unaccepted(batch, in.Entries, out)...)
	}
	if len(failed) > 0 {
		return &sink.BatchError{Failed: failed}
	}
	return nil
}

// sendable finds what SQS would refuse or the SDK would silently alter.
func sendable(m *sink.Message) error {
	switch {
	case len(m.Body) == 0:
		return fault.Corruptf("sqs: message %s: empty body", m.ID)
	case !jsonscan.ValidUTF8(m.Body):
		return fault.Corruptf("sqs: message %s: body is not UTF-8", m.ID)
	}
	return nil
}

// entry makes the entry of the message at index i. Its Id is the index.
func (s *Sink) entry(i int, m *sink.Message) types.SendMessageBatchRequestEntry {
	e := types.SendMessageBatchRequestEntry{
		Id:          aws.String(strconv.Itoa(i)),
		MessageBody: aws.String(string(m.Body)),
	}
	if s.fifo() {
		e.MessageDeduplicationId = aws.String(m.ID)
		e.MessageGroupId = aws.String(m.Group)
	}
	if len(m.Attributes) > 0 {
		e.MessageAttributes = make(map[string]types.MessageAttributeValue, len(m.Attributes))
		for _, a := range m.Attributes {
			e.MessageAttributes[a.Name] = types.MessageAttributeValue{DataType: aws.String(a.Type), StringValue: aws.String(a.Value)}
		}
	}
	return e
}

// unaccepted lists the messages that the answer does not confirm: those that
// failed, those whose checksum differs and those that it does not mention.
func (s *Sink) unaccepted(batch []sink.Message, entries []types.SendMessageBatchRequestEntry, out *awssqs.SendMessageBatchOutput) []sink.EntryError {
	const (
		unmentioned = iota
		accepted
		refused
	)
	state := make([]int, len(batch))
	errs := make([]error, len(batch))
	for _, ok := range out.Successful {
		i, known := index(ok.Id, len(batch))
		if !known {
			continue
		}
		state[i] = accepted
		if sum := md5.Sum(batch[i].Body); ok.MD5OfMessageBody != nil && *ok.MD5OfMessageBody != hex.EncodeToString(sum[:]) {
			state[i] = refused
			errs[i] = fault.Interrupted(fmt.Errorf("sqs: message %s: checksum of the accepted body differs", batch[i].ID))
		}
	}
	for _, bad := range out.Failed {
		if i, known := index(bad.Id, len(batch)); known {
			state[i] = refused
			errs[i] = entryError(batch[i].ID, bad)
			if most := s.most.Load(); most > 0 && int64(batch[i].Size()) > most {
				// SQS has one code for this and for parameters of other kinds.
				errs[i] = fmt.Errorf("%w: %w", sink.ErrTooLarge, errs[i])
			}
		}
	}
	var failed []sink.EntryError
	for _, e := range entries {
		i, _ := index(e.Id, len(batch))
		switch state[i] {
		case refused:
			failed = append(failed, sink.EntryError{Index: i, Err: errs[i]})
		case unmentioned:
			failed = append(failed, sink.EntryError{Index: i, Err: fault.Interrupted(fmt.Errorf("sqs: message %s: not mentioned in the answer", batch[i].ID))})
		}
	}
	return failed
}

// index turns the Id of an entry back into a position.
func index(id *string, n int) (int, bool) {
	i, err := strconv.Atoi(aws.ToString(id))
	return i, err == nil && i >= 0 && i < n
}
