// Package dynamodb keeps claims in a DynamoDB table: for any number of workers
// on any number of machines, without a server of one's own.
//
// # Use
//
// [CreateTable] makes the table, once; a backlog of its own wants a table of
// its own. [NewClient] makes a client with connections enough. [New] makes the
// store.
//
// # How it works
//
// Each key is one item. Claim, Extend, Complete and Release are one conditional
// UpdateItem per key, [Config].Parallel at a time; the answer to a condition
// that failed carries the item, so that the holder is known without a read.
// Transactions would decide up to 100 keys in one request, at twice the price,
// and all or none of them: one key that is held would send back 99 others.
//
// Where many keys of the last call could not be had, as when a folder is listed
// again, the next call first reads its keys, 100 a request and eventually
// consistent: a read costs a tenth of a write that is refused. A read never
// grants, and whatever it shows as free is decided by the write.
//
// Every request may be repeated, by the SDK or by the caller, after its answer
// was lost: a grant carries the nonce of its call, each later step the token,
// and attempts change only together with them. The SDK's own retries stay on.
//
// # Time
//
// DynamoDB has no clock for conditions: a worker sends the time. It is not its
// own: it is estimated from the Date header of the answers, to an interval of
// at most some 1.5 seconds. A lease is written by the latest and judged by the
// earliest time that it may be. So clocks of workers may be wrong by any
// amount, a lease never ends before its time to live has passed, and is taken
// over at most 6 seconds after. A process that was frozen finds out by the
// first answer, and sends again what it had written by the time of before.
// Answers without a date are a fatal error.
//
// DynamoDB's time to live (TTL) only clears the table of what nobody needs: see
// [Config].
//
// # Cost
//
// Items take 200 to 400 bytes beside the key, and up to 4 KiB of progress.
// Per million keys, of at most 500 bytes and without progress (1 KB an item):
//
//	claim             1 million write units
//	complete          1 million write units
//	heartbeat         1 million write units each, of keys held at that moment
//	listed again      0.5 million read units, in 10,000 requests
//	Inspect           1 million read units, in 10,000 requests
//	scan              50,000 read units: Expired, Completed, Count
//	Forget            1 million write units
//
// A table on demand takes 4,000 writes a second when it is new, and grows to
// twice its last peak in half an hour; beyond that requests are throttled, which
// is an interrupted error of just those entries. Warm it up (warm throughput)
// before a large backlog.
//
// # Permissions
//
// A worker needs these IAM actions on the table:
//
//	dynamodb:BatchGetItem
//	dynamodb:UpdateItem
//
// An operator, checker or archiver that uses the [claim.Inspector] also needs
//
//	dynamodb:DeleteItem
//	dynamodb:Scan
//
// and whoever calls [CreateTable] needs
//
//	dynamodb:CreateTable
//	dynamodb:DescribeTable
//	dynamodb:DescribeTimeToLive
//	dynamodb:UpdateTimeToLive
package dynamodb
