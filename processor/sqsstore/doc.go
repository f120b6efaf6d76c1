// Package sqsstore makes sqs:// URLs work as retry, failed and corruption
// destinations of the processor, for services that consume a queue: of a message
// with thousands of records those that fail go back into the queue alone, or into a
// queue of dead letters, and the message is settled. It is an afs storage manager on
// the AWS SDK for Go; who does not import it does not compile the SDK.
//
// # Use
//
// Call [Register] once, with a client of your own, before [processor.New]: nothing
// is registered by import. The client says everything about region, credentials,
// endpoint and retries, and all sqs:// URLs of the process go through it.
//
//	sqs://orders                                        a queue by its name,
//	sqs://arn:aws:sqs:eu-central-1:123456789012:orders  its ARN, or
//	sqs://sqs.eu-central-1.amazonaws.com/123456789012/orders
//	                                                    its URL, with sqs for https
//
// A queue shows nothing of what is in it. So a service that has a Source, and lists
// its retry destination, or leaves tickets there, must have a folder for that;
// [processor.Service.Do] of what comes from a queue (package adapter/aws) needs none.
// Failed and corruption destinations may always be queues. Package redrive/sqsbox
// looks through a queue of dead letters, and replays them.
//
// # Messages
//
// Each record is a message of its own. The body is the record as it is, or in base64
// where SQS would not take it: then the attribute "encoding" says so. Further
// attributes are "object", "version" and "offset", where the record comes from,
// "index", "attempt", how many attempts are behind it, "class" and "reason", what it
// failed of, and "stage", which says that it is an output of the transform ("sink")
// or stands for what could not be read of an object ("ticket"). Numbers are of type
// Number; what there is nothing to say of is left out.
//
// The handler of messages in adapter/aws knows such messages: it goes on with the
// record as if it came from a folder, with the attempts behind it, and does not
// transform again what was transformed.
//
// # What it promises
//
// A commit is over when SQS has acknowledged every record. They are sent in batches
// of up to ten messages and 1 MiB; of a batch that was taken in part the rest is sent
// again, and another Commit after an error goes on where the last one was. A record
// whose acknowledgement was lost is in a standard queue twice; a FIFO queue takes it
// once.
//
// A record that does not fit a message with its attributes is an error of the part:
// nothing of it is sent, and the input stays unsettled. It comes again until the
// redrive policy of its queue puts it aside: have one. No record of a message that
// itself was in a queue of the same limits is that large, unless it fills it.
//
// # FIFO queues
//
// A record's message group is made of its object, or by [Config].Group. The
// deduplication id is its own: it says only that an acknowledgement was lost. FIFO
// queues do not delay single messages; what is to be tried again comes after what is
// in its group, at once.
//
// # Memory
//
// A part is in memory until it is committed: what failed of one request.
//
// # Permissions
//
//	sqs:SendMessage
//	sqs:GetQueueUrl         unless the queue is named by its URL
//	sqs:GetQueueAttributes  unless Config.MessageBytes is set
package sqsstore
