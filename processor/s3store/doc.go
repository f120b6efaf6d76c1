// Package s3store makes s3:// URLs work as retry, failed and corruption
// destinations of the processor, and wherever else afs URLs are taken. It is an
// afs storage manager on the AWS SDK for Go; who does not import it does not
// compile the SDK.
//
// # Use
//
// Call [Register] once, with a client of your own, before URLs are used:
// nothing is registered by import. The client says everything about region,
// credentials, endpoint and retries, and all s3:// URLs of the process go
// through it. Further stores can be had under other schemes: see [New].
//
// A URL is s3://bucket/key. The key is taken as it is: there are no escapes.
//
// # What it promises
//
// An object is written once: it appears whole or not at all, and never replaces
// another, by If-None-Match: * on the request that creates it. Writing to a
// name that exists gives an error that wraps [io/fs.ErrExist]. The store must
// obey that condition, on PutObject and on CompleteMultipartUpload, as AWS does.
// A failed, cancelled or panicking write is aborted.
//
// An answer may be lost after the store has done what was asked. Each object
// carries a mark of its upload, by which an upload that is repeated, by the
// SDK or by the caller, finds out that it has succeeded before. Where that is
// not known at the end of a call the error wraps [ErrUndecided], and
// [Upload.Commit] can be called again.
//
// # Memory
//
// An object of up to [Config].PartBytes is held in memory and written by one
// request. A larger one is written in pieces of that size (S3 calls them
// parts): each [Upload] holds one that is being filled, and up to
// [Config].Parallel of all uploads are on their way. An object has at most
// 10,000 pieces. Listings hold one page of 1,000 names, whatever there is.
//
// # What a killed process leaves
//
// A process that is killed while it writes a large object leaves pieces that no
// listing shows, and that are paid for until somebody aborts the upload. Have
// the bucket do that, by a lifecycle rule:
//
//	{"Rules": [{
//	    "ID": "abort-incomplete-uploads", "Status": "Enabled", "Filter": {"Prefix": ""},
//	    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}
//	}]}
//
// # Permissions
//
//	s3:PutObject             write
//	s3:AbortMultipartUpload  give up a write
//	s3:GetObject             read, and find out whether a write succeeded
//	s3:DeleteObject          delete what is settled
//	s3:ListBucket            list; without it S3 answers 403, not 404, for what does not exist
//
// With objects encrypted by a KMS key also kms:GenerateDataKey and kms:Decrypt
// on the key.
package s3store
