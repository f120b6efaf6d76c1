// Package s3 keeps claims in an S3 bucket, or in a store that speaks its
// protocol and obeys conditions: for workers on any number of machines that
// have nothing else to share.
//
// # Use
//
// [New] makes a store under a prefix of a bucket, which must hold nothing else,
// and of which no object may be expired, archived or changed by others.
// [NewClient] makes a client with connections enough. The bucket should not be
// versioned: each step would leave a version behind.
//
// # How it works
//
// Each key is one small JSON object. Its name is the prefix and the SHA-256 of
// the key, in hex, so that any key makes a legal name and load spreads over the
// partitions of a bucket; the key itself is in the object. A claim creates the
// object (If-None-Match: *) or replaces what it has read (If-Match: the ETag);
// Extend, Complete and Release replace it, while it holds the token. 412 means
// that somebody was quicker: it is read again and judged anew. 409 means that
// somebody is at it: it is tried again soon. Requests go out [Config].Parallel
// at a time.
//
// Where many keys of the last call could not be had, as when a folder is listed
// again, the next call reads each key before it writes: a read costs a twelfth
// of a write that is refused.
//
// Every request may be repeated, by the SDK or by the caller, after its answer
// was lost: a grant carries the nonce of its call, each later step the token.
// The SDK's own retries stay on.
//
// Stores differ: some ignore conditions that they do not know, and would grant
// a key to everybody. Before its first write a Store tries conditions on an
// object of its own, and refuses, with a fatal error, a store that ignores them.
//
// # Time
//
// S3 does not compare times: a worker does. The time is not the worker's own:
// it is estimated from the Date header of the answers, to an interval of at most
// some 2.5 seconds. A lease is written by the latest and judged by the earliest
// time that it may be. So clocks of workers may be wrong by any amount, a lease
// never ends before its time to live has passed, and is taken over at most 6
// seconds after. A process that was frozen finds out by the first answer, and
// sends again what it had written by the time of before. Answers without a date
// are a fatal error.
//
// # Cost
//
// Objects take 300 bytes, the key, and up to 4 KiB of progress. Per million keys:
//
//	claim             1 million PUT
//	complete          1 million PUT
//	heartbeat         1 million PUT each, of keys held at that moment
//	claimed again     1 million GET and 1 million PUT, after expiry or release
//	listed again      1 million GET
//	Inspect           1 million GET
//	list              1 million GET and 1,000 LIST: Expired, Completed, Count
//	Forget            1 million GET; DELETE is free
//
// and 7 requests of the first call of a process. A bucket takes 3,500 PUT and
// 5,500 GET a second per partition, and makes partitions as load grows, in many
// minutes; beyond that requests are throttled (503), which is an interrupted
// error of just those entries. Claims in DynamoDB cost an eighth.
//
// # Permissions
//
// A worker needs these IAM actions, on the prefix and, to list, on the bucket:
//
//	s3:DeleteObject
//	s3:GetObject
//	s3:ListBucket
//	s3:PutObject
//
// An operator, checker or archiver that uses the [claim.Inspector] needs no
// others. Without s3:ListBucket S3 answers 403 instead of 404 for what does not
// exist.
package s3
