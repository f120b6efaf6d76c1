// Package aws turns events of AWS Lambda into requests to a [processor.Service],
// and answers so that the runtime delivers again exactly what was not settled.
//
//	objects, err := aws.NewObjects(aws.Config{Service: service}, files) // an s3.Source
//	...
//	lambda.Start(objects.Handle)
//
// There is a handler for each kind of event: [Objects] for S3 events however they
// arrive, [Messages] for the bodies of SQS messages, and [Changes] for DynamoDB
// streams. An EventBridge schedule needs none: its handler is a function that
// calls Run, Check or Archive. Package emf writes the summary line with its
// metrics; packages sqspoll and streampoll hand messages and changes to the same
// handlers where there is no Lambda.
//
// # What is settled
//
// A request is settled when Do says so: its records were processed, or are in a
// destination. That includes a request which the deadline struck in its middle: Do
// has put the rest in the retry destination, or noted it there. An event that was
// not begun when the time was up is given back instead, as is with claims one that
// was not finished: what it names is safe
// where it is, and a ticket in the retry destination would add nothing to that.
// An input that Do could not settle, and one that panicked, is given back too. So
// each event is either with its runtime or with the destinations, and never with
// both.
//
// # Answers
//
// A batch from SQS or a stream is answered by an [Answer] that lists what is to be
// delivered again. The event source mapping must have ReportBatchItemFailures on:
// without it Lambda takes every answer for success. Where nothing of a batch was
// settled the handler returns an error, on which Lambda slows down. Any other
// event is all or nothing: an error has it delivered again as a whole, and what
// was settled of it is done again.
//
// # Once
//
// With ObjectsConfig.Claim a request takes the claim of its object, as Run does with
// what it lists: a handler of events and a schedule share a prefix, and each object is
// done once, whoever meets it first. What the deadline strikes is then given back with
// what was done of it, and its event comes again; S3 gives up on an event after a while,
// and the schedule finds what is left.
//
// Without claims an object that a handler has settled is processed again by a Run over
// the same prefix, and by a second event, which S3 may send: let one of them work on a
// prefix, or give records an id (see [processor.Config.RecordID]) by which their
// consumer drops what comes twice. Messages and changes of a table have no claims.
package aws
