// Package sqsevent recognises the events of Lambda that are batches of SQS messages.
package sqsevent

import (
	"encoding/json"

	"github.com/aws/aws-lambda-go/events"
)

// Batch returns the batch of messages that an event is, if it is one.
func Batch(event json.RawMessage) (batch events.SQSEvent, ok bool) {
	var kind struct {
		Records []struct {
			EventSource string `json:"eventSource"`
		}
	}
	if json.Unmarshal(event, &kind) != nil || len(kind.Records) == 0 || kind.Records[0].EventSource != "aws:sqs" {
		return batch, false
	}
	return batch, json.Unmarshal(event, &batch) == nil
}
