package aws

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/unspool-go/unspool/internal/sqsletter"
)

// planner makes tasks of messages.
type planner interface {
	message(i int, lane string, m *events.SQSMessage)
	planned() (tasks []task, owners [][]int)
}

func (p *plan) planned() ([]task, [][]int) { return p.tasks, p.owners }

// handleSQS handles a batch of messages: a message is settled when all of its
// tasks are.
func handleSQS[P planner](ctx context.Context, cfg *Config, batch events.SQSEvent, plan func(*invocation) P) (Answer, error) {
	if err := checkIDs(batch); err != nil {
		return Answer{}, err
	}
	inv := cfg.invoked(ctx)
	p := plan(inv)
	lanes := make([]string, len(batch.Records))
	for i := range batch.Records {
		lanes[i] = laneOf(&batch.Records[i])
		p.message(i, lanes[i], &batch.Records[i])
	}
	tasks, owners := p.planned()
	again := make([]bool, len(batch.Records))
	for i, ok := range inv.perform(ctx, tasks) {
		for _, m := range owners[i] {
			again[m] = again[m] || !ok
		}
	}
	follow(again, lanes)
	answer, lost := Answer{}, 0
	for i, m := range batch.Records {
		if again[i] {
			answer.again = append(answer.again, m.MessageId)
			lost++
		}
	}
	inv.note(func(r *Report) { r.Received, r.Unsettled = int64(len(batch.Records)), int64(lost) })
	err := inv.over()
	if lost == len(batch.Records) {
		return Answer{}, fmt.Errorf("aws: none of %d messages is settled: %w", lost, unsettled(err))
	}
	return answer, nil
}

// errNoTime is the reason of what was not begun.
var errNoTime = errors.New("the time was up")

// unsettled is the reason why something is not settled, which may be none but the
// lack of time.
func unsettled(err error) error {
	if err == nil {
		return errNoTime
	}
	return err
}

// checkIDs makes sure that each message can be named in an answer, before any is
// worked on.
func checkIDs(batch events.SQSEvent) error {
	if len(batch.Records) == 0 {
		return errors.New("aws: the event holds no messages of SQS")
	}
	for i := range batch.Records {
		if batch.Records[i].MessageId == "" {
			return fmt.Errorf("aws: message %d of the event has no id, so that no answer could name it", i)
		}
	}
	return nil
}

// laneOf returns the lane of a message: on a FIFO queue that of its group.
func laneOf(m *events.SQSMessage) string {
	if !strings.HasSuffix(m.EventSourceARN, ".fifo") {
		return ""
	}
	return "group " + m.Attributes["MessageGroupId"]
}

// follow marks all messages of a lane that come after one that is delivered again,
// as FIFO queues need it: those that hold nothing to do too.
func follow(again []bool, lanes []string) {
	broken := map[string]bool{}
	for i, lane := range lanes {
		if lane == "" {
			continue
		}
		again[i] = again[i] || broken[lane]
		broken[lane] = again[i]
	}
}

// attemptsOf is how many attempts a message has behind it: how often it was received
// before, and as many as its sender says in the attribute "attempt". Whatever is no
// such number counts nothing.
func attemptsOf(m *events.SQSMessage) int {
	n := max(0, count(m.Attributes["ApproximateReceiveCount"])-1)
	if a, ok := m.MessageAttributes[sqsletter.Attempt]; ok && a.StringValue != nil && numeric(a.DataType) {
		n += count(*a.StringValue)
	}
	return min(n, mostAttempts)
}

// mostAttempts are more than anybody allows, and leave room to count on.
const mostAttempts = 1 << 30

// numeric reports whether a type of attributes is that of numbers, or a kind of it.
func numeric(dataType string) bool {
	return dataType == "Number" || strings.HasPrefix(dataType, "Number.")
}

// count is a number of times, and 0 for what is none.
func count(text string) int {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return 0
	}
	return int(n)
}
