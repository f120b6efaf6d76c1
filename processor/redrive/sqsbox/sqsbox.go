// Package sqsbox lets package redrive look through an SQS queue of dead letters.
//
//	letters, err := sqsbox.New(sqs.NewFromConfig(cfg), "jobs-dead", sqsbox.Config{})
//	report, err := redrive.Run(ctx, redrive.Config{From: letters, To: …, DryRun: true})
//
// A queue can only be looked through by receiving its messages. Each is hidden from
// others meanwhile, and counts as received once more: a dead-letter queue should have
// no redrive policy of its own. What stays is given back at the end, or by the queue
// itself if the process dies: after [Config].Visibility, or twelve times that where
// looking takes longer. A FIFO queue holds back what is behind it in its group.
//
// A queue never tells that it is empty. It counts as looked through when it has given
// nothing twice in a row, or, for as many messages as stay, only such as were seen
// before. What fails again while this goes on, and comes back as a new message that
// says the same of the same record, is left for the next time: there would be no end.
//
// A message that package sqsstore sent is a letter with one record: its origin, its
// reason, its attempts and its data are known. Any other is a letter with what its
// attributes tell (see [Config]).
//
// # Permissions
//
//	sqs:GetQueueUrl                unless the queue is named by its URL
//	sqs:ReceiveMessage
//	sqs:ChangeMessageVisibility
//	sqs:DeleteMessage              unless it is a dry run
package sqsbox

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/sqsletter"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/redrive"
	"github.com/unspool-go/unspool/sink"
)

// API is what is used of the SDK's client, *sqs.Client.
type API interface {
	GetQueueUrl(context.Context, *sqs.GetQueueUrlInput, ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error)
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	DeleteMessageBatch(context.Context, *sqs.DeleteMessageBatchInput, ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error)
	ChangeMessageVisibilityBatch(context.Context, *sqs.ChangeMessageVisibilityBatchInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error)
}

var _ API = (*sqs.Client)(nil)

// Config holds what is optional. The zero value works.
type Config struct {
	// Visibility is for how long a message is hidden from others while it is looked
	// at and replayed. Whole seconds, up to 12 hours. Defaults to 5 minutes.
	Visibility time.Duration
	// AtOnce is how many messages are received by one request, at most 10, and
	// replayed before the next. With a rate, as many as take much less time than
	// Visibility. Defaults to 10.
	AtOnce int
	// Wait is how long a request waits for messages. A queue that seems empty is asked
	// twice. Whole seconds, at most 20. Defaults to 1 second; negative means not
	// at all, where SQS may miss messages that are there.
	Wait time.Duration
	// Reason, Object and Offset are the names of message attributes in which consumers
	// noted those. They default to "reason", "object" and "offset".
	Reason, Object, Offset string
}

// Limits of SQS.
const (
	mostAtOnce     = 10
	mostWait       = 20 * time.Second
	mostVisibility = 12 * time.Hour
)

// emptyAnswers is how often a queue has to give nothing.
const emptyAnswers = 2

// Box is a queue of dead letters. It is used by one call of [redrive.Run].
type Box struct {
	api   API
	queue string
	cfg   Config

	url  string
	seen map[string]bool   // ids of messages, whatever became of them
	held map[string]string // receipts of those that stay, by id
	gone map[content]int64 // what was removed, and when the first of that was received
}

var _ redrive.Box = (*Box)(nil)

