// Package streampoll consumes a DynamoDB stream where there is no Lambda to do so:
// in a container, or as a service of its own. It does what Lambda's event source
// mapping does: it reads the shards of the stream, and hands batches of changes to
// the same handler as a Lambda function would use:
//
//	changes, err := aws.NewChanges(aws.ChangesConfig{Config: aws.Config{Service: service}})
//	...
//	stream, err := streampoll.Stream(ctx, dynamodb.NewFromConfig(cfg), "transactions")
//	...
//	consumer, err := streampoll.New(dynamodbstreams.NewFromConfig(cfg), stream, changes, streampoll.Config{Claims: claims})
//	...
//	stats, err := consumer.Run(ctx)
//
// # Shards
//
// Shards are read side by side, each in its order, one batch at a time. A shard is
// begun when the one that it came from is finished: changes of one item come in the
// order in which they were made. New shards are found while it runs. A shard that is
// closed and wholly settled is finished for good.
//
// # Many consumers
//
// Consumers with the same claim store and the same Config.Group share the shards of a
// stream. A shard is claimed: one consumer has it, for as long as its heartbeats come.
// How far it is settled, its checkpoint, is stored with the claim, so that another
// goes on from there when a consumer ends, at once, or dies, when its claim has
// expired. Where a claim cannot be kept alive the context of its handler ends a
// quarter of Config.TTL before another consumer could have the shard.
//
// A consumer takes all the shards that it can get. Those that come later get what is
// free: shards that are new, and those of consumers that end. Config.MaxShards keeps
// some for the others.
//
// Without a claim store a consumer works alone, and has its checkpoints in memory:
// they outlive a Run, but not the process.
//
// # Delivery
//
// Each change is delivered at least once. After a crash, or where a claim was lost,
// what was settled since the last checkpoint comes again: with Config.CheckpointEvery
// at its default that is one batch of each shard, at most.
//
// Where the handler does not settle a batch, or settles only the first part of it, the
// rest comes again after a while that doubles each time. A batch none of which is
// settled is halved, down to a single change, so that one that cannot be settled does
// not take its neighbours along; those before it are settled, those behind it wait.
// It is tried for ever, unless Config.MaxAttempts or Config.MaxAge says otherwise:
// then Config.OnFailure is told, and the change passed over if that succeeds. An error
// marked fault.Interrupted or fault.Fatal is nobody's attempt: nothing is halved or
// passed over because a destination is away.
//
// # Loss
//
// A stream keeps changes for 24 hours. Where a consumer finds that some may be gone
// which were not settled, because nobody read them in time, it says so ([ErrGap],
// Stats.Gaps), and goes on with the oldest that there are.
//
// For that it takes a shard whose parent is not there any more, nor finished, for one
// with a gap before it. So the claims of finished shards must not be forgotten while
// the shards that came from them are listed: a week is plenty. The first consumer of a
// group writes down that it was, and what was before that does not matter.
//
// Of a shard that nobody had begun it cannot tell whether the oldest changes are gone
// while others are still there: so a gap may go untold where nobody read for little
// more than a day.
//
// # Permissions
//
//	dynamodb:DescribeStream
//	dynamodb:GetShardIterator
//	dynamodb:GetRecords
//	dynamodb:DescribeTable, for Stream
package streampoll
