package aws

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/events"
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

// attemptsOf is how often a message was received before.
func attemptsOf(m *events.SQSMessage) int {
	n, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
	if err != nil {
		return 0
	}
	return max(0, n-1)
}