// New returns the queue of that URL, ARN or name, or every mistake there is. It sends
// nothing.
func New(api API, queue string, cfg Config) (*Box, error) {
	if cfg.Visibility == 0 {
		cfg.Visibility = 5 * time.Minute
	}
	if cfg.AtOnce == 0 {
		cfg.AtOnce = mostAtOnce
	}
	if cfg.Wait == 0 {
		cfg.Wait = time.Second
	}
	for field, name := range map[*string]string{&cfg.Reason: "reason", &cfg.Object: "object", &cfg.Offset: "offset"} {
		if *field == "" {
			*field = name
		}
	}
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("sqsbox: "+format, args...)) }
	if api == nil {
		bad("no client")
	}
	if queue == "" || !strings.Contains(queue, "://") && !arn.IsARN(queue) && strings.ContainsAny(queue, "/: ") {
		bad("queue %q is neither a URL nor a name nor an ARN", queue)
	}
	if cfg.Visibility < time.Second || cfg.Visibility > mostVisibility || cfg.Visibility%time.Second != 0 {
		bad("Config.Visibility: %v is no number of seconds up to %v", cfg.Visibility, mostVisibility)
	}
	if cfg.AtOnce < 1 || cfg.AtOnce > mostAtOnce {
		bad("Config.AtOnce: %d is not between 1 and %d", cfg.AtOnce, mostAtOnce)
	}
	cfg.Wait = max(cfg.Wait, 0)
	if cfg.Wait > mostWait || cfg.Wait%time.Second != 0 {
		bad("Config.Wait: %v is no number of seconds up to %v", cfg.Wait, mostWait)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fault.Fatal(err)
	}
	return &Box{api: api, queue: queue, cfg: cfg, seen: map[string]bool{}, held: map[string]string{}, gone: map[content]int64{}}, nil
}

// resolve finds the URL of the queue.
func (b *Box) resolve(ctx context.Context) error {
	if strings.Contains(b.queue, "://") {
		b.url = b.queue
		return nil
	}
	in := &sqs.GetQueueUrlInput{QueueName: &b.queue}
	if a, err := arn.Parse(b.queue); err == nil {
		in.QueueName, in.QueueOwnerAWSAccountId = &a.Resource, &a.AccountID
	}
	out, err := b.api.GetQueueUrl(ctx, in)
	if err != nil {
		return fmt.Errorf("sqsbox: find queue %s: %w", b.queue, err)
	}
	b.url = aws.ToString(out.QueueUrl)
	return nil
}

// Bundles implements [redrive.Box]: a bundle is what one request gives, less what was
// seen before.
func (b *Box) Bundles(ctx context.Context) iter.Seq2[redrive.Bundle, error] {
	return func(yield func(redrive.Bundle, error) bool) {
		if err := b.resolve(ctx); err != nil {
			yield(nil, err)
			return
		}
		empty, repeats := 0, 0 // answers without a message, and messages seen before, since the last new one
		for empty < emptyAnswers && (repeats == 0 || repeats <= len(b.held)) {
			got, err := b.receive(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			if len(got) == 0 {
				empty++
				continue
			}
			fresh, repeated := b.sort(got)
			repeats += len(repeated)
			if err := b.hide(ctx, repeated); err != nil {
				yield(nil, err)
				return
			}
			if len(fresh) == 0 {
				continue
			}
			empty, repeats = 0, 0
			if !yield(&bundle{box: b, messages: fresh}, nil) {
				return
			}
		}
	}
}

// sort tells messages that were not seen before from those that were, or came back.
func (b *Box) sort(got []types.Message) (fresh, repeated []types.Message) {
	for _, m := range got {
		id := aws.ToString(m.MessageId)
		if b.seen[id] || b.back(&m) {
			b.seen[id] = true
			repeated = append(repeated, m)
			continue
		}
		b.seen[id] = true
		fresh = append(fresh, m)
	}
	return fresh, repeated
}

// back reports whether a message says the same as one that was removed, and was sent
// after that had been received: it is no copy that was there before.
func (b *Box) back(m *types.Message) bool {
	received, gone := b.gone[contentOf(m)]
	return gone && timeOf(m, types.MessageSystemAttributeNameSentTimestamp) > received
}

// timeOf is a time that the queue noted, in milliseconds, and 0 where it did not.
func timeOf(m *types.Message, name types.MessageSystemAttributeName) int64 {
	ms, err := strconv.ParseInt(m.Attributes[string(name)], 10, 64)
	if err != nil {
		return 0
	}
	return ms
}

// content stands for what a message says: its body, and where that comes from.
type content [sha256.Size]byte

// contentOf is the same for a record however often it fails.
func contentOf(m *types.Message) (c content) {
	h := sha256.New()
	fmt.Fprintf(h, "%q", aws.ToString(m.Body))
	for _, name := range slices.Sorted(maps.Keys(m.MessageAttributes)) {
		switch name {
		case sqsletter.Attempt, sqsletter.Class, sqsletter.Reason:
		default:
			if sqsletter.Own(name) {
				fmt.Fprintf(h, "%q%q", name, aws.ToString(m.MessageAttributes[name].StringValue))
			}
		}
	}
	h.Sum(c[:0])
	return c
}

// hide hides messages that came again for longer, so that others are seen: to look
// through the queue takes longer than Visibility.
func (b *Box) hide(ctx context.Context, repeated []types.Message) error {
	receipts := make([]string, len(repeated))
	for i := range repeated {
		b.hold(&repeated[i])
		receipts[i] = aws.ToString(repeated[i].ReceiptHandle)
	}
	return b.changeVisibility(ctx, receipts, min(longer*b.cfg.Visibility, mostVisibility))
}

// longer is how many times as long as others messages are hidden that came again.
const longer = 12

// changeVisibility has messages shown again after d. Single ones that fail are so when
// what was set before is over.
func (b *Box) changeVisibility(ctx context.Context, receipts []string, d time.Duration) error {
	for batch := range slices.Chunk(receipts, mostAtOnce) {
		entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(batch))
		for i := range batch {
			entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{
				Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &batch[i], VisibilityTimeout: int32(d / time.Second),
			}
		}
		in := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &b.url, Entries: entries}
		for try := 1; ; try++ {
			_, err := b.api.ChangeMessageVisibilityBatch(ctx, in)
			if err == nil {
				break
			}
			if !again(ctx, try, err) {
				return fmt.Errorf("sqsbox: give back messages of %s, or hide them: %w", b.queue, err)
			}
		}
	}
	return nil
}

