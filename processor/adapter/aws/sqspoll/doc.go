// Package sqspoll consumes an SQS queue where there is no Lambda to do so: in a
// container, or as a service of its own. It hands each message to a handler, the
// same as a Lambda function would, and deletes it when it is settled:
//
//	messages, err := aws.NewMessages(aws.MessagesConfig{Config: aws.Config{Service: service}})
//	...
//	consumer, err := sqspoll.New(sqs.NewFromConfig(cfg), queueURL, messages, sqspoll.Config{})
//	...
//	stats, err := consumer.Run(ctx)
//
// # What happens to a message
//
// While it is worked on its visibility is extended, well before it ends. Where that
// cannot be done, because the queue is away, the work is stopped before the queue
// could give the message to another consumer. A message that is settled is deleted;
// one that is not becomes visible again after a while that doubles with each time
// it was received. How often that may be is up to the redrive policy of the queue:
// nothing here gives a message up.
//
// On a FIFO queue the messages of a group are handled one after the other, in their
// order. After one that is not settled the others of its group that were received
// with it are given back.
//
// # Delivery
//
// A message comes again if the consumer dies, or cannot delete it in time: what was
// done for it is then done twice.
//
// # Permissions
//
//	sqs:ReceiveMessage
//	sqs:DeleteMessage
//	sqs:ChangeMessageVisibility
package sqspoll
