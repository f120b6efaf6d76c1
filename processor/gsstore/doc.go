// Package gsstore makes gs:// URLs work as retry, failed and corruption
// destinations of the processor, and wherever else afs URLs are taken. It is an
// afs storage manager on cloud.google.com/go/storage; who does not import it does
// not compile that.
//
// # Use
//
// Call [Register] once, with a client of your own, before URLs are used:
// nothing is registered by import. The client says everything about credentials
// and endpoint, and all gs:// URLs of the process go through it. Further stores
// can be had under other schemes: see [New].
//
// A URL is gs://bucket/name. The name is taken as it is: there are no escapes.
//
// # What it promises
//
// An object is written once: it appears whole or not at all, and never replaces
// another, by ifGenerationMatch=0 on the request that creates it. Writing to a
// name that exists gives an error that wraps [io/fs.ErrExist]. A failed, cancelled
// or panicking write leaves nothing that could be seen. What arrives is compared
// with CRC32C, and an object of one request with MD5 as well.
//
// An answer may be lost after the service has done what was asked. Each object
// carries a mark of its upload, by which an upload that is repeated, by the
// client or by the caller, finds out that it has succeeded before. Where that is
// not known at the end of a call the error wraps [ErrUndecided], and
// [Upload.Commit] can be called again.
//
// # Memory
//
// An object of up to [Config].ChunkBytes is held in memory and written by one
// request. A larger one is written as a resumable upload, in chunks of that size,
// of which each [Upload] holds one; where it begins, for a moment, two. Listings
// hold one page of 1,000 names, whatever there is.
//
// # What a killed process leaves
//
// A process that is killed while it writes a large object leaves an upload that no
// listing shows, that costs nothing, and that the service forgets after a week.
//
// # Permissions
//
//	storage.objects.create  write
//	storage.objects.get     read, and find out whether a write succeeded
//	storage.objects.delete  delete what is settled
//	storage.objects.list    list; without it the service answers 403, not 404, for what does not exist
//
// The role roles/storage.objectUser has them all.
package gsstore