func (b *Box) receive(ctx context.Context) ([]types.Message, error) {
	in := &sqs.ReceiveMessageInput{
		QueueUrl: &b.url, MaxNumberOfMessages: int32(b.cfg.AtOnce),
		WaitTimeSeconds: int32(b.cfg.Wait / time.Second), VisibilityTimeout: int32(b.cfg.Visibility / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	}
	for try := 1; ; try++ {
		out, err := b.api.ReceiveMessage(ctx, in)
		if err == nil {
			return out.Messages, nil
		}
		if !again(ctx, try, err) {
			return nil, fmt.Errorf("sqsbox: receive from %s: %w", b.queue, err)
		}
	}
}

// A connection that breaks does not end a long look; what was replayed has to be
// deleted, or it comes twice.
const (
	mostTries = 5
	pause     = 200 * time.Millisecond
)

// again waits a little after a call that failed, and reports whether it is worth
// another try: not if the service refused it, which the client has tried again where
// that helps.
func again(ctx context.Context, try int, err error) bool {
	if _, refused := errors.AsType[smithy.APIError](err); refused || try == mostTries {
		return false
	}
	select {
	case <-time.After(pause):
		return true
	case <-ctx.Done():
		return false
	}
}

// End implements [redrive.Box].
func (b *Box) End(ctx context.Context) error {
	receipts := slices.Collect(maps.Values(b.held))
	clear(b.held)
	return b.changeVisibility(ctx, receipts, 0)
}

// bundle is what one request gave.
type bundle struct {
	box      *Box
	messages []types.Message
	kept     map[string]bool // by id
}

// Name implements [redrive.Bundle].
func (m *bundle) Name() string { return "queue " + m.box.queue }

// Letters implements [redrive.Bundle].
func (m *bundle) Letters(context.Context) iter.Seq2[redrive.Letter, error] {
	return func(yield func(redrive.Letter, error) bool) {
		m.kept = map[string]bool{}
		for i := range m.messages {
			if !yield(m.box.letter(&m.messages[i]), nil) {
				return
			}
		}
	}
}

// letter is a message as package redrive has it.
func (b *Box) letter(m *types.Message) redrive.Letter {
	l := redrive.Letter{
		ID: aws.ToString(m.MessageId), Stage: redrive.StageMessage, Data: []byte(aws.ToString(m.Body)),
		Group: m.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)],
	}
	if ms := timeOf(m, types.MessageSystemAttributeNameSentTimestamp); ms > 0 {
		l.Time = time.UnixMilli(ms)
	}
	if n, err := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)]); err == nil {
		l.Attempt = max(0, n-1) // this is the last one
	}
	values := map[string]string{}
	for name, value := range m.MessageAttributes {
		text := aws.ToString(value.StringValue)
		if value.StringValue == nil {
			l = l.Unfit(fault.Corruptf("sqsbox: attribute %s is binary, and cannot be sent as it is", name))
		}
		values[name] = text
		l.Attributes = append(l.Attributes, sink.Attribute{Name: name, Type: aws.ToString(value.DataType), Value: text})
		switch name {
		case b.cfg.Reason:
			l.Reason = text
		case b.cfg.Object:
			l.Object = text
		case b.cfg.Offset:
			if n, err := strconv.ParseInt(text, 10, 64); err == nil {
				l.Offset = n
			}
		}
	}
	if e, ok := sqsletter.Read(aws.ToString(m.Body), values); ok {
		return record(l, e)
	}
	return l
}

