// Package s3 is the [source.Source] of a prefix of an S3 bucket, or of a store
// that speaks its protocol. It also reads the events that S3 sends
// ([ParseEvents]).
//
// # Use
//
// [New] makes a source; [NewClient] makes a client for it. Regions, credentials,
// endpoints, path-style addressing and retries are those of the client, as the
// SDK is configured.
//
// # Objects
//
// Keys are relative to the prefix, as if it were a folder: the same tree has the
// same keys through source/dir. A name that ends with a slash marks a folder and
// is no object. A name with an empty element or one of dots ("a//b", "a/../b")
// can be no key and is reported at the end of the listing; as the empty pattern
// in Config.Ignore matches the empty element, that passes it over in silence.
//
// Version is the ETag, without its quotes, as in events; or the version id with
// Config.VersionIDs. Every request for an object is on condition of its ETag.
//
// # Requests and retries
//
// The client's own retries stay on, but for deletions, which are repeated here.
// A listing page or a body that was cut is asked for again where it was, up to
// three times in a row without anything new, after 0.1, 0.2 and 0.4 seconds.
// Everything else is an error: a listing that did not reach its end ends with
// one.
//
// The SDK compares a whole object with the checksum it was uploaded with. Parts
// of large objects, and what was resumed, cannot be compared.
//
// # Watching
//
// S3 tells what appears by events only; [Source.Watch] lists. See [Growing] for
// buckets where that takes long, and [Partitions] to list only what is recent.
//
// # Directory buckets
//
// They list in no order, and do not know where to begin: leave Growing off.
//
// # Cost
//
// Per million objects: 1,000 LIST and 1 million GET; a large object is one GET per
// Config.PartBytes. Moved in S3 they cost 1 million COPY and 2 million HEAD;
// removed, nothing, as DELETE is free. An archiver looks at each before and after,
// with another 2 million HEAD.
//
// # Permissions
//
// A worker needs these IAM actions, on the bucket to list and on the objects to
// read them:
//
//	s3:ListBucket
//	s3:GetObject
//
// With Config.VersionIDs it needs s3:ListBucketVersions in place of
// s3:ListBucket. An archiver or a worker that deletes needs, on the objects:
//
//	s3:DeleteObject
//
// and one that moves them to s3:// needs, on the objects in the target:
//
//	s3:PutObject
//	s3:GetObject
//	s3:AbortMultipartUpload
//
// and s3:ListBucket on the target bucket; for objects with tags also
// s3:GetObjectTagging on the source and s3:PutObjectTagging on the target; with
// Config.VersionIDs s3:GetObjectVersion on the source. Objects encrypted with a
// key of KMS need kms:Decrypt, and kms:GenerateDataKey on the target. Without
// s3:ListBucket S3 answers 403 instead of 404 for what does not exist.
package s3
