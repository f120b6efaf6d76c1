// Package dynamodbtest is a strict stand-in for Amazon DynamoDB and DynamoDB
// Streams that runs in the test's own process. It speaks the real protocol (AWS
// JSON 1.0 over HTTP on a loopback port), so that the code under test uses the
// real SDK clients, from the same process or from another:
//
//	srv := dynamodbtest.Start(t, dynamodbtest.Config{})
//	err := srv.AddTable("orders", dynamodbtest.TableConfig{PartitionKey: "id", Stream: "NEW_IMAGE"})
//	client := dynamodb.New(dynamodb.Options{BaseEndpoint: aws.String(srv.URL()), ...})
//	changes := dynamodbstreams.New(dynamodbstreams.Options{BaseEndpoint: aws.String(srv.URL()), ...})
//
// It refuses what AWS refuses, with the same types of errors. It is held against
// DynamoDB Local by one table of requests; where that differs from what AWS
// documents the table says how, and the stand-in keeps to the documentation.
//
// [Server.Inject] makes it throttle, fail, stall, lose responses and leave items
// unprocessed, [Server.Outage] makes it unreachable, and tables may have provisioned
// units. [Server.Advance] moves its clock, [Server.RollShards] and
// [Server.SplitShards] do to a stream what AWS does in time.
//
// # Operations
//
// CreateTable, DeleteTable, DescribeTable, ListTables, UpdateTimeToLive,
// DescribeTimeToLive; PutItem, GetItem, UpdateItem, DeleteItem; BatchWriteItem,
// BatchGetItem, TransactWriteItems; Query, Scan; ListStreams, DescribeStream,
// GetShardIterator, GetRecords. Expressions are complete. All others are answered
// with UnknownOperationException.
//
// # What is not modelled
//
//   - Secondary indexes, PartiQL, TransactGetItems, UpdateTable, tags, backups, global
//     tables and resource policies. Parameters that are older than expressions
//     (Expected, AttributeUpdates, KeyConditions and others) are refused.
//   - Time to live is stored and described, but deletes nothing. On AWS it may take
//     days, and items that have expired are read until then.
//   - Reads are always consistent, and a stream has a change at once: on AWS both may
//     lag behind. What relies on that is not found out here.
//   - Transactions never collide: they, and all writes, are carried out one after
//     the other. TransactionConflict can be injected as a whole call's
//     TransactionConflictException.
//   - The limits of single partitions (1,000 write units a second), of item collections,
//     and of readers of a shard (two at a time). Capacity that is not provisioned is
//     without bounds.
//   - Signatures are checked for their form, not verified; permissions are not known.
package dynamodbtest