// record is a letter that is a record put aside by package sqsstore. It is replayed
// with its origin, and with no attempts behind it.
func record(l redrive.Letter, e destination.Envelope) redrive.Letter {
	body := l.Data
	l.Object, l.Version, l.Offset, l.Index = e.Object, e.Version, e.Offset, e.Index
	l.Attempt, l.Class, l.Reason, l.Stage, l.Data = e.Attempt, e.Class, e.Reason, e.Stage, e.Data
	var own []sqsletter.Attribute
	var all []sink.Attribute
	for _, a := range l.Attributes {
		if sqsletter.Own(a.Name) {
			own = append(own, sqsletter.Attribute(a))
		} else {
			all = append(all, a)
		}
	}
	for _, a := range sqsletter.Renew(own) {
		all = append(all, sink.Attribute(a))
	}
	l.Attributes = all
	return l.Replayed(body)
}

// Keep implements [redrive.Bundle].
func (m *bundle) Keep(l redrive.Letter) error {
	m.kept[l.ID] = true
	return nil
}

// Leave implements [redrive.Bundle].
func (m *bundle) Leave() error {
	for i := range m.messages {
		m.box.hold(&m.messages[i])
	}
	return nil
}

func (b *Box) hold(m *types.Message) {
	b.held[aws.ToString(m.MessageId)] = aws.ToString(m.ReceiptHandle)
}

// Settle implements [redrive.Bundle].
func (m *bundle) Settle(ctx context.Context) error {
	var entries []types.DeleteMessageBatchRequestEntry
	for i := range m.messages {
		if m.kept[aws.ToString(m.messages[i].MessageId)] {
			m.box.hold(&m.messages[i])
			continue
		}
		if c := contentOf(&m.messages[i]); m.box.gone[c] == 0 {
			m.box.gone[c] = timeOf(&m.messages[i], types.MessageSystemAttributeNameApproximateFirstReceiveTimestamp)
		}
		entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.messages[i].ReceiptHandle})
	}
	for try := 1; len(entries) > 0; try++ {
		out, err := m.box.api.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &m.box.url, Entries: entries})
		if err == nil {
			if len(out.Failed) == 0 {
				return nil
			}
			err = fmt.Errorf("%d messages: %s", len(out.Failed), aws.ToString(out.Failed[0].Code))
			entries = remaining(entries, out.Failed)
		}
		if !again(ctx, try, err) {
			return fmt.Errorf("sqsbox: delete from %s: %w", m.box.queue, err)
		}
	}
	return nil
}

// remaining are the entries that failed.
func remaining(entries []types.DeleteMessageBatchRequestEntry, failed []types.BatchResultErrorEntry) (left []types.DeleteMessageBatchRequestEntry) {
	for _, e := range entries {
		for _, f := range failed {
			if aws.ToString(f.Id) == aws.ToString(e.Id) {
				left = append(left, e)
			}
		}
	}
	return left
}
