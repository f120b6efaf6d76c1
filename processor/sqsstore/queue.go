package sqsstore

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/sqs"
)

// What SQS takes in one call.
const (
	maxBatchBytes    = 1 << 20
	maxBatchMessages = 10
)

// queue is a queue whose messages are all delayed alike.
type queue struct {
	*sqs.Sink
	limits sink.Limits
}

type queueKey struct {
	name  string
	delay time.Duration
}

// queue returns the queue of a name, for records with so many attempts behind them.
func (m *Manager) queue(ctx context.Context, name string, attempt int) (*queue, error) {
	key := queueKey{name, m.delay(name, attempt)}
	m.mu.Lock()
	q := m.queues[key]
	m.mu.Unlock()
	if q != nil {
		return q, nil
	}
	s, err := sqs.New(delaying{m.client, int32(key.delay / time.Second)}, name, sqs.Config{MessageBytes: m.cfg.MessageBytes})
	if err != nil {
		return nil, err
	}
	q = &queue{Sink: s}
	if q.limits, err = s.Limits(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queues[key] = q
	return q, nil
}

// delay is how long records are delayed that are to be tried again. Those that are
// not have no attempts in the name of their part.
func (m *Manager) delay(queue string, attempt int) time.Duration {
	if attempt == 0 || strings.HasSuffix(queue, ".fifo") {
		return 0
	}
	const doublings = 10 // of a second are longer than any delay
	return min(m.cfg.Delay<<min(attempt-1, doublings), maxDelay)
}

// delaying is a client that delays messages.
type delaying struct {
	Client
	seconds int32
}

// SendMessageBatch implements [sqs.API].
func (d delaying) SendMessageBatch(ctx context.Context, in *awssqs.SendMessageBatchInput, options ...func(*awssqs.Options)) (*awssqs.SendMessageBatchOutput, error) {
	for i := range in.Entries {
		in.Entries[i].DelaySeconds = d.seconds
	}
	return d.Client.SendMessageBatch(ctx, in, options...)
}

// queueName is the form of a name, from "Amazon SQS message quotas" of the developer
// guide: that of a FIFO queue has a suffix.
var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}(\.fifo)?$`)

// locate takes a URL apart: the queue, by name, ARN or URL, and the path below it.
func locate(url string) (queue, path string, err error) {
	scheme, rest, ok := strings.Cut(url, "://")
	bad := func() (string, string, error) {
		return "", "", fmt.Errorf("url %q: want %s:// and the name of a queue, its ARN, or its URL without https://", url, Scheme)
	}
	if !ok || scheme == "" {
		return bad()
	}
	rest = strings.TrimRight(rest, "/")
	first, path, _ := strings.Cut(rest, "/")
	switch {
	case queueName.MatchString(first):
		return first, path, nil
	case strings.HasPrefix(first, "arn:"):
		part := strings.Split(first, ":") // arn:aws:sqs:region:account:name
		if len(part) != 6 || part[2] != "sqs" || !queueName.MatchString(part[5]) {
			return bad()
		}
		return first, path, nil
	case strings.ContainsAny(first, ".:"): // a host
		account, below, _ := strings.Cut(path, "/")
		name, path, _ := strings.Cut(below, "/")
		if account == "" || !queueName.MatchString(name) {
			return bad()
		}
		return "https://" + first + "/" + account + "/" + name, path, nil
	}
	return bad()
}
