package aws

import (
	"errors"
	"fmt"

	"github.com/aws/aws-lambda-go/events"
)

// answer names the messages that have an error. The list is always written: Lambda takes
// an answer without one for success.
func answer(messages []events.SQSMessage, errs []error, onError func(error)) (events.SQSEventResponse, error) {
	again := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i := range messages {
		if errs[i] == nil {
			continue
		}
		id := messages[i].MessageId
		if id == "" {
			return again, errors.Join(errors.New("a message without an id cannot be named in the answer"), errs[i])
		}
		onError(fmt.Errorf("message %s: %w", id, errs[i]))
		again.BatchItemFailures = append(again.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: id})
	}
	return again, nil
}
